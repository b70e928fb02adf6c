"""The images that paths name: files as they are, folders searched."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ..extras import need


def find_images(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[Path], dict[Path, str], list[str]]:
    """The files that paths name; the folders within that cannot be read; what is wrong with the paths that name nothing.

    A folder stands for all files below it that have an image's ending, in the order of their names; links to folders are
    not followed, and what begins with a dot is passed over. A file is taken whatever its ending. What is wrong is in words.
    """
    found: list[Path] = []
    unread: dict[Path, str] = {}
    wrong: list[str] = []
    for given in paths:
        path = Path(given)
        try:
            if path.is_dir():
                within, closed = _below(path)
                found += within
                wrong += [problem for folder, problem in closed.items() if folder == path]
                unread |= {folder: problem for folder, problem in closed.items() if folder != path}
                if not within and path not in closed:
                    wrong.append(f"{path} holds no images")
            elif path.exists():
                found.append(path)
            else:
                wrong.append(f"{path} does not exist")
        except (OSError, ValueError) as error:
            wrong.append(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}")
    return found, unread, wrong


def _below(folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """The images in a folder and in those within, and those of the folders that cannot be read."""
    found: list[Path] = []
    closed: dict[Path, str] = {}

    def leave_out(error: OSError) -> None:
        closed[Path(error.filename)] = f"{error.filename} cannot be read: {error.strerror}"

    for place, folders, names in os.walk(folder, onerror=leave_out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if Path(name).suffix.lower() in _endings()]
    return found, closed


@cache
def _endings() -> frozenset[str]:
    """The endings of the files that Pillow reads."""
    image = need("PIL.Image", "images")
    formats: dict[str, str] = image.registered_extensions()
    return frozenset(ending for ending, name in formats.items() if name in image.OPEN)
