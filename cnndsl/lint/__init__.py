"""The linter: one rule a file, listed here; what compiling rejects is found before any rule runs.

A rule's module has a page as its docstring and `check(subject)`, which yields diagnostics with the rule's own code. Rules
of `WRITTEN` look at the text and also run where the spec does not compile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final, cast

from ..diagnostics import Diagnostic, Note
from .selection import EVERYTHING, Selection
from .subject import Options, Subject, Written
from .suppressions import suppress, suppressions, unused

__all__ = ["EVERYTHING", "GRAPH", "RULES", "WRITTEN", "Options", "Selection", "Subject", "Written", "lint", "module"]

GRAPH: Final[Mapping[str, str]] = {
    "CNN130": "columns_dropped",
}
"""The rules that look at the graph: the module of each by its code."""

WRITTEN: Final[Mapping[str, str]] = {}
"""The rules that look at what is written, whether or not it compiles."""


RULES: Final[Mapping[str, str]] = {**WRITTEN, **GRAPH}
"""Every rule."""


def module(code: str) -> Any:
    """The module of a rule, imported when it is asked for."""
    return import_module(f"{__name__}.{RULES[code]}")


def lint(subject: Written, selection: Selection = EVERYTHING, path: str = "") -> tuple[Diagnostic, ...]:
    """The findings of the rules that are on, each place once, less what a comment suppresses; in the order of the text.

    Rules of `GRAPH` need a `Subject`; for a spec that does not compile only those of `WRITTEN` run, and no suppression is
    called unused.
    """
    found = list(_once(_findings(subject, selection, path)))
    given, invalid = suppressions(subject.file)
    kept, idle = suppress(found, given)
    if isinstance(subject, Subject):
        invalid += [unused(one, subject.file) for one in idle if _decided(one.code, selection, path)]
    kept += suppress([d for d in invalid if selection.has(d.code, path)], given)[0]
    return tuple(sorted(kept, key=_place))


def _findings(subject: Written, selection: Selection, path: str) -> Iterator[Diagnostic]:
    """What the rules say of the spec's own text; the files that it uses are linted by themselves."""
    for code in RULES if isinstance(subject, Subject) else WRITTEN:
        if selection.has(code, path):
            check = cast("Callable[[Written], Iterable[Diagnostic]]", module(code).check)
            for finding in check(subject):
                if finding.span is None or finding.span.source is subject.file.source:
                    yield finding


def _once(findings: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """One finding a code and place: a definition's body is seen in each of its uses, which its first finding counts."""
    places: dict[tuple[object, ...], list[Diagnostic]] = {}
    for finding in findings:
        span = finding.span
        places.setdefault((finding.code, span and (span.start, span.end)), []).append(finding)
    for first, *others in places.values():
        if not others:
            yield first
            continue
        note = Note(f"the same in {len(others)} more use{'s' * (len(others) > 1)} of this line")
        yield first.replace(notes=(*first.notes, note))


def _decided(code: str, selection: Selection, path: str) -> bool:
    """Whether every rule that a suppression is about ran."""
    return all(selection.has(known, path) for known in RULES if known.startswith(code))


def _place(diagnostic: Diagnostic) -> tuple[int, str]:
    return (-1 if diagnostic.span is None else diagnostic.span.start), diagnostic.code
