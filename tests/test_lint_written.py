"""The rules on what is written: definitions and parameters that nothing uses, repeats that could be one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnndsl.api import findings
from cnndsl.compiler import Text, compile_text
from cnndsl.diagnostics import Diagnostic
from cnndsl.fix import mend
from cnndsl.lint import Selection
from cnndsl.lint.runs import runs
from cnndsl.source import Source


def found(text: str, code: str, **given_: Any) -> list[Diagnostic]:
    """The findings with a code; what compiling rejects is let be."""
    compiled = compile_text(Text(Source("a.cnn", text), None), given_)
    return [one for one in findings(compiled, Selection((code,))) if one.code == code]


def blamed(text: str, code: str, **given_: Any) -> list[str]:
    """What the findings point at."""
    return [one.span.text for one in found(text, code, **given_) if one.span is not None]


def mended(text: str, code: str, *, unsafe: bool = True) -> str:
    def lint(source: Source) -> tuple[Diagnostic, ...]:
        return findings(compile_text(Text(source, None)), Selection((code,)))

    return mend(Source("a.cnn", text), lint, unsafe=unsafe).source.text


# -- CNN312


INPUT = "input 3x8x8\n"


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("def A = RELU\ndef B = A\nB\n", []),
        ("def A = RELU\ndef B = A\nRELU\n", ["A", "B"]),
        ("def A = B\ndef B = if cin > 3 then A else RELU\nRELU\n", ["A", "B"]),
        ("def A = RELU\ndef B(f) = f - f\nB(A)\n", []),
        ("def A(s=1) = RELU\ndef B(f) = f - f\nB(A(s=2))\n", []),
        ("def A = RELU\ndef B(f=A) = f - f\nB\n", []),
        ("def A = RELU\ndef B(f=A) = f - f\nRELU\n", ["A", "B"]),
        ("def A = RELU\ndef B(f) = f - f\nB([CONV - A])\n", []),
        ("def A = RELU\nparam f = ID in [ID, A]\nf\n", []),
        ("def A = RELU\nparam n = 1\nparam f = if n == 1 then ID else A\nf\n", []),
        ("def A = RELU\nRES[ AUX[ A - GAP - FC-3 ] | l: (RELU - A)? ]\n", []),
        ("def A = RELU\n(CONV-w - A) for w in [8, 16]\n", []),
        ("def A = RELU\nif 1 == 1 then RELU else A\n", []),
        ("def A = RELU\ndef a = RELU\na\n", ["A"]),
        ("def A = RELU\nx: RELU => 3x8x8\n", ["A"]),
    ],
)
def test_unused_definitions(text: str, unused: list[str]) -> None:
    assert blamed(INPUT + text, "CNN312") == unused


def test_a_file_of_definitions_is_for_others() -> None:
    assert not found("def A = RELU\ndef B = CONV\n", "CNN312")


def test_a_definition_asked_for_from_outside_is_used() -> None:
    text = f"{INPUT}def A = RELU\ndef B = RELU\nCONV - act\n"
    assert blamed(text, "CNN312", act="A") == ["B"]


def test_a_spec_that_does_not_compile_has_other_worries() -> None:
    text = f"{INPUT}def Block = RELU\nparam width = 8\nBlok - CONV-widht\n"
    assert not found(text, "CNN312") and not found(text, "CNN313")


def test_a_definition_goes_with_the_comments_above_it() -> None:
    text = (
        "# The title.\ndef First = RELU\n\n# Kept.\n\n# Of the second.\n# And more.\ndef Second(w) =\n  CONV3-w  # inside\n"
        "  - RELU\n\n# Of the third.\ndef Third = RELU\ninput 3x8x8\nCONV3-8 - Third  # the net\n\ndef Last = ID\n"
    )
    assert mended(text, "CNN312", unsafe=False) == text
    assert mended(text, "CNN312") == (
        "# The title.\n\n# Kept.\n\n# Of the third.\ndef Third = RELU\ninput 3x8x8\nCONV3-8 - Third  # the net\n"
    )


@given(st.lists(st.sampled_from(["def A{} = RELU", "", "# note", "# other", "net"]), max_size=12), st.booleans())
def test_taking_definitions_out_leaves_the_rest(lines: list[str], ended: bool) -> None:
    """The lines that are left are lines of the text, in order; each comment is there unless a definition followed it."""
    assume(lines.count("net") == 1)
    written = [line.format(i) if line != "net" else "net N = RELU" for i, line in enumerate(lines)]
    text = "\n".join([INPUT.strip(), *written]) + "\n" * ended
    result = mended(text, "CNN312")
    left = iter(text.split("\n"))
    assert all(line in left for line in result.rstrip("\n").split("\n"))
    assert "def" not in result and "net N = RELU" in result
    kept = sum(
        line.startswith("#") and not _above_definition(written, i) for i, line in enumerate(written)
    )  # the input is the first statement
    assert result.count("#") == kept


def _above_definition(lines: list[str], i: int) -> bool:
    while i < len(lines) and lines[i].startswith("#"):
        i += 1
    return i < len(lines) and lines[i].startswith("def")


# -- CNN313


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("param n = 2\nRELU*n\n", []),
        ("param n = 2\nRELU*2\n", ["n"]),
        ("param n = 2\nparam m = n\nRELU*2\n", ["n", "m"]),
        ("param n = 2\nparam m = n\nRELU*m\n", []),
        ("param n = 2\nparam m = 1 in 1..n\nRELU*m\n", []),
        ("param w = 8\nCONV3-w\n", []),
        ("param w = 8\nCONV3-w/2\n", []),
        ("param w = 8\nCONV3 w\n", []),
        ("param w = 8\nCONV3-{2*w}\n", []),
        ("param s = 2\nCONV3-8/s\n", []),
        ("param k = 3\nCONV{k}-8\n", []),
        ("param g = 1\nCONV3-8(groups=g)\n", []),
        ("param groups = 1\nCONV3-8(groups=1)\n", ["groups"]),
        ("param x = 8\nx: RELU\n", ["x"]),
        ("param n = 2\nRELU\nassert params <= n\n", []),
        ("param n = 8\nRELU => 3x{n}x8\n", []),
        ("param n = 8\ndefault CONV(pad=n)\nRELU\n", []),
        ("param Act = RELU\nAct\n", []),
        ("param n = 2\nCONV-w for w in [n, 8]\n", []),
        ("param n = 2\nRELU for i in 1..n\n", []),
        ("param n = 2\nif n == 2 then RELU else ID\n", []),
        ("param n = 2\ndef A = RELU*n\nRELU\n", []),
        ("param classes = 10\nGAP - FC\n", []),
        ("param classes = 10\nRELU\n", []),
    ],
)
def test_unused_parameters(text: str, unused: list[str]) -> None:
    assert blamed(INPUT + text, "CNN313") == unused


def test_an_input_dimension_is_a_use() -> None:
    assert not found("param n = 8\ninput 3x{n}x8\nRELU\n", "CNN313")


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("def A(w) = CONV3-w\nA(8)\n", []),
        ("def A(w, s=1) = CONV3-w\nA(8)\n", ["s=1"]),
        ("def A(w, v=w) = CONV3-v\nA(8)\n", []),
        ("def A(f) = f - f\nA(RELU)\n", []),
        ("def A(k) = CONV{k}-8\nA(3)\n", []),
        ("def A(n) = RES[ RELU*n | ID ]\nA(3)\n", []),
        ("def A(w) = CONV3-w for w in [8]\nA(3)\n", []),
        ("def Plain(w, s) = CONV3-w\ndef Stage(B) = B(8, 1)\nStage(Plain)\n", []),
        ("param B = Plain in [Plain, Other]\ndef Plain(w, s) = CONV3-w\ndef Other(w, s) = CONV3-w/s\nB(8, 1)\n", []),
    ],
)
def test_unused_parameters_of_definitions(text: str, unused: list[str]) -> None:
    assert blamed(INPUT + text, "CNN313") == unused


def test_definitions_of_a_kind_take_what_the_others_take() -> None:
    library = "def Padded(w, s) = POOL1/s - PAD(0, channels=(0, w-cin))\ndef Plain(w, s) = ID\n"
    assert not found(library, "CNN313")
    assert blamed(f"{library}def Other(n) = RELU\n", "CNN313") == ["n"]


def test_what_cannot_be_read_may_be_a_use() -> None:
    text = "param n = 2\nparam m = 2\ndef A = RELU*n - )\n# m\n"
    assert blamed(text, "CNN313") == ["m"]


def test_a_parameter_goes_with_its_line() -> None:
    text = f"{INPUT}# How deep.\nparam n = 2 in 1..3  # up to three\nparam m = 2\nRELU*m\n"
    assert mended(text, "CNN313") == f"{INPUT}param m = 2\nRELU*m\n"
    assert mended(text, "CNN313", unsafe=False) == text


# -- CNN316


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("CONV*2 - CONV*3", "CONV*5"),
        ("CONV - CONV*2", "CONV*3"),
        ("CONV3-8 - CONV3-8 - CONV3-8", "CONV3-8*3"),
        ("(BN - RELU) - (BN - RELU)*2", "(BN - RELU)*3"),
        ("BN - RELU - BN - RELU - BN - RELU - POOL", "(BN - RELU)*3 - POOL"),
        ("POOL - (RELU) - RELU - RELU - POOL", "POOL - (RELU)*3 - POOL"),
        ("RELU*1", "RELU"),
        ("CONV-w - CONV-w - CONV-w", "(CONV-w)*3"),
        ("CONV3, 8 -> CONV3, 8 -> CONV3, 8", "(CONV3, 8)*3"),
        ("RES[ BN - BN - BN ]", "RES[ BN*3 ]"),
        ("l: (BN - BN - BN)", "l: (BN*3)"),
        ("BN? - BN? - BN?", "(BN?)*3"),
        ("BN => 8x8x8 - BN => 8x8x8 - BN => 8x8x8", "(BN => 8x8x8)*3"),
    ],
)
def test_repeats_that_could_be_one(text: str, one: str) -> None:
    head = "input 8x8x8\nparam w = 8\nnet N = "
    assert len(found(head + text, "CNN316")) == 1
    assert mended(f"{head}{text}\n", "CNN316", unsafe=False) == f"{head}{one}\n"
    assert not found(head + one, "CNN316")


@pytest.mark.parametrize(
    "text",
    [
        "CONV3-8 - RELU - CONV3-8 - RELU",
        "BN - BN",
        "(BN - RELU)*2 - POOL - (BN - RELU)*2",
        "CONV3-8 - CONV3-16 - CONV3-8",
        "RELU*n - RELU",
        "RELU*n",
        "a: BN - b: BN - c: BN",
        "(a: BN)*2 - (a: BN)*2",
        "a: BN*1",
        "BN  # one\n  - BN  # two\n  - BN  # three",
        "GAP - FC - FC - FC",
        "GAP - FC*1",
        "GAP - SOFTMAX - SOFTMAX - SOFTMAX",
        "CONV - n - RELU",
    ],
)
def test_what_is_better_left_alone(text: str) -> None:
    assert not found(f"input 8x8x8\nparam n = 2\nparam classes = 4\nnet N = {text}\n", "CNN316")


def test_a_library_is_looked_at_and_a_broken_net_is_not() -> None:
    assert found("def A = BN - BN - BN\n", "CNN316")
    assert not found("input 3x8x8\nBN - BN - BN - CONV3-8(groups=2)\n", "CNN316")


@given(st.lists(st.integers(1, 3), max_size=24))
def test_runs_are_what_they_say(parts: list[int]) -> None:
    """They lie apart, repeat their first part, and cannot be longer; three equal parts in a row are always found."""
    keys = [(str(part), 1) for part in parts]
    taken: set[int] = set()
    for run in runs(keys, 3):
        places = set(range(run.start, run.end))
        assert not places & taken and run.count >= 3 and len(places) == run.count * run.period
        taken |= places
        group = parts[run.start : run.start + run.period]
        assert parts[run.start : run.end] == group * run.count
        assert parts[run.end : run.end + run.period] != group or set(range(run.end, run.end + run.period)) & taken
    for i in range(len(parts) - 2):
        assert len(set(parts[i : i + 3])) > 1 or set(range(i, i + 3)) <= taken
