"""FP32 numbers written as FP16, and which of them it cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np

from ...record import Record
from ...weights import BLOCK, Array, Drawn, Value, blocks_of

Precision: TypeAlias = Literal["fp32", "fp16"]

LARGEST: Final = float(np.finfo(np.float16).max)
"""65504."""
SMALLEST: Final = float(np.finfo(np.float16).smallest_subnormal)
"""6e-8; half of it and less becomes 0."""

WORST_LOSS: Final = 0.01
"""How far the numbers of a tensor may move, relative to them by Euclidean norm; 0.0002 is usual."""


class Half(Drawn):
    """Numbers of 16 bits that are made of others while they are written, block by block."""

    value: Value

    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float16)

    def blocks(self) -> Iterator[Array]:
        for block in parts(self.value):
            yield block.astype(np.float16)

    def array(self) -> Array:
        return np.concatenate([np.empty(0, np.float16), *self.blocks()]).reshape(self.shape)


class Loss(Record):
    """A tensor that FP16 cannot hold: its name, its node's, its largest number, and how far all of them would move.

    `moved` is relative to the numbers, by Euclidean norm; infinite where the largest is out of range.
    """

    tensor: str
    node: str
    largest: float
    moved: float

    @property
    def overflows(self) -> bool:
        """Whether it has numbers above 65504, rather than too many below what FP16 keeps eleven bits of."""
        return self.largest > LARGEST

    def __str__(self) -> str:
        if self.overflows:
            return f"{self.tensor} has numbers up to {self.largest:.6g}, and FP16 ends at {LARGEST:.0f}"
        return f"{self.tensor} has numbers up to {self.largest:.2g}, and would change by {self.moved:.1%} in FP16"


def loss(value: Value, tensor: str, node: str) -> Loss | None:
    """What FP16 would do to an array; None where it holds its finite numbers to within `WORST_LOSS`."""
    largest = max((_largest(block) for block in parts(value)), default=0.0)
    if largest > LARGEST:
        return Loss(tensor, node, largest, np.inf)
    # below the normal range each number moves by at most half the smallest: most often little against the largest one
    if largest * WORST_LOSS >= SMALLEST / 2 * value.size**0.5:
        return None
    moved = _moved(value)
    return Loss(tensor, node, largest, moved) if moved > WORST_LOSS else None


def parts(value: Value) -> Iterator[Array]:
    """The numbers of an array in rows of `BLOCK` at most."""
    for block in blocks_of(value):
        row = block.reshape(-1)
        for start in range(0, row.size, BLOCK):
            yield row[start : start + BLOCK]


def _largest(block: Array) -> float:
    low, high = float(block.min()), float(block.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = block[np.isfinite(block)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return max(-low, high)


def _moved(value: Value) -> float:
    """By Euclidean norm, relative to the numbers; what is not finite stays as it is."""
    away = size = 0.0
    for block in parts(value):
        finite = block[np.isfinite(block)]
        exact = finite.astype(np.float64)
        apart = finite.astype(np.float16).astype(np.float64) - exact
        away += float(apart @ apart)
        size += float(exact @ exact)
    return float(np.sqrt(away / size)) if size else 0.0
