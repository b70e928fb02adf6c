"""deep-without-norm (CNN309)

## What it does
Reports a network of more than twenty layers with weights on its longest way and without a norm: BN, LN, IN or GN. SELU, which
normalises by itself, and SCALE, with which residual branches can start small, count as one; LRN does not. A warning for a
plain stack; an information where residual branches meet in ADD, as in networks for restoration that go without on purpose.

## Why is this bad
Each layer multiplies the scale of what it gets by a factor that only the initialisation keeps near 1. Over many layers values
and gradients vanish or grow without bound; VGG of 16 and 19 layers was trained from shallower networks' weights, and with
BN is not (Ioffe, Szegedy: Batch Normalization, 2015).

## Example
```
input 3x32x32
(CONV3-32 - RELU)*21 - GAP - FC-10
```

## Use instead
```
input 3x32x32
(CONV3-32(bias=false) - BN - RELU)*21 - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..analysis.depth import WEIGHT_LAYERS, depth
from ..diagnostics import Diagnostic, Severity
from ..ops.activation import Activation
from ..ops.combine import Add
from ..ops.reshape import Scale
from .anchors import network
from .paths import NORMS
from .subject import Subject

CODE: Final = "CNN309"

DEEP: Final = 20


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a network, at its name."""
    if len(subject.of(*WEIGHT_LAYERS)) <= DEEP or subject.of(*NORMS, Scale) or _selu(subject):
        return
    layers = depth(subject.graph)
    if layers > DEEP:
        yield Diagnostic(
            CODE,
            Severity.INFO if subject.of(Add) else Severity.WARNING,
            f"{layers} layers deep, and no norm",
            network(subject),
            expected=f"a norm in networks of more than {DEEP} layers",
            found="no BN, LN, IN or GN",
            help="write CONV(bias=false) - BN - RELU for CONV - RELU",
        )


def _selu(subject: Subject) -> bool:
    nodes = subject.graph.nodes
    return any(isinstance(op := nodes[i].op, Activation) and op.function == "selu" for i in subject.of(Activation))
