"""Modules of a checkpoint laid over the layers of a graph where some of either have no counterpart.

As in `search`, what belongs to one module stays together and siblings are permuted; besides, layers are passed over and
modules left out, as in the alignment of sequences with a cost to open a gap and one to extend it. Where the gap is,
numbers tell: `layer1.1` with no `layer1.0` leaves a block free before it, `conv2` after `conv1` leaves nothing. Where
neither they nor the definitions of the spec do, it is undecided, and that is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Final

from ..ir import Graph
from .clues import Clues
from .numbering import Number, families, numberings
from .owners import Owner, Shape, Signature
from .search import BACKWARD, BEAM, LATE, SCOPE, TORN, UNFED, UNLIKE, Module, Siblings, tree
from .ways import Laid, Placed, Way, keep

GAP, OPEN, MISFIT = 3.0, 2.0, 2.0
"""What it costs: a layer or an owner without counterpart; the first of such layers in a row; an array that does not fit in
a layer whose weight does."""

STEP, APART, ACROSS = 4.0, 2.5, 4.0
"""A number that denies the gap before it, or asks for one; a module with gaps that is no definition of ours; one that
begins within a definition and ends outside."""

HOLLOW: Final = 2
"""How many layers are passed over inside a module at most, for each of its owners."""

BEYOND: Final = BACKWARD
"""How much more than the best a way may cost, gaps aside, with the same children placed, to be followed."""

ENDS: Final = 8
"""How many ends of a module are followed from one beginning."""


def align(graph: Graph, layers: Sequence[Owner], modules: Sequence[Owner], *, registered: bool) -> Laid | None:
    """The owners at the positions of the layers that they are most likely for; in some only the weight fits.

    Of each signature as many are left out as there are too many, here or there. None where the modules do not lie as the
    layers do; what is undecided is said in `doubt`.
    """
    root = tree(modules)
    if root.owner is not None:
        root, alone = Module(""), root
        root.children.append(alone)
    found = Alignment(graph, layers, root, registered=registered).lay(root, 0)
    return next((laid for laid in found if laid.end == len(layers)), None)


class Alignment:
    """The layers of a graph, over which the modules of a checkpoint are laid."""

    def __init__(self, graph: Graph, layers: Sequence[Owner], root: Module, *, registered: bool) -> None:
        self.layers = layers
        self.root = root
        self.registered = registered
        self.clues = Clues(graph, layers)
        self.signatures = [layer.signature for layer in layers]
        wanted, there = Counter(self.signatures), Counter(owner.signature for owner in root.owners)
        self.missing, self.surplus = wanted - there, there - wanted
        self.exact = _bits_by(self.signatures)
        self.roughly = _bits_by([_weight(one) if one in self.missing else None for one in self.signatures])
        self.scopes = self.clues.scopes | {(0, len(layers))}
        self.longest = {
            at: max((end for start, end in self.scopes if start == at), default=at) for at in range(len(layers) + 1)
        }
        self.ends = {end for _, end in self.scopes}
        self.siblings: dict[int, Siblings] = {}
        self.paths: dict[Siblings, str] = {}
        for module, path, siblings in families(root):
            self.siblings[id(module)], self.paths[siblings] = siblings, path
        self.numberings = numberings([(path, siblings) for siblings, path in self.paths.items()])
        self.masks: dict[int, int] = {}
        self.least: dict[tuple[int, int], float] = {}
        self.reaches: dict[tuple[int, int], int] = {}
        self.known: dict[tuple[int, int], tuple[Laid, ...]] = {}

    # -- a module

    def lay(self, module: Module, start: int) -> tuple[Laid, ...]:
        """A module over the layers from `start` on, with the ends that cost least."""
        key = (id(module), start)
        if key not in self.known:
            single = module.owner is not None
            self.known[key] = self._single(module, start) if single else self._ordered(module, start)
        return self.known[key]

    def _single(self, module: Module, start: int) -> tuple[Laid, ...]:
        (owner,) = module.owners
        if not self._mask(module) >> start & 1:
            return ()
        cost = UNLIKE * self.clues.unlike(module.segment, start, start + 1)
        cost += MISFIT * min(2, len(set(owner.signature) ^ set(self.signatures[start])))
        return (Laid(cost, start + 1, ((start, owner),)),)

    def _mask(self, module: Module) -> int:
        """The positions where a module's owners may be, as bits."""
        if id(module) not in self.masks:
            mask = 0
            for owner in module.owners:
                mask |= self.exact.get(owner.signature, 0)
                if owner.signature in self.surplus and (weight := _weight(owner.signature)) is not None:
                    mask |= self.roughly.get(weight, 0)
            self.masks[id(module)] = mask
        return self.masks[id(module)]

    def _ordered(self, module: Module, start: int) -> tuple[Laid, ...]:
        """The cheapest orders of a module's children with gaps, from left to right, following the `BEAM` best beginnings."""
        siblings = self.siblings[id(module)]
        waiting: dict[int, dict[Hashable, Way]] = {start: {None: Way(0.0)}}
        ends: dict[int, Way] = {}
        while waiting:
            at = min(waiting)
            for way in sorted(waiting.pop(at).values(), key=lambda way: way.cost)[:BEAM]:
                if self._is_beyond(module, way, at - start):
                    continue
                if self._may_end(module, way, at):
                    keep(ends, at, way._replace(cost=way.cost + self._ended(siblings, way, start, at)))
                if self._may_pass(module, way, start, at):
                    opened = OPEN if at == (way.last.laid.end if way.last else start) else 0
                    passed = way._replace(cost=way.cost + GAP + opened)
                    keep(waiting.setdefault(at + 1, {}), passed.key, passed)
                for index in self._candidates(siblings, at, way.used):
                    self._extend(siblings, way, index, (start, at), waiting)
        return self._best(module, start, ends)

    def _best(self, module: Module, start: int, ends: dict[int, Way]) -> tuple[Laid, ...]:
        found = []
        for end, way in ends.items():
            cost = way.cost + UNLIKE * self.clues.unlike(module.segment, start, end)
            found.append(Laid(cost, end, way.places, way.doubt))
        found.sort(key=lambda laid: laid.cost - GAP * (laid.end - start - len(laid.places)))
        return tuple(found[:ENDS])

    def _is_beyond(self, module: Module, way: Way, length: int) -> bool:
        """Whether a way costs so much more than another with the same children, wherever, that it need not be followed."""
        key = (id(module), way.used)
        cost = way.cost - GAP * (length - way.taken.bit_count())
        least = self.least[key] = min(cost, self.least.get(key, cost))
        return cost > least + BEYOND

    def _may_end(self, module: Module, way: Way, at: int) -> bool:
        """Gaps at the end of a module are its own only where a definition ends; what is left out must be too many."""
        if module is self.root:
            return at == len(self.layers) and self._is_surplus(module, way)
        if way.last is None or (way.last.laid.end < at and at not in self.ends):
            return False
        return self._is_surplus(module, way)

    def _is_surplus(self, module: Module, way: Way) -> bool:
        left = (child for index, child in enumerate(module.children) if not way.used >> index & 1)
        return all(owner.signature in self.surplus for child in left for owner in child.owners)

    def _ended(self, siblings: Siblings, way: Way, start: int, end: int) -> float:
        """What it costs to end: the children left out, and an interval that is no definition of ours."""
        cost = GAP * sum(child.size for index, child in enumerate(siblings.modules) if not way.used >> index & 1)
        if (start, end) in self.scopes:
            return cost
        if any(s < start < e < end or start < s < end < e for s, e in self.scopes):
            return cost + ACROSS
        return cost + (SCOPE if way.taken == _bits(start, end) else APART)

    # -- gaps

    def _may_pass(self, module: Module, way: Way, start: int, at: int) -> bool:
        """No more layers are passed over than there are too many; before and after a module's own, only in definitions."""
        if at == len(self.layers) or (way.last is None and self.longest[start] <= at):
            return False
        if way.last is not None and module is not self.root:
            if way.used == (1 << len(module.children)) - 1:
                if self._reach(start, way.last.laid.end) <= at:
                    return False
            elif at - start - way.taken.bit_count() > HOLLOW * module.size:
                return False
        passed = self.exact[self.signatures[at]] & _bits(start, at + 1) & ~way.taken
        return passed.bit_count() <= self.missing[self.signatures[at]]

    def _reach(self, start: int, end: int) -> int:
        """Where the last definition ends that begins in an interval and goes on after it."""
        if (start, end) not in self.reaches:
            beyond = (e for s, e in self.scopes if start <= s < end < e)
            self.reaches[start, end] = max(beyond, default=end)
        return self.reaches[start, end]

    # -- children

    def _candidates(self, siblings: Siblings, at: int, used: int) -> Iterator[int]:
        """The children not yet used that may begin here, or in a definition that does; of a series of equals the first."""
        if at == len(self.layers):
            return
        within = _bits(at, max(self.longest[at], at + 1)) if self.signatures[at] in self.missing else 1 << at
        for index, child in enumerate(siblings.modules):
            if not used >> index & 1 and not siblings.before_alike[index] & ~used and self._mask(child) & within:
                yield index

    def _extend(
        self, siblings: Siblings, way: Way, index: int, place: tuple[int, int], waiting: dict[int, dict[Hashable, Way]]
    ) -> None:
        start, at = place
        child = siblings.modules[index]
        found = self.lay(child, at)
        if not found:
            return
        cost = self._step(siblings, way, index, start, at)
        if child.owner is not None and at > start:
            cost += self._unfed(way, start, at)
        for laid in found:
            new = way.with_child(index, at, laid, laid.cost + cost)
            keep(waiting.setdefault(laid.end, {}), new.key, new)

    def _unfed(self, way: Way, start: int, at: int) -> float:
        """What it costs that nothing in its module feeds a layer, or only what is passed over."""
        if any(way.taken >> feeder & 1 for feeder in self.clues.feeders[at]):
            return 0.0
        return UNFED / 2 if self.clues.fed_within(at, start, at) else UNFED

    def _step(self, siblings: Siblings, way: Way, index: int, start: int, at: int) -> float:
        """What it costs to place a child after others: out of the order of registration, or against its number."""
        cost = LATE if self.registered and way.used >> index else 0.0
        mine = siblings.numbers[index]
        if mine is None:
            return cost
        cost += BACKWARD * (siblings.bigger(index) & way.used).bit_count()
        previous, torn = _since(siblings, way.last, mine)
        cost += TORN if torn else 0.0
        numbering = self.numberings[self.paths[siblings], mine[0]]
        number = siblings.number(previous.child) if previous else None
        if previous is not None and number is not None and not mine[0]:
            if mine[1][0] - number[0] == self._distance(previous.start, at):
                return cost  # they count the operations of the graph
            if not numbering.dense:
                return cost + STEP
        since = previous.laid.end if previous is not None else start
        gap = _bits(since, at) & ~way.taken
        free = gap & self._mask(siblings.modules[index])
        if not numbering.contradicts(number, mine[1], gap=bool(gap), free=bool(free)):
            return cost
        another = previous is None and (len(siblings.series) > 1 or None in siblings.numbers)
        return cost + (STEP / 2 if free and another else STEP)  # the gap may be another child's

    def _distance(self, one: int, other: int) -> int:
        """How many operations of the graph one layer lies after another."""
        return (self.layers[other].node or 0) - (self.layers[one].node or 0)


def _since(siblings: Siblings, placed: Placed | None, mine: tuple[str, Number]) -> tuple[Placed | None, bool]:
    """The last of a series, and whether others tear the next one from it."""
    between: list[Number | None] = []
    while placed is not None:
        number = siblings.numbers[placed.child]
        if number is not None and number[0] == mine[0]:
            return placed, any(other not in (number[1], mine[1]) for other in between)
        between.append(number and number[1])
        placed = placed.before
    return None, False


def _bits(start: int, end: int) -> int:
    return (1 << end) - (1 << start)


def _weight(signature: Signature) -> Shape | None:
    return dict(signature).get("weight")


def _bits_by(values: Sequence[Hashable]) -> dict[Hashable, int]:
    """At which positions each value is, as bits."""
    found: dict[Hashable, int] = {}
    for at, value in enumerate(values):
        found[value] = found.get(value, 0) | 1 << at
    return found
