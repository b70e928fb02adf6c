"""Activations: RELU, RELU6, LRELU, PRELU, ELU, SELU, CELU, GELU, SILU/SWISH, MISH, SIGMOID, TANH, HSWISH, HSIGMOID,
SOFTPLUS, MAXOUT, SOFTMAX."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..shape import Shape
from .base import Op, Problem, Weight, channels_of, unfixed
from .parameters import Approximation, Flag, NonZeroReal, Parameters, Positive, PositiveReal, Real

Function = Literal[
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "tanh", "hardswish",
    "hardsigmoid", "softplus",
]  # fmt: skip


class Activation(Op):
    """A function of one element. `alpha` is the slope of leaky_relu, the alpha of elu and celu, the beta of softplus;
    `approximate` is gelu's tanh form; both are None/False for the others. Softplus is linear above beta*x = 20."""

    kind: ClassVar[str] = "activation"
    function: Function
    alpha: float | None = None
    approximate: bool = False

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return output.elements

    def written(self) -> tuple[str, dict[str, object]]:
        name, argument = _WRITTEN[self.function]
        given: dict[str, object] = {} if argument is None else {argument: self.alpha}
        if self.function == "gelu":
            given["approximate"] = "tanh" if self.approximate else "none"
        return name, given


_WRITTEN: dict[Function, tuple[str, str | None]] = {
    "relu": ("RELU", None),
    "relu6": ("RELU6", None),
    "leaky_relu": ("LRELU", "negative_slope"),
    "elu": ("ELU", "alpha"),
    "selu": ("SELU", None),
    "celu": ("CELU", "alpha"),
    "gelu": ("GELU", None),
    "silu": ("SILU", None),
    "mish": ("MISH", None),
    "sigmoid": ("SIGMOID", None),
    "tanh": ("TANH", None),
    "hardswish": ("HSWISH", None),
    "hardsigmoid": ("HSIGMOID", None),
    "softplus": ("SOFTPLUS", "beta"),
}
"""The layer that each function is written as, and the argument that its `alpha` is there."""


class PRelu(Op):
    """Leaky ReLU with learned slopes: one, or one a channel. `init` is their first value."""

    kind: ClassVar[str] = "prelu"
    layer: ClassVar[str] = "PRELU"
    per_channel: bool
    init: float

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return unfixed("PRELU", inputs[0]) if self.per_channel else None

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        return (Weight("weight", (channels_of(inputs[0]) if self.per_channel else 1,), "slope"),)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return output.elements


class Maxout(Op):
    """The maximum over `pieces` neighbouring channels: C to C/pieces."""

    kind: ClassVar[str] = "maxout"
    layer: ClassVar[str] = "MAXOUT"
    pieces: int

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        (x,) = inputs
        problem = unfixed("MAXOUT", x)
        if problem is None and channels_of(x) % self.pieces:
            problem = Problem(
                "CNN109",
                f"MAXOUT cannot take {x.channels} channels in groups of {self.pieces}",
                f"a multiple of {self.pieces}",
                str(x.channels),
                argument="pieces",
            )
        return problem

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(channels_of(inputs[0]) // self.pieces, inputs[0].spatial)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return (self.pieces - 1) * output.elements


class Softmax(Op):
    """Over the channels."""

    kind: ClassVar[str] = "softmax"
    layer: ClassVar[str] = "SOFTMAX"

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return 3 * output.elements


class Plain(Parameters):
    """An activation without arguments."""

    function: ClassVar[Function]

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Activation(self.function),)


class ReluParameters(Plain):
    """RELU: max(x, 0)."""

    names: ClassVar = ("RELU",)
    function: ClassVar = "relu"


class Relu6Parameters(Plain):
    """RELU6: min(max(x, 0), 6)."""

    names: ClassVar = ("RELU6",)
    function: ClassVar = "relu6"


class SeluParameters(Plain):
    """SELU: self-normalising ELU."""

    names: ClassVar = ("SELU",)
    function: ClassVar = "selu"


class SiluParameters(Plain):
    """SILU, SWISH: x*sigmoid(x)."""

    names: ClassVar = ("SILU", "SWISH")
    function: ClassVar = "silu"


class MishParameters(Plain):
    """MISH: x*tanh(softplus(x))."""

    names: ClassVar = ("MISH",)
    function: ClassVar = "mish"


class SigmoidParameters(Plain):
    """SIGMOID: 1/(1+exp(-x))."""

    names: ClassVar = ("SIGMOID",)
    function: ClassVar = "sigmoid"


class TanhParameters(Plain):
    """TANH: the hyperbolic tangent."""

    names: ClassVar = ("TANH",)
    function: ClassVar = "tanh"


class HardSwishParameters(Plain):
    """HSWISH: x*relu6(x+3)/6."""

    names: ClassVar = ("HSWISH",)
    function: ClassVar = "hardswish"


class HardSigmoidParameters(Plain):
    """HSIGMOID: relu6(x+3)/6."""

    names: ClassVar = ("HSIGMOID",)
    function: ClassVar = "hardsigmoid"


class LeakyReluParameters(Parameters):
    """LRELU(0.1): max(x, 0) + negative_slope*min(x, 0)."""

    names: ClassVar = ("LRELU",)
    positional: ClassVar = ("negative_slope",)
    negative_slope: Real = 0.01

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Activation("leaky_relu", self.negative_slope),)


class EluParameters(Parameters):
    """ELU: alpha*(exp(x)-1) below 0."""

    names: ClassVar = ("ELU",)
    positional: ClassVar = ("alpha",)
    alpha: Real = 1.0

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Activation("elu", self.alpha),)


class CeluParameters(Parameters):
    """CELU: alpha*(exp(x/alpha)-1) below 0; alpha is not 0."""

    names: ClassVar = ("CELU",)
    positional: ClassVar = ("alpha",)
    alpha: NonZeroReal = 1.0

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Activation("celu", self.alpha),)


class GeluParameters(Parameters):
    """GELU: x*Phi(x), exactly or by its tanh approximation (approximate=tanh)."""

    names: ClassVar = ("GELU",)
    approximate: Approximation = "none"

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Activation("gelu", approximate=self.approximate == "tanh"),)


class SoftplusParameters(Parameters):
    """SOFTPLUS: log(1+exp(beta*x))/beta, linear above beta*x = 20."""

    names: ClassVar = ("SOFTPLUS",)
    positional: ClassVar = ("beta",)
    beta: PositiveReal = 1.0

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Activation("softplus", self.beta),)


class PReluParameters(Parameters):
    """PRELU: leaky ReLU with one learned slope, or with per_channel=true one a channel."""

    names: ClassVar = ("PRELU",)
    per_channel: Flag = False
    init: Real = 0.25

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (PRelu(self.per_channel, self.init),)


class MaxoutParameters(Parameters):
    """MAXOUT(2): the maximum of every `pieces` neighbouring channels."""

    names: ClassVar = ("MAXOUT",)
    positional: ClassVar = ("pieces",)
    pieces: Positive = 2

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Maxout(self.pieces),)


class SoftmaxParameters(Parameters):
    """SOFTMAX: over the channels."""

    names: ClassVar = ("SOFTMAX",)

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Softmax(),)
