"""Specs below a folder, in the working tree or as they were, and which of them may expand to something else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ..limits import DEFAULT_LIMITS, Limits
from .repository import ENDING, ROOTS, Changes, Repository, Stored

_USE: Final = re.compile(r'\buse\s*"([^"\n]*)"')


class Tree:
    """Specs below a folder, and which of them changed or use what changed."""

    def __init__(self, root: Path, changed: frozenset[str]) -> None:
        self.root = Path(os.path.realpath(root))
        self.changed = changed
        self._uses: dict[str, tuple[str, ...]] = {}

    def touched(self, path: str, moved_roots: frozenset[str]) -> bool:
        """Whether the expansion of a spec may have changed."""
        if any(not folder or path.startswith(f"{folder}/") for folder in moved_roots):
            return True
        seen, waiting = {path}, [path]
        while waiting:
            here = waiting.pop()
            if here in self.changed:
                return True
            found = [used for used in self.uses(here) if used not in seen]
            seen.update(found)
            waiting += found
        return False

    def uses(self, path: str) -> tuple[str, ...]:
        """The files that one uses, and what it is a link to, by their paths from the root."""
        if path not in self._uses:
            self._uses[path] = tuple(self._used(path))
        return self._uses[path]

    def _used(self, path: str) -> Iterator[str]:
        real = os.path.realpath(self.root / path)
        inside = self._inside(real)
        if inside is not None and inside != path:
            yield inside
        for written in _USE.findall(_text(real)):
            if not written.startswith("zoo:"):
                beside = os.path.join(os.path.dirname(real), written)  # noqa: PTH118, PTH120
                used = self._inside(os.path.realpath(beside)) if "\0" not in written else None
                if used is not None:
                    yield used
                    yield from self._links(beside)

    def _links(self, beside: str) -> Iterator[str]:
        """The path as it is written, where a link is on the way to it."""
        as_written = self._inside(os.path.normpath(beside))
        if as_written is not None:
            yield as_written

    def _inside(self, path: str) -> str | None:
        below = os.path.relpath(path, self.root).replace(os.sep, "/")
        return None if below.startswith("../") else below


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(DEFAULT_LIMITS.max_bytes)
    except OSError:
        return ""


def write_old(repository: Repository, stored: Mapping[str, Stored], folder: Path, limits: Limits) -> None:
    """The specs of a commit with all that they use, and empty files where a project's root is."""
    folder.mkdir()
    first = [file for path, file in stored.items() if path.endswith(ENDING) or file.link]
    repository.write(first, folder, limits.max_bytes)
    for path in stored:
        if path.rpartition("/")[2] in ROOTS:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
    written = {file.path for file in first}
    waiting = sorted(written)
    while waiting:
        tree = Tree(folder, frozenset())
        used = {used for path in waiting for used in tree.uses(path)} - written
        waiting = sorted(path for path in used if path in stored)
        written.update(waiting)
        repository.write([stored[path] for path in waiting], folder, limits.max_bytes)


def is_root_above(root: str) -> bool:
    """Whether the repository lies in a project: then `use` may reach out of its own folder."""
    return any((folder / name).is_file() for folder in Path(root).parents for name in ROOTS)


def moved_roots(changes: Changes) -> frozenset[str]:
    """The folders that became a project's root, or ceased to be one."""
    came_or_went = changes.before ^ changes.after
    return frozenset(path.rpartition("/")[0] for path in came_or_went if path.rpartition("/")[2] in ROOTS)
