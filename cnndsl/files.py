"""Output files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from .interrupts import Undoing

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of the system's that say there is no room."""

_TRIED: Final = ".cnndsl-"
"""How the names of folders begin in which files are tried."""


class OutputFiles:
    """A set of files that appear together at the end of the `with` block, or not at all if it raises.

    Each is written beside its target under a temporary name and then renamed over it: a reader never sees half a file,
    and what was there before survives a failure. What is not a regular file (a pipe, `/dev/stdout`) cannot be
    renamed over; it receives the bytes when the block ends well.
    """

    def __init__(self) -> None:
        self._staged: list[tuple[Path, Path]] = []
        self._asked: list[str] = []
        self._open: list[BinaryIO] = []
        self._undoing = Undoing()

    def __enter__(self) -> Self:
        self._undoing.__enter__()
        return self

    def stage(self, target: str | os.PathLike[str]) -> Path:
        """A new, empty file to be written in place of `target`; raises OSError where that cannot be."""
        path = _resolved(target)
        if path.is_dir():
            raise IsADirectoryError(f"{os.fspath(target)} is a folder: name a file in it, as {Path(target, 'NAME')}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path.name} cannot be written: there is no folder {Path(target).parent}")
        folder = Path(tempfile.gettempdir()) if _is_special(path) else path.parent
        temporary = folder / f".{path.name}.{os.urandom(4).hex()}.tmp"
        # 0o666 less the umask, as open() makes files; tempfile's 0o600 would outlive the renaming
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fspath(target)) from None
        self._staged.append((temporary, path))
        self._asked.append(os.fspath(target))
        return temporary

    def open(self, target: str | os.PathLike[str]) -> BinaryIO:
        """A binary file to be written in place of `target`; the end of the block closes it."""
        file = self.stage(target).open("wb")
        self._open.append(file)
        return file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, OSError):
                self._name(error)
            for file in self._open:
                file.close()
            if kind is None:
                _replace(self._staged)
        except OSError as failure:
            self._name(failure)
            raise
        finally:
            for temporary, _ in self._staged:
                temporary.unlink(missing_ok=True)
            self._undoing.__exit__()

    def _name(self, error: OSError) -> None:
        """Let an error that is about no file, or about one that is gone at once, be about the one that was asked for."""
        names = {
            os.fspath(temporary): os.fspath(temporary.parent) if _is_special(path) else asked
            for (temporary, path), asked in zip(self._staged, self._asked, strict=True)
        }
        if names and error.strerror is not None and error.filename in (None, *names):
            error.filename = names.get(error.filename) or next(iter(names.values()))


@contextmanager
def tried(target: Path) -> Iterator[Path]:
    """Where to write a file to be tried before it is published as `target`: a folder beside it that is gone afterwards.

    What is no regular file has it elsewhere. The system's errors about what is in the folder are about the target.
    """
    regular = target.is_file() or not target.exists()
    try:
        with Undoing(), tempfile.TemporaryDirectory(dir=target.parent if regular else None, prefix=_TRIED) as folder:
            yield Path(folder) / target.name
    except OSError as error:
        if _TRIED in str(error.filename):
            error.filename = os.fspath(target) if regular else tempfile.gettempdir()
        raise


def reserve(file: BinaryIO, size: int) -> None:
    """Give a new file the room for exactly the bytes that will be written to it; raises OSError where there is none.

    A full disk is found out before the work is done. And ext4, asked to rename a file over another, first finds a place
    for what has none yet, which for 100 MB took longer than writing them.
    """
    if not size or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in FULL:
            raise


def publish(files: Sequence[Path], folder: Path) -> tuple[Path, ...]:
    """Move finished files into a folder of the same file system, all or none; returns where they are. Raises OSError.

    The first, which may point to the others, comes last.
    """
    _replace([(file, _resolved(folder / file.name)) for file in reversed(files)])
    return tuple(folder / file.name for file in files)


def write_bytes(target: str | os.PathLike[str], content: bytes) -> None:
    """Write a whole file or nothing; raises OSError."""
    with OutputFiles() as files:
        files.open(target).write(content)


def write_text(target: str | os.PathLike[str], content: str) -> None:
    """Write a whole file of UTF-8 text, or nothing; raises OSError."""
    write_bytes(target, content.encode())


def _resolved(target: str | os.PathLike[str]) -> Path:
    """The file behind a link, so that the link stays; what a device leads to is not asked for."""
    path = Path(target)
    if _is_special(path):
        return path
    real = Path(os.path.realpath(path))
    if real.is_symlink():
        raise OSError(f"{os.fspath(target)} is a link that leads back to itself")
    return real


def _is_special(path: Path) -> bool:
    """Whether a path cannot be renamed over: it is no regular file, or one that the process already writes to."""
    if str(path) in ("/dev/stdout", "/dev/stderr") or path.parent == Path("/dev/fd"):
        return True
    return path.exists() and not path.is_dir() and not path.is_file()


def _replace(moves: Sequence[tuple[Path, Path]]) -> None:
    """Rename each file over its target; where one cannot be, put back what the others replaced."""
    done: list[tuple[Path, Path | None]] = []
    try:
        for temporary, path in moves:
            if _is_special(path):
                _copy(temporary, path)
                continue
            done.append((path, _keep(path) if len(moves) > 1 else None))
            if path.exists():
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            temporary.replace(path)
    except BaseException:
        for path, former in done:
            _restore(path, former)
        raise
    for _, former in done:
        if former is not None:
            former.unlink(missing_ok=True)


def _copy(temporary: Path, path: Path) -> None:
    """Append a file to what cannot be renamed over."""
    try:
        with temporary.open("rb") as content, path.open("ab") as target:
            shutil.copyfileobj(content, target)
    except OSError as error:
        error.filename = os.fspath(path)
        raise


def _keep(path: Path) -> Path | None:
    """A second name for a file that is about to be replaced."""
    if not path.exists():
        return None
    former = path.with_name(f".{path.name}.{os.urandom(4).hex()}.old")
    try:
        former.hardlink_to(path)
    except OSError:  # a file system without hard links
        shutil.copy2(path, former)
    return former


def _restore(path: Path, former: Path | None) -> None:
    if former is None:
        path.unlink(missing_ok=True)
        return
    former.replace(path)
    former.unlink(missing_ok=True)  # renaming a file to another of its own names leaves both
