"""one-layer-dominates-parameters (CNN210)

## What it does
Reports one layer that holds more than half of a network's parameters, where these are a million or more. Silent for the
classifier itself behind a global pool, which cannot be smaller.

## Why is this bad
The lecture's late FC: the first linear layer of VGG-16 holds 102,764,544 of 138,357,544 parameters, since it has a weight for
each of 512x7x7 inputs. They cost memory, bandwidth and overfitting; GoogLeNet and ResNet average the positions first (GAP)
and classify better with a twentieth of them.

## Example
```
input 3x224x224
(CONV3-w - RELU - POOL2) for w in [64, 128, 256, 512]
- FC-1024 - RELU - FC-1000
```

## Use instead
```
input 3x224x224
(CONV3-w - RELU - POOL2) for w in [64, 128, 256, 512]
- GAP - FC-1024 - RELU - FC-1000
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.base import channels_of
from ..ops.linear import Flatten, Linear
from ..shape import Shape
from . import anchors
from .subject import Subject

CODE: Final = "CNN210"

LEAST: Final = 1_000_000
"""Parameters of a network below which it does not matter."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a network at most: there can be but one such layer."""
    costs, graph = subject.costs, subject.graph
    total = costs.params_without_aux
    if total < LEAST:
        return
    index = max(graph.live, key=lambda i: costs.nodes[i].params)
    params = costs.nodes[index].params
    flattened = _flattened(subject, index)
    if 2 * params <= total or (index == graph.output and flattened is None):
        return
    node = graph.nodes[index]
    yield Diagnostic(
        CODE,
        Severity.INFO,
        f"one layer holds {params / total:.0%} of the parameters: {params:,} of {total:,}",
        anchors.layer(subject, index),
        found=f"{node.name}, {' and '.join(map(str, graph.inputs(node)))} -> {node.shape}",
        help=_advice(node.op, flattened, params),
    )


def _flattened(subject: Subject, index: int) -> Shape | None:
    """The map of several positions that a linear layer sees flattened."""
    nodes = subject.graph.nodes
    before = nodes[nodes[index].inputs[0]] if nodes[index].inputs else nodes[0]
    if not isinstance(before.op, Flatten):
        return None
    (shape,) = subject.graph.inputs(before)
    return shape if any(n != 1 for n in shape.spatial) else None


def _advice(op: object, flattened: Shape | None, params: int) -> str:
    if not isinstance(op, Linear) or flattened is None:
        return "make the layer before it narrower, or this one"
    pooled = (channels_of(flattened) + op.bias) * op.width
    return f"GAP before it would leave {pooled:,} of its parameters and save {params - pooled:,}"
