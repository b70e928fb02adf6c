"""States: what can be at one place in the text, whichever members bring it there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Final

from ..arithmetic import Value
from ..record import Record
from ..shape import Channels
from .axes import Axis
from .member import Turn

MOST_STATES: Final = 100_000
"""States that a walk may pass on, in about half a second."""

Bindings = tuple[tuple[int, int], ...]
"""Values of axes: (axis, index), in order."""


class Exhausted(Exception):
    """The walk has taken as much as it may."""


class Found(Record):
    """A member, or all that begin like it: the index of each axis' value, 0 for those not chosen yet, and the
    turns of choices.

    Members are compared by how far they are from the first of every domain with every choice there, in all, then in order.
    """

    rank: int
    indices: tuple[int, ...]
    turns: tuple[Turn, ...] = ()

    def with_index(self, axis: int, index: int) -> Found:
        """The same with another value."""
        indices = (*self.indices[:axis], index, *self.indices[axis + 1 :])
        return Found(self.rank + index - self.indices[axis], indices, self.turns)

    def bound(self, chosen: Bindings) -> Found:
        """The same with more values."""
        indices = list(self.indices)
        for axis, index in chosen:
            indices[axis] = index
        return Found(self.rank + sum(indices) - sum(self.indices), tuple(indices), self.turns)

    def with_turns(self, turns: tuple[Turn, ...]) -> Found:
        """The same with more choices made."""
        absent = sum(1 for _, present in turns if not present)
        return Found(self.rank + absent, self.indices, self.turns + turns)

    @property
    def order(self) -> tuple[int, tuple[int, ...]]:
        """Less for a smaller member."""
        return self.rank, self.indices


Sizes = tuple[Channels, ...]
State = tuple[Sizes, int, Bindings]
"""A shape's dimensions, the halvings before it, and the values of what is still needed."""

Extreme = tuple[int, Found]
"""The most (or least) that a bounded cost comes to on the ways to a state, and for which member."""


class Reach(Record):
    """How a state is reached: the smallest member, and the extremes of the costs that are bounded."""

    smallest: Found
    extremes: tuple[Extreme, ...] = ()

    def mapped(self, change: Callable[[Found], Found]) -> Reach:
        """The same with every member changed."""
        return Reach(change(self.smallest), tuple((cost, change(found)) for cost, found in self.extremes))


States = dict[State, Reach]


class Space:
    """The axes of a family, and what is done with states. `signs` has the worse side of each cost that is kept."""

    def __init__(self, axes: tuple[Axis, ...], signs: tuple[int, ...]) -> None:
        self.axes = axes
        self.signs = signs
        self._numbers = {axis.name: i for i, axis in enumerate(axes)}
        self._states = 0

    def spend(self) -> None:
        """Count a state; raises Exhausted."""
        self._states += 1
        if self._states > MOST_STATES:
            raise Exhausted

    def merge(self, states: States, state: State, reach: Reach) -> None:
        """Take in a way to reach a state."""
        self.spend()
        known = states.get(state)
        if known is None:
            states[state] = reach
            return
        smallest = min(known.smallest, reach.smallest, key=lambda found: found.order)
        extremes = tuple(
            max(one, other, key=lambda extreme: sign * extreme[0])
            for one, other, sign in zip(known.extremes, reach.extremes, self.signs, strict=True)
        )
        states[state] = Reach(smallest, extremes)

    def join(self, states: States, more: States, needed: frozenset[str]) -> None:
        """Take in more states, with the values that are needed."""
        for (sizes, halvings, bindings), reach in more.items():
            self.merge(states, (sizes, halvings, self.kept(bindings, needed)), reach)

    def kept(self, bindings: Bindings, needed: frozenset[str]) -> Bindings:
        """The values that are needed."""
        return tuple(pair for pair in bindings if self.axes[pair[0]].name in needed)

    def values(self, bindings: Iterable[tuple[int, int]]) -> dict[str, Value]:
        """By name."""
        return {self.axes[axis].name: self.axes[axis].values[index] for axis, index in bindings}

    def open(self, bindings: Bindings, names: frozenset[str]) -> list[int]:
        """The axes among some names that have no value yet."""
        known = {axis for axis, _ in bindings}
        return sorted(self._numbers[name] for name in names if self._numbers[name] not in known)

    def bound(self, at: tuple[Bindings, Reach], names: frozenset[str]) -> Iterator[tuple[Bindings, Reach]]:
        """The same place once for each value of the axes that have none there."""
        bindings, reach = at
        missing = self.open(bindings, names)
        if not missing:
            yield at
            return
        for indices in product(*(range(len(self.axes[axis].values)) for axis in missing)):
            self.spend()
            chosen = tuple(zip(missing, indices, strict=True))
            yield tuple(sorted((*bindings, *chosen))), reach.mapped(with_bound(chosen))

    def grouped(
        self, states: States, names: frozenset[str], after: frozenset[str]
    ) -> Iterator[tuple[Bindings, States]]:
        """The states with every one of the axes bound, by their values."""
        groups: dict[Bindings, States] = {}
        for (sizes, halvings, bindings), reach in states.items():
            for bound, reached in self.bound((bindings, reach), names):
                key = tuple(pair for pair in bound if self.axes[pair[0]].name in names)
                self.merge(groups.setdefault(key, {}), (sizes, halvings, self.kept(bound, after | names)), reached)
        yield from groups.items()


def with_turns(turns: tuple[Turn, ...]) -> Callable[[Found], Found]:
    """Adds choices to a member."""
    return lambda found: found.with_turns(turns)


def with_bound(chosen: Bindings) -> Callable[[Found], Found]:
    """Adds values to a member."""
    return lambda found: found.bound(chosen)


def with_index(axis: int, index: int) -> Callable[[Found], Found]:
    """Changes one value of a member."""
    return lambda found: found.with_index(axis, index)
