"""What makes a spec a family: parameters with domains, and which of them each part of the text depends on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, islice, product
from math import prod
from typing import Final

from ..arithmetic import UNKNOWN, Names, Value, evaluate, shown, whole
from ..elaborate.units import Definition, Unit
from ..record import Record
from ..syntax import Default, Expression, File, List, Param, Range, Syntax

_WORD: Final = re.compile(r"[^\W\d]\w*")
NOTHING: Final[frozenset[str]] = frozenset()
MOST_WAYS: Final = 1000
"""Values of other parameters that a domain is computed for."""


class Axis(Record):
    """A parameter with a domain: its values in the order of the domain."""

    name: str
    values: Sequence[Value]

    def says(self, index: int) -> str:
        """`N=3`."""
        return f"{self.name}={shown(self.values[index])}"


class Axes(Record):
    """All of them, in the order of the text; those whose domain depends on another are `dependent`."""

    axes: tuple[Axis, ...]
    dependent: bool

    @property
    def size(self) -> int:
        """How many members they make."""
        return prod(len(axis.values) for axis in self.axes)


def axes(unit: Unit, settings: frozenset[str], names: Callable[[Mapping[str, Value]], Names]) -> Axes:
    """The parameters that are not set from outside and have a domain that can be listed.

    `names` gives what expressions see where some have values. An axis whose domain depends on others has all the values
    that it can have.
    """
    found: list[Axis] = []
    dependent = False
    for name, param in unit.params.items():
        if param.domain is None or name in settings:
            continue
        before = [axis for axis in found if axis.name in words(param.domain)]
        ways = islice(product(*(axis.values for axis in before)), MOST_WAYS)
        lists = [
            _values(param.domain, names({axis.name: value for axis, value in zip(before, way, strict=True)}))
            for way in ways
        ]
        values = lists[0] if len(lists) == 1 else tuple(dict.fromkeys(chain.from_iterable(lists)))
        dependent = dependent or bool(before)
        if values:
            found.append(Axis(name, values))
    return Axes(tuple(found), dependent)


def _values(domain: List | Range, names: Names) -> Sequence[Value]:
    if isinstance(domain, Range):
        first, last = whole(domain.first, names, "a domain"), whole(domain.last, names, "a domain")
        return () if first is UNKNOWN or last is UNKNOWN else range(first, last + 1)
    values = tuple(evaluate(item, names) for item in domain.items)
    return () if UNKNOWN in values else values


def words(part: Syntax) -> frozenset[str]:
    """Every name in the text of a part, and perhaps more: words of its comments."""
    return frozenset(_WORD.findall(part.span.text))


class Uses:
    """Which axes the parts of a spec depend on, through definitions and parameters made from others."""

    def __init__(self, unit: Unit, file: File, found: Sequence[Axis]) -> None:
        self._unit = unit
        self._axes = frozenset(axis.name for axis in found)
        self._names: dict[str, frozenset[str]] = {}
        self._parts: dict[int, frozenset[str]] = {}
        self._everywhere = self._axes & {"classes"}  # a last FC without a width has so many
        self.derived: tuple[tuple[str, Expression], ...] = tuple(self._derived())
        self.in_defaults = any(isinstance(statement, Default) and self.of(statement) for statement in file.statements)

    def _derived(self) -> list[tuple[str, Expression]]:
        """The parameters whose value is made of an axis, with what makes it, in the order of the text."""
        found = []
        for name, param in self._unit.params.items():
            if name not in self._axes and param.default is not None and self._of_name(name):
                found.append((name, param.default))
        return found

    def of(self, part: Syntax) -> frozenset[str]:
        """The axes that a part may depend on."""
        known = self._parts.get(id(part))
        if known is None:
            known = self._parts[id(part)] = self._everywhere.union(*(self._of_name(word) for word in words(part)))
        return known

    def _of_name(self, name: str) -> frozenset[str]:
        if name in self._axes:
            return frozenset((name,))
        known = self._names.get(name)
        if known is None:
            self._names[name] = NOTHING  # a definition that uses itself adds nothing
            inside = NOTHING.union(*(words(part) for part in self._behind(name)))
            known = self._names[name] = NOTHING.union(*(self._of_name(word) for word in inside - {name}))
        return known

    def _behind(self, name: str) -> list[Syntax]:
        """What a name of this file stands for; definitions of other files see none of its parameters."""
        definition: Definition | None = self._unit.definitions.get(name)
        param: Param | None = self._unit.params.get(name)
        parts: list[Syntax] = [definition.syntax] if definition is not None and definition.unit is self._unit else []
        return parts + ([param.default] if param is not None and param.default is not None else [])
