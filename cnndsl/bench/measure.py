"""A model measured: where its nodes run, the options tried, and the best session beside the default one and PyTorch."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..extras import need
from ..interrupts import Undoing
from ..nvidia import first_gpu
from ..record import Record
from .compared import Agreement, Opponent, Rival, Torch, compared, inputs
from .errors import OutOfMemory
from .file import ModelFile
from .fresh import Fresh, alone, fresh
from .plan import Plan
from .sessions import Bound, Placement, examine
from .settings import OPTIONS, Configuration
from .snippet import snippet
from .sweep import GAIN, Trial, swept, trials
from .timing import Timing, in_turns

BEST, DEFAULT, EAGER, COMPILED = "best", "defaults", "torch", "torch.compile"

SWEEP_SHARE = 0.25
"""The part of the time for a measurement that each value of an option is given."""


class Row(Record):
    """One thing that was timed at one batch size; `start` is the seconds before its first batch was done."""

    name: str
    timing: Timing | None
    start: float | None = None
    problem: str | None = None


class Measured(Record):
    """What came of one batch size; `problem` where it could not be run."""

    batch: int
    configuration: Configuration
    rows: tuple[Row, ...] = ()
    trials: tuple[Trial, ...] = ()
    fresh: Fresh | None = None
    plan: Plan | None = None
    problem: str | None = None

    @property
    def snippet(self) -> str | None:
        """The best session as Python."""
        return None if self.plan is None else snippet(self.plan, self.configuration)

    def json(self) -> dict[str, Any]:
        """Plain data, in seconds and bytes."""
        rows = {}
        for row in self.rows:
            timed = {} if row.timing is None else row.timing.json(self.batch)
            rows[row.name] = {**timed, "start": row.start, "problem": row.problem}
        return {
            "batch": self.batch,
            "input": None if self.plan is None else list(self.plan.input.shape),
            "options": self.configuration.json(),
            "measured": rows,
            "fresh_process": None if self.fresh is None else self.fresh.json(),
            "tried": [trial.json() for trial in self.trials],
            "snippet": self.snippet,
            "problem": self.problem,
        }


class Report(Record):
    """All of it: the file, what ran where, whether PyTorch agrees, and a measurement a batch size."""

    file: ModelFile
    provider: str
    device: str
    versions: tuple[tuple[str, str], ...]
    placement: Placement
    measured: tuple[Measured, ...]
    agreement: Agreement | None = None

    def json(self) -> dict[str, Any]:
        """Plain data, in seconds and bytes."""
        return {
            "model": self.file.path,
            "name": self.file.metadata.get("name"),
            "hash": self.file.metadata.get("hash"),
            "precision": self.file.precision,
            "provider": self.provider,
            "device": self.device,
            "versions": dict(self.versions),
            "nodes": self.placement.json(),
            "torch": None if self.agreement is None else self.agreement.json(),
            "batches": [measured.json() for measured in self.measured],
        }


def bench(
    file: ModelFile,
    start: Configuration,
    batches: Sequence[int | None],
    size: Sequence[int] | None = None,
    *,
    held: frozenset[str] = frozenset(),
    sweep: bool = True,
    seconds: float = 2.0,
    torch: Torch | None = None,
    step: Callable[[], None] = lambda: None,
) -> Report:
    """Measure a model on the provider of a configuration, at each batch size (None for the file's own, or 1).

    Every option of the provider but those that are `held` is tried, unless `sweep` is off. With `torch` the outputs are
    compared first, and where they do not agree nothing is timed. Each of what is compared runs for about so many
    seconds. `step` is called `steps` times. Whatever holds a batch is in processes that come and go: one that does not fit
    into memory is reported, and the others go on.

    Raises CannotBench where the provider or the model does not do, FellBack where nodes ran elsewhere, MissingExtra.
    """
    done: list[Measured] = []
    placement, agreement = Placement({}), None
    with Undoing(), tempfile.TemporaryDirectory(prefix="cnndsl-engines-") as engines:
        for batch in batches:
            try:
                plan, placement = alone(batch, examine, file, start, batch, size, engines)
                step()
                if torch is not None and agreement is None:
                    agreement = alone(batch, compared, torch, file, plan, start, engines)
                    if not agreement.agrees:
                        break
                tried = frozenset(option.name for option in OPTIONS[start.provider]) if not sweep else held
                found = alone(batch, _timed, plan, file, start, tried, engines, seconds, torch, step=step)
                own = alone(batch, fresh, plan, found.configuration, engines)
                step()
                done.append(found.replace(fresh=own))
            except OutOfMemory as problem:
                done.append(Measured(batch or 1, start, problem=str(problem)))
    return Report(file, start.provider, _device(start), _versions(torch), placement, tuple(done), agreement)


def steps(provider: str, batches: int, held: frozenset[str], sweep: bool) -> int:
    """How often `bench` calls `step`, if all goes well."""
    return batches * (3 + (len(trials(OPTIONS[provider], held)) if sweep else 0))


def _timed(
    plan: Plan,
    file: ModelFile,
    start: Configuration,
    held: frozenset[str],
    engines: str,
    seconds: float,
    torch: Torch | None,
    *,
    step: Callable[[], None],
) -> Measured:
    """All that is timed at one batch size; `step` is called for each option that is tried, and at the end."""
    best, found = swept(plan, start, held, engines, seconds * SWEEP_SHARE, step)
    rows = _rows(plan, file, start, best, engines, seconds, torch)
    best, rows = _settled(start, best, rows)
    step()
    return Measured(plan.batch, best, rows, tuple(found), None, plan)


def _rows(
    plan: Plan,
    file: ModelFile,
    start: Configuration,
    best: Configuration,
    engines: str,
    seconds: float,
    torch: Torch | None,
) -> tuple[Row, ...]:
    """The best session, the default one and PyTorch's, timed in turns."""
    example = plan.example()
    actions = {BEST: Bound(plan, best, engines, example).run}
    if best != start:
        actions[DEFAULT] = Bound(plan, start, engines, example).run
    rivals: dict[str, Rival] = {}
    if torch is not None:
        _, x = inputs(torch, file, plan)
        opponent = Opponent(torch, best, plan.precision, int(start.get("intra_op_num_threads") or 0))
        rivals = {EAGER: opponent.eager(x), COMPILED: opponent.compiled(x)}
        actions |= {name: rival.run for name, rival in rivals.items() if rival.run is not None}
    timed = in_turns(actions, seconds)
    rows = [Row(name, timed[name]) for name in actions if name not in rivals]
    return (*rows, *(Row(name, timed.get(name), rival.start, rival.problem) for name, rival in rivals.items()))


def _settled(start: Configuration, best: Configuration, rows: tuple[Row, ...]) -> tuple[Configuration, tuple[Row, ...]]:
    """The defaults where what the sweep found is no faster in the end: there it was noise."""
    timed = {row.name: row.timing for row in rows}
    found, default = timed.get(BEST), timed.get(DEFAULT)
    if found is None or default is None or found.median < GAIN * default.median:
        return best, rows
    return start, tuple(row.replace(name=BEST) if row.name == DEFAULT else row for row in rows if row.name != BEST)


def _device(configuration: Configuration) -> str:
    """The name of what computes."""
    if configuration.on_gpu:
        gpu = first_gpu()
        return "a GPU whose driver does not answer" if gpu is None else gpu.name
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for entry in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if entry.startswith("model name"):
                return entry.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions(torch: Torch | None) -> tuple[tuple[str, str], ...]:
    named = ["onnxruntime", *(["torch"] if torch is not None else [])]
    return tuple((name, str(need(name, "torch,cpu").__version__)) for name in named)
