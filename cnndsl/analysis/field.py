"""The field of a value on one axis of the input, and what windows, upsamplings and joins make of it.

Of a value at position o, the field is the stretch of input positions that it depends on. Along a graph of strided windows,
pads and upsamplings it repeats: with a period of q positions and a step of J, position q*t + r sees
[J*t + low[r], J*t + high[r]]. Chains without upsampling have q = 1, which is the textbook's recurrence; the effective stride
is J/q. A part may also stand still: what a global pool saw, wherever it was joined to.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, lcm
from typing import TYPE_CHECKING

from ..record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..shape import Dim

LONGEST = 256
"""The longest period that is followed; a field beyond it (upsampled several hundredfold) is unknown."""

Stretch = tuple[int, int]


class Field(Record):
    """What a value sees on one axis: `moving` by phase (None for a position that sees nothing), and `still`.

    `moving` is empty where all of the field stands still.
    """

    step: int
    moving: tuple[Stretch | None, ...]
    still: Stretch | None = None

    @property
    def period(self) -> int:
        """The number of positions after which the field repeats, `step` further on."""
        return len(self.moving)

    def at(self, position: int) -> Stretch | None:
        """What one position sees by its moving part."""
        if not self.moving:
            return None
        times, phase = divmod(position, len(self.moving))
        seen = self.moving[phase]
        return seen and (seen[0] + self.step * times, seen[1] + self.step * times)


START = Field(1, ((0, 0),))
"""An input position sees itself."""

Unknown = None


def hull(one: Stretch | None, two: Stretch | None) -> Stretch | None:
    """The stretch from the first to the last position of both."""
    if one is None or two is None:
        return one or two
    return min(one[0], two[0]), max(one[1], two[1])


def joined(fields: list[Field], size: Dim) -> Field | None:
    """Branches together. Where they move at different speeds, all that they see anywhere."""
    first = fields[0]
    if all(field == first for field in fields):
        return first
    moving = [field for field in fields if field.moving]
    if any(field.step * moving[0].period != moving[0].step * field.period for field in moving):
        parts = [still(field, size) for field in fields]
        return Unknown if None in parts else joined([part for part in parts if part is not None], size)
    standing = None
    for field in fields:
        standing = hull(standing, field.still)
    if not moving:
        return Field(1, (), standing)
    period = lcm(*(field.period for field in moving))
    if period > LONGEST:
        return Unknown
    phases: list[Stretch | None] = [None] * period
    for field in moving:
        phases = [hull(seen, field.at(position)) for position, seen in enumerate(phases)]
    return Field(moving[0].step * period // moving[0].period, tuple(phases), standing)


def still(field: Field, size: Dim) -> Field | None:
    """All that a map of this size sees, as a stretch that stands still."""
    if not field.moving:
        return field
    if not isinstance(size, int):
        return Unknown
    return Field(1, (), hull(field.still, across(field, range(size))))


@lru_cache(256)  # the axes of an input mostly go the same way
def windowed(field: Field, kernel: int, stride: int, before: int, dilation: int = 1) -> Field | None:
    """Through a window: position o reads o*stride - before + t*dilation, t from 0 below kernel."""
    period = field.period
    if not period:
        return field
    if period == 1:
        (one,) = field.moving
        if one is None:
            return field
        low, high = one
        shift = field.step * -before
        reach = field.step * dilation * (kernel - 1)
        return Field(field.step * stride, ((low + shift, high + shift + reach),), field.still)
    repeat = period // gcd(period, stride)
    starts = range(-before, repeat * stride - before, stride)
    reach = dilation * (kernel - 1)
    moving, step = field.moving, field.step
    phases: tuple[Stretch | None, ...]
    if rising(field):
        lows = [pair[0] for pair in moving if pair]
        highs = [pair[1] for pair in moving if pair]
        ends = [(start, start + reach) for start in starts]
        phases = tuple((lows[i % period] + i // period * step, highs[j % period] + j // period * step) for i, j in ends)
    else:
        phases = tuple(across(field, range(start, start + reach + 1, dilation)) for start in starts)
    return Field(step * (repeat * stride // period), phases, field.still)


def rising(field: Field) -> bool:
    """Whether every position sees, and each as far as the one before at both ends: then the ends of a window suffice."""
    first = field.moving[0]
    if first is None or None in field.moving:
        return False
    after = (*field.moving[1:], (first[0] + field.step, first[1] + field.step))
    pairs = zip(field.moving, after, strict=True)
    return all(one and two and one[0] <= two[0] and one[1] <= two[1] for one, two in pairs)


def stretched(field: Field, factor: int, step: int, read: Callable[[int], range]) -> Field | None:
    """Through an upsampling that repeats every `factor` positions, `step` positions on: position o reads `read(o)`."""
    if not field.moving:
        return field
    times = field.period // gcd(field.period, step)
    if times * factor > LONGEST:
        return Unknown
    phases = tuple(across(field, read(position)) for position in range(times * factor))
    return Field(field.step * (times * step // field.period), phases, field.still)


def across(field: Field, positions: range) -> Stretch | None:
    """All that these positions see by their moving part."""
    found = None
    for position in outermost(positions, field.period):
        found = hull(found, field.at(position))
    return found


def outermost(positions: range, period: int) -> Iterable[int]:
    """The first and last `period` positions: those between see nothing further out."""
    return positions if len(positions) <= 2 * period else (*positions[:period], *positions[-period:])
