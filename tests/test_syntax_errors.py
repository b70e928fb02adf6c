"""Every row of the table of syntax errors, the limits of the front end, and texts that are no specs at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnndsl.diagnostics import CODES, Diagnostic
from cnndsl.formatter import format_file
from cnndsl.limits import DEFAULT_LIMITS, Limits
from cnndsl.parser import parse_file
from cnndsl.parser.messages import ROWS, Row
from cnndsl.source import Source

EXAMPLES = [(row, example) for row in ROWS for example in row.examples]


def problems_of(text: str, limits: Limits = DEFAULT_LIMITS) -> tuple[Diagnostic, ...]:
    return parse_file(Source("t.cnn", text), limits)[1]


@pytest.mark.parametrize(("row", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_rows(row: Row, example: str) -> None:
    before, after = example.split("¦")
    (problem,) = problems_of(before + after)
    assert problem.span is not None
    assert (problem.code, problem.message, problem.help) == row.filled(problem.span.text if after else "")
    assert problem.span.start == (len(before) if after else len(before.rstrip()) - 1)
    assert problem.found
    assert problem.expected


def test_every_row_has_examples_and_help() -> None:
    assert all(row.examples and row.help and row.code in CODES for row in ROWS)


def test_the_error_says_what_was_expected() -> None:
    (problem,) = problems_of("net X = CONV -\n  - RELU")
    assert problem.expected == "a layer, `(`, `[` or a name"
    assert problem.found == "`-`"
    assert str(problem.span) == "t.cnn:2:3"


def test_one_run_reports_every_statement() -> None:
    text = "input 3x\nCONV RELU\ndef F = CONV -\ndef G(w = CONV\nparam 3\nnet X = CONV ) - RELU\ndef Good = CONV\n"
    file, problems = parse_file(Source("t.cnn", text))
    assert [problem.span.line for problem in problems if problem.span] == [1, 2, 3, 4, 5, 6]
    assert len(file.statements) == 1


UNREADABLE = {
    "CONV(3,64": ("CNN002", 4),
    "(CONV - RELU\nnet X = RELU": ("CNN002", 0),
    "CONV{k": ("CNN002", 4),
    "[CONV)": ("CNN002", 5),
    "CONV]": ("CNN002", 4),
    "CONV\x00": ("CNN004", 4),
    "CONV\udc80": ("CNN004", 4),
    "input 3x224x224, 3x8x8": ("CNN025", 17),
    "FC-1" + "0" * 40: ("CNN028", 3),
    "DROPOUT(1e999)": ("CNN028", 8),
    "DROPOUT(1e-999999999M)": ("CNN028", 8),
    "3x3 CONV{5}": ("CNN001", 8),
    "CONV {k}": ("CNN001", 5),
    "CONV for i in 1..n*2": ("CNN001", 18),
    "(" * 101 + "CONV" + ")" * 101: ("CNN005", 100),
    "CONV{" + "-" * 101 + "1}": ("CNN005", 105),
    "CONV{" + "a^" * 101 + "1}": ("CNN005", None),
    "CONV{1" + "+a" * 101 + "}": ("CNN005", None),
    "if a then " * 101 + "B" + " else C" * 101: ("CNN005", None),
    "CONV" + "?" * 102: ("CNN005", None),
}


@pytest.mark.parametrize(("text", "expected"), UNREADABLE.items(), ids=[repr(text)[:40] for text in UNREADABLE])
def test_other_problems(text: str, expected: tuple[str, int | None]) -> None:
    (problem,) = problems_of(text)
    code, start = expected
    assert problem.code == code
    assert problem.span is not None
    assert start is None or problem.span.start == start


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * 1_000_000, "CNN003"),
        ("(" * 262_144, "CNN005"),
        ("([{" * 80_000 + ")" * 20_000, "CNN005"),
        (")" * 262_144, "CNN002"),
        ("\x00" * 1000, "CNN004"),
        ("CONV{" + "- " * 60_000 + "1}", "CNN005"),
        ("CONV{" + "-" * 40_000 + "1}", "CNN005"),
        ("CONV" + "?" * 90_000, "CNN005"),
        ("A-" * 100_000 + "A", "CNN006"),
        ("input " + "1x" * 130_000 + "1", "CNN006"),
        ("x y\n" * 65_000, "CNN001"),
        ('"' * 262_144, "CNN006"),
        ("CONV-" + "1" * 262_000, "CNN028"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else value,
)
def test_hostile_texts(text: str, code: str) -> None:
    problems = problems_of(text)
    assert problems[0].code == code
    assert len(problems) <= 100


def test_each_limit_can_be_raised() -> None:
    assert problems_of("(" * 150 + "CONV" + ")" * 150, DEFAULT_LIMITS.replace(max_nesting=200)) == ()
    assert problems_of("A-" * 60_000 + "A", DEFAULT_LIMITS.replace(max_layers=20_000)) == ()
    assert problems_of("#" * 300_000, DEFAULT_LIMITS.replace(max_bytes=300_000)) == ()


def test_too_many_problems() -> None:
    problems = problems_of("CONV RELU\n" * 500)
    assert len(problems) == 100
    assert problems[-1].notes[-1].message.startswith("there may be more")


_WORDS = """CONV RELU POOL2 w n 3 64 0.5 3x3 ( ) [ ] { } - , -> * ? => = == / // | : @ + ^ .. # if then else for in
and not input preprocess param default use assert net def x é ×"""
WORDS = [*_WORDS.split(), '"', "\n", "\t", "\r"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40), st.sampled_from(["", " "]))
def test_random_words_never_raise(words: list[str], between: str) -> None:
    judge(between.join(words))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_random_text_never_raises(text: str) -> None:
    judge(text)


GOOD = (
    'input 3x?x?\npreprocess resize(9, nearest) - labels("a.txt")\n'
    "param N = 2 in 1..5\ndef F(w, s=1) = RES[ CONV1-{4*w}/s(pad=(1,2)) - BN | ID ]  # block\n"
    "net X = 7x7 conv, 64, /2 - (F(w) - down: POOL?)*2 for w in [1, 2]\n  - if N == 1 then ID else FC-10 => 10\n"
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 3), st.sampled_from(["", *WORDS]))
def test_damaged_specs_never_raise(at: int, length: int, put: str) -> None:
    judge(GOOD[:at] + put + GOOD[at + length :])


def judge(text: str) -> None:
    """A text is read, and formatted when it is right; where it is wrong, the places are inside of it."""
    file, problems = parse_file(Source("t.cnn", text))
    for problem in problems:
        assert problem.code in CODES
        assert problem.span is not None
        assert 0 <= problem.span.start <= problem.span.end <= len(text)
    if not problems:
        formatted = format_file(file)
        again, none = parse_file(Source("t.cnn", formatted))
        assert none == (), formatted
        assert again == file
        assert format_file(again) == formatted
        assert [comment.text for comment in again.comments] == [comment.text for comment in file.comments]
