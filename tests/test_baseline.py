"""Baselines: what is known stays known when lines move; what is new fails; what is gone is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl import baseline
from cnndsl.baseline import Comparison, Entry, UnusableBaseline, compare, read, remarks, write
from cnndsl.diagnostics import Diagnostic, Severity
from cnndsl.source import Source, Span

LAYERS = ("CONV3-8", "CONV3-16", "POOL2", "FC-10")


def findings(path: str | Path, text: str) -> list[Diagnostic]:
    """A finding at each convolution, a warning."""
    source = Source(str(path), text)
    spans = [Span(source, found.start(), found.end()) for found in re.finditer(r"CONV\S+", text)]
    return [Diagnostic("CNN301", Severity.WARNING, f"at {span.line}", span) for span in spans]


def known(folder: Path, text: str, changed: str) -> Comparison:
    """What a baseline of a text says of another."""
    write(folder / "baseline.json", findings(folder / "net.cnn", text))
    return compare(findings(folder / "net.cnn", changed), read(folder / "baseline.json"), [str(folder / "net.cnn")])


def test_moved_lines_are_known(tmp_path: Path) -> None:
    text = "input 3x8x8\nnet N = CONV3-8 - RELU\n  - CONV3-16\n"
    found = known(tmp_path, text, "# moved\n\n" + text.replace("3x8x8", "3x9x9"))
    assert (found.new, found.known, found.stale) == ((), 2, ())


def test_a_new_finding_is_new_and_a_gone_one_stale(tmp_path: Path) -> None:
    found = known(tmp_path, "CONV3-8 - RELU - CONV3-16", "CONV3-8 - RELU - CONV3-32")
    assert [finding.span and finding.span.text for finding in found.new] == ["CONV3-32"]
    assert [(entry.path, entry.code, entry.text) for entry in found.stale] == [("net.cnn", "CNN301", "CONV3-16")]


@given(st.lists(st.sampled_from(LAYERS)), st.lists(st.sampled_from(LAYERS)))
def test_alike_findings_are_counted(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    """New and stale are the differences of the two multisets, as `collections.Counter` has them."""
    from collections import Counter

    folder = tmp_path_factory.getbasetemp()
    found = known(folder, " - ".join(before), " - ".join(after))
    was, now = (Counter(layer for layer in layers if "CONV" in layer) for layers in (before, after))
    assert Counter(finding.span.text for finding in found.new if finding.span) == now - was
    assert Counter({entry.text: entry.count for entry in found.stale}) == was - now
    assert found.known == (was & now).total()


def test_the_later_of_alike_findings_are_the_new_ones_in_the_order_given(tmp_path: Path) -> None:
    found = known(tmp_path, "CONV3-8", "CONV3-8 - CONV3-8 - CONV3-8")
    assert [finding.span and finding.span.start for finding in found.new] == [10, 20]


def test_the_file_is_sorted_one_entry_a_line_without_line_numbers(tmp_path: Path) -> None:
    found = findings(tmp_path / "b.cnn", "\n\nnet N = CONV3-8 - CONV3-8") + findings(
        tmp_path / "sub" / "a.cnn", "CONV3-4"
    )
    write(tmp_path / "one.json", found)
    write(tmp_path / "two.json", found[::-1])
    text = (tmp_path / "one.json").read_text()
    assert text == (tmp_path / "two.json").read_text()
    assert text.splitlines()[:3] == ["{", f'  "version": {baseline.VERSION},', '  "findings": [']
    entries = json.loads(text)["findings"]
    assert [(e["path"], e["count"], e["in"], e["text"]) for e in entries] == [
        ("b.cnn", 2, "N", "CONV3-8"), ("sub/a.cnn", 1, "", "CONV3-4"),
    ]  # fmt: skip
    assert len(text.splitlines()) == 2 + 1 + len(entries) + 2
    assert set(entries[0]) == {"path", "code", "id", "count", "in", "text"}


def test_none_at_all(tmp_path: Path) -> None:
    write(tmp_path / "empty.json", [])
    assert read(tmp_path / "empty.json").entries == ()
    assert json.loads((tmp_path / "empty.json").read_text()) == {"version": 1, "findings": []}


def test_paths_are_relative_to_the_baseline_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)
    write("baseline.json", findings("specs/net.cnn", "CONV3-8"))
    monkeypatch.chdir(tmp_path / "specs")
    assert compare(findings("net.cnn", "CONV3-8"), read("../baseline.json"), ["net.cnn"]).new == ()


def test_only_what_was_up_for_decision_is_stale(tmp_path: Path) -> None:
    """Not the entries of files that were not linted, nor of rules that were off; those of files that are gone."""
    for name in ("a.cnn", "b.cnn", "gone.cnn"):
        (tmp_path / name).write_text("CONV3-8")
    write(tmp_path / "all.json", [f for n in ("a.cnn", "b.cnn", "gone.cnn") for f in findings(tmp_path / n, "CONV3-8")])
    (tmp_path / "gone.cnn").unlink()
    saved = read(tmp_path / "all.json")
    assert [entry.path for entry in compare([], saved, [str(tmp_path / "a.cnn")]).stale] == ["a.cnn", "gone.cnn"]
    off = compare([], saved, [str(tmp_path / "a.cnn")], lambda code, path: path != "a.cnn")
    assert [entry.path for entry in off.stale] == ["gone.cnn"]


def test_a_finding_without_a_place(tmp_path: Path) -> None:
    finding = Diagnostic("CNN015", Severity.ERROR, "nothing to set named depth", None)
    for files in ([], [str(tmp_path / "net.cnn")], ["a.cnn", "b.cnn"]):
        write(tmp_path / "some.json", [finding], files)
        assert compare([finding], read(tmp_path / "some.json"), files).new == ()


def test_remarks_say_what_is_stale_and_what_to_do(tmp_path: Path) -> None:
    found = known(tmp_path, "net N = CONV3-8 - CONV3-8 - CONV3-4", "net N = CONV3-4")
    assert remarks(found, "known.json") == (
        "1 finding is known to the baseline known.json",
        "2 findings are of the baseline known.json and not there any more; write it anew with --write-baseline:",
        "  net.cnn: CNN301 CONV3-8 in N (2 times)",
    )
    many = Comparison((), 0, tuple(Entry("a.cnn", "CNN301", str(i)) for i in range(30)))
    assert remarks(many, "known.json")[-1] == "  and 20 more"
    assert remarks(Comparison((), 0, ()), "known.json") == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"{}", "is not a baseline"),
        (b"[]", "is not a baseline"),
        (b'{"findings": []}', "is not a baseline"),
        (b'{"version": 2, "findings": []}', "is of version 2, and this is for version 1"),
        (b'{"version": true, "findings": []}', "is of version True"),
        (b'{"version": 1, "findings": [3]}', "an entry that is none: 3"),
        (
            b'{"version": 1, "findings": [{"path": "a", "code": "CNN301", "id": "b", "count": 0}]}',
            "an entry that is none",
        ),
        (b'{"version": 1, "findings": [{"path": 1, "code": "CNN301", "id": "b"}]}', "an entry that is none"),
    ],
)
def test_what_is_no_baseline_is_refused_with_what_to_do(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    with pytest.raises(UnusableBaseline, match=re.escape(said)) as refused:
        read(tmp_path / "broken.json")
    assert "broken.json" in str(refused.value)
    assert "--write-baseline" in str(refused.value)


def test_a_baseline_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnusableBaseline, match="does not exist"):
        read(tmp_path / "none.json")
    with pytest.raises(UnusableBaseline, match="cannot be read"):
        read(tmp_path)
