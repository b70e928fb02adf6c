"""deep-without-residual (CNN310)

## What it does
Reports a network in which every way from input to output has more than thirty layers with weights: no ADD, CONCAT or other
branch leads around them. Inception's pooling branches, DenseNet's and U-Net's CONCAT are short ways, as RES is.

## Why is this bad
Plain networks get worse with depth, on the training images too: in He, Zhang, Ren, Sun, Deep Residual Learning for Image
Recognition, 2015, table 2, a plain network of 34 layers has 28.54% top-1 error and one of 18 layers 27.94%; with shortcuts,
25.03% and 27.88%.

## Example
```
input 3x32x32
def Unit = CONV3-32(bias=false) - BN - RELU
Unit*33 - GAP - FC-10
```

## Use instead
```
input 3x32x32
def Unit = CONV3-32(bias=false) - BN - RELU
Unit - RES[ Unit - CONV3-32(bias=false) - BN ]*16 - RELU - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..analysis.depth import WEIGHT_LAYERS
from ..diagnostics import Diagnostic, Severity
from .anchors import network
from .paths import shortest
from .subject import Subject

CODE: Final = "CNN310"

DEEP: Final = 30


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a network, at its name."""
    layers = shortest(subject.graph) if len(subject.of(*WEIGHT_LAYERS)) > DEEP else 0
    if layers > DEEP:
        yield Diagnostic(
            CODE,
            Severity.WARNING,
            f"{layers} layers with weights on the shortest way, and no shortcut around them",
            network(subject),
            expected=f"shortcuts in networks of more than {DEEP} layers",
            found=f"{layers} layers that every way goes through",
            help="put the layers two by two into residual blocks: RES[ CONV3-w - BN - RELU - CONV3-w - BN ] - RELU",
        )
