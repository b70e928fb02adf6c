"""Which names a piece of syntax uses, wherever they stand: as a stage, a width, a kernel, in arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from ..source import Span
from ..syntax import Call, Def, File, Layer, Name, Number, Statement, Syntax

_WORD = re.compile(r"[A-Za-z_]\w*")


def uses(pieces: Iterable[Any]) -> set[str]:
    """The names in pieces of syntax."""
    names: set[str] = set()
    waiting = list(pieces)
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, Layer | Name | Call):
            names.add(piece.name)
        waiting += parts(piece)
    return names


def values(pieces: Iterable[Any]) -> set[str]:
    """The names that stand where a value does, as a definition does that is passed to another one."""
    names: set[str] = set()
    waiting = list(pieces)
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, Name | Call):
            names.add(piece.name)
        waiting += parts(piece)
    return names


def parts(piece: Any) -> Iterable[Any]:
    """What a piece of syntax is made of, as far as there may be names in it."""
    kind = type(piece)
    if kind is tuple:
        return cast("tuple[Any, ...]", piece)
    if kind is Number or kind is Name or not isinstance(piece, Syntax):
        return ()
    if not isinstance(piece, Layer):
        return [part for part in piece.__dict__.values() if type(part) is tuple or isinstance(part, Syntax)]
    own = (piece.kernel, piece.width, piece.stride, piece.arguments, piece.branches)
    return () if own == _BARE else [part for part in own if part is not None]


_BARE = (None,) * 5


def statement_uses(statement: Statement) -> set[str]:
    """The names that a statement uses; what a definition is called is no use of it."""
    return uses((statement.parameters, statement.body) if isinstance(statement, Def) else (statement,))


def unread_words(file: File) -> set[str]:
    """The words outside statements and comments: those of statements that could not be read, whose names may be used."""
    text = file.source.text
    known = sorted((piece.span.start, piece.span.end) for piece in (*file.statements, *file.comments))
    words: set[str] = set()
    at = 0
    for start, end in known:
        if start > at:
            words.update(_WORD.findall(text, at, start))
        at = max(at, end)
    words.update(_WORD.findall(text, at))
    return words


def whole_lines(statements: Iterable[Statement], file: File) -> Iterator[Span]:
    """The lines of each of some statements of a file, to be taken out: with the comments alone on the lines directly above,
    and a blank line after it where one stands before it. What stands above a file's first statement is about the file, and
    stays."""
    alone = {comment.span.line for comment in file.comments if comment.own_line}
    for statement in statements:
        yield _lines(file, statement, alone)


def _lines(file: File, statement: Statement, alone: set[int]) -> Span:
    source, span = statement.span.source, statement.span
    first, last = source.position(span.start)[0], source.position(max(span.start, span.end - 1))[0]
    if statement is not file.statements[0]:
        while first - 1 in alone:
            first -= 1
    starts = source.line_starts
    parted = first == 1 or not source.line(first - 1).strip()
    if parted and last < len(starts) - 1 and not source.line(last + 1).strip():
        last += 1
    elif parted and first > 1 and not source.text[starts[last] if last < len(starts) else len(source.text) :].strip():
        first -= 1
    return Span(source, starts[first - 1], starts[last] if last < len(starts) else len(source.text))
