"""Convolutions: CONV, DWCONV, SEPCONV, UPCONV."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from ..shape import Dim, Shape
from .base import Op, Problem, Weight, bounded_weights, channels_of, needs_map
from .conditions import AtLeast, Condition
from .parameters import Flag, Margins, Parameters, Positive, Width
from .windows import Axes, Padding, Pads, Window, extent, padding, spread_all, symmetric


class Conv(Op):
    """A convolution; one entry per spatial axis in kernel, stride, pad (before, after) and dilation."""

    kind: ClassVar[str] = "conv"
    layer: ClassVar[str] = "CONV"
    width: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: Pads
    dilation: tuple[int, ...]
    groups: int
    bias: bool

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        (x,) = inputs
        return (
            needs_map("a convolution", x)
            or wrong_axes(x, self.kernel)
            or ungrouped(channels_of(x), self.width, self.groups)
            or bounded_weights((self.width, channels_of(x) // self.groups, *self.kernel))
        )

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        (x,) = inputs
        reach = map(extent, self.kernel, self.dilation)
        padded = (n + sum(pads) for n, pads in zip(x.spatial, self.pad, strict=True))
        return tuple(AtLeast(n, k, larger_window(n, k)) for n, k in zip(padded, reach, strict=True))

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        (x,) = inputs
        axes = zip(x.spatial, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        return Shape(self.width, tuple((n + b + a - extent(k, d)) // s + 1 for n, k, s, (b, a), d in axes))

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        area = prod(self.kernel)
        per_group = channels_of(inputs[0]) // self.groups
        fans = (per_group * area, self.width // self.groups * area)
        return kernel_and_bias((self.width, per_group, *self.kernel), self.width if self.bias else 0, fans)

    def macs(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return output.elements * (channels_of(inputs[0]) // self.groups) * prod(self.kernel)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return output.elements if self.bias else 0


class ConvTranspose(Op):
    """A transposed convolution; `pad` is taken off both ends of each axis."""

    kind: ClassVar[str] = "conv_transpose"
    layer: ClassVar[str] = "UPCONV"
    width: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    bias: bool

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        (x,) = inputs
        return (
            needs_map("a transposed convolution", x)
            or wrong_axes(x, self.kernel)
            or ungrouped(channels_of(x), self.width, self.groups)
            or self.unreachable()
            or bounded_weights((channels_of(x), self.width // self.groups, *self.kernel))
        )

    def unreachable(self) -> Problem | None:
        """PyTorch's limit: output padding stays below the stride or the dilation."""
        for extra, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if extra >= max(s, d):
                return Problem(
                    "CNN113",
                    "output_padding must be smaller than the stride or the dilation",
                    f"at most {max(s, d) - 1}",
                    str(extra),
                    argument="output_padding",
                )
        return None

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        problem = Problem(
            "CNN105",
            "the transposed convolution takes off all that it makes",
            "at least one position",
            help="lower pad",
            argument="pad",
        )
        return tuple(AtLeast(n, 1, problem.replace(found=str(n))) for n in self.sizes(inputs[0]))

    def sizes(self, x: Shape) -> tuple[Dim, ...]:
        """The output's spatial sizes."""
        axes = zip(x.spatial, self.kernel, self.stride, self.pad, self.output_padding, self.dilation, strict=True)
        return tuple(n * s + (extent(k, d) - s - 2 * p + extra) for n, k, s, p, extra, d in axes)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(self.width, self.sizes(inputs[0]))

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        area, cin = prod(self.kernel), channels_of(inputs[0])
        per_group = self.width // self.groups
        fans = (max(1, cin // self.groups * area // prod(self.stride)), per_group * area)
        return kernel_and_bias((cin, per_group, *self.kernel), self.width if self.bias else 0, fans)

    def macs(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return inputs[0].elements * (self.width // self.groups) * prod(self.kernel)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return output.elements if self.bias else 0


def kernel_and_bias(shape: tuple[int, ...], biases: int, fans: tuple[int, int]) -> tuple[Weight, ...]:
    """The weights of a convolution, with a bias for each of `biases` outputs."""
    weight = Weight("weight", shape, "weight", True, *fans)
    return (weight, Weight("bias", (biases,), "bias", True, *fans)) if biases else (weight,)


def wrong_axes(x: Shape, kernel: Axes) -> Problem | None:
    """A problem where a window does not have the axes of the input."""
    if len(kernel) == x.rank:
        return None
    return Problem("CNN108", f"a window of {len(kernel)} axes on a map of {x.rank}", found=str(x))


def ungrouped(cin: int, width: int, groups: int) -> Problem | None:
    """A problem where the groups do not divide the channels on either side."""
    for what, channels in (("input channels", cin), ("output channels", width)):
        if channels % groups:
            return Problem(
                "CNN103",
                f"{groups} groups do not divide {channels} {what}",
                f"a multiple of {groups}",
                f"{channels} {what}",
                argument="groups",
            )
    return None


def larger_window(size: Dim, reach: int, *, padded: bool = True) -> Problem:
    """The problem that a window, dilated, is larger than its padded input."""
    return Problem(
        "CNN104",
        f"window {reach} is larger than the {'padded ' if padded else ''}input {size}",
        f"a window of at most {size}",
        str(reach),
        "pad more, use a smaller window, or reduce the resolution less before it",
    )


def keeping(kernel: Axes, dilation: Axes) -> Axes:
    """The lectures' padding, which keeps the resolution of odd windows: dilation*(kernel-1)/2, floored."""
    return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))


class Convolving(Parameters):
    """What the convolutions have in common."""

    kernel: Window = 3
    width: Width | None = None
    stride: Window = 1
    pad: Padding | None = None
    dilation: Window = 1
    bias: Flag = True

    def convolution(self, x: Shape, width: int, groups: int, bias: bool) -> Conv | Problem:
        """The convolution of this window on an input of this shape."""
        axes = spread_all(x, kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        if isinstance(axes, Problem):
            return axes
        kernel, stride, dilation = axes
        pads = padding(x, self.pad, keeping(kernel, dilation), tuple(map(extent, kernel, dilation)), stride)
        if isinstance(pads, Problem):
            return pads
        return Conv(width, kernel, stride, pads, dilation, groups, bias)


class ConvParameters(Convolving):
    """CONV: a convolution. Padding defaults to dilation*(kernel-1)/2."""

    names: ClassVar = ("CONV",)
    bare_width: ClassVar = True
    groups: Positive = 1

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        problem = needs_map("CONV", x)
        if problem is not None or self.width is None:
            return problem or without_width("CONV")
        op = self.convolution(x, self.width, self.groups, self.bias)
        return op if isinstance(op, Problem) else (op,)


class DepthwiseParameters(Convolving):
    """DWCONV: a depthwise convolution, one group a channel; the width, the input's by default, is a multiple of it."""

    names: ClassVar = ("DWCONV",)

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        problem = needs_map("DWCONV", x)
        if problem is not None:
            return problem
        cin = channels_of(x)
        width = cin if self.width is None else self.width
        if width % cin:
            return Problem(
                "CNN103", f"{cin} channels do not divide the width {width}", f"a multiple of {cin}", str(width)
            )
        op = self.convolution(x, width, cin, self.bias)
        return op if isinstance(op, Problem) else (op,)


class SeparableParameters(Convolving):
    """SEPCONV: a depthwise convolution without bias, then a 1x1 convolution to the width, which has the bias."""

    names: ClassVar = ("SEPCONV",)
    parts: ClassVar = ("depthwise", "pointwise")
    bare_width: ClassVar = True

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        problem = needs_map("SEPCONV", x)
        if problem is not None or self.width is None:
            return problem or without_width("SEPCONV")
        cin = channels_of(x)
        depthwise = self.convolution(x, cin, cin, bias=False)
        if isinstance(depthwise, Problem):
            return depthwise
        ones = (1,) * x.rank
        return depthwise, Conv(self.width, ones, ones, ((0, 0),) * x.rank, ones, 1, self.bias)


class TransposedParameters(Parameters):
    """UPCONV: a transposed convolution, which doubles the resolution by default."""

    names: ClassVar = ("UPCONV",)
    bare_width: ClassVar = True
    kernel: Window = 2
    width: Width | None = None
    stride: Window = 2
    pad: Padding | None = None
    output_padding: Margins = 0
    dilation: Window = 1
    groups: Positive = 1
    bias: Flag = True

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        problem = needs_map("UPCONV", x)
        if problem is not None or self.width is None:
            return problem or without_width("UPCONV")
        if self.pad == "same":
            return Problem("CNN113", "UPCONV has no pad=same", "a number", "same", argument="pad")
        axes = spread_all(
            x, kernel=self.kernel, stride=self.stride, dilation=self.dilation, output_padding=self.output_padding
        )
        if isinstance(axes, Problem):
            return axes
        kernel, stride, dilation, extra = axes
        pads = padding(x, self.pad, keeping(kernel, dilation), kernel, stride)
        pad = pads if isinstance(pads, Problem) else symmetric("UPCONV", pads)
        if isinstance(pad, Problem):
            return pad
        return (ConvTranspose(self.width, kernel, stride, pad, extra, dilation, self.groups, self.bias),)


def without_width(name: str) -> Problem:
    """The problem of a layer that was given no width."""
    return Problem("CNN012", f"{name} needs a width", f"a width, as in {name}-64", argument="width")
