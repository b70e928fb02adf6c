"""Which files are linted, against git's own answer; the cache; work divided among processes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnndsl.batch import CACHE, Asked, Caches, Outcome, Task, found_in, lint_files
from cnndsl.cache import Cache, Damaged, Places, code_digest, decoded, encoded
from cnndsl.compiler import compile_text, dimensions, read_spec
from cnndsl.configuration import Configuration, Configurations
from cnndsl.diagnostics import Diagnostic, Edit, Fix, Note, Severity
from cnndsl.lint import Options, Selection
from cnndsl.processes import Ended, cores, divide
from cnndsl.source import Source, Span
from cnndsl.workspace import specs

CLEAN = "input 3x8x8\nCONV3-8(bias=false) - BN - RELU - GAP - FC-10\n"
WRONG = "input 3x8x8\nCONV3-8 - RELUU\n"
WARNS = "input 1x10x10\nCONV3-4(pad=0) - POOL3/2 - GAP - FC-3\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(argument: str) -> list[str] | None:
    problems: list[str] = []
    found = specs(argument, Configurations(), problems)
    assert not problems
    return None if found is None else [one.name for one in found]


def test_a_folder_that_cannot_be_read_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {"a.cnn": CLEAN, "kept/b.cnn": CLEAN, "shut/c.cnn": CLEAN})
    scan = os.scandir

    def scandir(folder: str) -> Any:
        if Path(folder).name == "shut":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    problems: list[str] = []
    found = specs(".", Configurations(), problems)
    assert [one.name for one in found or ()] == ["a.cnn", "kept/b.cnn"]
    assert problems == ["shut cannot be read: Permission denied"]


# -- which files -----------------------------------------------------------------------------------------------------

TREE = dict.fromkeys(
    ["b.cnn", "a.cnn", "a/x.cnn", "a/b/y.cnn", "a-b.cnn", "notes.txt", "a/old/z.cnn", ".hidden/h.cnn", "venv/v.cnn",
     "node_modules/n.cnn", "a/.#x.cnn", "env/pyvenv.cfg", "env/e.cnn", "a/CASE.CNN"], CLEAN
)  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "wanted"),
    [
        (".", "a-b.cnn a.cnn a/b/y.cnn a/old/z.cnn a/x.cnn b.cnn"),
        ("a", "a/b/y.cnn a/old/z.cnn a/x.cnn"),
        ("a/", "a/b/y.cnn a/old/z.cnn a/x.cnn"),
        ("./a/../a", "a/b/y.cnn a/old/z.cnn a/x.cnn"),
        ("*.cnn", "a-b.cnn a.cnn b.cnn"),
        ("*", "a-b.cnn a.cnn a/b/y.cnn a/old/z.cnn a/x.cnn b.cnn"),
        ("**/*.cnn", "a-b.cnn a.cnn a/b/y.cnn a/old/z.cnn a/x.cnn b.cnn"),
        ("**/o*", "a/old/z.cnn"),
        ("a/*.cnn", "a/x.cnn"),
        ("a/*", "a/b/y.cnn a/old/z.cnn a/x.cnn"),
        ("a/**/y.cnn", "a/b/y.cnn"),
        ("a/**", "a/b/y.cnn a/old/z.cnn a/x.cnn"),
        ("[ab].cnn", "a.cnn b.cnn"),
        ("[!a].cnn", "b.cnn"),
        ("?.cnn", "a.cnn b.cnn"),
        ("none/*.cnn", ""),
        ("x*.cnn", ""),
        ("a.cnn", None),
        ("none.cnn", None),
        ("CONV3-8/2*3 - RELU", None),
        ("[(CONV-RELU)*N-POOL]*M-(FC-RELU)*K,SOFTMAX", None),
        ("down: POOL?", None),
        ("x\0*.cnn", None),
        ("*" * 5000, None),
    ],
)
def test_what_an_argument_means(argument: str, wanted: str | None, project: Path) -> None:
    write(project, TREE)
    assert names(argument) == (None if wanted is None else wanted.split())


def test_a_pattern_in_a_files_name_is_a_name(project: Path) -> None:
    write(project, {"a[1].cnn": CLEAN, "a1.cnn": CLEAN})
    assert names("a[1].cnn") is None
    assert names("a?.cnn") == ["a1.cnn"]


def test_exclude_is_for_folders_alone(project: Path) -> None:
    write(
        project,
        TREE | {"cnndsl.toml": 'exclude = ["old", "a-*.cnn", "a/b/*"]', "a/c/cnndsl.toml": "", "a/c/old/q.cnn": ""},
    )
    assert names(".") == ["a.cnn", "a/c/old/q.cnn", "a/x.cnn", "b.cnn"]
    assert names("a/old") == []
    assert names("a/old/z.cnn") is None


def test_links_are_not_followed_into_folders(project: Path) -> None:
    write(project, {"a/x.cnn": CLEAN})
    (project / "a" / "loop").symlink_to(project, target_is_directory=True)
    (project / "a" / "y.cnn").symlink_to(project / "a" / "x.cnn")
    (project / "a" / "broken.cnn").symlink_to(project / "nowhere")
    os.mkfifo(project / "a" / "pipe.cnn")
    assert names(".") == ["a/x.cnn", "a/y.cnn"]


# -- what git ignores ------------------------------------------------------------------------------------------------

PARTS = st.sampled_from(["a", "b", "old", "x.cnn", "y.cnn", "z.cnn"])
PATHS = st.lists(st.sampled_from(["a", "b", "old"]), max_size=3).flatmap(
    lambda folders: st.sampled_from(["x.cnn", "y.cnn", "z.cnn"]).map(lambda name: "/".join([*folders, name]))
)
LINES = st.one_of(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "!", "/", "!/", "**/", "a/", "/a/"]),
        st.sampled_from(
            [
                "*",
                "a",
                "b",
                "old",
                "x.cnn",
                "*.cnn",
                "?.cnn",
                "[xy].cnn",
                "a/b",
                "a/**",
                "*/x.cnn",
                "**",
                "a/**/x.cnn",
                "[!x].cnn",
                "[a-y].cnn",
                "[[:alpha:]]",
                "\\x.cnn",
                "***",
                "a**",
                "[]x].cnn",
                "[x",
                "a?b",
                "a[/]b",
                "[^a]",
            ]
        ),
        st.sampled_from(["", "/", "/*", "/**", "/**/y.cnn"]),
        st.sampled_from(["", "", " ", "\t"]),
    ),
    st.sampled_from(["", "# x.cnn", "\\#a", "!", "\\", "a\\", "[", "\\!x.cnn", "x.cnn\r", "é*", "x.cnn\\ "]),
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge here")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    files=st.lists(PATHS, min_size=1, max_size=12),
    ignores=st.dictionaries(st.sampled_from([".", "a", "a/b", "old"]), st.lists(LINES, max_size=4), max_size=3),
    below=st.sampled_from([".", "a", "a/b"]),
)
def test_git_is_obeyed(
    files: list[str], ignores: dict[str, list[str]], below: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for entry in repository.iterdir():
        if entry.name != ".git":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    write(repository, dict.fromkeys([*files, f"{below}/q.cnn"], ""))
    for folder, lines in ignores.items():
        write(repository, {f"{folder}/.gitignore": "\n".join(lines) + "\n"})
    monkeypatch.chdir(repository)
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard", "--", f"{below}/"],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    wanted = sorted(name for name in listed.stdout.split("\0") if name.endswith(".cnn"))
    ignored = subprocess.run(["git", "check-ignore", "-q", below], check=False, env=environment).returncode == 0
    found = sorted(names(below) or [])
    if below == "." or not ignored:
        assert found == wanted
    else:
        assert f"{below}/q.cnn" in found or ignores.get(below), "a folder that was asked for is searched"


def test_git_ends_at_its_root_and_counts_from_there(project: Path) -> None:
    write(project, {".gitignore": "x.cnn\n", "repo/x.cnn": CLEAN, "repo/y.cnn": CLEAN, "repo/sub/y.cnn": CLEAN})
    assert names("repo") == ["repo/sub/y.cnn", "repo/x.cnn", "repo/y.cnn"], "no repository: nothing above counts"
    assert names(".") == ["repo/sub/y.cnn", "repo/y.cnn"], "what is searched counts"
    write(project, {"repo/.git/info/exclude": "/y.cnn\n", "repo/.gitignore": "sub\n!sub\n"})
    assert names("repo") == ["repo/sub/y.cnn", "repo/x.cnn"]
    assert names("repo/sub") == ["repo/sub/y.cnn"]
    write(project, {"repo/.gitignore": "sub\n"})
    assert names("repo") == ["repo/x.cnn"]
    assert names("repo/sub") == ["repo/sub/y.cnn"], "it was asked for"


# -- the cache -------------------------------------------------------------------------------------------------------


def task(path: str, configuration: Configuration | None = None) -> Task:
    return Task(path, Path(path), configuration or Configuration(Path.cwd(), selection=Selection(("CNN130",))))


def linted(*tasks: Task, asked: Asked | None = None, jobs: int = 1, folder: Path | None = None) -> list[Outcome]:
    caches = Caches(folder)
    outcomes = lint_files(tasks, asked or Asked(), caches, jobs)
    assert caches.close() == []
    return outcomes


def codes(outcomes: list[Outcome]) -> list[list[str]]:
    return [[finding.code for finding in outcome.findings] for outcome in outcomes]


def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the specs that are compiled from here on."""
    seen: list[str] = []

    def watch(text: Any, *rest: Any, **named: Any) -> Any:
        seen.append(text.source.name)
        return compile_text(text, *rest, **named)

    monkeypatch.setattr("cnndsl.batch.compile_text", watch)
    return seen


