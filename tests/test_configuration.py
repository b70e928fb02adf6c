"""The configuration: where it is found, what each key may be, what is said of a bad one, and that its schema agrees."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.check import METRICS
from cnndsl.configuration import (
    BUDGETS,
    KEYS,
    OPSETS,
    BadConfiguration,
    Configuration,
    Configurations,
    budget,
    read,
    settle,
)
from cnndsl.diagnostics import CODES, Severity
from cnndsl.lint import Options, Selection
from cnndsl.lint.selection import fits

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent.parent / "docs" / "config.schema.json").read_text())

EXAMPLE = """
select = ["CNN1", "cnn3", "slow-groups"]
extend-select = ["CNN4"]
ignore = ["CNN312", "unused-parameter"]
exclude = ["drafts", "old/*.cnn"]
fail-level = "info"
opset = 17
baseline = "lint/known.json"
documentation = "https://example.org/rules.md"

[budgets]
params = "25.6M"
macs = 4_100_000_000
memory = "100MiB"

[per-file-ignores]
"lecture/*" = ["CNN130", "linear-stack"]
"""


def settled(text: str) -> Configuration:
    return settle(tomllib.loads(text), Path("cnndsl.toml"), Path("/project"))


def problems(text: str) -> list[str]:
    with pytest.raises(BadConfiguration) as caught:
        settled(text)
    return str(caught.value).splitlines()


def test_every_key() -> None:
    assert settled(EXAMPLE) == Configuration(
        Path("/project"),
        Path("cnndsl.toml"),
        Selection(("CNN1", "CNN3", "CNN214"), ("CNN4",), ("CNN312", "CNN313"), {"lecture/*": ("CNN130", "CNN303")}),
        Options({"params": 25_600_000, "macs": 4_100_000_000, "memory": 100 * 2**20}, 17),
        ("drafts", "old/*.cnn"),
        Severity.INFO,
        Path("/project/lint/known.json"),
        "https://example.org/rules.md",
    )
    assert set(tomllib.loads(EXAMPLE)) == set(KEYS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('selct = ["CNN1"]', "selct: there is no such key; did you mean select?"),
        ('extend_select = ["CNN1"]', "extend_select: there is no such key; did you mean extend-select?"),
        ("colour = 1", "colour: there is no such key; there are select,"),
        ('select = "CNN1"', "select: expected an array of texts"),
        ("select = [1]", "select: expected a text, found 1"),
        ('select = ["CNN999"]', "select: there is no rule 'CNN999'"),
        ('ignore = ["bias-before-nrm"]', "did you mean bias-before-norm?"),
        ('ignore = [""]', "ignore: expected a text, found ''"),
        ("per-file-ignores = 3", "per-file-ignores: expected a table"),
        ('per-file-ignores = {"a" = "CNN1"}', "per-file-ignores: 'a': expected an array"),
        ('per-file-ignores = {"a" = ["X"]}', "per-file-ignores: 'a': there is no rule 'X'"),
        ("exclude = true", "exclude: expected an array of texts, as in"),
        ('fail-level = "never"', "fail-level: expected error, warning, info, found 'never'"),
        ("fail-level = 1", "fail-level: expected error, warning, info, found 1"),
        ("budgets = 1", "budgets: expected a table"),
        ("budgets = {parms = 1}", "budgets: 'parms': there is no such budget; did you mean params?"),
        ('budgets = {params = "many"}', "budgets: params: expected a number"),
        ('budgets = {params = "5Ki"}', "budgets: params: expected a number"),
        ("budgets = {params = -1}", "budgets: params: expected a number"),
        ("budgets = {params = nan}", "budgets: params: expected a number"),
        ("budgets = {params = inf}", "budgets: params: expected a number"),
        ("budgets = {params = true}", "budgets: params: expected a number"),
        (f'budgets = {{params = "{"9" * 50}"}}', "budgets: params: expected a number"),
        ("budgets = {receptive_field = 1}", "budgets: 'receptive_field': there is no such budget"),
        ("opset = 3", "opset: expected an ONNX opset, 17 to 26, found 3"),
        ("opset = true", "opset: expected an ONNX opset, 17 to 26, found true"),
        ("baseline = []", "baseline: expected a text, found an array"),
        ('documentation = "rules.md"', "documentation: expected an address without #"),
        ('documentation = "https://example.org/a#b"', "documentation: expected an address without #"),
    ],
)
def test_a_bad_key_is_named_with_its_file(text: str, said: str) -> None:
    (line,) = problems(text)
    assert line.startswith("cnndsl.toml: ")
    assert said in line
    if not any(part in said for part in BEYOND_THE_SCHEMA) and not any(part in text for part in NO_JSON):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(text), SCHEMA)


BEYOND_THE_SCHEMA = ("there is no rule", "mean bias-before-norm")
"""Which rules there are is not in the schema: a new one would be a change of it."""
NO_JSON = ("nan", "inf", "9" * 50)


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(problems('selct = 1\nopset = "x"\nfail-level = 2')) == 3


@given(
    st.dictionaries(
        st.sampled_from([*KEYS, "selct", "x"]) | st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        ),
        max_size=4,
    )
)
def test_nothing_but_a_bad_configuration_is_raised(table: dict[str, Any]) -> None:
    try:
        settle(table, Path("cnndsl.toml"), Path())
    except BadConfiguration as problem:
        assert all(line.startswith("cnndsl.toml: ") for line in str(problem).split("\n") if line), table


# -- the schema ------------------------------------------------------------------------------------------------------


def test_the_schema_is_one_and_has_the_keys_of_the_code() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    properties = SCHEMA["properties"]
    assert list(properties) == list(KEYS)
    assert list(properties["budgets"]["properties"]) == list(BUDGETS)
    assert set(BUDGETS) == set(METRICS) - {"receptive_field"}
    assert properties["fail-level"]["enum"] == list(Severity)
    assert (properties["opset"]["minimum"], properties["opset"]["maximum"]) == (OPSETS[0], OPSETS[-1])
    assert all("description" in value for value in properties.values())


def test_the_schemas_defaults_are_those_of_the_code() -> None:
    defaults = {key: value["default"] for key, value in SCHEMA["properties"].items() if "default" in value}
    assert settle(defaults, Path("cnndsl.toml"), Path()) == settle({}, Path("cnndsl.toml"), Path())
    assert settle({}, Path("cnndsl.toml"), Path()).replace(path=None) == Configuration(Path())


def test_the_schema_takes_what_the_code_takes() -> None:
    jsonschema.validate(tomllib.loads(EXAMPLE), SCHEMA)
    for written in [*CODES, *CODES.values(), "CNN", "CNN3", "ALL", "cnn301"]:
        jsonschema.validate({"select": [written]}, SCHEMA)
        settle({"select": [written]}, Path("x"), Path())


@given(st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3})?([eE][-+]?[0-9]{1,2})?[KMGT]?i?B?", fullmatch=True))
def test_budgets_are_written_alike_in_both(written: str) -> None:
    try:
        value = budget("params", written)
    except ValueError:
        value = None
    fits_schema = jsonschema.Draft7Validator(SCHEMA).is_valid({"budgets": {"params": written}})
    assert fits_schema == (value is not None) or (value is None and ("e" in written.lower()))


# -- where it is -----------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def nearest(folder: Path) -> str | None:
    found = Configurations().of(folder).path
    return None if found is None else found.relative_to(Path.cwd()).as_posix()


def test_the_nearest_counts(project: Path) -> None:
    inner = project / "a" / "b"
    assert nearest(inner) is None
    (project / "pyproject.toml").write_text("[project]\nname = 'cnndsl'\n[project.scripts]\ncnndsl = 'a:b'\n")
    assert nearest(inner) is None
    (project / "pyproject.toml").write_text("[tool.cnndsl]\nopset = 17\n")
    assert nearest(inner) == "pyproject.toml"
    (project / "cnndsl.toml").write_text("opset = 19\n")
    assert nearest(inner) == "cnndsl.toml"
    (project / "a" / "pyproject.toml").write_text("[tool.ruff]\n")
    assert nearest(inner) == "cnndsl.toml"
    (project / "a" / "pyproject.toml").write_text("[tool.cnndsl]\n")
    assert nearest(inner) == "a/pyproject.toml"
    (project / "a" / "b" / "cnndsl.toml").write_text("")
    assert nearest(inner) == "a/b/cnndsl.toml"
    assert nearest(project) == "cnndsl.toml"
    assert Configurations(isolated=True).of(inner) == Configuration(project)
    given = Configurations("cnndsl.toml").of(inner)
    assert (given.options.opset, given.root) == (19, project)


@pytest.mark.parametrize(
    "text",
    [
        "[tool.cnndsl]\nopset = 17",
        "[ tool . cnndsl ]\nopset = 17",
        '["tool"."cnndsl"]\nopset = 17',
        "[tool]\ncnndsl = {opset = 17}",
        "[tool]\ncnndsl.opset = 17",
        "tool.cnndsl.opset = 17",
        "tool = {cnndsl = {opset = 17}}",
        "'tool'.'cnndsl' = {opset = 17}",
        "[tool.cnndsl.budgets]\nparams = 3\n[tool.cnndsl.per-file-ignores]",
    ],
)
def test_however_a_pyproject_writes_it(text: str, project: Path) -> None:
    (project / "pyproject.toml").write_text(text)
    assert nearest(project) == "pyproject.toml"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"select = [", "cnndsl.toml: "),
        (b"\xff\xfe", "this is not UTF-8 text"),
        (b"a = " + b"[" * 5000, "cnndsl.toml: "),
        (b"a = 1\na = 2", "cnndsl.toml: "),
    ],
)
def test_what_is_no_toml(content: bytes, said: str, project: Path) -> None:
    (project / "cnndsl.toml").write_bytes(content)
    with pytest.raises(BadConfiguration, match=said):
        Configurations().of(project)
    with pytest.raises(BadConfiguration, match="No such file"):
        read(project / "none.toml")
    with pytest.raises(BadConfiguration):
        read(project)


def test_a_bad_pyproject_is_passed_over_unless_it_is_ours(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.ruff]\n[tool.ruff]\n")
    assert nearest(project) is None
    (project / "pyproject.toml").write_text("[tool.cnndsl]\n[tool.cnndsl]\n")
    with pytest.raises(BadConfiguration, match=r"pyproject\.toml"):
        Configurations().of(project)
    (project / "pyproject.toml").write_text("[tool]\ncnndsl = 3\n")
    with pytest.raises(BadConfiguration, match="expected a table"):
        Configurations().of(project)


@pytest.mark.parametrize(
    ("path", "pattern", "wanted"),
    [
        ("a.cnn", "a.cnn", True),
        ("old/a.cnn", "a.cnn", True),
        ("old/a.cnn", "old", True),
        ("old/a.cnn", "old/", True),
        ("x/old/a.cnn", "old", True),
        ("x/old/a.cnn", "old/*", False),
        ("x/old/a.cnn", "**/old/*", True),
        ("old/a.cnn", "**/old/*", True),
        ("old/x/a.cnn", "old/*", True),
        ("a.cnn", "./a.cnn", True),
        ("b.cnn", "a*", False),
        ("x/ab.cnn", "a*", True),
        ("../a.cnn", "*", True),
        ("", "*", False),
    ],
)
def test_patterns(path: str, pattern: str, wanted: bool) -> None:
    assert fits(path, pattern) is wanted


def test_a_pattern_has_rules_off_however_they_were_asked_for() -> None:
    selection = Selection(("CNN301",), ("CNN302",), (), {"old/*": ("CNN3",)})
    assert selection.has("CNN301", "new/a.cnn")
    assert not selection.has("CNN301", "old/a.cnn")
    assert not selection.has("CNN302", "old/a.cnn")
