"""stride-exceeds-kernel (CNN134)

## What it does
Reports a convolution or pool whose stride is larger than its window, so that positions between the windows are never
read. Silent where another layer reads the same map in full: the projection shortcuts of ResNet are 1x1 convolutions with
stride 2 and skip three of four positions, but the branch beside them reads every one. Where all of several branches skip,
as in the paper's own ResNet, whose blocks have the stride in their first 1x1, it is a remark and no warning: that is custom.

## Why is this bad
What was computed at the positions between is thrown away: before a 1x1 convolution with stride 2, three quarters of the
work. He et al. (Bag of Tricks for Image Classification with Convolutional Neural Networks, 2018) move the stride to the
3x3 convolution, and pool before the projection, for this reason. A mistyped stride looks the same.

## Example
```
input 64x56x56
CONV3-64 - RELU - CONV1-128/2
```

## Use instead
```
input 64x56x56
CONV3-64 - RELU - AVGPOOL2 - CONV1-128
```
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.windows import extent
from ..source import Span
from .subject import Subject
from .windows import Along, Window, times

CODE: Final = "CNN134"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a map: the first of the layers that read it, where none reads it in full."""
    skipping = {node: window for window in subject.windows if any(map(_skips, window.axes())) for node in window.nodes}
    first: dict[int, int] = {}
    for node in skipping:
        first.setdefault(subject.graph.nodes[node].inputs[0], node)
    for source, node in first.items():
        users = subject.users[source]
        if source not in subject.ends and all(user in skipping for user in users):
            yield _finding(subject.spans[node], skipping[node], Severity.WARNING if len(users) == 1 else Severity.INFO)


def _skips(axis: Along) -> bool:
    """Whether there are positions between two windows."""
    n, k, s, _, d = axis
    return s > k and s > extent(k, d) and (not isinstance(n, int) or n > extent(k, d))


def _finding(span: Span, window: Window, severity: Severity) -> Diagnostic:
    every = prod(window.stride)
    read = prod(map(min, window.kernel, window.stride))
    axis = next(number for number, axis in enumerate(window.axes()) if _skips(axis))
    k, s = window.kernel[axis], window.stride[axis]
    return Diagnostic(
        CODE,
        severity,
        f"the stride of {s} exceeds the window of {k}: {every - read} of {every} positions are never read",
        span,
        expected=f"a stride of at most {extent(k, window.dilation[axis])} along {window.axis(axis)}",
        found=f"stride {times(window.stride)}",
        help=f"use a window of {s + 1 - s % 2} or more, or AVGPOOL{s} before it, without a stride here"
        if severity is Severity.WARNING
        else "move the stride to the next convolution whose window is larger",
    )
