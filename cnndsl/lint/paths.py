"""The ways through a graph that rules of practice look at; each in one pass over the nodes."""

from __future__ import annotations

from typing import Final

from ..analysis.depth import WEIGHT_LAYERS
from ..ir import Graph
from ..ops.activation import Activation, Maxout, PRelu, Softmax
from ..ops.combine import Mul
from ..ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from .subject import Subject

ACTIVATIONS: Final = (Activation, PRelu, Maxout, Softmax)
NORMS: Final = (BatchNorm, LayerNorm, InstanceNorm, GroupNorm)
"""Those that set the scale of their output; LRN, with its usual constants, hardly changes it."""

GATE: Final = 1
WEIGHTS: Final = 2
END: Final = 4


def meets(subject: Subject) -> list[int]:
    """What the value of each node meets first on the ways on from it: a product, a layer with weights, the end."""
    found = [0] * len(subject.graph.nodes)
    for end in subject.ends:
        found[end] = END
    nodes = subject.graph.nodes
    for index in range(len(nodes) - 1, 0, -1):
        op = nodes[index].op
        here = GATE if isinstance(op, Mul) else WEIGHTS if isinstance(op, WEIGHT_LAYERS) else found[index]
        for source in nodes[index].inputs:
            found[source] |= here
    return found


def shortest(graph: Graph) -> int:
    """The layers with weights that no way from input to output goes around."""
    fewest: list[int] = []
    for node in graph.nodes:
        before = min((fewest[i] for i in node.inputs), default=0)
        fewest.append(before + isinstance(node.op, WEIGHT_LAYERS))
    return fewest[graph.output]
