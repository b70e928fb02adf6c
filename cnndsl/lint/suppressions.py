"""`# cnn: ignore[CNN301]`: on a line, or alone above the first statement for the whole file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from ..diagnostics import CODES, Diagnostic, Severity
from ..record import Record
from ..source import Span
from ..syntax import Comment, File

REMARK: Final = re.compile(r"#\s*cnn:\s*ignore\b\s*(\[[^\]]*\]?)?")
"""What a suppression is in a comment; the first group are the brackets."""
WORD: Final = re.compile(r"[^\s,\[\]]+")
"""A code or a name in them."""

_PREFIX: Final = re.compile(r"CNN\d{0,3}")


class Suppression(Record):
    """One code, or the beginning of several, that a comment silences on a line (None: in the whole file).

    `span` is the code as it is written; `remark` is where its `# cnn: ignore[...]` begins in `comment`.
    """

    code: str
    span: Span
    line: int | None
    comment: Comment
    remark: int


def suppressions(file: File) -> tuple[list[Suppression], list[Diagnostic]]:
    """Those of a file, and what is wrong with how they are written."""
    found: list[Suppression] = []
    wrong: list[Diagnostic] = []
    first = file.statements[0].span.start if file.statements else len(file.source.text)
    for comment in file.comments:
        for match in REMARK.finditer(comment.text):
            whole = comment.own_line and comment.span.start < first
            _read(comment, match, None if whole else comment.span.line, found, wrong)
    return found, wrong


def _read(
    comment: Comment, match: re.Match[str], line: int | None, found: list[Suppression], wrong: list[Diagnostic]
) -> None:
    source, start = comment.span.source, comment.span.start
    listed = match[1]
    if listed is None or not listed.endswith("]") or not WORD.search(listed):
        place = Span(source, start + match.start(), start + match.end())
        wrong.append(_invalid("a suppression names what it silences", place, "write # cnn: ignore[CNN301]"))
        return
    at = start + match.start(1)
    for word in WORD.finditer(listed):
        span = Span(source, at + word.start(), at + word.end())
        code = _code(word[0])
        if code is None:
            wrong.append(_invalid(f"there is no rule {word[0][:40]}", span, "`cnndsl rule` lists them"))
        else:
            found.append(Suppression(code, span, line, comment, match.start()))


def _invalid(message: str, span: Span, advice: str) -> Diagnostic:
    from .invalid_suppression import invalid

    return invalid(message, span, advice)


def _code(word: str) -> str | None:
    """A code, the beginning of some, or a rule's name, as a code."""
    upper = word.upper()
    if _PREFIX.fullmatch(upper):
        return upper if any(known.startswith(upper) for known in CODES) else None
    return next((code for code, name in CODES.items() if name == word.lower()), None)


def suppress(
    findings: Sequence[Diagnostic], given: Iterable[Suppression]
) -> tuple[list[Diagnostic], tuple[Suppression, ...]]:
    """The findings in the suppressions' file that none of them covers, and those of them that cover none.

    Errors cannot be silenced. A finding without a place is covered by what is for the whole file.
    """
    lines: dict[int | None, list[Suppression]] = {}
    for one in given:
        lines.setdefault(one.line, []).append(one)
    if not lines:
        return list(findings), ()
    kept = []
    idle = {id(one): one for listed in lines.values() for one in listed}
    for finding in findings:
        here = [] if finding.span is None else lines.get(finding.span.line, [])
        covering = [one for one in (*lines.get(None, ()), *here) if finding.code.startswith(one.code)]
        if finding.severity is Severity.ERROR or not covering:
            kept.append(finding)
            continue
        for one in covering:
            idle.pop(id(one), None)
    return kept, tuple(idle.values())
