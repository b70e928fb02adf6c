"""Normalisation: BN, LN, IN, GN, LRN/NORM."""

from __future__ import annotations

from typing import ClassVar

from ..shape import Shape
from ..symbolic import product
from .base import Op, Problem, Weight, channels_of, needs_map, undivided, unfixed
from .conditions import AtLeast, Condition
from .parameters import Flag, Parameters, Positive, PositiveReal, Probability, Real


class BatchNorm(Op):
    """Each channel over the batch and its positions; running statistics in evaluation."""

    kind: ClassVar[str] = "batch_norm"
    layer: ClassVar[str] = "BN"
    eps: float
    momentum: float
    affine: bool

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return unfixed("BN", inputs[0])

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        shape = (channels_of(inputs[0]),)
        return (
            *(scale_and_shift(shape) if self.affine else ()),
            Weight("running_mean", shape, "mean", trained=False),
            Weight("running_var", shape, "variance", trained=False),
            Weight("num_batches_tracked", (), "counter", trained=False),
        )

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return 2 * output.elements


class LayerNorm(Op):
    """Over the channels at each position (ConvNeXt's); on a vector, over the vector."""

    kind: ClassVar[str] = "layer_norm"
    layer: ClassVar[str] = "LN"
    eps: float
    affine: bool

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return unfixed("LN", inputs[0])

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        return scale_and_shift((channels_of(inputs[0]),)) if self.affine else ()

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return normalising(output, self.affine)


class InstanceNorm(Op):
    """Each channel of each sample over its positions; no running statistics."""

    kind: ClassVar[str] = "instance_norm"
    layer: ClassVar[str] = "IN"
    eps: float
    affine: bool

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return None if inputs[0].spatial else nothing_to_normalise("IN", inputs[0])

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        return (AtLeast(product(inputs[0].spatial), 2, nothing_to_normalise("IN", inputs[0])),)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        return scale_and_shift((channels_of(inputs[0]),)) if self.affine else ()

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return normalising(output, self.affine)


class GroupNorm(Op):
    """Each group of channels of each sample, over their positions."""

    kind: ClassVar[str] = "group_norm"
    layer: ClassVar[str] = "GN"
    groups: int
    eps: float
    affine: bool

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return undivided("GN", inputs[0], self.groups)

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        (x,) = inputs
        values = product((channels_of(x) // self.groups, *x.spatial))
        return (AtLeast(values, 2, nothing_to_normalise("GN", x)),)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        return scale_and_shift((channels_of(inputs[0]),)) if self.affine else ()

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return normalising(output, self.affine)


class LocalResponseNorm(Op):
    """Across `size` neighbouring channels, torch.nn.LocalResponseNorm's formula."""

    kind: ClassVar[str] = "local_response_norm"
    layer: ClassVar[str] = "LRN"
    size: int
    alpha: float
    beta: float
    k: float

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return needs_map("LRN", inputs[0])

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return (self.size + 5) * output.elements


def scale_and_shift(shape: tuple[int, ...]) -> tuple[Weight, ...]:
    """What follows the normalisation."""
    return Weight("weight", shape, "scale"), Weight("bias", shape, "shift")


def normalising(output: Shape, affine: bool) -> int:
    """Mean (1), difference (1), its square and sum (2), quotient (1), and scale and shift (2), a value."""
    return (7 if affine else 5) * output.elements


def nothing_to_normalise(name: str, x: Shape) -> Problem:
    """The problem that a mean is taken over one value: the output would not depend on the input."""
    return Problem(
        "CNN107",
        f"{name} has one value to normalise, so its output is constant",
        "two values or more",
        str(x),
        "leave it out, or use BN or LN",
        shape=x,
    )


class BatchNormParameters(Parameters):
    """BN: batch normalisation; also of vectors."""

    names: ClassVar = ("BN",)
    eps: PositiveReal = 1e-5
    momentum: Probability = 0.1
    affine: Flag = True

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (BatchNorm(self.eps, self.momentum, self.affine),)


class LayerNormParameters(Parameters):
    """LN: over the channels at each position."""

    names: ClassVar = ("LN",)
    eps: PositiveReal = 1e-5
    affine: Flag = True

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (LayerNorm(self.eps, self.affine),)


class InstanceNormParameters(Parameters):
    """IN: each channel over its positions."""

    names: ClassVar = ("IN",)
    eps: PositiveReal = 1e-5
    affine: Flag = False

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (InstanceNorm(self.eps, self.affine),)


class GroupNormParameters(Parameters):
    """GN(32): groups of channels, over their positions."""

    names: ClassVar = ("GN",)
    positional: ClassVar = ("groups",)
    groups: Positive = 32
    eps: PositiveReal = 1e-5
    affine: Flag = True

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (GroupNorm(self.groups, self.eps, self.affine),)


class LocalResponseParameters(Parameters):
    """LRN, NORM: local response normalisation with AlexNet's constants; alpha is divided by size, as in PyTorch."""

    names: ClassVar = ("LRN", "NORM")
    positional: ClassVar = ("size",)
    size: Positive = 5
    alpha: Real = 1e-4
    beta: Real = 0.75
    k: Real = 2.0

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return needs_map("LRN", x) or (LocalResponseNorm(self.size, self.alpha, self.beta, self.k),)
