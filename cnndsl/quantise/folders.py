"""Inputs that come as images in a folder, or in one subfolder a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ..images import BrokenImage, find_images, read_input
from ..ir import Graph
from .labels import classes_of, classifies
from .samples import RESIZE, Array, Entrance, Samples, UnfitData, UnfitSize, spread

MOST: Final = 2000
"""Images that are read of a folder; of one with more, so many from its whole length."""


def read_folder(folder: Path, graph: Graph, *, labelled: bool = True) -> Samples:
    """The images below a folder as inputs, `labelled` by its subfolders; what cannot be read is left out and told.

    Raises UnfitData where there are none, none can be read, one becomes an input of a size that is not valid, or the spec
    does not say how images become inputs.
    """
    if graph.preprocess is None:
        raise UnfitData(
            f"the spec does not say how the images in {folder} become inputs: write `preprocess resize(256) - crop(224)` "
            "or the like, or give an .npz file of inputs ready made"
        )
    images, unread = _images(folder)
    found, notes = _labelled(folder, images, graph) if labelled else ((), ())
    found = found or [(path, None) for path in images]
    chosen = [found[i] for i in spread(len(found), MOST)]
    inputs: list[Array] = []
    labels: list[int] = []
    skipped: list[str] = []
    entrance = Entrance(graph)
    for path, label in chosen:
        try:
            inputs.append(_input(path, graph, entrance))
        except BrokenImage as problem:
            skipped.append(str(problem))
            continue
        labels += [] if label is None else [label]
    if not inputs:
        raise UnfitData(f"none of the {len(chosen)} images in {folder} can be used; the first: {skipped[0]}")
    return Samples(inputs, np.array(labels, np.int64) if labels else None, (*skipped, *unread), notes)


def _input(path: Path, graph: Graph, entrance: Entrance) -> Array:
    preprocess = graph.preprocess
    assert preprocess is not None
    height, width = (n if isinstance(n, int) else None for n in graph.input_shape.spatial)
    made = read_input(path, preprocess, (height, width))
    try:
        entrance.check(made, "it", RESIZE)
    except UnfitSize as problem:
        raise UnfitSize(f"{path}: as an input {problem}") from None
    except UnfitData as problem:
        raise BrokenImage(f"{path}: {problem}") from None
    return made


def _labelled(
    folder: Path, images: Sequence[Path], graph: Graph
) -> tuple[Sequence[tuple[Path, int | None]], tuple[str, ...]]:
    """The images and classes of a folder with a subfolder a class and no images of its own, else nothing; and notes."""
    if not classifies(graph):
        return (), ()
    within: dict[str, list[Path]] = {}
    loose = []
    for path in images:
        first, *rest = path.relative_to(folder).parts
        if rest:
            within.setdefault(first, []).append(path)
        else:
            loose.append(first)
    if not within:
        return (), ()
    if loose:
        return (), (f"{loose[0]} lies beside the subfolders of {folder}, so that they are not taken for classes",)
    classes, notes = classes_of(list(within), graph, str(folder))
    return [(path, classes[name]) for name, paths in within.items() for path in paths], notes


def _images(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The images in a folder, and which of the folders within cannot be read."""
    found, unread, wrong = find_images([folder])
    if wrong:
        raise UnfitData(wrong[0])
    return found, tuple(unread.values())
