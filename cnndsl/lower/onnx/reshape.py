"""What moves values without computing, and the learned scale."""

from __future__ import annotations

import numpy as np

from ...ops.reshape import Crop, Pad, Scale, Shuffle, Slice, Upsample
from .emit import Emitter
from .reduce import stretch

_TO_THE_END = 2**63 - 1
_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


def upsample(op: Upsample, at: Emitter) -> None:
    """Resize with PyTorch's rules: source pixel floor(i/scale) for nearest, half-pixel centres for linear."""
    scales = at.floats("scales", np.array((1, 1, *op.scale)), "fp32")
    if op.mode == "nearest":
        rules = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        rules = {"coordinate_transformation_mode": "half_pixel"}
    at.emit("Resize", at.input, "", scales, mode=op.mode, **rules)


def shuffle(op: Shuffle, at: Emitter) -> None:
    """One Gather of the channels in their new order: as fast as reshaping twice, and for every size of map."""
    channels = at.shapes[0].channels
    if not isinstance(channels, int):
        raise at.refuse(f"a shuffle of {channels} channels, which is no fixed number")
    order = np.arange(channels).reshape(op.groups, -1).T.ravel()
    at.emit("Gather", at.input, at.integers("order", order), axis=1)


def slice_channels(op: Slice, at: Emitter) -> None:
    """Slice along the channels."""
    bounds = (at.integers("start", (op.start,)), at.integers("stop", (op.stop,)), at.integers("axis", (1,)))
    at.emit("Slice", at.input, *bounds)


def pad(op: Pad, at: Emitter) -> None:
    """Pad; ONNX wants the batch too."""
    before, after = zip(*op.pads, strict=True)
    first, last = op.channels
    inputs = [at.input, at.integers("pads", (0, first, *before, 0, last, *after))]
    if op.mode == "constant":
        fused = op.value == 0 and at.node.name in at.draft.beyond_convolutions
        inputs.append(at.floats("value", at.nearly_zero if fused else float(op.value)))
    at.emit("Pad", *inputs, mode=_PAD_MODES[op.mode])


def crop(op: Crop, at: Emitter) -> None:
    """Slice along the spatial axes, counted from the end."""
    starts = at.integers("starts", [before for before, _ in op.crops])
    stops = at.integers("stops", [-after if after else _TO_THE_END for _, after in op.crops])
    at.emit("Slice", at.input, starts, stops, at.integers("axes", range(2, 2 + len(op.crops))))


def scale(op: Scale, at: Emitter) -> None:
    """Mul by one factor a channel, or by one constant."""
    weight = at.weight("weight")
    factor = at.floats("factor", op.init) if weight is None else stretch(at, weight, at.rank)
    at.emit("Mul", at.input, factor)
