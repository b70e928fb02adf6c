"""The corpus's networks as graphs: their PyTorch code, run with stand-ins that write down what is asked of them."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch


class Node(NamedTuple):
    """One operation. `op` is the name of a class of `torch.nn`, or of a function: add, mul, cat, split ...

    `inputs` are the names of nodes, `name:2` for the third of several outputs; what else it was given is in `arguments`, by
    the names that PyTorch has for it.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    arguments: dict[str, Any]


class Recorded(NamedTuple):
    """A network: its input without the batch (None: any size), its nodes in order, the name of the last one."""

    input: tuple[int | None, ...]
    nodes: tuple[Node, ...]
    output: str


class Value:
    """Stands for a tensor."""

    def __init__(self, graph: Recorder, name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: Value) -> Value:
        return self.graph.node("add", (self, other), {})

    def __mul__(self, other: Value) -> Value:
        return self.graph.node("mul", (self, other), {})

    @classmethod
    def __torch_function__(cls, function: Callable[..., Any], _: Any, args: Any, kwargs: Any = None) -> Any:
        values = list(args[0]) if isinstance(args[0], list) else [arg for arg in args if isinstance(arg, cls)]
        rest = [arg for arg in args[1:] if not isinstance(arg, cls)]
        made = values[0].graph.node(function.__name__, values, {"arguments": rest, **(kwargs or {})})
        pieces = len(rest[0]) if function is torch.split else 3 if function is torch.unbind else 0
        return [Value(made.graph, f"{made.name}:{piece}") for piece in range(pieces)] or made


class Recorder:
    """Stands for `torch.nn`."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.names: dict[str, str] = {}

    def node(self, op: str, inputs: Any, arguments: dict[str, Any]) -> Value:
        kind = op.lower()
        name = f"{kind}_{1 + sum(node.op == op for node in self.nodes)}"
        self.nodes.append(Node(name, op, tuple(value.name for value in inputs), arguments))
        return Value(self, name)

    def later(self, name: str) -> Value:
        """The value that is named so further on, if ever."""
        return Value(self, f"?{name}")

    def named(self, name: str, value: Value) -> Value:
        self.names[f"?{name}"] = value.name
        return value

    def __getattr__(self, op: str) -> Callable[..., Callable[[Value], Value]]:
        def layer(*positional: Any, **named: Any) -> Callable[[Value], Value]:
            arguments = {**_bound(op, positional), **named}
            return lambda value: self.node(op, (value,), arguments)

        return layer


def _bound(op: str, positional: tuple[Any, ...]) -> dict[str, Any]:
    """Positional arguments by their names; those of a layer that does not exist as a convolution's."""
    signature = inspect.signature(getattr(torch.nn, op, torch.nn.Conv2d))
    return dict(signature.bind_partial(*positional).arguments)


def record(network: Callable[..., Any], sizes: list[tuple[int, ...]], value: Any) -> Recorded:
    """The graph of a network; for several sizes, of an input whose size is open."""
    recorder = Recorder()
    output = network(recorder, Value(recorder, "input"), value)
    known = {node.name: node for node in recorder.nodes}
    nodes = [
        node._replace(inputs=tuple(recorder.names.get(name, name) for name in node.inputs)) for node in known.values()
    ]
    shape = tuple(axis[0] if len(set(axis)) == 1 else None for axis in zip(*sizes, strict=True))
    return Recorded(shape, tuple(nodes), output.name)


def culprit(graph: Recorded, sizes: list[tuple[int, ...]]) -> str | None:
    """The node at which PyTorch stops; None where it runs at every size, or where there is no order to run in."""
    try:
        order = ordered(graph)
    except LookupError:
        return None
    layers: dict[str, Any] = {}
    for size in sizes:
        values = {"input": torch.randn(1, *size)}
        for node in order:
            try:
                values[node.name] = _apply(node, values, layers)
            except Exception:  # whatever stops it
                return node.name
    return None


LAZY = {"in_channels", "in_features", "num_features"}


def with_widths_inferred(graph: Recorded) -> Recorded:
    """The same, with each layer as wide as what comes in."""
    nodes = []
    for node in graph.nodes:
        lazy = LAZY & node.arguments.keys() and hasattr(torch.nn, f"Lazy{node.op}")
        left = {name: value for name, value in node.arguments.items() if not lazy or name not in LAZY}
        nodes.append(node._replace(op=f"Lazy{node.op}" if lazy else node.op, arguments=left))
    return graph._replace(nodes=tuple(nodes))


def ordered(graph: Recorded) -> list[Node]:
    """Nodes after their inputs; LookupError for a cycle, and for a value that nobody makes."""
    order: list[Node] = []
    done, left = {"input"}, list(graph.nodes)
    while left:
        ready = next((node for node in left if all(name.split(":")[0] in done for name in node.inputs)), None)
        if ready is None:
            raise LookupError(left[0].name)
        left.remove(ready)
        done.add(ready.name)
        order.append(ready)
    return order


def _apply(node: Node, values: dict[str, Any], layers: dict[str, Any]) -> Any:
    inputs = [
        values[name.split(":")[0]][int(name.split(":")[1])] if ":" in name else values[name] for name in node.inputs
    ]
    if node.op in ("add", "mul"):
        return getattr(torch, node.op)(*inputs)
    if "arguments" in node.arguments:
        given = [inputs] if node.op == "cat" else inputs
        named = {name: value for name, value in node.arguments.items() if name != "arguments"}
        return getattr(torch, node.op)(*given, *node.arguments["arguments"], **named)
    if node.name not in layers:
        layers[node.name] = getattr(torch.nn, node.op)(**node.arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return layers[node.name](*inputs)
