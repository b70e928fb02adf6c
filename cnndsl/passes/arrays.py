"""Arrays that passes make of others; they are computed while they are written, and take no room before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..record import Record
from ..weights import BLOCK, Array, Drawn, Value, whole


class Scaled(Drawn):
    """`base` times one factor for each `inner` numbers in a row, over again where the factors end before the numbers."""

    base: Value
    factors: Array
    inner: int

    def blocks(self) -> Iterator[Array]:
        start = 0
        for block in _chunks(self.base):
            with np.errstate(over="ignore"):
                np.multiply(block, self._spread(start, block.size), out=block)
            yield block
            start += block.size

    def _spread(self, start: int, count: int) -> Array:
        """The factor of each of `count` numbers from `start` on."""
        first, last = start // self.inner, -(-(start + count) // self.inner)
        rows = np.arange(first, last)
        factors = self.factors.take(rows, mode="wrap") if last > self.factors.size else self.factors[first:last]
        skipped = start - first * self.inner
        return np.repeat(factors, self.inner)[skipped : skipped + count] if self.inner > 1 else factors


class Diagonal(Drawn):
    """The weight of a convolution of one position a window that gives each channel times its factor; (width, per group,
    1, ...)."""

    factors: Array

    def blocks(self) -> Iterator[Array]:
        weight = np.zeros(self.shape[:2], np.float32)
        width, per_group = self.shape[:2]
        weight[np.arange(width), np.arange(width) % per_group] = self.factors
        yield weight.ravel()


class Placed(Record):
    """A kernel in a larger one: at which tap of each axis it begins, and how many taps lie between two of its own."""

    weight: Value
    start: tuple[int, ...]
    step: tuple[int, ...]


class Summed(Drawn):
    """Kernels of several convolutions, each in its place, added up."""

    parts: tuple[Placed, ...]

    def blocks(self) -> Iterator[Array]:
        total = np.zeros(self.shape, np.float32)
        for part in self.parts:
            taps = (slice(start, None, step) for start, step in zip(part.start, part.step, strict=True))
            weight = whole(part.weight)
            window = tuple(
                slice(axis.start, axis.start + (size - 1) * axis.step + 1, axis.step)
                for axis, size in zip(taps, weight.shape[2:], strict=True)
            )
            with np.errstate(over="ignore", invalid="ignore"):
                total[:, :, *window] += weight
        yield total.ravel()


def _chunks(value: Value) -> Iterator[Array]:
    """The numbers of an array in blocks that may be written to."""
    if isinstance(value, Drawn):
        yield from value.blocks()
        return
    numbers = np.ravel(value)
    for start in range(0, numbers.size, BLOCK):
        yield numbers[start : start + BLOCK].astype(np.float32)
