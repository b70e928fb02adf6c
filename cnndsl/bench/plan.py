"""What a model is run on: its ends, one batch and one size of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..record import Record
from .errors import CannotBench
from .file import ModelFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Value(Record):
    """An input or output of a model: its name, numpy's name for its type, and its shape."""

    name: str
    type: str
    shape: tuple[int, ...]


class Plan(Record):
    """One batch of one size: what goes in, what comes out, and the dimensions of the file that are fixed by it.

    Where the file leaves the batch open and names it, that is the first of the dimensions.
    """

    path: str
    precision: str
    input: Value
    outputs: tuple[Value, ...] = ()
    dimensions: tuple[tuple[str, int], ...] = ()
    open_batch: bool = False

    @property
    def batch(self) -> int:
        """How many images go together."""
        return self.input.shape[0]

    def example(self, seed: int = 0) -> npt.NDArray[np.generic]:
        """Random values for the input: normal, or every byte alike."""
        import numpy as np

        source = np.random.default_rng(seed)
        if self.input.type.startswith("float"):
            return source.standard_normal(self.input.shape, dtype=np.float32).astype(self.input.type, copy=False)
        bounds = np.iinfo(self.input.type)
        return source.integers(max(0, bounds.min), min(255, bounds.max), self.input.shape, self.input.type, True)


def plan_of(file: ModelFile, batch: int | None, size: Sequence[int] | None) -> Plan:
    """The plan for a batch (the file's own, or 1, where it is None) and a size of the open dimensions, in their order.

    Raises CannotBench where the file has others, or leaves more open than `size` says.
    """
    path = file.path
    if len(file.inputs) != 1:
        count = len(file.inputs)
        raise CannotBench(f"{path} has {count} inputs; one written without weights is timed after they are put in")
    end = file.inputs[0]
    if not end.type.startswith(("float", "int", "uint")) or len(end.shape) < 2:
        raise CannotBench(f"{path} takes {end.type} of {len(end.shape)} dimensions, which no batch of images is")
    first, *others = end.shape
    if isinstance(first, int) and batch not in (None, first):
        raise CannotBench(f"{path} takes batches of {first} and no others: leave out --batch {batch}")
    given = dict(zip(_open(path, others, size), size or (), strict=True))
    shape = [first if isinstance(first, int) else batch or 1]
    shape += [n if isinstance(n, int) else given[_name(n, at)] for at, n in enumerate(others)]
    named = {} if isinstance(first, int) or first is None else {first: shape[0]}
    named |= {name: n for name, n in given.items() if not name.isdigit()}
    return Plan(
        path, file.precision, Value(end.name, end.type, tuple(shape)), (), tuple(named.items()), isinstance(first, str)
    )


def _name(dimension: str | None, place: int) -> str:
    """An open dimension's name, or its place where it has none."""
    return dimension or str(place)


def _open(path: str, dimensions: Sequence[int | str | None], size: Sequence[int] | None) -> list[str]:
    """The open dimensions after the batch, for each of which there must be a number."""
    names = list(dict.fromkeys(_name(n, at) for at, n in enumerate(dimensions) if not isinstance(n, int)))
    if len(names) == len(size or ()):
        return names
    if not names:
        raise CannotBench(f"{path} takes {'x'.join(map(str, dimensions))} and nothing else: leave out --size")
    example = "x".join(["224"] * len(names))
    raise CannotBench(f"{path} leaves {' and '.join(names)} open: say how large with --size {example}")
