"""Graph to nn.Module: one class a scope, whose forward is straight-line code that torch.fx writes."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
from torch import fx, nn

from ..ops.combine import Add, Concat, Max, Mean, Mul
from ..ops.linear import Flatten
from ..ops.reshape import Crop, Slice
from . import torch_layers
from .scopes import FUNCTIONAL, Block, Liveness, Step, Wiring, class_name, key, liveness, tree, wire
from .torch_table import Layer, inplace, layer

if TYPE_CHECKING:
    import numpy as np

    from ..ir import Graph
    from ..ops.base import Op

Forward = Callable[..., Any]


class Network(nn.Module):
    """A scope of a network as a module; each has a class of its own, named after the definition or the network.

    The root takes (N, *input) and returns (N, *output); where the network has AUX outputs, in training mode it returns
    (output, *aux) and in evaluation mode the output alone, without computing them. Can be pickled, copied and exported.
    """

    _wiring: ClassVar[Wiring]

    def __reduce__(self) -> tuple[Any, ...]:
        state = self.__getstate__()  # type: ignore[no-untyped-call]
        return _restore, (type(self).__name__, type(self)._wiring), state


def to_module(graph: Graph, arrays: Mapping[str, np.ndarray] | None = None) -> nn.Module:
    """The network as an nn.Module on the CPU; state-dict keys are `node.weight`.

    Its weights are copies of `arrays`, or PyTorch's own initial weights. Raises NotImplementedError for an operation
    without a row, ValueError for a graph whose scopes do not nest, and as `load_arrays` does.
    """
    live = liveness(graph)
    scopes, overwriting = tree(graph, live), inplace(graph)
    if arrays is None:
        return _module(graph, live, scopes, overwriting)
    with torch.device("meta"):  # draws no weights that would be thrown away
        module = _module(graph, live, scopes, overwriting)
    module.to_empty(device="cpu")
    load_arrays(module, arrays)
    return module


def _module(graph: Graph, live: Liveness, block: Block, overwriting: frozenset[int]) -> nn.Module:
    module = _scope_class(class_name(block.kind), wire(graph, live, block))()
    for member in block.members:
        if isinstance(member, Block):
            module.add_module(member.name, _module(graph, live, member, overwriting))
        elif not isinstance(graph.nodes[member.node].op, FUNCTIONAL):
            module.add_module(member.name, _layer(layer(graph, member.node, overwriting)))
    return module


def _layer(described: Layer) -> nn.Module:
    """The module that a row describes."""
    prefix, _, name = described.type.rpartition(".")
    make = getattr(nn if prefix else torch_layers, name)
    positional = [argument.value for argument in described.arguments if argument.positional]
    named = {argument.name: argument.value for argument in described.arguments if not argument.positional}
    module: nn.Module = make(*positional, **named)
    return module


def load_arrays(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Copy named arrays into the module's state; names are `node.weight`, as in the state dict.

    Raises ValueError that names the first array which is missing, left over, or of another shape.
    """
    state = module.state_dict()
    given = {key(name): array for name, array in arrays.items()}
    for name, tensor in state.items():
        if name not in given:
            raise ValueError(f"no array for {name} of shape {tuple(tensor.shape)}")
        if tuple(given[name].shape) != tuple(tensor.shape):
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, the array {tuple(given[name].shape)}")
    for name in given:
        if name not in state:
            raise ValueError(f"the network has no weight {name}")
    with torch.no_grad():
        for name, tensor in state.items():
            tensor.copy_(torch.as_tensor(given[name]))


def to_arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Copies of the module's weights, by name: what `load_arrays` takes."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


# How a forward is written.


def _restore(name: str, wiring: Wiring) -> Network:
    made = _scope_class(name, wiring)
    return made.__new__(made)


@functools.lru_cache(maxsize=4096)
def _scope_class(name: str, wiring: Wiring) -> type[Network]:
    """The class of a scope; instances of one definition that are wired alike share it."""
    evaluating = _forward(wiring, training=False)
    body: dict[str, Any] = {"_wiring": wiring, "__module__": __name__, "__doc__": Network.__doc__}
    if not wiring.branching:
        return type(name, (Network,), {**body, "forward": evaluating})

    def forward(self: Any, x: torch.Tensor) -> Any:
        return self._forward_training(x) if self.training else self._forward_evaluating(x)

    def forward_several(self: Any, *values: torch.Tensor) -> Any:
        return self._forward_training(*values) if self.training else self._forward_evaluating(*values)

    modes = {"_forward_training": _forward(wiring, training=True), "_forward_evaluating": evaluating}
    return type(name, (Network,), {**body, "forward": forward if wiring.inputs == 1 else forward_several, **modes})


