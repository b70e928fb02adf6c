"""Which values of a provider's options are the fastest: one option after the other, each against the best so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..record import Record
from ..verify import difference
from .errors import CannotBench, line
from .plan import Plan
from .sessions import Bound
from .settings import OPTIONS, Configuration, Option
from .timing import in_turns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]

GAIN: Final = 0.98
"""What a value must bring the median down to, relative to the best so far, or the simpler configuration stays."""

ROUNDS: Final = 4

TOLERANCE: Final = 2e-2
"""How far outputs may be from those of the defaults, relative: TF32 and FP16 multiply with 10-bit mantissas."""


class Trial(Record):
    """A configuration that was tried, its median in seconds beside that of the best before it, or why it was dropped."""

    configuration: Configuration
    median: float | None = None
    before: float | None = None
    kept: bool = False
    problem: str | None = None

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "options": self.configuration.json(), "median": self.median, "best_before": self.before,
            "kept": self.kept, "problem": self.problem,
        }  # fmt: skip


def trials(options: tuple[Option, ...], held: frozenset[str]) -> list[tuple[Option, tuple[str, ...]]]:
    """The options to be tried, each with its values other than the default, without those that are held."""
    return [(option, option.values[1:]) for option in options if option.name not in held and len(option.values) > 1]


def swept(
    plan: Plan,
    start: Configuration,
    held: frozenset[str],
    engines: str,
    seconds: float,
    step: Callable[[], None] = lambda: None,
) -> tuple[Configuration, list[Trial]]:
    """The fastest configuration, and all that were tried on the way; `step` is called after each option.

    A value whose session fails, or computes something else than the first one, is dropped. Raises CannotBench where the first
    one fails.
    """
    example = plan.example()
    best = start
    session = Bound(plan, best, engines, example)
    session.run()
    expected = session.outputs()
    found: list[Trial] = []
    for option, values in trials(OPTIONS[start.provider], held):
        kept = best
        for value in values:
            rival = kept.with_(option.name, value)
            try:
                other = _sound(Bound(plan, rival, engines, example), expected)
            except CannotBench as problem:
                found.append(Trial(rival, problem=line(problem)))
                continue
            timed = in_turns({"best": session.run, "rival": other.run}, seconds, rounds=ROUNDS)
            median, before = timed["rival"].median, timed["best"].median
            faster = median < GAIN * before
            found.append(Trial(rival, median, before, faster))
            if faster:
                best, session = rival, other
        step()
    return best, found


def _sound(session: Bound, expected: list[Array]) -> Bound:
    """A session, run often enough that a captured graph would have been replayed, if its outputs are those expected."""
    import numpy as np

    for _ in range(3):
        session.run()
    for mine, theirs in zip(session.outputs(), expected, strict=True):
        apart = difference(mine.astype(np.float32), theirs.astype(np.float32))
        if not apart.within(TOLERANCE):
            raise CannotBench(f"it computes something else: {apart}")
    return session
