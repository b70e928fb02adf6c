"""operator-above-opset (CNN401)

## What it does
Reports a layer whose ONNX operator is newer than the opset that is asked for (18 unless the project sets another): it is
written as its definition, in several operators. GELU has an operator from opset 20 on, MISH from 18 on. One finding a
kind of layer.

## Why is this bad
The numbers are the same within rounding, but a runtime that knows the operator runs it in one pass over the values, and
one that fuses the parts again may not know this form of them.

## Example
```
input 3x32x32
CONV3-64 - GELU - GAP - FC-10
```

## Use instead
```
input 3x32x32
CONV3-64 - HSWISH - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.activation import Activation
from ..record import Record
from .subject import Subject

CODE: Final = "CNN401"


class Newer(Record):
    """A layer's own operator, the opset that it came with, and the operators that are written before that."""

    operator: str
    opset: int
    parts: int


NEWER: Final[Mapping[tuple[str, bool], Newer]] = {
    ("gelu", False): Newer("Gelu", 20, 5),
    ("gelu", True): Newer("Gelu", 20, 9),
    ("mish", False): Newer("Mish", 18, 3),
}
"""By an activation's function, and whether it is approximated: what the ONNX back end writes by the opset."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a kind, at its first layer."""
    graph, opset = subject.graph, subject.options.opset
    kinds: dict[tuple[str, bool], list[int]] = {}
    for index in subject.of(Activation):
        op = graph.nodes[index].op
        if isinstance(op, Activation) and (op.function, op.approximate) in NEWER and index in graph.live:
            kinds.setdefault((op.function, op.approximate), []).append(index)
    for kind, layers in kinds.items():
        newer = NEWER[kind]
        if newer.opset <= opset:
            continue
        name = graph.nodes[layers[0]].op.written()[0]
        yield Diagnostic(
            CODE,
            Severity.INFO,
            f"{name} is written as {newer.parts} operators at opset {opset}",
            subject.spans[layers[0]],
            expected=f"opset {newer.opset}, which has {newer.operator}",
            found=f"opset {opset}, {len(layers)} layer{'s' * (len(layers) > 1)} of {name}",
            help=f"ask for opset {newer.opset} where the runtime has it",
        )
