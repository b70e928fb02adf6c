"""The forms of findings, each read back as its consumers read it: a schema, an XML parser, a runner's unescaping."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnndsl
from cnndsl import catalogue, report, rules
from cnndsl.diagnostics import CODES, Diagnostic, Edit, Fix, Note, Severity
from cnndsl.report import FORMS, Context, render
from cnndsl.report.context import relative
from cnndsl.report.identity import identities
from cnndsl.source import Source, Span

SCHEMA = Path(__file__).parent / "data" / "sarif" / "sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}

# -- findings: every page's own, and random ones over any text


def of_pages() -> list[Diagnostic]:
    """What the examples of all pages give."""
    return [
        finding
        for rule in rules.every()
        for block in rule.examples("Example")
        for finding in catalogue.check(rule, block)
    ]


PLAIN = "aB3 \t\n\r[](){}%:,=<>&\"'\\/#`*-é𝔸\u0301\u200b"
WILD = PLAIN + "\0\x07\x1b\x7f\x85\u2028\ufffe\ud800\udfff\U0010ffff"
ANY = st.text(WILD, max_size=12)
"""Messages: control characters, lone surrogates and all."""
TEXTS = st.text(PLAIN, max_size=40)
NAMES = st.one_of(
    st.sampled_from(["a.cnn", "b/c d.cnn", "ü%2,:.cnn", "<spec>", "zoo:lenet5", "../x.cnn", "-.cnn"]),
    st.text(PLAIN.replace("/", ""), min_size=1, max_size=8).filter(lambda name: not name.startswith(("<", "zoo:"))),
)


@st.composite
def spans(draw: st.DrawFn, source: Source) -> Span:
    start, end = sorted((draw(st.integers(0, len(source.text))), draw(st.integers(0, len(source.text)))))
    return Span(source, start, end)


@st.composite
def findings(draw: st.DrawFn) -> list[Diagnostic]:
    sources = [Source(draw(NAMES), draw(TEXTS)) for _ in range(draw(st.integers(1, 3)))]
    found = []
    for _ in range(draw(st.integers(0, 4))):
        source = draw(st.sampled_from(sources))
        edits = draw(st.lists(st.builds(Edit, spans(source), TEXTS), min_size=1, max_size=2))
        fix = draw(st.none() | st.builds(Fix, ANY, st.just(tuple(edits)), st.booleans()))
        place = draw(st.none() | spans(source))
        found.append(
            Diagnostic(
                draw(st.sampled_from(sorted(CODES))), draw(st.sampled_from(Severity)), draw(ANY), place,
                draw(st.none() | ANY), draw(st.none() | ANY), ("input 1x7x7",),
                draw(st.none() | ANY), (Note(draw(ANY), place),), fix,
            )
        )  # fmt: skip
    return found


# -- text


def one(severity: Severity = Severity.WARNING, fix: Fix | None = None) -> Diagnostic:
    source = Source("net.cnn", "input 3x8x8\nCONV3-8 - BN\n")
    return Diagnostic("CNN301", severity, "a bias before a norm", Span(source, 12, 19), fix=fix)


def edit(finding: Diagnostic, safe: bool) -> Fix:
    assert finding.span is not None
    return Fix("write bias=false", (Edit(finding.span, "CONV3-8(bias=false)"),), safe)


def test_full_text_says_what_is_fixable() -> None:
    safe, unsafe = (one(fix=edit(one(), is_safe)) for is_safe in (True, False))
    shown = render("full", [safe, unsafe, one(Severity.INFO), one(Severity.ERROR)])
    assert "       fix: write bias=false (fixable with --fix)\n" in shown
    assert "       fix: write bias=false (fixable with --unsafe-fixes)\n" in shown
    assert shown.endswith(
        "\n\n1 error, 2 warnings, 1 info\n1 fixable with --fix, 1 fixable with --unsafe-fixes"
    )  # fmt: skip
    assert render("full", []) == render("concise", []) == ""


def test_each_severity_has_its_colour() -> None:
    shown = [render("full", [one(severity)], Context(colour=True)).splitlines()[0] for severity in Severity]
    assert [re.findall(r"\033\[1;(\d+)m(\w+) CNN301\033\[0m", line) for line in shown] == [
        [("31", "error")], [("33", "warning")], [("36", "info")],
    ]  # fmt: skip


def test_concise_marks_what_is_fixable() -> None:
    shown = render("concise", [one(), one(fix=edit(one(), True))])
    assert shown.splitlines() == [
        "net.cnn:2:1: warning CNN301 a bias before a norm",
        "net.cnn:2:1: warning CNN301 a bias before a norm [*]",
    ]


def test_json_has_the_fix() -> None:
    (data,) = json.loads(render("json", [one(fix=edit(one(), False))]))
    place = {"file": "net.cnn", "line": 2, "column": 1, "end_line": 2, "end_column": 8}
    assert data["fix"] == {
        "message": "write bias=false", "safe": False, "edits": [{**place, "text": "CONV3-8(bias=false)"}],
    }  # fmt: skip
    assert {key: data[key] for key in place} == place


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(ValueError, match="the forms are full, concise"):
        render("xml", [])


@given(findings())
def test_no_form_fails_or_lets_a_control_character_through(found: list[Diagnostic]) -> None:
    for form in FORMS:
        shown = render(form, found, Context(files=("a.cnn",)))
        assert all(c.isprintable() or c in "\n\t" for c in shown), form


# -- GitHub


def runner_reads(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner takes it apart: at the first blank, `::`, commas and `=`, then unescaped."""
    assert line.startswith("::")
    head, _, data = line[2:].partition("::")
    name, _, listed = head.partition(" ")
    properties = dict(part.split("=", 1) for part in listed.split(",") if part)
    for escape, meant in {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}.items():
        properties = {key: value.replace(escape, meant) for key, value in properties.items()}
        data = data.replace(escape, meant) if escape not in ("%3A", "%2C") else data
    return name, properties, data


