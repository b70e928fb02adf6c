"""Which operation of a network computes in which precision: FP16, and FP32 where the range of FP16 is too small.

A pure function of the graph. FP16 has eleven bits a number, none above 65504 and none below 6e-8: sums of many numbers,
squares, powers and exponentials leave that range where their inputs and their result are well within it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from math import prod
from typing import Any, Final

from ...ir import Graph
from ...ops import activation, combine, conv, linear, norm, pool, reshape
from ...ops.base import Op
from ...record import Record
from ...shape import Shape
from .half import Precision
from .rows import TRAINING_ONLY

LARGE_WINDOW: Final = 64
"""How many numbers may be averaged in FP16: their sum stays in range up to a mean of 1000, and rounding it after each of
them, as a runtime may, loses no more than the last of its eleven bits or two."""


class Need(Enum):
    """What an operation asks for."""

    HALF = auto()
    """FP16: what takes the time, and what runtimes add up in FP32 whatever its type is."""
    SINGLE = auto()
    """FP32: what would leave the range, or lose its digits, on the way."""
    EITHER = auto()
    """What its neighbours have: what moves values, or changes each by itself."""


class Format(Record):
    """The precision of a network, the type of its ends, and nodes that are kept in FP32 beside those that need it.

    `kept` None are the nodes whose arrays FP16 cannot hold.
    """

    precision: Precision = "fp32"
    io_type: Precision = "fp32"
    kept: frozenset[str] | None = None


FP32: Final = Format()


def _large(window: tuple[Any, ...]) -> Need:
    """What an average over these sizes asks for; an open size may be any."""
    small = all(isinstance(size, int) for size in window) and prod(window) <= LARGE_WINDOW
    return Need.EITHER if small else Need.SINGLE


def _adaptive(op: pool.AdaptiveAvgPool, shape: Shape) -> Need:
    """Its windows reach from floor(i n/m) to ceil((i+1) n/m)."""
    pairs = zip(shape.spatial, op.size, strict=True)
    return _large(tuple(-(-size // out) + (size % out > 0) if isinstance(size, int) else None for size, out in pairs))


def _activation(op: activation.Activation, shape: Shape) -> Need:
    """ONNX has Celu in FP32 alone; ONNX Runtime takes an FP16 softplus for log(1 + exp(x)), which is infinite from 89 on."""
    return Need.SINGLE if op.function in ("celu", "softplus") else Need.EITHER


NEEDS: Final[dict[type[Op], Need | Callable[[Any, Shape], Need]]] = {
    conv.Conv: Need.HALF,
    conv.ConvTranspose: Need.HALF,
    linear.Linear: Need.HALF,
    linear.Flatten: Need.EITHER,
    norm.BatchNorm: Need.SINGLE,
    norm.LayerNorm: Need.SINGLE,
    norm.InstanceNorm: Need.SINGLE,
    norm.GroupNorm: Need.SINGLE,
    norm.LocalResponseNorm: Need.SINGLE,
    activation.Activation: _activation,
    activation.PRelu: Need.EITHER,
    activation.Maxout: Need.EITHER,
    activation.Softmax: Need.SINGLE,
    pool.MaxPool: Need.EITHER,
    pool.AvgPool: lambda op, shape: _large(op.kernel),
    pool.GlobalAvgPool: lambda op, shape: _large(shape.spatial),
    pool.GlobalMaxPool: Need.EITHER,
    pool.AdaptiveAvgPool: _adaptive,
    pool.AdaptiveMaxPool: Need.EITHER,
    combine.Concat: Need.EITHER,
    combine.Add: Need.EITHER,
    combine.Mul: Need.EITHER,
    combine.Mean: Need.SINGLE,
    combine.Max: Need.EITHER,
    reshape.Upsample: Need.EITHER,
    reshape.Shuffle: Need.EITHER,
    reshape.Slice: Need.EITHER,
    reshape.Pad: Need.EITHER,
    reshape.Crop: Need.EITHER,
    reshape.Scale: Need.EITHER,
}
"""What each operation of the IR asks for; a function of it and of its first input's shape where that makes a difference."""


