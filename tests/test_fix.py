"""Fixes: all edits or none, apart from each other, until nothing is left; comments and line ends kept; the network too."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from compiling import unshrunk
from hypothesis import given, settings
from hypothesis import strategies as st
from networks_strategy import specs
from notation import Spec, written

from cnndsl.api import findings
from cnndsl.compiler import Compiled, Text, compile_text
from cnndsl.diagnostics import Diagnostic, Edit, Fix, Severity
from cnndsl.fix import Fixed, Lint, difference, edited, fixed, mend, parses
from cnndsl.ir import Graph
from cnndsl.lint import Selection
from cnndsl.parser import parse_file
from cnndsl.source import Source, Span

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

NET = "input 3x8x8\nCONV3-8 - RELU\n"


def finding(source: Source, *edits: tuple[int, int, str], safe: bool = True) -> Diagnostic:
    """A finding whose fix makes these edits."""
    fix = Fix("", tuple(Edit(Span(source, start, end), text) for start, end, text in edits), safe)
    return Diagnostic("CNN316", Severity.WARNING, str(edits), Span(source, edits[0][0], edits[0][1]), fix=fix)


def replacing(source: Source, old: str, new: str, *, safe: bool = True) -> Diagnostic:
    """A finding whose fix replaces the first `old`."""
    at = source.text.index(old)
    return finding(source, (at, at + len(old), new), safe=safe)


def compiled(source: Source, given_: dict[str, Any] | None = None) -> Compiled:
    return compile_text(Text(source, None), given_)


def linting(selection: Selection, given_: dict[str, Any] | None = None) -> Lint:
    return lambda source: findings(compiled(source, given_), selection)


ALL = Selection()


# -- one round


def test_fixes_are_applied_in_the_order_of_the_text() -> None:
    source = Source("a.cnn", NET)
    one, two = replacing(source, "8x8", "9x9"), replacing(source, "RELU", "GELU")
    result = fixed(source, [two, one])
    assert result.source.text == "input 3x9x9\nCONV3-8 - GELU\n"
    assert result.applied == (one, two) and not result.refused
    assert result.source.name == "a.cnn"


def test_only_safe_fixes_unless_others_are_asked_for() -> None:
    source = Source("a.cnn", NET)
    found = [replacing(source, "RELU", "GELU", safe=False), replacing(source, "8x8", "9x9")]
    assert fixed(source, found).source.text == NET.replace("8x8", "9x9")
    assert fixed(source, found, unsafe=True).source.text == NET.replace("8x8", "9x9").replace("RELU", "GELU")


def test_of_two_that_overlap_the_first_is_applied_whole() -> None:
    source = Source("a.cnn", NET)
    one = replacing(source, "CONV3-8 - RELU", "CONV3-8(bias=false)")
    two = finding(source, (6, 11, "4x8x8"), (NET.index("RELU"), NET.index("RELU") + 4, "GELU"))
    result = fixed(source, [one, two])
    assert (result.applied, result.refused) == ((two,), (one,))
    assert result.source.text == "input 4x8x8\nCONV3-8 - GELU\n"


def test_equal_fixes_count_as_one() -> None:
    source = Source("a.cnn", NET)
    found = [replacing(source, "RELU", "GELU"), replacing(source, "RELU", "GELU").replace(code="CNN301")]
    result = fixed(source, found)
    assert result.source.text == NET.replace("RELU", "GELU") and len(result.applied) == 2


def test_two_insertions_at_one_place_are_not_one_round() -> None:
    source = Source("a.cnn", NET)
    at = NET.index(" - RELU")
    found = [finding(source, (at, at, "(groups=1)")), finding(source, (at, at, "(pad=1)"))]
    result = fixed(source, found)
    assert len(result.applied) == len(result.refused) == 1


def test_a_fix_of_another_file_or_that_overlaps_itself_is_refused() -> None:
    source, other = Source("a.cnn", NET), Source("b.cnn", NET)
    found = [finding(source, (0, 5, "input"), (3, 6, "t ")), replacing(other, "RELU", "GELU")]
    assert fixed(source, found) == Fixed(source, (), tuple(found))


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_what_does_not_parse_is_dropped_and_nothing_else(good: list[bool]) -> None:
    source = Source("a.cnn", "input 3x8x8\n" + " - ".join(["RELU"] * len(good)) + "\n")
    starts = [match.start() for match in re.finditer("RELU", source.text)]
    found = [finding(source, (at, at + 4, "GELU" if ok else "(((")) for at, ok in zip(starts, good, strict=True)]
    result = fixed(source, found)
    assert [one in result.applied for one in found] == good
    assert result.source.text.split(" - ")[1:] == source.text.replace(
        "RELU", "{}").format(*["GELU" if ok else "RELU" for ok in good]).split(" - ")[1:]  # fmt: skip


def test_a_text_with_syntax_errors_is_left_alone() -> None:
    source = Source("a.cnn", NET + "def (\n")
    found = [replacing(source, "RELU", "GELU")]
    assert fixed(source, found) == Fixed(source, (), tuple(found))


@given(
    st.text("ab\n", max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.text("xy", max_size=3)))
)
def test_edits_are_made_where_they_lie_apart(text: str, places: list[tuple[int, int, str]]) -> None:
    """Against replacing each edit by itself, the last first."""
    source = Source("a.cnn", text)
    found = [
        finding(source, (start, min(start + length, len(text)), new))
        for start, length, new in places
        if start <= len(text)
    ]
    result = fixed(source, found, accept=lambda _: True) if parses(source) else Fixed(source)
    wanted = text
    for one in sorted(set(result.applied), key=lambda d: (d.span.start, d.span.end), reverse=True):  # type: ignore[union-attr]
        (edit,) = one.fix.edits  # type: ignore[union-attr]
        wanted = wanted[: edit.span.start] + edit.text + wanted[edit.span.end :]
    assert result.source.text == wanted
    assert edited(source, result.applied).text == wanted


# -- until nothing is left


def test_rounds_go_on_until_nothing_is_left() -> None:
    """`X*1*1` and what one fix makes possible; the last findings are those of the last text."""
    result = mend(Source("a.cnn", "input 3x8x8\nRELU*1*1 - RELU - (RELU)*1\n"), linting(Selection(("CNN316",))))
    assert result.source.text == "input 3x8x8\nRELU*3\n"
    assert not result.left and len(result.applied) >= 3


def test_two_fixes_that_undo_each_other_come_to_an_end() -> None:
    def lint(source: Source) -> Sequence[Diagnostic]:
        return [replacing(source, *(("RELU", "GELU") if "RELU" in source.text else ("GELU", "RELU")))]

    assert mend(Source("a.cnn", NET), lint).source.text in (NET, NET.replace("RELU", "GELU"))


def test_a_fix_that_breaks_the_network_is_dropped() -> None:
    def lint(source: Source) -> Sequence[Diagnostic]:
        found = list(compiled(source).diagnostics)
        if "8x8" in source.text:
            found += [replacing(source, "8x8", "9x9"), replacing(source, "RELU", "RELUS")]
        return found

    result = mend(Source("a.cnn", NET), lint)
    assert result.source.text == NET.replace("8x8", "9x9")
    assert [one.message for one in result.applied] == ["((8, 11, '9x9'),)"]


# -- what is kept


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_comments_and_blanks_are_kept(end: str) -> None:
    lines = (
        "# a title", "", "input   3x8x8  # the input", "def  Unused = RELU # gone", "", "# about the net",
        "net A = CONV3-8  -  RELU   # first", "   - (BN-RELU)  - (BN-RELU) - (BN-RELU) - GAP # rest", "# the end",
    )  # fmt: skip
    wanted = (
        "# a title", "", "input   3x8x8  # the input", "", "# about the net",
        "net A = CONV3-8  -  RELU   # first", "   - (BN-RELU)*3 - GAP # rest", "# the end",
    )  # fmt: skip
    result = mend(Source("a.cnn", end.join(lines)), linting(Selection(("CNN312", "CNN316"))), unsafe=True)
    assert result.source.text == end.join(wanted)


def test_a_difference_can_be_applied(tmp_path: Path) -> None:
    """`patch` itself makes the new text of the old and the difference; also without a last line end, and in CRLF."""
    if shutil.which("patch") is None:
        pytest.skip("patch is not installed")
    for before, after in (
        (NET, NET.replace("RELU", "GELU")),
        (NET[:-1], NET[:-1] + " - RELU"),
        (NET, NET[:-1]),
        (NET.replace("\n", "\r\n"), NET.replace("\n", "\r\n").replace("8x8", "9x9")),
        (f"# a\x0cb\u2028c\n{NET}", f"# a\x0cb\u2028c\n{NET}RELU\n"),
    ):
        path = tmp_path / "a.cnn"
        path.write_bytes(before.encode())
        text = difference(Source(str(path), before), Source(str(path), after))
        subprocess.run(["patch", "--binary", str(path)], input=text.encode(), check=True, capture_output=True)
        assert path.read_bytes().decode() == after
    assert difference(Source("a", NET), Source("a", NET)) == ""


# -- random networks


def graph_of(source: Source, given_: dict[str, Any] | None = None) -> Graph:
    graph = compiled(source, given_).graph
    assert graph is not None, source.text
    return graph


def comments(source: Source) -> list[str]:
    return [comment.text for comment in parse_file(source)[0].comments]


@settings(unshrunk, max_examples=60)
@given(spec=specs(), noted=st.booleans())
def test_safe_fixes_keep_what_the_network_does(spec: Spec, noted: bool) -> None:
    """All rules: the output's shape and the comments; twice is once."""
    text = written(spec)
    if noted:
        text = "".join(f"{line}  # {i}\n" for i, line in enumerate(text.splitlines()))
    source, given_ = Source("random.cnn", text), dict(spec.settings)
    lint = linting(ALL, given_)
    result = mend(source, lint)
    assert mend(result.source, lint).source.text == result.source.text
    assert graph_of(result.source, given_).output_shape == graph_of(source, given_).output_shape
    assert comments(result.source) == comments(source)


