"""An image file as a Pillow image of 8 bits a channel, upright."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..extras import need

if TYPE_CHECKING:
    from PIL.Image import Image

_DEEP: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})
"""Pillow's modes of whole numbers of more than 8 bits; its own conversion of them cuts off what is above 255."""


class BrokenImage(ValueError):
    """A file that is no image, or not one that can be used; the message names it and says why."""


def read_image(path: str | os.PathLike[str], *, grey: bool = False) -> Image:
    """The first frame of an image file as RGB, or as shades of grey, turned as its EXIF orientation says.

    Transparency is left out, as torchvision's loader does; 16 bits become 8, rounded; shades of grey are 0.299 R + 0.587 G +
    0.114 B. Raises BrokenImage, also for what is no regular file: a pipe might never end. Raises MissingExtra.
    """
    library = need("PIL.Image", "images")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what cannot be read raises
            _regular(path)
            with library.open(path) as file:
                file.load()
                return _converted(need("PIL.ImageOps", "images").exif_transpose(file), "L" if grey else "RGB")
    except BrokenImage as error:
        raise BrokenImage(f"{os.fspath(path)}: {error}") from None
    except MemoryError:
        raise BrokenImage(f"{os.fspath(path)}: there is not enough memory for it") from None
    except Exception as error:  # a damaged file makes Pillow's readers raise nearly anything
        raise BrokenImage(f"{os.fspath(path)}: {_reason(error, library)}") from None


def _regular(path: str | os.PathLike[str]) -> None:
    """Raise BrokenImage for a pipe or a device: opening it may wait for ever."""
    mode = Path(path).stat().st_mode
    if not stat.S_ISREG(mode):
        raise BrokenImage("it is a folder" if stat.S_ISDIR(mode) else "it is no regular file")


def _converted(image: Image, mode: str) -> Image:
    """In this mode; raises BrokenImage where there is no plain way."""
    if image.mode in _DEEP:
        image = _shallow(image)
    if image.mode == "F":
        raise BrokenImage("its values are real numbers, of which nothing says what is black and what is white")
    if "transparency" in image.info and image.mode == "P":
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def _shallow(image: Image) -> Image:
    """16 bits as 8."""
    values = np.asarray(image).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 0xFFFF):
        raise BrokenImage("its values have more than 16 bits")
    made: Image = need("PIL.Image", "images").fromarray(((values + 128) // 257).astype(np.uint8))
    return made


def _reason(error: Exception, library: Any) -> str:
    if isinstance(error, library.DecompressionBombError):
        return f"it has more than {2 * library.MAX_IMAGE_PIXELS:,} pixels"
    if isinstance(error, need("PIL", "images").UnidentifiedImageError):
        return "it is no image, or of a format that is not read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"it cannot be read: {said}"
