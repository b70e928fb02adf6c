"""Dimensions and shapes. A dimension is an integer or an exact expression in the symbols of the input."""

from __future__ import annotations

from .record import Record
from .symbolic import Product, Symbolic

Dim = int | Symbolic
Channels = int | Symbolic | Product

LARGEST_DIMENSION = 2**31 - 1
LARGEST_VALUE = 2**40

AXES = ("", "L", "HW", "DHW")


def symbols(rank: int) -> str:
    """The symbols of the axes of an input of this rank: L; H and W; D, H and W."""
    return AXES[rank]


class Shape(Record):
    """C×spatial, without the batch; a vector has no spatial axes.

    `channels` is a `Product` where a map of unknown size was flattened.
    """

    channels: Channels
    spatial: tuple[Dim, ...] = ()

    @property
    def rank(self) -> int:
        """The number of spatial axes: 0 for a vector."""
        return len(self.spatial)

    @property
    def dimensions(self) -> tuple[Channels, ...]:
        """The channels, then the spatial axes."""
        return (self.channels, *self.spatial)

    @property
    def fixed(self) -> bool:
        """Whether every dimension is a number."""
        return all(type(size) is int for size in self.dimensions)

    @property
    def elements(self) -> int:
        """The number of values; raises ValueError when a dimension is symbolic."""
        total = 1
        for size in self.dimensions:
            if type(size) is not int:
                raise ValueError(f"the size of {self} is not fixed")
            total *= size
        return total

    def sizes(self) -> tuple[int, ...]:
        """Every dimension as a number; raises ValueError when one is symbolic."""
        if not self.fixed:
            raise ValueError(f"the size of {self} is not fixed")
        return tuple(size for size in self.dimensions if isinstance(size, int))

    def evaluate(self, values: dict[str, int]) -> Shape:
        """This shape with numbers for the symbols."""
        channels = self.channels if isinstance(self.channels, int) else self.channels.evaluate(values)
        return Shape(channels, tuple(n if isinstance(n, int) else n.evaluate(values) for n in self.spatial))

    def __str__(self) -> str:
        return "x".join(str(size) for size in self.dimensions)
