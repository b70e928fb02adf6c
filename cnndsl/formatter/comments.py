"""Which stage a comment in the midst of a statement belongs to.

A comment keeps its place where it stands between two items of a list: the stages of a pipeline, branches, the values of
a loop's list, or between a bracket and what it holds. Elsewhere (among arguments, say) it has no place in the canonical
form, and the whole statement is left as it is written.
"""

from __future__ import annotations

import re

from .. import syntax

_BETWEEN = re.compile(r"(?:\s|#[^\n]*\n)*")
_AFTER_ITEM = re.compile(r"(?:\s|,|#[^\n]*\n)*")


class Attached:
    """The comments of a statement by where they stand: before item `slot` of a node, or after the last."""

    def __init__(self) -> None:
        self.slots: dict[tuple[int, int], list[syntax.Comment]] = {}
        self.broken: set[int] = set()
        """Nodes that hold a comment, and so cannot stand on one line."""

    def at(self, node: object, slot: int) -> list[syntax.Comment]:
        """The comments before item `slot` of `node`."""
        return self.slots.get((id(node), slot), [])


def attach(statement: syntax.Statement, comments: list[syntax.Comment]) -> Attached | None:
    """Find a place for each comment; None where one has none."""
    attached = Attached()
    for comment in comments:
        if not _attach(statement, comment, attached):
            return None
    return attached


def _attach(node: object, comment: syntax.Comment, attached: Attached) -> bool:
    while True:
        attached.broken.add(id(node))
        items = _items(node)
        inside = next((item for item in items if item.span.start <= comment.span.start < item.span.end), None)
        if inside is None:
            return _place(node, items, comment, attached)
        node = inside


def _items(node: object) -> tuple[syntax.Syntax, ...]:
    """What a comment may be inside of."""
    match node:
        case syntax.Net() | syntax.Def():
            return (node.body,)
        case syntax.Param(domain=syntax.List() as values):
            return (values,)
        case syntax.Pipeline():
            return node.stages
        case syntax.Preprocess():
            return node.steps
        case syntax.Layer():
            return node.branches or ()
        case syntax.Group() | syntax.Repeat() | syntax.Choice() | syntax.Shaped() | syntax.Labelled():
            return (node.stage,)
        case syntax.Loop():
            return (node.stage, node.over)
        case syntax.List():
            return node.items
        case syntax.Conditional():
            return (node.then, node.otherwise)
        case _:
            return ()


def _place(node: object, items: tuple[syntax.Syntax, ...], comment: syntax.Comment, attached: Attached) -> bool:
    """Put a comment that is in `node` but in none of its items before the item that follows."""
    slot = sum(1 for item in items if item.span.end <= comment.span.start)
    if not _may_hold(node, slot, len(items)):
        return False
    text = comment.span.source.text
    if slot < len(items) and (slot == 0 or isinstance(node, syntax.Conditional)):
        gap = text[comment.span.end : items[slot].span.start]
        between = _BETWEEN.match(gap)
        rest = gap[between.end() :] if between else gap
        if rest.strip() != ("else" if slot else ""):
            return False
    elif slot == len(items):
        between = _AFTER_ITEM.fullmatch(text, items[-1].span.end, comment.span.start)
        if between is None:
            return False
    attached.slots.setdefault((id(node), slot), []).append(comment)
    return True


def _may_hold(node: object, slot: int, count: int) -> bool:
    match node:
        case syntax.Pipeline() | syntax.Conditional() | syntax.Preprocess():
            return 0 < slot < count
        case syntax.Group() | syntax.List():
            return True
        case syntax.Layer():
            return count > 0
        case syntax.Net() | syntax.Def():
            return slot == 0
        case _:
            return False
