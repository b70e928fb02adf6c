"""The depth of a network as papers count it: in layers with weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ops.conv import Conv, ConvTranspose
from ..ops.linear import Linear

if TYPE_CHECKING:
    from ..ir import Graph

WEIGHT_LAYERS = (Conv, ConvTranspose, Linear)


def depth(graph: Graph) -> int:
    """The convolutions and linear layers on the longest way from input to output: 16 for VGG-16, 50 for ResNet-50."""
    deepest: list[int] = []
    for node in graph.nodes:
        before = max((deepest[i] for i in node.inputs), default=0)
        deepest.append(before + isinstance(node.op, WEIGHT_LAYERS))
    return deepest[graph.output]
