"""Text to syntax tree: every syntax error of a text in one run, and comments kept."""

from __future__ import annotations

import gc
import re

from ..diagnostics import Diagnostic, Note, Severity
from ..limits import DEFAULT_LIMITS, Limits
from ..source import Source, Span
from ..syntax import File, Statement
from .scan import Stretch, scan, unreadable

__all__ = ["parse_file"]

MOST_DIAGNOSTICS = 100
_TOKEN = re.compile(r"[0-9]+x?|[^\W0-9]\w*|[^\w\s]")
_DECLARES = re.compile(r"(?:def|param)[ \t]+(\w+)")
# What bounds the time: a layer is written in some ten words and signs, and a statement costs as much as five.
_TOKENS_PER_LAYER = 10
_TOKENS_PER_STATEMENT = 5


def parse_file(source: Source, limits: Limits = DEFAULT_LIMITS) -> tuple[File, tuple[Diagnostic, ...]]:
    """Read a text: its statements, and everything that is wrong with how they are written, in the order of the text.

    A statement that cannot be read is left out of the file. Never raises, whatever the text holds; the time is linear
    in its length and bounded by `limits`.
    """
    # A tree has no cycles: collecting while it grows would only scan it again and again.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _parse_file(source, limits)
    finally:
        if collecting:
            gc.enable()


def _parse_file(source: Source, limits: Limits) -> tuple[File, tuple[Diagnostic, ...]]:
    refused = unreadable(source, limits)
    if refused is not None:
        return File(source, (), ()), (refused,)
    scanned = scan(source, limits)
    problems = list(scanned.problems)
    statements: list[Statement] = []
    unread = {stretch.start for stretch in (*scanned.unsound, *scanned.statements)}
    tokens_left = _TOKENS_PER_LAYER * limits.max_layers
    for stretch in scanned.statements:
        if len(problems) >= MOST_DIAGNOSTICS:
            break
        tokens_left -= _TOKENS_PER_STATEMENT + sum(1 for _ in _TOKEN.finditer(source.text, stretch.start, stretch.end))
        if tokens_left < 0:
            problems.append(_too_long(source, stretch, limits))
            break
        statement, found = _parse(source, stretch, limits)
        problems += found
        if statement is not None:
            statements.append(statement)
            unread.discard(stretch.start)
    problems.sort(key=lambda problem: problem.span.start if problem.span else 0)
    declared = (_DECLARES.match(source.text, start) for start in unread)
    lost = frozenset(match[1] for match in declared if match)
    return File(source, tuple(statements), scanned.comments, lost), _bounded(problems)


def _parse(source: Source, stretch: Stretch, limits: Limits) -> tuple[Statement | None, tuple[Diagnostic, ...]]:
    """One statement, or None, and what is wrong with it."""
    from .expressions import MisbuiltError
    from .lalr import Unexpected, machine
    from .tree import build

    try:
        tree = machine().parse(source.text[stretch.start : stretch.end])
    except Unexpected as error:
        from .messages import syntax_error

        return None, (syntax_error(source, stretch.start, stretch.end, error),)
    try:
        return build(source, stretch.start, tree, limits)
    except MisbuiltError as misbuilt:
        return None, (misbuilt.diagnostic,)


def _too_long(source: Source, stretch: Stretch, limits: Limits) -> Diagnostic:
    most = _TOKENS_PER_LAYER * limits.max_layers
    return Diagnostic(
        "CNN006", Severity.ERROR, "the text is longer than a network may be",
        Span(source, stretch.start, stretch.start + 1),
        expected=f"at most {most:,} words and signs, which do for {limits.max_layers:,} layers",
        help="use repeats and definitions; `--max-layers` raises the limit",
    )  # fmt: skip


def _bounded(problems: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The first hundred; the last of them says that there may be more."""
    if len(problems) < MOST_DIAGNOSTICS:
        return tuple(problems)
    last = problems[MOST_DIAGNOSTICS - 1]
    note = Note(f"there may be more: only the first {MOST_DIAGNOSTICS} are shown")
    return (*problems[: MOST_DIAGNOSTICS - 1], last.replace(notes=(*last.notes, note)))
