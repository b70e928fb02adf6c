"""Convolutions and linear layers."""

from __future__ import annotations

from ...ops.conv import Conv, ConvTranspose
from ...ops.linear import Flatten, Linear
from ...shape import Shape
from .emit import Attribute, Emitter
from .reduce import stretch

_TO_THE_END = 2**63 - 1


def conv(op: Conv, at: Emitter) -> None:
    """Conv; ONNX pads each end of an axis by itself."""
    before, after = zip(*op.pad, strict=True)
    at.emit("Conv", at.input, *_weights(at), **_attributes(op), pads=(*before, *after))


def conv_transpose(op: ConvTranspose, at: Emitter) -> None:
    """ConvTranspose; ONNX Runtime wants the output padding below the stride, PyTorch below stride or dilation.

    A larger one is first taken from the padding that the end of the axis loses, then put on as zeros, before the bias.
    """
    if all(extra < stride for extra, stride in zip(op.output_padding, op.stride, strict=True)):
        pads = (*op.pad, *op.pad)
        at.emit(
            "ConvTranspose", at.input, *_weights(at), **_attributes(op), pads=pads, output_padding=op.output_padding
        )
        return
    ends = [max(0, pad - extra) for pad, extra in zip(op.pad, op.output_padding, strict=True)]
    beyond = [max(0, extra - pad) for pad, extra in zip(op.pad, op.output_padding, strict=True)]
    attributes = {**_attributes(op), "pads": (*op.pad, *ends)}
    if not any(beyond):
        at.emit("ConvTranspose", at.input, *_weights(at), **attributes)
        return
    if _vanishes(op, at.shapes[0], beyond):
        _cut_out(op, at)
        return
    weight, *bias = _weights(at)
    value = at.part("convolved", "ConvTranspose", at.input, weight, **attributes)
    pads = (0, 0, *[0] * at.rank, 0, 0, *beyond)
    inputs = (value, at.integers("pads", pads), at.floats("zero", 0.0 if bias else at.nearly_zero))
    if not bias:
        at.emit("Pad", *inputs)
        return
    at.emit("Add", at.part("padded", "Pad", *inputs), stretch(at, bias[0], at.rank))


def _vanishes(op: ConvTranspose, x: Shape, beyond: list[int]) -> bool:
    """Whether nothing may be left before the zeros are put on; an open size may be 1."""
    sizes = op.sizes(x.replace(spatial=tuple(n if isinstance(n, int) else 1 for n in x.spatial)))
    return any(isinstance(n, int) and n <= more for n, more in zip(sizes, beyond, strict=True))


def _cut_out(op: ConvTranspose, at: Emitter) -> None:
    """Everything that the convolution makes, the zeros at its end, and of those what the padding leaves."""
    weight, *bias = _weights(at)
    value = at.part("convolved", "ConvTranspose", at.input, weight, **_attributes(op), pads=[0] * 2 * at.rank)
    pads = (0, 0, *[0] * at.rank, 0, 0, *op.output_padding)
    zero = at.floats("zero", 0.0 if bias else at.nearly_zero)
    padded = at.part("padded", "Pad", value, at.integers("pads", pads), zero)
    stops = at.integers("stops", [-pad if pad else _TO_THE_END for pad in op.pad])
    bounds = (at.integers("starts", op.pad), stops, at.integers("axes", range(2, at.rank + 2)))
    if not bias:
        at.emit("Slice", padded, *bounds)
        return
    at.emit("Add", at.part("cut", "Slice", padded, *bounds), stretch(at, bias[0], at.rank))


def _weights(at: Emitter) -> list[str]:
    return [name for name in (at.weight("weight"), at.weight("bias")) if name is not None]


def _attributes(op: Conv | ConvTranspose) -> dict[str, Attribute]:
    return {"kernel_shape": op.kernel, "strides": op.stride, "dilations": op.dilation, "group": op.groups}


def flatten(op: Flatten, at: Emitter) -> None:
    """Flatten; the batch stays."""
    at.emit("Flatten", at.input, axis=1)


def linear(op: Linear, at: Emitter) -> None:
    """Gemm, with the weight as PyTorch stores it, (out, in)."""
    at.emit("Gemm", at.input, *_weights(at), transB=1)
