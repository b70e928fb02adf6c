"""A text, a table and a tree: the LALR(1) machine with its contextual lexer.

It does what Lark does with the same table, token for token and tree for tree (`tests/test_lalr.py` compares them).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from .table import Table, find_table, grammar_text

_END = "$END"
_MOST_STATES = 2_000


class Token(str):
    """A terminal's text, with its name and its place."""

    __slots__ = ("end_pos", "start_pos", "type")

    type: str
    start_pos: int
    end_pos: int


class Tree:
    """A rule's name and what stood in its place, to be replaced in the list."""

    __slots__ = ("children", "data")

    def __init__(self, data: str, children: list[Any]) -> None:
        self.data = data
        self.children = children


class Unexpected(Exception):
    """The text cannot go on as it does at offset `at`; it could with any of the terminals of `expected`."""

    def __init__(self, at: int, expected: frozenset[str]) -> None:
        self.at = at
        self.expected = expected
        super().__init__(at)


class Machine:
    """The parser of one grammar; it keeps nothing of what it has parsed."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._matchers: list[Callable[[str, int], re.Match[str] | None] | None] = [None] * len(table.lexers)

    def parse(self, text: str) -> Any:
        """The `Tree`, or the `Token`, that the whole text is; raises `Unexpected`."""
        states = [self._table.start]
        values: list[Any] = []
        for token in self._tokens(text, states):
            self._feed(token, states, values)
        return values[0]

    def _tokens(self, text: str, states: list[int]) -> Iterator[Token]:
        """The tokens as they are asked for: what is looked for depends on the state that the one before led to."""
        ignored, end, at = self._table.ignored, len(text), 0
        while at < end:
            match = self._matcher(states[-1])(text, at)
            if match is None:
                raise Unexpected(at, self._expected(states))
            kind = match.lastgroup
            if kind not in ignored:
                yield _token(kind or "", match.group(), at, match.end())
            at = match.end()
        yield _token(_END, "", end, end)

    def _matcher(self, state: int) -> Callable[[str, int], re.Match[str] | None]:
        """Compiled when first needed: a text needs half of them."""
        number = self._table.lexer_of[state]
        matcher = self._matchers[number]
        if matcher is None:
            matcher = self._matchers[number] = re.compile(self._table.lexers[number]).match
        return matcher

    def _feed(self, token: Token, states: list[int], values: list[Any]) -> None:
        """Reduce as long as the token asks for it, then shift it."""
        actions, gotos, rules = self._table.actions, self._table.gotos, self._table.rules
        kind = token.type
        while (action := actions[states[-1]].get(kind)) is not None:
            if action >= 0:
                states.append(action)
                values.append(token)
                return
            origin, length, name, single, kept = rules[~action]
            first = len(values) - length
            children = values[first:] if kept is None else _kept(values, first, kept)
            values[first:] = (children[0] if single and len(children) == 1 else Tree(name, children),)
            del states[first + 1 :]
            states.append(gotos[states[-1]][origin])
        raise Unexpected(token.start_pos, self._expected(states))

    def _expected(self, states: list[int]) -> frozenset[str]:
        """The terminals that could be shifted here; on a tall stack, where to know is slow, those that might be."""
        terminals = self._table.actions[states[-1]]
        if len(states) >= _MOST_STATES:
            return frozenset(terminals)
        return frozenset(terminal for terminal in terminals if self._shifts(terminal, states.copy()))

    def _shifts(self, terminal: str, states: list[int]) -> bool:
        """Whether the reductions that a terminal asks for end in its shift. Uses the states up."""
        while (action := self._table.actions[states[-1]].get(terminal)) is not None:
            if action >= 0:
                return True
            rule = self._table.rules[~action]
            del states[len(states) - rule.length :]
            states.append(self._table.gotos[states[-1]][rule.origin])
        return False


_machines: list[Machine] = []


def machine() -> Machine:
    """The parser of one statement; the same object every time."""
    if not _machines:
        _machines.append(Machine(find_table(grammar_text())))
    return _machines[0]


def _token(kind: str, text: str, start: int, end: int) -> Token:
    token = Token(text)
    token.type = kind
    token.start_pos = start
    token.end_pos = end
    return token


def _kept(values: list[Any], first: int, kept: list[tuple[int, bool]]) -> list[Any]:
    """What a rule keeps of its part of the stack, with the children of spliced rules in their place."""
    children: list[Any] = []
    for place, spliced in kept:
        value = values[first + place]
        if not spliced:
            children.append(value)
        elif children:
            children += value.children
        else:  # a list that grows at its end: taken over and not copied, or a long one would take quadratic time
            children = value.children
    return children
