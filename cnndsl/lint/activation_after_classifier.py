"""activation-after-classifier (CNN308)

## What it does
Reports an activation other than SIGMOID and SOFTMAX after the layer that makes the scores: the last layer with weights of the
network or of an AUX head, where its width is `classes`, or a SOFTMAX or SIGMOID ends the network. Where the scores are maps
that are averaged afterwards, as in Network in Network and SqueezeNet, it is an information.

The fix takes the activation out. It is not safe: a trained network gives other scores without it.

## Why is this bad
A score says how much speaks for a class and how much against it. RELU cuts off the second, and where a class has a score
below 0 for every image of a batch, nothing tells it to rise: its gradient is 0.

## Example
```
input 3x32x32
param classes = 10
CONV3-16 - RELU - GAP - FC-classes - RELU
```

## Use instead
```
input 3x32x32
param classes = 10
CONV3-16 - RELU - GAP - FC-classes
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..analysis.depth import WEIGHT_LAYERS
from ..diagnostics import Diagnostic, Fix, Severity
from ..ops.activation import Activation, PRelu, Softmax
from ..ops.base import Op
from ..ops.pool import AdaptiveAvgPool, GlobalAvgPool
from .stages import called, everywhere, without
from .subject import Subject

CODE: Final = "CNN308"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding an activation."""
    if not subject.of(Activation, PRelu):
        return
    found = {index: (last, pooled) for end in subject.ends for index, last, pooled in _after(subject, end)}
    mendable = everywhere(subject, found, subject.of(Activation, PRelu))
    for index, (last, pooled) in found.items():
        yield _finding(subject, index, last, pooled, index in mendable)


def _after(subject: Subject, end: int) -> Iterator[tuple[int, int, bool]]:
    """The activations between the layer that makes the scores and an end; that layer; and whether maps are averaged then."""
    nodes = subject.graph.nodes
    pooled, at = False, end
    found = []
    while at and len(nodes[at].inputs) == 1 and not isinstance(nodes[at].op, WEIGHT_LAYERS):
        op = nodes[at].op
        if isinstance(op, Activation | PRelu) and not _probability(op):
            found.append((at, pooled))
        pooled = pooled or isinstance(op, GlobalAvgPool | AdaptiveAvgPool)
        at = nodes[at].inputs[0]
    op = nodes[at].op
    if not isinstance(op, WEIGHT_LAYERS):
        return
    if op.width == subject.graph.classes or _probability(nodes[end].op):
        yield from ((index, at, pooled) for index, pooled in found)


def _probability(op: Op) -> bool:
    return isinstance(op, Softmax) or (isinstance(op, Activation) and op.function in ("sigmoid", "hardsigmoid"))


def _finding(subject: Subject, index: int, last: int, pooled: bool, mendable: bool) -> Diagnostic:
    name, scores = called(subject, index), called(subject, last)
    edit = without(subject, subject.spans[index]) if mendable else None
    return Diagnostic(
        CODE,
        Severity.INFO if pooled else Severity.WARNING,
        f"{name} after {scores}, which makes the scores: they are {_what(subject.graph.nodes[index].op)}",
        subject.spans[index],
        expected="scores as they are, or SOFTMAX or SIGMOID",
        found=f"{scores}, then {name}",
        help=f"leave {name} out",
        fix=None if edit is None else Fix(f"leave {name} out", (edit,), safe=False),
    )


def _what(op: Op) -> str:
    clips = isinstance(op, Activation) and op.function in ("relu", "relu6")
    return "never below 0" if clips else "bent"
