"""even-kernel-with-symmetric-padding (CNN133)

## What it does
Reports an even window with stride 1 and as much padding before as after, whose output is one larger or smaller than its
input. Windows with a stride (4x4, stride 2, padding 1 halves exactly) and windows without padding are as they should be.

## Why is this bad
An even window has no middle: with the same padding at both ends the map grows or shrinks by one and moves by half a
position, layer after layer, until a skip connection does not meet any more. PyTorch's `padding=k//2` does it in silence.

## Example
```
input 16x32x32
CONV4-16(pad=1)
```

## Use instead
```
input 16x32x32
CONV4-16(pad=same)
```

The fix writes `pad=same`, which pads one more after than before. It changes the output's size and is not applied unasked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Fix, Severity
from ..ops.pool import AvgPool
from ..ops.windows import extent
from .arguments import with_argument
from .stages import everywhere
from .subject import Subject
from .windows import Along, Window

CODE: Final = "CNN133"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a layer: the first axis."""
    found: dict[int, tuple[Window, int]] = {}
    for window in subject.windows:
        if any(k % 2 == 0 for k in window.kernel):
            uneven = (number for number, axis in enumerate(window.axes()) if _uneven(axis))
            number = next(uneven, None)
            if number is not None:
                found.update((node, (window, number)) for node in window.nodes)
    if found:
        mendable = everywhere(subject, found, (node for window in subject.windows for node in window.nodes))
        for node, (window, number) in found.items():
            yield _finding(subject, node, window, number, node in mendable)


def _uneven(axis: Along) -> bool:
    """Whether the padding makes one position more or less than there are."""
    _, k, s, (before, after), d = axis
    return k % 2 == 0 and s == 1 and before == after > 0 and abs(2 * before + 1 - extent(k, d)) == 1


def _finding(subject: Subject, index: int, window: Window, number: int, mendable: bool) -> Diagnostic:
    k, (before, _) = window.kernel[number], window.pad[number]
    span = subject.spans[index]
    one_sided = not isinstance(subject.graph.nodes[index].op, AvgPool)
    mendable = mendable and one_sided and len(set(window.kernel)) == 1
    edit = with_argument(subject, span, "pad", "same") if mendable else None
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"an even window of {k} with padding {before} at both ends makes "
        f"{window.output.spatial[number]} of {window.input.spatial[number]} along {window.axis(number)}",
        span,
        expected="an output of the input's size",
        found=f"{window.input} -> {window.output}",
        help=f"use an odd window, as {k - 1} or {k + 1}"
        + (", or pad=same, which pads one more at the end" if one_sided else ""),
        fix=Fix("write pad=same", (edit,), safe=False) if edit else None,
    )
