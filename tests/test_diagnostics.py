"""Diagnostics: each code at its place, with what was expected and found; causes once, and all of them in one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import cnndsl
from cnndsl import report
from cnndsl.backends import drawn
from cnndsl.diagnostics import CODES, Diagnostic
from cnndsl.lint import PAGES
from cnndsl.storage import read, save
from cnndsl.weights import init


class Row(NamedTuple):
    """A spec with `¦` before the place of its only finding, and parts of what is said there."""

    code: str
    text: str
    message: str = ""
    expected: str | None = None
    found: str | None = None
    help: str | None = None


HALF = "def Half = POOL2 - UP(2)\n"
MAP = "input 3x32x32\n"
ROWS = (
    Row("CNN001", MAP + "CONV ¦– RELU", "is not a joiner", help="write `-`"),
    Row("CNN001", MAP + "CONV - ¦- RELU", "a stage is missing"),
    Row("CNN002", MAP + "CONV - ¦(RELU", "is never closed", "`)`"),
    Row("CNN002", MAP + "CONV - (RELU¦]", "does not close|closes nothing"),
    Row("CNN004", MAP + "CONV¦\x07", "not text"),
    Row("CNN005", MAP + "(" * 100 + "¦(" + "RELU" + ")" * 101, "nested too deep", "at most 100"),
    Row("CNN006", MAP + "¦RELU*10001", "10001 repetitions", help="--max-layers"),
    Row("CNN006", MAP + "(¦RELU*101)*100", "more than 10,000 layers", help="--max-layers"),
    Row("CNN007", MAP + "def F = CONV - ¦F\nF", "F is used inside itself more than 100 deep", help="--max-recursion"),
    Row("CNN007", MAP + "def F = G\ndef G = ¦F\nF", "used inside itself", help="recursion must end"),
    Row("CNN008", MAP + "((¦ID*10000)*10000)", "expansion takes more than", help="--max-steps"),
    Row("CNN010", MAP + "CONV - ¦RELUU", "unknown layer RELUU", help="did you mean RELU?"),
    Row("CNN010", MAP + "¦CNOV3-64 - RELU", "unknown layer", help="did you mean CONV3?"),
    Row("CNN010", MAP + "def Bottleneck(w) = CONV3-w\n¦Botleneck(3)", "unknown layer", help="did you mean Bottleneck?"),
    Row("CNN010", MAP + "CONV3-{¦mni(3, 4)}", "unknown function", help="did you mean min?"),
    Row("CNN010", "default ¦CONVV(bias=false)\n" + MAP + "CONV", "CONVV", help="built-in"),
    Row("CNN011", MAP + "CONV3-64(¦group=2)", "CONV has no argument group", "groups", "group", "did you mean groups?"),
    Row("CNN011", MAP + "CONV3-64(¦padding=2)", "no argument padding", help="did you mean pad?"),
    Row("CNN011", MAP + "ADD(¦p=3)[ ID | ID ]", "ADD takes no arguments"),
    Row("CNN011", MAP + "AUX(¦wieght=3)[ FC-3 ]", "AUX has no argument wieght", help="weight"),
    Row("CNN012", MAP + "CONV3-64(¦groups=2.5)", "groups of CONV must be", "a whole number from 1", "2.5"),
    Row("CNN012", MAP + "CONV3-64(¦bias=1)", "bias of CONV must be", "true or false", "1"),
    Row("CNN012", MAP + "DROPOUT(¦2)", "p of DROPOUT", "from 0 to", "2"),
    Row("CNN012", MAP + "CONV3-64*{¦0-1}", "a repeat cannot be negative", found="-1"),
    Row("CNN012", MAP + "RELU-¦64", "RELU takes no width", help="RELU takes no arguments"),
    Row("CNN012", MAP + "CONV3-64(¦kernel=5)", "the kernel of CONV3 is given twice"),
    Row("CNN013", MAP + "CONV3-¦w", "w has no value", help="--set w=2"),
    Row("CNN013", MAP + "FC-¦classes", "classes has no value", help="--classes 10"),
    Row("CNN013", MAP + "param width = 3\nCONV3-{¦widht}", "widht has no value", help="did you mean width?"),
    Row("CNN013", MAP + "CONV\nassert ¦parms < 5", "has no value here", help="params"),
    Row("CNN014", MAP + "param N = ¦7 in 1..5\nCONV*N", "N = 7 is outside its domain", "1..5", "7"),
    Row("CNN014", MAP + "param d = ¦20 in [18, 34]\nCONV*d", "outside its domain", "[18, 34]", "20"),
    Row("CNN016", MAP + "def ¦conv(w) = RELU\nCONV", "is a built-in layer", help="may not shadow"),
    Row("CNN016", MAP + "def F = RELU\ndef ¦F = BN\nF", "F is declared twice"),
    Row("CNN016", MAP + "param n = 1\nparam ¦n = 2\nCONV*n", "n is declared twice"),
    Row("CNN016", MAP + "¦forward: CONV", "cannot be a label"),
    Row("CNN017", MAP + "def F(w, s) = CONV3-w/s\n¦F(3)", "F needs a value for s", help="F(w, s)"),
    Row("CNN017", MAP + "def F(w) = CONV3-w\nF(3, ¦4)", "F has 1 parameter", help="F(w)"),
    Row("CNN017", MAP + "CONV3-w for w, s in [¦(1, 2, 3)]", "3 values for 2 names", "w, s", "(1, 2, 3)"),
    Row("CNN017", MAP + "¦ADD[ ID ]", "two or more branches", found="1"),
    Row("CNN017", MAP + "CONV3-{¦floor(1, 2)}", "floor takes 1"),
    Row("CNN018", MAP + "¦CONCAT - RELU", "CONCAT needs branches", help="CONCAT[ a | b ]"),
    Row("CNN018", MAP + "param n = 3\nRELU - RELU - (¦n)", "n is the number 3, not a stage"),
    Row("CNN018", MAP + "def F = RELU\nF-¦64", "is a definition and takes no width"),
    Row("CNN019", MAP + "CONV3-{1 + ¦true}", "expected a number", found="true"),
    Row("CNN019", MAP + "if ¦3 then CONV else RELU", "expected true or false", "a comparison", "3"),
    Row("CNN020", MAP + "CONV3-{¦1/0}", "division by zero"),
    Row("CNN020", MAP + "RELU*{¦7/2}", "must be a whole number", found="3.5", help="floor()"),
    Row("CNN021", MAP + "a: CONV - ¦a: RELU", "the label a is taken"),
    Row("CNN022", MAP + "left: CONV - ¦@lefft", "no label lefft", help="did you mean @left?"),
    Row("CNN022", MAP + "(a: CONV)*2 - ¦@a", "no label a is seen here"),
    Row("CNN023", MAP + '¦use "none.cnn"\nRELU', "from a text without a place"),
    Row("CNN023", MAP + '¦use "zoo:nothing/of/the/sort"\nRELU', "does not exist"),
    Row("CNN024", "¦input 3x32x32\n", "there is no network here", help="net Name ="),
    Row("CNN024", MAP + "CONV\n¦RELU", "a file holds one network"),
    Row("CNN025", MAP + "CONV - ¦ATTENTION", "attention: not in the language"),
    Row("CNN026", "¦CONV - RELU", "the input's shape is not known", help="--input 3x32x32"),
    Row("CNN027", MAP + "¦input 1x8x8\nCONV", "the input is declared twice"),
    Row("CNN027", "input 3x32x32 ¦net X = CONV", "begins a statement of its own"),
    Row("CNN028", MAP + "CONV3-{¦2^200}", "too large or not a number", found="2 ^ 200"),
    Row("CNN028", MAP + "¦CONV3-2000000000", "the output is too large"),
    Row("CNN034", MAP + "preprocess ¦normalize(imagenet)\nRELU", "unknown step", help="normalise"),
    Row("CNN034", MAP + "preprocess crop(8) - ¦resize(9)\nRELU", "resize comes before crop", "the order image"),
    Row("CNN034", MAP + "preprocess resize(9, ¦bicubc)\nRELU", "cannot be bicubc", "bilinear, bicubic", help="bicubic"),
    Row("CNN035", MAP + 'preprocess ¦labels("a", "b")\nGAP - FC-3', "2 labels for 3 classes", "one for each", "2"),
    Row("CNN101", MAP + "CONV3-64 - ¦ADD[ ID | CONV3-32 ]", "ADD of 64 and 32 channels", "the same channels",
        "64x32x32 and 32x32x32", "CONV1-64"),
    Row("CNN101", MAP + "CONV3-64 - ¦RES[ CONV3-32 ]", "RES of 32 and 64 channels", found="32x32x32 and 64x32x32"),
    Row("CNN102", MAP + "¦CONCAT[ ID | CONV3-8/2 ]", "CONCAT of branches of different resolution", "same resolution",
        "3x32x32 and 8x16x16"),
    Row("CNN102", "input 3x?x?\n¦RES[ PAD(1) ]", "RES of branches of different resolution"),
    Row("CNN103", MAP + "CONV3-64(¦groups=2)", "2 groups do not divide 3 input channels", "a multiple of 2", "3 input"),
    Row("CNN103", MAP + "CONV3-8 - GN(¦3)", "3 groups do not divide 8 channels", "a multiple of 3", "8"),
    Row("CNN104", MAP + "¦CONV40-8(pad=0)", "window 40 is larger than the padded input 32", "at most 32", "40"),
    Row("CNN104", MAP + "POOL2*5 - ¦POOL2", "window 2 is larger"),
    Row("CNN105", MAP + "CROP(¦16)", "CROP takes 32 off 32", "less than 32", "32"),
    Row("CNN106", "input 3x?x?\n¦FC-10", "needs a fixed number of inputs", "a fixed size", "3*H*W", "GAP"),
    Row("CNN107", MAP + "GAP - ¦IN", "one value to normalise", "two values or more", "3x1x1"),
    Row("CNN108", MAP + "FC-10 - ¦CONV3-8", "needs a map, not a vector", "CxHxW", "10"),
    Row("CNN108", MAP + "¦CONV3x3x3-8", "kernel has 3 axes", "one number, or 2", "3x3x3"),
    Row("CNN109", MAP + "¦SPLIT[ ID | ID ]", "3 channels do not split into 2 equal parts"),
    Row("CNN109", MAP + "MAXOUT(¦2)", "MAXOUT cannot take 3 channels", "a multiple of 2", "3"),
    Row("CNN110", MAP + "CONV3-8 => ¦8x16x16", "not the one asserted", "8x16x16", "8x32x32", "write => 8x32x32"),
    Row("CNN111", MAP + "¦SLICE(2, 4)", "channels 2 to 4 are not among 3"),
    Row("CNN112", f"input 3x?\n{HALF}RES[ Half ] - ¦RES[ Half - PAD((0, 1)) ]", "no L is valid", "L odd", "L even"),
    Row("CNN113", MAP + "POOL2(¦pad=2)", "pads more than half its window", "at most 1", "2"),
    Row("CNN114", MAP + "preprocess ¦crop(8)\nRELU", "do not have the input's size", "32x32", "8x8"),
    Row("CNN114", MAP + "preprocess normalise(¦mean=(1, 2))\nRELU", "mean has 2 channels", "3, as rgb", "2"),
    Row("CNN115", MAP + "preprocess resize(8) - ¦crop(9)\nRELU", "larger than the image", "at most 8x8", "9x9"),
    Row("CNN130", "input 1x7x7\n¦CONV3-8/3(pad=0)", "the windows do not fit", help="pad"),
    Row("CNN201", MAP + "CONV3-8\nassert ¦params <= 100", "does not hold", "params <= 100", "params = 224"),
)  # fmt: skip
ELSEWHERE = {"CNN003", "CNN015", "CNN029", "CNN030", "CNN031", "CNN032", "CNN033", "CNN036"}
"""Codes that the text of a spec alone cannot give; each has a test of its own, below or with the weights."""


def lint(text: str, **settings: object) -> tuple[Diagnostic, ...]:
    return cnndsl.lint(text, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code}-{row.message[:30]}")
def test_one_finding_at_its_place(row: Row) -> None:
    at = row.text.index("¦")
    before = row.text[:at]
    place = (before.count("\n") + 1, at - before.rfind("\n"))
    found = lint(row.text.replace("¦", ""))
    assert [d.code for d in found] == [row.code], report.text(found)
    (diagnostic,) = found
    assert diagnostic.span is not None
    assert (diagnostic.span.line, diagnostic.span.column) == place, report.text(found)
    assert any(part in diagnostic.message for part in row.message.split("|")), diagnostic.message
    for field in ("expected", "found", "help"):
        assert (getattr(row, field) or "") in (getattr(diagnostic, field) or ""), report.text(found)


def test_every_code_has_a_row() -> None:
    assert {row.code for row in ROWS} | ELSEWHERE | set(PAGES) == set(CODES), "the pages of the rules are their rows"


def test_too_large_a_file() -> None:
    (found,) = lint("#" * 300_000)
    assert found.code == "CNN003"
    assert "--max-bytes" in (found.help or "")


def test_unknown_setting() -> None:
    (found,) = lint("CONV*n", input="3x8x8", n=2, down=True)
    assert (found.code, found.span) == ("CNN015", None)
    assert "down" in found.message


def test_a_choice_that_is_set_too_often() -> None:
    (found,) = lint("(down: POOL?)*2", input="3x8x8", down=(True, False, True))
    assert found.code == "CNN015"
    assert "set 3 times and asked 2 times" in found.message


def test_too_many_parameters_to_draw() -> None:
    graph = cnndsl.load("FC-100000", input="100000").graph
    with pytest.raises(cnndsl.SpecError) as raised:
        drawn(graph, 0, 2_000_000_000)
    (found,) = raised.value.diagnostics
    assert found.code == "CNN029"
    assert "--max-params" in (found.help or "")


def test_weights_of_another_network(tmp_path: Path) -> None:
    one, other = (cnndsl.load(f"CONV3-{w}", input="3x8x8").graph for w in (4, 5))
    save(tmp_path / "one.safetensors", one, init(one, 0))
    stored = read(tmp_path / "one.safetensors", other)
    assert {d.code for d in stored.diagnostics} >= {"CNN030"}
    assert stored.arrays is None


def test_weights_of_another_version(tmp_path: Path) -> None:
    one, other = (cnndsl.load(text, input="3x8x8").graph for text in ("CONV3-4 - RELU", "CONV3-4 - TANH"))
    save(tmp_path / "one.safetensors", one, init(one, 0))
    stored = read(tmp_path / "one.safetensors", other)
    assert [d.code for d in stored.diagnostics] == ["CNN031"]
    assert stored.arrays is not None
    assert np.array_equal(stored.arrays["conv1.weight"], init(one, 0)["conv1.weight"])


def test_all_independent_errors_in_one_run() -> None:
    text = """input 3x32x32
