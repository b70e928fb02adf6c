"""early-activations-dominate (CNN211)

## What it does
Reports a classifier whose first layers, before the map is a quarter of the input along each axis, are at most a third of its
layers and hold more than 60% of its activations, where these take 20 MB or more an image (float32).

## Why is this bad
The lecture's remark on VGG: most memory is in the early convolutions. Every activation is kept for the backward pass, and so
few layers decide how large a batch fits. A stem that comes down to a quarter at once, as ResNet's 7x7 with stride 2 and pool,
costs little accuracy and most of this memory goes.

## Example
```
input 3x224x224
((CONV3-w - RELU)*n - POOL2) for w, n in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
- GAP - FC-1000
```

## Use instead
```
input 3x224x224
CONV7-64/2 - RELU - POOL2
- ((CONV3-w - RELU)*n - POOL2) for w, n in [(128, 2), (256, 3), (512, 3), (512, 3)]
- GAP - FC-1000
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.conv import Conv, ConvTranspose
from ..ops.linear import Linear
from ..shape import Dim
from . import anchors
from .subject import Subject

CODE: Final = "CNN211"

FLOAT: Final = 4
"""Bytes a value."""

LEAST: Final = 20_000_000
"""Bytes of activations below which it does not matter."""

SHARE: Final = 0.6
LAYERS: Final = (Conv, ConvTranspose, Linear)
FEW: Final = 1 / 3
"""The most that the early layers are of all."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a network, at its first layer."""
    graph, costs = subject.graph, subject.costs
    total = costs.activations
    if total is None or FLOAT * total < LEAST or any(n != 1 for n in graph.output_shape.spatial):
        return
    live = sorted(graph.live)
    large: dict[int, bool] = {}
    for shape in (graph.nodes[i].shape for i in live):
        if id(shape) not in large:
            large[id(shape)] = _large(shape.spatial, graph.input_shape.spatial)
    early = [i for i in live[1:] if large[id(graph.nodes[i].shape)]]
    layers = [i for i in early if isinstance(graph.nodes[i].op, LAYERS)]
    every = sum(isinstance(graph.nodes[i].op, LAYERS) for i in live)
    held = sum(costs.nodes[i].activations or 0 for i in early)
    if not layers or len(layers) > FEW * every or held <= SHARE * total:
        return
    first = "layer holds" if len(layers) == 1 else f"{len(layers)} layers hold"
    yield Diagnostic(
        CODE,
        Severity.INFO,
        f"the first {first} {held / total:.0%} of the activations: "
        f"{FLOAT * held / 1e6:,.1f} of {FLOAT * total / 1e6:,.1f} MB an image",
        anchors.layer(subject, layers[0]),
        found=f"{len(layers)} of {every} layers, down to {graph.nodes[early[-1]].shape}",
        help="come down to a quarter of the input's sides in the stem: CONV7-64/2 - POOL3/2(pad=1)",
    )


def _large(map_: tuple[Dim, ...], input_: tuple[Dim, ...]) -> bool:
    """Whether a map is, along each axis, more than a quarter of the input."""
    return bool(map_) and all(
        isinstance(n, int) and isinstance(whole, int) and 4 * n > whole for n, whole in zip(map_, input_, strict=True)
    )
