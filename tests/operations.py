"""Random operations of every class, with inputs for them: vectors, and maps of one to three axes."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import assume
from hypothesis import strategies as st

from cnndsl.ops import OPS
from cnndsl.ops.activation import Activation, Function, Maxout, PRelu, Softmax
from cnndsl.ops.base import Op, Problem
from cnndsl.ops.combine import Add, Concat, Input, Max, Mean, Mul
from cnndsl.ops.conv import Conv, ConvTranspose
from cnndsl.ops.linear import Flatten, Linear
from cnndsl.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from cnndsl.ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from cnndsl.ops.regularise import Dropout, DropPath
from cnndsl.ops.reshape import Crop, Pad, Scale, Shuffle, Slice, Upsample
from cnndsl.shape import Shape

Case = tuple[Op, tuple[Shape, ...]]


class Draw:
    """Draws the arguments of an operation on an input of one shape."""

    def __init__(self, draw: Any, shape: Shape) -> None:
        self.draw = draw
        self.shape = shape

    def integer(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def axes(self, low: int, high: int) -> tuple[int, ...]:
        return tuple(self.integer(low, high) for _ in self.shape.spatial)

    def pairs(self, high: int) -> tuple[tuple[int, int], ...]:
        return tuple((self.integer(0, high), self.integer(0, high)) for _ in self.shape.spatial)

    def flag(self) -> bool:
        return bool(self.draw(st.booleans()))

    def of(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def divisor(self) -> int:
        return int(self.of(*(n for n in range(1, self.shape.channels + 1) if self.shape.channels % n == 0)))


def _activation(d: Draw) -> Activation:
    function = d.of(*get_args(Function))
    alpha = d.of(0.1, 0.5, 2.0) if function in ("leaky_relu", "elu", "celu", "softplus") else None
    return Activation(function, alpha, function == "gelu" and d.flag())


def _conv(d: Draw) -> Conv:
    groups = d.divisor()
    width = groups * d.integer(1, 3)
    return Conv(width, d.axes(1, 4), d.axes(1, 3), d.pairs(2), d.axes(1, 2), groups, d.flag())


def _conv_transpose(d: Draw) -> ConvTranspose:
    groups = d.divisor()
    sizes = (d.axes(1, 4), d.axes(1, 3), d.axes(0, 1), d.axes(0, 1), d.axes(1, 2))
    return ConvTranspose(groups * d.integer(1, 3), *sizes, groups, d.flag())


def _slice(d: Draw) -> Slice:
    start = d.integer(0, d.shape.channels - 1)
    return Slice(start, d.integer(start + 1, d.shape.channels))


MAKERS: dict[type[Op], Any] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    MaxPool: lambda d: MaxPool(d.axes(1, 4), d.axes(1, 3), d.pairs(2), d.axes(1, 2), d.flag()),
    AvgPool: lambda d: AvgPool(d.axes(1, 4), d.axes(1, 3), d.axes(0, 2), d.flag(), d.flag()),
    GlobalAvgPool: lambda d: GlobalAvgPool(),
    GlobalMaxPool: lambda d: GlobalMaxPool(),
    AdaptiveAvgPool: lambda d: AdaptiveAvgPool(d.axes(1, 4)),
    AdaptiveMaxPool: lambda d: AdaptiveMaxPool(d.axes(1, 4)),
    Flatten: lambda d: Flatten(),
    Linear: lambda d: Linear(d.integer(1, 8), d.flag()),
    BatchNorm: lambda d: BatchNorm(1e-5, d.of(0.0, 0.1), d.flag()),
    LayerNorm: lambda d: LayerNorm(1e-6, d.flag()),
    InstanceNorm: lambda d: InstanceNorm(1e-5, d.flag()),
    GroupNorm: lambda d: GroupNorm(d.divisor(), 1e-5, d.flag()),
    LocalResponseNorm: lambda d: LocalResponseNorm(d.integer(1, 5), 1e-4, 0.75, d.of(1.0, 2.0)),
    Activation: _activation,
    PRelu: lambda d: PRelu(d.flag(), 0.25),
    Maxout: lambda d: Maxout(d.divisor()),
    Softmax: lambda d: Softmax(),
    Dropout: lambda d: Dropout(0.5),
    DropPath: lambda d: DropPath(d.of(0.0, 0.2)),
    Upsample: lambda d: Upsample(d.axes(1, 3), d.of("nearest", "linear")),
    Shuffle: lambda d: Shuffle(d.divisor()),
    Slice: _slice,
    Pad: lambda d: Pad(d.pairs(2), d.of("constant", "reflect", "replicate"), d.of(0.0, 1.5)),
    Crop: lambda d: Crop(d.pairs(1)),
    Scale: lambda d: Scale(d.of(1e-6, 0.5), d.flag()),
    Concat: lambda d: Concat(),
    Add: lambda d: Add(),
    Mul: lambda d: Mul(),
    Mean: lambda d: Mean(),
    Max: lambda d: Max(),
}
assert set(MAKERS) == set(OPS.values()) - {Input}


@st.composite
def cases(draw: Any, kind: type[Op]) -> Case:
    """An operation of a class, and the shapes of inputs that it takes."""
    rank = draw(st.integers(0, 3))
    spatial = tuple(draw(st.integers(1, 9 if rank < 3 else 6)) for _ in range(rank))
    shape = Shape(draw(st.integers(1, 8)), spatial)
    inputs: tuple[Shape, ...] = (shape,)
    if kind in (Concat, Add, Mul, Mean, Max):
        inputs *= draw(st.integers(1, 3))
    if kind is Mul and len(inputs) > 1:
        gate = draw(st.sampled_from([shape, Shape(shape.channels), Shape(shape.channels, (1,) * rank)]))
        inputs = draw(st.permutations([gate, *inputs[1:]]))
    if kind is Concat:
        inputs = tuple(x.replace(channels=draw(st.integers(1, 4))) for x in inputs)
    needs_map = kind in (Conv, ConvTranspose, MaxPool, AvgPool, AdaptiveAvgPool, AdaptiveMaxPool, Upsample, Pad, Crop)
    assume(rank or not needs_map)
    op = MAKERS[kind](Draw(draw, shape))
    assume(not isinstance(op.infer(tuple(inputs)), Problem))
    return op, tuple(inputs)
