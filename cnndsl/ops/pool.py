"""Pooling: POOL/MAXPOOL, AVGPOOL, GAP, GMP, and the adaptive pools ADAPTIVEAVGPOOL and ADAPTIVEMAXPOOL."""

from __future__ import annotations

from math import gcd, prod
from typing import ClassVar

from ..shape import Dim, Shape
from .base import Op, Problem, needs_map
from .conditions import AtLeast, Condition
from .conv import larger_window, wrong_axes
from .parameters import Flag, Parameters
from .windows import Axes, Padding, Pads, Window, extent, padding, spread, spread_all, symmetric

Axis = tuple[Dim, int, int, tuple[int, int]]
"""Of one axis: the input's size, the window's reach, its stride, the padding before and after."""


class MaxPool(Op):
    """The maximum of each window; padding never wins."""

    kind: ClassVar[str] = "max_pool"
    layer: ClassVar[str] = "POOL"
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: Pads
    dilation: tuple[int, ...]
    ceil: bool

    def axes(self, x: Shape) -> tuple[Axis, ...]:
        """What the shape rule reads, by axis."""
        return tuple(zip(x.spatial, map(extent, self.kernel, self.dilation), self.stride, self.pad, strict=True))

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        (x,) = inputs
        return needs_map("POOL", x) or wrong_axes(x, self.kernel) or half_window("POOL", self.kernel, self.pad)

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        return windows_fit(self.axes(inputs[0]), self.ceil)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(inputs[0].channels, windows(self.axes(inputs[0]), self.ceil))

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return output.elements * prod(self.kernel)


class AvgPool(Op):
    """The mean of each window; whether padding counts is `count_include_pad`, what `ceil` adds never does."""

    kind: ClassVar[str] = "avg_pool"
    layer: ClassVar[str] = "AVGPOOL"
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    ceil: bool
    count_include_pad: bool

    def axes(self, x: Shape) -> tuple[Axis, ...]:
        """What the shape rule reads, by axis."""
        return tuple(zip(x.spatial, self.kernel, self.stride, self.pads, strict=True))

    @property
    def pads(self) -> Pads:
        """The padding as (before, after)."""
        return tuple((n, n) for n in self.pad)

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        (x,) = inputs
        return needs_map("AVGPOOL", x) or wrong_axes(x, self.kernel) or half_window("AVGPOOL", self.kernel, self.pads)

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        (x,) = inputs
        fit = windows_fit(self.axes(x), self.ceil)
        if x.rank < 3:
            return fit
        # PyTorch's avg_pool3d, alone among the pools, wants its window within the input before padding.
        whole = zip(x.spatial, self.kernel, strict=True)
        return (*fit, *(AtLeast(n, k, larger_window(n, k, padded=False)) for n, k in whole))

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(inputs[0].channels, windows(self.axes(inputs[0]), self.ceil))

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return output.elements * prod(self.kernel)


def room(axis: Axis, ceil: bool) -> Dim:
    """How far the first window can move: the output has floor(room/stride) + 1 positions.

    With ceil, the last window may reach beyond the padding, but must not start in the padding at the end (PyTorch's
    pooling_output_shape); both limits together are one floor, of the smaller.
    """
    n, reach, stride, (before, after) = axis
    return n + (before + min(after - reach + stride - 1, -1)) if ceil else n + (before + after - reach)


