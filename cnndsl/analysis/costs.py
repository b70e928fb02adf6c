"""Parameters, MACs, FLOPs and activations of each node and in all.

A MAC is one multiply-accumulate of a convolution, transposed convolution or linear layer. FLOPs are two a MAC, and the
element-wise work beside them: one a value for a bias, an activation, a scale or a branch added; for a pool, one for each
value in its window; two for a batch normalisation in evaluation; seven for a normalisation with its statistics (five
without scale and shift). Activations are the values that a node makes; FLATTEN is a view, dropout in evaluation the
identity, and they make none. A transposed convolution counts each input's products, as torch.utils.flop_counter does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ops.linear import Flatten
from ..ops.regularise import Dropout, DropPath
from ..record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..ir import Graph
    from ..ops.base import Op
    from ..shape import Shape

VIEWS = (Flatten,)
"""What only looks at its input in another shape."""

IDENTITIES = (Dropout, DropPath)
"""What does nothing outside training."""


class NodeCosts(Record):
    """The costs of one node, for one sample; None where a size is symbolic.

    `params` are trained values, `buffers` running statistics.
    """

    params: int
    buffers: int
    macs: int | None
    flops: int | None
    activations: int | None


class Costs(Record):
    """The costs of each node and their sums; None where a size is symbolic.

    `params` counts all nodes, `params_without_aux` and the others only what the output depends on.
    """

    nodes: tuple[NodeCosts, ...]
    params: int
    params_without_aux: int
    buffers: int
    macs: int | None
    flops: int | None
    activations: int | None


def costs(graph: Graph) -> Costs:
    """The costs of a graph, in time linear in its nodes."""
    known: dict[tuple[int, ...], NodeCosts] = {}
    found = []
    for index, node in enumerate(graph.nodes):
        inputs = graph.inputs(node)
        key = (id(node.op), id(node.shape), *map(id, inputs))
        if key not in known:
            known[key] = node_costs(node.op, inputs, node.shape) if index else NodeCosts(0, 0, 0, 0, 0)
        found.append(known[key])
    path = [found[i] for i in sorted(graph.live)]
    return Costs(
        tuple(found),
        sum(node.params for node in found),
        sum(node.params for node in path),
        sum(node.buffers for node in path),
        total(node.macs for node in path),
        total(node.flops for node in path),
        total(node.activations for node in path),
    )


def node_costs(op: Op, inputs: tuple[Shape, ...], output: Shape) -> NodeCosts:
    """The costs of one operation on inputs of these shapes."""
    weights = op.weights(inputs)
    params = sum(weight.size for weight in weights if weight.trained)
    buffers = sum(weight.size for weight in weights if weight.role in ("mean", "variance"))
    if not (output.fixed and all(x.fixed for x in inputs)):
        return NodeCosts(params, buffers, None, None, None)
    macs = op.macs(inputs, output)
    made = 0 if isinstance(op, VIEWS + IDENTITIES) else output.elements
    return NodeCosts(params, buffers, macs, 2 * macs + op.work(inputs, output), made)


def total(values: Iterable[int | None]) -> int | None:
    """The sum; None where one is unknown."""
    result = 0
    for value in values:
        if value is None:
            return None
        result += value
    return result
