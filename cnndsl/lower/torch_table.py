"""What each operation is in PyTorch, as data: a class and its arguments.

torch is not imported, so that a Python file can be written where it is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..ops.activation import Activation, Maxout, PRelu, Softmax
from ..ops.combine import Add
from ..ops.conv import Conv, ConvTranspose
from ..ops.linear import Linear
from ..ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from ..ops.pool import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from ..ops.regularise import Dropout, DropPath
from ..ops.reshape import Pad, Scale, Shuffle, Upsample
from ..record import Record

if TYPE_CHECKING:
    from ..ir import Graph
    from ..ops.base import Op
    from ..shape import Shape

NONE: Final = object()
"""The default of an argument that has none."""


class Argument(Record):
    """One argument of a layer's constructor; `channels` says that the value counts channels."""

    name: str
    value: Any
    default: Any = NONE
    positional: bool = False
    channels: bool = False


class Layer(Record):
    """A module: a class of torch.nn (`nn.Conv2d`) or of torch_layers (`Scale`), and its arguments."""

    type: str
    arguments: tuple[Argument, ...] = ()


def layer(graph: Graph, index: int, inplace: frozenset[int]) -> Layer:
    """The module for one node; raises NotImplementedError for an operation without a row."""
    node = graph.nodes[index]
    row = ROWS.get(type(node.op))
    if row is None:
        raise NotImplementedError(f"{type(node.op).__name__} has no PyTorch lowering")
    made = row(node.op, graph.inputs(node)[0])
    if isinstance(node.op, Activation) and node.op.function in INPLACE:
        return made.replace(arguments=(Argument("inplace", index in inplace, False),))
    return made


INPLACE: Final = ("relu", "relu6")
OVERWRITABLE: Final = (Conv, ConvTranspose, Linear, BatchNorm, Add)
"""What makes a fresh value that its own gradient does not need."""


def inplace(graph: Graph) -> frozenset[int]:
    """The RELU and RELU6 nodes that may overwrite their input: a fresh value that nothing else uses."""
    uses = [0] * len(graph.nodes)
    for value in (graph.output, *(head.node for head in graph.auxiliary)):
        uses[value] += 1
    for node in graph.nodes:
        for value in node.inputs:
            uses[value] += 1

    def overwrites(op: Op, value: int) -> bool:
        maker = graph.nodes[value]
        fresh = isinstance(maker.op, OVERWRITABLE) and (len(maker.inputs) > 1 or not isinstance(maker.op, Add))
        return isinstance(op, Activation) and op.function in INPLACE and fresh and uses[value] == 1

    return frozenset(i for i, node in enumerate(graph.nodes) if node.inputs and overwrites(node.op, node.inputs[0]))


def _short(values: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number for all axes where they agree."""
    return values[0] if len(set(values)) == 1 else values


def _reversed(pads: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """Pads in the order of torch.nn.functional.pad."""
    return tuple(size for pair in reversed(pads) for size in pair)


def _count(name: str, value: Any, default: Any = NONE, positional: bool = True) -> Argument:
    return Argument(name, value, default, positional, channels=True)


def _window(op: Conv | ConvTranspose | MaxPool | AvgPool, stride: Any = 1) -> tuple[Argument, ...]:
    return (
        Argument("kernel_size", _short(op.kernel)),
        Argument("stride", _short(op.stride), stride),
    )


def _padding(pads: tuple[tuple[int, int], ...]) -> Argument:
    """The layer's own padding where both ends agree, else that of a class that pads first."""
    if all(before == after for before, after in pads):
        return Argument("padding", _short(tuple(before for before, _ in pads)), 0)
    return Argument("pads", _reversed(pads))


def _conv(op: Conv, shape: Shape) -> Layer:
    padding = _padding(op.pad)
    return Layer(
        f"{'nn.Conv' if padding.name == 'padding' else 'PaddedConv'}{shape.rank}d",
        (
            _count("in_channels", shape.channels),
            _count("out_channels", op.width),
            *_window(op),
            padding,
            Argument("dilation", _short(op.dilation), 1),
            _count("groups", op.groups, 1, positional=False),
            Argument("bias", op.bias, True),
        ),
    )


def _conv_transpose(op: ConvTranspose, shape: Shape) -> Layer:
    return Layer(
        f"nn.ConvTranspose{shape.rank}d",
        (
            _count("in_channels", shape.channels),
            _count("out_channels", op.width),
            *_window(op),
            Argument("padding", _short(op.pad), 0),
            Argument("output_padding", _short(op.output_padding), 0),
            _count("groups", op.groups, 1, positional=False),
            Argument("bias", op.bias, True),
            Argument("dilation", _short(op.dilation), 1),
        ),
    )


def _max_pool(op: MaxPool, shape: Shape) -> Layer:
    padding = _padding(op.pad)
    return Layer(
        f"{'nn.MaxPool' if padding.name == 'padding' else 'PaddedMaxPool'}{shape.rank}d",
        (
            *_window(op, NONE),
            padding,
            Argument("dilation", _short(op.dilation), 1),
            Argument("ceil_mode", op.ceil, False),
        ),
    )


def _avg_pool(op: AvgPool, shape: Shape) -> Layer:
    return Layer(
        f"nn.AvgPool{shape.rank}d",
        (
            *_window(op, NONE),
            Argument("padding", _short(op.pad), 0),
            Argument("ceil_mode", op.ceil, False),
            Argument("count_include_pad", op.count_include_pad, True),
        ),
    )


def _adaptive(name: str) -> Callable[[Any, Shape], Layer]:
    def row(op: AdaptiveAvgPool | AdaptiveMaxPool | GlobalAvgPool | GlobalMaxPool, shape: Shape) -> Layer:
        size = _short(op.size) if isinstance(op, AdaptiveAvgPool | AdaptiveMaxPool) else 1
        return Layer(f"nn.Adaptive{name}Pool{shape.rank}d", (Argument("output_size", size, positional=True),))

    return row


def _linear(op: Linear, shape: Shape) -> Layer:
    counts = (_count("in_features", shape.channels), _count("out_features", op.width))
    return Layer("nn.Linear", (*counts, Argument("bias", op.bias, True)))


def _batch_norm(op: BatchNorm, shape: Shape) -> Layer:
    return Layer(
        f"nn.BatchNorm{max(shape.rank, 1)}d",
        (
            _count("num_features", shape.channels),
            Argument("eps", op.eps, 1e-5),
            Argument("momentum", op.momentum, 0.1),
            Argument("affine", op.affine, True),
        ),
    )


def _layer_norm(op: LayerNorm, shape: Shape) -> Layer:
    return Layer(
        "ChannelNorm" if shape.rank else "nn.LayerNorm",
        (
            _count("normalized_shape", shape.channels),
            Argument("eps", op.eps, 1e-5),
            Argument("elementwise_affine", op.affine, True),
        ),
    )


def _instance_norm(op: InstanceNorm, shape: Shape) -> Layer:
    return Layer(
        f"nn.InstanceNorm{shape.rank}d",
        (
            _count("num_features", shape.channels),
            Argument("eps", op.eps, 1e-5),
            Argument("affine", op.affine, False),
        ),
    )


def _group_norm(op: GroupNorm, shape: Shape) -> Layer:
    return Layer(
        "nn.GroupNorm",
        (
            Argument("num_groups", op.groups, positional=True),
            _count("num_channels", shape.channels),
            Argument("eps", op.eps, 1e-5),
            Argument("affine", op.affine, True),
        ),
    )


def _local_response_norm(op: LocalResponseNorm, shape: Shape) -> Layer:
    return Layer(
        "nn.LocalResponseNorm",
        (
            Argument("size", op.size, positional=True),
            Argument("alpha", op.alpha, 1e-4),
            Argument("beta", op.beta, 0.75),
            Argument("k", op.k, 1.0),
        ),
    )


ACTIVATIONS: Final = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "celu": "CELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "softplus": "Softplus",
}
ALPHAS: Final = {
    "leaky_relu": ("negative_slope", 0.01),
    "elu": ("alpha", 1.0),
    "celu": ("alpha", 1.0),
    "softplus": ("beta", 1.0),
}