def windows(axes: tuple[Axis, ...], ceil: bool) -> tuple[Dim, ...]:
    """The number of windows on each axis."""
    return tuple(room(axis, ceil) // axis[2] + 1 for axis in axes)


def windows_fit(axes: tuple[Axis, ...], ceil: bool) -> tuple[Condition, ...]:
    """The conditions that each axis has room for one window."""
    return tuple(AtLeast(room(axis, ceil), 0, larger_window(axis[0] + sum(axis[3]), axis[1])) for axis in axes)


def half_window(name: str, kernel: Axes, pads: Pads) -> Problem | None:
    """PyTorch's limit: no padding above half the kernel, dilated or not."""
    for k, pair in zip(kernel, pads, strict=True):
        if max(pair) > k // 2:
            return Problem(
                "CNN113",
                f"{name} pads more than half its window",
                f"at most {k // 2} for a kernel of {k}",
                str(max(pair)),
                argument="pad",
            )
    return None


class GlobalAvgPool(Op):
    """C×spatial to C×1×1 (as many ones as there are axes)."""

    kind: ClassVar[str] = "global_avg_pool"
    layer: ClassVar[str] = "GAP"

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return needs_map("GAP", inputs[0])

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(inputs[0].channels, (1,) * inputs[0].rank)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return inputs[0].elements


class GlobalMaxPool(Op):
    """C×spatial to C×1×1, the maximum."""

    kind: ClassVar[str] = "global_max_pool"
    layer: ClassVar[str] = "GMP"

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return needs_map("GMP", inputs[0])

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(inputs[0].channels, (1,) * inputs[0].rank)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return inputs[0].elements


class AdaptiveAvgPool(Op):
    """To a fixed output size, with PyTorch's windows: from floor(i*n/m) to ceil((i+1)*n/m)."""

    kind: ClassVar[str] = "adaptive_avg_pool"
    layer: ClassVar[str] = "ADAPTIVEAVGPOOL"
    size: tuple[int, ...]

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return needs_map("ADAPTIVEAVGPOOL", inputs[0]) or wrong_axes(inputs[0], self.size)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(inputs[0].channels, self.size)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return adaptive_work(inputs[0], output)


class AdaptiveMaxPool(Op):
    """To a fixed output size, with the windows of AdaptiveAvgPool."""

    kind: ClassVar[str] = "adaptive_max_pool"
    layer: ClassVar[str] = "ADAPTIVEMAXPOOL"
    size: tuple[int, ...]

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return needs_map("ADAPTIVEMAXPOOL", inputs[0]) or wrong_axes(inputs[0], self.size)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(inputs[0].channels, self.size)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return adaptive_work(inputs[0], output)


def adaptive_work(x: Shape, output: Shape) -> int:
    """One operation for each value in each window; m windows over n values have n + m - gcd(n, m) in all."""
    sizes = zip(x.sizes()[1:], output.sizes()[1:], strict=True)
    return output.sizes()[0] * prod(n + m - gcd(n, m) for n, m in sizes)


class MaxPoolParameters(Parameters):
    """POOL, MAXPOOL: 2x2 by default; the stride is the window's size unless given, and there is no padding."""

    names: ClassVar = ("POOL", "MAXPOOL")
    kernel: Window = 2
    stride: Window | None = None
    pad: Padding | None = None
    dilation: Window = 1
    ceil: Flag = False

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        stride = self.kernel if self.stride is None else self.stride
        axes = needs_map("POOL", x) or spread_all(x, kernel=self.kernel, stride=stride, dilation=self.dilation)
        if isinstance(axes, Problem):
            return axes
        kernel, strides, dilation = axes
        pads = padding(x, self.pad, (0,) * x.rank, tuple(map(extent, kernel, dilation)), strides)
        if isinstance(pads, Problem):
            return pads
        return (MaxPool(kernel, strides, pads, dilation, self.ceil),)


class AvgPoolParameters(Parameters):
    """AVGPOOL: 2x2 by default; the stride is the window's size unless given, and there is no padding."""

    names: ClassVar = ("AVGPOOL",)
    kernel: Window = 2
    stride: Window | None = None
    pad: Padding | None = None
    ceil: Flag = False
    count_include_pad: Flag = True

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        stride = self.kernel if self.stride is None else self.stride
        axes = needs_map("AVGPOOL", x) or spread_all(x, kernel=self.kernel, stride=stride)
        if isinstance(axes, Problem):
            return axes
        kernel, strides = axes
        pads = padding(x, self.pad, (0,) * x.rank, kernel, strides)
        pad = pads if isinstance(pads, Problem) else symmetric("AVGPOOL", pads)
        if isinstance(pad, Problem):
            return pad
        return (AvgPool(kernel, strides, pad, self.ceil, self.count_include_pad),)


class GlobalAvgParameters(Parameters):
    """GAP: the mean of each channel, C×1×1."""

    names: ClassVar = ("GAP",)

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return needs_map("GAP", x) or (GlobalAvgPool(),)


class GlobalMaxParameters(Parameters):
    """GMP: the maximum of each channel, C×1×1."""

    names: ClassVar = ("GMP",)

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return needs_map("GMP", x) or (GlobalMaxPool(),)


class AdaptiveAvgParameters(Parameters):
    """ADAPTIVEAVGPOOL(6): the mean, to 6×6 whatever comes in."""

    names: ClassVar = ("ADAPTIVEAVGPOOL",)
    positional: ClassVar = ("size",)
    size: Window

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        size = needs_map("ADAPTIVEAVGPOOL", x) or spread(x, "size", self.size)
        return size if isinstance(size, Problem) else (AdaptiveAvgPool(size),)


class AdaptiveMaxParameters(Parameters):
    """ADAPTIVEMAXPOOL(6): the maximum, to 6×6 whatever comes in."""

    names: ClassVar = ("ADAPTIVEMAXPOOL",)
    positional: ClassVar = ("size",)
    size: Window

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        size = needs_map("ADAPTIVEMAXPOOL", x) or spread(x, "size", self.size)
        return size if isinstance(size, Problem) else (AdaptiveMaxPool(size),)
