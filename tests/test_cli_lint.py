"""`cnndsl lint` on projects: configuration, selection, exit codes, forms, baseline, fixes, and files that are in the way."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from cnndsl.cli import main

CLEAN = "input 3x3x3\nCONV3-8(bias=false) - BN - RELU - GAP - FC-10\n"
WARNS = "input 3x3x3\nCONV3-8 - BN - RELU - GAP - FC-10\n"
"""CNN301, with a safe fix."""
WRONG = "input 3x3x3\nCONV3-8 - RELUU\n"
MENDED = "input 3x3x3\nCONV3-8(bias=false) - BN - RELU - GAP - FC-10\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def lint(capsys: pytest.CaptureFixture[str]) -> object:
    def run(line: str = "") -> tuple[int, list[str], str]:
        """The exit code, what is printed line by line, and what is said on standard error."""
        code = main(["lint", *line.split()])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run


def found(lines: list[str]) -> list[str]:
    """`file:line:column code` of concise findings."""
    return [f"{line.split(': ')[0]} {line.split(': ')[1].split()[1]}" for line in lines if line != "no findings"]


# -- what is linted --------------------------------------------------------------------------------------------------


def test_the_current_folder_is_the_default(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"b/wrong.cnn": WRONG, "a/warns.cnn": WARNS, "clean.cnn": CLEAN})
    code, lines, err = lint("--format concise --ignore CNN135")
    assert (code, found(lines), err) == (1, ["a/warns.cnn:2:1 CNN301", "b/wrong.cnn:2:11 CNN010"], "")
    assert lint("clean.cnn") == (0, ["no findings"], "")
    assert lint("clean.cnn a --ignore CNN3") == (0, ["no findings in 2 specs"], "")


def test_the_order_is_of_the_paths(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {f"{name}.cnn": WRONG for name in ("b", "a", "d/a", "c")})
    wanted = ["a.cnn", "b.cnn", "c.cnn", "d/a.cnn"]
    for line in (
        ".",
        "d c.cnn ./b.cnn a.cnn",
        "c.cnn *.cnn d/*.cnn ./d/../d/a.cnn",
        ". --jobs 2 --no-cache",
        "--jobs 1",
    ):
        _, lines, _ = lint(f"{line} --format concise")
        assert [os.path.normpath(one.split(":")[0]) for one in lines] == wanted, line


def test_an_empty_folder_and_a_pattern_without_files(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a/notes.txt": "", "warns.cnn": WARNS})
    code, lines, err = lint("a")
    assert (code, lines) == (2, [])
    assert err.startswith("cnndsl: there are no specs in a: ")
    code, lines, err = lint("a x*.cnn none.cnn warns.cnn --format concise --select CNN301")
    assert (code, found(lines)) == (2, ["warns.cnn:2:1 CNN301"])
    assert err.splitlines() == [
        "cnndsl: there are no specs in a: no file ends in .cnn, or all are ignored",
        "cnndsl: no spec fits x*.cnn",
        "cnndsl: none.cnn does not exist",
    ]


def test_what_is_ignored_and_excluded_is_linted_when_it_is_named(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(
        project,
        {".gitignore": "a.cnn", "cnndsl.toml": 'exclude = ["b.cnn"]', "a.cnn": WRONG, "b.cnn": WRONG, "c.cnn": CLEAN},
    )
    assert lint("")[:2] == (0, ["no findings"])
    assert found(lint("a.cnn b.cnn . --format concise")[1]) == ["a.cnn:2:11 CNN010", "b.cnn:2:11 CNN010"]


def test_a_file_that_cannot_be_read_does_not_hide_the_others(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS, "c.cnn": WARNS})
    (project / "b.cnn").write_bytes(b"CONV\xff")
    (project / "big.cnn").write_bytes(b"#" * 300_000)
    os.mkfifo(project / "pipe.cnn")
    code, lines, err = lint("a.cnn b.cnn big.cnn c.cnn pipe.cnn --format concise --select CNN301")
    assert code == 2
    assert found(lines) == ["a.cnn:2:1 CNN301", "b.cnn:1:5 CNN004", "big.cnn:1:1 CNN003", "c.cnn:2:1 CNN301"]
    assert err.startswith("cnndsl: pipe.cnn is not a regular file")


def test_files_and_other_forms_together(project: Path, lint, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    code, lines, _ = lint("RELUU-FC-3 - a.cnn zoo:lenet5 --input 3x3x3 --format concise --select CNN301")
    assert code == 1
    assert [one.split(":")[0] for one in lines[:3]] == ["a.cnn", "<spec>", "<stdin>"]


# -- configuration ---------------------------------------------------------------------------------------------------


def test_what_specs_find_in_a_file_that_they_use_is_told_once_and_there(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    blocks = "def Unit(w) =\n  CONV3-w - BN - RELU\ndef Other(w) = CONV3-w - BN  # cnn: ignore[CNN301]\n"
    net = 'use "blocks/unit.cnn"\ninput 3x9x9\nUnit({0}) - Unit({0}) - Other(4) - GAP - FC-10\n'
    other = net.replace("blocks/", "../blocks/")
    write(
        project, {"blocks/unit.cnn": blocks, "a.cnn": net.format(8), "sub/b.cnn": other.format(16), "cnndsl.toml": ""}
    )
    there = (1, ["blocks/unit.cnn:2:3 CNN301"])
    for options in ("", ".", "a.cnn", "a.cnn sub/b.cnn", "--fix"):
        code, lines, _ = lint(f"{options} --format concise --select CNN301")
        assert (code, found(lines)) == there, options
    assert (project / "blocks" / "unit.cnn").read_text() == blocks
    (project / "cnndsl.toml").write_text('[per-file-ignores]\n"blocks/*" = ["CNN301"]\n')
    assert lint("--select CNN301")[0] == lint("sub/b.cnn --select CNN301")[0] == 0
    (project / "cnndsl.toml").write_text('[per-file-ignores]\n"*.cnn" = []\n"sub/*" = ["CNN301"]\n')
    assert (lint("sub/b.cnn --select CNN301 --format concise")[0], lint("a.cnn --select CNN301")[0]) == (0, 1)


def test_an_error_in_a_file_that_is_used_is_told_once(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    net = 'use "unit.cnn"\ninput 3x9x9\nUnit(8) - GAP - FC-10\n'
    write(project, {"unit.cnn": "def Unit(w) = CONV3-w - RELUU\n", "a.cnn": net, "b.cnn": net})
    code, lines, _ = lint("--format concise")
    assert (code, [line for line in found(lines) if "CNN135" not in line]) == (1, ["unit.cnn:1:25 CNN010"])


def test_each_file_has_its_configuration(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(
        project,
        {
            "pyproject.toml": '[tool.cnndsl]\nselect = ["CNN301"]\nper-file-ignores = {"old" = ["bias-before-norm"]}\n',
            "a.cnn": WARNS,
            "old/b.cnn": WARNS,
            "strict/cnndsl.toml": 'select = ["CNN301"]\nfail-level = "error"\n',
            "strict/c.cnn": WARNS,
        },
    )
    code, lines, _ = lint("--format concise")
    assert (code, found(lines)) == (1, ["a.cnn:2:1 CNN301", "strict/c.cnn:2:1 CNN301"])
    assert lint("strict --format concise")[0] == 0, "shown, and no failure"
    assert lint("strict --fail-level warning")[0] == 1
    assert lint("old")[0] == 0
    assert "old/b.cnn:2:1 CNN301" in found(lint("old --isolated --format concise")[1])
    assert lint("a.cnn --config strict/cnndsl.toml")[0] == 0


def test_a_bad_configuration_is_told_once_and_leaves_the_others(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"bad/cnndsl.toml": 'selct = []\nopset = "x"\n', "a.cnn": WARNS})
    write(project, {f"bad/{name}.cnn": WARNS for name in "xyz"} | {"bad/in/q.cnn": WARNS})
    code, lines, err = lint("--format concise --select CNN301")
    assert (code, found(lines)) == (2, ["a.cnn:2:1 CNN301"])
    said = err.splitlines()
    assert [one.partition("cnndsl.toml: ")[2].split(":")[0] for one in said] == ["selct", "opset"]
    assert lint("--config bad/cnndsl.toml")[:2] == (2, [])
    code, lines, err = lint("--config none.toml")
    assert (code, lines, err) == (2, [], "cnndsl: none.toml: No such file or directory\n")


@pytest.mark.parametrize(
    ("configured", "options", "on"),
    [
        ("", "", True),
        ("", "--ignore CNN301", False),
        ("", "--ignore CNN2,cnn3", False),
        ("", "--ignore bias-before-norm", False),
        ("", "--select CNN1", False),
        ("", "--select CNN1 --select CNN301,CNN2", True),
        ("", "--select CNN1 --extend-select CNN3", True),
        ("", "--ignore CNN3 --extend-select CNN301", True),
        ("", "--select CNN301 --ignore CNN3", True),
        ('ignore = ["CNN301"]', "", False),
        ('ignore = ["CNN301"]', "--extend-select CNN3", True),
        ('ignore = ["CNN301"]', "--select CNN3", True),
        ('select = ["CNN301"]', "--ignore CNN3", False),
        ('select = ["CNN1"]', "--extend-select CNN301", True),
        ('select = ["CNN1"]\nextend-select = ["CNN3"]', "--ignore CNN1", True),
        ('per-file-ignores = {"*.cnn" = ["CNN3"]}', "--select CNN301", False),
    ],
)
def test_selection(configured: str, options: str, on: bool, project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"cnndsl.toml": configured, "a.cnn": WARNS})
    assert ("a.cnn:2:1 CNN301" in found(lint(f"--format concise {options}")[1])) is on


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--select CNN999", "--select: there is no rule 'CNN999'"),
        ("--ignore bias-before-nrm", "--ignore: there is no rule 'bias-before-nrm'; did you mean bias-before-norm?"),
        ("--budget params", "--budget params: write METRIC=N, as in params=25M"),
        ("--budget parms=3", "--budget 'parms': there is no such budget; did you mean params?"),
        ("--budget params=many", "--budget params: expected a number"),
        ("--opset 3", "expected an ONNX opset"),
        ("--jobs 0", "--jobs must be at least 1"),
        ("--fail-level never", "invalid choice"),
        ("--format xml", "invalid choice"),
    ],
)
def test_bad_options(options: str, said: str, project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS})
    code, lines, err = lint(options)
    assert (code, lines) == (2, [])
    assert said in err


def test_budgets(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"cnndsl.toml": 'budgets = {params = "1K", macs = 1}', "a.cnn": CLEAN})
    assert found(lint("--format concise --select CNN202")[1]) == ["a.cnn:2:1 CNN202"] or len(lint("--select CNN202")[1])
    assert lint("--select CNN202 --budget macs=1M --budget params=1M")[0] == 0
    assert lint("--select CNN202 --budget macs=1M --budget params=10")[0] == 1


@pytest.mark.parametrize(
    ("text", "level", "code"),
    [(CLEAN, "info", 0), (WARNS, "error", 0), (WARNS, "warning", 1), (WARNS, "info", 1), (WRONG, "error", 1)],
)
def test_the_level_decides_the_exit_code_and_not_what_is_shown(
    text: str,
    level: str,
    code: int,
    project: Path,
    lint,  # type: ignore[no-untyped-def]
) -> None:
    write(project, {"a.cnn": text})
    ended, lines, _ = lint(f"a.cnn --fail-level {level} --format concise --select CNN301")
    assert ended == code
    assert (lines != ["no findings"]) is (text is not CLEAN)


# -- forms -----------------------------------------------------------------------------------------------------------


def test_the_text_is_printed_beside_githubs_form(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS})
    code, lines, err = lint("--format github --select CNN301")
    assert code == 1
    assert all(line.startswith("::warning ") for line in lines)
    assert err.startswith("a.cnn:2:1: warning CNN301")


@pytest.mark.parametrize("form", ["full", "concise", "json", "github", "gitlab", "junit", "sarif"])
def test_a_report_goes_to_a_file_and_the_text_is_printed(form: str, project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS, "b.cnn": CLEAN})
    code, lines, err = lint(f"--format {form} -o report.out --select CNN301")
    assert (code, err) == (1, "")
    assert lines[0].startswith("a.cnn:2:1: warning CNN301")
    content = (project / "report.out").read_text()
    assert "CNN301" in content
    if form in ("json", "gitlab", "sarif"):
        assert json.loads(content)
    assert lint("b.cnn --select CNN301 -o b.cnn")[0] == 2, "what is read is not written over"
    assert (project / "b.cnn").read_text() == CLEAN


@pytest.mark.parametrize("form", ["json", "gitlab", "junit", "sarif"])
def test_forms_for_programs_are_whole_without_findings(form: str, project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": CLEAN})
    code, lines, _ = lint(f"--format {form} --select CNN301")
    assert code == 0
    assert "".join(lines).strip()


def test_statistics(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS, "b.cnn": WARNS, "c.cnn": WRONG})
    code, lines, _ = lint("--statistics --select CNN301")
    assert (code, lines) == (1, ["      2  CNN301  bias-before-norm", "      1  CNN010  unknown-layer"])


# -- baseline --------------------------------------------------------------------------------------------------------


def test_a_baseline(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(
        project,
        {"nets/a.cnn": WARNS, "nets/b.cnn": CLEAN, "cnndsl.toml": 'baseline = "known.json"\nselect = ["CNN301"]'},
    )
    code, lines, err = lint("nets")
    assert code == 2, "it is not there yet"
    assert "does not exist" in err
    assert lines[0].startswith("nets/a.cnn:2:1: warning CNN301"), "and the findings are shown"
    assert lint("nets --write-baseline known.json")[:2] == (0, ["1 finding written to known.json"])
    code, lines, err = lint("nets")
    assert (code, lines, err) == (0, ["no findings in 2 specs"], "1 finding is known to the baseline known.json\n")
    write(project, {"nets/a.cnn": "# moved\n\n\n" + WARNS, "nets/b.cnn": WARNS})
    assert found(lint("nets --format concise")[1]) == ["nets/b.cnn:2:1 CNN301"]
    write(project, {"nets/a.cnn": CLEAN, "nets/b.cnn": CLEAN})
    code, _, err = lint("nets")
    assert code == 0
    assert "not there any more" in err
    write(project, {"known.json": '{"version": 99, "findings": []}', "nets/b.cnn": WARNS})
    code, lines, err = lint("nets --format concise")
    assert (code, found(lines)) == (2, ["nets/b.cnn:2:1 CNN301"])
    assert "version 99" in err
    assert lint("nets --baseline none.json --format concise")[0] == 2


# -- fixes -----------------------------------------------------------------------------------------------------------


def test_fix_writes_and_fixing_twice_changes_nothing(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS, "b.cnn": CLEAN, "c.cnn": WRONG, "other.cnn": WARNS})
    (project / "crlf.cnn").write_bytes(b"\xef\xbb\xbf" + WARNS.replace("\n", "\r\n").encode())
    files = "a.cnn b.cnn c.cnn crlf.cnn --select CNN301 --format concise"
    code, lines, err = lint(f"{files} --diff")
    assert code == 1
    assert (project / "a.cnn").read_text() == WARNS
    assert "+CONV3-8(bias=false) - BN - RELU - GAP - FC-10" in lines
    assert err == "would mend 2 findings in 2 specs\n"
    code, lines, err = lint(f"{files} --fix")
    assert (code, found(lines)) == (1, ["c.cnn:2:11 CNN010"])
    assert err == "mended 2 findings in 2 specs\n"
    assert (project / "a.cnn").read_text() == MENDED
    assert (project / "crlf.cnn").read_bytes() == b"\xef\xbb\xbf" + MENDED.replace("\n", "\r\n").encode()
    assert (project / "other.cnn").read_text() == WARNS, "it was not named"
    assert lint(f"{files} --fix")[2] == ""
    assert lint("a.cnn --diff --select CNN301") == (0, [], "")


def test_fix_of_a_text_prints_it(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for text, wanted in ((WARNS, MENDED), (CLEAN, CLEAN)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert main(["lint", "-", "--fix", "--select", "CNN301"]) == 0
        assert capsys.readouterr().out == wanted
    assert main(["lint", "CONV3-8-BN-RELUU", "--fix", "--input", "3x3x3"]) == 1
    out, err = capsys.readouterr()
    assert out == "CONV3-8-BN-RELUU"
    assert "CNN010" in err


def test_unsafe_fixes_are_asked_for(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    text = "input 3x3x3\nCONV3-8(bias=false) - BN - RELU - GAP - FC-classes - RELU\nparam classes = 10\n"
    write(project, {"a.cnn": text})
    assert lint("a.cnn --select CNN308 --fix --fail-level info")[0] == 1
    assert (project / "a.cnn").read_text() == text
    assert lint("a.cnn --select CNN308 --unsafe-fixes --fail-level info")[0] == 0
    assert (project / "a.cnn").read_text() != text


def test_a_file_that_cannot_be_written_stays(project: Path, lint, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS, "b.cnn": WARNS})

    def refuse(target: Path, content: bytes) -> None:
        if Path(target).name == "a.cnn":
            raise OSError(28, "No space left on device", str(target))
        Path(target).write_bytes(content)

    monkeypatch.setattr("cnndsl.cli.mending.write_bytes", refuse)
    code, lines, err = lint("--fix --select CNN301 --format concise --no-cache")
    assert (code, found(lines)) == (2, ["a.cnn:2:1 CNN301"])
    assert "No space left on device" in err
    assert [(project / name).read_text() for name in ("a.cnn", "b.cnn")] == [WARNS, MENDED]


# -- the cache -------------------------------------------------------------------------------------------------------


def test_where_the_cache_is(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"cnndsl.toml": "", "in/a.cnn": CLEAN, "in/b.cnn": CLEAN})
    lint("in/a.cnn")
    assert not (project / ".cnndsl_cache").exists(), "one spec is linted faster than a cache is written"
    lint("in --no-cache")
    assert not (project / ".cnndsl_cache").exists()
    lint("in --cache-dir elsewhere")
    assert not (project / ".cnndsl_cache").exists()
    assert (project / "elsewhere" / ".gitignore").exists()
    os.chdir(project / "in")
    lint("")
    assert not (project / "in" / ".cnndsl_cache").exists()
    assert (project / ".cnndsl_cache" / ".gitignore").exists()


def test_a_broken_cache_is_told_of_and_everything_is_linted(project: Path, lint) -> None:  # type: ignore[no-untyped-def]
    write(project, {"a.cnn": WARNS, "b.cnn": WARNS})
    first = lint("--select CNN301")
    (path,) = (project / ".cnndsl_cache").glob("lint-*")
    path.write_text("nonsense")
    code, lines, err = lint("--select CNN301")
    assert (code, lines) == (2, first[1])
    assert "is damaged" in err
    assert lint("--select CNN301") == first
    (project / "file").write_text("")
    code, lines, err = lint("--select CNN301 --cache-dir file")
    assert (code, lines) == (2, first[1])
    assert "file" in err
