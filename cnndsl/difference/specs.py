"""Specs compiled and compared: two that are named, or all that a revision has otherwise."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ..arithmetic import error
from ..compiler import Text, Unreadable, compile_text, names_a_file, read_spec, setting
from ..compiler import dimensions as shape_of
from ..configuration import BadConfiguration, Configurations
from ..diagnostics import Diagnostic, Severity, SpecError
from ..limits import DEFAULT_LIMITS, Limits
from ..record import Record
from ..source import Source, Span
from . import difference
from .entries import Entry
from .repository import ENDING, ROOTS, GitFailure, Repository
from .tree import Tree, is_root_above, moved_roots, write_old

if TYPE_CHECKING:
    from ..arithmetic import Value
    from ..ir import Graph
    from ..syntax import Dimensions

_MEMBER: Final = re.compile(r"(.+?)((?:@[^\W\d]\w*=(?!>)[^@]*)+)", re.DOTALL)
_NO_NETWORK: Final = "CNN024"
_BUDGETS: Final = "CNN2"
"""The codes of networks that are there, and cost too much."""
_WIDEST: Final = 100


class Asked(Record):
    """What is asked for of a spec: settings, the input's shape, limits."""

    settings: Mapping[str, Value] = {}
    shape: Dimensions | None = None
    limits: Limits = DEFAULT_LIMITS


def member(written: str, asked: Asked) -> tuple[str, Asked]:
    """`SPEC@NAME=VALUE@input=3x64x64` as the spec and what is asked for of it; raises ValueError.

    What stands with the spec comes before what is asked for of both.
    """
    found = None if names_a_file(written) and Path(written).exists() else _MEMBER.fullmatch(written)
    if found is None:
        return written, asked
    settings, shape = dict(asked.settings), asked.shape
    for word in found[2].split("@")[1:]:
        if word.startswith("input="):
            shape = shape_of(word.removeprefix("input="))
            continue
        name, value = setting(word)
        if name == "classes" and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{word!r}: the number of classes is at least 1")
        settings[name] = value
    return found[1], asked.replace(settings=settings, shape=shape)


def two(before: str, after: str, asked: Asked) -> Entry:
    """Two specs compared; raises ValueError, Unreadable."""
    sides = [member(written, asked) for written in (before, after)]
    if sides[0][0] == sides[1][0] == "-":
        raise ValueError("standard input is one spec: name the other")
    one, other = (_compiled(_read(spec, spec, wanted), wanted) for spec, wanted in sides)
    return _entry(_shown(before), _shown(after), one, other)


