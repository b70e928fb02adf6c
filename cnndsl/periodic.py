"""Which sizes fulfil a condition: exactly, since each size is a straight line in its symbol plus something periodic."""

from __future__ import annotations

from functools import lru_cache
from math import gcd, lcm

from .record import Record
from .symbolic import Product, Symbolic

LONGEST = 1 << 12
"""The longest period, and the longest finite list, that is worked out."""


class Sizes(Record):
    """The sizes n >= minimum with n % period in residues; or, where `finite` is given, just those."""

    minimum: int = 1
    period: int = 1
    residues: tuple[int, ...] = (0,)
    finite: tuple[int, ...] | None = None

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return not self.residues if self.finite is None else not self.finite

    def __contains__(self, n: int) -> bool:
        if self.finite is not None:
            return n in self.finite
        return n >= self.minimum and n % self.period in self.residues

    def intersect(self, other: Sizes) -> Sizes | None:
        """The sizes in both; None where their common period is longer than LONGEST."""
        for one, two in ((self, other), (other, self)):
            if one.finite is not None:
                return Sizes(finite=tuple(n for n in one.finite if n in two))
        period = lcm(self.period, other.period)
        if period > LONGEST:
            return None
        mine, theirs = set(self.residues), set(other.residues)
        residues = (r for r in range(period) if r % self.period in mine and r % other.period in theirs)
        return reduced(max(self.minimum, other.minimum), period, tuple(residues))


def reduced(minimum: int, period: int, residues: tuple[int, ...]) -> Sizes:
    """These sizes with the shortest period, and from the first of them on."""
    found = set(residues)
    shorter = next(n for n in range(1, period + 1) if period % n == 0 and all((r + n) % period in found for r in found))
    period, residues = shorter, tuple(sorted({r % shorter for r in found}))
    if residues:
        minimum += min((r - minimum) % period for r in residues)
    return Sizes(minimum, period, residues)


def at_least(size: Symbolic, least: int) -> Sizes:
    """The values of the symbol, from 1, for which a size, which never falls, is at least `least`."""
    while True:
        least = -((size.offset - least) // size.factor)
        if isinstance(size.base, str):
            return Sizes(max(least, 1))
        least, size = least * size.base.divisor, size.base.numerator


def rhythm(size: Symbolic) -> tuple[int, int]:
    """(period, gain): the size grows by exactly `gain` whenever the symbol grows by `period`."""
    if isinstance(size.base, str):
        return 1, size.factor
    period, gain = rhythm(size.base.numerator)
    times = size.base.divisor // gcd(gain, size.base.divisor)
    return period * times, size.factor * (gain * times // size.base.divisor)


@lru_cache(4096)
def meeting(left: int | Symbolic | Product, right: int | Symbolic | Product) -> Sizes | None:
    """The values of the symbol, from 1, for which two sizes are equal; None where that is too long to work out.

    Products, and sizes in different symbols, meet only when they are written alike.
    """
    if left == right:
        return Sizes()
    if isinstance(left, Product) or isinstance(right, Product) or (isinstance(left, int) and isinstance(right, int)):
        return Sizes(finite=())
    if isinstance(left, int):
        left, right = right, left
    assert isinstance(left, Symbolic)
    if isinstance(right, int):
        return between(left, right)
    if left.symbol != right.symbol:
        return Sizes(finite=())
    return _crossing(left, right)


def values(size: Symbolic, count: int) -> list[int]:
    """A size for its symbol from 1 to `count`."""
    found = list(range(1, count + 1))
    for factor, offset, divisor in size.steps():
        found = [(factor * n + offset) // divisor for n in found]
    return found


def between(size: Symbolic, value: int) -> Sizes | None:
    """Where a size has one value: a stretch, since it never falls."""
    first, beyond = at_least(size, value).minimum, at_least(size, value + 1).minimum
    return Sizes(finite=tuple(range(first, beyond))) if beyond - first <= LONGEST else None


def _crossing(left: Symbolic, right: Symbolic) -> Sizes | None:
    """Equal slopes: their difference is periodic. Others: it drifts by a fixed amount each period, so soon for good."""
    (p, gain_left), (q, gain_right) = rhythm(left), rhythm(right)
    period = lcm(p, q)
    if period > LONGEST:
        return None
    drift = gain_left * (period // p) - gain_right * (period // q)
    gaps = [one - two for one, two in zip(values(left, period), values(right, period), strict=True)]
    if not drift:
        return reduced(1, period, tuple((i + 1) % period for i, gap in enumerate(gaps) if not gap))
    times = ((i + 1, -gap // drift) for i, gap in enumerate(gaps) if gap % drift == 0)
    return Sizes(finite=tuple(sorted(n + k * period for n, k in times if k >= 0)))
