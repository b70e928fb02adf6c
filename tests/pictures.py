"""Small images for tests: made here, saved in the formats that people have; and folders that cannot be read."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


def picture(
    height: int, width: int, seed: int = 0, *, mode: str = "RGB", reach: tuple[int, int] = (0, 256)
) -> Image.Image:
    """A picture of blots with soft edges and some noise, of values within about `reach`."""
    random = np.random.default_rng(seed)
    coarse = random.integers(*reach, (height // 6 + 2, width // 6 + 2, 3), np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = np.clip(soft + random.integers(-20, 21, soft.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(noisy).convert(mode)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    """The path, with the image in it, in the format that its ending tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def truncated(path: Path, part: float = 0.5) -> Path:
    """The file, cut off."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    return path


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder be one that may not be read, also by the superuser."""
    real = os.scandir

    def scandir(path: Any) -> Any:
        if not isinstance(path, int) and Path(path) == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