def _forward(wiring: Wiring, training: bool) -> Forward:
    """One mode's forward, as a function of (self, *inputs)."""
    graph = fx.Graph()
    names = ["x"] if wiring.inputs == 1 else [f"x{number}" for number in range(1, wiring.inputs + 1)]
    values: dict[int, Any] = {number: graph.placeholder(name) for number, name in enumerate(names)}
    for step in wiring.steps:
        if training or not step.side:
            _write(graph, step, values)
    outputs = [values.get(value) for value in wiring.outputs]
    if wiring.root and not training:
        outputs = outputs[:1]
    graph.output(tuple(outputs) if len(outputs) > 1 else outputs[0] if outputs else None)
    targets = {node.target: nn.Identity() for node in graph.nodes if node.op == "call_module"}
    return type(fx.GraphModule(targets, graph)).forward


def _write(graph: fx.Graph, step: Step, values: dict[int, Any]) -> None:
    """Append one step; a value that this mode does not have is None."""
    arguments = tuple(values.get(value) for value in step.arguments)
    if step.op is not None:
        values[step.results[0]] = EXPRESSIONS[type(step.op)](graph, step.op, arguments, step.ranks)
        return
    # fx names the result after the member, in lower case: one named `Self` would hide the module
    name = f"{step.member}_" if step.member.lower() == "self" else None
    result = graph.create_node("call_module", step.member, arguments, name=name)
    if len(step.results) == 1:
        values[step.results[0]] = result
        return
    for place, value in enumerate(step.results):
        values[value] = graph.call_function(operator.getitem, (result, place))


def _chain(function: Callable[..., Any]) -> Callable[..., fx.Node]:
    """A function of two, over all the branches from the left."""

    def row(graph: fx.Graph, _op: Op, values: Sequence[fx.Node], _ranks: tuple[int, ...]) -> fx.Node:
        return functools.reduce(lambda left, right: graph.call_function(function, (left, right)), values)

    return row


def _mean(graph: fx.Graph, op: Mean, values: Sequence[fx.Node], ranks: tuple[int, ...]) -> fx.Node:
    total = _chain(operator.add)(graph, op, values, ranks)
    return graph.call_function(operator.truediv, (total, len(values)))


def _mul(graph: fx.Graph, op: Mul, values: Sequence[fx.Node], ranks: tuple[int, ...]) -> fx.Node:
    """A vector takes as many axes of one as it lacks."""

    def spread(value: fx.Node, missing: int) -> fx.Node:
        index = (slice(None), slice(None), *[None] * missing)
        return graph.call_function(operator.getitem, (value, index)) if missing else value

    spreads = [spread(value, max(ranks) - rank) for value, rank in zip(values, ranks, strict=True)]
    return _chain(operator.mul)(graph, op, spreads, ranks)


def _concat(graph: fx.Graph, _op: Concat, values: Sequence[fx.Node], _ranks: tuple[int, ...]) -> fx.Node:
    return graph.call_function(torch.cat, (tuple(values), 1))


def _flatten(graph: fx.Graph, _op: Flatten, values: Sequence[fx.Node], _ranks: tuple[int, ...]) -> fx.Node:
    return graph.call_function(torch.flatten, (values[0], 1))


def _slice(graph: fx.Graph, op: Slice, values: Sequence[fx.Node], _ranks: tuple[int, ...]) -> fx.Node:
    index = (slice(None), slice(op.start, op.stop))
    return graph.call_function(operator.getitem, (values[0], index))


def _crop(graph: fx.Graph, op: Crop, values: Sequence[fx.Node], _ranks: tuple[int, ...]) -> fx.Node:
    cuts = (slice(before or None, -after or None) for before, after in op.crops)
    return graph.call_function(operator.getitem, (values[0], (slice(None), slice(None), *cuts)))


EXPRESSIONS: Final[dict[type[Op], Callable[..., fx.Node]]] = {
    Add: _chain(operator.add),
    Mul: _mul,
    Mean: _mean,
    Max: _chain(torch.maximum),
    Concat: _concat,
    Flatten: _flatten,
    Slice: _slice,
    Crop: _crop,
}
"""A row for each of `scopes.FUNCTIONAL`."""
