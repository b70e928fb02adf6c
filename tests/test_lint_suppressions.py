"""`# cnn: ignore[...]`: what it silences, what of it is unused or cannot be understood, and how it is taken out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.api import findings
from cnndsl.compiler import Text, compile_text
from cnndsl.diagnostics import CODES, Diagnostic, Severity
from cnndsl.fix import mend
from cnndsl.lint import PAGES, Selection, module
from cnndsl.lint.suppressions import suppress, suppressions
from cnndsl.parser import parse_file
from cnndsl.source import Source, Span

ON = Selection(("CNN130", "CNN316", "CNN9"))
"""Two rules to silence, and what is said of silencing."""
INPUT = "input 1x7x7\n"
DROPS = "CONV3-8/3(pad=0)"
REPEATS = "RELU*1"


def lint(source: Source, selection: Selection = ON) -> tuple[Diagnostic, ...]:
    return findings(compile_text(Text(source, None)), selection)


def codes(text: str, selection: Selection = ON) -> list[str]:
    return [one.code for one in lint(Source("a.cnn", text), selection)]


def mended(text: str) -> str:
    return mend(Source("a.cnn", text), lint).source.text


def test_each_is_found_where_nothing_silences_it() -> None:
    assert codes(f"{INPUT}{DROPS} - {REPEATS}\n") == ["CNN130", "CNN316"]


@pytest.mark.parametrize(
    "named",
    [
        "CNN130, CNN316", "CNN130,CNN316", "CNN130 CNN316", "columns-dropped, redundant-repeat", "CNN1, CNN3", "CNN",
        "cnn130, Redundant-Repeat",
    ],
)  # fmt: skip
def test_codes_beginnings_and_names(named: str) -> None:
    text = f"{INPUT}{DROPS} - {REPEATS}"
    assert codes(f"{text}  # cnn: ignore[{named}]\n") == []
    assert codes(f"# cnn: ignore[{named}]\n{text}\n") == []
    assert codes(f"# A title.\n# About it; # cnn:ignore [ {named} ] since so\n\n{text}\n") == []


def test_a_line_is_a_line() -> None:
    text = f"{INPUT}net A = {DROPS}{{0}}\n  - {REPEATS}{{1}}\n"
    assert codes(text.format("  # cnn: ignore[CNN130]", "")) == ["CNN316"]
    assert codes(text.format("", "  # cnn: ignore[CNN130]")) == ["CNN130", "CNN316", "CNN901"]
    assert codes(text.format("  # why # cnn: ignore[CNN130]", "  # cnn: ignore[CNN316] for a reason")) == []


def test_several_remarks_in_one_comment() -> None:
    text = f"{INPUT}{DROPS} - {REPEATS}  # cnn: ignore[CNN130] # cnn: ignore[CNN316]\n"
    assert codes(text) == []


def test_on_a_line_of_its_own_below_the_first_statement_it_is_for_that_line() -> None:
    text = f"{INPUT}# cnn: ignore[CNN130]\n{DROPS}\n"
    (unused, dropped) = lint(Source("a.cnn", text))
    assert (unused.code, dropped.code) == ("CNN901", "CNN130")
    assert unused.help is not None and "at the end of the line" in unused.help
    assert mended(text) == f"{INPUT}{DROPS}\n"


def test_errors_cannot_be_silenced() -> None:
    assert codes("input 3x7x7\nCONV3-8(groups=2)  # cnn: ignore[CNN103]\n") == ["CNN103"]
    assert codes("# cnn: ignore[CNN]\ninput 3x7x7\nCONV3-8(groups=2)\n") == ["CNN103"]


def test_a_finding_without_a_place_is_the_files() -> None:
    file = parse_file(Source("a.cnn", f"# cnn: ignore[CNN2]\n{INPUT}RELU # cnn: ignore[CNN2]\n"))[0]
    given_, _ = suppressions(file)
    here = Diagnostic("CNN202", Severity.WARNING, "", None)
    assert suppress([here], given_) == ([], (given_[1],))
    assert suppress([here], given_[1:]) == ([here], (given_[1],))


# -- CNN901


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{DROPS}  # cnn: ignore[CNN316]", f"{DROPS}"),
        (f"{DROPS}  # cnn: ignore[CNN130, CNN316]", f"{DROPS}  # cnn: ignore[CNN130]"),
        (f"{DROPS}  # cnn: ignore[CNN316, CNN130]", f"{DROPS}  # cnn: ignore[CNN130]"),
        (f"{DROPS}  # cnn: ignore[CNN316,CNN130,CNN316]", f"{DROPS}  # cnn: ignore[CNN130]"),
        (f"{DROPS}# cnn: ignore[CNN130, CNN316, CNN1]", f"{DROPS}# cnn: ignore[CNN130, CNN1]"),
        ("ID  # as # cnn: ignore[CNN316] in the paper", "ID  # as in the paper"),
        ("ID  # cnn: ignore[CNN316, CNN130]", "ID"),
        ("ID\t# cnn: ignore[ CNN316 , CNN130, ]  ", "ID  "),
        ("ID  # cnn: ignore[CNN316] as in the paper", "ID  # as in the paper"),
        ("ID  # as in the paper # cnn: ignore[CNN316]", "ID  # as in the paper"),
        ("ID  # as # cnn: ignore[CNN316] # in the paper", "ID  # as # in the paper"),
        ("ID  # cnn: ignore[CNN316] # cnn: ignore[CNN130]", "ID"),
        (f"{DROPS}  # cnn: ignore[CNN316] # cnn: ignore[CNN130]", f"{DROPS}  # cnn: ignore[CNN130]"),
        ("ID  # cnn: ignore[CNN3, CNN9]", "ID  # cnn: ignore[CNN3, CNN9]"),
        ("ID  # cnn: ignore[CNN901]", "ID  # cnn: ignore[CNN901]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_what_is_unused_is_taken_out(before: str, after: str, end: str) -> None:
    head = INPUT.replace("\n", end or "\n")
    assert mended(f"{head}{before}{end}") == f"{head}{after}{end}"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_of_its_own_goes_with_its_end(end: str) -> None:
    lines = ["# A title.", "# cnn: ignore[CNN316]", "", "input 1x7x7", "ID", "# cnn: ignore[CNN130]"]
    assert mended(end.join(lines)) == end.join([*lines[:1], *lines[2:5], ""])
    assert mended(end.join([*lines, ""])) == end.join([*lines[:1], *lines[2:5], ""])


def test_unused_in_the_file() -> None:
    (found,) = lint(Source("a.cnn", f"# cnn: ignore[CNN130, CNN316]\n{INPUT}{DROPS}\n"))
    assert found.span is not None
    assert (found.code, found.span.text, found.span.line) == ("CNN901", "CNN316", 1)
    assert "in this file" in found.message


def test_only_where_the_rules_have_run() -> None:
    text = f"{INPUT}RELU  # cnn: ignore[CNN1]\n"
    assert codes(text, Selection(("CNN130", "CNN9"))) == []
    assert codes(text, Selection(("CNN1", "CNN9"))) == ["CNN901"]
    assert codes(text, Selection(("CNN1",))) == []
    assert codes("input 1x7x7\nRELUS  # cnn: ignore[CNN130]\n", ON) == ["CNN010"]


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("net A = if cin == 1 then CONV\n  else CONV  # cnn: ignore[CNN130]\n", []),
        ("net A = if cin == 2 then CONV\n  else CONV  # cnn: ignore[CNN130]\n", [2]),
        ("net A = if cin == 2 then CONV  # cnn: ignore[CNN130]\n  else CONV\n", []),
        ("net A = if cin == 1 then CONV else BN  # cnn: ignore[CNN130]\n", []),
        ("net A = RES[ if cin == 1 then ID else ID ]  # cnn: ignore[CNN130]\n", [1]),
        ("param n = 0\nnet A = RELU - BN*n  # cnn: ignore[CNN130]\n", []),
        ("param n = 1\nnet A = RELU - BN*n  # cnn: ignore[CNN130]\n", [2]),
        ("def C = RELU\ndef D = BN  # cnn: ignore[CNN130]\nparam B = C in [C, D]\nB\n", []),
        ("def C = RELU  # cnn: ignore[CNN130]\ndef D = BN\nparam B = C in [C, D]\nB\n", [1]),
        ("def C = RELU\nnet A = C*3  # cnn: ignore[CNN130]\n", [2]),
    ],
)
def test_not_where_this_member_does_not_come(text: str, unused: list[int]) -> None:
    found = [
        one for one in lint(Source("a.cnn", text + INPUT)) if one.severity is Severity.ERROR or one.code == "CNN901"
    ]
    assert [one.span.line for one in found if one.span] == unused


def test_not_for_another_member_than_the_one_that_is_written() -> None:
    text = "param s = 1\ninput 1x7x7\nCONV3-8/s(pad=0)  # cnn: ignore[CNN130]\n"
    assert codes(text) == ["CNN901"]
    for given_ in ({"s": 3}, {"s": 2}):
        assert findings(compile_text(Text(Source("a.cnn", text), None), given_), ON) == ()


# -- CNN902


@pytest.mark.parametrize(
    ("remark", "blamed"),
    [
        ("# cnn: ignore", "# cnn: ignore"),
        ("# cnn: ignore[]", "# cnn: ignore[]"),
        ("# cnn: ignore[ , ]", "# cnn: ignore[ , ]"),
        ("# cnn: ignore[CNN130", "# cnn: ignore[CNN130"),
        ("# cnn: ignore[CNN999]", "CNN999"),
        ("# cnn: ignore[CNN1300]", "CNN1300"),
        ("# cnn: ignore[E501]", "E501"),
        ("# cnn: ignore[colums-dropped]", "colums-dropped"),
        ("#cnn:ignore why", "#cnn:ignore "),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_cannot_be_understood(remark: str, blamed: str, end: str) -> None:
    dropped, wrong = lint(Source("a.cnn", f"input 1x7x7{end}{DROPS}  {remark}{end}"))
    assert (dropped.code, wrong.code) == ("CNN130", "CNN902")
    assert wrong.span is not None and wrong.span.text.rstrip("\r") == blamed.rstrip("\r")
    assert wrong.severity is Severity.WARNING and wrong.help


def test_what_is_understood_beside_it_counts() -> None:
    assert codes(f"{INPUT}{DROPS}  # cnn: ignore[CNN999, CNN130]\n") == ["CNN902"]
    assert codes(f"{INPUT}{DROPS}  # cnn: ignore[CNN999, CNN902, CNN130]\n") == []


@pytest.mark.parametrize("comment", ["# cnn: ignored[CNN130]", "# cnn ignore[CNN130]", "# acnn: ignore"])
def test_other_comments_are_comments(comment: str) -> None:
    assert codes(f"{INPUT}{DROPS}  {comment}\n") == ["CNN130"]


# -- all of them


@given(st.text("#cn: ignore[],CNN130\n\t\r", max_size=60))
def test_no_comment_raises(text: str) -> None:
    source = Source("a.cnn", f"{INPUT}{DROPS}  #{text}")
    found, wrong = suppressions(parse_file(source)[0])
    for one in found:
        assert any(known.startswith(one.code) for known in CODES)
    assert all(one.span is None or one.span.end <= len(source.text) for one in wrong)
    lint(source)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["CNN1", "CNN130", "CNN2"])), max_size=6), st.data())
def test_suppressing_is_looking_at_every_pair(places: list[tuple[int, str]], data: st.DataObject) -> None:
    """Against comparing each finding with each suppression."""
    source = Source(
        "a.cnn", "# cnn: ignore[CNN21]\n" * data.draw(st.integers(0, 1)) + "x # cnn: ignore[CNN130, CNN2]\n" * 4
    )
    given_, _ = suppressions(parse_file(source)[0])
    found = [
        Diagnostic(
            code, Severity.WARNING, "", Span(source, source.line_starts[line - 1], source.line_starts[line - 1] + 1)
        )
        for line, code in places
    ]
    kept, idle = suppress(found, given_)
    pairs = [
        (one, other) for one in found for other in given_
        if one.code.startswith(other.code) and one.span and other.line in (None, one.span.line)
    ]  # fmt: skip
    assert kept == [one for one in found if not any(one is covered for covered, _ in pairs)]
    assert list(idle) == [one for one in given_ if not any(one is covering for _, covering in pairs)]


@pytest.mark.parametrize("code", ["CNN901", "CNN902"])
def test_the_two_codes_have_pages(code: str) -> None:
    page = module(code).__doc__
    assert PAGES[code] and page.splitlines()[0] == f"{CODES[code]} ({code})"
    wrong, right = re.findall(r"```\n(.*?)```", page, re.S)
    assert code in codes(wrong, Selection()) and code not in codes(right, Selection())