def F(w) = CONV3-w(group=2)
param N = 9 in 1..5
net X = F(3) - CONV3-w - RELUU
  - ADD[ CONV3-8 | CONV3-9 ]
  - POOL(ceil=3)
"""
    found = [(d.code, d.span and d.span.line) for d in lint(text)]
    assert found == [("CNN011", 2), ("CNN014", 3), ("CNN013", 4), ("CNN010", 4), ("CNN012", 6)]


def test_errors_of_syntax_and_of_meaning_in_one_run() -> None:
    found = lint("input 3x32x32\ndef F = CONV - - RELU\nparam n = 1/0\nnet X = CONV3-k")
    assert [d.code for d in found] == ["CNN001", "CNN020", "CNN013"]


def test_a_cascade_reports_its_cause_once() -> None:
    found = lint(MAP + "CONV3-64(groups=2) - BN - RES[ CONV3-32 | CONV3-64/2 ] - FC-10 - CONV3-64 - GAP*20")
    assert [d.code for d in found] == ["CNN103"]


def test_what_follows_from_an_error_is_silent_and_what_does_not_is_not() -> None:
    found = lint(MAP + "ADD[ ID | CONV3-64 ] - CONV3-{cin//2} - CONV3-64(groups=0)")
    assert [d.code for d in found] == ["CNN101", "CNN012"]


def test_a_mistake_in_a_repeat_is_said_once() -> None:
    assert [d.code for d in lint(MAP + "(CONV3-8 - RELUU)*50")] == ["CNN010"]


def test_no_more_than_a_hundred() -> None:
    found = lint(MAP + " - ".join(f"FOO{i}" for i in range(500)))
    assert len(found) == 100
    assert "there may be more" in found[-1].notes[-1].message


def test_the_chain_of_shapes() -> None:
    (found,) = lint("input 3x227x227\nCONV11-96/4(pad=0) - POOL3/2 - CONV5-256(groups=7)")
    assert found.chain == ("input 3x227x227", "conv1 96x55x55", "pool1 96x27x27")
    (found,) = lint(MAP + "(CONV3-8 - RELU)*9 - FC-10 - POOL2")
    assert found.chain[0] == "input 3x32x32"
    assert found.chain[-1] == "fc1 10"
    assert found.chain[1] == "..."


def test_branches_are_named_in_notes() -> None:
    (found,) = lint(MAP + "CONCAT[ ID | CONV3-8/2 ]")
    assert [(note.message, note.span and note.span.text) for note in found.notes] == [
        ("this branch gives 3x32x32", "ID"),
        ("this branch gives 8x16x16", "CONV3-8/2"),
    ]


def test_uses_that_led_there_are_named() -> None:
    (found,) = lint(MAP + "def Inner = CONV3-8(groups=2)\ndef Outer = Inner\nOuter")
    assert [note.message for note in found.notes] == ["in Inner, used here", "in Outer, used here"]
    assert [note.span and note.span.line for note in found.notes] == [3, 4]


def test_json_form() -> None:
    (data,) = json.loads(json.dumps(report.json(lint(MAP + "CONV3-64(group=2)"))))
    assert data == {
        "code": "CNN011", "name": "unknown-argument", "severity": "error", "message": "CONV has no argument group",
        "file": "<spec>", "line": 2, "column": 10, "end_line": 2, "end_column": 17,
        "expected": data["expected"], "found": "group", "shapes": [], "help": "did you mean groups?", "notes": [],
        "fix": None,
    }  # fmt: skip


def test_text_form() -> None:
    (found,) = lint(MAP + "CONV3-64 - RES[ CONV3-32 ]")
    assert report.text([found]).splitlines()[:4] == [
        "<spec>:2:12: error CNN101 RES of 32 and 64 channels",
        "   |",
        " 2 | CONV3-64 - RES[ CONV3-32 ]",
        "   |            ^^^",
    ]


def test_a_long_line_is_cut_around_its_mark() -> None:
    (found,) = lint(MAP + "RELU - " * 2000 + "RELUU - " + " - ".join(["RELU"] * 2000))
    line, marker = report.text([found]).splitlines()[2:4]
    assert len(line) < 200
    start = marker.index("^")
    assert line[start : start + marker.count("^")] == "RELUU"


def test_a_report_escapes_what_a_terminal_would_obey() -> None:
    shown = report.text(lint(MAP + 'use "\x1b[31m"\nCONV3-w'))
    assert "\x1b" not in shown


def test_suppression_on_its_line() -> None:
    dropped = "input 1x7x7\nCONV3-8/3(pad=0)"
    assert [d.code for d in lint(dropped)] == ["CNN130"]
    assert lint(dropped + "  # cnn: ignore[CNN130]") == ()
    assert [d.code for d in lint(dropped + "  # cnn: ignore[CNN131]")] == ["CNN130", "CNN901"]
    assert [d.code for d in lint(dropped + "\n# cnn: ignore[CNN130]")] == ["CNN130", "CNN901"]
    assert [d.code for d in lint(MAP + "RELUU # cnn: ignore[CNN010]")] == ["CNN010"], "errors are not suppressed"
