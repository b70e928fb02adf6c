"""Values that wait for each other. Python computes in order: only what is sound can be run.

`nn.later(name)` is the value that `nn.named(name, value)` gives further on; `torch.nn` has neither, a recorder does.
"""

from __future__ import annotations

from typing import Any

from torch import cat

from .case import Case, chain

IN_ORDER = "Python has no name for a value that is not there yet"


def cycle_forward(nn: Any, x: Any, ahead: bool) -> Any:
    y = nn.ReLU()(x)
    later = nn.later("later") if ahead else y
    y = nn.ReLU()(nn.Conv2d(16, 16, 3, padding=1)(y) + later)
    return nn.named("later", y) if ahead else y


def cycle_of_one(nn: Any, x: Any, itself: bool) -> Any:
    y = nn.ReLU()(x)
    y = nn.Conv2d(16, 16, 3, padding=1)(y) + (nn.later("sum") if itself else y)
    return nn.ReLU()(nn.named("sum", y) if itself else y)


def cycle_of_branches(nn: Any, x: Any, waits: bool) -> Any:
    y = nn.ReLU()(x)
    a, b = chain(y, nn.Conv2d(8, 8, 1), nn.ReLU()), chain(y, nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    left = a + nn.Conv2d(8, 8, 1)(nn.later("right")) if waits else a + chain(a, nn.Conv2d(8, 8, 1), nn.ReLU())
    right = b + (a if not waits else left)
    return cat([left, nn.named("right", right) if waits else right], 1)


def cycle_in_repetition(nn: Any, x: Any, ahead: bool) -> Any:
    for turn in range(2):
        state = x = nn.ReLU()(x)
        x = chain(x, nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        x = nn.Conv2d(16, 16, 3, padding=1)(x + (nn.later(f"state{turn}") if ahead else state))
        x = nn.named(f"state{turn}", x) if ahead else x
    return x


def cycle_of_definitions(nn: Any, x: Any, mutual: bool) -> Any:
    def even(x: Any) -> Any:
        return odd(chain(x, nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()))

    def odd(x: Any) -> Any:
        y = chain(x, nn.Conv2d(16, 16, 1), nn.ReLU())
        return even(y) if mutual else y

    return even(x)


CASES = (
    Case(cycle_forward, ("16x8x8",), True, False, IN_ORDER),
    Case(cycle_of_one, ("16x8x8",), True, False, IN_ORDER),
    Case(cycle_of_branches, ("8x8x8",), True, False, IN_ORDER),
    Case(cycle_in_repetition, ("16x8x8",), True, False, IN_ORDER),
    Case(cycle_of_definitions, ("16x8x8",), True, False),
)
