"""How long several things take, in turns and in random order, so that no drift of the machine favours one of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from random import Random
from time import perf_counter_ns
from typing import Any, Final

from ..record import Record

ROUNDS: Final = 10
"""How often each has its turn."""

LEAST: Final = 3
"""Runs before anything is timed, in which kernels are chosen and graphs captured."""

WARM: Final = 0.2
"""Seconds that those take at least, if the time for the measurement is no shorter; clocks rise meanwhile."""

Action = Callable[[], None]
Tick = Callable[[], None]


class Timing(Record):
    """The seconds that each run took."""

    seconds: tuple[float, ...]

    def percentile(self, part: int) -> float:
        """What so many of a hundred runs stayed below, between two of them in proportion."""
        import numpy as np

        return float(np.percentile(self.seconds, part))

    @property
    def median(self) -> float:
        """Half of the runs took no longer."""
        return self.percentile(50)

    @property
    def mean(self) -> float:
        """All runs together, by their number."""
        return sum(self.seconds) / len(self.seconds)

    def json(self, batch: int) -> dict[str, Any]:
        """Plain data, in seconds and images a second."""
        found = {f"p{part}": self.percentile(part) for part in (50, 95, 99)}
        return {**found, "mean": self.mean, "throughput": batch / self.median, "runs": len(self.seconds)}


def in_turns(
    actions: Mapping[str, Action], seconds: float, *, seed: int = 0, rounds: int = ROUNDS, tick: Tick | None = None
) -> dict[str, Timing]:
    """Time each action for about so many seconds, at least once a round.

    In every round each has its turn, in an order drawn anew; the first run of a turn is not counted where it is short,
    because the caches are still another's. `tick` is called after each turn.
    """
    least = {name: _warm_up(action, min(WARM, seconds)) for name, action in actions.items()}
    found: dict[str, list[int]] = {name: [] for name in actions}
    turn = seconds / rounds
    counts = {name: max(1, min(10_000, int(turn / max(least[name], 1e-9)))) for name in actions}
    order, random = list(actions), Random(seed)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            random.shuffle(order)
            for name in order:
                found[name] += _turn(actions[name], counts[name], unseen=least[name] < turn)
                if tick is not None:
                    tick()
    finally:
        if collecting:
            gc.enable()
    return {name: Timing(tuple(run / 1e9 for run in runs)) for name, runs in found.items()}


def _warm_up(action: Action, seconds: float) -> float:
    """Run an action until it has warmed up; the seconds of its fastest run."""
    runs: list[int] = []
    while len(runs) < LEAST or (sum(runs) < seconds * 1e9 and len(runs) < 10_000):
        runs += _turn(action, 1, unseen=False)
    return min(runs) / 1e9


def _turn(action: Action, count: int, *, unseen: bool) -> list[int]:
    if unseen:
        action()
    runs = []
    for _ in range(count):
        start = perf_counter_ns()
        action()
        runs.append(perf_counter_ns() - start)
    return runs
