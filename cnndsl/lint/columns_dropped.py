"""columns-dropped (CNN130)

## What it does
Reports a convolution or pooling whose windows do not tile the input, so that its last rows or columns are never read.
Padding that goes unread is not reported, nor is a stride larger than the window, which skips columns everywhere.

## Why is this bad
The lectures say "doesn't fit": (7-3)/3+1 = 2.33. Frameworks floor in silence, and the image's edge is lost.

## Example
```
input 1x7x7
CONV3-8/3(pad=0)
```

## Use instead
```
input 1x7x7
CONV3-8/3(pad=1)
```

The fix writes `ceil=true` for a pool, and for a convolution the least padding, up to half of its window, with which the
windows fit. The output may be larger then; it is not applied unasked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Fix, Severity
from ..ops.conv import Conv
from ..ops.windows import extent
from ..source import Span
from .arguments import alone, with_argument
from .stages import everywhere
from .subject import Subject
from .windows import Along, Window

CODE: Final = "CNN130"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a layer: the first axis."""
    found: dict[int, tuple[Window, int]] = {}
    for window in subject.windows:
        if max(window.stride) > 1 and not window.ceil:
            for number, axis in enumerate(window.axes()):
                if dropped(axis):
                    found.update((node, (window, number)) for node in window.nodes)
                    break
    if found:
        every = [node for window in subject.windows for node in window.nodes]
        mendable = everywhere(subject, found, every), alone(subject, found, every)
        for node, (window, number) in found.items():
            pool = not isinstance(subject.graph.nodes[node].op, Conv)
            fix = _fix(subject.spans[node], subject, window, pool) if node in mendable[not pool] else None
            yield _finding(subject.spans[node], window, number, fix)


def dropped(axis: Along) -> int:
    """The input's own positions, not padding, that no window reads at the end of an axis."""
    n, k, s, (before, after), d = axis
    reach = extent(k, d)
    if not isinstance(n, int) or reach < s:
        return 0
    return max(0, (n + before + after - reach) % s - after)


def _fix(span: Span, subject: Subject, window: Window, pool: bool) -> Fix | None:
    name, value = ("ceil", "true") if pool else ("pad", _fitting(window))
    edit = with_argument(subject, span, name, value) if value else None
    return Fix(f"write {name}={value}", (edit,), safe=False) if edit else None


def _fitting(window: Window) -> str | None:
    """The least padding, the same at all ends and more than there is, with which the windows fit on every axis."""
    least, most = max(max(pair) for pair in window.pad), max(map(extent, window.kernel, window.dilation)) // 2
    for pad in range(least + 1, most + 1):
        if not any(dropped((n, k, s, (pad, pad), d)) for n, k, s, _, d in window.axes()):
            return str(pad)
    return None


def _finding(span: Span, window: Window, number: int, fix: Fix | None) -> Diagnostic:
    n, k, s, _, d = axis = list(window.axes())[number]
    lost = dropped(axis)
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"the windows do not fit: {lost} of {n} along {window.axis(number)} {'are' if lost > 1 else 'is'} never read",
        span,
        expected=f"windows of {extent(k, d)} every {s} that end at the edge",
        found=f"{window.input} -> {window.output}",
        help="pad so that they fit, choose another stride, or write ceil=true for a pool",
        fix=fix,
    )
