"""The inputs that a model is calibrated and measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..analysis.sizes import valid_sizes
from ..ir import Graph
from ..record import Record
from ..symbolic import Symbolic

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

CALIBRATION: Final = 256
"""How many inputs ranges are taken from: more hardly move them, and each is run with every value kept."""

BATCH: Final = 16

INPUT: Final = "input"
"""What `to_onnx` calls the input of a model."""

RESIZE: Final = ". Let `preprocess` make images of one valid size, as with resize(256) - crop(224)"
"""What to do where images become inputs of sizes that are not valid."""


class UnfitData(ValueError):
    """Calibration data that cannot be used; the message names it and says what to give instead."""


class UnfitSize(UnfitData):
    """An input of an open size for which the network is not valid."""


class Samples(Record):
    """Inputs of a network, C×spatial each, with the index of the class of each where that is known.

    `skipped` says in words what was left out, a line an image, and `notes` what someone should know of the rest.
    """

    inputs: Sequence[Array]
    labels: Labels | None = None
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def some(self, indices: Sequence[int]) -> Samples:
        """Those with these indices."""
        labels = None if self.labels is None else self.labels[list(indices)]
        return Samples([self.inputs[i] for i in indices], labels)

    def spread(self, most: int) -> Samples:
        """At most so many, from the whole length: files come in the order of their classes."""
        return self.some(spread(len(self), most))

    def parts(self) -> tuple[Samples, Samples]:
        """What to calibrate on, and what to measure on: others, where there are enough, else all."""
        chosen = spread(len(self), CALIBRATION)
        others = sorted(set(range(len(self))) - set(chosen))
        return self.some(chosen), self if len(others) < len(chosen) else self.some(others)

    def batches(self) -> Iterator[Array]:
        """N×C×spatial, in order, as many as have one shape in a row and 16 at most."""
        waiting: list[Array] = []
        for array in self.inputs:
            if waiting and (len(waiting) == BATCH or waiting[0].shape != array.shape):
                yield np.stack(waiting)
                waiting = []
            waiting.append(array)
        if waiting:
            yield np.stack(waiting)


def spread(count: int, most: int) -> list[int]:
    """At most so many indices below `count`, evenly apart."""
    return [i * count // most for i in range(most)] if count > most else list(range(count))


class Entrance:
    """What a network takes: an input of its shape, and where that is open of one of the valid sizes."""

    def __init__(self, graph: Graph) -> None:
        self.shape = graph.input_shape
        self._valid = None if self.shape.fixed else valid_sizes(graph)

    def check(self, array: npt.NDArray[Any], what: str, advice: str = "") -> None:
        """Raise UnfitData for an input, without the batch, that the network does not take, UnfitSize with the advice."""
        sizes = self.shape.dimensions
        fits = array.ndim == len(sizes) and all(
            not isinstance(want, int) or want == have for want, have in zip(sizes, array.shape, strict=True)
        )
        if not fits or not array.size:
            raise UnfitData(f"{what} is {times(array.shape)}, and the network takes {self.shape}")
        opened = {
            want.symbol: have for want, have in zip(sizes, array.shape, strict=True) if isinstance(want, Symbolic)
        }
        if self._valid is not None and not self._valid.accepts(opened):
            valid = "; ".join(self._valid.lines())
            raise UnfitSize(
                f"{what} is {times(array.shape)}, and the network takes {self.shape}, valid sizes: {valid}{advice}"
            )


def times(shape: Sequence[int]) -> str:
    """A shape in words."""
    return "x".join(map(str, shape)) or "a single number"
