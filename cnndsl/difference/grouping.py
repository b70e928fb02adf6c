"""Layers that changed alike, in one line: `stage3.bottleneck1..6.conv2: CONV3-256 -> CONV3-512 (6 layers)`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..record import Record
from ..report import printable

if TYPE_CHECKING:
    from ..ops.base import Op
    from . import Argument, Change, Difference

_DIGITS: Final = re.compile(r"\d+")
_MOST_LISTED: Final = 4

FEW_NAMES: Final = ("kernel", "width", "stride")
"""The arguments that stand before the brackets, where they are not shown as arguments."""
_TELLING: Final = ("groups", "dilation")
"""The arguments that are shown in short forms where they are not 1."""


class Group(Record):
    """Changes of one kind that read alike: the names as a pattern, what there is to say, and the sums of the deltas."""

    status: str
    names: str
    said: str
    changes: tuple[Change, ...]

    @property
    def params(self) -> int:
        """The parameters that they add, or take away below 0."""
        return self._delta("params") or 0

    @property
    def macs(self) -> int | None:
        """The multiply-accumulates that they add; None where they depend on an open size."""
        return self._delta("macs")

    def _delta(self, field: str) -> int | None:
        total = 0
        for change in self.changes:
            ends = [0 if side is None else getattr(side, field) for side in (change.before, change.after)]
            if None in ends:
                return None
            total += ends[1] - ends[0]
        return total


def groups(found: Difference) -> list[Group]:
    """The changes of a difference grouped, in the order of their first layers.

    A scope that came or went whole is one, with its definition; a scope that was renamed, and no more, too.
    """
    whole = {**_whole(found, "added"), **_whole(found, "removed")}
    alike: dict[tuple[str, str, str], list[tuple[str, Change]]] = {}
    for change in found.changes:
        names, said = _read(change, whole)
        alike.setdefault((change.status, _DIGITS.sub("#", names), said), []).append((names, change))
    return [
        Group(status, pattern([*dict.fromkeys(names for names, _ in same)]), said, tuple(change for _, change in same))
        for (status, _, said), same in alike.items()
    ]


Whole = dict[tuple[str, str], str]
"""What is said of a scope that came or went, by the status and its path."""


def _whole(found: Difference, status: str) -> Whole:
    """The scopes of which all layers were added, or removed: at least two."""
    graph = found.after if status == "added" else found.before
    every = Counter(path for node in graph.nodes for path in _scopes(node.name))
    mine = [change.layer for change in found.changes if change.status == status]
    counts = Counter(path for layer in mine for path in _scopes(layer.name))
    kinds = {scope.path: scope.kind for scope in graph.scopes}
    shapes = {path: layer.gives for layer in mine for path in _scopes(layer.name)}
    return {
        (status, path): f"{kinds.get(path, path)}  {shapes[path]}"
        for path, count in counts.items()
        if 1 < count == every[path]
    }


def _scopes(name: str) -> list[str]:
    """The scopes around a layer, the outermost first."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _read(change: Change, whole: Whole) -> tuple[str, str]:
    """The names and what is said of a change, or of the scope that came, went or was renamed with it."""
    scope = next((path for path in _scopes(change.layer.name) if (change.status, path) in whole), None)
    if scope is not None:
        return printable(scope), printable(whole[change.status, scope])
    said = _said(change)
    if not change.renamed or change.before is None:
        return printable(change.layer.name), said
    one, other = change.before.name.split("."), change.layer.name.split(".")
    while not said and len(one) > 1 and len(other) > 1 and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return printable(f"{'.'.join(one)} -> {'.'.join(other)}"), said


def pattern(names: Sequence[str]) -> str:
    """Names that differ in their numbers alone as one: `1..6` for all between, `{1,3}` for a few, `*` otherwise."""
    if len(names) == 1:
        return names[0]
    slots = list(zip(*(map(int, _DIGITS.findall(name)) for name in names), strict=True))
    product = 1
    for slot in slots:
        product *= len(set(slot))
    whole = product == len(names) or _steady(slots)
    shown = iter([_numbers(slot, whole) for slot in slots])
    return _DIGITS.sub(lambda _: next(shown), names[0])


def _steady(slots: Sequence[Sequence[int]]) -> bool:
    """Whether the numbers that vary do so together, as in `conv3 -> conv4`, `conv4 -> conv5`."""
    steps = {tuple(number - slot[0] for number in slot) for slot in slots}
    return len(steps - {(0,) * len(slots[0])}) == 1 if slots else True


def _numbers(slot: Sequence[int], whole: bool) -> str:
    different = sorted(set(slot))
    if len(different) == 1:
        return str(different[0])
    if not whole:
        return "*"
    if different[-1] - different[0] == len(different) - 1:
        return f"{different[0]}..{different[-1]}"
    return f"{{{','.join(map(str, different))}}}" if len(different) <= _MOST_LISTED else "*"


def _said(change: Change) -> str:
    """What there is to say of a layer, after its name."""
    before, after = change.before, change.after
    if before is None or after is None:
        return f"{brief(change.layer.op)}  {change.layer.gives}"
    parts = []
    if change.arguments:
        parts.append(f"{_briefs(before.op, after.op)}{_arguments(change.arguments)}")
    if before.gives != after.gives:
        parts.append(f"{before.gives} -> {after.gives}")
    elif before.takes != after.takes:
        one, other = (", ".join(map(str, side.takes)) for side in (before, after))
        parts.append(f"from {one} -> from {other}" if one != other else "from other shapes")
    flags = {"moved": change.moved, "takes other layers' values": change.rewired}
    parts += [said for said, flag in flags.items() if flag]
    if change.switched:
        parts.append("in inference too" if after.live else "in training only")
    return "  ".join(parts)


def _briefs(before: Op, after: Op) -> str:
    one, other = brief(before), brief(after)
    return f"{one} -> {other}" if one != other else one


def _arguments(arguments: Sequence[Argument]) -> str:
    """What a layer's short form does not show."""
    shown = [argument for argument in arguments if argument.name not in ("layer", *FEW_NAMES)]
    if not shown or any(argument.name == "layer" for argument in arguments):
        return ""
    said = (f"{argument.name} {written(argument.before)} -> {written(argument.after)}" for argument in shown)
    return f" ({', '.join(said)})"


def brief(op: Op) -> str:
    """An operation in short, as a spec would write it: `CONV3-64/2(groups=32)`."""
    name, arguments = op.written()
    kernel, width, stride = (arguments.get(field) for field in FEW_NAMES)
    text = name + ("" if kernel is None else _extents(kernel)) + ("" if width is None else f"-{width}")
    usual = kernel if width is None else 1
    if stride is not None and _extents(stride) != _extents(usual):
        text += f"/{_extents(stride)}"
    given = [
        f"{argument}={written(arguments[argument])}"
        for argument in _TELLING
        if argument in arguments and _even(arguments[argument]) != 1
    ]
    return f"{text}({', '.join(given)})" if given else text


def _even(value: object) -> object:
    """The one value of all axes."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def _extents(sizes: object) -> str:
    even = _even(sizes)
    return "x".join(map(str, even)) if isinstance(even, tuple) else str(even)


def written(value: object) -> str:
    """A value of an argument, as in a spec; `none` where there is none."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        even = _even(value)
        return written(even) if not isinstance(even, tuple) else f"({', '.join(map(written, even))})"
    return str(value)
