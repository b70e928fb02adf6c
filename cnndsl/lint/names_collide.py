"""names-collide (CNN404)

## What it does
Reports names that fall together, or move, mostly because of a label:

- a label that has the name which the numbering would give to an earlier layer: with `conv1: CONV3-8` written after a bare
  `CONV3-8`, that bare layer is `conv2`;
- two parts of the network whose names differ in `.` and `_` alone, as the layer `conv1` in the group `stem` and a label
  `stem_conv1`.

In our own files names never collide: each is unique, and a label cannot be `input`, `output` or what `nn.Module` keeps.

## Why is this bad
`conv2` before `conv1` in a state dict is read the wrong way round by whoever matches weights by name. torch.fx,
torch.export and most code generators write `_` for `.`, and rename one of two that become equal.

## Example
```
input 3x32x32
stem: (CONV3-8 - RELU) - stem_conv1: CONV3-8 - RELU - GAP - FC-10
```

## Use instead
```
input 3x32x32
stem: (CONV3-8 - RELU) - second: CONV3-8 - RELU - GAP - FC-10
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Note, Severity
from ..elaborate.names import labels_in
from ..ir import Graph
from ..syntax import Def, Net
from .subject import Subject

CODE: Final = "CNN404"

_NUMBERED: Final = re.compile(r"(.*?\D)_?(\d+)")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What labels displace, then what falls together."""
    bodies = (statement.body for statement in subject.file.statements if isinstance(statement, Net | Def))
    labels = frozenset[str]().union(*map(labels_in, bodies))
    like_numbers = {label for label in labels if _NUMBERED.fullmatch(label)}
    lines = any("_" in node.name for node in subject.graph.nodes)
    if not like_numbers and not lines:
        return
    places = _places(subject.graph)
    if like_numbers:
        yield from _displaced(subject, labels, like_numbers, places)
    if lines:
        yield from _alike(subject, places)


def _places(graph: Graph) -> dict[str, int]:
    """The first node of each name and of each scope, in the order of the graph."""
    found: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        name = node.name
        dot = name.find(".") if "." in name else -1
        while dot >= 0:
            found.setdefault(name[:dot], index)
            dot = name.find(".", dot + 1)
        found.setdefault(name, index)
    return found


def _displaced(
    subject: Subject, labels: frozenset[str], like_numbers: set[str], places: dict[str, int]
) -> Iterator[Diagnostic]:
    """Labels like `conv1` that stand behind a layer which is `conv2` because of them."""
    siblings: dict[str, dict[int, str]] = {}
    for name in places:
        numbered = _NUMBERED.fullmatch(name)
        if numbered:
            siblings.setdefault(numbered[1], {})[int(numbered[2])] = name
    for group in siblings.values():
        for number, name in group.items():
            after = group.get(number + 1, "")
            if _last(name) not in like_numbers or not after or _last(after) in labels or places[after] > places[name]:
                continue
            yield Diagnostic(
                CODE,
                Severity.WARNING,
                f"the label {_last(name)} makes an earlier layer {_last(after)}",
                subject.spans[places[name]],
                expected="names in the order of the layers",
                found=f"{after}, then {name}",
                help="label that layer too, or choose a label that no number gives",
                notes=(Note(f"{after} is here", subject.spans[places[after]]),),
            )


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _alike(subject: Subject, places: dict[str, int]) -> Iterator[Diagnostic]:
    """Names that are one where `.` is written `_`; of parts that fall together, what is in them is not told again."""
    if len({name.replace(".", "_") for name in places}) == len(places):
        return
    first: dict[str, str] = {}
    for name, index in places.items():
        plain = name.replace(".", "_")
        other = first.setdefault(plain, name)
        if other == name or (_last(name) == _last(other) and "." in name and "." in other):
            continue
        yield Diagnostic(
            CODE,
            Severity.WARNING,
            f"{name} and {other} are one name where `.` is written `_`",
            subject.spans[index],
            expected="names that differ in more than `.` and `_`",
            found=f"{plain} for both",
            help=f"choose another label than {_last(min(name, other, key=lambda known: known.count('.')))}",
            notes=(Note(f"{other} is here", subject.spans[places[other]]),),
        )
