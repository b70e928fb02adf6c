"""Findings for reading: as text with the source line and a marker, and in the forms that other programs read.

`text`, `concise` and `json` are here; the forms for CI services are modules of their own, imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Final, cast

from ..diagnostics import Diagnostic, Fix, Severity
from ..source import Span
from .context import Context

__all__ = ["FORMS", "Context", "concise", "excerpt", "json", "legible", "printable", "render", "summary", "text"]

FORMS: Final = ("full", "concise", "json", "github", "gitlab", "junit", "sarif")
MOST_SHOWN: Final = 100
"""Findings of one file that are printed; as many errors are reported at all."""

_WIDEST: Final = 160
_COLOURS: Final = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}


def render(form: str, findings: Sequence[Diagnostic], context: Context | None = None) -> str:
    """Findings in one of `FORMS`, without the last line's end; empty where a text form has nothing to say."""
    context = context or Context()
    match form:
        case "full":
            shown, left_out = foremost(findings)
            parts = (text(shown, colour=context.colour), left_out, summary(findings))
            return "\n\n".join(filter(None, parts)) if findings else ""
        case "concise":
            shown, left_out = foremost(findings)
            lines = [concise(finding) + " [*]" * (finding.fix is not None) for finding in shown]
            return "\n".join(filter(None, (*lines, left_out)))
        case "json":
            from json import dumps

            return dumps(json(findings), indent=2, ensure_ascii=True)
        case "github" | "gitlab" | "junit" | "sarif":
            return cast("str", import_module(f"{__name__}.{form}").render(findings, context))
        case _:
            raise ValueError(f"there is no form {form!r}; the forms are {', '.join(FORMS)}")


def text(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """The full report: position, headline, excerpt with the span marked, expected and found, the shapes, what mends it."""
    return "\n\n".join("\n".join(_lines(diagnostic, colour)) for diagnostic in diagnostics)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`, and on a second line how many have a fix; empty for none."""
    counts = dict.fromkeys(Severity, 0)
    fixes = {True: 0, False: 0}
    for diagnostic in diagnostics:
        counts[diagnostic.severity] += 1
        if diagnostic.fix is not None:
            fixes[diagnostic.fix.safe] += 1
    plural = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "infos"}
    lines = [", ".join(f"{n} {severity.value if n == 1 else plural[severity]}" for severity, n in counts.items() if n)]
    fixable = [f"{n} fixable with {_option(safe)}" for safe, n in fixes.items() if n]
    return "\n".join([*lines, ", ".join(fixable)]).rstrip()


def foremost(findings: Sequence[Diagnostic]) -> tuple[list[Diagnostic], str]:
    """A hundred of each file, those that weigh most, in their order; and what to say of the rest, empty for none."""
    order = list(Severity)
    counts: dict[str, int] = {}
    chosen = []
    for number in sorted(range(len(findings)), key=lambda number: order.index(findings[number].severity)):
        span = findings[number].span
        name = span.source.name if span is not None else ""
        counts[name] = counts.get(name, 0) + 1
        if counts[name] <= MOST_SHOWN:
            chosen.append(number)
    left_out = len(findings) - len(chosen)
    rest = f"and {left_out:,} more, which the other forms have" if left_out else ""
    return [findings[number] for number in sorted(chosen)], rest


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


def legible(name: str) -> str:
    r"""A name as text for other programs: bytes that are not UTF-8 as `\xff`, so that names stay apart; all else stays."""
    from re import sub

    whole = sub("[\ud800-\udc7f\udd00-\udfff]", "\N{REPLACEMENT CHARACTER}", name)  # no bytes of a name
    return whole.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def details(diagnostic: Diagnostic) -> list[str]:
    """What is known beside the headline and the source line: one line each, named."""
    lines = []
    if diagnostic.expected is not None:
        lines.append(f"expected: {printable(diagnostic.expected)}")
    if diagnostic.found is not None:
        lines.append(f"found: {printable(diagnostic.found)}")
    if diagnostic.chain:
        lines.append(f"shapes: {' -> '.join(diagnostic.chain)}")
    for note in diagnostic.notes:
        place = f"{printable(str(note.span))}: " if note.span else ""
        lines.append(f"note: {place}{printable(note.message)}")
    if diagnostic.help is not None:
        lines.append(f"help: {printable(diagnostic.help)}")
    if diagnostic.fix is not None:
        lines.append(f"fix: {printable(diagnostic.fix.message)} (fixable with {_option(diagnostic.fix.safe)})")
    return lines


def _lines(diagnostic: Diagnostic, colour: bool) -> list[str]:
    head = concise(diagnostic)
    if colour:
        word = f"{diagnostic.severity.value} {diagnostic.code}"
        head = head.replace(word, f"\033[1;{_COLOURS[diagnostic.severity]}m{word}\033[0m", 1)
    lines = [head]
    if diagnostic.span is not None:
        lines += excerpt(diagnostic.span)
    for line in details(diagnostic):
        name, _, said = line.partition(": ")
        lines.append(f"{name:>10}: {said}")
    return lines


def _option(safe: bool) -> str:
    return "--fix" if safe else "--unsafe-fixes"


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
    before, marked = shown[: column - start], shown[column - start : column - start + length]
    marker = " " * (len(left) + _cells(before)) + "^" * max(1, _cells(marked))
    return [f" {gutter} |", f" {number} | {left}{shown}{right}".rstrip(), f" {gutter} | {marker}"]


def _cells(shown: str) -> int:
    """How many columns of a terminal a text takes: two for a wide character, none for an accent on the one before."""
    if shown.isascii():
        return len(shown)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in shown)


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
        "fix": None if diagnostic.fix is None else _fix(diagnostic.fix),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{**_place(edit.span), "text": edit.text} for edit in fix.edits]
    return {"message": fix.message, "safe": fix.safe, "edits": edits}


def _place(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None, "line": None, "column": None, "end_line": None, "end_column": None}
    (line, column), (end_line, end_column) = span.source.position(span.start), span.source.position(span.end)
    return {"file": span.source.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}
