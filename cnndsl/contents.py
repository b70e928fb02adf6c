"""What a file that cannot be read as what it should be seems to be, as a rule by its bytes. Nothing is executed."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

LARGEST: Final = 2**24
"""Bytes of a pickle that are looked at."""

PICKLED: Final = "a checkpoint that torch.save pickled"
LARGEST_HEADER: Final = 100 * 2**20
"""Bytes of the header of a safetensors file, as the format limits them."""

SAFETENSORS: Final = "a safetensors file"
TORCHSCRIPT: Final = "a TorchScript archive, which holds a program"

_BEGINNINGS: Final = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"GGUF", "a GGUF file"),
)
_MEMBERS: Final = (
    ("constants.pkl", TORCHSCRIPT),
    ("data.pkl", PICKLED),
    ("model.weights.h5", "a Keras archive"),
    (".npy", "an archive of NumPy"),
)
_OURS: Final = ("torch", "collections", "_codecs", "builtins", "__builtin__", "numpy")


def unusable(path: str | os.PathLike[str]) -> str | None:
    """Why nothing can be read from a path, as what follows its name in a message; None where something can."""
    place = Path(path)
    if not place.is_file():
        return "is a folder" if place.is_dir() else "is no regular file" if place.exists() else "does not exist"
    try:
        place.open("rb").close()
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    return None


def seems(path: str | os.PathLike[str]) -> str:
    """What a file seems to be, as a noun for a message: `empty`, `a text`, `an ONNX model`. Raises OSError."""
    with Path(path).open("rb") as file:
        head = file.read(512)
    if not head:
        return "empty"
    for beginning, name in _BEGINNINGS:
        if head.startswith(beginning):
            return name
    if head.startswith(b"PK"):
        return _archive(path)
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return PICKLED
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < LARGEST_HEADER:
        return SAFETENSORS
    if head[0] == 0x08 and len(head) > 2 and head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x3A, 0x42):
        return "an ONNX model"
    return _text(head) or "of no known kind, or damaged"


def no_safetensors(path: str | os.PathLike[str]) -> str:
    """What is wrong with a file that the reader of safetensors refused."""
    kind = seems(path)
    if kind == SAFETENSORS:
        return "it is a safetensors file that is damaged"
    return f"it is no safetensors file, or a damaged one; it seems to be {kind}"


def _archive(path: str | os.PathLike[str]) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a zip archive that is damaged or cut short"
    for ending, kind in _MEMBERS:
        if any(name.endswith(ending) for name in names):
            return kind
    return "a zip archive, but no checkpoint"


def _text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return None
        text = head[: error.start].decode("utf-8")
    if any(not (character.isprintable() or character in "\t\r\n\f\x1b") for character in text):
        return None
    return "a web page, not a file of weights" if text.lstrip().lower().startswith(("<!doctype", "<html")) else "a text"


def foreign_class(path: str | os.PathLike[str]) -> str | None:
    """The first class in a pickled checkpoint that is none of tensors and dictionaries, as `resnet.ResNet`, if any."""
    for name in _classes(_pickle(path)):
        if name.split(".")[0] not in _OURS or name.startswith("torch.nn.modules"):
            return "".join(character for character in name if character.isprintable())[:80]
    return None


def _pickle(path: str | os.PathLike[str]) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            with archive.open(name) as file:
                return file.read(LARGEST)
    except (zipfile.BadZipFile, StopIteration, OSError, ValueError, NotImplementedError, RuntimeError):
        with Path(path).open("rb") as plain:
            return plain.read(LARGEST)


def _classes(content: bytes) -> Iterator[str]:
    """What the pickles in a row refer to, as far as they can be followed."""
    import pickletools

    file = BytesIO(content)
    texts: list[str] = []
    while file.tell() < len(content):
        try:
            for code, argument, _ in pickletools.genops(file):
                if code.name == "GLOBAL":
                    yield str(argument).replace(" ", ".")
                elif code.name == "STACK_GLOBAL":
                    yield ".".join(texts[-2:])
                elif isinstance(argument, str):
                    texts.append(argument)
        except Exception:  # pickletools raises whatever a damaged pickle makes it raise
            return