@settings(unshrunk, max_examples=60)
@given(spec=specs())
def test_all_fixes_leave_a_network_that_compiles(spec: Spec) -> None:
    source, given_ = Source("random.cnn", written(spec)), dict(spec.settings)
    lint = linting(ALL, given_)
    result = mend(source, lint, unsafe=True)
    assert mend(result.source, lint, unsafe=True).source.text == result.source.text
    assert not [one for one in result.left if one.severity is Severity.ERROR]
    graph_of(result.source, given_)


STAGES = (
    "CONV3-8", "CONV3-w", "conv 8", "CONV3 - w", "7x7 conv, 8", "3x3 conv, w, /1", "CONV{k}-8", "CONV1", "RELU", "BN",
    "POOL2", "Block", "Block(w)", "Twice([BN - RELU])", "Twice(Block)", "ID", "FC", "SOFTMAX", "FC-w", "GAP",
    "RES[ BN ]", "(RES[ a: BN - RELU | @a ])*2",
    "Twice([z: BN - RELU])", "Thrice(BN)", "Thrice([z: BN])", "SE", "Named", "Act", "AUX[ GAP - FC-3 ]", "AUX[ FC-3 ]*1",
)  # fmt: skip


@st.composite
def repeated(draw: Any) -> str:
    """Pipelines in which much is said again and again, with everything that may stand around it."""
    labels = iter(range(1000))

    def stage(depth: int) -> str:
        if depth == 0 or draw(st.integers(0, 2)):
            return str(draw(st.sampled_from(STAGES)))
        inner = pipe(depth - 1)
        form = draw(st.integers(0, 7))
        return (
            f"({inner})", f"[{inner}]", f"({inner})*{draw(st.integers(0, 3))}", f"({inner})?", f"RES[ {inner} | ID ]",
            f"l{next(labels)}: ({inner})", f"({inner}) for w in [8, 8]", f"(if w == 8 then {inner} else ID)",
        )[form]  # fmt: skip

    def pipe(depth: int) -> str:
        parts: list[str] = []
        for _ in range(draw(st.integers(1, 3))):
            group = [stage(depth) for _ in range(draw(st.integers(1, 2)))]
            if draw(st.integers(0, 3)) == 0:
                group = [
                    f"{part}*{draw(st.integers(1, 2))}" if " " not in part and ":" not in part else part
                    for part in group
                ]
            parts += group * draw(st.sampled_from((1, 1, 2, 3, 4)))
        again = [part if ":" not in part or "RES" in part else f"ID*{i + 2}" for i, part in enumerate(parts)]
        return str(draw(st.sampled_from((" - ", "-", ", ", "\n  - ", " ->\n    ")))).join(again)

    ending = draw(st.sampled_from(("", "", " - FC", " - SOFTMAX", " - FC, SOFTMAX", " - FC*1", " - (FC)*1 - SOFTMAX")))
    return f"net A = {pipe(2)}{ending}\n"


HEAD = """input 8x32x32
param classes = 5
param w = 8
param k = 3
param Act = RELU
def Block(w=8) = CONV3-w - BN - RELU
def Twice(B) = B - B
def Thrice(B) = B - B - B
def SE = MUL[ ID | GAP - CONV1-cin - SIGMOID ]
def Named = inner: CONV3-8 - BN
"""


@given(text=repeated())
def test_one_repeat_is_the_same_network(text: str) -> None:
    """The same operations, wiring, shapes and names, so that the same weights load: the hash is of all these."""
    source = Source("random.cnn", HEAD + text)
    before = compiled(source)
    lint = linting(Selection(("CNN316",)))
    result = mend(source, lint)
    assert mend(result.source, lint).source.text == result.source.text
    if before.graph is None:
        assert result.source.text == source.text
    else:
        assert graph_of(result.source).hash() == before.graph.hash(), f"{source.text}\n{result.source.text}"