def test_what_is_known_is_not_compiled(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {"a.cnn": CLEAN, "b.cnn": WRONG, "c.cnn": WARNS})
    seen = compiled(monkeypatch)
    tasks = [task(name) for name in ("a.cnn", "b.cnn", "c.cnn")]
    first = linted(*tasks)
    assert seen == ["a.cnn", "b.cnn", "c.cnn"]
    assert (project / CACHE / ".gitignore").read_text() == "*\n"
    assert plain(linted(*tasks)) == plain(first)
    assert seen == ["a.cnn", "b.cnn", "c.cnn"]
    write(project, {"b.cnn": CLEAN})
    assert codes(linted(*tasks))[1] == []
    write(project, {"b.cnn": WRONG})
    assert codes(linted(*tasks))[1] == ["CNN010"]
    assert seen[3:] == ["b.cnn"]
    shutil.rmtree(project / CACHE)
    assert codes(linted(*tasks)) == codes(first)
    assert seen[4:] == ["a.cnn", "b.cnn", "c.cnn"]


def shown(outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes with findings that compare: a span's source by its name and text."""
    return [one.replace(findings=tuple(map(_shown, one.findings))) for one in outcomes]


def _shown(finding: Diagnostic) -> Any:
    def plain(value: Any) -> Any:
        if isinstance(value, Span):
            return value.source.name, value.source.text, value.start, value.end
        if isinstance(value, Note | Edit | Fix):
            return tuple(plain(getattr(value, name)) for name in value.fields)
        return tuple(map(plain, value)) if isinstance(value, tuple) else value

    return tuple(plain(getattr(finding, name)) for name in Diagnostic.fields)


@pytest.mark.parametrize(
    "change",
    [
        {"asked": Asked({"classes": 3})},
        {"asked": Asked({}, dimensions("3x9x9"))},
        {"asked": Asked(limits=Asked().limits.replace(max_layers=50))},
        {"configuration": {"selection": Selection(("CNN1",))}},
        {"configuration": {"selection": Selection(per_file={"a.cnn": ("CNN3",)})}},
        {"configuration": {"options": Options({"params": 3})}},
        {"configuration": {"options": Options(opset=17)}},
    ],
)
def test_what_findings_depend_on_is_in_the_key(
    change: dict[str, Any], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, {"a.cnn": CLEAN})
    linted(task("a.cnn"))
    seen = compiled(monkeypatch)
    linted(task("a.cnn"))
    assert seen == []
    configuration = Configuration(project).replace(**change.get("configuration", {}))
    linted(task("a.cnn", configuration), asked=change.get("asked"))
    assert seen == ["a.cnn"]


USER = 'use "../blocks/block.cnn"\ninput 8x8x8\nBlock - GAP - FC-10\n'


def test_a_used_file_is_part_of_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        project,
        {
            "cnndsl.toml": "",
            "nets/a.cnn": USER,
            "blocks/block.cnn": 'use "inner.cnn"\ndef Block = Inner - RELU\n',
            "blocks/inner.cnn": "def Inner = CONV3-8(bias=false) - BN\n",
        },
    )
    seen = compiled(monkeypatch)
    one = task("nets/a.cnn")
    assert codes(linted(one)) == codes(linted(one)) == [[]]
    assert len(seen) == 1
    write(project, {"blocks/inner.cnn": "def Inner = CONV3-8(groups=3)\n"})
    assert codes(linted(one)) == [["CNN103"]]
    assert codes(linted(one)) == [["CNN103"]]
    assert len(seen) == 2
    (place,) = [finding.span for finding in linted(one)[0].findings]
    assert place is not None
    assert (place.source.name, place.text) == ("blocks/inner.cnn", "groups=3")
    write(project, {"other/inner.cnn": "def Inner = CONV3-8(groups=2, bias=false) - BN\n"})
    (project / "blocks" / "inner.cnn").unlink()
    assert codes(linted(one))[0][0] == "CNN023"
    (project / "blocks" / "inner.cnn").symlink_to("../other/inner.cnn")
    assert "CNN103" not in codes(linted(one))[0]
    write(project, {"nets/cnndsl.toml": ""})
    assert codes(linted(one))[0][0] == "CNN023", "outside the project now"


