"""linear-stack (CNN303)

## What it does
Reports two convolutions or linear layers with no activation between: only what is linear in evaluation (BN, dropout,
average pools, UP, FLATTEN and the like), and no other use of the values between. A network without any activation is
reported once; as an information where max pools keep it from being linear, as in a lecture's `[CONV-POOL-CONV-POOL-FC-FC]`.

Silent where the stack is a factorisation that saves weights: a bottleneck narrower than both its sides (MobileNetV2's linear
bottleneck, a low-rank FC), depthwise or grouped next to another, 1xk next to kx1, a convolution next to UPCONV. LN, IN, GN
and LRN divide by what comes in, and are no linear functions.

## Why is this bad
A linear function of a linear function is a linear function: FC-100 - FC-10 computes no more than FC-10 does, with more
weights; two 3x3 convolutions are one of 5x5, up to what padding does at the border. Mostly an activation was forgotten.

## Example
```
input 784
FC-100 - FC-10
```

## Use instead
```
input 784
FC-100 - RELU - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

from ..analysis.depth import WEIGHT_LAYERS
from ..diagnostics import Diagnostic, Severity
from ..ir import Graph
from ..ops.activation import Activation, Maxout, PRelu
from ..ops.conv import Conv, ConvTranspose
from ..ops.linear import Flatten, Linear
from ..ops.norm import BatchNorm
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ..ops.regularise import Dropout, DropPath
from ..ops.reshape import Crop, Pad, Scale, Shuffle, Slice, Upsample
from ..ops.windows import extent
from .stages import called, each
from .subject import Subject

CODE: Final = "CNN303"

LINEAR: Final = (
    BatchNorm, Dropout, DropPath, AvgPool, GlobalAvgPool, AdaptiveAvgPool, Flatten, Upsample, Pad, Crop, Shuffle, Slice,
    Scale,
)  # fmt: skip
IN_PLACE: Final = (BatchNorm, Dropout, DropPath, Flatten, Scale)
"""Those that leave every value at its place, so that two layers around them are one of the same kind."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a pair, at its second layer; one in all for a network without activations."""
    pairs = [pair for pair in _pairs(subject) if not _factorised(subject.graph, *pair[:2])]
    if pairs and not subject.of(Activation, PRelu, Maxout):
        yield _without_any(subject, pairs[0])
        return
    plain: dict[tuple[int, ...], bool] = {pair[:2]: pair[2] for pair in pairs}
    yield from each(subject, plain, lambda pair: _finding(subject, pair[0], pair[1], plain[pair]))


def _pairs(subject: Subject) -> Iterator[tuple[int, int, bool]]:
    """The weight layers with only linear things between, and whether these keep every value at its place."""
    before: list[tuple[int, bool] | None] = []
    for index, node in enumerate(subject.graph.nodes):
        op = node.op
        linked = before[node.inputs[0]] if len(node.inputs) == 1 else None
        here = None
        if isinstance(op, WEIGHT_LAYERS):
            if linked is not None:
                yield linked[0], index, linked[1]
            here = (index, True)
        elif linked is not None and isinstance(op, LINEAR):
            here = (linked[0], linked[1] and isinstance(op, IN_PLACE))
        alone = len(subject.users[index]) == 1 and index not in subject.ends
        before.append(here if alone else None)


def _factorised(graph: Graph, first: int, second: int) -> bool:
    """Whether two linear layers are a known way to save weights, or to change the resolution."""
    f, g = graph.nodes[first].op, graph.nodes[second].op
    if isinstance(f, ConvTranspose) != isinstance(g, ConvTranspose):
        return True
    if getattr(f, "groups", 1) > 1 or getattr(g, "groups", 1) > 1:
        return True
    if isinstance(f, Conv) and isinstance(g, Conv) and prod(f.kernel) > 1 and prod(g.kernel) > 1:
        return all(min(k) == 1 for k in zip(f.kernel, g.kernel, strict=True))
    coming, inside, going = (_channels(graph, first), _width(graph, first), _width(graph, second))
    return inside < min(coming, going)


def _channels(graph: Graph, index: int) -> int:
    channels = graph.inputs(graph.nodes[index])[0].channels
    return channels if isinstance(channels, int) else 0


def _width(graph: Graph, index: int) -> int:
    return int(getattr(graph.nodes[index].op, "width", 0))


def _finding(subject: Subject, first: int, second: int, plain: bool) -> Diagnostic:
    f, g = called(subject, first), called(subject, second)
    one, size = _merged(subject.graph, first, second) if plain else ("one linear map", None)
    both = subject.costs.nodes[first].params + subject.costs.nodes[second].params
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"no activation between {f} and {g}: together they are linear",
        subject.spans[second],
        expected=f"an activation after {f}",
        found=f"{both:,} weights for what {one} of {size:,} computes"
        if size is not None and size < both
        else f"{both:,} weights for {one}",
        help=f"write an activation between them, or {one} in their place"
        if plain
        else "write an activation between them",
    )


def _merged(graph: Graph, first: int, second: int) -> tuple[str, int | None]:
    """The one layer that computes what two do, and its weights, biases among them."""
    f, g = graph.nodes[first].op, graph.nodes[second].op
    coming, width = _channels(graph, first), _width(graph, second)
    if isinstance(f, Linear) and isinstance(g, Linear):
        return f"one FC-{width}", (coming + 1) * width
    if isinstance(f, Conv) and isinstance(g, Conv):
        reach = [
            extent(k, d) + (extent(m, e) - 1) * s
            for k, d, s, m, e in zip(f.kernel, f.dilation, f.stride, g.kernel, g.dilation, strict=True)
        ]
        kernel = str(reach[0]) if len(set(reach)) == 1 else "x".join(map(str, reach))
        stride = [s * t for s, t in zip(f.stride, g.stride, strict=True)]
        step = (
            "" if set(stride) == {1} else f"/{stride[0]}" if len(set(stride)) == 1 else f"/{'x'.join(map(str, stride))}"
        )
        return f"one CONV{kernel}-{width}{step}", (coming * prod(reach) + 1) * width
    return "one linear layer", None


def _without_any(subject: Subject, pair: tuple[int, int, bool]) -> Diagnostic:
    layers = len(subject.of(*WEIGHT_LAYERS))
    sketch = bool(subject.of(MaxPool, GlobalMaxPool, AdaptiveMaxPool))
    return Diagnostic(
        CODE,
        Severity.INFO if sketch else Severity.WARNING,
        f"no activation follows any of the {layers} layers with weights",
        subject.spans[pair[1]],
        expected="an activation after each but the last",
        found=f"{called(subject, pair[0])}, then {called(subject, pair[1])}",
        help="write - RELU after each; the notation on a whiteboard leaves them out, a spec says all that is there",
    )