@given(findings())
def test_the_runner_reads_what_was_meant(found: list[Diagnostic]) -> None:
    lines = render("github", found).split("\n") if found else []
    assert len(lines) == len(found)
    for finding, line in zip(found, lines, strict=True):
        name, properties, data = runner_reads(line)
        assert name == {"error": "error", "warning": "warning", "info": "notice"}[finding.severity]
        assert properties.pop("title") == f"{finding.code} {finding.name}"
        assert data.split("\n")[0] == report.printable(finding.message)
        if finding.span is None:
            assert properties == {}
            continue
        (line_, column), (end, end_column) = map(finding.span.source.position, (finding.span.start, finding.span.end))
        columns = {"col": str(column), "endColumn": str(end_column)} if line_ == end else {}
        path = report.printable(relative(finding.span.source.name))
        assert properties == {"file": path, "line": str(line_), "endLine": str(end), **columns}


# -- GitLab


@given(findings())
def test_gitlab_has_what_its_description_asks_for(found: list[Diagnostic]) -> None:
    """https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format"""
    data = json.loads(render("gitlab", found))
    assert len(data) == len(found)
    for item, finding in zip(data, found, strict=True):
        assert item["description"] and item["check_name"] == finding.code
        assert item["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert item["location"]["path"] and not item["location"]["path"].startswith(("/", "./"))
        assert item["location"]["lines"]["begin"] >= 1
    prints = [item["fingerprint"] for item in data]
    assert len(set(prints)) == len(prints), "fingerprints are unique in a report"


# -- JUnit


@given(findings(), st.sampled_from(Severity))
def test_junit_is_xml_whose_counts_hold(found: list[Diagnostic], level: Severity) -> None:
    root = ET.fromstring(render("junit", found, Context(files=("clean.cnn", "a.cnn"), fail_level=level)))
    assert root.tag == "testsuites"
    suites = {suite.attrib["name"]: suite for suite in root}
    for suite in (*suites.values(), root):
        cases = list(suite.iter("testcase"))
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(list(suite.iter("failure")))
        assert suite.attrib["errors"] == "0"
    assert [(case.attrib["name"], list(case)) for case in suites["clean.cnn"]] == [("lint", [])]
    failing = [finding for finding in found if list(Severity).index(finding.severity) <= list(Severity).index(level)]
    assert len(list(root.iter("failure"))) == len(failing)
    assert len(list(root.iter("system-out"))) == len(found) - len(failing)
    for suite in suites.values():
        names = [(case.attrib["classname"], case.attrib["name"]) for case in suite]
        assert len(set(names)) == len(names), "a test is known by its name"


def test_junit_names_file_rule_and_message() -> None:
    root = ET.fromstring(render("junit", [one(), one()], Context(files=("net.cnn",))))
    first, second = root.iter("testcase")
    assert (first.attrib["classname"], first.attrib["name"]) == ("net.cnn", "CNN301 bias-before-norm")
    assert second.attrib["name"] == "CNN301 bias-before-norm (2)"
    (failure,) = first
    assert failure.attrib == {"message": "a bias before a norm", "type": "warning"}
    assert (failure.text or "").startswith("net.cnn:2:1: warning CNN301 a bias before a norm\n")


# -- SARIF


@cache
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def sarif(found: list[Diagnostic], context: Context | None = None) -> dict[str, Any]:
    log = json.loads(render("sarif", found, context))
    validator().validate(log)
    (run,) = log["runs"]
    return dict(run)


def marked(text: str, region: dict[str, int]) -> str:
    """The stretch of a text that a region marks, counted in UTF-16 code units as SARIF does."""
    lines = [line.encode("utf-16-le", "surrogatepass") for line in text.split("\n")]
    first, last = region["startLine"] - 1, region["endLine"] - 1
    head, tail = 2 * (region["startColumn"] - 1), 2 * (region["endColumn"] - 1)
    assert head <= len(lines[first])
    assert tail <= len(lines[last])
    parts = (
        [lines[first][head:tail]]
        if first == last
        else [lines[first][head:], *lines[first + 1 : last], lines[last][:tail]]
    )
    return "\n".join(part.decode("utf-16-le", "surrogatepass") for part in parts)


@given(findings())
def test_sarif_is_valid_and_marks_what_is_marked(found: list[Diagnostic]) -> None:
    run = sarif(found, Context(files=("a.cnn", "c.cnn")))
    listed = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for finding, result in zip(found, run["results"], strict=True):
        assert listed[result["ruleIndex"]] == result["ruleId"] == finding.code
        assert result["level"] == LEVELS[finding.severity]
        if finding.span is None:
            assert result["locations"] == []
            continue
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert marked(finding.span.source.text, place["region"]) == finding.span.text
        uri = place["artifactLocation"]["uri"]
        assert place["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
        assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri), "a relative reference, all else encoded"
        assert unquote(uri) == relative(finding.span.source.name)
        for fix in result.get("fixes", []):
            assert finding.fix is not None
            replaced = [
                (marked(finding.span.source.text, r["deletedRegion"]), r["insertedContent"]["text"])
                for r in fix["artifactChanges"][0]["replacements"]
            ]
            assert sorted(replaced) == sorted((edit.span.text, edit.text) for edit in finding.fix.edits)


def test_sarif_of_every_page() -> None:
    """One result at least of each code that a spec alone can give; the rules have their pages."""
    run = sarif(of_pages())
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["name"] == CODES[rule["id"]]
        assert rule["shortDescription"]["text"].endswith(".")
        assert "## Why is this bad" in rule["help"]["markdown"]
        assert "helpUri" not in rule


def test_sarif_links_to_the_pages_where_they_are_on_the_web() -> None:
    run = sarif([one()], Context(documentation="https://example.org/rules.html"))
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["helpUri"] == "https://example.org/rules.html#cnn301-bias-before-norm"


def test_a_finding_without_a_place_belongs_to_the_only_file(tmp_path: Path) -> None:
    finding = one().replace(span=None)
    context = Context(str(tmp_path), (str(tmp_path / "sub" / "net.cnn"),))
    (result,) = sarif([finding], context)["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub/net.cnn"
    assert "file=sub/net.cnn" in render("github", [finding], context)
    assert json.loads(render("gitlab", [finding], context))[0]["location"]["path"] == "sub/net.cnn"


# -- identity


LINES = (
    "input 1x9x9\ndef Part(w) = CONV3-w/3(pad=0)\n\nnet Whole =\n  Part(8) - CONV3-8 - CONV3-4/4(pad=0)  # a comment\n"
)


def prints(text: str, name: str = "net.cnn") -> list[str]:
    return [one.fingerprint for one in identities(of(text, name))]


def of(text: str, name: str = "net.cnn") -> list[Diagnostic]:
    """A finding at each convolution of a text."""
    source = Source(name, text)
    return [
        Diagnostic("CNN301", Severity.INFO, "one", Span(source, found.start(), found.end()))
        for found in re.finditer(r"CONV\S*", text)
    ]


@pytest.mark.parametrize(
    "changed",
    [
        "# new\n\n" + LINES,
        LINES.replace("\n\n", "\n" * 9),
        LINES.replace("net Whole", "def Other = RELU\nnet Whole"),
        LINES.replace("  Part", "      Part"),
        LINES.replace("# a comment", "# another"),
        LINES.replace("1x9x9", "3x224x224"),
        LINES.replace("\n", "\r\n"),
    ],
)
def test_a_fingerprint_survives_what_moves_it(changed: str) -> None:
    assert len(set(prints(LINES))) == 3
    assert prints(changed) == prints(LINES)


def test_a_fingerprint_is_of_rule_definition_and_text() -> None:
    assert prints(LINES)[0] != prints(LINES.replace("Part", "Piece"))[0]
    assert prints(LINES)[2] != prints(LINES.replace("CONV3-4/4", "CONV3-4/5"))[2]
    (finding, *_) = of(LINES)
    assert identities([finding])[0].id != identities([finding.replace(code="CNN302")])[0].id


def test_equal_findings_are_counted_in_the_order_of_the_text() -> None:
    found = of("CONV3-8 - RELU - CONV3-8 - RELU - CONV3-8")
    assert [one.occurrence for one in identities(found)] == [1, 2, 3]
    assert [one.occurrence for one in identities(found[::-1])] == [3, 2, 1]
    assert len({one.id for one in identities(found)}) == 1


def test_paths_are_relative_to_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    assert relative("b/net.cnn") == "b/net.cnn"
    assert relative("b/net.cnn", str(tmp_path)) == "a/b/net.cnn"
    assert relative(str(tmp_path / "net.cnn")) == "../net.cnn"
    assert relative("./b/../net.cnn") == "net.cnn"
    (tmp_path / "link").symlink_to(tmp_path / "a", target_is_directory=True)
    assert relative(str(tmp_path / "link" / "net.cnn"), str(tmp_path / "link" / "b")) == "../net.cnn"
    assert relative("net.cnn", str(tmp_path / "link")) == "net.cnn"
    assert [relative(name, str(tmp_path)) for name in ("<stdin>", "zoo:vgg16")] == ["<stdin>", "zoo:vgg16"]


def test_findings_of_the_library_have_every_form() -> None:
    found = list(cnndsl.lint("input 3x32x32\nCONV3-64(group=2) - RELUU"))
    assert [finding.code for finding in found] == ["CNN011", "CNN010"]
    for form in FORMS:
        assert all(finding.code in render(form, found) for finding in found)
