"""Calibration data from whatever holds it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..ir import Graph
from .arrays import array_samples, known, read_arrays
from .folders import read_folder
from .samples import Samples, UnfitData

Inputs: TypeAlias = "str | PathLike[str] | npt.ArrayLike | tuple[npt.ArrayLike, npt.ArrayLike]"
"""A folder, a file, the name of a set, an array of inputs, or a pair of that and their labels."""


def read_samples(where: Inputs, graph: Graph, *, labelled: bool = True) -> Samples:
    """The inputs that a path names: a folder of images, an `.npz` or `.npy` file, or `digits`, the set that comes with us.

    Or arrays, as such a file would hold them: `images`, or `(images, labels)`. Images are made into inputs as the spec's
    `preprocess` says; a folder whose images lie in a subfolder a class gives labels, and so does an array `labels` of an
    `.npz` file, unless none are wanted. Raises UnfitData, MissingExtra, OSError.
    """
    if not isinstance(where, str | PathLike):
        images, labels = where if isinstance(where, tuple) else (where, None)
        return array_samples(np.asarray(images), None if labels is None else np.asarray(labels), graph, "`calibrate`")
    path = Path(where)
    if path.is_dir():
        return read_folder(path, graph, labelled=labelled)
    if path.is_file():
        return read_arrays(path, graph, labelled=labelled)
    if path.exists():
        raise UnfitData(
            f"{where} is neither a folder nor a regular file: give a folder of images, an .npz or .npy file"
        )
    found = known(str(where), graph)
    if found is None:
        raise UnfitData(f"{where} does not exist: give a folder of images, an .npz or .npy file, or `digits`")
    return found
