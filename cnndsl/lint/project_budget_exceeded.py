"""project-budget-exceeded (CNN202)

## What it does
Reports a network that costs more than the project's configuration allows: `budgets` maps `params`, `macs`, `flops`,
`activations`, `memory`, `training_memory`, `receptive_field` or `layers` to the most of each. A cost that depends on an
input of open size is not compared. Without a configured budget, `assert` in the spec says the same of one network, and
is reported as CNN201.

## Why is this bad
A network that grows beyond what its device or its deadline allows should fail where it is changed, not where it is
deployed. Errors cannot be silenced: raise the budget, or ignore the rule for the file, in the configuration.
With `budgets = { params = 100_000_000 }`:

## Example
```
input 3x224x224
CONV3-64 - RELU - POOL2 - FC-4096 - RELU - FC-1000
```

## Use instead
```
input 3x224x224
CONV3-64 - RELU - GAP - FC-1000
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ..diagnostics import Diagnostic, Severity
from . import anchors
from .subject import Subject

CODE: Final = "CNN202"


def _receptive_field(subject: Subject) -> int | None:
    """The smallest axis; None where it is not known."""
    sizes = subject.receptive[subject.graph.output].size
    return min((size for size in sizes if size is not None), default=None) if None not in sizes else None


_MEASURES: Final[Mapping[str, Callable[[Subject], int | None]]] = {
    "params": lambda subject: subject.costs.params,
    "macs": lambda subject: subject.costs.macs,
    "flops": lambda subject: subject.costs.flops,
    "activations": lambda subject: subject.costs.activations,
    "memory": lambda subject: subject.memory.inference,
    "training_memory": lambda subject: subject.memory.training,
    "receptive_field": _receptive_field,
    "layers": lambda subject: len(subject.graph.nodes) - 1,
}
"""What an `assert` can bound, from what other rules have computed too."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a network, with every budget that it exceeds."""
    budgets = subject.options.budgets
    exceeded = {}
    for name, measure in _MEASURES.items():
        value = measure(subject) if name in budgets else None
        if value is not None and value > budgets[name]:
            exceeded[name] = value
    if exceeded:
        *others, last = exceeded
        listed = f"{', '.join(others)} and {last}" if others else last
        yield Diagnostic(
            CODE,
            Severity.ERROR,
            f"the network exceeds the project's budget of {listed}",
            anchors.network(subject),
            expected=", ".join(f"{name} <= {budgets[name]:,}" for name in exceeded),
            found=", ".join(f"{name} = {value:,}" for name, value in exceeded.items()),
            help="make the network smaller, or raise `budgets` in the project's configuration",
        )
