"""Which layer of one network is which of another.

Layers are matched in order so that the sum of their likeness is the largest: an equal operation on equal shapes counts most,
a name in common next, so that names decide among equals and a layer that is merely renumbered is found all the same
(Needleman and Wunsch 1970, without a price for gaps). A name counts for more where all scopes around it hold the same names
in the same order on both sides: there nothing can have been renumbered.

What is equal in name, operation and shapes at both ends is taken first. Where the rest is too long for a table, it is cut
where a shortest edit script says, or where names agree. What is left may have moved: the same name, or the only layer of its
sort with weights on either side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..record import Record
from .sequences import Pairs, common, increasing
from .tokens import FIRM_NAME, LAST, LIKE, NAME, OPERATION, REPLACED, Side, Sorts, firm_scopes

if TYPE_CHECKING:
    from ..ir import Graph

CELLS: Final = 400_000
"""The most pairs of layers that are weighed, in all tables together."""
FEW: Final = 400
"""So many are weighed all the same: the stretches between two cuts are short, and their number is bounded by the layers'."""
EDITS: Final = 400
"""The longest edit script that is looked for."""
SCRIPTS: Final = 8
"""How often one is looked for."""


class Alignment(Record):
    """Pairs of indices of nodes, in the order of the first network, the inputs among them; and which of them moved."""

    pairs: tuple[tuple[int, int], ...]
    moved: frozenset[int]


def align(before: Graph, after: Graph) -> Alignment:
    """Match the nodes of two graphs; the other way round the pairs are the same, turned round."""
    if _precedes(after, before):
        found = align(after, before)
        there = dict(found.pairs)
        return Alignment(tuple(sorted((j, i) for i, j in found.pairs)), frozenset(there[i] for i in found.moved))
    sorts = Sorts()
    matching = _Matching(sorts, sorts.side(before), sorts.side(after))
    pairs = {0: 0}
    pairs.update(matching.between(1, len(before.nodes), 1, len(after.nodes)))
    pairs.update(_moved(before, matching, pairs))
    ordered = sorted(pairs.items())
    kept = {ordered[position] for position in increasing([j for _, j in ordered])}
    return Alignment(tuple(ordered), frozenset(i for i, j in ordered if (i, j) not in kept))


def _precedes(one: Graph, other: Graph) -> bool:
    """Which of two is taken first, whatever order they come in: it decides among matchings that are as good."""
    if len(one.nodes) != len(other.nodes):
        return len(one.nodes) < len(other.nodes)
    names, others = [node.name for node in one.nodes], [node.name for node in other.nodes]
    return names < others if names != others else one.hash() < other.hash()


