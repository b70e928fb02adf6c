"""Where a finding about the whole network, or about its worst layer, is shown."""

from __future__ import annotations

import re
from typing import Final

from ..source import Span
from .subject import Subject

_NAMED: Final = re.compile(r"net\s+(\w+)")
_FIRST: Final = re.compile(r"\w+|\S")


def network(subject: Subject) -> Span:
    """The net's name, or the first token of a bare expression."""
    if subject.unit is None or not subject.unit.nets:
        return Span(subject.file.source, 0, 0)
    net, _ = subject.unit.nets[0]
    text = net.span.text
    first = (_NAMED if net.name is not None else _FIRST).match(text)
    start, end = first.span(first.lastindex or 0) if first else (0, len(text))
    return Span(net.span.source, net.span.start + start, net.span.start + end)


def layer(subject: Subject, node: int) -> Span:
    """A layer where this file writes it; the network for one that a used file writes, which is linted without its shapes."""
    span = subject.spans[node]
    return span if span.source is subject.file.source else network(subject)


def word(span: Span) -> Span:
    """The first word of a stage that goes on in brackets: `CONCAT`."""
    first = _FIRST.match(span.text)
    return Span(span.source, span.start, span.start + first.end()) if first else span
