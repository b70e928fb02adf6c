"""dead-branch (CNN311)

## What it does
Reports what has no effect: layers whose values reach neither the output nor a side output, which `@label` left behind;
channels that every use cuts off with SLICE (of a layer; of the input, that is a choice); an AUX head of weight 0; and values
that are the same whatever comes in: DROPOUT(1) in training, SCALE(0, learned=false), SOFTMAX over one channel, and GAP
straight after IN, which has taken just this mean away.

## Why is this bad
The weights are stored, count as parameters and are never trained, and mostly another wiring was meant.

## Example
```
input 3x32x32
stem: CONV3-16 - CONV3-64 - RELU - @stem - RELU - GAP - FC-10
```

## Use instead
```
input 3x32x32
CONV3-16 - RELU - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.activation import Softmax
from ..ops.base import Op
from ..ops.norm import InstanceNorm
from ..ops.pool import GlobalAvgPool
from ..ops.regularise import Dropout
from ..ops.reshape import Scale, Slice
from .stages import called
from .subject import Subject

CODE: Final = "CNN311"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding for each part that hangs together, at its first layer."""
    yield from _unused(subject)
    yield from _cut_off(subject)
    yield from _without_weight(subject)
    yield from _constant(subject)


def _unused(subject: Subject) -> Iterator[Diagnostic]:
    nodes = subject.graph.nodes
    if all(users or i in subject.ends for i, users in enumerate(subject.users) if i):
        return
    used = bytearray(len(nodes))
    for end in subject.ends:
        used[end] = 1
    for index in range(len(nodes) - 1, 0, -1):
        for source in nodes[index].inputs if used[index] else ():
            used[source] = 1
    parts: dict[int, list[int]] = {}
    part = list(range(len(nodes)))
    for index in range(1, len(nodes)):
        if not used[index]:
            part[index] = next((part[i] for i in nodes[index].inputs if i and not used[i]), index)
            parts.setdefault(part[index], []).append(index)
    for first, dead in parts.items():
        yield _dead(subject, first, dead)


def _dead(subject: Subject, first: int, dead: list[int]) -> Diagnostic:
    params = sum(subject.costs.nodes[i].params for i in dead)
    count = "this layer" if len(dead) == 1 else f"these {len(dead)} layers"
    last = subject.graph.nodes[dead[-1]].name
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"nothing uses what {count} compute{'s' * (len(dead) == 1)}{f': {params:,} parameters' * bool(params)}",
        subject.spans[first],
        expected="a way to the output",
        found=last if len(dead) == 1 else f"{subject.graph.nodes[first].name} to {last}",
        help="leave them out, or join them to the rest: ADD[ ... | @label ], CONCAT[ ... | @label ]",
    )


def _cut_off(subject: Subject) -> Iterator[Diagnostic]:
    """Values of which every use is a SLICE, and some channels in none."""
    nodes = subject.graph.nodes
    sliced = {nodes[i].inputs[0] for i in subject.of(Slice)}
    for index in sorted(sliced - {0} - subject.ends):
        channels = nodes[index].shape.channels
        parts = [op for user in subject.users[index] if isinstance(op := nodes[user].op, Slice)]
        if len(parts) < len(subject.users[index]) or not isinstance(channels, int):
            continue
        missing = channels - _covered(parts)
        if missing:
            yield Diagnostic(
                CODE,
                Severity.WARNING,
                f"{missing} of the {channels} channels of {called(subject, index)} are never used",
                subject.spans[subject.users[index][0]],
                expected="slices that cover all channels",
                found=", ".join(f"{part.start} to {part.stop}" for part in parts[:4]),
                help=f"make it {channels - missing} channels wide, or use the rest",
            )


def _covered(parts: list[Slice]) -> int:
    covered = reached = 0
    for start, stop in sorted((part.start, part.stop) for part in parts):
        covered += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return covered


def _without_weight(subject: Subject) -> Iterator[Diagnostic]:
    for side in subject.graph.auxiliary:
        if side.weight == 0:
            yield Diagnostic(
                CODE,
                Severity.WARNING,
                "an AUX head of weight 0 is not trained",
                subject.spans[side.node],
                expected="a weight above 0",
                found="weight=0",
                help="give it a weight, or leave it out",
            )


def _constant(subject: Subject) -> Iterator[Diagnostic]:
    nodes = subject.graph.nodes
    for index in subject.of(Dropout, Scale, Softmax, GlobalAvgPool):
        match nodes[index].op:
            case Dropout(p=1):
                what = "DROPOUT(1) gives zeros in training"
            case Scale(init=0, learned=False):
                what = "SCALE(0, learned=false) gives zeros"
            case Softmax() if nodes[index].shape.channels == 1:
                what = "SOFTMAX over one channel gives 1"
            case GlobalAvgPool() if isinstance(nodes[nodes[index].inputs[0]].op, InstanceNorm):
                what = "GAP after IN gives the mean that IN takes away, the same"
            case _:
                continue
        yield Diagnostic(
            CODE,
            Severity.WARNING,
            f"{what} whatever comes in",
            subject.spans[index],
            expected="a value that depends on the input",
            found=str(nodes[index].shape),
            help=_instead(nodes[index].op),
        )


def _instead(op: Op) -> str:
    match op:
        case Softmax():
            return "for a yes or no, write SIGMOID"
        case GlobalAvgPool():
            return "put an activation between them"
        case _:
            return "leave it out"
