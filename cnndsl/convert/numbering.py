"""How a checkpoint counts its modules: where series begin, and whether each number is a module with arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from .owners import pattern
from .search import Module, Siblings

Number: TypeAlias = tuple[int, str]

FIRST: Final = ((0, ""), (1, ""), (0, "a"), (1, "a"))
"""Where series begin; of one that begins elsewhere it is not known whether its first is missing."""


class Numbering:
    """The series of one kind, as the `layer1.#`, `layer2.#` of a ResNet."""

    def __init__(self) -> None:
        self.firsts: Counter[Number] = Counter()
        self.steps: Counter[int] = Counter()

    def add(self, numbers: Sequence[Number]) -> None:
        """The numbers of one series, sorted."""
        self.firsts[numbers[0]] += 1
        self.steps.update(skipped(one, other) for one, other in pairwise(numbers))

    @property
    def first(self) -> Number:
        """From which number most of them count."""
        return max(sorted(self.firsts), key=self.firsts.__getitem__)

    @property
    def dense(self) -> bool:
        """Whether they count modules with arrays alone, not activations and pools between them too."""
        return 2 * self.steps[0] >= self.steps.total()

    def contradicts(self, previous: Number | None, number: Number, *, gap: bool, free: bool) -> bool:
        """Whether a number, after the previous one of its series, asks for a `gap` between them that is not there.

        Or where none is left out between them, for none that is `free` for the module with this number.
        """
        if previous is not None:
            left = skipped(previous, number)
        elif self.first in FIRST:
            left = int(number != self.first)
        else:
            return False
        return not gap and self.dense if left else free


def skipped(one: Number, other: Number) -> int:
    """How many numbers lie between two."""
    if one[0] != other[0]:
        return other[0] - one[0] - 1
    return ord(other[1] or "`") - ord(one[1] or "`") - 1


def numberings(siblings: Sequence[tuple[str, Siblings]]) -> dict[tuple[str, str], Numbering]:
    """How the series count, by the masked path of their parent and what they count."""
    found: dict[tuple[str, str], Numbering] = {}
    for path, group in siblings:
        for series in group.series:
            numbers = sorted(number[1] for number in group.numbers if number and number[0] == series)
            found.setdefault((path, series), Numbering()).add(numbers)
    return found


def families(module: Module, path: str = "") -> list[tuple[Module, str, Siblings]]:
    """The modules with children, and the masked path and the children of each."""
    if module.owner is not None:
        return []
    found = [(module, path, Siblings(module.children))]
    for child in module.children:
        found += families(child, f"{path}.{pattern(child.segment)}")
    return found
