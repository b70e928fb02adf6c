"""Pooling, with PyTorch's windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ...shape import Shape
from .emit import Attribute, Emitter
from .reduce import maximum_of_windows, reduce


def _end_pads(
    op: MaxPool | AvgPool, inputs: Shape, output: Shape, pad: Sequence[tuple[int, int]]
) -> tuple[int, ...] | None:
    """The padding after each axis with which floor division gives the output; None where a size is not a number.

    With it a ceiled pool needs no ceil_mode, which runtimes and opsets have read differently for windows that start in
    the padding.
    """
    ends = []
    for axis, (size, out) in enumerate(zip(inputs.spatial, output.spatial, strict=True)):
        if not isinstance(size, int) or not isinstance(out, int):
            return None
        before, after = pad[axis]
        dilation = op.dilation[axis] if isinstance(op, MaxPool) else 1
        reach = (out - 1) * op.stride[axis] + dilation * (op.kernel[axis] - 1) + 1
        floored = (size + before + after - dilation * (op.kernel[axis] - 1) - 1) // op.stride[axis] + 1
        ends.append(after if floored == out else reach - size - before)
    return tuple(ends)


def max_pool(op: MaxPool, at: Emitter) -> None:
    """MaxPool; a ceiled one of known size has the missing columns as padding."""
    before = tuple(start for start, _ in op.pad)
    after = tuple(end for _, end in op.pad)
    ends = _end_pads(op, at.shapes[0], at.shape, op.pad) if op.ceil else after
    pads = (*before, *(after if ends is None else ends))
    attributes: dict[str, Attribute] = {
        "kernel_shape": op.kernel,
        "strides": op.stride,
        "dilations": op.dilation,
        "ceil_mode": int(ends is None),
    }
    if all(pad < kernel for pad, kernel in zip(pads, op.kernel * 2, strict=True)):
        at.emit("MaxPool", at.input, **attributes, pads=pads)
        return
    # the reach of a dilated window allows more padding than ONNX Runtime takes
    lowest = at.floats("lowest", -np.inf)
    axes = (0, 0, *pads[: at.rank], 0, 0, *pads[at.rank :])
    padded = at.part("padded", "Pad", at.input, at.integers("pads", axes), lowest)
    if ends is not None:
        at.emit("MaxPool", padded, **attributes)
        return
    pooled = at.part("pooled", "MaxPool", padded, **attributes)
    _drop_windows_in_padding(at, pooled, before, op.stride)


def _drop_windows_in_padding(at: Emitter, value: str, before: tuple[int, ...], stride: tuple[int, ...]) -> None:
    """Keep the windows that start before the padding at the end, ceil((n + before)/stride) of them on each axis."""
    sizes = at.part("sizes", "Shape", at.input, start=2)
    ahead = at.integers("ahead", [start + step - 1 for start, step in zip(before, stride, strict=True)])
    counts = at.part("counts", "Div", at.part("starts", "Add", sizes, ahead), at.integers("stride", stride))
    axes = range(2, at.rank + 2)
    at.emit("Slice", value, at.integers("first", [0] * at.rank), counts, at.integers("axes", axes))


def avg_pool(op: AvgPool, at: Emitter) -> None:
    """AveragePool; PyTorch counts the padding asked for, if told to, but never what ceiling adds.

    So for a ceiled pool of known size the padding asked for becomes a Pad of its own, whose zeros count as values, and
    what ceiling adds is the pool's padding, which is not counted. For an unknown size ceil_mode says the same to
    ONNX Runtime.
    """
    pads = tuple((p, p) for p in op.pad)
    before: tuple[int, ...] = op.pad
    ends = _end_pads(op, at.shapes[0], at.shape, pads) if op.ceil else op.pad
    value, counted = at.input, op.count_include_pad and any(op.pad)
    if op.ceil and counted and ends is not None:
        asked = at.integers("pads", (0, 0, *op.pad, 0, 0, *op.pad))
        value = at.part("padded", "Pad", value, asked, at.floats("zero", 0.0))
        ends = tuple(max(0, end - p) for end, p in zip(ends, op.pad, strict=True))
        before, counted = (0,) * len(ends), False
    at.emit(
        "AveragePool",
        value,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=(*before, *(op.pad if ends is None else ends)),
        ceil_mode=int(ends is None),
        count_include_pad=int(counted),
    )


def global_avg_pool(op: GlobalAvgPool, at: Emitter) -> None:
    """GlobalAveragePool."""
    at.emit("GlobalAveragePool", at.input)


def global_max_pool(op: GlobalMaxPool, at: Emitter) -> None:
    """GlobalMaxPool."""
    at.emit("GlobalMaxPool", at.input)


def adaptive_avg_pool(op: AdaptiveAvgPool, at: Emitter) -> None:
    """One AveragePool where the windows are alike, else an averaging matrix an axis."""
    if all(m == 1 for m in op.size):
        at.emit("GlobalAveragePool", at.input)
        return
    if _emit_even(at, "AveragePool", op.size):
        return
    value = at.input
    for axis, (size, out) in enumerate(zip(at.shapes[0].spatial, op.size, strict=True)):
        part = f"axis{axis}"
        if out == 1:
            value = reduce(at, "ReduceMean", value, (axis + 2,), keep=True, part=part)
        elif size != out:
            value = _average(at, value, axis, _windows(size, out, at), part)
    at.emit("Identity", value)


def _average(at: Emitter, value: str, axis: int, windows: list[range], part: str) -> str:
    """Multiply an axis, brought to the end for it, by the matrix whose columns average the windows."""
    matrix = np.zeros((windows[-1].stop, len(windows)))
    for column, window in enumerate(windows):
        matrix[window.start : window.stop, column] = 1 / len(window)
    last = at.rank - 1
    if axis == last:
        return at.part(part, "MatMul", value, at.floats(f"{part}_matrix", matrix))
    if axis == last - 1:
        return at.part(part, "MatMul", at.floats(f"{part}_matrix", matrix.T), value)
    order = list(range(at.rank + 2))
    order[axis + 2], order[-1] = order[-1], order[axis + 2]
    swapped = at.part(f"{part}_swapped", "Transpose", value, perm=order)
    product = at.part(f"{part}_product", "MatMul", swapped, at.floats(f"{part}_matrix", matrix))
    return at.part(part, "Transpose", product, perm=order)


def adaptive_max_pool(op: AdaptiveMaxPool, at: Emitter) -> None:
    """One MaxPool where the windows are alike, else each axis's windows gathered, and their maximum."""
    if all(m == 1 for m in op.size):
        at.emit("GlobalMaxPool", at.input)
        return
    if _emit_even(at, "MaxPool", op.size):
        return
    value = at.input
    for axis, (size, out) in enumerate(zip(at.shapes[0].spatial, op.size, strict=True)):
        part = f"axis{axis}"
        if out == 1:
            value = reduce(at, "ReduceMax", value, (axis + 2,), keep=True, part=part)
        elif size != out:
            windows = _windows(size, out, at)
            longest = max(map(len, windows))
            # shorter windows repeat their last index: a maximum does not mind
            indices = np.array([[min(window.start + i, window.stop - 1) for i in range(longest)] for window in windows])
            value = maximum_of_windows(at, value, axis + 2, indices, part)
    at.emit("Identity", value)


def _emit_even(at: Emitter, operator: str, sizes: tuple[int, ...]) -> bool:
    """Where every output size divides its input size, an ordinary pool; returns whether it did."""
    given = [size if isinstance(size, int) else 0 for size in at.shapes[0].spatial]
    if not all(size and size % out == 0 for size, out in zip(given, sizes, strict=True)):
        return False
    steps = tuple(size // out for size, out in zip(given, sizes, strict=True))
    at.emit(operator, at.input, kernel_shape=steps, strides=steps)
    return True


def _windows(size: object, out: int, at: Emitter) -> list[range]:
    """PyTorch's adaptive windows: from floor(i n/m) to ceil((i+1) n/m)."""
    if not isinstance(size, int):
        raise at.refuse(
            f"an adaptive pool to {out} needs an input of fixed size, and this one is {size}; "
            "give the input a size, or pool to 1"
        )
    return [range(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]
