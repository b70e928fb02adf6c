"""Inputs that come as images in a folder, or in one subfolder a class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ..images import BrokenImage, find_images, network_input, read_image
from ..ir import Graph
from .labels import classes_of, classifies
from .samples import RESIZE, Array, Entrance, Samples, UnfitData, UnfitSize, spread

MOST: Final = 2000
"""Images that are read of a folder; of one with more, so many from its whole length."""


def read_folder(folder: Path, graph: Graph) -> Samples:
    """The images below a folder as the network's inputs; what cannot be read is left out and told.

    Raises UnfitData where there are none, none can be read, one becomes an input of a size that is not valid, or the spec
    does not say how images become inputs.
    """
    if graph.preprocess is None:
        raise UnfitData(
            f"the spec does not say how the images in {folder} become inputs: write `preprocess resize(256) - crop(224)` "
            "or the like, or give an .npz file of inputs ready made"
        )
    found = _labelled(folder, graph) or [(path, None) for path in _images(folder)]
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
    return Samples(inputs, np.array(labels, np.int64) if labels else None, tuple(skipped))


def _input(path: Path, graph: Graph, entrance: Entrance) -> Array:
    preprocess = graph.preprocess
    assert preprocess is not None
    height, width = (n if isinstance(n, int) else None for n in graph.input_shape.spatial)
    image = read_image(path, grey=preprocess.image == "grey")
    try:
        made = network_input(preprocess, image, (height, width))
        entrance.check(made, "it", RESIZE)
    except UnfitSize as problem:
        raise UnfitSize(f"{path}: as an input {problem}") from None
    except (BrokenImage, UnfitData) as problem:
        raise BrokenImage(f"{path}: {problem}") from None
    return made


def _labelled(folder: Path, graph: Graph) -> Sequence[tuple[Path, int | None]]:
    """The images and the classes of a folder that has a subfolder a class and no images of its own; else nothing."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    images = _images(folder)
    if not names or not classifies(graph) or any(path.parent == folder for path in images):
        return ()
    within = {name: [path for path in images if path.relative_to(folder).parts[0] == name] for name in names}
    within = {name: paths for name, paths in within.items() if paths}
    classes = classes_of(list(within), graph, str(folder))
    return [(path, classes[name]) for name, paths in within.items() for path in paths]


def _images(folder: Path) -> list[Path]:
    found, wrong = find_images([folder])
    if wrong:
        raise UnfitData(wrong[0])
    return found