def precisions(graph: Graph, form: Format, entering: Precision | None = None) -> dict[int, Precision]:
    """What every node that the output depends on computes in and gives, by its index.

    `entering` is what the network begins with where that is not the type of its ends. Where a value is taken in the other
    precision a cast is needed: so what has FP32 on all sides joins it, and each node does that saves a cast by it.
    """
    network = _Network(graph, form, entering or form.io_type)
    network.fill_gaps()
    network.save_casts()
    return {index: network.found[source] for index, source in network.source.items()}


def widest_half(graph: Graph, kept: frozenset[str] = frozenset()) -> dict[int, Precision]:
    """FP16 wherever an operation could be told to compute in it, by the node's index."""
    network = _Network(graph, Format("fp16", "fp16", kept), "fp16")
    return {index: network.found[source] for index, source in network.source.items()}


_OUTPUT: Final = -1
"""Stands for whoever takes the output."""


class _Network:
    """The precision of every node while they are being chosen; nodes that do nothing at inference are their inputs."""

    def __init__(self, graph: Graph, form: Format, entering: Precision) -> None:
        self.source: dict[int, int] = {}
        self.inputs: dict[int, tuple[int, ...]] = {}
        self.users: dict[int, set[int]] = {0: set()}
        self.found: dict[int, Precision] = {0: entering, _OUTPUT: form.io_type}
        self.free: list[int] = []
        for index in sorted(graph.live):
            node = graph.nodes[index]
            self.source[index] = self.source[node.inputs[0]] if type(node.op) in TRAINING_ONLY else index
            if index and self.source[index] == index:
                self._wire(index, tuple(dict.fromkeys(self.source[i] for i in node.inputs)))
                asked = _need(graph, index, form)
                self.found[index] = "fp32" if asked is Need.SINGLE else "fp16"
                if asked is Need.EITHER:
                    self.free.append(index)
        self._wire(_OUTPUT, (self.source[graph.output],))

    def _wire(self, index: int, inputs: tuple[int, ...]) -> None:
        self.inputs[index] = inputs
        self.users[index] = set()
        for i in inputs:
            self.users[i].add(index)

    def fill_gaps(self) -> None:
        """Turn to FP32 whatever nodes with no wish of their own, together, have only FP32 around them."""
        inside = set(self.free)
        waiting = list(self.free)
        while waiting:
            index = waiting.pop()
            around = {*self.inputs[index], *self.users[index]}
            if index in inside and any(i not in inside and self.found[i] == "fp16" for i in around):
                inside.remove(index)
                waiting.extend(around & inside)
        self.found.update(dict.fromkeys(inside, "fp32"))

    def save_casts(self) -> None:
        """Turn nodes with no wish of their own to FP32, one by one, as long as that saves a cast."""
        waiting = [index for index in self.free if self.found[index] == "fp16"]
        while waiting:
            turned = {index for index in waiting if self._turn(index)}
            waiting = [index for index in waiting if index not in turned] if turned else []

    def _turn(self, index: int) -> bool:
        values = (index, *self.inputs[index])
        before = sum(map(self._is_cast, values))
        self.found[index] = "fp32"
        if sum(map(self._is_cast, values)) < before:
            return True
        self.found[index] = "fp16"
        return False

    def _is_cast(self, index: int) -> bool:
        return any(self.found[user] != self.found[index] for user in self.users[index])


def _need(graph: Graph, index: int, form: Format) -> Need:
    node = graph.nodes[index]
    if form.precision == "fp32" or node.name in (form.kept or ()):
        return Need.SINGLE
    asked = NEEDS[type(node.op)]
    return asked if isinstance(asked, Need) else asked(node.op, graph.inputs(node)[0])
