"""saturating-activation-in-deep-stack (CNN305)

## What it does
Reports SIGMOID and TANH between the layers of a network whose every way from input to output has more than ten layers with
weights. Gates (what meets a MUL, as in squeeze-and-excitation) and the output are not reported; neither are networks with
shortcuts, around which the gradient goes. One finding a network, at the first place; where norms keep the scale, as an
information.

## Why is this bad
The slope of SIGMOID is at most 1/4, that of TANH at most 1 and small where it saturates, and the gradient of an early layer
has one such factor for each layer after it, ten SIGMOIDs at most a millionth (Glorot, Bengio: Understanding the Difficulty
of Training Deep Feedforward Neural Networks, 2010). With BN between, such networks can be trained, and RELU is still the
better choice (Ioffe, Szegedy: Batch Normalization, 2015, section 4.2).

## Example
```
input 3x32x32
(CONV3-32 - SIGMOID)*12 - GAP - FC-10
```

## Use instead
```
input 3x32x32
(CONV3-32 - RELU)*12 - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.activation import Activation
from .paths import GATE, NORMS, WEIGHTS, meets, shortest
from .subject import Subject

CODE: Final = "CNN305"

DEEP: Final = 10


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding, at the first."""
    nodes = subject.graph.nodes
    saturating = [index for index in subject.of(Activation) if _saturates(nodes[index].op)]
    layers = shortest(subject.graph) if saturating else 0
    if layers <= DEEP:
        return
    ways = meets(subject)
    hidden = [i for i in saturating if ways[i] & WEIGHTS and not ways[i] & GATE and i in subject.graph.live]
    if hidden:
        name = nodes[hidden[0]].op.written()[0]
        times = f" {len(hidden)} times" if len(hidden) > 1 else ""
        yield Diagnostic(
            CODE,
            Severity.INFO if subject.of(*NORMS) else Severity.WARNING,
            f"{name} in a stack of {layers} layers: its slopes, {_slope(name)}, multiply on the way back",
            subject.spans[hidden[0]],
            expected=f"RELU or its kin in stacks of more than {DEEP} layers",
            found=f"SIGMOID or TANH{times}" if _mixed(subject, hidden) else f"{name}{times}",
            help="write RELU, or put the layers into residual blocks: RES[ ... ]",
        )


def _slope(name: str) -> str:
    return "at most 1/4" if name == "SIGMOID" else "small where it saturates"


def _saturates(op: object) -> bool:
    return isinstance(op, Activation) and op.function in ("sigmoid", "tanh")


def _mixed(subject: Subject, indices: list[int]) -> bool:
    return len({subject.graph.nodes[index].op.written()[0] for index in indices}) > 1
