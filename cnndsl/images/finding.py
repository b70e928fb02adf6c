"""The images that paths name: files as they are, folders searched."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ..extras import need


def find_images(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[Path], list[str]]:
    """The files that paths name, and what is wrong with the paths that name none, each in words.

    A folder stands for all files below it that have an image's ending, in the order of their names; links to folders are
    not followed. A file is taken whatever its ending.
    """
    found: list[Path] = []
    wrong: list[str] = []
    for given in paths:
        path = Path(given)
        try:
            if path.is_dir():
                within = _below(path)
                found += within
                if not within:
                    wrong.append(f"{path} holds no images")
            elif path.exists():
                found.append(path)
            else:
                wrong.append(f"{path} does not exist")
        except (OSError, ValueError) as error:
            wrong.append(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}")
    return found, wrong


def _below(folder: Path) -> list[Path]:
    """The images in a folder and in those within."""
    found: list[Path] = []

    def fail(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        found += [Path(place, name) for name in sorted(names) if Path(name).suffix.lower() in _endings()]
    return found


@cache
def _endings() -> frozenset[str]:
    """The endings of the files that Pillow reads."""
    image = need("PIL.Image", "images")
    formats: dict[str, str] = image.registered_extensions()
    return frozenset(ending for ending, name in formats.items() if name in image.OPEN)
