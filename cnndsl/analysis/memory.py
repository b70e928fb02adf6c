"""Peak memory of an inference and of a training step, for a batch of one in float32.

Inference: parameters and running statistics of what the output depends on, and the most that is alive at once when the
nodes run in order: a value lives from the node that makes it to the last that reads it, a node's inputs and its output are
alive together, and nothing is overwritten. FLATTEN is a view of its input and dropout does nothing, so neither costs.

Training: parameters, their gradients and one momentum buffer, running statistics, and every value of the forward pass,
AUX heads included, kept for the backward pass; FLATTEN stays a view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..record import Record
from .costs import IDENTITIES, VIEWS, Costs, costs

if TYPE_CHECKING:
    from ..ir import Graph

FLOAT = 4
"""Bytes a value."""


class Memory(Record):
    """Bytes; None where a size is symbolic. `inference` and `training` include the weights."""

    weights: int
    inference: int | None
    training: int | None


def memory(graph: Graph, known: Costs | None = None) -> Memory:
    """The peak memory of a graph, in time linear in its nodes; `known` are its costs, where they are at hand."""
    found = costs(graph) if known is None else known
    weights = FLOAT * (found.params_without_aux + found.buffers)
    alive, kept = peak(graph), made(graph)
    if alive is None or kept is None:
        return Memory(weights, None, None)
    buffers = sum(node.buffers for node in found.nodes)
    return Memory(weights, weights + FLOAT * alive, FLOAT * (3 * found.params + buffers + kept))


def made(graph: Graph) -> int | None:
    """The values that a forward pass makes, its input among them."""
    shapes = [node.shape for node in graph.nodes if not isinstance(node.op, VIEWS)]
    return sum(shape.elements for shape in shapes) if all(shape.fixed for shape in shapes) else None


def peak(graph: Graph) -> int | None:
    """The most values alive at once in an inference."""
    order = sorted(graph.live)
    if not all(graph.nodes[i].shape.fixed for i in order):
        return None
    owner: dict[int, int] = {}
    last: dict[int, int] = {}
    for i in order:
        node = graph.nodes[i]
        owner[i] = owner[node.inputs[0]] if isinstance(node.op, VIEWS + IDENTITIES) else i
        last.update((owner[source], i) for source in (*node.inputs, i))
    last[owner[graph.output]] = len(graph.nodes)
    return highest(graph, owner, last)


def highest(graph: Graph, owner: dict[int, int], last: dict[int, int]) -> int:
    """The highest sum of values alive, given which node holds each value and the last node to read it."""
    freed: dict[int, int] = {}
    for value, reader in last.items():
        freed[reader] = freed.get(reader, 0) + graph.nodes[value].shape.elements
    alive = most = 0
    for i in sorted(owner):
        alive += graph.nodes[i].shape.elements if owner[i] == i else 0
        most = max(most, alive)
        alive -= freed.get(i, 0)
    return most
