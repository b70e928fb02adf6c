"""slow-groups (CNN214)

## What it does
Reports grouped convolutions with 2 to 7 channels a group, in or out, at the costliest, where they take at least a
hundredth of the network's multiply-accumulates. Depthwise convolutions, which have kernels of their own, are not meant.

## Why is this bad
A GPU's matrix units work on 8 channels or more: groups of 4 in and out take the time of groups of 8, four times their
multiply-accumulates, and cuDNN often takes longer for them than for the dense convolution (pytorch/pytorch issues 10229,
70954, 73764). Half as many groups, of twice the width, give the network more to learn with in the same time.

## Example
```
input 128x56x56
CONV3-128(groups=32)
```

## Use instead
```
input 128x56x56
CONV3-128(groups=16)
```
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.base import channels_of
from ..ops.conv import Conv
from . import anchors
from .subject import Subject

CODE: Final = "CNN214"

BLOCK: Final = 8
SHARE: Final = 0.01
"""Of the network's multiply-accumulates, or where they are not known of its weights."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a network, at the layer that costs most."""
    graph, costs = subject.graph, subject.costs
    known = costs.macs is not None
    slow: dict[int, int] = {}
    for i in subject.of(Conv):
        node = graph.nodes[i]
        op = node.op
        if isinstance(op, Conv) and op.groups > 1 and i in graph.live:
            into = channels_of(graph.nodes[node.inputs[0]].shape) // op.groups
            if into > 1 and min(into, op.width // op.groups) < BLOCK:
                slow[i] = (costs.nodes[i].macs if known else costs.nodes[i].params) or 0
    total = costs.macs if costs.macs is not None else costs.params_without_aux
    if slow and sum(slow.values()) >= SHARE * total:
        yield _finding(subject, max(slow, key=lambda i: slow[i]), len(slow))


def _finding(subject: Subject, index: int, count: int) -> Diagnostic:
    node = subject.graph.nodes[index]
    op = node.op
    assert isinstance(op, Conv)
    channels = channels_of(subject.graph.inputs(node)[0])
    into, out = channels // op.groups, op.width // op.groups
    kind = f"groups of {into} channels" if into == out else f"groups of {into} to {out} channels"
    times = -(-into // BLOCK) * -(-out // BLOCK) * BLOCK * BLOCK / (into * out)
    fewer = _fewer(channels, op)
    macs = subject.costs.nodes[index].macs
    return Diagnostic(
        CODE,
        Severity.INFO,
        f"{kind} run in blocks of {BLOCK}: {times:.3g} times the multiply-accumulates",
        anchors.layer(subject, index),
        expected=f"groups of {BLOCK} channels or more, or depthwise",
        found=f"{op.groups} {kind}"
        + (f", {macs:,} MACs as {round(macs * times):,}" if macs is not None else "")
        + (f"; {count} such layers" if count > 1 else ""),
        help=f"use groups={fewer}" if fewer else "use wider groups, or a dense convolution",
    )


def _fewer(channels: int, op: Conv) -> int | None:
    """The most groups that divide both sides and leave 8 channels or more in each."""
    common, most = gcd(channels, op.width), min(channels, op.width) // BLOCK
    if most < 2:
        return None
    least = -(-common // most)
    parts = next((n for n in range(least, least + 2 * BLOCK) if common % n == 0), None)
    return common // parts if parts and common // parts > 1 else None
