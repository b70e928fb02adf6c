"""Ways to lay a module's children over layers: beginnings, extended child by child, and what is undecided between them."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Final, NamedTuple, TypeAlias, TypeVar

from .owners import Owner

Place: TypeAlias = tuple[int, Owner]
Key = TypeVar("Key")

DOUBT: Final = 1.5
"""A way with its gaps elsewhere that costs no more than this more could as well be meant."""

_CLOSE: Final = 1e-9


class Doubt(NamedTuple):
    """Two ways that are equally good: an owner at a position, and it elsewhere or another one there."""

    one: Place
    other: Place


class Laid(NamedTuple):
    """A module over the layers up to `end`: what was placed where, in order, the cost, and what is undecided."""

    cost: float
    end: int
    places: tuple[Place, ...]
    doubt: Doubt | None = None


class Placed(NamedTuple):
    """A child over an interval, and the ones before it."""

    child: int
    start: int
    laid: Laid
    before: Placed | None


class Way(NamedTuple):
    """The beginning of an order of children with its gaps; `used` are those placed and `taken` their positions, as bits."""

    cost: float
    used: int = 0
    last: Placed | None = None
    doubt: Doubt | None = None
    taken: int = 0

    @property
    def key(self) -> tuple[int, int, int]:
        """What is the same for ways that go on alike."""
        return self.used, self.last.child if self.last else -1, self.taken

    @property
    def places(self) -> tuple[Place, ...]:
        """All that is placed, in order."""
        parts = []
        placed = self.last
        while placed is not None:
            parts.append(placed.laid.places)
            placed = placed.before
        return tuple(place for part in reversed(parts) for place in part)

    def with_child(self, child: int, start: int, laid: Laid, cost: float) -> Way:
        """This way and one more child."""
        taken = self.taken | sum(1 << position for position, _ in laid.places)
        doubt = self.doubt or laid.doubt
        return Way(self.cost + cost, self.used | 1 << child, Placed(child, start, laid, self.last), doubt, taken)


def keep(ways: MutableMapping[Key, Way], key: Key, new: Way) -> None:
    """The better of two ways; it is in doubt where the other is as good."""
    old = ways.setdefault(key, new)
    if old is new:
        return
    better, worse = (new, old) if new.cost < old.cost - _CLOSE else (old, new)
    margin = DOUBT if better.taken != worse.taken else _CLOSE
    if better.doubt is None and worse.cost - better.cost < margin:
        better = better._replace(doubt=_difference(better.places, worse.places))
    ways[key] = better


def _difference(some: Sequence[Place], others: Sequence[Place]) -> Doubt | None:
    """The first owner that is elsewhere in another way, else the first position with another owner."""
    where = {owner.name: position for position, owner in others}
    who = dict(others)
    for position, owner in some:
        if where.get(owner.name, position) != position:
            return Doubt((position, owner), (where[owner.name], owner))
    for position, owner in some:
        if position in who and who[position].name != owner.name:
            return Doubt((position, owner), (position, who[position]))
    return None
