"""The weights of a network: one initialisation for PyTorch and ONNX, and safetensors files that know their graph."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .diagnostics import Diagnostic, Severity
from .files import OutputFiles
from .ir import Graph, Node
from .ops.activation import Activation, Maxout, PRelu, Softmax
from .ops.base import Op, Weight
from .ops.conv import Conv, ConvTranspose
from .ops.linear import Linear
from .ops.reshape import Scale
from .record import Record
from .version import version

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = dict[str, Array]

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


def init(graph: Graph, seed: int = 0) -> Arrays:
    """The initial weights and running statistics, by state-dict name (`stage1.conv1.weight`), in the graph's order.

    Weights are normal with the standard deviation that keeps activations level: sqrt(2/fan_in) before a rectifier (He),
    sqrt(2/(fan_in + fan_out)) before tanh and sigmoid (Xavier), sqrt(1/fan_in) where no activation follows, and
    sqrt(0.1/fan_in) for the scores at the end; `GAINS` has the others. What follows is looked for through norms, pools,
    dropout, sums and the like, up to the next layer with weights. Biases and shifts are 0, scales 1, slopes and layer
    scales what the spec says, running means 0, variances 1; all 32-bit floats. Counters are a 64-bit 0.

    Every array has a random stream of its own, from the seed and its name: a layer more changes no other's numbers.
    """
    gains = _gains(graph)
    arrays: Arrays = {}
    for index, node, weight in tensors(graph):
        name = f"{node.name}.{weight.name}"
        if weight.role == "weight":
            arrays[name] = np.empty(weight.shape, np.float32)
            _fill(arrays[name], _deviation(weight, gains[index]), f"{seed}/{name}")
        else:
            arrays[name] = _constant(node.op, weight)
    return arrays


def tensors(graph: Graph) -> Iterator[tuple[int, Node, Weight]]:
    """Every array of the network with its node and the node's index, in the order of the graph."""
    for index, node in enumerate(graph.nodes):
        for weight in node.op.weights(graph.inputs(node)):
            yield index, node, weight


def _constant(op: Op, weight: Weight) -> Array:
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


def _fill(array: Array, deviation: float, stream: str) -> None:
    """Fill an array with normal numbers of its own stream.

    They are quantiles, looked up with sixteen random bits each: 65,536 different numbers, up to 4.3 deviations, at a
    fifth of the price of drawing them exactly.
    """
    digest = hashlib.blake2b(stream.encode(), digest_size=16).digest()
    source = np.random.SFC64(int.from_bytes(digest, "little"))
    numbers = _quantiles() * np.float32(deviation)
    flat = array.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        bits = source.random_raw(-(-block.size // 4)).astype("<u8", copy=False).view("<u2")
        np.take(numbers, bits[: block.size], out=block, mode="clip")


_BLOCK = 2**18
"""Numbers drawn at once: few enough to stay in the cache."""


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


# Files


class Stored(Record):
    """What a weights file held: the arrays, or None where they do not fit; and what there is to say about it."""

    arrays: Arrays | None
    diagnostics: tuple[Diagnostic, ...] = ()


def save(path: str | os.PathLike[str], graph: Graph, arrays: Mapping[str, Array]) -> None:
    """Write a safetensors file with the graph's name and hash in its metadata, whole or not at all; raises OSError."""
    from safetensors.numpy import save_file

    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with OutputFiles() as files:
        staged = files.stage(path)
        mode = staged.stat().st_mode
        save_file(contiguous, staged, metadata={"name": graph.name, "hash": graph.hash(), "version": version()})
        staged.chmod(mode)  # save_file keeps others from reading
        _sort_metadata(staged)


def _sort_metadata(path: Path) -> None:
    """Put a safetensors header's metadata in order, which the library leaves to chance: equal weights, equal bytes."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        if len(text) == size:
            file.seek(8)
            file.write(text)


def read(path: str | os.PathLike[str], graph: Graph) -> Stored:
    """The weights in a safetensors file, if their names, shapes and types are the graph's.

    A misfit is an error that names the first array in the order of the graph that does not fit. A file made for another
    graph whose arrays fit all the same is taken, with a warning. Counters of batches may be missing, as older files
    lack them. Nothing is ever unpickled.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            problem = _misfit(file, graph)
            if problem is not None:
                return Stored(None, (_unusable(path, problem),))
            present = set(file.keys())
            arrays = {
                name: file.get_tensor(name) if name in present else _constant(node.op, weight)
                for _, node, weight in tensors(graph)
                for name in (f"{node.name}.{weight.name}",)
            }
            made_for = (file.metadata() or {}).get("hash")
    except (OSError, SafetensorError) as error:
        return Stored(None, (_unusable(path, f"it cannot be read as safetensors: {error}"),))
    if made_for is None or made_for == graph.hash():
        return Stored(arrays)
    warning = Diagnostic(
        code="CNN031",
        severity=Severity.WARNING,
        message=f"the weights in {os.fspath(path)} were made for another version of the spec",
        span=None,
        expected=f"hash {graph.hash()}",
        found=f"hash {made_for}",
        help="their names and shapes fit, so they are used; train again if the computation changed",
    )
    return Stored(arrays, (warning,))


def _misfit(file: Any, graph: Graph) -> str | None:
    """The first thing about a file's arrays that does not fit the graph."""
    unclaimed = dict.fromkeys(file.keys())
    for _, node, weight in tensors(graph):
        name = f"{node.name}.{weight.name}"
        where = f" ({node.origin.file}:{node.origin.line})" if node.origin else ""
        if name not in unclaimed:
            if weight.role == "counter":
                continue
            return f"it has no array {name} of {_times(weight.shape)}, which the spec needs{where}"
        del unclaimed[name]
        stored = file.get_slice(name)
        shape, kind = tuple(stored.get_shape()), stored.get_dtype()
        wanted = "I64" if weight.role == "counter" else "F32"
        if shape != weight.shape:
            return f"its array {name} is {_times(shape)}, the spec's is {_times(weight.shape)}{where}"
        if kind != wanted:
            return f"its array {name} holds {kind} numbers, not {wanted}{where}"
    extra = next(iter(unclaimed), None)
    return None if extra is None else f"it has an array {extra}, which the spec has no layer for"


def _unusable(path: str | os.PathLike[str], problem: str) -> Diagnostic:
    return Diagnostic(
        code="CNN030",
        severity=Severity.ERROR,
        message=f"the weights in {os.fspath(path)} cannot be used: {problem}",
        span=None,
        help="make weights for this spec, or leave them out to draw new ones",
    )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