def _shown(written: str) -> str:
    """A spec as it is shown: a notation in one line, the middle of a long one left out."""
    line = " ".join(written.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST // 2]} ... {line[-_WIDEST // 4 :]}"


class Side(Record):
    """A spec's graph, and what is wrong; `library` says that it has definitions and no network."""

    graph: Graph | None
    problems: tuple[Diagnostic, ...] = ()

    @property
    def library(self) -> bool:
        return bool(self.problems) and all(problem.code == _NO_NETWORK for problem in self.problems)


def _read(spec: str | Path, name: str, asked: Asked) -> Text | tuple[Diagnostic, ...]:
    """The text of a spec, named as it is to be shown; raises Unreadable."""
    try:
        text = read_spec(spec, asked.limits, asked.settings)
    except SpecError as problem:
        return problem.diagnostics
    return text.replace(source=Source(name, text.source.text)) if isinstance(spec, Path) else text


def _compiled(text: Text | tuple[Diagnostic, ...], asked: Asked) -> Side:
    """A text compiled; of a family the first member."""
    if not isinstance(text, Text):
        return Side(None, text)
    found = compile_text(text, asked.settings, asked.shape, asked.limits, first_members=True)
    problems = tuple(problem for problem in found.diagnostics if problem.severity is Severity.ERROR)
    over_budget = all(problem.code.startswith(_BUDGETS) for problem in problems)
    return Side(found.elaborated.graph if over_budget else None, problems)


def _entry(before: str | None, after: str | None, one: Side | None, other: Side | None) -> Entry:
    graphs = [side.graph if side is not None else None for side in (one, other)]
    found = difference(graphs[0], graphs[1]) if graphs[0] is not None and graphs[1] is not None else None
    problems = [side.problems if side is not None else () for side in (one, other)]
    return Entry(before, after, graphs[0], graphs[1], problems[0], problems[1], found)


def since(base: str, paths: Sequence[str], asked: Asked, folder: str | Path = ".") -> tuple[Entry, ...]:
    """Every spec whose expansion may differ between a revision and the working tree, compared; raises GitFailure."""
    repository = Repository(folder)
    commit = repository.commit(base)
    stored = repository.stored(commit)
    with TemporaryDirectory(prefix="cnndsl-") as place:
        old = Path(place, "tree")
        write_old(repository, stored, old, asked.limits)
        if is_root_above(repository.root):
            (Path(place) / ROOTS[0]).touch()
        changes = repository.changes(commit)
        pairs = _pairs(_specs(old, stored), repository.specs(), changes.renamed)
        pairs = _chosen(pairs, _Paths(repository.root, folder, paths))
        sides = Tree(old, changes.before), Tree(Path(repository.root), changes.after)
        roots = moved_roots(changes)
        entries = []
        for before, after in pairs:
            ends = list(zip(sides, (before, after), strict=True))
            if before == after and not any(tree.touched(path, roots) for tree, path in ends if path is not None):
                continue
            one, other = (
                _at(tree, path, name, asked) for (tree, path), name in zip(ends, (f"{base}:", ""), strict=True)
            )
            entries.append(_unless_library(before, after, one, other))
    return tuple(entry for entry in entries if entry is not None)


def _unless_library(before: str | None, after: str | None, one: Side | None, other: Side | None) -> Entry | None:
    """The entry of a file; None where it holds definitions alone, which are compared where they are used."""
    if one is not None and one.library:
        before, one = None, None
    if other is not None and other.library:
        after, other = None, None
    return _entry(before, after, one, other) if one is not None or other is not None else None


def _at(tree: Tree, path: str | None, prefix: str, asked: Asked) -> Side | None:
    """A spec of a tree compiled; its name in messages begins with the revision."""
    if path is None:
        return None
    name = prefix + path
    try:
        return _compiled(_read(tree.root / path, name, asked), asked)
    except Unreadable as problem:
        message = str(problem).replace(str(tree.root / path), path)
        return Side(None, (error("CNN023", message, Span(Source(name, ""), 0, 0)),))


def _specs(folder: Path, stored: Iterable[str]) -> list[str]:
    return sorted(path for path in stored if path.endswith(ENDING) and (folder / path).is_file())


def _pairs(
    before: Sequence[str], after: Sequence[str], renamed: Mapping[str, str]
) -> list[tuple[str | None, str | None]]:
    """The specs of both sides, in the order of their paths as they are, or were where they are gone."""
    old = set(before)
    found: list[tuple[str | None, str | None]] = []
    for path in after:
        was = renamed.get(path, path)
        found.append((was if was in old else None, path))
        old.discard(was)
    found += [(path, None) for path in old]
    return sorted(found, key=lambda pair: pair[1] or pair[0] or "")


class _Paths:
    """The files and folders that were asked for, all where there are none; raises GitFailure for one that is elsewhere."""

    def __init__(self, root: str, folder: str | Path, written: Sequence[str]) -> None:
        self.root = Path(root)
        self.wanted = {path: self._below(path, folder) for path in written}
        self.configurations = Configurations()

    def _below(self, path: str, folder: str | Path) -> str:
        if "\0" in path:
            raise GitFailure(f"{path!r} is not a path")
        parent, name = os.path.split(os.path.abspath(Path(folder, path)))  # noqa: PTH100
        below = os.path.relpath(os.path.join(os.path.realpath(parent), name), self.root).replace(os.sep, "/")  # noqa: PTH118
        if below.startswith("../") or below == "..":
            raise GitFailure(f"{path} lies outside the repository {self.root}")
        return below

    def fit(self, path: str) -> list[str]:
        """The arguments that mean a path."""
        return [
            written for written, below in self.wanted.items() if below in (".", path) or path.startswith(f"{below}/")
        ]

    def has(self, path: str) -> bool:
        """Whether a path is asked for: by its own name, or not left out by its project's configuration."""
        if path in self.wanted.values():
            return True
        return (not self.wanted or bool(self.fit(path))) and not self._left_out(path)

    def _left_out(self, path: str) -> bool:
        try:
            found = self.configurations.of((self.root / path).parent)
        except BadConfiguration:
            return False
        return bool(found.exclude) and any(
            found.excludes(found.relative(place)) for place in (self.root / path, *_between(self.root, path))
        )


def _between(root: Path, path: str) -> Iterator[Path]:
    """The folders around a path, below the root."""
    place = (root / path).parent
    while place != root:
        yield place
        place = place.parent


def _chosen(pairs: Sequence[tuple[str | None, str | None]], paths: _Paths) -> list[tuple[str | None, str | None]]:
    """The pairs that were asked for; raises GitFailure for an argument that means none."""
    known = [path for pair in pairs for path in pair if path is not None]
    meant = {written for path in known for written in paths.fit(path)}
    for written in paths.wanted:
        if written not in meant:
            raise GitFailure(f"there is no spec at {written}, neither now nor before")
    return [pair for pair in pairs if any(paths.has(path) for path in pair if path is not None)]
