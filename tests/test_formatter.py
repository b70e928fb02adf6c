"""The canonical form: meaning unchanged, idempotent, comments kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from syntax_strategies import bodies, expressions, statements

from cnndsl import syntax
from cnndsl.formatter import format_expression, format_file, format_stage
from cnndsl.limits import Limits
from cnndsl.parser import parse_file
from cnndsl.source import Source

# Random trees may be large and deep; what is asked here is not what a text may cost.
WIDE = Limits(max_bytes=10**7, max_nesting=400, max_layers=10**6)
several = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


def read(text: str) -> syntax.File:
    file, problems = parse_file(Source("t.cnn", text), WIDE)
    assert problems == (), (text, problems)
    return file


def fmt(text: str) -> str:
    return format_file(read(text))


def check(text: str) -> str:
    """Format a text; its meaning and its comments are the same, and formatting again changes nothing."""
    file = read(text)
    formatted = format_file(file)
    again = read(formatted)
    assert again == file, formatted
    assert [comment.text for comment in again.comments] == [comment.text for comment in file.comments], formatted
    assert format_file(again) == formatted
    assert all(line == line.rstrip() for line in formatted.splitlines())
    return formatted


@several
@given(bodies)
def test_a_stage_reads_back(stage: syntax.Stage) -> None:
    (net,) = read(f"net X = {format_stage(stage)}").statements
    assert isinstance(net, syntax.Net)
    assert net.body == stage


@several
@given(expressions)
def test_an_expression_reads_back(expression: syntax.Expression) -> None:
    (net,) = read(f"X({format_expression(expression)})").statements
    assert isinstance(net, syntax.Net)
    assert isinstance(net.body, syntax.Layer)
    assert net.body.arguments is not None
    assert net.body.arguments[0].value == expression


def one_line(statement: syntax.Statement) -> str:
    """A statement as the formatter prints it, its lines joined."""
    source = Source("<tree>", "")
    return re.sub(r"\n *", " ", format_file(syntax.File(source, (statement,)))).strip()


@several
@given(st.lists(statements, min_size=1, max_size=4))
def test_a_file_reads_back(trees: list[syntax.Statement]) -> None:
    file = read("\n".join(map(one_line, trees)))
    assert file.statements == tuple(trees)
    check("\n".join(map(one_line, trees)))


@several
@given(bodies, st.data())
def test_comments_anywhere(stage: syntax.Stage, data: st.DataObject) -> None:
    words = f"( {format_stage(stage)} )".split(" ")
    text = "net X = "
    for index, word in enumerate(words):
        text += word
        if index + 1 < len(words):
            text += data.draw(st.sampled_from([" "] * 6 + [f" # c{index}\n  ", f"\n# own {index}\n\n", "\r\n "]))
    check(f"# first\n{text}  # last\n\n\n# end")


LINES = {
    "[(CONV-RELU)*N-POOL]*M-(FC-RELU)*K": "[(CONV - RELU)*N - POOL]*M - (FC - RELU)*K",
    "[(CONV-RELU)*N-POOL?]*M-(FC-RELU)*K,SOFTMAX": "[(CONV - RELU)*N - POOL?]*M - (FC - RELU)*K - SOFTMAX",
    "CONV3-64 -> POOL2, FC-4096 - FC-C": "CONV3-64 - POOL2 - FC-4096 - FC-C",
    "7x7 conv, 64, /2 - Pool - FC 1000": "7x7 conv, 64, /2 - Pool - FC-1000",
    "CONV1-w/s - DWCONV{k}/s": "CONV1-w/s - DWCONV{k}/s",
    "CONV1-w*2": "CONV1-w*2",
    "CONV1-POOL2": "CONV1 - POOL2",
    "CONV - w": "CONV - w",
    "CONV1-{ 4 * w } / { 2*s }( groups = g ,pad=( 1,2 ) )": "CONV1-{4*w}/{2*s}(groups=g, pad=(1,2))",
    "CONCAT[a|b - c]": "CONCAT[ a | b - c ]",
    "down:POOL?": "down: POOL?",
    "(A)  for  w,n  in[(64,2),(128,2) , ]": "(A) for w, n in [(64,2), (128,2)]",
    "X for i in 1 .. {n-1}=>3x?x{w}": "X for i in 1..{n-1} => 3x?x{w}",
    "if a==1 and not b then X else Y, Z": "if a == 1 and not b then X else Y - Z",
    "X((a+b)*c, -(a^b), (-a)^b, a-(b-c), [CONV-RELU])": "X((a+b)*c, -a^b, (-a)^b, a-(b-c), [CONV - RELU])",
    "preprocess resize( 256,bicubic ),crop->labels( 'a' )".replace("'", '"'): (
        'preprocess resize(256, bicubic) - crop - labels("a")'
    ),
    "def F ( w,s = 1 )=CONV-w": "def F(w, s=1) = CONV-w",
    "def W = ID\nnet X=CONV-W-W": "def W = ID\nnet X = CONV - W - W",
    "param N=2 in 1..5": "param N = 2 in 1..5",
    "assert params<=25.6M,macs<4G": "assert params <= 25.6M, macs < 4G",
    'use   "zoo:blocks/se"': 'use "zoo:blocks/se"',
    "input  3x?x{w}\r\n\r\n\r\n\r\nCONV   ": "input 3x?x{w}\n\nCONV",
    "": "",
    "# only\n": "# only",
}


@pytest.mark.parametrize(("written", "canonical"), LINES.items())
def test_canonical_lines(written: str, canonical: str) -> None:
    assert check(written) == (canonical + "\n" if canonical else "")


def test_long_pipelines_break_before_joiners() -> None:
    text = fmt("net X = " + " - ".join(["CONV3-64 - BN - RELU"] * 12))
    first, *rest = text.splitlines()
    assert first.startswith("net X = CONV3-64 - BN")
    assert all(line.startswith("  - ") for line in rest)
    assert all(len(line) <= 100 for line in text.splitlines())


def test_steps_break_before_joiners_and_keep_comments() -> None:
    text = "preprocess resize(256) - crop(224)  # the usual\n  - normalise(imagenet)\n"
    assert check(text) == text
    labels = ", ".join(f'"number {number}"' for number in range(20))
    lines = check(f"preprocess resize(8) - labels({labels})").splitlines()
    assert lines[:2] == ["preprocess resize(8)", "  - labels("]
    assert lines[-1] == "  )"
    assert all(len(line) <= 100 for line in lines)


def test_branches_one_a_line() -> None:
    branch = " - ".join(["CONV3-64"] * 6)
    assert fmt(f"def F = CONCAT[{branch}|{branch}]-RELU") == (
        f"def F = CONCAT[\n    {branch}\n  | {branch}\n] - RELU\n"
    )  # fmt: skip


def test_comments_stay_with_their_stage() -> None:
    text = (
        "net X = # the net\n"
        "    CONV - RELU   # stem\n"
        "  # then\n"
        "  - POOL => 3x3x3 # half\n"
        "  - RES[ CONV # body\n"
        "    | ID ]\n"
    )
    assert check(text) == (
        "net X =  # the net\n"
        "    CONV - RELU  # stem\n"
        "  # then\n"
        "  - POOL => 3x3x3  # half\n"
        "  - RES[\n"
        "        CONV  # body\n"
        "      | ID\n"
        "    ]\n"
    )


def test_a_statement_whose_comment_has_no_place_is_left_alone() -> None:
    text = "net X = CONV(groups=2, # why\n   pad =1)   -  RELU"
    assert check(text) == text + "\n"


def test_a_long_text() -> None:
    text = "net X = " + " - ".join(["CONV3-64", "(BN-RELU)*2"] * 5000)
    assert len(fmt(text).splitlines()) > 1000