class _Matching:
    def __init__(self, sorts: Sorts, a: Side, b: Side) -> None:
        self.sorts = sorts
        self.a = a
        self.b = b
        self.firm = firm_scopes(a, b)
        self.cells = CELLS
        self.scripts = SCRIPTS

    def likeness(self, i: int, j: int) -> int:
        """How alike two layers are, names counted."""
        if self.a.names[i] != self.b.names[j]:
            return self._unnamed(self.a.sorts[i], self.a.lasts[i], j)
        alike = self.sorts.likeness(self.a.sorts[i], self.b.sorts[j])
        name = FIRM_NAME if self.a.names[i].rpartition(".")[0] in self.firm else NAME
        return alike + name + LAST if alike else REPLACED

    def between(self, i: int, last_i: int, j: int, last_j: int) -> Pairs:
        """The pairs among two stretches."""
        first: Pairs = []
        while i < last_i and j < last_j and self._same(i, j):
            first.append((i, j))
            i, j = i + 1, j + 1
        last: Pairs = []
        while i < last_i and j < last_j and self._same(last_i - 1, last_j - 1):
            last_i, last_j = last_i - 1, last_j - 1
            last.append((last_i, last_j))
        return first + self._middle(i, last_i, j, last_j) + last[::-1]

    def _same(self, i: int, j: int) -> bool:
        return self.a.sorts[i] == self.b.sorts[j] and self.a.names[i] == self.b.names[j]

    def _middle(self, i: int, last_i: int, j: int, last_j: int) -> Pairs:
        cells = (last_i - i) * (last_j - j)
        if not cells:
            return []
        if cells <= max(self.cells, FEW):
            self.cells -= cells
            return self._table(i, last_i, j, last_j)
        anchors = self._anchors(i, last_i, j, last_j)
        found: Pairs = []
        for at, to in (*anchors, (last_i, last_j)):
            if anchors and at > i and to > j:
                found += self.between(i, at, j, to)
            found.append((at, to))
            i, j = at + 1, to + 1
        return found[:-1]

    def _anchors(self, i: int, last_i: int, j: int, last_j: int) -> Pairs:
        """Pairs to cut a long stretch at: a short edit script's, else names in common."""
        named = self._named(i, last_i, j, last_j)
        fewest = min(last_i - i, last_j - j)
        telling = 2 * len(named) >= fewest
        for level, numbers in enumerate(self.sorts.coarser()):
            if (level and telling) or not self.scripts:
                break
            self.scripts -= 1
            one = [numbers[sort] for sort in self.a.sorts[i:last_i]]
            other = [numbers[sort] for sort in self.b.sorts[j:last_j]]
            pairs = common(one, other, EDITS)
            if pairs is not None and 2 * len(pairs) >= fewest:
                return [(i + x, j + y) for x, y in pairs]
        return named

    def _named(self, i: int, last_i: int, j: int, last_j: int) -> Pairs:
        places = {self.b.names[at]: at for at in range(j, last_j)}
        pairs = [(at, places[name]) for at in range(i, last_i) if (name := self.a.names[at]) in places]
        pairs = [pair for pair in pairs if self.likeness(*pair)]
        return [pairs[position] for position in increasing([to for _, to in pairs])]

    def _table(self, i: int, last_i: int, j: int, last_j: int) -> Pairs:
        """The best pairs, all weighed."""
        rows = self._rows(i, last_i, j, last_j)
        width = last_j - j
        below = [0] * (width + 1)
        sums = [below]
        for row in reversed(rows):
            best = [0] * (width + 1)
            right = 0
            for at in range(width - 1, -1, -1):
                alike = row[at]
                right = max(right, below[at], below[at + 1] + alike) if alike else max(right, below[at])
                best[at] = right
            sums.append(best)
            below = best
        return [(i + x, j + y) for x, y in _walked(sums[::-1], rows)]

    def _rows(self, i: int, last_i: int, j: int, last_j: int) -> list[list[int]]:
        """The likeness of each layer of one stretch to each of the other; layers of one sort share most of a row."""
        a, b = self.a, self.b
        places = {b.names[at]: at for at in range(j, last_j)}
        known: dict[tuple[int, str], list[int]] = {}
        rows = []
        for at in range(i, last_i):
            key = a.sorts[at], a.lasts[at]
            if key not in known:
                known[key] = [self._unnamed(*key, to) for to in range(j, last_j)]
            row, same = known[key], places.get(a.names[at])
            if same is not None:
                row = row.copy()
                row[same - j] = self.likeness(at, same)
            rows.append(row)
        return rows

    def _unnamed(self, sort: int, last: str, to: int) -> int:
        alike = self.sorts.likeness(sort, self.b.sorts[to])
        return alike + LAST * (last == self.b.lasts[to]) if alike >= LIKE else 0


def _walked(sums: list[list[int]], rows: list[list[int]]) -> Iterator[tuple[int, int]]:
    """The pairs of the best sum, from the first."""
    x = y = 0
    while x < len(rows) and y < len(rows[x]):
        alike = rows[x][y]
        if alike and sums[x][y] == sums[x + 1][y + 1] + alike:
            yield x, y
            x, y = x + 1, y + 1
        elif sums[x][y] == sums[x + 1][y]:
            x += 1
        else:
            y += 1


def _moved(before: Graph, matching: _Matching, pairs: dict[int, int]) -> Pairs:
    """Pairs among the layers that are left, wherever they stand."""
    a, b = matching.a, matching.b
    taken = set(pairs.values())
    ours = [i for i in range(len(a.names)) if i not in pairs]
    theirs = [j for j in range(len(b.names)) if j not in taken]
    found: Pairs = []
    places = {b.names[j]: j for j in theirs}
    for i in ours:
        j = places.get(a.names[i])
        if j is not None and matching.sorts.likeness(a.sorts[i], b.sorts[j]) >= OPERATION:
            found.append((i, j))
    gone, come = ({pair[side] for pair in found} for side in (0, 1))
    ours = [i for i in ours if i not in gone and before.nodes[i].op.weights(before.inputs(before.nodes[i]))]
    return found + _only(matching, ours, [j for j in theirs if j not in come])


def _only(matching: _Matching, ours: list[int], theirs: list[int]) -> Pairs:
    """Pairs of layers that are the only ones of their sort: first with all shapes, then with their channels."""
    found: Pairs = []
    for numbers in matching.sorts.coarser()[:2]:
        one = {at: numbers[matching.a.sorts[at]] for at in ours}
        other = {at: numbers[matching.b.sorts[at]] for at in theirs}
        counts, others = Counter(one.values()), Counter(other.values())
        places = {number: at for at, number in other.items()}
        pairs = [(i, places[n]) for i, n in one.items() if counts[n] == 1 and others[n] == 1]
        found += pairs
        gone, come = ({pair[side] for pair in pairs} for side in (0, 1))
        ours, theirs = [i for i in ours if i not in gone], [j for j in theirs if j not in come]
    return found
