"""The pages of all codes: their form, their examples, the command that prints them, and the document built of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cnndsl import catalogue
from cnndsl.cli import main
from cnndsl.diagnostics import CODES, Severity
from cnndsl.lint import PAGES
from cnndsl.rules import FAMILIES, SECTIONS, Rule, every, rule

ROOT = Path(__file__).parent.parent
FILES = {path.stem: path for path in (ROOT / "cnndsl" / "pages").iterdir()}
ALL = list(every())


def test_every_code_has_one_page() -> None:
    assert [one.code for one in ALL] == sorted(CODES)
    assert not FILES.keys() & PAGES.keys(), "a linter's rule has its page in its module"
    assert FILES.keys() <= CODES.keys()
    assert all(one.code.startswith(tuple(FAMILIES)) for one in ALL)


@pytest.mark.parametrize("code", FILES)
def test_a_page_in_a_file_is_titled_as_a_rules_is(code: str) -> None:
    assert FILES[code].read_text(encoding="utf-8").splitlines()[0] == f"{CODES[code]} ({code})"


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.code)
def test_a_page_has_its_sections_and_examples(one: Rule) -> None:
    assert re.findall(r"^## (.*)$", one.page, re.MULTILINE) == list(SECTIONS)
    assert all(one.section(title) for title in SECTIONS)
    assert one.summary.endswith(".")
    assert one.examples("Example")
    assert {block.language for title in SECTIONS for block in one.examples(title)} <= {"", "console"}


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.code)
def test_the_example_gives_the_code_and_the_replacement_does_not(one: Rule) -> None:
    """Commands are executed with those of all documents; here they say what they show."""
    for block in one.examples("Example"):
        found = [finding.code for finding in catalogue.check(one, block)]
        assert one.code in found if not block.language else f" {one.code} " in block.text
    for block in one.examples("Use instead"):
        found = [finding.code for finding in catalogue.check(one, block)]
        assert one.code not in found if not block.language else one.code not in block.text


@pytest.mark.parametrize("one", [one for one in ALL if one.code in FILES], ids=lambda one: one.code)
def test_what_replaces_what_does_not_compile_compiles(one: Rule) -> None:
    """Not only without this error: without any, but for an input that the page leaves to `--input`."""
    if one.code == "CNN026":
        return
    everything = Rule("CNN901", one.page)  # of the suppressions' codes all rules are run
    for block in one.examples("Use instead"):
        assert Severity.ERROR not in [finding.severity for finding in catalogue.check(everything, block)]


def test_documents_are_built_of_the_pages() -> None:
    assert (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") == catalogue.document(ALL), "run `make docs`"


def test_summaries_are_a_sentence() -> None:
    page = "## What it does\nReports A (as in `b.c`) and B: this and\nthat. More of it.\n\n## Why is this bad\nIt is."
    assert Rule("CNN101", page).summary == "Reports A (as in `b.c`) and B: this and that."


def test_facts_are_what_the_example_shows() -> None:
    shown = {one.code: catalogue.facts(one) for one in ALL if one.code in ("CNN031", "CNN101", "CNN902", "CNN901")}
    assert shown == {
        "CNN031": (Severity.WARNING, None), "CNN101": (Severity.ERROR, None), "CNN902": (Severity.WARNING, None),
        "CNN901": (Severity.WARNING, "safe"),
    }  # fmt: skip


# -- the command


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["rule", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("written", ["CNN101", "cnn101", "channel-mismatch"])
def test_a_code_or_a_name_prints_its_page(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = rule("CNN101")
    assert found is not None
    assert printed(capsys, written) == f"# CNN101 channel-mismatch\n\nError.\n\n{found.page}\n"


def test_a_page_says_whether_there_is_a_fix(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\nWarning, fixable with `--fix`.\n" in printed(capsys, "unused-suppression")


def test_without_a_code_there_is_a_table_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    head, *rows = printed(capsys).splitlines()
    assert head.split() == ["code", "name", "severity", "fix"]
    assert [row.split()[:2] for row in rows] == [[code, CODES[code]] for code in sorted(CODES)]
    assert {row.split()[2] for row in rows} == set(Severity)
    assert all(len(row) < 170 for row in rows)


def test_the_beginning_of_codes_prints_their_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys, "CNN10").splitlines()[1:]
    assert [row.split()[0] for row in rows] == [code for code in sorted(CODES) if code.startswith("CNN10")]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(printed(capsys, "--json"))
    assert [item["code"] for item in data] == sorted(CODES)
    (one,) = json.loads(printed(capsys, "CNN101", "--json"))
    assert {key: one[key] for key in ("code", "name", "severity", "fix")} == {
        "code": "CNN101", "name": "channel-mismatch", "severity": "error", "fix": None,
    }  # fmt: skip
    assert list(one["sections"]) == list(SECTIONS)
    assert one["summary"].startswith("Reports branches that meet with different channels")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chanel-mismatch"], "there is no rule 'chanel-mismatch'; did you mean channel-mismatch?"),
        (["CNN777"], "there is no rule 'CNN777'"),
        (["nothing like it"], "`cnndsl rule` lists them"),
        (["CNN101", "--all"], "leave the code out"),
    ],
)
def test_what_is_unknown_ends_with_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rule", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_all_pages_are_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--all")
    heads = re.findall(r"^### (CNN\d+) ([a-z-]+)$", text, re.MULTILINE)
    assert dict(heads) == CODES
    for one in ALL:
        assert f"[{one.code}](#{one.anchor})" in text
