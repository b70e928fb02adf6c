"""branches: convolutions of one value that are added up become one convolution (RepVGG's branches at inference)."""

from __future__ import annotations

from math import gcd, prod
from typing import TYPE_CHECKING

from ..ir import Node
from ..ops.base import channels_of
from ..ops.combine import Add
from ..ops.conv import Conv
from ..record import Record
from .affine import Affine, Layer, affine_of
from .model import Rewriting

if TYPE_CHECKING:
    from ..weights import Value


class Branch(Record):
    """A summand: the convolution that it is, the node that holds its arrays, and, for one that gives its input times a
    factor a channel and a shift, those."""

    op: Conv
    node: int | None
    affine: Affine | None = None


class Window(Record):
    """On one axis: the taps of a merged kernel, how far they are apart, and the padding before and after."""

    kernel: int
    dilation: int
    pad: tuple[int, int]


def rewrite(rewriting: Rewriting) -> None:
    """Merge each ADD all of whose branches are convolutions of one value, that value itself, or a BN or SCALE of it.

    They must agree in stride and groups, and the one convolution must not cost more multiplications than they did.
    """
    for index, node in rewriting:
        if isinstance(node.op, Add):
            _merge(rewriting, index, node)


def _merge(rewriting: Rewriting, index: int, node: Node) -> None:
    wide = _widest(rewriting, node)
    if wide is None:
        return
    x = rewriting.source(wide)
    branches = [_branch(rewriting, index, i, x, wide) for i in node.inputs]
    known = [branch for branch in branches if branch is not None]
    if len(known) != len(branches) or len(set(node.inputs)) != len(node.inputs):
        return
    multiplied = sum(prod(branch.op.kernel) for branch in known if branch.node is not None)
    op = _one_for_all([branch.op for branch in known], multiplied)
    if op is None:
        return
    _sum_up(rewriting, wide, op, known)
    rewriting.absorb(index, wide, op)


def _widest(rewriting: Rewriting, node: Node) -> int | None:
    """The branch with the largest kernel, which becomes the convolution."""
    convolutions = [i for i in node.inputs if isinstance(rewriting.nodes[i].op, Conv)]
    return max(convolutions, key=lambda i: rewriting.nodes[i].op.kernel, default=None)  # type: ignore[attr-defined]


def _branch(rewriting: Rewriting, total: int, index: int, x: int, wide: int) -> Branch | None:
    """What a branch of the sum is, where it can be one convolution of x."""
    model, node = rewriting.nodes[wide].op, rewriting.nodes[index]
    assert isinstance(model, Conv)
    rank = len(model.kernel)
    identity = model.replace(kernel=(1,) * rank, pad=((0, 0),) * rank, dilation=(1,) * rank)
    if index == x:
        import numpy as np

        return Branch(identity, None, Affine(np.ones(model.width), None))
    if not rewriting.sole(index, total) or node.inputs != (x,):
        return None
    if isinstance(node.op, Conv):
        return Branch(node.op, index)
    affine = affine_of(Layer(rewriting, index))
    return None if affine is None else Branch(identity, None, affine)


class Taps(Record):
    """On one axis: where a convolution's first tap lies from the output's position, how many there are, how far apart, and
    `room`, by which the last output's window may pass the end of the input."""

    first: int
    count: int
    step: int
    room: int

    @property
    def last(self) -> int:
        return self.first + (self.count - 1) * self.step


def _one_for_all(ops: list[Conv], multiplied: int) -> Conv | None:
    """A convolution whose taps are those of all, if it has at most `multiplied` of them; or None."""
    first = ops[0]
    if len({(op.stride, op.groups) for op in ops}) != 1:
        return None
    axes = [_window([_taps(op, axis) for op in ops]) for axis in range(len(first.kernel))]
    windows = [window for window in axes if window is not None]
    if len(windows) != len(axes) or prod(window.kernel for window in windows) > multiplied:
        return None
    kernel, dilation, pad = (tuple(getattr(window, field) for window in windows) for field in Window.fields)
    return first.replace(kernel=kernel, dilation=dilation, pad=pad, bias=True)


def _taps(op: Conv, axis: int) -> Taps:
    (before, after), kernel, dilation = op.pad[axis], op.kernel[axis], op.dilation[axis]
    return Taps(-before, kernel, dilation, before + after - (kernel - 1) * dilation)


def _window(branches: list[Taps]) -> Window | None:
    """The smallest window with every branch's taps; the outputs are as many as those of each branch."""
    if len({taps.room for taps in branches}) != 1:
        return None
    first, last = min(taps.first for taps in branches), max(taps.last for taps in branches)
    apart = gcd(*(taps.first - first for taps in branches), *(taps.step for taps in branches if taps.count > 1)) or 1
    after = branches[0].room + last
    return Window((last - first) // apart + 1, apart, (-first, after)) if first <= 0 <= after else None


def _sum_up(rewriting: Rewriting, wide: int, op: Conv, branches: list[Branch]) -> None:
    """The arrays of the one convolution."""
    import numpy as np

    from .arrays import Diagonal, Placed, Summed

    assert rewriting.arrays is not None
    per_group = channels_of(rewriting.nodes[rewriting.source(wide)].shape) // op.groups
    bias = np.zeros(op.width)
    parts = []
    for branch in branches:
        weight: Value
        if branch.node is None:
            assert branch.affine is not None
            factors = branch.affine.scale.astype(np.float32)
            weight = Diagonal((op.width, per_group, *branch.op.kernel), factors)
            bias += 0 if branch.affine.shift is None else branch.affine.shift
        else:
            layer = Layer(rewriting, branch.node)
            weight = layer.value("weight")
            bias += layer.exact("bias") if branch.op.bias else 0
        parts.append(Placed(weight, *_place(branch.op, op)))
    layer = Layer(rewriting, wide)
    layer.set("bias", bias)
    layer.put("weight", Summed((op.width, per_group, *op.kernel), tuple(parts)))


def _place(small: Conv, large: Conv) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """At which tap of each axis of the large kernel the small one begins, and how many apart its taps are there."""
    axes = range(len(large.kernel))
    starts = ((large.pad[axis][0] - small.pad[axis][0]) // large.dilation[axis] for axis in axes)
    return tuple(starts), tuple(max(1, small.dilation[axis] // large.dilation[axis]) for axis in axes)
