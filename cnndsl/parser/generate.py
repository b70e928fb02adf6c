"""The grammar's text to the table that the parser runs on; the only module that needs Lark.

Lark reads the grammar, computes the LALR(1) states and decides which terminals are looked for in which state and in
which order. What it found is written as plain data, so that a text is parsed without importing Lark, which would take
half the time of a run. Imports nothing of the package: the build loads this file alone.
"""

from __future__ import annotations

import json
from typing import Any

from lark import Lark
from lark.grammar import NonTerminal, Rule, Terminal
from lark.lexer import BasicLexer, ContextualLexer
from lark.parsers.lalr_analysis import IntParseTable, Shift


def lark_parser(grammar: str) -> Lark:
    """Lark's own parser of a grammar."""
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=False)


def table_text(grammar: str) -> str:
    """The table of a grammar as JSON: the fields of `table.Table`.

    A saved table is read as long as its fields have these names, so one that changes its meaning needs another.
    """
    lark = lark_parser(grammar)
    states = lark.parser.parser.parser.parse_table
    lexer = lark.parser.lexer
    assert isinstance(states, IntParseTable)
    assert isinstance(lexer, ContextualLexer)
    patterns = {state: _pattern(lexer.lexers[state]) for state in states.states}
    lexers = sorted(set(patterns.values()))
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    order = range(len(states.states))
    content = {
        "grammar": grammar,
        "start": states.start_states["start"],
        "actions": [_actions(states, state, rules) for state in order],
        "gotos": [_gotos(states, state) for state in order],
        "rules": [_rule(rule) for rule in rules],
        "lexers": lexers,
        "lexer_of": [lexers.index(patterns[state]) for state in order],
        "ignored": list(lark.ignore_tokens),
    }
    return json.dumps(content, separators=(",", ":"))


def _actions(table: IntParseTable, state: int, rules: dict[Rule, int]) -> dict[str, int]:
    """By terminal: the state to go to, or the complement of the rule to reduce by. To accept is to shift the end."""
    found = {
        name: argument if action is Shift else ~rules[argument]
        for name, (action, argument) in table.states[state].items()
        if name.isupper()
    }
    if state == table.end_states["start"]:
        found["$END"] = state
    return found


def _gotos(table: IntParseTable, state: int) -> dict[str, int]:
    """By rule's name: the state to go to when it has been reduced."""
    return {name: argument for name, (_, argument) in table.states[state].items() if not name.isupper()}


def _rule(rule: Rule) -> tuple[str, int, str, bool, list[tuple[int, bool]] | None]:
    """The fields of `table.Rule`."""
    kept = [
        (place, isinstance(symbol, NonTerminal) and symbol.name.startswith("_"))
        for place, symbol in enumerate(rule.expansion)
        if not (isinstance(symbol, Terminal) and symbol.filter_out)
    ]
    plain = len(kept) == len(rule.expansion) and not any(spliced for _, spliced in kept)
    single = rule.options.expand1 and rule.alias is None
    return rule.origin.name, len(rule.expansion), rule.alias or rule.origin.name, single, None if plain else kept


def _pattern(lexer: Any) -> str:
    """One regular expression for the terminals of a state, in Lark's order; each is a group with its name."""
    assert isinstance(lexer, BasicLexer)
    # Lark finds a quoted word that a pattern takes too by a second look at the match; ours has no second look.
    assert lexer.scanner and not lexer.callback, "write the words that names could be as patterns: `/word\\b/`"
    return "|".join(f"(?P<{terminal.name}>{terminal.pattern.to_regexp()})" for terminal in lexer.terminals)
