"""What the graph knows of its layers beside their shapes: who feeds whom, which definitions they lie in, what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..ir import Graph
from ..ops.conv import Conv
from .owners import Owner

_FEEDERS = 8
"""How many feeders of a layer are kept, the latest; sums over long shortcuts have hundreds."""

_SAME = {
    "norm": "bn", "batchnorm": "bn", "normalization": "bn", "ln": "bn", "convolution": "conv",
    "linear": "fc", "classifier": "fc", "head": "fc", "logits": "fc", "dense": "fc", "lin": "fc",
    "downsample": "shortcut", "skip": "shortcut", "skipbn": "shortcut", "proj": "shortcut", "projection": "shortcut",
    "dw": "depthwise", "pw": "1x1", "pointwise": "1x1", "auxlogits": "aux", "auxiliary": "aux", "gamma": "scale",
}  # fmt: skip
"""Words for one thing."""


class Clues:
    """The layers that own arrays by position: feeders, scopes as intervals of positions, and the words that describe them."""

    def __init__(self, graph: Graph, owners: Sequence[Owner]) -> None:
        self.scopes = _scopes(owners)
        self.feeders, pooled = _feeders(graph, {owner.node: at for at, owner in enumerate(owners)})
        self.words = [
            _described(graph, owner) | ({"pool"} if pools else set())
            for owner, pools in zip(owners, pooled, strict=True)
        ]
        self.vocabulary = frozenset().union(*self.words)

    def fed_within(self, position: int, start: int, end: int) -> bool:
        """Whether a layer that owns arrays in this interval feeds the one at `position`."""
        return any(start <= feeder < end for feeder in self.feeders[position])

    def unlike(self, segment: str, start: int, end: int) -> float:
        """How little a name says what the layers of an interval are, 0 to 1; 0 too where it says nothing."""
        known = words(segment) & self.vocabulary
        if not known:
            return 0.0
        here = frozenset().union(*self.words[start:end])
        return 1 - len(known & here) / len(known)


def words(name: str) -> frozenset[str]:
    """The words and the kernels in a name, each in one spelling."""
    found = re.findall(r"\d+x\d+(?:x\d+)?|[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())
    return frozenset(_SAME.get(word, word) for word in found)


def _scopes(owners: Sequence[Owner]) -> frozenset[tuple[int, int]]:
    spans: dict[str, tuple[int, int]] = {}
    for at, owner in enumerate(owners):
        parts = owner.name.split(".")
        for depth in range(1, len(parts)):
            path = ".".join(parts[:depth])
            spans[path] = (spans.get(path, (at, at))[0], at + 1)
    return frozenset(spans.values())


def _described(graph: Graph, owner: Owner) -> set[str]:
    op = graph.nodes[owner.node or 0].op
    found = {*words(owner.name), *words(op.kind)}
    if isinstance(op, Conv):
        found.add("x".join(map(str, op.kernel)))
        found |= {"depthwise"} if op.groups == op.width and op.groups > 1 else set()
    return found


def _feeders(graph: Graph, positions: dict[int | None, int]) -> tuple[list[tuple[int, ...]], list[bool]]:
    """For each layer that owns arrays, the nearest such layers before it, and whether a pool lies between."""
    reached: list[tuple[int, ...]] = []
    pool: list[bool] = []
    found: dict[int, tuple[tuple[int, ...], bool]] = {}
    for index, node in enumerate(graph.nodes):
        before = tuple(sorted({at for i in node.inputs for at in reached[i]}))[-_FEEDERS:]
        pooled = len(node.inputs) == 1 and pool[node.inputs[0]]
        if index in positions:
            found[positions[index]] = before, pooled
            before, pooled = (positions[index],), False
        reached.append(before)
        pool.append(pooled or "pool" in node.op.kind)
    return [found[at][0] for at in range(len(found))], [found[at][1] for at in range(len(found))]
