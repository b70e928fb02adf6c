"""size-below-one (CNN132)

## What it does
Reports that the network reduces some input of the declared domain below 1x1: a parameter in the `input` statement has values
for which a window is larger than its map. The smallest such member is named.

## Why is this bad
The spec promises to take these sizes. The lectures' rule of thumb is an input that can be halved as often as the network
does; 32, 64, 96, 224 are.

## Example
```
param s = 64 in [16, 32, 64]
input 3x{s}x{s}
(CONV3-16 - RELU - POOL2)*5 - FC-10
```

## Use instead
```
param s = 64 in [32, 64]
input 3x{s}x{s}
(CONV3-16 - RELU - POOL2)*5 - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic
from .subject import Subject

CODE: Final = "CNN132"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding for each layer, of its smallest member."""
    yield from (finding for finding in subject.family if finding.code == CODE)
