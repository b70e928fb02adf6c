"""large-kernel (CNN212)

## What it does
Reports a dense convolution of 5x5 or larger, stride 1, whose field a stack of 3x3 convolutions of the same width sees with at
least a quarter fewer weights. Silent for depthwise and grouped convolutions, 1-D ones (where nothing is saved), windows as
large as their map (a linear layer, written as a convolution), and fewer than 16 input channels, as an image has.

## Why is this bad
Three 3x3 convolutions see 7x7 with 3*(3*3*C*C) = 27C² weights, where one 7x7 has 49C²; two see 5x5 with 18C² for 25C². They
take as many multiply-accumulates fewer, and have an activation after each (Simonyan, Zisserman: Very Deep Convolutional
Networks for Large-Scale Image Recognition, 2014, section 2.3).

## Example
```
input 64x56x56
CONV7-64 - RELU
```

## Use instead
```
input 64x56x56
(CONV3-64 - RELU)*3
```
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.base import channels_of
from ..ops.conv import Conv
from ..shape import Shape
from ..source import Span
from .subject import Subject
from .windows import times

CODE: Final = "CNN212"

NARROW: Final = 16
"""Input channels below which a large kernel is cheap."""

WORTH: Final = 0.75
"""The share of the weights that a stack must come down to."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a layer."""
    graph = subject.graph
    for window in subject.windows:
        if min(window.kernel) < 5:
            continue
        op = graph.nodes[window.nodes[0]].op
        if isinstance(op, Conv) and _dense(op, window.input):
            count = max(op.kernel) // 2
            now, stacked = _weights(op, window.input, count)
            if stacked <= WORTH * now:
                yield from (_finding(subject.spans[i], op, count, now, stacked) for i in window.nodes)


def _dense(op: Conv, x: Shape) -> bool:
    """Whether it could be a stack: odd, dense, at every position of a map that is larger."""
    smaller = any(not isinstance(n, int) or n > k for n, k in zip(x.spatial, op.kernel, strict=True))
    odd = all(k % 2 for k in op.kernel)
    plain = op.groups == 1 and set(op.stride) == {1} and set(op.dilation) == {1}
    return odd and plain and smaller and channels_of(x) >= NARROW


def _weights(op: Conv, x: Shape, count: int) -> tuple[int, int]:
    """The weights of a convolution, and of a stack that sees as much, all of its width; without biases."""
    cin, window = channels_of(x), 3 ** len(op.kernel)
    return prod(op.kernel) * cin * op.width, window * op.width * (cin + (count - 1) * op.width)


def _finding(span: Span, op: Conv, count: int, now: int, stacked: int) -> Diagnostic:
    three = times((3,) * len(op.kernel))
    return Diagnostic(
        CODE,
        Severity.INFO,
        f"{count} stacked {three} see the field of this {times(op.kernel)} with {stacked:,} weights for {now:,}",
        span,
        expected=f"{stacked:,} weights in {count} convolutions of {three}",
        found=f"{now:,} weights, {1 - stacked / now:.0%} of which a stack saves",
        help=f"write (CONV3-{op.width} - RELU)*{count}",
    )
