"""Diagnostics for reading: as text with the source line and a marker, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from .diagnostics import Diagnostic, Severity
from .source import Span

_WIDEST: Final = 160
_COLOURS: Final = {Severity.ERROR: "31", Severity.WARNING: "33"}


def text(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """The full report: position, headline, excerpt with the span marked, expected and found, the shapes, a suggestion."""
    return "\n\n".join("\n".join(_lines(diagnostic, colour)) for diagnostic in diagnostics)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`; empty for none."""
    counts = dict.fromkeys(Severity, 0)
    for diagnostic in diagnostics:
        counts[diagnostic.severity] += 1
    return ", ".join(f"{n} {severity.value}{'s' * (n != 1)}" for severity, n in counts.items() if n)


def concise(diagnostic: Diagnostic) -> str:
    """One line: `file:line:col: error CNN101 message`."""
    place = f"{printable(str(diagnostic.span))}: " if diagnostic.span else ""
    return f"{place}{diagnostic.severity.value} {diagnostic.code} {printable(diagnostic.message)}"


def json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """One object a diagnostic; lines and columns from 1, the end exclusive."""
    return [_object(diagnostic) for diagnostic in diagnostics]


def printable(line: str) -> str:
    """A line with its control characters replaced, tabs by one blank, so that a column is a column and nothing escapes."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def _lines(diagnostic: Diagnostic, colour: bool) -> list[str]:
    head = concise(diagnostic)
    if colour:
        word = f"{diagnostic.severity.value} {diagnostic.code}"
        head = head.replace(word, f"\033[1;{_COLOURS[diagnostic.severity]}m{word}\033[0m", 1)
    lines = [head]
    if diagnostic.span is not None:
        lines += excerpt(diagnostic.span)
    if diagnostic.expected is not None:
        lines.append(f"  expected: {printable(diagnostic.expected)}")
    if diagnostic.found is not None:
        lines.append(f"     found: {printable(diagnostic.found)}")
    if diagnostic.chain:
        lines.append(f"    shapes: {' -> '.join(diagnostic.chain)}")
    for note in diagnostic.notes:
        place = f"{printable(str(note.span))}: " if note.span else ""
        lines.append(f"      note: {place}{printable(note.message)}")
    if diagnostic.help is not None:
        lines.append(f"      help: {printable(diagnostic.help)}")
    return lines


def excerpt(span: Span) -> list[str]:
    """The source line of a span with the span marked; a long line is cut around it."""
    line = span.source.line(span.line)
    column = span.column - 1
    length = max(1, min(span.end - span.start, len(line) - column))
    start = max(0, min(column - _WIDEST // 3, len(line) - _WIDEST)) if len(line) > _WIDEST else 0
    shown = printable(line[start : start + _WIDEST])
    left, right = "..." * (start > 0), "..." * (start + _WIDEST < len(line))
    number = str(span.line)
    gutter = " " * len(number)
    marker = " " * (len(left) + column - start) + "^" * min(length, _WIDEST - (column - start))
    return [f" {gutter} |", f" {number} | {left}{shown}{right}".rstrip(), f" {gutter} | {marker}"]


def _object(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "name": diagnostic.name,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "expected": diagnostic.expected,
        "found": diagnostic.found,
        "shapes": list(diagnostic.chain),
        "help": diagnostic.help,
        "notes": [{"message": note.message, **_place(note.span)} for note in diagnostic.notes],
    }


def _place(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None, "line": None, "column": None, "end_line": None, "end_column": None}
    (line, column), (end_line, end_column) = span.source.position(span.start), span.source.position(span.end)
    return {"file": span.source.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}
