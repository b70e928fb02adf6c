"""Texts to trees: every form of the language, where statements end, positions, and the saved table."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl import syntax
from cnndsl.limits import Limits
from cnndsl.parser import generate, parse_file, table
from cnndsl.parser.lalr import Machine
from cnndsl.parser.number import number_value
from cnndsl.source import Source, Span
from cnndsl.syntax import (
    Argument,
    Binary,
    Boolean,
    Choice,
    Conditional,
    Dimensions,
    Extents,
    Group,
    Labelled,
    Layer,
    List,
    Loop,
    Name,
    Number,
    Param,
    Pipeline,
    Range,
    Reference,
    Repeat,
    Shaped,
    StageValue,
    Tuple,
    Unary,
)

AT = Span(Source("", ""), 0, 0)


def read(text: str) -> syntax.File:
    file, problems = parse_file(Source("t.cnn", text))
    assert problems == ()
    return file


def stage(text: str) -> syntax.Stage:
    (net,) = read(text).statements
    assert isinstance(net, syntax.Net)
    return net.body


def layer(name: str, **parts: object) -> Layer:
    return Layer(AT, name, AT, **parts)  # type: ignore[arg-type]


def num(text: str) -> Number:
    return Number(AT, number_value(text), text)


def name(text: str) -> Name:
    return Name(AT, text)


def times(left: syntax.Expression, right: syntax.Expression) -> Binary:
    return Binary(AT, "*", left, right)


LECTURES = [
    "[(CONV-RELU)*N-POOL]*M-(FC-RELU)*K",
    "[(CONV-RELU)*N-POOL?]*M-(FC-RELU)*K,SOFTMAX",
    "[CONV-POOL-CONV-POOL-FC-FC]",
    "CONV3-64 - CONV3-64 - POOL2 - CONV3-128 - CONV3-128 - POOL2 - FC-4096 - FC-C",
    "7x7 conv, 64, /2 - Pool - 3x3 conv, 128, / 2 - 3x3 conv, 128 - FC 1000 - Softmax",
]


@pytest.mark.parametrize("line", LECTURES)
def test_lecture_lines(line: str) -> None:
    stage(line)


def test_the_reading_aid() -> None:
    file = read("""
        def Layer      = CONCAT[ ID | BN - RELU - CONV1-{4*g} - BN - RELU - CONV3-g ]                       # DenseNet
        def SE(r=16)   = MUL[ ID | GAP - CONV1-{cin//r} - RELU - CONV1-{cin} - SIGMOID ]                    # SENet
        def Fire(s, e) = CONV1-s - RELU - CONCAT[ CONV1-e - RELU | CONV3-e - RELU ]
        def Fractal(c, w) = if c == 1 then Unit(w) else MEAN[ Unit(w) | Fractal(c-1, w) - Fractal(c-1, w) ]
        def UNet(w, d) = if d == 0 then Double(w)
                         else Double(w) - CONCAT[ ID | POOL2 - UNet(2*w, d-1) - UPCONV2-w/2 ] - Double(w)   # U-Net
        def Unit(w)    = SPLIT[ ID | CONV1-w - BN - RELU - DWCONV3 - BN - CONV1-w - BN - RELU ] - SHUFFLE(2)# ShuffleNet
        net VGG16      = ((CONV3-w - RELU)*n - POOL2) for w, n in [(64,2), (128,2), (256,3), (512,3), (512,3)]
                         - (FC-4096 - RELU - DROPOUT)*2 - FC-classes, SOFTMAX
        """)
    assert len(file.statements) == 7
    assert [comment.text for comment in file.comments] == ["# DenseNet", "# SENet", "# U-Net", "# ShuffleNet"]


STAGES = {
    "CONV": layer("CONV"),
    "POOL2": layer("POOL2"),
    "CONV3x3-64": layer("CONV3x3", width=num("64")),
    "conv, 64": layer("conv", width=num("64")),
    "conv 64": layer("conv", width=num("64")),
    "CONV -\n  64": layer("CONV", width=num("64")),
    "CONV1-{4*w}": layer("CONV1", width=times(num("4"), name("w"))),
    "7x7 conv, 64, /2": layer(
        "conv", kernel=Extents(AT, (7, 7)), kernel_first=True, width=num("64"), stride=num("2")
    ),
    "DWCONV{k}/s": layer("DWCONV", kernel=name("k"), stride=name("s")),
    "CONV/{2*s}": layer("CONV", stride=times(num("2"), name("s"))),
    "CONV / 1x2": layer("CONV", stride=Extents(AT, (1, 2))),
    "CONV3-64/2(groups=32, 7)": layer(
        "CONV3", width=num("64"), stride=num("2"),
        arguments=(Argument(AT, "groups", num("32")), Argument(AT, None, num("7"))),
    ),
    "SE()": layer("SE", arguments=()),
    "B(pad=(1,2), ceil=true, [A-B])": layer(
        "B",
        arguments=(
            Argument(AT, "pad", Tuple(AT, (num("1"), num("2")))),
            Argument(AT, "ceil", Boolean(AT, True)),
            Argument(AT, None, StageValue(AT, Pipeline(AT, (layer("A"), layer("B"))))),
        ),
    ),
    "SPLIT(256, 64)[ a | b ]": layer(
        "SPLIT",
        arguments=(Argument(AT, None, num("256")), Argument(AT, None, num("64"))),
        branches=(layer("a"), layer("b")),
    ),
    "CONV1-w/s": Pipeline(AT, (layer("CONV1"), layer("w", stride=name("s")))),
    "CONV1-w*2": Pipeline(AT, (layer("CONV1"), Repeat(AT, layer("w"), num("2")))),
    "CONV - 3x3 conv": Pipeline(AT, (layer("CONV"), layer("conv", kernel=Extents(AT, (3, 3)), kernel_first=True))),
    "A -> B, C": Pipeline(AT, (layer("A"), layer("B"), layer("C"))),
    "(A)*{n-1}": Repeat(AT, Group(AT, "(", layer("A")), Binary(AT, "-", name("n"), num("1"))),
    "A*N?*3": Repeat(AT, Choice(AT, Repeat(AT, layer("A"), name("N"))), num("3")),
    "A => 3x?x{w}": Shaped(AT, layer("A"), Dimensions(AT, (num("3"), None, name("w")))),
    "A for w, n in [(1,2), 3]": Loop(
        AT, layer("A"), ("w", "n"), List(AT, (Tuple(AT, (num("1"), num("2"))), num("3")))
    ),
    "A for i in 1..n - B": Pipeline(
        AT, (Loop(AT, layer("A"), ("i",), Range(AT, num("1"), name("n"))), layer("B"))
    ),
    "down: POOL? - @down": Pipeline(
        AT, (Labelled(AT, "down", AT, Choice(AT, layer("POOL"))), Reference(AT, "down"))
    ),
    "A - if c then B else C - D": Pipeline(
        AT, (layer("A"), Conditional(AT, name("c"), layer("B"), Pipeline(AT, (layer("C"), layer("D")))))
    ),
    "A - x: if c then B else C": Pipeline(
        AT, (layer("A"), Labelled(AT, "x", AT, Conditional(AT, name("c"), layer("B"), layer("C"))))
    ),
    "format - inner - network - iffy": Pipeline(
        AT, (layer("format"), layer("inner"), layer("network"), layer("iffy"))
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), STAGES.items())
def test_stages(text: str, tree: syntax.Stage) -> None:
    assert stage(text) == tree


EXPRESSIONS = {
    "1+2*3": Binary(AT, "+", num("1"), times(num("2"), num("3"))),
    "1-2-3": Binary(AT, "-", Binary(AT, "-", num("1"), num("2")), num("3")),
    "2^3^4": Binary(AT, "^", num("2"), Binary(AT, "^", num("3"), num("4"))),
    "-2^2": Unary(AT, "-", Binary(AT, "^", num("2"), num("2"))),
    "2^-1": Binary(AT, "^", num("2"), Unary(AT, "-", num("1"))),
    "(1+2)*3": times(Binary(AT, "+", num("1"), num("2")), num("3")),
    "a or b and not c == 1": Binary(
        AT, "or", name("a"), Binary(AT, "and", name("b"), Unary(AT, "not", Binary(AT, "==", name("c"), num("1"))))
    ),
    "round(x, 8)//2": Binary(
        AT, "//", syntax.Call(AT, "round", (Argument(AT, None, name("x")), Argument(AT, None, num("8")))), num("2")
    ),
    "if a then 1 else 2": syntax.Choose(AT, name("a"), num("1"), num("2")),
    "LRELU(0.1)": syntax.Call(AT, "LRELU", (Argument(AT, None, num("0.1")),)),
    "(1,)": Tuple(AT, (num("1"),)),
    "3x3": Extents(AT, (3, 3)),
}


@pytest.mark.parametrize(("text", "tree"), EXPRESSIONS.items())
def test_expressions(text: str, tree: syntax.Expression) -> None:
    assert stage(f"CONV1-{{{text}}}") == layer("CONV1", width=tree)


@given(
    st.integers(0, 10**6),
    st.none() | st.integers(0, 999),
    st.sampled_from([("", 1), ("K", 10**3), ("M", 10**6), ("GB", 10**9), ("KiB", 2**10), ("MiB", 2**20), ("B", 1)]),
)
def test_numbers_against_decimal(whole: int, fraction: int | None, unit: tuple[str, int]) -> None:
    numeral = str(whole) if fraction is None else f"{whole}.{fraction}"
    exact = Decimal(numeral) * unit[1]
    value = number_value(numeral + unit[0])
    assert value == (int(exact) if exact == int(exact) else float(exact))
    assert isinstance(value, int) == (exact == int(exact) and (fraction is None or bool(unit[0])))


SPLITS = {
    "A\nB": 2,
    "A -\nB": 1,
    "A\n- B": 1,
    "A\n\n# c\n\n  - B": 1,
    "A - # c\nB": 1,
    "(A -\n\n# c )\n B\n)": 1,
    "net X\n= A": 1,
    "net X =\nA": 1,
    "A\n* 2": 1,
    "A\nfor i in 1..2": 1,
    "A for\ni in 1..2": 1,
    "A\nformat": 2,
    "A\n=> 3": 1,
    "if c\nthen A\nelse B": 1,
    "if c then\nA else\nB": 1,
    "CONCAT[ A\n| B ]": 1,
    "A -> \n B": 1,
    "preprocess resize(8)\n  - crop(8)\nA": 2,
    'use "a # b"\nA': 2,
    "\ufeffA\r\nB\r\n": 2,
    "param N\nparam M = 2\n": 2,
}


@pytest.mark.parametrize(("text", "count"), SPLITS.items())
def test_where_statements_end(text: str, count: int) -> None:
    assert len(read(text).statements) == count


def test_preprocess_begins_a_statement_whatever_is_open() -> None:
    _, problems = parse_file(Source("t", "preprocess resize(8\npreprocess crop(8\n"))
    assert [problem.code for problem in problems] == ["CNN002", "CNN002"]


def test_an_open_bracket_costs_its_own_statement() -> None:
    file, problems = parse_file(Source("t", "def F = (A - B\ndef G = C\nnet X = F -\ndef H = D\n"))
    assert [problem.code for problem in problems] == ["CNN002", "CNN001"]
    assert [statement.name for statement in file.statements if isinstance(statement, syntax.Def)] == ["G", "H"]


def test_statements() -> None:
    file = read(
        'input 3x?x?\npreprocess resize(256, bicubic) - crop, labels("a", "b",)\n'
        'param N\nparam M = 2 in 1..5\ndefault CONV(bias=false)\nuse "zoo:blocks/se"\n'
        "assert params <= 25.6M, macs < 4G\ndef F(w, s=1) = A\nnet X = A\n"
    )
    kinds = [type(statement).__name__ for statement in file.statements]
    assert kinds == ["Input", "Preprocess", "Param", "Param", "Default", "Use", "Assert", "Def", "Net"]
    size, word = Argument(AT, None, num("256")), Argument(AT, None, name("bicubic"))
    assert file.statements[1] == syntax.Preprocess(
        AT,
        (
            syntax.Step(AT, "resize", AT, (size, word)),
            syntax.Step(AT, "crop", AT),
            syntax.Step(AT, "labels", AT, (syntax.Quoted(AT, "a"), syntax.Quoted(AT, "b"))),
        ),
    )
    assert file.statements[2] == Param(AT, "N", AT, None, None)
    assert file.statements[3] == Param(AT, "M", AT, num("2"), Range(AT, num("1"), num("5")))


def test_every_span_is_the_text_of_its_node() -> None:
    text = "# c\n  net X = 3x3 conv, 64 - (CONV3-w/s(pad=1) - down: POOL?)*{n-1} => 3x8x{w}\n"
    (net,) = read(text).statements
    assert isinstance(net, syntax.Net)
    assert isinstance(net.body, Pipeline)
    first, shaped = net.body.stages
    assert isinstance(first, Layer)
    assert isinstance(shaped, Shaped)
    assert net.span.text == text[6:].rstrip()
    assert (first.span.text, first.name_span.text) == ("3x3 conv, 64", "conv")
    assert first.width is not None
    assert first.width.span.text == "64"
    assert shaped.shape.span.text == "3x8x{w}"
    assert shaped.stage.span.text == "(CONV3-w/s(pad=1) - down: POOL?)*{n-1}"
    assert isinstance(shaped.stage, Repeat)
    assert shaped.stage.count.span.text == "n-1"
    assert net.span.line == 2


def test_tight_joiners() -> None:
    body = stage("FC-C - B - D->E,F")
    assert isinstance(body, Pipeline)
    tight = {part.name: part.tight for part in body.stages if isinstance(part, Layer)}
    assert tight == {"FC": False, "C": True, "B": False, "D": False, "E": True, "F": True}


def test_a_long_pipeline() -> None:
    text = "\n- ".join(["CONV3-64", "RELU"] * 10_000)
    file, problems = parse_file(Source("t", text), Limits(max_layers=20_000))
    (net,) = file.statements
    assert problems == ()
    assert isinstance(net, syntax.Net)
    assert isinstance(net.body, Pipeline)
    assert len(net.body.stages) == 20_000


def test_the_table_is_saved_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = "start: /a+/\n"
    text = generate.table_text(grammar)
    made: list[str] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(table, "_PACKAGE", tmp_path / "nowhere")
    monkeypatch.setattr(generate, "table_text", lambda grammar: made.append(grammar) or text)
    for times in (1, 1):
        assert Machine(table.find_table(grammar)).parse("aa").data == "start"
        assert len(made) == times
    (saved,) = (tmp_path / "cnndsl").iterdir()
    assert (tmp_path / "cnndsl").stat().st_mode & 0o777 == 0o700
    other = text.replace("/a+/", "/b+/")
    older = text.replace('"rules"', '"reductions"')
    for times, damaged in enumerate(("", "[]", "{}", text[:200], text[:-1] + "?", "x" * 200, other, older), start=2):
        saved.write_text(damaged)
        assert Machine(table.find_table(grammar)).parse("aa").data == "start"
        assert len(made) == times
        assert saved.read_text() == text


def test_a_table_that_others_may_write_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "cnndsl").mkdir()
    (tmp_path / "cnndsl").chmod(0o777)
    assert table._cache_file("") is None


def test_every_rule_has_a_builder() -> None:
    from cnndsl.parser.tree import _BUILDERS

    def always_one(rule: table.Rule) -> bool:
        return rule.single and (rule.length if rule.kept is None else len(rule.kept)) == 1

    rules = table.find_table(table.grammar_text()).rules
    assert {rule.name for rule in rules if not (rule.name.startswith("_") or always_one(rule))} == set(_BUILDERS)
