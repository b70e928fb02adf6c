"""`# cnn: ignore[CNN301]`: on a line, or alone above the first statement for the whole file; and those that do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from ..diagnostics import CODES, Diagnostic, Edit, Fix, Severity
from ..record import Record
from ..source import Span
from ..syntax import Comment, File

_IGNORE: Final = re.compile(r"#\s*cnn:\s*ignore\b\s*(\[[^\]]*\]?)?")
_PREFIX: Final = re.compile(r"CNN\d{0,3}")
_NAMES: Final = {name: code for code, name in CODES.items()}


class Suppression(Record):
    """One code, or the beginning of several, that a comment silences on a line (None: in the whole file)."""

    code: str
    span: Span
    line: int | None

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Whether it is about a finding. Errors cannot be silenced."""
        place = diagnostic.span
        if place is None or diagnostic.severity is Severity.ERROR or not diagnostic.code.startswith(self.code):
            return False
        return place.source is self.span.source and self.line in (None, place.line)


def suppressions(file: File) -> tuple[list[Suppression], list[Diagnostic]]:
    """Those of a file, and what is wrong with how they are written."""
    found: list[Suppression] = []
    invalid: list[Diagnostic] = []
    for comment in file.comments:
        for match in _IGNORE.finditer(comment.text):
            _read(file, comment, match, found, invalid)
    return found, invalid


def _read(
    file: File, comment: Comment, match: re.Match[str], found: list[Suppression], invalid: list[Diagnostic]
) -> None:
    start = comment.span.start + match.start()
    whole = Span(comment.span.source, start, comment.span.start + match.end())
    first = file.statements[0].span.start if file.statements else None
    line = None if comment.own_line and (first is None or start < first) else comment.span.line
    listed = match[1]
    if listed is None or not listed.endswith("]") or not listed[1:-1].strip():
        invalid.append(_invalid("a suppression names what it silences", whole, "write # cnn: ignore[CNN301]"))
        return
    at = comment.span.start + match.start(1)
    for word in re.finditer(r"[^\s,\[\]]+", listed):
        span = Span(comment.span.source, at + word.start(), at + word.end())
        code = _NAMES.get(word[0], word[0])
        if not _PREFIX.fullmatch(code) or not any(known.startswith(code) for known in CODES):
            invalid.append(_invalid(f"there is no rule {word[0][:40]}", span, "`cnndsl rule` lists them"))
        else:
            found.append(Suppression(code, span, line))


def _invalid(message: str, span: Span, advice: str) -> Diagnostic:
    return Diagnostic("CNN902", Severity.WARNING, message, span, help=advice)


def suppress(
    findings: Sequence[Diagnostic], given: Iterable[Suppression]
) -> tuple[list[Diagnostic], tuple[Suppression, ...]]:
    """The findings that none of them covers, and those of them that cover none."""
    listed = list(given)
    if not listed:
        return list(findings), ()
    kept = []
    idle = dict.fromkeys(range(len(listed)))
    for finding in findings:
        covering = [i for i, suppression in enumerate(listed) if suppression.covers(finding)]
        for i in covering:
            idle.pop(i, None)
        if not covering:
            kept.append(finding)
    return kept, tuple(listed[i] for i in idle)


def unused(suppression: Suppression, file: File) -> Diagnostic:
    """The finding for one that covers nothing."""
    span = suppression.span
    where = "in this file" if suppression.line is None else "on this line"
    return Diagnostic(
        "CNN901",
        Severity.WARNING,
        f"{suppression.code} is silenced and not found {where}",
        span,
        help="take it out",
        fix=Fix("take the suppression out", (_removal(suppression, file),)),
    )


def _removal(suppression: Suppression, file: File) -> Edit:
    """The code with its comma; the whole remark where it is the only one; the comment where nothing else is in it."""
    span, text = suppression.span, suppression.span.source.text
    comment = next(c for c in file.comments if c.span.start <= span.start < c.span.end)
    remark = next(m for m in _IGNORE.finditer(comment.text) if comment.span.start + m.end() >= span.end)
    others = [
        w
        for w in re.finditer(r"[^\s,\[\]]+", remark[1])
        if comment.span.start + remark.start(1) + w.start() != span.start
    ]
    if others:
        end = span.end + len(text[span.end :]) - len(text[span.end :].lstrip(" ,"))
        start = span.start if text[end] != "]" else len(text[: span.start].rstrip(" ,"))
        return Edit(Span(span.source, start, min(end, len(text))), "")
    start, end = comment.span.start + remark.start(), comment.span.start + remark.end()
    if (comment.text[: remark.start()] + comment.text[remark.end() :]).strip(" #"):
        return Edit(Span(span.source, start, end), "#" if remark.start() == 0 else "")
    start, end = comment.span.start, comment.span.end
    if comment.own_line:
        start = text.rfind("\n", 0, start) + 1
        end = min(end + 1, len(text))
    else:
        start = len(text[:start].rstrip(" \t"))
    return Edit(Span(span.source, start, end), "")
