"""Where the layers of a file stand in its text: what a rule needs to mend one, or to take one out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..diagnostics import Diagnostic, Edit
from ..ir import Node
from ..record import Record
from ..source import Span
from ..syntax import Choice, Conditional, File, Layer, Pipeline, Syntax
from .subject import Subject

Conditions = tuple[tuple[int, bool], ...]
"""What decides whether a stage is there: the start of each `?` or `if` around it, and the side of the `if`."""


class Place(Record):
    """A layer as written; the conditions around it; and where it is a stage of a pipeline by itself, which one."""

    layer: Layer
    conditions: Conditions
    pipeline: Pipeline | None = None
    index: int = 0


def places(file: File) -> Mapping[int, Place]:
    """The layers of a file by the offset at which each ends; in time linear in the text."""
    found: dict[int, Place] = {}
    waiting: list[tuple[object, Conditions, Pipeline | None, int]] = [(file.statements, (), None, 0)]
    while waiting:
        piece, around, pipeline, index = waiting.pop()
        match piece:
            case Conditional():
                start = piece.span.start
                waiting.append((piece.then, (*around, (start, True)), None, 0))
                waiting.append((piece.otherwise, (*around, (start, False)), None, 0))
                continue
            case Choice():
                around = (*around, (piece.span.start, True))
            case Pipeline():
                waiting += [(stage, around, piece, i) for i, stage in enumerate(piece.stages)]
                continue
            case Layer():
                found[piece.span.end] = Place(piece, around, pipeline, index)
            case Span():
                continue
            case tuple():
                waiting += [(item, around, None, 0) for item in piece]
                continue
            case _:
                pass
        if isinstance(piece, Syntax):
            waiting += [
                (value, around, None, 0) for value in piece.__dict__.values() if isinstance(value, Syntax | tuple)
            ]
    return found


def place_of(subject: Subject, span: Span) -> Place | None:
    """The layer that a node's span is, where this file writes it as a stage; None for one passed as an argument."""
    place = subject.places.get(span.end) if span.source is subject.file.source else None
    return place if place is not None and place.layer.span.start >= span.start else None


def everywhere(subject: Subject, found: Iterable[int], like: Iterable[int]) -> frozenset[int]:
    """Those of some nodes whose text makes no other node of `like`: what is true of them is true of each use of the line."""
    chosen = frozenset(found)
    others = {subject.spans[i] for i in like if i not in chosen}
    return frozenset(i for i in chosen if subject.spans[i] not in others)


def each(
    subject: Subject, found: Iterable[tuple[int, ...]], finding: Callable[[tuple[int, ...]], Diagnostic]
) -> Iterator[Diagnostic]:
    """`finding(nodes)` for each tuple of nodes; made once for those that the same text makes, as the first of them is what is
    shown: a network may repeat a line ten thousand times."""
    made: dict[tuple[Span, ...], Diagnostic] = {}
    for nodes in found:
        key = tuple([subject.spans[node] for node in nodes])
        if key not in made:
            made[key] = finding(nodes)
        yield made[key]


def without(subject: Subject, span: Span) -> Edit | None:
    """The edit that takes a layer out of its pipeline, with a joiner.

    None where it is no stage by itself (repeated, labelled, with its shape asserted), or a comment would go with it.
    """
    place = place_of(subject, span)
    if place is None or place.pipeline is None or place.layer.span != span:
        return None
    stages: Sequence[Syntax] = place.pipeline.stages
    if place.index:
        gone = Span(span.source, stages[place.index - 1].span.end, span.end)
    else:
        gone = Span(span.source, span.start, stages[1].span.start)
    return None if "#" in gone.text else Edit(gone, "")


def called(subject: Subject, node: int) -> str:
    """A layer as a message names it: as it is written, or by its name where that is long."""
    text = subject.spans[node].text
    kind = _kind(subject.graph.nodes[node])
    return text if len(text) <= 24 and text.isprintable() and kind in text.upper() else kind


def _kind(node: Node) -> str:
    return node.op.written()[0]
