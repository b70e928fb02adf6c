"""many-hidden-linear-layers (CNN315)

## What it does
Reports a convolutional network with more than two hidden linear layers between its features and its scores. The linear
layers at the network's end are counted, through activations, norms and dropout, back to where a map or a branch comes in.

## Why is this bad
The lectures' pattern ends in `(FC-RELU)*K` with K from 0 to 2. Each further layer of 4096 adds 17 million parameters, more
than all convolutions of VGG-16, and has not been seen to help; since 2014 networks pool globally and have K = 0.

## Example
```
input 3x32x32
[CONV3-32 - RELU - POOL]*3 - (FC-256 - RELU)*3 - FC-10
```

## Use instead
```
input 3x32x32
[CONV3-32 - RELU - POOL]*3 - (FC-256 - RELU)*2 - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ir import Graph
from ..ops.conv import Conv, ConvTranspose
from ..ops.linear import Linear
from .subject import Subject

CODE: Final = "CNN315"
MOST_HIDDEN: Final = 2
"""The largest K of the lectures' pattern."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding, at the first hidden layer too many."""
    graph = subject.graph
    layers = _closing(graph)
    hidden = layers[:-1]
    if len(hidden) <= MOST_HIDDEN or not any(isinstance(node.op, Conv | ConvTranspose) for node in graph.nodes):
        return
    further = sum(subject.costs.nodes[i].params for i in hidden[MOST_HIDDEN:])
    yield Diagnostic(
        CODE,
        Severity.INFO,
        f"{len(hidden)} hidden linear layers before the scores",
        subject.spans[hidden[MOST_HIDDEN]],
        expected=f"at most {MOST_HIDDEN}",
        found=f"{further:,} parameters beyond the second, of {subject.costs.params:,}",
        help=f"leave {len(hidden) - MOST_HIDDEN} out, or pool globally: GAP and one FC",
    )


def _closing(graph: Graph) -> list[int]:
    """The linear layers at the end, in order: back from the output as long as one vector leads to the next."""
    found = []
    index = graph.output
    while True:
        node = graph.nodes[index]
        if isinstance(node.op, Linear):
            found.append(index)
        if len(node.inputs) != 1 or node.shape.spatial:
            return found[::-1]
        index = node.inputs[0]
