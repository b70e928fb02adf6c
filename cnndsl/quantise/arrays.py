"""Inputs that come as arrays: NumPy's files, and the data sets of the package."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..data import digits
from ..extras import need
from ..images import BrokenImage, network_input
from ..ir import Graph
from ..preprocess import Preprocess, channels_of
from .labels import fitting_labels
from .samples import RESIZE, Array, Entrance, Labels, Samples, UnfitData, times

IMAGES: Final = "images"
LABELS: Final = "labels"
_BEGINNINGS: Final = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")
"""Of an `.npy` file, and of an `.npz` file with and without arrays in it."""

_KNOWN: Final = {"digits": digits}


def known(name: str, graph: Graph) -> Samples | None:
    """A data set of the package by its name; None where there is none. Raises UnfitData where the network takes others."""
    read = _KNOWN.get(name)
    if read is None:
        return None
    images, labels = read()
    return array_samples(images, labels, graph, name)


def read_arrays(path: Path, graph: Graph, *, labelled: bool = True) -> Samples:
    """The inputs of an `.npy` file, or of an `.npz` file with `images` and maybe `labels`.

    Floats are inputs ready made, N×C×spatial; bytes are images as the spec's `preprocess` says that they are handed in.
    Raises UnfitData, OSError.
    """
    try:
        loaded = _loaded(path)
    except (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise UnfitData(f"{path} is no file of arrays that NumPy reads: {_reason(error)}") from None
    if isinstance(loaded, np.ndarray):
        return array_samples(loaded, None, graph, str(path))
    images, labels = _named(loaded, path)
    return array_samples(images, labels if labelled else None, graph, str(path))


def _loaded(path: Path) -> Any:
    """The array of an `.npy` file, which stays on the disk, or those of an `.npz` file by their names."""
    with path.open("rb") as file:
        if not file.read(6).startswith(_BEGINNINGS):
            raise ValueError("it is neither .npz nor .npy; images are read from the folder that holds them")
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    with path.open("rb") as file:
        found: Any = np.load(file, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}


def _reason(error: Exception) -> str:
    """What is wrong with a file, without NumPy's advice to unpickle it, which would run what it holds."""
    if "allow_pickle" in str(error):
        return "its arrays are of Python objects, and those of numbers are wanted"
    return str(error) or "it is cut off"


def _named(arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """The images and the labels of an `.npz` file; one array alone needs no name."""
    others = [name for name in arrays if name != LABELS]
    name = IMAGES if IMAGES in arrays else others[0] if len(others) == 1 else None
    if name is None:
        found = ", ".join(arrays) or "nothing"
        raise UnfitData(f"{path} holds {found}; it must hold `images`, and `labels` where they are known")
    for member in (name, LABELS):
        if not isinstance(arrays.get(member, arrays[name]), np.ndarray):
            raise UnfitData(f"{path}: {member} is no array that NumPy saved")
    return arrays[name], arrays.get(LABELS)


def array_samples(images: npt.NDArray[Any], labels: npt.NDArray[Any] | None, graph: Graph, what: str) -> Samples:
    """Inputs that are arrays: floats ready made, or bytes through the contract; `what` names them. Raises UnfitData."""
    if images.ndim < 2 or not len(images):
        held = f"{times(images.shape)} numbers" if images.ndim else "a single number"
        raise UnfitData(f"{what} holds {held}, not N inputs of {graph.input_shape}")
    classes: Labels | None = None if labels is None else fitting_labels(labels, len(images), graph, what)
    if images.dtype == np.uint8:
        return Samples(_pictures(images, graph, what), classes)
    if images.dtype.kind != "f":
        raise UnfitData(f"{what} holds {images.dtype}; inputs are floats, images bytes (uint8)")
    Entrance(graph).check(images[0], f"each input in {what}")
    inputs = images.astype(np.float32, copy=False)
    if not np.isfinite(inputs).all():
        raise UnfitData(f"{what} holds numbers that are not finite")
    return Samples(list(inputs), classes)


def _pictures(images: npt.NDArray[np.uint8], graph: Graph, what: str) -> Sequence[Array]:
    """Images of bytes through the contract."""
    preprocess = graph.preprocess
    if preprocess is None:
        raise UnfitData(f"{what} holds bytes, and the spec has no `preprocess` that makes inputs of them; give floats")
    channels = channels_of(preprocess.image)
    axis = 3 if preprocess.layout == "nhwc" else 1
    if images.ndim != 4 or images.shape[axis] != channels:
        order = "NxHxWx" + str(channels) if axis == 3 else f"Nx{channels}xHxW"
        raise UnfitData(f"{what} holds bytes of {times(images.shape)}; the spec's images are {order}")
    library = need("PIL.Image", "images")
    size = graph.input_shape.spatial
    height, width = (n if isinstance(n, int) else None for n in size)
    try:
        made = [
            network_input(preprocess, _picture(library, preprocess, image), (height, width))
            for image in (images if axis == 3 else images.transpose(0, 2, 3, 1))
        ]
    except BrokenImage as problem:
        raise UnfitData(f"an image in {what} does not do: {problem}") from None
    Entrance(graph).check(made[0], f"each input that `preprocess` makes of {what}", RESIZE)
    return made


def _picture(library: Any, preprocess: Preprocess, image: npt.NDArray[np.uint8]) -> Any:
    """A Pillow image of bytes in the order in which they are handed in."""
    if preprocess.image == "grey":
        return library.fromarray(np.ascontiguousarray(image[:, :, 0]))
    return library.fromarray(np.ascontiguousarray(image[:, :, ::-1] if preprocess.image == "bgr" else image))
