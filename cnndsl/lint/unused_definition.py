"""unused-definition (CNN312)

## What it does
Reports a definition that the network does not use, neither directly nor through another definition that it uses. A file
of definitions alone is there for others, and is not looked at.

## Why is this bad
It is read, and changed, as if it were part of the network. Often a name is mistyped elsewhere, or a block was replaced
and stayed behind. The fix takes it out, with the comments directly above it.

## Example
```
input 3x32x32
def Plain(w) = CONV3-w - RELU
def Block(w) = RES[ CONV3-w - BN - RELU - CONV3-w - BN ] - RELU
net Small = CONV3-16(bias=false) - BN - RELU - Block(16)*2 - GAP - FC-10
```

## Use instead
```
input 3x32x32
def Block(w) = RES[ CONV3-w - BN - RELU - CONV3-w - BN ] - RELU
net Small = CONV3-16(bias=false) - BN - RELU - Block(16)*2 - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..source import Span
from ..syntax import Def
from .subject import Subject
from .uses import whole_lines

CODE: Final = "CNN312"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a definition; in a spec that compiles, since a mistyped use would be told already."""
    file = subject.file
    definitions = {statement.name: statement for statement in file.statements if isinstance(statement, Def)}
    used = _used(subject, definitions)
    unused = [definition for name, definition in definitions.items() if name not in used]
    for definition, lines in zip(unused, whole_lines(unused, file), strict=True):
        yield _finding(definition, lines)


def _used(subject: Subject, definitions: dict[str, Def]) -> set[str]:
    """The definitions that the network, a parameter, an assertion, a default or a setting leads to."""
    named = {value for value in subject.settings.values() if isinstance(value, str)} & definitions.keys()
    for statement in subject.file.statements:
        if not isinstance(statement, Def):
            named |= subject.names(statement) & definitions.keys()
    return _reached(subject, named, definitions)


def _reached(subject: Subject, named: set[str], definitions: dict[str, Def]) -> set[str]:
    """These definitions, and those that they use in turn."""
    found, waiting = set(named), list(named)
    while waiting:
        more = (subject.names(definitions[waiting.pop()]) & definitions.keys()) - found
        found |= more
        waiting += more
    return found


def _finding(definition: Def, lines: Span) -> Diagnostic:
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"{definition.name} is defined and never used",
        definition.name_span,
        help="use it, or take it out",
        fix=Fix(f"take {definition.name} out", (Edit(lines, ""),), safe=False),
    )
