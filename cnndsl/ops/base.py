"""What every operation of the IR is: a frozen record with a shape rule, weights and a cost."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from ..record import Record
from ..shape import LARGEST_DIMENSION, LARGEST_VALUE, Channels, Shape
from ..symbolic import Symbolic

if TYPE_CHECKING:
    from .conditions import Condition

Role = Literal["weight", "bias", "scale", "shift", "slope", "mean", "variance", "counter"]


class Weight(Record):
    """One array that an operation owns: `name` is its key in a PyTorch state dict, below the node's name.

    `trained` is false for running statistics and counters. `fan_in` is the number of inputs that one output sums over,
    for the initialisation; 0 where it has no meaning.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    trained: bool = True
    fan_in: int = 0
    fan_out: int = 0

    @property
    def size(self) -> int:
        """The number of values."""
        return prod(self.shape)


class Problem(Record):
    """Why an operation cannot take its inputs; elaboration turns it into a diagnostic.

    `argument` names the argument at fault, `shape` is what to go on with when the output is known all the same.
    """

    code: str
    message: str
    expected: str | None = None
    found: str | None = None
    help: str | None = None
    argument: str | None = None
    shape: Shape | None = None


class Op(Record):
    """One operation: its resolved parameters, nothing defaulted any more. Every operation has one output.

    A shape rule has three parts: `refuse` for what no size can mend (rank, channels, groups), `conditions` on the
    spatial sizes, which for symbolic ones say what sizes are valid, and `output` for inputs that pass both.
    """

    kind: ClassVar[str]
    layer: ClassVar[str] = ""

    def written(self) -> tuple[str, dict[str, object]]:
        """The layer of the language that is this operation, and all its arguments by the names that a spec gives them."""
        return self.layer, {field: getattr(self, field) for field in self.fields}

    def infer(self, inputs: tuple[Shape, ...]) -> Shape | Problem:
        """The output's shape, C×spatial, for inputs of these shapes."""
        problem = self.refuse(inputs)
        if problem is not None:
            return problem
        for condition in self.conditions(inputs):
            problem = condition.violation()
            if problem is not None:
                return problem
        return bounded(self.output(inputs))

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        """What is wrong at every spatial size, or None."""
        return None

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        """What the spatial sizes must fulfil; asked only where `refuse` finds nothing."""
        return ()

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        """The output's shape for inputs that are in order; by default the first input's."""
        return inputs[0]

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        """The arrays it owns, in state-dict order."""
        return ()

    def macs(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        """Multiply-accumulates for one sample; all sizes known."""
        return 0

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        """Element-wise floating-point operations for one sample, beside the MACs."""
        return 0


def bounded(shape: Shape) -> Shape | Problem:
    """The shape, or a problem where it holds more than any machine's memory."""
    elements = 1
    for size in shape.dimensions:
        if type(size) is not int:
            if isinstance(size, Symbolic) and size.unwieldy:
                limit = "floors in each other at most 32 deep, and numbers below 2^63"
                return Problem("CNN028", "the size depends on the input's in too long a formula", limit)
            continue
        elements *= size
        if size > LARGEST_DIMENSION or elements > LARGEST_VALUE:
            return Problem(
                "CNN028", "the output is too large", "at most 2^31-1 an axis and 2^40 values in all", str(shape)
            )
    return shape


def bounded_weights(shape: tuple[int, ...]) -> Problem | None:
    """A problem where an array of weights of this shape has more than 2^40 values."""
    if prod(shape) <= LARGEST_VALUE:
        return None
    return Problem("CNN028", "the layer has too many weights", "at most 2^40", f"{prod(shape):,}")


def channels_of(x: Shape) -> int:
    """The channels as a number; for shapes that `unfixed` has passed."""
    if not isinstance(x.channels, int):
        raise TypeError(f"the channels of {x} are not fixed")
    return x.channels


def unfixed(name: str, x: Shape) -> Problem | None:
    """A problem where the number of channels depends on the input's size: a flattened map of unknown size."""
    if isinstance(x.channels, int):
        return None
    return not_fixed(name, x.channels)


def undivided(name: str, x: Shape, groups: int) -> Problem | None:
    """A problem where the channels do not come in this many equal groups; the output has the input's shape all the same."""
    problem = unfixed(name, x)
    if problem is None and channels_of(x) % groups:
        message = f"{groups} groups do not divide {x.channels} channels"
        wanted = f"a multiple of {groups}"
        problem = Problem("CNN103", message, wanted, str(x.channels), argument="groups", shape=x)
    return problem


def not_fixed(name: str, channels: Channels) -> Problem:
    """The problem that a layer needs a fixed number of inputs and has one that depends on the size of the input."""
    return Problem(
        "CNN106",
        f"{name} needs a fixed number of inputs",
        "a fixed size",
        str(channels),
        "put GAP or an adaptive pool before it, or give the input a fixed size",
    )


def needs_map(name: str, x: Shape) -> Problem | None:
    """A problem where the input is a vector and the layer works on positions."""
    if x.spatial:
        return None
    return Problem(
        "CNN108", f"{name} needs a map, not a vector", "CxL, CxHxW or CxDxHxW", str(x), "place it before FLATTEN or FC"
    )
