"""What is said of a run on a GPU: the rows, the goals, the page and the files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cnndsl.files import write_text

EAGER, COMPILED = "torch eager FP16", "torch.compile FP16"
OVER_EAGER, OVER_COMPILED = 1.3, 1.0
"""The goals: how many times as fast FP16 is, at every batch size and at batch 1."""


class Row(NamedTuple):
    """One thing at one batch size: milliseconds a batch (the median), images a second, how much of the peak, how many times
    as fast as eager; how far its outputs are off; why there are none of these."""

    network: str
    batch: int
    name: str
    precision: str
    milliseconds: float | None = None
    images: float | None = None
    share: float | None = None
    over_eager: float | None = None
    error: float | None = None
    problem: str | None = None


class Goal(NamedTuple):
    """A figure beside what it should be."""

    what: str
    goal: float
    figure: float | None

    @property
    def met(self) -> bool:
        return self.figure is not None and self.figure >= self.goal


def goals(rows: Sequence[Row]) -> list[Goal]:
    """The best way to run FP16 against PyTorch's two."""
    found = []
    for network, batch in dict.fromkeys((row.network, row.batch) for row in rows):
        here = [row for row in rows if (row.network, row.batch) == (network, batch) and row.over_eager is not None]
        ratios = {row.name: row.over_eager or 0.0 for row in here}
        best = max((row.over_eager or 0.0 for row in here if row.name.startswith("FP16")), default=None)
        found.append(Goal(f"{network}, batch {batch}: FP16 over eager", OVER_EAGER, best))
        if batch == 1:
            other = ratios.get(COMPILED)
            ratio = best / other if best is not None and other else None
            found.append(Goal(f"{network}, batch 1: FP16 over torch.compile", OVER_COMPILED, ratio))
    return found


def markdown(about: dict[str, Any], rows: Sequence[Row], kernels: dict[str, Any]) -> str:
    """All of it as a page."""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    peak = ", ".join(f"{precision} {rate / 1e12:.3g}" for precision, rate in about["peaks"].items())
    lines = [f"# {about['device']}", "", f"{versions}. Matrix product, TFLOP/s: {peak}.", ""]
    if about["small"]:
        lines += ["One block of each network, to see that everything works: the figures say nothing.", ""]
    lines += ["| network | batch | | ms | images/s | of the peak | × eager | error |", "|---|" + "--:|" * 7]
    lines += [f"| {' | '.join(cells(row))} |" for row in rows]
    lines += ["", "| goal | | figure | met |", "|---|--:|--:|---|"]
    for goal in goals(rows):
        figure = "none" if goal.figure is None else f"{goal.figure:.2f}"
        lines.append(f"| {goal.what} | ≥ {goal.goal} | {figure} | {'yes' if goal.met else 'no'} |")
    for title, found in kernels.items():
        for side, entries in found.items():
            shares = (
                ", ".join(f"{shortened(name)} {share:.0%}" for name, share in entries) or "nothing that can be seen"
            )
            lines += ["", f"{title}, {side}: {shares}."]
    return "\n".join(lines) + "\n"


def cells(row: Row) -> tuple[str, ...]:
    if row.milliseconds is None:
        return row.network, str(row.batch), row.name, shortened(row.problem or "", 120), "", "", "", ""
    error = "" if row.error is None else f"{row.error:.1e}"
    return (
        row.network, str(row.batch), row.name, f"{row.milliseconds:.3f}", f"{row.images:,.0f}", f"{row.share:.1%}",
        f"{row.over_eager:.2f}", error,
    )  # fmt: skip


def shortened(text: str, most: int = 60) -> str:
    return re.sub(r"[\s|]+", " ", text)[:most]


def save(folder: Path, about: dict[str, Any], rows: Sequence[Row], kernels: dict[str, Any]) -> list[Path]:
    """The figures as JSON and as a page, in files that have the device's name."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", about["device"].lower()).strip("-") or "device"
    found = [{**goal._asdict(), "met": goal.met} for goal in goals(rows)]
    data = {**about, "rows": [row._asdict() for row in rows], "goals": found, "kernels": kernels}
    paths = [folder / f"{name}.json", folder / f"{name}.md"]
    for path, text in zip(paths, (json.dumps(data, indent=1) + "\n", markdown(about, rows, kernels)), strict=True):
        write_text(path, text)
    return paths
