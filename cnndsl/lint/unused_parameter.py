"""unused-parameter (CNN313)

## What it does
Reports a `param` that no expression uses, and a parameter of a definition that its body does not use. `classes` is always
used: a bare FC or SOFTMAX at the end takes it. Nothing is said of a definition that is passed to another one, which
decides what it is given; so also in a file of definitions alone, of one that takes what another one there takes.

## Why is this bad
`--set depth=101` is accepted and changes nothing; an argument at a definition's use is read as if it had an effect. The
fix takes a `param` out; what gives it a value from outside must go too.

## Example
```
input 3x32x32
param width = 16 in [16, 32]
param depth = 2 in 1..4
net Small = (CONV3-width - RELU)*2 - GAP - FC-10
```

## Use instead
```
input 3x32x32
param width = 16 in [16, 32]
param depth = 2 in 1..4
net Small = (CONV3-width - RELU)*depth - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..source import Span
from ..syntax import Def, File, Net, Param, Parameter
from .subject import Subject, Written
from .uses import unread_words, uses, values, whole_lines

CODE: Final = "CNN313"

CLASSES: Final = "classes"
"""The parameter that layers without a width look for."""


def check(written: Written) -> Iterator[Diagnostic]:
    """The file's own parameters, then those of its definitions; in a spec that compiles, or a file of definitions alone."""
    file = written.file
    if not isinstance(written, Subject) and any(isinstance(statement, Net) for statement in file.statements):
        return  # a mistyped use is told already
    params = {statement.name: statement for statement in file.statements if isinstance(statement, Param)}
    params.pop(CLASSES, None)
    unused = params.keys() - _used(written, params) if params else set()
    if unused:
        unused -= unread_words(file)
    idle = [param for name, param in params.items() if name in unused]
    for param, lines in zip(idle, whole_lines(idle, file), strict=True):
        yield _param(param, lines)
    definitions = [statement for statement in file.statements if isinstance(statement, Def)]
    free = {definition.name: _unused(written, definition) for definition in definitions}
    if any(free.values()):
        bound = _bound(file, definitions)
        for definition in definitions:
            for parameter in free[definition.name] if definition.name not in bound else ():
                yield _parameter(definition, parameter)


def _used(written: Written, params: dict[str, Param]) -> set[str]:
    """The parameters that something other than an unused parameter uses."""
    found: set[str] = set()
    for statement in written.file.statements:
        if not (isinstance(statement, Param) and statement.name in params):
            found |= written.names(statement) & params.keys()
    waiting = list(found)
    while waiting:
        param = params[waiting.pop()]
        more = (uses((param.default, param.domain)) & params.keys()) - found
        found |= more
        waiting += more
    return found


def _unused(written: Written, definition: Def) -> list[Parameter]:
    """The parameters that neither the body nor the default of another one uses."""
    if not definition.parameters:
        return []
    used = written.names(definition)
    return [parameter for parameter in definition.parameters if parameter.name not in used]


def _bound(file: File, definitions: list[Def]) -> set[str]:
    """The definitions whose parameters are not theirs to choose: passed as values, or one of several of a kind."""
    passed = values(file.statements)
    if any(isinstance(statement, Net) for statement in file.statements):
        return passed
    kinds: dict[tuple[str, ...], list[str]] = {}
    for definition in definitions:
        kinds.setdefault(tuple(p.name for p in definition.parameters), []).append(definition.name)
    return passed.union(*(names for names in kinds.values() if len(names) > 1))


def _param(param: Param, lines: Span) -> Diagnostic:
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"the parameter {param.name} is never used",
        param.name_span,
        help="use it, or take it out",
        fix=Fix(f"take {param.name} out", (Edit(lines, ""),), safe=False),
    )


def _parameter(definition: Def, parameter: Parameter) -> Diagnostic:
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"{definition.name} takes {parameter.name} and does not use it",
        parameter.span,
        help="use it, or take it out, here and where the definition is used",
    )
