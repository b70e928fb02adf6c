"""Mending a text by the fixes of its findings: all edits of a fix or none, in the order of the text, until nothing is left.

What is not edited stays as it is, comments and line ends too. Nothing is read or written here: the text comes in as a
`Source`, the findings come from a callback, and the caller writes the result.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from .diagnostics import Diagnostic, Edit, Severity
from .limits import DEFAULT_LIMITS, Limits
from .parser import parse_file
from .record import Record
from .source import Source

Lint = Callable[[Source], Sequence[Diagnostic]]
"""The findings in a text; their spans are in the very source that it was given."""

Accept = Callable[[Source], bool]
"""Whether a mended text will do."""

MOST_ROUNDS: Final = 20
"""One or two are the rule: a fix that overlaps another, or that another makes possible, has its turn in the next."""


class Fixed(Record):
    """A text after one round.

    `applied` are the findings that were mended, in the order of their edits; `refused` those whose fix could have been
    applied and was not: it overlaps another one, reaches into another file, or leaves a text that is not accepted.
    """

    source: Source
    applied: tuple[Diagnostic, ...] = ()
    refused: tuple[Diagnostic, ...] = ()


class Mended(Record):
    """A text after all rounds: what was mended on the way, and the findings that are left in the last text."""

    source: Source
    applied: tuple[Diagnostic, ...]
    left: tuple[Diagnostic, ...]

    def changes(self, before: Source) -> bool:
        """Whether there is something to write."""
        return self.source.text != before.text


def mend(source: Source, lint: Lint, *, unsafe: bool = False, limits: Limits = DEFAULT_LIMITS) -> Mended:
    """Lint and fix until no fix is left: mending the result again changes nothing.

    `lint` is called with each text, first with `source` itself; what it returns for the last one is `left`, to be
    reported. Safe fixes are applied, with `unsafe` all. A fix is dropped where its text no longer parses or has more
    errors than before; a text with syntax errors is left alone.
    """
    findings = tuple(lint(source))
    applied: list[Diagnostic] = []
    seen = {source.text}
    for _ in range(MOST_ROUNDS):
        round_ = _Round(lint, _errors(findings), limits)
        result = fixed(source, findings, unsafe=unsafe, accept=round_.accept, limits=limits)
        if not result.applied or result.source.text in seen:
            break
        seen.add(result.source.text)
        applied += result.applied
        source, findings = result.source, round_.findings(result.source)
    return Mended(source, tuple(applied), findings)


class _Round:
    """What a round asks of a text, and the findings in the last that it looked at."""

    def __init__(self, lint: Lint, errors: int, limits: Limits) -> None:
        self._lint = lint
        self._errors = errors
        self._limits = limits
        self._last: tuple[Source, tuple[Diagnostic, ...]] | None = None

    def accept(self, text: Source) -> bool:
        return parses(text, self._limits) and _errors(self.findings(text)) <= self._errors

    def findings(self, text: Source) -> tuple[Diagnostic, ...]:
        if self._last is None or self._last[0] is not text:
            self._last = text, tuple(self._lint(text))
        return self._last[1]


def _errors(findings: Iterable[Diagnostic]) -> int:
    return sum(finding.severity is Severity.ERROR for finding in findings)


def parses(source: Source, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Whether a text has no syntax errors."""
    return not parse_file(source, limits)[1]


