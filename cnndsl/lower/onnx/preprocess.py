"""The preprocessing of images as ONNX nodes in front of a network.

They give what `images.network_input` gives of the same image. Images are resized as bytes where they come as bytes, since
ONNX Runtime then rounds as Pillow does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from onnx import GraphProto, TensorProto

from ...preprocess import Preprocess, channels_of
from ...shape import Shape
from .emit import BATCH, Emitter

FIRST_OPSET: Final = 18
"""The first whose Resize widens its filters where it shrinks."""

_MODES: Final = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest"}
_LUMA: Final = (19595, 38470, 7471)
"""Of red, green and blue, in 65536ths, as Pillow has them: ITU-R 601-2."""


def describe_image(proto: GraphProto, name: str, preprocess: Preprocess, entering: Shape) -> None:
    """The graph's input: images as they are handed in, whose height and width are open where they are resized or cropped."""
    info = proto.input.add(name=name)
    kind = info.type.tensor_type
    kind.elem_type = TensorProto.UINT8 if preprocess.type == "uint8" else TensorProto.FLOAT
    spatial = [str(size) for size in entering.spatial] if preprocess.fixed else ["height", "width"]
    channels = str(channels_of(preprocess.image))
    sizes = [*spatial, channels] if preprocess.layout == "nhwc" else [channels, *spatial]
    for size in (BATCH, *sizes):
        kind.shape.dim.add(**({"dim_value": int(size)} if size.isdigit() else {"dim_param": size}))


def emit_preprocess(to: Emitter, preprocess: Preprocess) -> str:
    """Write the nodes; `to` writes the network's input. Returns the value that the network begins with, N×C×H×W of floats."""
    value = to.input
    if preprocess.layout == "nhwc":
        value = to.part("channels_first", "Transpose", value, perm=(0, 3, 1, 2))
    value = _ordered(to, preprocess, value)
    size = None
    if preprocess.resize is not None:
        size = _sizes(to, preprocess)
        value = _resized(to, preprocess, value, size)
    if preprocess.crop is not None:
        value = _cropped(to, preprocess, value, size)
    if preprocess.type == "uint8":
        value = to.part("floats", "Cast", value, to=int(TensorProto.FLOAT))
    factors, shifts = (np.array(values)[:, None, None] for values in preprocess.factors)
    value = to.part("scaled", "Mul", value, to.floats("factors", factors))
    return to.part("normalised", "Add", value, to.floats("shifts", shifts))


def _ordered(to: Emitter, preprocess: Preprocess, value: str) -> str:
    """The channels in the network's order; grey in whole numbers, which float32 holds exactly."""
    image, order = preprocess.image, preprocess.order
    if image == order:
        return value
    if order != "grey":
        return to.part("reordered", "Gather", value, to.integers("channels", (2, 1, 0)), axis=1)
    weights = _LUMA if image == "rgb" else _LUMA[::-1]
    if preprocess.type == "uint8":
        value = to.part("colours", "Cast", value, to=int(TensorProto.FLOAT))
    luma = to.part("luma", "Conv", value, to.floats("luma_weights", np.reshape(weights, (1, 3, 1, 1))),
                   to.floats("half", np.array([1 << 15])))  # fmt: skip
    grey = to.part("grey", "Floor", to.part("shades", "Div", luma, to.floats("whole", 1 << 16)))
    return to.part("bytes", "Cast", grey, to=int(TensorProto.UINT8)) if preprocess.type == "uint8" else grey


def _resized(to: Emitter, preprocess: Preprocess, value: str, size: str) -> str:
    """With filters as wide as Pillow's; `size` is the value of the height and width to come."""
    if to.opset < FIRST_OPSET:
        raise to.refuse(f"opset {to.opset} has no resize like Pillow's; preprocessing needs opset {FIRST_OPSET}")
    # all four sizes: ONNX Runtime 1.31, which moves transposes along, does not see that `axes` names two
    batch = to.part("batch", "Shape", to.input, start=0, end=1)
    channels = to.integers("channel_count", [channels_of(preprocess.order)])
    sizes = to.part("sizes", "Concat", batch, channels, size, axis=0)
    attributes: dict[str, str | int | float] = {
        "mode": _MODES[preprocess.interpolation],
        "coordinate_transformation_mode": "half_pixel",
    }
    match preprocess.interpolation:
        case "nearest":
            attributes["nearest_mode"] = "round_prefer_ceil"
        case "bicubic":
            attributes |= {"antialias": 1, "exclude_outside": 1, "cubic_coeff_a": -0.5}
        case _:
            attributes |= {"antialias": 1, "exclude_outside": 1}
    made = to.part("resized", "Resize", value, "", "", sizes, **attributes)
    if preprocess.type == "uint8":
        return made
    limits = to.floats("black", 0), to.floats("white", 255)
    return to.part("whole_levels", "Round", to.part("clipped", "Clip", made, *limits))


def _sizes(to: Emitter, preprocess: Preprocess) -> str:
    """Height and width after the resize: a shorter side brings the longer with it, rounded down."""
    if isinstance(preprocess.resize, tuple):
        return to.integers("size", preprocess.resize)
    shape = _image_size(to, preprocess)
    shorter = to.part("shorter_side", "ReduceMin", shape, keepdims=1)
    assert preprocess.resize is not None
    times = to.part("sides", "Mul", shape, to.integers("wanted_side", [preprocess.resize]))
    return to.part("size", "Div", times, shorter)


def _cropped(to: Emitter, preprocess: Preprocess, value: str, size: str | None) -> str:
    """The centre; Round takes halves to even, as torchvision does. `size` is the value of the image's height and width."""
    assert preprocess.crop is not None
    if isinstance(preprocess.resize, tuple):
        begins = [round((have - want) / 2) for have, want in zip(preprocess.resize, preprocess.crop, strict=True)]
        ends = [begin + want for begin, want in zip(begins, preprocess.crop, strict=True)]
        first, last = to.integers("crop_begin", begins), to.integers("crop_end", ends)
    else:
        wanted = to.integers("crop_size", preprocess.crop)
        margins = to.part("margins", "Sub", size or _image_size(to, preprocess), wanted)
        halves = to.part("half_margins", "Mul", to.part("margins_as_floats", "Cast", margins, to=int(TensorProto.FLOAT)),
                         to.floats("one_half", 0.5))  # fmt: skip
        whole = to.part("whole_margins", "Round", halves)
        first = to.part("crop_begin", "Cast", whole, to=int(TensorProto.INT64))
        last = to.part("crop_end", "Add", first, wanted)
    return to.part("cropped", "Slice", value, first, last, to.integers("crop_axes", (2, 3)))


def _image_size(to: Emitter, preprocess: Preprocess) -> str:
    """The height and width of the images as they are handed in.

    Not of what has been transposed: ONNX Runtime 1.31, which moves transposes along, then takes the wrong axes.
    """
    start = 1 if preprocess.layout == "nhwc" else 2
    return to.part("image_size", "Shape", to.input, start=start, end=start + 2)
