"""inception-without-bottleneck (CNN215)

## What it does
Reports a CONCAT whose branches start from one value and of which some apply 3x3 or larger convolutions to it directly, where
1x1 convolutions to a quarter of the channels before them, and after a branch that only pools, would save at least a
third of the multiply-accumulates. Silent below 64 channels, for values that a 1x1 convolution has just made narrower
(SqueezeNet), and for convolutions with a stride, a dilation or groups.

## Why is this bad
The lecture's naive Inception module on 256x28x28, [1x1, 128 | 3x3, 192 | 5x5, 96 | 3x3 pool], takes 854,196,224
multiply-accumulates and gives 672 channels, more at each module. With 1x1 convolutions of 64 it takes 271,351,808 and
gives 480 (Szegedy et al.: Going Deeper with Convolutions, 2014, figure 2).

## Example
```
input 256x28x28
CONCAT[ CONV1-128 - RELU | CONV3-192 - RELU | CONV5-96 - RELU | POOL3/1(pad=1) ]
```

## Use instead
```
input 256x28x28
CONCAT[
    CONV1-128 - RELU
  | CONV1-64 - RELU - CONV3-192 - RELU
  | CONV1-64 - RELU - CONV5-96 - RELU
  | POOL3/1(pad=1) - CONV1-64 - RELU
]
```
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ir import Node
from ..ops.base import channels_of
from ..ops.combine import Concat
from ..ops.conv import Conv
from ..ops.pool import AvgPool, MaxPool
from ..record import Record
from ..shape import Shape
from ..source import Span
from . import anchors
from .subject import Subject
from .windows import times

CODE: Final = "CNN215"

WIDE: Final = 64
QUARTER: Final = 4
WORTH: Final = 1 / 3
"""The share of the multiply-accumulates that must be saved."""

NORM_AND_ACTIVATION: Final = 3
"""The most nodes between a convolution and the value that branches start from: a norm, an activation, a dropout."""

LEAST: Final = 10_000_000
"""Multiply-accumulates of a module below which it does not matter."""


class Module(Record):
    """Branches from the value of node `fork`: of each, its nodes from there on."""

    fork: int
    branches: tuple[tuple[int, ...], ...]


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a module."""
    for index in subject.of(Concat):
        module = _module(subject, subject.graph.nodes[index])
        if module is not None:
            yield from _findings(subject, index, module)


def _module(subject: Subject, concat: Node) -> Module | None:
    """The branches that meet here, where all start from one value."""
    nodes, users = subject.graph.nodes, subject.users
    fork, branches = None, []
    for end in concat.inputs:
        branch = []
        while len(users[end]) == 1 and len(nodes[end].inputs) == 1:
            branch.append(end)
            end = nodes[end].inputs[0]
        if fork not in (None, end):
            return None
        fork = end
        branches.append(tuple(reversed(branch)))
    return None if fork is None else Module(fork, tuple(branches))


def _findings(subject: Subject, index: int, module: Module) -> Iterator[Diagnostic]:
    nodes = subject.graph.nodes
    shape = nodes[module.fork].shape
    if not shape.spatial or channels_of(shape) < WIDE or _narrowed(subject, module.fork):
        return
    convolving = [branch for branch in module.branches if any(isinstance(nodes[i].op, Conv) for i in branch)]
    large = [op for op in (_first(nodes, branch) for branch in convolving) if op is not None and _large(op)]
    if not large or len(convolving) < 2:
        return
    cin, narrow = channels_of(shape), channels_of(shape) // QUARTER
    pools = sum(_pools(nodes, branch) for branch in module.branches)
    saved = sum(op.width * prod(op.kernel) * (cin - narrow) for op in large) - cin * narrow * (len(large) + pools)
    now = _spent(subject, convolving)
    positions = Shape(1, shape.spatial).elements if shape.fixed else 1
    if saved >= WORTH * now and (not shape.fixed or positions * now >= LEAST):
        yield _finding(anchors.word(subject.spans[index]), shape, large, now * positions, saved * positions)


def _narrowed(subject: Subject, index: int) -> bool:
    """Whether a value comes from a 1x1 convolution that made it narrower."""
    nodes = subject.graph.nodes
    for _ in range(NORM_AND_ACTIVATION):
        if len(nodes[index].inputs) == 1 and not isinstance(nodes[index].op, Conv):
            index = nodes[index].inputs[0]
    node = nodes[index]
    if not isinstance(node.op, Conv) or set(node.op.kernel) != {1}:
        return False
    return node.op.width < channels_of(subject.graph.inputs(node)[0])


def _first(nodes: tuple[Node, ...], branch: tuple[int, ...]) -> Conv | None:
    """The convolution that a branch starts with, after norms and activations."""
    for i in branch:
        op = nodes[i].op
        if isinstance(op, Conv):
            return op
        if nodes[i].shape != nodes[nodes[i].inputs[0]].shape or isinstance(op, MaxPool | AvgPool):
            return None
    return None


def _large(op: Conv) -> bool:
    plain = op.groups == 1 and set(op.stride) == {1} and set(op.dilation) == {1}
    return plain and min(op.kernel) >= 3


def _pools(nodes: tuple[Node, ...], branch: tuple[int, ...]) -> bool:
    """Whether a branch pools and does not convolve."""
    ops = [nodes[i].op for i in branch]
    return any(isinstance(op, MaxPool | AvgPool) for op in ops) and not any(isinstance(op, Conv) for op in ops)


def _spent(subject: Subject, branches: list[tuple[int, ...]]) -> int:
    """The multiply-accumulates of branches at one position of the fork: the weights of their convolutions, biases aside."""
    nodes = subject.graph.nodes
    convs = (nodes[i] for branch in branches for i in branch if isinstance(nodes[i].op, Conv))
    return sum(node.op.weights(subject.graph.inputs(node))[0].size for node in convs)


def _finding(span: Span, shape: Shape, large: list[Conv], now: int, saved: int) -> Diagnostic:
    kernels = " and ".join(dict.fromkeys(times(op.kernel) for op in large))
    unit = "MACs" if shape.fixed else "MACs at each position"
    narrow = channels_of(shape) // QUARTER
    return Diagnostic(
        CODE,
        Severity.INFO,
        f"{kernels} on {channels_of(shape)} channels: {now:,} {unit}, with 1x1 bottlenecks {now - saved:,}",
        span,
        expected=f"CONV1-{narrow} before each convolution of 3x3 or more, and after a pool",
        found=f"{now:,} {unit}",
        help=f"bottlenecks of {narrow} channels save {saved / now:.0%}: {saved:,} {unit}",
    )