def fixed(
    source: Source,
    findings: Sequence[Diagnostic],
    *,
    unsafe: bool = False,
    accept: Accept | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Fixed:
    """One round: the text with every fix that may be applied and overlaps none before it.

    `accept` says whether a text will do; by default that it parses. Where all the fixes together are not accepted, those
    to blame are found by halves and left out.
    """
    accept = accept or (lambda text: parses(text, limits))
    chosen, refused = _apart(source, [f for f in findings if f.fix is not None and (f.fix.safe or unsafe)])
    if not chosen or not parses(source, limits):
        return Fixed(source, (), tuple(chosen + refused))
    result, kept = _accepted(source, [], chosen, accept)
    if not kept:
        return Fixed(source, (), tuple(chosen + refused))
    used = set(map(id, kept))
    left_out = [finding for finding in chosen if id(finding) not in used]
    return Fixed(result or edited(source, kept), tuple(kept), tuple(left_out + refused))


def _apart(source: Source, findings: Iterable[Diagnostic]) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """The findings whose edits lie apart, the first of the text first, and the others. Equal fixes count as one."""
    chosen: list[Diagnostic] = []
    refused: list[Diagnostic] = []
    taken: list[tuple[int, int]] = []
    known: set[tuple[tuple[int, int, str], ...]] = set()
    for finding in sorted(findings, key=_first_edit):
        edits = sorted(_edits(finding), key=lambda edit: (edit.span.start, edit.span.end))
        key = tuple((edit.span.start, edit.span.end, edit.text) for edit in edits)
        inside = bool(edits) and all(_within(edit, source) for edit in edits)
        if inside and (key in known or _free([(start, end) for start, end, _ in key], taken)):
            chosen.append(finding)
            known.add(key)
        else:
            refused.append(finding)
    return chosen, refused


def _within(edit: Edit, source: Source) -> bool:
    return edit.span.source is source and 0 <= edit.span.start <= edit.span.end <= len(source.text)


def _free(places: list[tuple[int, int]], taken: list[tuple[int, int]]) -> bool:
    """Whether places lie apart from each other and from those that are taken, in order; if so they are taken too."""
    spots = []
    for place, following in zip(places, [*places[1:], None], strict=True):
        at = bisect_left(taken, place)
        if any(_meet(place, other) for other in (*taken[max(0, at - 1) : at + 1], following) if other is not None):
            return False
        spots.append(at)
    for offset, (at, place) in enumerate(zip(spots, places, strict=True)):
        taken.insert(at + offset, place)
    return True


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two stretches overlap; an insertion also meets what it touches, since the order would be open."""
    first, second = sorted((one, other))
    if first[1] == second[0]:
        return first[0] == first[1] or second[0] == second[1]
    return first[1] > second[0]


def _first_edit(finding: Diagnostic) -> tuple[int, int, str]:
    start = min((edit.span.start for edit in _edits(finding)), default=0)
    return start, (finding.span.start if finding.span else 0), finding.code


def _edits(finding: Diagnostic) -> tuple[Edit, ...]:
    return () if finding.fix is None else finding.fix.edits


def _accepted(
    source: Source, before: list[Diagnostic], candidates: list[Diagnostic], accept: Accept
) -> tuple[Source | None, list[Diagnostic]]:
    """Those of the candidates whose fixes are accepted on top of those before; and the text with all, if it was made."""
    text = edited(source, before + candidates)
    if accept(text):
        return text, before + candidates
    if len(candidates) == 1:
        return None, before
    middle = len(candidates) // 2
    _, kept = _accepted(source, before, candidates[:middle], accept)
    return _accepted(source, kept, candidates[middle:], accept)


def edited(source: Source, findings: Iterable[Diagnostic]) -> Source:
    """The text with the edits of all these findings, which must lie apart or be equal."""
    edits = {(edit.span.start, edit.span.end, edit.text) for finding in findings for edit in _edits(finding)}
    parts, at = [], 0
    for start, end, text in sorted(edits):
        parts += [source.text[at:start], text]
        at = end
    return Source(source.name, "".join(parts) + source.text[at:])


def difference(before: Source, after: Source) -> str:
    """The change as a unified diff, for `--diff`; empty where there is none."""
    import difflib

    lines = difflib.unified_diff(_lines(before.text), _lines(after.text), before.name, after.name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines with their ends, which are those of the language: `str.splitlines` also parts at form feeds and the like."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
