"""Graphs put together by hand, for the tests of what comes after elaboration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cnndsl.ir import Auxiliary, Graph, Node, Scope
from cnndsl.ops.activation import Activation
from cnndsl.ops.base import Op, Problem
from cnndsl.ops.combine import Add, Input
from cnndsl.ops.conv import Conv
from cnndsl.ops.linear import Flatten, Linear
from cnndsl.ops.norm import BatchNorm
from cnndsl.ops.pool import GlobalAvgPool, MaxPool
from cnndsl.shape import Shape


def conv(width: int, kernel: int = 3, stride: int = 1, *, rank: int = 2, groups: int = 1, bias: bool = True) -> Conv:
    """A convolution padded by half its kernel."""
    pad = ((kernel // 2, kernel // 2),) * rank
    return Conv(width, (kernel,) * rank, (stride,) * rank, pad, (1,) * rank, groups, bias)


def max_pool(kernel: int, stride: int, pad: int = 0) -> MaxPool:
    """A square 2-D window."""
    return MaxPool((kernel,) * 2, (stride,) * 2, ((pad, pad),) * 2, (1, 1), False)


RELU = Activation("relu")
BN = BatchNorm(1e-5, 0.1, True)


class Builder:
    """Appends nodes to a graph; the last one is the default input of the next."""

    def __init__(self, *shape: int) -> None:
        self.nodes = [Node("input", Input(), (), Shape(shape[0], shape[1:]))]
        self.scopes: list[Scope] = []
        self.auxiliary: list[Auxiliary] = []
        self.prefix = ""
        self.last = 0

    def add(self, name: str, op: Op, *inputs: int) -> int:
        """Append a node below the open scope; its index."""
        taken = inputs or (self.last,)
        shape = op.infer(tuple(self.nodes[i].shape for i in taken))
        assert not isinstance(shape, Problem), shape
        self.nodes.append(Node(self.prefix + name, op, taken, shape))
        self.last = len(self.nodes) - 1
        return self.last

    def chain(self, **ops: Op) -> int:
        """Append a pipeline; the index of its last node."""
        for name, op in ops.items():
            self.add(name, op)
        return self.last

    @contextmanager
    def scope(self, name: str, kind: str) -> Iterator[None]:
        """What is added within belongs to a scope."""
        outer, self.prefix = self.prefix, f"{self.prefix}{name}."
        self.scopes.append(Scope(self.prefix[:-1], kind))
        yield
        self.prefix = outer

    def graph(self, name: str = "Net", output: int | None = None) -> Graph:
        """The graph so far."""
        end = self.last if output is None else output
        return Graph(name, tuple(self.nodes), end, tuple(self.auxiliary), tuple(self.scopes))


def bottleneck(build: Builder, name: str, width: int, stride: int) -> None:
    """ResNet's bottleneck block."""
    start = build.last
    with build.scope(name, "Bottleneck"):
        build.chain(conv1=conv(width, 1, bias=False), bn1=BN, relu1=RELU)
        build.chain(conv2=conv(width, 3, stride, bias=False), bn2=BN, relu2=RELU)
        main = build.chain(conv3=conv(4 * width, 1, bias=False), bn3=BN)
        shortcut = start
        if build.nodes[start].shape != build.nodes[main].shape:
            build.add("conv4", conv(4 * width, 1, stride, bias=False), start)
            shortcut = build.add("bn4", BN)
        build.add("add1", Add(), main, shortcut)
        build.add("relu3", RELU)


def resnet(blocks: tuple[int, ...] = (3, 4, 6, 3), width: int = 64, size: int = 224, classes: int = 1000) -> Graph:
    """ResNet-50 by default."""
    build = Builder(3, size, size)
    build.chain(conv1=conv(width, 7, 2, bias=False), bn1=BN, relu1=RELU, pool1=max_pool(3, 2, 1))
    for stage, count in enumerate(blocks):
        with build.scope(f"stage{stage + 1}", "Stage"):
            for block in range(count):
                bottleneck(build, f"bottleneck{block + 1}", width * 2**stage, 2 if stage and not block else 1)
    build.chain(gap1=GlobalAvgPool(), flatten1=Flatten(), fc1=Linear(classes, True))
    return build.graph("ResNet50")


def with_heads() -> Graph:
    """Side outputs in the root, in a definition, and one whose layers lie between those of the stream."""
    build = Builder(3, 16, 16)
    build.chain(conv1=conv(8), relu1=RELU)
    with build.scope("stage1", "Stage"):
        inner = build.chain(conv1=conv(8), relu1=RELU)
        build.chain(gap1=GlobalAvgPool(), flatten1=Flatten(), fc1=Linear(4, True))
        build.auxiliary.append(Auxiliary(build.last, 0.3))
        build.add("conv2", conv(12), inner)
    main = build.last
    with build.scope("aux1", "Aux"):
        build.chain(conv1=conv(6, 1), relu1=RELU, flatten1=Flatten(), fc1=Linear(4, True))
        build.auxiliary.append(Auxiliary(build.last, 0.5))
    build.add("gap1", GlobalAvgPool(), main)
    build.chain(flatten1=Flatten(), fc1=Linear(4, True))
    return build.graph("Heads")


def with_references() -> Graph:
    """Inner scopes that take values from enclosing ones, and one that gives two."""
    build = Builder(3, 16, 16)
    outer = build.chain(conv1=conv(8), relu1=RELU)
    with build.scope("block1", "Block"):
        early = build.chain(conv1=conv(8), bn1=BN)
        with build.scope("inner1", "Inner"):
            build.add("conv1", conv(8))
            build.add("add1", Add(), build.last, outer)
            build.add("add2", Add(), build.last, early)
        late = build.add("conv2", conv(8))
    build.add("add1", Add(), late, early)
    build.add("conv2", conv(5))
    return build.graph("References")
