"""window-mostly-padding (CNN131)

## What it does
Reports a convolution or pool whose window, along an axis, holds more padding than input: at an edge, because more is padded
than half of the window; or everywhere, because the map is smaller than half of the window. Padding on one side alone
(a causal convolution) is reported only in the second case.

## Why is this bad
Most of the weights meet zeros alone: a 3x3 convolution on a 1x1 map is a 1x1 convolution at nine times the cost, and
what it learns for the other eight positions is noise. It comes from an input smaller than the one that the network was
made for, from a `CONV` after GAP without its `1`, or from padding that was not taken back with the kernel: `CONV1(pad=1)`.

## Example
```
input 3x32x32
CONV3-64/2 - RELU - GAP - CONV-10
```

## Use instead
```
input 3x32x32
CONV3-64/2 - RELU - GAP - CONV1-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.windows import extent
from .subject import Subject
from .windows import Along, Window, times

CODE: Final = "CNN131"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a layer: the first axis."""
    for window in subject.windows:
        finding = _found(window)
        if finding is not None:
            for node in window.nodes:
                yield finding.replace(span=subject.spans[node])


def _found(window: Window) -> Diagnostic | None:
    for number, axis in enumerate(window.axes()):
        if not any(axis[3]):
            continue
        if _small(axis):
            return _everywhere(window, number, axis)
        inside = _inside(axis, window.ceil)
        if 2 * inside < axis[1]:
            return _at_the_edge(window, number, axis, inside)
    return None


def _reached(size: int, kernel: int, dilation: int) -> int:
    """The most taps that can stand on a map of this size."""
    return min(kernel, -(-size // dilation))


def _small(axis: Along) -> bool:
    """Whether no window can have half of its taps on the map."""
    n, k, _, _, d = axis
    return isinstance(n, int) and 2 * _reached(n, k, d) < k


def _inside(axis: Along, ceil: bool) -> int:
    """The taps of the first or the last window, whichever has fewer, that read the map; a size not known is a large one.

    The last window is left out where its place depends on an open size, and for a pool with ceil, which may reach beyond.
    """
    n, k, s, (before, after), d = axis
    reach = extent(k, d)
    if 0 in (before, after) and before + after < reach:
        return k
    size = n if isinstance(n, int) else before + after + 2 * reach
    inside = _on_the_map(size, -before, k, d)
    if ceil or (s > 1 and size != n):
        return inside
    last = (size + before + after - reach) // s * s - before
    return min(inside, _on_the_map(size, last, k, d))


def _on_the_map(size: int, start: int, kernel: int, dilation: int) -> int:
    """How many taps of a window that starts here lie in 0 to size."""
    first = max(0, -(start // dilation))
    last = min(kernel - 1, (size - 1 - start) // dilation)
    return max(0, last - first + 1)


def _everywhere(window: Window, number: int, axis: Along) -> Diagnostic:
    n, k, _, _, d = axis
    assert isinstance(n, int)
    taps = prod(window.kernel)
    most = prod(
        _reached(size, kernel, dilation) if isinstance(size, int) else kernel
        for size, kernel, _, _, dilation in window.axes()
    )
    advice = f"use a window of at most {2 * n - 1}" if 1 in (d, n) else f"use a dilation below {n}"
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"a window of {times(window.kernel)} on a map of {times(window.input.spatial)} is mostly padding wherever it stands",
        None,
        expected=f"at least half of a window's {k} taps along {window.axis(number)} on the map",
        found=f"{_reached(n, k, d)} of {k}, and {most} of {taps} taps in all",
        help=f"{advice}, or reduce the resolution less before it",
    )


def _at_the_edge(window: Window, number: int, axis: Along, inside: int) -> Diagnostic:
    _, k, _, _, d = axis
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"the window at the edge is mostly padding: {k - inside} of {k} taps along {window.axis(number)}",
        None,
        expected="at least half of a window on the map",
        found=f"{window.input} -> {window.output}",
        help=f"pad={(extent(k, d) - 1) // 2}" + (" keeps the resolution" if extent(k, d) % 2 else ""),
    )
