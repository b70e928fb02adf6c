"""The first weights of a network: one initialisation for PyTorch and ONNX."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from math import prod, sqrt
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from .ir import Graph, Node
from .ops.activation import Activation, Maxout, PRelu, Softmax
from .ops.base import Op, Weight
from .ops.conv import Conv, ConvTranspose
from .ops.linear import Linear
from .ops.reshape import Scale
from .record import Record

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = dict[str, Array]

BLOCK = 2**18
"""Numbers made at once: few enough to stay in the cache."""

XAVIER = 0.0
"""Stands among the gains for: as many outputs as inputs count, std = sqrt(2/(fan_in + fan_out))."""

GAINS: dict[str, float] = {
    "relu": 2.0,
    "relu6": 2.0,
    "elu": 2.0,
    "celu": 2.0,
    "gelu": 2.0,
    "silu": 2.0,
    "mish": 2.0,
    "hardswish": 2.0,
    "softplus": 2.0,
    "leaky_relu": 2.0,
    "selu": 1.0,
    "tanh": XAVIER,
    "sigmoid": XAVIER,
    "hardsigmoid": XAVIER,
}
"""fan_in times the variance of the weights that feed each activation.

2 is He's for the rectifier, which halves the second moment (He et al., 2015), and for its smooth relatives; a leaky
slope a gives 2/(1 + a²); 1 is what self-normalising networks need (Klambauer et al., 2017); tanh and the sigmoids have
Xavier's (Glorot and Bengio, 2010)."""

PLAIN = 1.0
"""The gain before another layer with weights, and before maxout: the larger of two unit normals has second moment 1."""

SCORES = 0.1
"""The gain of what makes the network's output: small scores, so that the first loss of a C-way softmax is about ln C."""


class Drawn(Record):
    """An array of 32-bit floats that is made while it is written, block by block, and takes no room before."""

    shape: tuple[int, ...]

    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    @property
    def size(self) -> int:
        """How many numbers."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of all of them."""
        return self.size * self.dtype.itemsize

    def blocks(self) -> Iterator[Array]:
        """The numbers, a block at a time; each overwrites the one before."""
        raise NotImplementedError

    def array(self) -> Array:
        """The numbers as one array of this shape."""
        whole = np.empty(self.size, np.float32)
        start = 0
        for block in self.blocks():
            whole[start : start + block.size] = block
            start += block.size
        return whole.reshape(self.shape)


