"""The graph: frozen, typed, in execution order. Every result is a function of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from .ops.base import Op
from .preprocess import Preprocess
from .record import Record
from .shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping


class Origin(Record):
    """Where a node was written; 1-based."""

    file: str
    line: int
    column: int


class Node(Record):
    """One operation and the value it makes, which has the node's name and this shape (without the batch).

    `name` is a dotted path of scopes and a last part: `stage1.bottleneck2.conv1`. `inputs` are indices of earlier nodes.
    """

    name: str
    op: Op
    inputs: tuple[int, ...]
    shape: Shape
    origin: Origin | None = None


class Auxiliary(Record):
    """A side output, in training only: the value of node `node`, to be added to the loss with `weight`."""

    node: int
    weight: float


class Scope(Record):
    """`path` is the prefix of its nodes' names, `kind` the definition's name or the label behind it."""

    path: str
    kind: str


class Graph(Record):
    """A network. Node 0 is the input, `output` the node whose value is the result; scopes are contiguous in `nodes`."""

    name: str
    nodes: tuple[Node, ...]
    output: int
    auxiliary: tuple[Auxiliary, ...] = ()
    scopes: tuple[Scope, ...] = ()
    classes: int | None = None
    preprocess: Preprocess | None = None

    def inputs(self, node: Node) -> tuple[Shape, ...]:
        """The shapes that come into a node."""
        return tuple(self.nodes[i].shape for i in node.inputs)

    @property
    def input_shape(self) -> Shape:
        """The shape of the network's input, without the batch."""
        return self.nodes[0].shape

    @property
    def output_shape(self) -> Shape:
        """The shape of the network's result, without the batch."""
        return self.nodes[self.output].shape

    @cached_property
    def live(self) -> frozenset[int]:
        """The nodes that the output depends on: the inference path, without AUX heads."""
        found, waiting = {self.output}, [self.output]
        while waiting:
            for i in self.nodes[waiting.pop()].inputs:
                if i not in found:
                    found.add(i)
                    waiting.append(i)
        return frozenset(found | {0})

    def json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal graph; `docs/graph.schema.json` describes it."""
        from .serialise import graph_to_json

        return graph_to_json(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Graph:
        """The graph of `json()`'s data, every op and shape checked again; raises ValueError naming what is wrong."""
        from .serialise import graph_from_json

        return graph_from_json(data)

    def hash(self) -> str:
        """A SHA-256 of what the network is: operations, wiring, shapes and names; not where it was written, nor its title.

        Nor `preprocess`: what the network computes of its input does not depend on how images become one, and weights
        stay those of the spec. Two specs with the same hash have the same state dict and compute the same function of it.
        """
        return self._hash

    @cached_property
    def _hash(self) -> str:
        from .serialise import content_hash

        return content_hash(self)
