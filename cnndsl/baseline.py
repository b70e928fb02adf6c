"""Findings that are known: kept in a file, so that only new ones fail. Never by line.

The file is JSON, one entry a line, in order, so that a diff of it can be read: path, code, id (see `report.identity`), how
often, and, for people, what is marked where. Paths are relative to the file's own folder.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .diagnostics import Diagnostic
from .files import write_text
from .record import Record
from .report.context import Context, relative
from .report.identity import Identity, identities, identity, in_order

VERSION: Final = 1
_ANEW: Final = "write it anew with --write-baseline"
_MOST: Final = 10


class UnusableBaseline(Exception):
    """A baseline that cannot be used: not there, broken, or of another version. The message says what to do."""


class Entry(Record):
    """One line of a baseline: findings that are alike, and how many of them there are."""

    uncompared = frozenset({"inside", "text"})
    path: str
    code: str
    id: str
    count: int = 1
    inside: str = ""
    text: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.path, self.code, self.id

    def __str__(self) -> str:
        times = f" ({self.count} times)" * (self.count > 1)
        inside = f" in {self.inside}" * bool(self.inside)
        return f"{self.path}: {self.code} {self.text}{inside}{times}"


class Baseline(Record):
    """The entries of a baseline, and the folder that their paths are relative to."""

    entries: tuple[Entry, ...]
    root: str


class Comparison(Record):
    """Findings that a baseline does not know, how many it knows, and its entries that nothing fits any more."""

    new: tuple[Diagnostic, ...]
    known: int
    stale: tuple[Entry, ...]


def write(path: str | os.PathLike[str], findings: Sequence[Diagnostic], files: Sequence[str] = ()) -> None:
    """Write all findings of a run as a baseline, whole or not at all. Raises OSError.

    `files` are the names of what was linted; with a single one, findings without a place belong to it.
    """
    context = Context(_folder(path), tuple(files))
    lines = [f"    {json.dumps(_object(entry))}" for entry in _entries(identities(findings, context))]
    listed = "[\n" + ",\n".join(lines) + "\n  ]" if lines else "[]"
    write_text(path, f'{{\n  "version": {VERSION},\n  "findings": {listed}\n}}\n')


def read(path: str | os.PathLike[str]) -> Baseline:
    """The baseline in a file; raises UnusableBaseline."""
    name = os.fspath(path)
    try:
        data = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise UnusableBaseline(f"the baseline {name} does not exist; {_ANEW}") from None
    except OSError as problem:
        raise UnusableBaseline(f"the baseline {name} cannot be read: {problem.strerror}") from None
    except (ValueError, RecursionError):
        raise UnusableBaseline(f"the baseline {name} is not JSON; {_ANEW}") from None
    if not isinstance(data, dict) or not isinstance(data.get("findings"), list) or "version" not in data:
        raise UnusableBaseline(f"{name} is not a baseline; {_ANEW}")
    if data["version"] is True or data["version"] != VERSION:
        shown = str(data["version"])[:20]
        raise UnusableBaseline(f"the baseline {name} is of version {shown}, and this is for version {VERSION}; {_ANEW}")
    return Baseline(tuple(_entry(item, name) for item in data["findings"]), _folder(path))


def compare(
    findings: Sequence[Diagnostic],
    baseline: Baseline,
    files: Iterable[str],
    decided: Callable[[str, str], bool] = lambda code, path: True,
) -> Comparison:
    """Which findings are new, and which entries are stale.

    Of findings that are alike the first are the known ones. An entry can be stale only if it was up for decision: its file
    is among `files`, the names of what was linted, or is gone, and `decided(code, path)` says that the rule was on.
    """
    names = tuple(files)
    context = Context(baseline.root, names)
    left: Counter[tuple[str, str, str]] = Counter()
    for entry in baseline.entries:
        left[entry.key] += entry.count
    new: list[int] = []
    for index in in_order(findings):
        key = identity(findings[index], context=context).key
        if left[key] > 0:
            left[key] -= 1
        else:
            new.append(index)
    linted = {relative(name, baseline.root) for name in names}
    stale = _stale(baseline, left, lambda e: _up(e, linted, baseline.root) and decided(e.code, e.path))
    return Comparison(tuple(findings[index] for index in sorted(new)), len(findings) - len(new), stale)


def remarks(comparison: Comparison, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """What to tell beside the findings: how many are known, and which entries are stale."""
    lines = []
    if comparison.known:
        lines.append(f"{_findings(comparison.known)} known to the baseline {os.fspath(path)}")
    if comparison.stale:
        total = sum(entry.count for entry in comparison.stale)
        lines.append(f"{_findings(total)} of the baseline {os.fspath(path)} and not there any more; {_ANEW}:")
        lines += [f"  {entry}" for entry in comparison.stale[:_MOST]]
        lines += [f"  and {len(comparison.stale) - _MOST} more"] * (len(comparison.stale) > _MOST)
    return tuple(lines)


def _findings(count: int) -> str:
    return f"{count} finding{'s are' if count > 1 else ' is'}"


def _stale(
    baseline: Baseline, left: Mapping[tuple[str, str, str], int], up: Callable[[Entry], bool]
) -> tuple[Entry, ...]:
    """The entries that nothing took, with the number that is too many."""
    first = {entry.key: entry for entry in reversed(baseline.entries)}
    return tuple(entry.replace(count=left[key]) for key, entry in sorted(first.items()) if left[key] > 0 and up(entry))


def _up(entry: Entry, linted: set[str], root: str) -> bool:
    """Whether an entry's file was looked at, or is no more."""
    if entry.path in linted or not entry.path:
        return True
    return not entry.path.startswith(("<", "zoo:")) and not (Path(root) / entry.path).exists()


def _folder(path: str | os.PathLike[str]) -> str:
    return str(Path(path).resolve().parent)


def _entries(found: Iterable[Identity]) -> list[Entry]:
    """Identities counted, in the file's order."""
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], Identity] = {}
    for one in found:
        counts[one.key] += 1
        first.setdefault(one.key, one)
    return [Entry(*key, counts[key], one.inside, one.text) for key, one in sorted(first.items())]


def _object(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "code": entry.code,
        "id": entry.id,
        "count": entry.count,
        "in": entry.inside,
        "text": entry.text,
    }


def _entry(item: Any, name: str) -> Entry:
    """One entry as it is written; raises UnusableBaseline for what is none."""
    if isinstance(item, dict):
        path, code, identifier, inside, text = (item.get(key, "") for key in ("path", "code", "id", "in", "text"))
        count = item.get("count", 1)
        said = all(isinstance(word, str) for word in (path, code, identifier, inside, text))
        if said and code and identifier and type(count) is int and count > 0:
            return Entry(path, code, identifier, count, inside, text)
    raise UnusableBaseline(f"the baseline {name} has an entry that is none: {str(item)[:60]}; {_ANEW}")
