"""A git repository: what differs between a revision and the working tree, and the specs as they were, in a folder.

Git is run without a shell; a revision that begins with `-` is refused, and paths come and go between NULs. Nothing is
written in the repository.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ..record import Record

ENDING: Final = ".cnn"
ROOTS: Final = ("cnndsl.toml", "pyproject.toml")
"""Files that make a folder a project's root, below which `use` may reach."""

_LINK, _FILE = "120000", "100"


class GitFailure(Exception):
    """Git is not there, or cannot do what was asked; the message is for the user."""


class Changes(Record):
    """Paths from the repository's root that differ: on the old side, on the new side; and the old names of renamed files."""

    before: frozenset[str]
    after: frozenset[str]
    renamed: dict[str, str]


class Stored(Record):
    """A file of a revision: its path, the object that holds it, its bytes, and whether it is a link."""

    path: str
    object: str
    size: int
    link: bool


class Repository:
    """The repository that a folder lies in; raises GitFailure where there is none."""

    def __init__(self, folder: str | Path = ".") -> None:
        self._folder = str(folder)
        try:
            written = self._git("rev-parse", "--show-toplevel")
        except GitFailure as failure:
            missing = "not a git repository" in str(failure) or "must be run in a work tree" in str(failure)
            raise (
                GitFailure(f"{Path(folder).resolve()} is in no git repository's working tree") if missing else failure
            ) from None
        self._folder = self.root = os.path.realpath(os.fsdecode(written).rstrip("\n"))

    def commit(self, revision: str) -> str:
        """The commit that a revision names, or for `REVISION...` the last one that it has in common with HEAD."""
        base, dots = (revision[:-3], True) if revision.endswith("...") else (revision, False)
        if not base or base.startswith("-") or "\0" in base:
            raise GitFailure(f"{revision!r} is not a revision; write a branch, a tag or a commit, as in --git main")
        found = self._one("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
        if not found:
            raise GitFailure(f"there is no revision {base} here{self._shallow(base)}")
        if not dots:
            return found
        common = self._one("merge-base", found, "HEAD")
        if not common:
            raise GitFailure(f"{base} and HEAD have no commit in common{self._shallow(base)}")
        return common

    def _one(self, *arguments: str) -> str:
        """The object that a command prints; empty where it finds none."""
        try:
            return os.fsdecode(self._git(*arguments)).partition("\n")[0]
        except GitFailure:
            return ""

    def _shallow(self, base: str) -> str:
        shallow = self._one("rev-parse", "--is-shallow-repository") == "true"
        if not shallow:
            return ""
        name = base.removeprefix("origin/")
        return f": the clone is shallow; fetch more, as with `git fetch --unshallow origin {name}` or `fetch-depth: 0`"

    def changes(self, commit: str) -> Changes:
        """What differs between a commit and the working tree; files that git does not know yet are new."""
        options = ("--name-status", "-z", "--find-renames", "--no-ext-diff", "--no-textconv", "--no-relative")
        words = iter(_split(self._git("diff", *options, commit, "--")))
        before: set[str] = set()
        after = set(_split(self._git("ls-files", "-z", "--others", "--exclude-standard")))
        renamed: dict[str, str] = {}
        for status in words:
            old = next(words)
            new = next(words) if status[:1] in "RC" else old
            if status[:1] == "R":
                renamed[new] = old
            if status[:1] not in "AC":
                before.add(old)
            if status[:1] != "D":
                after.add(new)
        return Changes(frozenset(before), frozenset(after), renamed)

    def specs(self) -> list[str]:
        """The specs of the working tree that git does not ignore; a link that leads out of it is none."""
        listed = _split(self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard"))
        return sorted({path for path in listed if path.endswith(ENDING) and self._is_inside(path)})

    def _is_inside(self, path: str) -> bool:
        real = Path(os.path.realpath(os.path.join(self.root, path)))  # noqa: PTH118
        return real.is_file() and real.is_relative_to(self.root)

    def stored(self, commit: str) -> dict[str, Stored]:
        """Every file and link of a commit, by its path."""
        found = {}
        for line in _split(self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit)):
            head, _, path = line.partition("\t")
            mode, _, identifier, size = head.split()
            safe = not os.path.isabs(path) and ".." not in path.split("/") and path.split("/")[0] != ".git"  # noqa: PTH117
            if safe and (mode == _LINK or mode.startswith(_FILE)):
                found[path] = Stored(path, identifier, int(size), mode == _LINK)
        return found

    def write(self, files: Iterable[Stored], folder: Path, most: int) -> None:
        """Write files of a commit into a folder, links last and only those that stay in it; `most` bytes of each."""
        wanted = sorted(files, key=lambda file: file.link)
        for file, content in zip(wanted, self._contents(wanted, most), strict=True):
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            if file.link:
                _link(path, os.fsdecode(content), folder)
            elif not path.exists():
                path.write_bytes(content)

    def _contents(self, files: Sequence[Stored], most: int) -> Iterator[bytes]:
        """The bytes of files; one with more than `most` has as many zeros and one more."""
        asked = [file for file in files if file.size <= most]
        given = (
            self._git("cat-file", "--batch", given="".join(f"{file.object}\n" for file in asked).encode())
            if asked
            else b""
        )
        at = 0
        for file in files:
            if file.size > most:
                yield bytes(most + 1)
                continue
            end = given.index(b"\n", at)
            if not given[at:end].endswith(str(file.size).encode()):
                raise GitFailure(f"git cannot read {file.path} as it was: {os.fsdecode(given[at:end])}")
            yield given[end + 1 : end + 1 + file.size]
            at = end + file.size + 2

    def _git(self, *arguments: str, given: bytes | None = None) -> bytes:
        """What a command of git prints."""
        environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self._folder,
                env=environment,
                input=given or b"",
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise GitFailure("git is not installed, or not on the PATH") from None
        except (OSError, ValueError) as failure:
            raise GitFailure(f"git cannot be run: {failure}") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise GitFailure(f"git {arguments[0]}: {said[0].removeprefix('fatal: ')}")
        return done.stdout


def _split(printed: bytes) -> list[str]:
    """What stands between NULs."""
    return [os.fsdecode(part) for part in printed.split(b"\0") if part]


def _link(path: Path, target: str, folder: Path) -> None:
    """A link, where it leads to something in the folder."""
    inside = os.path.realpath(folder)
    there = os.path.realpath(os.path.join(path.parent, target))  # noqa: PTH118
    if os.path.isabs(target) or not Path(there).is_relative_to(inside) or os.path.lexists(path):  # noqa: PTH117
        return
    if Path(os.path.realpath(path.parent)).is_relative_to(inside):
        path.symlink_to(target)