class Normal(Drawn):
    """A weight not drawn yet: normal numbers with mean 0 and this standard deviation.

    They come from a stream of their own, and are quantiles, looked up with sixteen random bits each: 65,536 different
    numbers, up to 4.3 deviations, at a fifth of the price of drawing them exactly.
    """

    deviation: float
    stream: str

    def blocks(self) -> Iterator[Array]:
        digest = hashlib.blake2b(self.stream.encode(), digest_size=16).digest()
        source = np.random.SFC64(int.from_bytes(digest, "little"))
        numbers = _quantiles() * np.float32(self.deviation)
        block = np.empty(min(self.size, BLOCK), np.float32)
        for start in range(0, self.size, BLOCK):
            block = block[: self.size - start]
            bits = source.random_raw(-(-block.size // 4)).astype("<u8", copy=False).view("<u2")
            np.take(numbers, bits[: block.size], out=block, mode="clip")
            yield block


Value: TypeAlias = Array | Drawn
"""An array, or one that is made while it is written."""


def init(graph: Graph, seed: int = 0) -> Arrays:
    """The initial weights and running statistics, by state-dict name (`stage1.conv1.weight`), in the graph's order.

    Weights are normal with the standard deviation that keeps activations level: sqrt(2/fan_in) before a rectifier (He),
    sqrt(2/(fan_in + fan_out)) before tanh and sigmoid (Xavier), sqrt(1/fan_in) where no activation follows, and
    sqrt(0.1/fan_in) for the scores at the end; `GAINS` has the others. What follows is looked for through norms, pools,
    dropout, sums and the like, up to the next layer with weights. Biases and shifts are 0, scales 1, slopes and layer
    scales what the spec says, running means 0, variances 1; all 32-bit floats. Counters are a 64-bit 0.

    Every array has a random stream of its own, from the seed and its name: a layer more changes no other's numbers.
    """
    return in_memory(initial(graph, seed))


def initial(graph: Graph, seed: int = 0) -> dict[str, Value]:
    """What `init` gives, the weights not drawn yet: for a file that is written as they are."""
    gains = _gains(graph)
    values: dict[str, Value] = {}
    for index, node, weight in tensors(graph):
        name = f"{node.name}.{weight.name}"
        if weight.role == "weight":
            values[name] = Normal(weight.shape, _deviation(weight, gains[index]), f"{seed}/{name}")
        else:
            values[name] = constant(node.op, weight)
    return values


def in_memory(values: Mapping[str, Value]) -> Arrays:
    """The same with every array drawn."""
    return {name: whole(value) for name, value in values.items()}


def whole(value: Value) -> Array:
    """An array as it is, or drawn."""
    return value.array() if isinstance(value, Drawn) else value


def blocks_of(value: Value) -> Iterator[Array]:
    """The numbers of an array in order; what is made on the way comes in blocks that are valid one at a time."""
    return value.blocks() if isinstance(value, Drawn) else iter((value,))


def tensors(graph: Graph) -> Iterator[tuple[int, Node, Weight]]:
    """Every array of the network with its node and the node's index, in the order of the graph."""
    for index, node in enumerate(graph.nodes):
        for weight in node.op.weights(graph.inputs(node)):
            yield index, node, weight


def constant(op: Op, weight: Weight) -> Array:
    """The array that everything but a weight starts as."""
    match weight.role:
        case "counter":
            return np.zeros(weight.shape, np.int64)
        case "slope" | "scale" if isinstance(op, PRelu | Scale):
            return np.full(weight.shape, op.init, np.float32)
        case "scale" | "variance":
            return np.ones(weight.shape, np.float32)
    return np.zeros(weight.shape, np.float32)


def _deviation(weight: Weight, gain: float) -> float:
    if gain == XAVIER:
        return sqrt(2 / max(weight.fan_in + weight.fan_out, 1))
    return sqrt(gain / max(weight.fan_in, 1))


@cache
def _quantiles() -> Array:
    """The standard normal distribution's quantiles at (i + 1/2)/65536."""
    from statistics import NormalDist

    quantile = NormalDist().inv_cdf
    lower = np.array([quantile((i + 0.5) / 65536) for i in range(32768)], np.float32)
    return np.concatenate((lower, -lower[::-1]))


def _gains(graph: Graph) -> list[float]:
    """For each node, the gain of what its value reaches: an activation, else a layer with weights, else the output."""
    reached: list[tuple[int, float]] = [(_NOTHING, PLAIN)] * len(graph.nodes)
    for end in (graph.output, *(side.node for side in graph.auxiliary)):
        reached[end] = (_OUTPUT, SCORES)
    for index in range(len(graph.nodes) - 1, 0, -1):
        node = graph.nodes[index]
        seen = _seen(node.op) or reached[index]
        for i in node.inputs:
            reached[i] = max(reached[i], seen)
    return [gain for _, gain in reached]


_NOTHING, _OUTPUT, _LAYER, _ACTIVATION = range(4)


def _seen(op: Op) -> tuple[int, float] | None:
    """What an operation means to the layers before it; None where they see through it."""
    match op:
        case Maxout():
            return _ACTIVATION, PLAIN
        case PRelu():
            return _ACTIVATION, 2 / (1 + op.init**2)
        case Activation(function="leaky_relu"):
            return _ACTIVATION, 2 / (1 + (op.alpha or 0.0) ** 2)
        case Activation():
            return _ACTIVATION, GAINS[op.function]
        case Conv() | ConvTranspose() | Linear():
            return _LAYER, PLAIN
        case Softmax():
            return _OUTPUT, SCORES
    return None
