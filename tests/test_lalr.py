"""Our LALR machine against Lark's own parser of the same grammar: the same trees, the same places, the same terminals."""

from __future__ import annotations

from itertools import chain, product
from pathlib import Path
from typing import Any

import lark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syntax_strategies import NOWHERE, statements
from test_syntax_errors import EXAMPLES, WORDS

from cnndsl.formatter import format_file
from cnndsl.limits import DEFAULT_LIMITS
from cnndsl.parser.generate import lark_parser, table_text
from cnndsl.parser.lalr import Machine, Token, Tree, Unexpected, machine
from cnndsl.parser.scan import scan
from cnndsl.parser.table import decoded, grammar_text
from cnndsl.source import Source
from cnndsl.syntax import File

LARK = lark_parser(grammar_text())
SPECS = sorted((Path(__file__).parent.parent / "specs").rglob("*.cnn"))


def plain(node: Any) -> object:
    """A tree or a token of either parser as tuples."""
    if isinstance(node, Tree | lark.Tree):
        return str(node.data), [plain(child) for child in node.children]
    assert isinstance(node, Token | lark.Token)
    return str(node.type), str(node), node.start_pos, node.end_pos


def ours(text: str, parser: Machine | None = None) -> object:
    try:
        return plain((parser or machine()).parse(text))
    except Unexpected as error:
        return error.at, error.expected


def larks(text: str, parser: lark.Lark = LARK) -> object:
    try:
        return plain(parser.parse(text))
    except lark.UnexpectedToken as error:
        at = len(text) if error.token.type == "$END" else error.token.start_pos
        return at, frozenset(error.interactive_parser.accepts())
    except lark.UnexpectedCharacters as error:
        return error.pos_in_stream, frozenset(error.interactive_parser.accepts())


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_specs(path: Path) -> None:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    for stretch in scan(source, DEFAULT_LIMITS).statements:
        text = source.text[stretch.start : stretch.end]
        assert ours(text) == larks(text)


@given(statements)
def test_random_statements(statement: Any) -> None:
    text = format_file(File(NOWHERE.source, (statement,), ()))
    assert ours(text) == larks(text)


@pytest.mark.parametrize("text", [example.replace("¦", "") for _, example in EXAMPLES])
def test_malformed_texts(text: str) -> None:
    assert ours(text) == larks(text)


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=20), st.sampled_from(["", " "]))
def test_random_words(words: list[str], between: str) -> None:
    text = between.join(words)
    assert ours(text) == larks(text)


@given(statements, st.data())
def test_damaged_statements(statement: Any, data: st.DataObject) -> None:
    text = format_file(File(NOWHERE.source, (statement,), ()))
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.sampled_from(["", *WORDS]))
    damaged = text[:at] + put + text[at + data.draw(st.integers(0, 3)) :]
    assert ours(damaged) == larks(damaged)


GRAMMARS = {
    "one word": ('start: "a"', "ab"),
    "nothing": ("start: x*\nx: A\nA: /a/", "ab"),
    "empty rules": ("start: x B x\nx: A?\nA: /a/\nB: /b/", "ab"),
    "spliced and single": ('start: _x B\n?y: A | A A -> two | "(" y ")"\n_x: y | _x y\nA: /a/\nB: /b/', "ab()"),
    "ignored": ("start: A+\nA: /a/\n%ignore /b/", "abc"),
}


@pytest.mark.parametrize(("grammar", "letters"), GRAMMARS.values(), ids=GRAMMARS)
def test_other_grammars(grammar: str, letters: str) -> None:
    our_parser, their_parser = Machine(decoded(table_text(grammar))), lark_parser(grammar)
    for text in map("".join, chain.from_iterable(product(letters, repeat=length) for length in range(6))):
        assert ours(text, our_parser) == larks(text, their_parser)


def test_a_word_that_is_a_name_too_is_refused() -> None:
    with pytest.raises(AssertionError, match="write the words"):
        table_text('start: "if" | /[a-z]+/')
