"""Normalisation, as it is at inference."""

from __future__ import annotations

import numpy as np

from ...ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from .emit import Emitter
from .reduce import reduce, stretch


def _affine(at: Emitter) -> tuple[str, str]:
    """The scale and shift, one a channel; constants where the layer has none."""
    channels = at.shape.channels
    scale, shift = at.weight("weight"), at.weight("bias")
    if scale is None:
        scale = at.floats("scale", np.ones(_fixed(channels, at)))
    if shift is None:
        shift = at.floats("shift", np.zeros(_fixed(channels, at)))
    return scale, shift


def _fixed(channels: object, at: Emitter) -> int:
    if not isinstance(channels, int):
        raise at.refuse(f"a normalisation over {channels} channels, which is no fixed number")
    return channels


def batch_norm(op: BatchNorm, at: Emitter) -> None:
    """BatchNormalization with the running statistics; ONNX's momentum is what PyTorch's leaves."""
    mean, variance = at.weight("running_mean"), at.weight("running_var")
    assert mean is not None
    assert variance is not None
    at.emit(
        "BatchNormalization",
        at.input,
        *_affine(at),
        mean,
        variance,
        epsilon=float(op.eps),
        momentum=1 - float(op.momentum),
    )


def layer_norm(op: LayerNorm, at: Emitter) -> None:
    """LayerNormalization over the last axis, which the channels are brought to and back from."""
    rank = at.rank
    scale, shift = _affine(at)
    if rank == 0:
        at.emit("LayerNormalization", at.input, scale, shift, axis=-1, epsilon=float(op.eps))
        return
    last = at.part("channels_last", "Transpose", at.input, perm=(0, *range(2, rank + 2), 1))
    normed = at.part("normed", "LayerNormalization", last, scale, shift, axis=-1, epsilon=float(op.eps))
    at.emit("Transpose", normed, perm=(0, rank + 1, *range(1, rank + 1)))


def instance_norm(op: InstanceNorm, at: Emitter) -> None:
    """InstanceNormalization."""
    at.emit("InstanceNormalization", at.input, *_affine(at), epsilon=float(op.eps))


def group_norm(op: GroupNorm, at: Emitter) -> None:
    """An instance normalisation of each group as one channel.

    Not GroupNormalization: ONNX defines its variance as mean(x²) - mean(x)², which loses digits where the values are
    alike, runtimes expand it by that definition, and before opset 21 it had one scale a group.
    """
    grouped = at.part("grouped", "Reshape", at.input, at.integers("groups", (0, op.groups, -1)))
    ones, zeros = at.floats("ones", np.ones(op.groups)), at.floats("zeros", np.zeros(op.groups))
    normed = at.part("normed", "InstanceNormalization", grouped, ones, zeros, epsilon=float(op.eps))
    if not op.affine:
        reshape_like_input(at, normed)
        return
    restored = reshape_like_input(at, normed, "restored")
    scale, shift = (
        stretch(at, value, at.rank, part) for value, part in zip(_affine(at), ("scale", "shift"), strict=True)
    )
    at.emit("Add", at.part("scaled", "Mul", restored, scale), shift)


def reshape_like_input(at: Emitter, value: str, part: str | None = None) -> str:
    """A value brought to the shape of the node's input; at most one unknown size beside the batch is a -1, for more the
    input is asked."""
    sizes = at.shapes[0].dimensions
    unknown = sum(not isinstance(size, int) for size in sizes)
    if unknown <= 1:
        target = at.integers("sizes", (0, *(size if isinstance(size, int) else -1 for size in sizes)))
    else:
        target = at.part("sizes", "Shape", at.input)
    if part is not None:
        return at.part(part, "Reshape", value, target)
    at.emit("Reshape", value, target)
    return at.output


def local_response_norm(op: LocalResponseNorm, at: Emitter) -> None:
    """LRN; ONNX Runtime has it for an odd number of neighbours and two axes, to which other maps are reshaped."""
    if op.size % 2 == 0:
        _even_response_norm(op, at)
        return
    attributes = {"size": op.size, "alpha": float(op.alpha), "beta": float(op.beta), "bias": float(op.k)}
    if at.rank == 2:
        at.emit("LRN", at.input, **attributes)
        return
    planar = at.part("planar", "Reshape", at.input, at.integers("plane", (0, 0, -1, 1)))
    reshape_like_input(at, at.part("normed", "LRN", planar, **attributes))


def _even_response_norm(op: LocalResponseNorm, at: Emitter) -> None:
    """x/(k + alpha mean(x²))^beta over an even number of neighbours, of which PyTorch has the odd one before."""
    channels, spatial = _fixed(at.shape.channels, at), (0,) * at.rank
    square = at.part("square", "Mul", at.input, at.input)
    pads = (0, op.size // 2, *spatial, 0, (op.size - 1) // 2, *spatial)
    padded = at.part("padded", "Pad", square, at.integers("pads", pads), at.floats("zero", 0.0))
    windows = np.arange(channels)[:, None] + np.arange(op.size)
    neighbours = at.part("neighbours", "Gather", padded, at.integers("windows", windows), axis=1)
    mean = reduce(at, "ReduceMean", neighbours, (2,), keep=False, part="mean")
    base = at.part("base", "Add", at.part("scaled", "Mul", mean, at.floats("alpha", op.alpha)), at.floats("k", op.k))
    at.emit("Div", at.input, at.part("divisor", "Pow", base, at.floats("beta", op.beta)))