def _activation(op: Activation, shape: Shape) -> Layer:
    arguments: tuple[Argument, ...] = ()
    if op.alpha is not None and op.function in ALPHAS:
        name, default = ALPHAS[op.function]
        arguments = (Argument(name, op.alpha, default),)
    if op.function == "gelu":
        arguments = (Argument("approximate", "tanh" if op.approximate else "none", "none"),)
    return Layer(f"nn.{ACTIVATIONS[op.function]}", arguments)


def _prelu(op: PRelu, shape: Shape) -> Layer:
    slopes = shape.channels if op.per_channel else 1
    return Layer("nn.PReLU", (_count("num_parameters", slopes), Argument("init", op.init, 0.25)))


def _upsample(op: Upsample, shape: Shape) -> Layer:
    scale = _short(op.scale)
    factor = tuple(float(n) for n in scale) if isinstance(scale, tuple) else scale
    mode = op.mode if op.mode == "nearest" else ("", "linear", "bilinear", "trilinear")[shape.rank]
    return Layer("nn.Upsample", (Argument("scale_factor", factor), Argument("mode", mode, "nearest")))


def _pad(op: Pad, shape: Shape) -> Layer:
    return Layer(
        "Pad",
        (
            Argument("pads", _reversed(op.pads) + (op.channels if any(op.channels) else ()), positional=True),
            Argument("mode", op.mode, "constant"),
            Argument("value", op.value, 0.0),
        ),
    )


def _scale(op: Scale, shape: Shape) -> Layer:
    if not op.learned:
        return Layer("Multiply", (Argument("factor", op.init, positional=True),))
    return Layer("Scale", (_count("channels", shape.channels), Argument("init", op.init, 1.0)))


ROWS: Final[dict[type[Op], Callable[[Any, Shape], Layer]]] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    GlobalAvgPool: _adaptive("Avg"),
    GlobalMaxPool: _adaptive("Max"),
    AdaptiveAvgPool: _adaptive("Avg"),
    AdaptiveMaxPool: _adaptive("Max"),
    Linear: _linear,
    BatchNorm: _batch_norm,
    LayerNorm: _layer_norm,
    InstanceNorm: _instance_norm,
    GroupNorm: _group_norm,
    LocalResponseNorm: _local_response_norm,
    Activation: _activation,
    PRelu: _prelu,
    Maxout: lambda op, _: Layer("Maxout", (Argument("pieces", op.pieces, positional=True),)),
    Softmax: lambda _op, _: Layer("nn.Softmax", (Argument("dim", 1),)),
    Dropout: lambda op, _: Layer("nn.Dropout", (Argument("p", op.p, 0.5),)),
    DropPath: lambda op, _: Layer("DropPath", (Argument("p", op.p),)),
    Upsample: _upsample,
    Shuffle: lambda op, _: Layer("Shuffle", (Argument("groups", op.groups, positional=True),)),
    Pad: _pad,
    Scale: _scale,
}
"""Every operation that is a module; `scopes.FUNCTIONAL` are the others."""
