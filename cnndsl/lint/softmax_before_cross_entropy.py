"""softmax-before-cross-entropy (CNN304)

## What it does
Reports a SOFTMAX that other layers follow: layers with weights, or others before the end of the network. A SOFTMAX that
ends the network, or an AUX head, is the lectures' way to write a classifier and is not reported: `cnndsl train` leaves it out
and takes the cross-entropy of the scores. (The module and the ONNX file have it; a training loop of your own with
`torch.nn.CrossEntropyLoss` wants the network without it.) Neither is a SOFTMAX whose values are the weights of a MUL.

## Why is this bad
Cross-entropy takes the logarithm of the softmax of what it is given. Given probabilities, it takes the softmax twice: the
loss of C classes cannot fall below ln(e + C - 1) - 1, 1.46 for ten, and the gradients are small. Inside the network, a
SOFTMAX leaves the layers after it values that add up to 1 and depend on each other.

## Example
```
input 3x32x32
CONV3-16 - RELU - CONV1-10 - SOFTMAX - GAP
```

## Use instead
```
input 3x32x32
CONV3-16 - RELU - CONV1-10 - GAP - SOFTMAX
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.activation import Softmax
from .paths import GATE, WEIGHTS, meets
from .stages import called
from .subject import Subject

CODE: Final = "CNN304"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a SOFTMAX."""
    found = [index for index in subject.of(Softmax) if index not in subject.ends]
    ways = meets(subject) if found else []
    for index in found:
        if ways[index] and not ways[index] & GATE:
            yield _finding(subject, index, hidden=bool(ways[index] & WEIGHTS))


def _finding(subject: Subject, index: int, *, hidden: bool) -> Diagnostic:
    after = called(subject, subject.users[index][0])
    return Diagnostic(
        CODE,
        Severity.WARNING,
        "SOFTMAX inside the network: layers with weights follow it"
        if hidden
        else f"{after} follows SOFTMAX, so the network is trained on probabilities in place of scores",
        subject.spans[index],
        expected="SOFTMAX at the end, where training leaves it out, or a hidden activation here",
        found=f"SOFTMAX, then {after}",
        help="write RELU here" if hidden else "leave it out, or write it last",
    )
