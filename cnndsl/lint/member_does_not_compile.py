"""member-does-not-compile (CNN314)

## What it does
Looks at every member of a family: at each combination of values of the parameters that have a domain, with and without each
optional stage. Reports the smallest member that does not compile, or breaks an assertion, with the values that make it. A
parameter without a default takes the first of its domain for the other rules.

Members are walked all at once, by the shapes that can be at each place, so that families of millions are answered. Where
that takes too long, an info says that not all were checked.

## Why is this bad
A domain is a promise: whoever sets `N=3` within `1..5` expects a network. Without this, it breaks on the first day that
somebody asks for that member.

## Example
```
input 3x32x32
param N = 1 in 1..3
param M = 2 in 1..6
net Pattern = [(CONV-RELU)*N - POOL]*M - FC-10
```

## Use instead
```
input 3x32x32
param N = 1 in 1..3
param M = 2 in 1..5
net Pattern = [(CONV-RELU)*N - POOL]*M - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic
from .subject import Subject

CODE: Final = "CNN314"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding for each cause, of its smallest member."""
    yield from (finding for finding in subject.family if finding.code == CODE)
