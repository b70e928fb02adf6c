"""Linear layers and the flattening before them: FC, FLATTEN."""

from __future__ import annotations

from typing import ClassVar

from ..shape import Shape
from ..symbolic import product
from .base import Op, Problem, Weight, bounded_weights, channels_of, unfixed
from .parameters import Flag, Parameters, Width


class Flatten(Op):
    """C×spatial to a vector, channels outermost."""

    kind: ClassVar[str] = "flatten"
    layer: ClassVar[str] = "FLATTEN"

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(product(inputs[0].dimensions))


class Linear(Op):
    """Vector to vector; FC on a map is a Flatten and a Linear."""

    kind: ClassVar[str] = "linear"
    layer: ClassVar[str] = "FC"
    width: int
    bias: bool

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        (x,) = inputs
        if x.spatial:
            return Problem("CNN108", "a linear layer needs a vector", "a vector", str(x), "put FLATTEN before it")
        return unfixed("FC", x) or bounded_weights((self.width, channels_of(x)))

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(self.width)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        cin = channels_of(inputs[0])
        weight = Weight("weight", (self.width, cin), "weight", fan_in=cin, fan_out=self.width)
        bias = Weight("bias", (self.width,), "bias", fan_in=cin, fan_out=self.width)
        return (weight, bias) if self.bias else (weight,)

    def macs(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return channels_of(inputs[0]) * self.width

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return self.width if self.bias else 0


class LinearParameters(Parameters):
    """FC: a linear layer; what is not a vector is flattened first."""

    names: ClassVar = ("FC",)
    bare_width: ClassVar = True
    width: Width | None = None
    bias: Flag = True

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        if self.width is None:
            return Problem("CNN012", "FC needs a width", "a width, as in FC-10", argument="width")
        linear = Linear(self.width, self.bias)
        return (Flatten(), linear) if x.spatial else (linear,)


class FlattenParameters(Parameters):
    """FLATTEN: a map to a vector, channels outermost."""

    names: ClassVar = ("FLATTEN",)

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Flatten(),)
