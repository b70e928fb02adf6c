"""A project's settings: `[tool.cnndsl]` of a `pyproject.toml`, or a `cnndsl.toml`, found from the linted file upwards."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .check import METRICS
from .diagnostics import Severity
from .lint import EVERYTHING, Options, Selection
from .lint.selection import entry, fits
from .record import Record
from .report import printable

OWN: Final = "cnndsl.toml"
SHARED: Final = "pyproject.toml"
BUDGETS: Final = tuple(metric for metric in METRICS if metric != "receptive_field")
"""What a budget can bound: a receptive field is too small, never too large."""
OPSETS: Final = range(17, 27)

# `tool.cnndsl` as a key, or a table `tool` in which it may be: most pyproject files have neither and are not parsed.
# Patterns are compiled where they are used: most runs use none.
_MAY_CONFIGURE: Final = (
    rb"""(?m)tool["']?[ \t]*\.[ \t]*["']?cnndsl|^[ \t]*\[[ \t]*["']?tool["']?[ \t]*\]|^[ \t]*["']?tool["']?[ \t]*="""
)
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?:[KMGT](?:i?B)?|B)?"
_NUMBERS: Final = 'a number, as in 25_600_000, "25.6M" or "100MB"'


class BadConfiguration(Exception):
    """A configuration that cannot be used; the message has a line for each thing that is wrong, with its file and key."""


class Configuration(Record):
    """What a project sets, by default nothing.

    `root` is the folder that patterns and paths are relative to. Of `selection`, patterns are about the path below it.
    `documentation` is the address of docs/rules.md on the web, for links to a rule's page.
    """

    root: Path
    path: Path | None = None
    selection: Selection = EVERYTHING
    options: Options = Options()
    exclude: tuple[str, ...] = ()
    fail_level: Severity = Severity.WARNING
    baseline: Path | None = None
    documentation: str = ""

    def relative(self, path: str | Path) -> str:
        """A file's path below the root, with `/`."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def excludes(self, path: str) -> bool:
        """Whether a file or folder, by its path below the root, is left out when folders are searched."""
        return any(fits(path, pattern) for pattern in self.exclude)


class Configurations:
    """The configuration of each file: the one given for all, or the nearest above it; each is read once."""

    def __init__(self, given: str | None = None, isolated: bool = False) -> None:
        self._given = given
        self._isolated = isolated
        self._found: dict[str, str | None] = {}
        self._read: dict[str | None, Configuration | BadConfiguration] = {}

    def of(self, folder: str | Path) -> Configuration:
        """What holds for the files of a folder; raises BadConfiguration each time that it is asked for."""
        path = self._given if self._given is not None or self._isolated else self._nearest(os.path.abspath(folder))  # noqa: PTH100
        if path not in self._read:
            self._read[path] = self._load(path)
        known = self._read[path]
        if isinstance(known, BadConfiguration):
            raise known
        return known

    def _nearest(self, folder: str) -> str | None:
        if folder not in self._found:
            above = os.path.dirname(folder)  # noqa: PTH120
            self._found[folder] = _inside(folder) or (self._nearest(above) if above != folder else None)
        return self._found[folder]

    def _load(self, path: str | None) -> Configuration | BadConfiguration:
        if path is None:
            return Configuration(Path.cwd())
        try:
            return read(Path(path), Path.cwd() if self._given is not None else None)
        except BadConfiguration as problem:
            return problem


def _inside(folder: str) -> str | None:
    """The configuration that a folder holds."""
    own = os.path.join(folder, OWN)  # noqa: PTH118
    if os.path.isfile(own):  # noqa: PTH113
        return own
    shared = os.path.join(folder, SHARED)  # noqa: PTH118
    return shared if os.path.isfile(shared) and _configures(Path(shared)) else None  # noqa: PTH113


def _configures(path: Path) -> bool:
    """Whether a pyproject.toml has `[tool.cnndsl]`; one that cannot be read and may have it counts."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if not re.search(_MAY_CONFIGURE, content):
        return False
    try:
        return _table(path, content) is not None
    except BadConfiguration:
        return b"cnndsl" in content


def read(path: Path, root: Path | None = None) -> Configuration:
    """The configuration that a file holds; raises BadConfiguration. `root` replaces its folder for what is relative."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise BadConfiguration(f"{path}: {problem.strerror}") from None
    table = _table(path, content)
    return settle(table or {}, path, root or path.absolute().parent)


