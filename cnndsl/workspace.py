"""Which specs are meant: files, folders with all that is below them, and patterns; what git ignores is left out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from .configuration import BadConfiguration, Configuration, Configurations
from .gitignore import Ignores
from .record import Record

ENDING: Final = ".cnn"
PASSED_OVER: Final = frozenset(("node_modules", "site-packages", "__pycache__", "__pypackages__", "venv"))
"""Folders that are not searched, beside the hidden ones and environments of Python: what is there is not the project's."""

_WILD: Final = re.compile(r"[*?\[]")


class Found(Record):
    """A spec's file and the name that it has in findings."""

    name: str
    path: Path


def specs(written: str, configurations: Configurations, problems: list[str]) -> list[Found] | None:
    """The files that an argument means, in order: those below a folder, or those that fit a pattern.

    None where it is no folder and no pattern: a file, then, or something else than a path. Folders that cannot be read
    are told in `problems`.
    """
    if "\0" in written or "\n" in written or len(written) > 4096 or os.path.isfile(written):  # noqa: PTH113
        return None
    if os.path.isdir(written):  # noqa: PTH112
        return list(_below(written, configurations, problems))
    base = _fixed_part(written)
    if base is None:
        return None
    start = base or os.curdir
    if not os.path.isdir(start):  # noqa: PTH112
        return []
    wanted = [part for part in written[len(base) :].split("/") if part]
    found = _below(start, configurations, problems)
    return [one for one in found if _fits(wanted, Path(os.path.relpath(one.path, start)).parts)]


def _fixed_part(written: str) -> str | None:
    """The folder before the first wildcard of a pattern; None for what is no pattern.

    A notation has `*` and brackets too: a pattern ends in `.cnn`, or has a folder before its first wildcard, or begins with
    `*`, which no notation does.
    """
    wild = _WILD.search(written)
    if wild is None:
        return None
    base = written[: wild.start()].rpartition("/")
    folder = base[0] + base[1]
    anywhere = written.endswith(ENDING) or written.startswith(("*", "./*"))
    return folder if anywhere or (folder and os.path.isdir(folder)) else None  # noqa: PTH112


def _fits(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a file, or a folder above it, is what a pattern means to a shell; `**` is any number of folders."""
    if not wanted:
        return True
    if wanted[0] == "**":
        return any(_fits(wanted[1:], parts[at:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(wanted[1:], parts[1:])


def _below(folder: str, configurations: Configurations, problems: list[str]) -> Iterator[Found]:
    """The specs below a folder, in the order of their paths."""
    start = os.path.abspath(folder)  # noqa: PTH100
    waiting = [(start, Ignores.above(start))]
    found = []
    while waiting:
        here, above = waiting.pop()
        inside = above.entered(here)
        try:
            entries = list(_entries(here, inside, _excluding(here, configurations)))
        except OSError as problem:
            name = os.path.normpath(os.path.join(folder, os.path.relpath(here, start)))  # noqa: PTH118
            problems.append(f"{name} cannot be read: {problem.strerror}")
            continue
        waiting += [(entry.path, inside) for entry, is_folder in entries if is_folder]
        found += [entry.path for entry, is_folder in entries if not is_folder]
    for path in sorted(found, key=lambda path: path.replace(os.sep, "/")):
        name = os.path.normpath(os.path.join(folder, os.path.relpath(path, start)))  # noqa: PTH118
        yield Found(name, Path(name))


def _excluding(folder: str, configurations: Configurations) -> Configuration | None:
    """The configuration of a folder where it leaves something out; a bad one is told of when the files are linted."""
    try:
        found = configurations.of(folder)
    except BadConfiguration:
        return None
    return found if found.exclude else None


def _entries(folder: str, ignores: Ignores, excluding: Configuration | None) -> Iterator[tuple[os.DirEntry[str], bool]]:
    """The specs and the folders to be searched in a folder, and whether each is a folder; raises OSError."""
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name.startswith(".") or not (_is_searched(entry) if is_folder else _is_spec(entry)):
                continue
            left_out = excluding is not None and excluding.excludes(excluding.relative(entry.path))
            if not left_out and not ignores.has(entry.path, is_folder):
                yield entry, is_folder


def _is_spec(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(ENDING) and entry.is_file()


def _is_searched(entry: os.DirEntry[str]) -> bool:
    return entry.name not in PASSED_OVER and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))  # noqa: PTH110, PTH118