def test_it_can_be_moved(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        project,
        {"here/cnndsl.toml": "", "here/nets/a.cnn": USER, "here/blocks/block.cnn": "def Block = CONV3-8 - RELU"},
    )
    write(project, {"here/nets/w.cnn": WRONG, "here/z.cnn": 'use "zoo:blocks/se"\ninput 8x8x8\nSE(4) - GAP - FC-3\n'})

    def run(folder: str) -> list[Outcome]:
        monkeypatch.chdir(project / folder)
        return linted(*(task(name) for name in ("nets/a.cnn", "nets/w.cnn", "z.cnn")))

    first = run("here")
    content = (project / "here" / CACHE / f"{_file(project / 'here')}").read_text()
    assert str(project) not in content
    shutil.copytree(project / "here", project / "deep" / "there")
    seen = compiled(monkeypatch)
    assert codes(run("deep/there")) == codes(first)
    assert seen == []


def _file(project: Path) -> str:
    (found,) = [path.name for path in (project / CACHE).iterdir() if path.name.startswith("lint-")]
    return found


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "nonsense",
        lambda text: "[]\n" + text,
        lambda text: text.replace('"CNN010"', '"CNN011"'),
        lambda text: text[:-20],
        lambda text: text.split("\n")[0] + "\nx",
        lambda text: text.split("\n")[0] + "\nx\n",
        lambda text: "\ufffd" * 100,
        lambda text: "[" * 100_000,
    ],
)
def test_a_damaged_cache_is_told_of_and_made_anew(damage: Any, project: Path) -> None:
    write(project, {"b.cnn": WRONG})
    linted(task("b.cnn"))
    path = project / CACHE / _file(project)
    path.write_text(damage(path.read_text()))
    caches = Caches()
    assert codes(lint_files([task("b.cnn")], Asked(), caches)) == [["CNN010"]]
    assert [str(path.name) in said and "damaged" in said for said in caches.close()] == [True]
    assert codes(linted(task("b.cnn"))) == [["CNN010"]]