def _table(path: Path, content: bytes) -> Mapping[str, Any] | None:
    """The keys of a file; None for a pyproject.toml without them."""
    import tomllib

    try:
        whole: Any = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadConfiguration(f"{path}: this is not UTF-8 text") from None
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise BadConfiguration(f"{path}: {str(problem)[:200] or 'nested too deep'}") from None
    if path.name != SHARED:
        return whole  # type: ignore[no-any-return]
    tool = whole.get("tool")
    if not isinstance(tool, dict) or "cnndsl" not in tool:
        return None
    own = tool["cnndsl"]
    if not isinstance(own, dict):
        raise BadConfiguration(f"{path}: tool.cnndsl: expected a table, found {_shown(own)}")
    return own


def settle(table: Mapping[str, Any], path: Path, root: Path) -> Configuration:
    """A configuration from its keys; raises BadConfiguration with all that is wrong with them."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    for key, written in table.items():
        if key not in KEYS:
            problems.append(f"{path}: {printable(key[:60])}: {_unknown(key, KEYS, 'key')}")
            continue
        try:
            values[key] = KEYS[key](written)
        except ValueError as problem:
            problems.append(f"{path}: {key}: {problem}")
    if problems:
        raise BadConfiguration("\n".join(problems))
    baseline = values.get("baseline")
    return Configuration(
        root,
        path,
        Selection(
            values.get("select", EVERYTHING.select),
            values.get("extend-select", ()),
            values.get("ignore", ()),
            values.get("per-file-ignores", {}),
        ),
        Options(values.get("budgets", {}), values.get("opset", Options().opset)),
        values.get("exclude", ()),
        values.get("fail-level", Severity.WARNING),
        None if baseline is None else root / baseline,
        values.get("documentation", ""),
    )


def _unknown(written: str, known: Sequence[str] | Mapping[str, object], kind: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(written.replace("_", "-"), known, 1) or get_close_matches(written, known, 1)
    return f"there is no such {kind}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")


def _expected(wanted: str, found: object) -> ValueError:
    return ValueError(f"expected {wanted}, found {_shown(found)}")


def _shown(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "a table"
        case list():
            return "an array"
        case str():
            return repr(value[:60])
    return str(value)[:60]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _expected("a text", value)
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _expected('an array of texts, as in ["CNN3"]', value)
    return tuple(map(_text, value))


def _rules(value: object) -> tuple[str, ...]:
    return tuple(map(entry, _texts(value)))


def _ignores(value: object) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for pattern, codes in _entries(value, 'a table from patterns to codes, as in {"old/*" = ["CNN3"]}').items():
        try:
            found[pattern] = _rules(codes)
        except ValueError as problem:
            raise ValueError(f"{pattern!r}: {problem}") from None
    return found


def _entries(value: object, wanted: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _expected(wanted, value)
    return value


def _budgets(value: object) -> dict[str, int]:
    return {name: budget(name, most) for name, most in _entries(value, 'a table, as in {params = "25.6M"}').items()}


def budget(metric: str, written: object) -> int:
    """The most that a metric may be: a number, or a text as in `assert`, `25.6M` or `100MB`; raises ValueError."""
    from .parser.number import NumberTooLargeError, number_value

    if metric not in BUDGETS:
        raise ValueError(f"{metric!r}: {_unknown(metric, BUDGETS, 'budget')}")
    value: object = written
    if isinstance(written, str) and re.fullmatch(_NUMBER, written):
        try:
            value = number_value(written)
        except NumberTooLargeError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**30:
        raise ValueError(f"{metric}: {_expected(_NUMBERS, written)}")
    return int(value)


def severity(value: object) -> Severity:
    """A severity by its name; raises ValueError."""
    if not isinstance(value, str) or value not in tuple(Severity):
        raise _expected(", ".join(Severity), value)
    return Severity(value)


def opset(value: object) -> int:
    """An ONNX opset; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in OPSETS:
        raise _expected("an ONNX opset, 17 to 26", value)
    return value


def _address(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"https?://[\x21-\x22\x24-\x7e]+", value):
        raise _expected("an address without #, as in https://example.org/rules.md", value)
    return value


KEYS: Final[Mapping[str, Callable[[object], Any]]] = {
    "select": _rules,
    "extend-select": _rules,
    "ignore": _rules,
    "per-file-ignores": _ignores,
    "exclude": _texts,
    "fail-level": severity,
    "budgets": _budgets,
    "opset": opset,
    "baseline": _text,
    "documentation": _address,
}
"""What may be set, each with what reads it; docs/config.schema.json says the same for editors."""
