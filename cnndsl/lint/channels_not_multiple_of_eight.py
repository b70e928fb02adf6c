"""channels-not-multiple-of-eight (CNN213)

## What it does
Reports a network in which at least a tenth of the multiply-accumulates are in dense convolutions and linear layers with a
number of channels that is not a multiple of 8, at the costliest of those that have such a width; from 100 million
multiply-accumulates up (for inputs of open size, from a million weights up). The input's channels and the classes are as
they are, and depthwise and grouped convolutions have a rule of their own (slow-groups).

## Why is this bad
Tensor cores work on blocks: half precision wants channels that 8 divides, TF32 4 (NVIDIA, Convolutional Layers User's Guide).
Others are padded, copied, or computed without the tensor cores. MobileNet and its successors round their widths to 8.

## Example
```
input 3x224x224
CONV7-64/2 - RELU - CONV3-100/2 - RELU - CONV3-100 - RELU - GAP - FC-1000
```

## Use instead
```
input 3x224x224
CONV7-64/2 - RELU - CONV3-104/2 - RELU - CONV3-104 - RELU - GAP - FC-1000
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.conv import Conv
from ..ops.linear import Linear
from ..shape import Channels
from . import anchors
from .subject import Subject

CODE: Final = "CNN213"

BLOCK: Final = 8
IMAGE: Final = 4
"""Channels that an input has; no layer's width is so small."""

SHARE: Final = 0.1
LEAST: Final = {True: 100_000_000, False: 1_000_000}
"""The multiply-accumulates of a network, or where they are not known its weights, below which it does not matter."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a network, at the layer that costs most among those with such a width."""
    graph, costs = subject.graph, subject.costs
    known = costs.macs is not None
    total = costs.macs if costs.macs is not None else costs.params_without_aux
    if total < LEAST[known]:
        return
    closing = _closing(subject)
    spent, worst, most = 0, None, -1
    widths: dict[int, None] = {}
    for i in subject.of(Conv, Linear):
        node = graph.nodes[i]
        op = node.op
        assert isinstance(op, Conv | Linear)
        if i not in graph.live or (isinstance(op, Conv) and op.groups > 1):
            continue
        wide = i not in closing and bool(op.width % BLOCK)
        if not wide and not _uneven(graph.nodes[node.inputs[0]].shape.channels):
            continue
        cost = costs.nodes[i].macs if known else costs.nodes[i].params
        spent += cost or 0
        if wide:
            widths[op.width] = None
            if (cost or 0) > most:
                worst, most = i, cost or 0
    if worst is not None and spent >= SHARE * total:
        yield _finding(subject, worst, spent / total, list(widths), "MACs" if known else "weights")


def _closing(subject: Subject) -> set[int]:
    """The layers that make the scores, the last before each result, and what follows them."""
    nodes = subject.graph.nodes
    found = set()
    for end in subject.ends:
        while end and end not in found:
            found.add(end)
            if isinstance(nodes[end].op, Conv | Linear):
                break
            end = nodes[end].inputs[0]
    return found


def _uneven(channels: Channels) -> bool:
    return isinstance(channels, int) and channels > IMAGE and bool(channels % BLOCK)


def _finding(subject: Subject, index: int, share: float, widths: list[int], what: str) -> Diagnostic:
    op = subject.graph.nodes[index].op
    assert isinstance(op, Conv | Linear)
    lower = op.width // BLOCK * BLOCK
    choices = [str(width) for width in (lower, lower + BLOCK) if width]
    others = f", {len(widths)} widths in all" if len(widths) > 1 else ""
    return Diagnostic(
        CODE,
        Severity.INFO,
        f"{share:.0%} of the {what} are in layers whose channels are not a multiple of {BLOCK}",
        anchors.layer(subject, index),
        expected=f"a multiple of {BLOCK}",
        found=f"{op.width} in {subject.graph.nodes[index].name}{others}",
        help=f"use {' or '.join(choices)}, as in round(w, {BLOCK}): tensor cores work on blocks of {BLOCK}",
    )