def test_an_entry_that_lies_is_not_believed(project: Path) -> None:
    write(project, {"b.cnn": WRONG})
    text = read_spec(Path("b.cnn"))
    found = compile_text(text)
    entry = encoded(text, found, found.diagnostics, Places())
    assert entry is not None
    for wrong in (
        None,
        3,
        [],
        {},
        [[], [], [3]],
        [[], [], [[]]],
        [entry[0], [], [[*entry[2][0][:3], [0, 5, 10**9], *entry[2][0][4:]]]],
    ):
        with pytest.raises(Damaged):
            decoded(wrong, text, Places())


def test_another_versions_cache_is_passed_over(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {"b.cnn": WRONG})
    linted(task("b.cnn"))
    monkeypatch.setattr("cnndsl.cache.code_digest", lambda: "other")
    seen = compiled(monkeypatch)
    assert codes(linted(task("b.cnn"))) == [["CNN010"]]
    assert codes(linted(task("b.cnn"))) == [["CNN010"]]
    assert seen == ["b.cnn"]


def test_the_digest_is_of_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "cnndsl"
    source = Path(__file__).parent.parent / "cnndsl"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copytree(source.parent / "grammar", tmp_path / "grammar")
    monkeypatch.setattr("cnndsl.cache.__file__", str(package / "cache.py"))
    before = code_digest()
    assert before == code_digest()
    rule = package / "lint" / "columns_dropped.py"
    rule.write_text(rule.read_text() + "\n")
    assert code_digest() != before


