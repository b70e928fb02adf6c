"""Which finding it is, wherever its line has moved: for baselines and for the fingerprints of CI services.

The identity of a finding is its code, its file's path, and an id: a hash of the code, the definition or network around it,
and the text that it marks, without blanks. Lines that are added above it, and joiners that are set apart, do not change it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from ..diagnostics import Diagnostic
from ..record import Record
from ..source import Source
from .context import Context

_STATEMENT: Final = re.compile(r"^[ \t]*(?:net|def)[ \t]+(\w+)", re.MULTILINE)
_LONGEST: Final = 100


class Identity(Record):
    """`inside` and `text` are for people: the definition or network, and what is marked there.

    `occurrence` counts, from 1, the findings of one run that have the rest in common, in the order of the text.
    """

    path: str
    code: str
    id: str
    occurrence: int = 1
    inside: str = ""
    text: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What a baseline counts by."""
        return self.path, self.code, self.id

    @property
    def fingerprint(self) -> str:
        """The id and the occurrence: alone in its file and rule."""
        return f"{self.id}:{self.occurrence}"


def identity(finding: Diagnostic, occurrence: int = 1, context: Context | None = None) -> Identity:
    """The identity of one finding. A finding without a place has its message for its text."""
    path = (context or Context()).path(finding) or ""
    if finding.span is None:
        inside, text = "", " ".join(finding.message.split())
    else:
        inside = _enclosing(finding.span.source, finding.span.start)
        text = _marked(finding)
    return Identity(path, finding.code, _digest(finding.code, inside, "".join(text.split())), occurrence, inside, text)


def identities(findings: Sequence[Diagnostic], context: Context | None = None) -> list[Identity]:
    """The identity of each finding, those that are alike counted."""
    found: list[Identity | None] = [None] * len(findings)
    seen: dict[tuple[str, str, str], int] = {}
    for index in in_order(findings):
        one = identity(findings[index], 1, context)
        seen[one.key] = seen.get(one.key, 0) + 1
        found[index] = one.replace(occurrence=seen[one.key])
    return [one for one in found if one is not None]


def in_order(findings: Sequence[Diagnostic]) -> list[int]:
    """Where findings stand in their list, file by file in the order of the text."""
    spans = [finding.span for finding in findings]
    places = [("", -1) if span is None else (span.source.name, span.start) for span in spans]
    return sorted(range(len(findings)), key=places.__getitem__)


def _marked(finding: Diagnostic) -> str:
    """The first line of what is marked, or of where it is when nothing is; blanks as one, not more than is worth showing."""
    span = finding.span
    assert span is not None
    line = span.text.split("\n", 1)[0].partition("#")[0] if span.end > span.start else ""
    return " ".join((line.strip() or span.source.line(span.line)).split())[:_LONGEST]


def _enclosing(source: Source, offset: int) -> str:
    """The name of the definition or network that begins last before an offset."""
    starts, names = _statements(source)
    at = bisect_right(starts, offset)
    return names[at - 1] if at else ""


_LATEST: list[tuple[Source, tuple[list[int], list[str]]]] = []


def _statements(source: Source) -> tuple[list[int], list[str]]:
    """Where definitions and networks begin, and their names; kept for the file that was asked for last."""
    if not _LATEST or _LATEST[0][0] is not source:
        found = list(_STATEMENT.finditer(source.text))
        _LATEST[:] = [(source, ([match.start() for match in found], [match[1] for match in found]))]
    return _LATEST[0][1]


def _digest(*parts: str) -> str:
    from hashlib import sha256

    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
