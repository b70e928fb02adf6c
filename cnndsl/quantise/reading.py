"""Calibration data from whatever holds it."""

from __future__ import annotations

from pathlib import Path

from ..ir import Graph
from .arrays import known, read_arrays
from .folders import read_folder
from .samples import Samples, UnfitData


def read_samples(where: str, graph: Graph) -> Samples:
    """The inputs that a path names: a folder of images, an `.npz` or `.npy` file, or `digits`, the set that comes with us.

    Images are made into inputs as the spec's `preprocess` says; a folder whose images lie in a subfolder a class gives
    labels, and so does an array `labels` of an `.npz` file. Raises UnfitData, MissingExtra, OSError.
    """
    path = Path(where)
    if path.is_dir():
        return read_folder(path, graph)
    if path.is_file():
        return read_arrays(path, graph)
    if path.exists():
        raise UnfitData(
            f"{where} is neither a folder nor a regular file: give a folder of images, an .npz or .npy file"
        )
    found = known(where, graph)
    if found is None:
        raise UnfitData(f"{where} does not exist: give a folder of images, an .npz or .npy file, or `digits`")
    return found
