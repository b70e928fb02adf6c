"""identities: drops dropout, and whatever else gives its input as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ops.activation import Activation
from ..ops.base import Op
from ..ops.combine import Add, Concat, Max, Mean, Mul
from ..ops.linear import Flatten
from ..ops.pool import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from ..ops.regularise import Dropout, DropPath
from ..ops.reshape import Crop, Pad, Scale, Shuffle, Slice, Upsample
from ..shape import Shape
from .model import Rewriting

_ONCE = frozenset({"relu", "relu6"})
"""Activations that change nothing of what they have given."""


def rewrite(rewriting: Rewriting) -> None:
    """Drop each node whose value is its first input's, for every input and in every position."""
    for index, node in rewriting:
        if len(node.inputs) != 1:
            continue
        source = rewriting.nodes[node.inputs[0]]
        if _repeats(node.op, source.op) or _NOTHING.get(type(node.op), _never)(node.op, source.shape):
            rewriting.drop(index)


def _repeats(op: Op, before: Op) -> bool:
    return isinstance(op, Activation) and op.function in _ONCE and op == before


def _always(op: Op, x: Shape) -> bool:
    return True


def _never(op: Op, x: Shape) -> bool:
    return False


def _one_position(op: Op, x: Shape) -> bool:
    return all(size == 1 for size in x.spatial)


def _takes_all(op: Slice, x: Shape) -> bool:
    return op.start == 0 and op.stop == x.channels


def _keeps_order(op: Shuffle, x: Shape) -> bool:
    return op.groups in (1, x.channels)


def _adds_nothing(op: Pad, x: Shape) -> bool:
    return not any(map(any, (*op.pads, op.channels)))


def _takes_nothing(op: Crop, x: Shape) -> bool:
    return not any(map(any, op.crops))


def _keeps_size(op: Upsample, x: Shape) -> bool:
    return set(op.scale) == {1}


def _single_window(op: MaxPool | AvgPool, x: Shape) -> bool:
    """A window of one position with a stride of one cannot be padded."""
    return set(op.kernel) == set(op.stride) == {1}


def _same_size(op: AdaptiveAvgPool | AdaptiveMaxPool, x: Shape) -> bool:
    return op.size == x.spatial


def _by_one(op: Scale, x: Shape) -> bool:
    return not op.learned and op.init == 1


def _vector(op: Flatten, x: Shape) -> bool:
    return not x.spatial


_NOTHING: dict[type[Op], Callable[[Any, Shape], bool]] = {
    Dropout: _always,
    DropPath: _always,
    Add: _always,
    Mul: _always,
    Mean: _always,
    Max: _always,
    Concat: _always,
    GlobalAvgPool: _one_position,
    GlobalMaxPool: _one_position,
    AdaptiveAvgPool: _same_size,
    AdaptiveMaxPool: _same_size,
    AvgPool: _single_window,
    MaxPool: _single_window,
    Slice: _takes_all,
    Shuffle: _keeps_order,
    Pad: _adds_nothing,
    Crop: _takes_nothing,
    Upsample: _keeps_size,
    Scale: _by_one,
    Flatten: _vector,
}
"""When an operation with one input gives that input."""