def test_two_runs_at_once_both_stay(project: Path) -> None:
    one, other = Cache(project / CACHE, "x"), Cache(project / CACHE, "x")
    one.put("a", [1])
    other.put("b", [2])
    one.save()
    other.save()
    both = Cache(project / CACHE, "x")
    assert (both.get("a"), both.get("b"), both.get("c")) == ([1], [2], None)


def test_the_oldest_goes_first(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.cache.MOST_BYTES", 120)
    for number in range(20):
        cache = Cache(project / CACHE, "x")
        cache.put(f"key{number}", [number])
        cache.save()
    last = Cache(project / CACHE, "x")
    kept = [number for number in range(20) if last.get(f"key{number}")]
    assert kept == list(range(kept[0], 20))
    assert 2 < len(kept) < 12


def test_a_cache_that_cannot_be_written(project: Path) -> None:
    write(project, {"b.cnn": WRONG, "file": ""})
    caches = Caches(Path("file"))
    assert codes(lint_files([task("b.cnn")], Asked(), caches)) == [["CNN010"]]
    assert "cannot be" in caches.close()[0]
    (project / CACHE).write_text("in the way")
    caches = Caches()
    assert codes(lint_files([task("b.cnn")], Asked(), caches)) == [["CNN010"]]
    assert all("cannot be" in said for said in caches.close())


TEXTS = st.text(max_size=12)


@given(st.data())
def test_findings_come_back_as_they_were(data: st.DataObject) -> None:
    own = Source("b.cnn", "input 3x8x8\nCONV - RELU\n")
    sources = [own, Source("--input", "3x8"), Source("", "")]

    def span(source: Source | None = None) -> Span:
        source = source or data.draw(st.sampled_from(sources))
        start = data.draw(st.integers(0, len(source.text)))
        return Span(source, start, data.draw(st.integers(start, len(source.text))))

    finding = Diagnostic(
        data.draw(st.sampled_from(["CNN001", "CNN301"])),
        data.draw(st.sampled_from(Severity)),
        data.draw(TEXTS),
        (data.draw(st.booleans()) and span()) or None,
        data.draw(st.none() | TEXTS),
        data.draw(st.none() | TEXTS),
        tuple(data.draw(st.lists(TEXTS, max_size=3))),
        data.draw(st.none() | TEXTS),
        tuple(
            Note(data.draw(TEXTS), (data.draw(st.booleans()) and span()) or None)
            for _ in range(data.draw(st.integers(0, 2)))
        ),
        data.draw(st.none() | st.builds(Fix, TEXTS, st.just((Edit(span(own), "x"),)), st.booleans())),
    )
    text = read_spec("CONV").replace(source=own, path=Path("b.cnn"))
    entry = encoded(text, compile_text(text.replace(path=None)), [finding], Places())
    (back,) = decoded(json.loads(json.dumps(entry)), text, Places()) or ()
    assert _shown(back) == _shown(finding)
    assert back.span is None or finding.span is None or (back.span.source is own) == (finding.span.source is own)


# -- processes -------------------------------------------------------------------------------------------------------


def test_results_do_not_depend_on_the_number_of_processes(project: Path) -> None:
    texts = [CLEAN, WRONG, WARNS, 'use "none.cnn"\n', "\ufeffinput 3x8x8\nRELU - FC-3\n"]
    write(project, {f"n{number:02}.cnn": texts[number % 5] for number in range(40)})
    (project / "n07.cnn").write_bytes(b"\xff")
    (project / "n08.cnn").unlink()
    tasks = [task(f"n{number:02}.cnn") for number in range(40)]
    one = lint_files(tasks, Asked(), None, 1)
    assert [outcome.task for outcome in one] == tasks
    assert one[8].failure == "n08.cnn does not exist"
    assert codes(one)[7] == ["CNN004"]
    for jobs in (2, 3):
        assert plain(lint_files(tasks, Asked(), None, jobs)) == plain(one)
    assert plain(lint_files(tasks, Asked(), Caches(), 2)) == plain(one)


def plain(outcomes: list[Outcome]) -> list[Any]:
    return [(one.task.name, one.failure, one.findings) for one in shown(outcomes)]


def _work(item: int) -> int:
    if item % 50 == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def test_a_process_that_ends_costs_its_item_alone() -> None:
    found = dict(divide(range(120), _work, 3))
    assert [number for number, result in sorted(found.items()) if isinstance(result, Ended)] == [3, 53, 103]
    assert all(result == number**2 for number, result in found.items() if not isinstance(result, Ended))
    assert cores() >= 1


def _slow(item: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def test_no_process_outlives_the_work() -> None:
    workers = {result for _, result in divide(range(8), _slow, 2)}
    deadline = time.monotonic() + 10
    while any(_alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [worker for worker in workers if _alive(worker)]


def _alive(process: int) -> bool:
    from multiprocessing import active_children

    return process in {child.pid for child in active_children()}


def test_a_mistake_of_ours_costs_one_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {"a.cnn": CLEAN, "b.cnn": WRONG})

    def broken(compiled: Any, task: Task) -> Any:
        if task.name == "a.cnn":
            raise RuntimeError("oops")
        return found_in(compiled, task)

    monkeypatch.setattr("cnndsl.batch.found_in", broken)
    first, second = lint_files([task("a.cnn"), task("b.cnn")], Asked())
    assert first.failure is not None
    assert first.failure.startswith("a.cnn was not linted: internal error (test_workspace.py:")
    assert first.failure.endswith("RuntimeError: oops")
    assert codes([second]) == [["CNN010"]]


def test_a_file_of_definitions_is_no_network_that_is_missing(project: Path) -> None:
    write(
        project,
        {
            "block.cnn": "def Block(w) = CONV3-w - RELU\n",
            "none.cnn": "input 3x8x8\n",
            "bad.cnn": "def Block(w) = CONV3-(\n",
        },
    )
    assert codes(lint_files([task("block.cnn"), task("none.cnn"), task("bad.cnn")], Asked())) == [
        [],
        ["CNN024"],
        ["CNN002"],
    ]
