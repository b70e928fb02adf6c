"""Where branches meet: CONCAT, ADD, MUL, MEAN, MAX; and Input, where the graph begins."""

from __future__ import annotations

from typing import ClassVar

from ..shape import Dim, Shape
from .base import Op, Problem, channels_of, unfixed
from .conditions import Condition, Equal


class Input(Op):
    """The network's input; it is node 0 and has no inputs. Its shape stands on the node."""

    kind: ClassVar[str] = "input"

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        raise TypeError("the input's shape stands on its node")


class Join(Op):
    """Values of the same shape to one of that shape."""

    word: ClassVar[str]

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return ranks_differ(self.word, inputs) or channels_differ(self.word, inputs)

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        return positions_agree(self.word, inputs)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(inputs[0].channels, simplest(inputs))

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return (len(inputs) - 1) * output.elements


class Concat(Op):
    """Along the channels."""

    kind: ClassVar[str] = "concat"
    layer: ClassVar[str] = "CONCAT"

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        problem = ranks_differ("CONCAT", inputs)
        for x in inputs:
            problem = problem or unfixed("CONCAT", x)
        return problem

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        return positions_agree("CONCAT", inputs)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(sum(channels_of(x) for x in inputs), simplest(inputs))


class Add(Join):
    """The sum."""

    kind: ClassVar[str] = "add"
    layer: ClassVar[str] = "ADD"
    word: ClassVar[str] = "ADD"


class Mul(Join):
    """Element-wise; a vector of C, or C×1×1, multiplies C×H×W by broadcasting."""

    kind: ClassVar[str] = "mul"
    layer: ClassVar[str] = "MUL"
    word: ClassVar[str] = "MUL"

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return ranks_differ("MUL", full(inputs)) or channels_differ("MUL", inputs)

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        return positions_agree("MUL", full(inputs))

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(inputs[0].channels, simplest(full(inputs)))


class Mean(Join):
    """The mean, of any number of branches."""

    kind: ClassVar[str] = "mean"
    layer: ClassVar[str] = "MEAN"
    word: ClassVar[str] = "MEAN"

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return len(inputs) * output.elements


class Max(Join):
    """The larger value."""

    kind: ClassVar[str] = "max"
    layer: ClassVar[str] = "MAX"
    word: ClassVar[str] = "MAX"


def full(inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The inputs that are not broadcast: the maps, where there are any larger than one position."""
    maps = tuple(x for x in inputs if any(n != 1 for n in x.spatial))
    return maps or tuple(x for x in inputs if x.spatial) or inputs


def simplest(inputs: tuple[Shape, ...]) -> tuple[Dim, ...]:
    """The spatial sizes in their simplest form; the conditions make all forms equal."""
    return tuple(
        min(sizes, key=lambda n: 0 if isinstance(n, int) else n.depth + 1)
        for sizes in zip(*(x.spatial for x in inputs), strict=True)
    )


def listed(inputs: tuple[Shape, ...]) -> str:
    """The shapes that meet: `64x56x56 and 64x28x28`."""
    return " and ".join(map(str, inputs))


def ranks_differ(word: str, inputs: tuple[Shape, ...]) -> Problem | None:
    """A problem where maps and vectors, or maps of different ranks, meet."""
    if len({x.rank for x in inputs}) == 1:
        return None
    return Problem("CNN108", f"{word} of branches of different rank", "branches of one rank", listed(inputs))


def channels_differ(word: str, inputs: tuple[Shape, ...]) -> Problem | None:
    """A problem where the branches do not have the same channels."""
    channels = [x.channels for x in inputs]
    if all(n == channels[0] for n in channels):
        return None
    return Problem(
        "CNN101",
        f"{word} of {' and '.join(map(str, channels))} channels",
        "the same channels in every branch",
        listed(inputs),
        f"end the branch with CONV1-{channels[0]}" if isinstance(channels[0], int) and inputs[0].spatial else None,
    )


def positions_agree(word: str, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
    """The conditions that all branches have the same resolution."""
    if all(x.spatial == inputs[0].spatial for x in inputs):
        return ()
    problem = Problem(
        "CNN102",
        f"{word} of branches of different resolution: {listed(inputs)}",
        "the same resolution in every branch",
        listed(inputs),
        "give the branches the same strides, or pad the smaller",
    )
    first, *others = inputs
    return tuple(
        Equal(left, right, problem)
        for other in others
        for left, right in zip(first.spatial, other.spatial, strict=True)
        if left != right
    )
