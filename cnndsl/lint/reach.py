"""What of a file the member that is linted does not reach: a branch not taken, a block of other members."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from ..elaborate.resolve import builtin
from ..source import Span
from ..syntax import Choice as Optional
from ..syntax import Conditional, Def, File, Layer, Loop, Net, Repeat, Stage, Syntax
from .subject import Subject
from .uses import parts


def unreached(subject: Subject) -> tuple[tuple[int, int], ...]:
    """The lines, first and last, of parts with layers of which none is in the graph."""
    source = subject.file.source
    made = sorted(span.start for span in subject.spans if span.source is source)

    def empty(span: Span) -> bool:
        at = bisect_left(made, span.start)
        return at == len(made) or made[at] >= span.end

    return tuple(
        (part.span.line, source.position(max(part.span.start, part.span.end - 1))[0])
        for part in _optional(subject.file)
        if empty(part.span) and _makes_nodes(part)
    )


def _optional(file: File) -> Iterator[Stage]:
    """The stages of a file that may be left out: definitions' bodies, branches, what is repeated or chosen."""
    waiting: list[Syntax] = []
    for statement in file.statements:
        if isinstance(statement, Def):
            yield statement.body
        if isinstance(statement, Def | Net):
            waiting.append(statement.body)
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, Conditional):
            yield from (piece.then, piece.otherwise)
        elif isinstance(piece, Repeat | Loop | Optional):
            yield piece.stage
        waiting += (part for part in _pieces(piece))


def _makes_nodes(stage: Stage) -> bool:
    """Whether a stage has a layer of its own; what it only uses is found where that is written."""
    waiting: list[Syntax] = [stage]
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, Layer) and piece.name.upper() != "ID" and builtin(piece.name) is not None:
            return True
        waiting += _pieces(piece)
    return False


def _pieces(piece: Syntax) -> Iterator[Syntax]:
    """The syntax directly in a piece."""
    for part in parts(piece):
        if isinstance(part, Syntax):
            yield part
        elif type(part) is tuple:
            yield from (inner for inner in part if isinstance(inner, Syntax))
