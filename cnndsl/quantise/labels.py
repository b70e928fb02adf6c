"""Which class each input is of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..ir import Graph
from .samples import Labels, UnfitData, times

_SHOWN: Final = 3


def fitting_labels(labels: npt.NDArray[Any], count: int, graph: Graph, what: str) -> Labels:
    """Labels as indices of classes; raises UnfitData where they are not that, or the network classifies nothing."""
    classes = class_count(graph, what)
    if labels.shape != (count,):
        raise UnfitData(
            f"{what} holds {count} inputs and labels of {times(labels.shape)}; one index an input is wanted"
        )
    if labels.dtype.kind not in "iu":
        raise UnfitData(f"the labels in {what} are {labels.dtype}; whole numbers from 0 are wanted")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise UnfitData(
            f"the labels in {what} go from {labels.min()} to {labels.max()}; the network has {classes} classes"
        )
    return labels.astype(np.int64)


def classifies(graph: Graph) -> bool:
    """Whether a network gives one score a class, of two classes or more."""
    shape = graph.nodes[graph.output].shape
    return scores_classes(graph) and all(size == 1 for size in shape.spatial)


def scores_classes(graph: Graph) -> bool:
    """Whether a network gives two scores or more, for an input or for each position of a map."""
    channels = graph.nodes[graph.output].shape.channels
    return isinstance(channels, int) and channels > 1


def class_count(graph: Graph, what: str) -> int:
    """How many classes a network tells apart; raises UnfitData where it is no classifier."""
    shape = graph.nodes[graph.output].shape
    if not classifies(graph) or not isinstance(shape.channels, int):
        raise UnfitData(f"{what} has labels, and the network gives {shape}, not one score a class: leave them out")
    return shape.channels


def classes_of(names: Sequence[str], graph: Graph, what: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """The index of the class that each subfolder stands for, and what someone should know of that.

    Its name is one of the spec's labels, up to case and punctuation, or the index itself; else the folders stand for the
    classes in the order of their names, as torchvision's ImageFolder has it, and must be as many. Raises UnfitData.
    """
    count = class_count(graph, what)
    labels = (graph.preprocess and graph.preprocess.labels) or ()
    spelled = {_plain(label): index for index, label in enumerate(labels)}
    named = {name: labels.index(name) for name in names if name in labels}
    if len(spelled) == len(labels):
        named |= {name: spelled[_plain(name)] for name in names if name not in named and _plain(name) in spelled}
    if len(named) == len(names):
        return named, ()
    if all(name.isascii() and name.isdigit() for name in names):
        indices = {name: int(name) for name in names}
        if max(indices.values()) < count:
            return indices, ()
    if len(names) == count and not named:
        ordered = sorted(names)
        note = f"no subfolder of {what} has the name of a label, so they are the classes in the order of their names: "
        said = (note + _some([f"{name} is {label}" for name, label in zip(ordered, labels, strict=False)]),)
        return {name: index for index, name in enumerate(ordered)}, said if labels else ()
    unknown = sorted(set(names) - set(named))
    raise UnfitData(
        f"{what} has {len(names)} subfolders for {count} classes, and {unknown[0]} is none of their labels: name each "
        "subfolder after a label or an index of a class, or put all images into one folder without classes"
    )


def _plain(name: str) -> str:
    """A name without case and punctuation: folders have underscores where labels have spaces."""
    return " ".join(re.findall(r"\w+", name.casefold().replace("_", " ")))


def _some(facts: Sequence[str]) -> str:
    return ", ".join([*facts[:_SHOWN], *(["..."] if len(facts) > _SHOWN else [])])
