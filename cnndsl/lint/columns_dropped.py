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
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ir import Graph, Node
from ..ops.conv import Conv
from ..ops.pool import AvgPool, MaxPool
from ..ops.windows import extent
from ..source import Span
from .subject import Subject

CODE: Final = "CNN130"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a layer: the first axis."""
    for node, span in zip(subject.graph.nodes, subject.spans, strict=True):
        for axis, dropped in enumerate(_dropped(subject.graph, node)):
            if dropped:
                yield _finding(subject.graph, node, axis, dropped, span)
                break


def _dropped(graph: Graph, node: Node) -> list[int]:
    """The input's own columns, not padding, that no window reads; one number an axis."""
    op = node.op
    match op:
        case Conv(pad=pad, dilation=dilation):
            pass
        case MaxPool(pad=pad, dilation=dilation, ceil=False):
            pass
        case AvgPool(ceil=False):
            pad, dilation = tuple((p, p) for p in op.pad), (1,) * len(op.pad)
        case _:
            return []
    before = graph.inputs(node)[0].spatial
    return [
        max(0, (n + left + right - extent(k, d)) % s - right) if isinstance(n, int) and extent(k, d) >= s else 0
        for n, k, s, (left, right), d in zip(before, op.kernel, op.stride, pad, dilation, strict=True)
    ]


def _finding(graph: Graph, node: Node, axis: int, dropped: int, span: Span) -> Diagnostic:
    op = node.op
    assert isinstance(op, Conv | MaxPool | AvgPool)
    size = graph.inputs(node)[0].spatial[axis]
    where = "LHW"[axis] if len(op.kernel) == 1 else ("HW" if len(op.kernel) == 2 else "DHW")[axis]
    k, s = op.kernel[axis], op.stride[axis]
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"the windows do not fit: {dropped} of {size} along {where} {'are' if dropped > 1 else 'is'} never read",
        span,
        expected=f"windows of {k} every {s} that end at the edge",
        found=f"{graph.inputs(node)[0]} -> {node.shape}",
        help="pad so that they fit, choose another stride, or write ceil=true for a pool",
    )
