"""Receptive fields and effective strides, exact on graphs with branches, by axis of the input.

Each operation takes the fields of its inputs to its own (`field`). Global pools, FLATTEN and FC see one stretch that stands
still, which an excitation (MUL) joins with the moving one. Branches of different effective strides have no one field; there
it is all that they see anywhere.

Fields are theoretical: padding is not cut off, as in published numbers (Araujo, Norris and Sim, Computing Receptive Fields
of Convolutional Neural Networks, Distill 2019). Statistics over positions (IN, GN) are left out, as is usual.
"""

from __future__ import annotations

from functools import cache
from math import gcd
from typing import TYPE_CHECKING

from ..ops.combine import Input
from ..ops.conv import Conv, ConvTranspose
from ..ops.linear import Flatten
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ..ops.reshape import Crop, Pad, Upsample
from ..record import Record
from .field import LONGEST, START, Field, Unknown, hull, joined, still, stretched, windowed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from ..ir import Graph
    from ..ops.base import Op
    from ..shape import Dim


class Receptive(Record):
    """The size of the field and the effective stride of one node, by axis of the input; None for what is not known.

    The size is that of the widest phase, in the middle of the map. Values that all see one stretch have stride None.
    """

    size: tuple[int | None, ...]
    stride: tuple[Fraction | None, ...]


def receptive(graph: Graph) -> tuple[Receptive, ...]:
    """The receptive field of every node, in time linear in the nodes."""
    vector = (1,) * graph.nodes[0].shape.rank
    known: dict[tuple[int, int], Receptive] = {}
    found = []
    by_node = fields(graph)
    for by_axis, node in zip(by_node, graph.nodes, strict=True):
        key = id(by_axis), id(node.shape)
        if key not in known:
            known[key] = summary(by_axis, node.shape.spatial or vector)
        found.append(known[key])
    return tuple(found)


def fields(graph: Graph) -> list[tuple[Field | None, ...]]:
    """What every node sees, by axis of the input; None for what is not known."""
    vector = (1,) * graph.nodes[0].shape.rank
    found: list[tuple[Field | None, ...]] = []
    for node in graph.nodes:
        if isinstance(node.op, Input):
            found.append((START,) * len(vector))
        elif len(node.inputs) == 1 and type(node.op) not in WINDOWS:
            found.append(found[node.inputs[0]])
        else:
            sizes = [graph.nodes[i].shape.spatial or vector for i in node.inputs]
            by_axis = zip(*(found[i] for i in node.inputs), strict=True)
            places = zip(by_axis, zip(*sizes, strict=True), node.shape.spatial or vector, strict=True)
            found.append(tuple(seen(node.op, axis, *place) for axis, place in enumerate(places)))
    return found


def summary(fields: Sequence[Field | None], sizes: tuple[Dim, ...]) -> Receptive:
    """The sizes and strides of a node's fields."""
    return Receptive(
        tuple(None if field is None else extent(field, n) for field, n in zip(fields, sizes, strict=True)),
        tuple(speed(field.step, field.period) if field and field.moving else None for field in fields),
    )


@cache
def speed(step: int, period: int) -> Fraction:
    """An effective stride."""
    from fractions import Fraction

    return Fraction(step, period)


def extent(field: Field, size: Dim) -> int | None:
    """How many input positions lie between the first and the last that a position in the middle sees."""
    if field.still is None:
        return max((seen[1] - seen[0] + 1 for seen in field.moving if seen), default=0)
    if not field.moving:
        return field.still[1] - field.still[0] + 1
    if not isinstance(size, int):
        return None
    middle = (size - 1) // 2
    middle -= middle % field.period
    around = (hull(field.still, field.at(middle + phase)) for phase in range(field.period))
    return max(seen[1] - seen[0] + 1 for seen in around if seen)


def seen(op: Op, axis: int, fields: tuple[Field | None, ...], sizes: tuple[Dim, ...], output: Dim) -> Field | None:
    """What an operation's output sees on an axis; None where it is not known."""
    known = [field for field in fields if field is not None]
    if len(known) < len(fields):
        return Unknown
    row = WINDOWS.get(type(op))
    if row is not None:
        return row(op, axis, known[0], sizes[0])
    spread = [still(field, 1) if n == 1 != output else field for field, n in zip(known, sizes, strict=True)]
    return joined([field for field in spread if field is not None], output)


def _conv(op: Conv, axis: int, field: Field, size: Dim) -> Field | None:
    return windowed(field, op.kernel[axis], op.stride[axis], op.pad[axis][0], op.dilation[axis])


def _max_pool(op: MaxPool, axis: int, field: Field, size: Dim) -> Field | None:
    return windowed(field, op.kernel[axis], op.stride[axis], op.pad[axis][0], op.dilation[axis])


def _avg_pool(op: AvgPool, axis: int, field: Field, size: Dim) -> Field | None:
    return windowed(field, op.kernel[axis], op.stride[axis], op.pad[axis])


def _pad(op: Pad, axis: int, field: Field, size: Dim) -> Field | None:
    return windowed(field, 1, 1, op.pads[axis][0])


def _crop(op: Crop, axis: int, field: Field, size: Dim) -> Field | None:
    return windowed(field, 1, 1, -op.crops[axis][0])


def _whole(op: Op, axis: int, field: Field, size: Dim) -> Field | None:
    return still(field, size)


def _adaptive(op: AdaptiveAvgPool | AdaptiveMaxPool, axis: int, field: Field, size: Dim) -> Field | None:
    count = op.size[axis]
    if count == 1 or not isinstance(size, int):
        return still(field, size)
    common = gcd(count, size)
    return stretched(
        field, count // common, size // common, lambda o: range(o * size // count, -(-(o + 1) * size // count))
    )


def _upsample(op: Upsample, axis: int, field: Field, size: Dim) -> Field | None:
    scale = op.scale[axis]
    if op.mode == "nearest":
        return stretched(field, scale, 1, lambda o: range(o // scale, o // scale + 1))
    # Position o reads at (o + 1/2)/scale - 1/2: between two neighbours, unless that is whole.
    return stretched(
        field, scale, 1, lambda o: range((2 * o + 1 - scale) // (2 * scale), (2 * o + scale) // (2 * scale) + 1)
    )


def _transposed(op: ConvTranspose, axis: int, field: Field, size: Dim) -> Field | None:
    kernel, stride, pad, dilation = op.kernel[axis], op.stride[axis], op.pad[axis], op.dilation[axis]
    cycle = stride // gcd(stride, dilation)  # the taps that meet one output are so many apart

    def read(o: int) -> range:
        """Input position m meets output o at tap t where o + pad = m*stride + t*dilation."""
        first = next((t for t in range(min(kernel, cycle)) if (o + pad - t * dilation) % stride == 0), None)
        if first is None:
            return range(0)
        return range(
            (o + pad - first * dilation) // stride, (o + pad - kernel * dilation) // stride, -dilation * cycle // stride
        )

    return Unknown if stride > LONGEST else stretched(field, stride, 1, read)


WINDOWS: dict[type[Op], Callable[..., Field | None]] = {
    Conv: _conv,
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    Pad: _pad,
    Crop: _crop,
    GlobalAvgPool: _whole,
    GlobalMaxPool: _whole,
    Flatten: _whole,
    AdaptiveAvgPool: _adaptive,
    AdaptiveMaxPool: _adaptive,
    Upsample: _upsample,
    ConvTranspose: _transposed,
}
"""How the operations that move positions do it, an axis; all others see what their inputs see."""
