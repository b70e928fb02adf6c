"""The windows of convolutions and pools as they slide over their input, in one form for the rules that look at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..ops.conv import Conv
from ..ops.pool import AvgPool, MaxPool
from ..ops.windows import Axes, Pads
from ..record import Record
from ..shape import AXES, Dim, Shape

if TYPE_CHECKING:
    from ..ir import Graph
    from .subject import Subject

Along = tuple[Dim, int, int, tuple[int, int], int]
"""Of one axis: the input's size, the kernel, its stride, the padding (before, after), the dilation."""


class Window(Record):
    """The window that some nodes have on inputs of one shape; one entry a spatial axis."""

    nodes: tuple[int, ...]
    input: Shape
    output: Shape
    kernel: Axes
    stride: Axes
    pad: Pads
    dilation: Axes
    ceil: bool

    def axes(self) -> Iterator[Along]:
        """What is known of each axis."""
        return zip(self.input.spatial, self.kernel, self.stride, self.pad, self.dilation, strict=True)

    def axis(self, number: int) -> str:
        """The letter of an axis: L; H or W; D, H or W."""
        return AXES[self.input.rank][number]


def windows(subject: Subject) -> tuple[Window, ...]:
    """The windows of a graph, each with the nodes that have it. Transposed convolutions and adaptive pools have none."""
    nodes = subject.graph.nodes
    found: dict[tuple[int, int], list[int]] = {}
    for index in subject.of(Conv, MaxPool, AvgPool):
        node = nodes[index]
        found.setdefault((id(node.op), id(nodes[node.inputs[0]].shape)), []).append(index)
    return tuple(_window(subject.graph, tuple(same)) for same in found.values())


def _window(graph: Graph, same: tuple[int, ...]) -> Window:
    node = graph.nodes[same[0]]
    op, (x,) = node.op, graph.inputs(node)
    match op:
        case Conv():
            return Window(same, x, node.shape, op.kernel, op.stride, op.pad, op.dilation, False)
        case MaxPool():
            return Window(same, x, node.shape, op.kernel, op.stride, op.pad, op.dilation, op.ceil)
        case AvgPool():
            return Window(same, x, node.shape, op.kernel, op.stride, op.pads, (1,) * x.rank, op.ceil)
        case _:
            raise TypeError(f"{op.kind} has no window")


def times(sizes: tuple[Dim, ...]) -> str:
    """Sizes as they are written: `3x3`."""
    return "x".join(map(str, sizes))
