"""A report as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from .measure import BEST, Measured, Report

_HEAD = ("batch", "what", "p50 ms", "p95 ms", "p99 ms", "images/s", "time")


def text(report: Report) -> str:
    """What ran where, a table of the timings, what each best session costs, and the sessions as Python."""
    return "\n".join((*_facts(report), "", *_table(report), "", *_costs(report), *_snippets(report)))


def _facts(report: Report) -> Iterator[str]:
    file = report.file
    name = file.metadata.get("name")
    known = [*([name] if name else []), file.precision, f"{file.nodes} nodes"]
    versions = ", ".join(f"{package} {number}" for package, number in report.versions)
    yield f"{file.path}: {', '.join(known)}, on {report.device}; {versions}"
    placed = report.placement
    ran = ", ".join(f"{len(nodes)} on {name} ({placed.operators(name)})" for name, nodes in placed.nodes.items())
    yield f"nodes that ran, after optimisation: {ran}"
    if report.agreement is not None:
        word = "agrees" if report.agreement.agrees else "does not agree"
        yield f"PyTorch {word}: {report.agreement.difference}, {report.agreement.tolerance:g} is allowed"


def _table(report: Report) -> Iterator[str]:
    rows = [_HEAD, *(row for measured in report.measured for row in _rows(measured))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        cells = (
            cell.ljust(width) if at == 1 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _rows(measured: Measured) -> Iterator[tuple[str, ...]]:
    best = next((row.timing for row in measured.rows if row.name == BEST), None)
    for row in measured.rows:
        if row.timing is None or best is None:
            yield (str(measured.batch), row.name, *[""] * 4, "")
            continue
        times = (f"{1000 * row.timing.percentile(part):.3f}" for part in (50, 95, 99))
        rate, ratio = measured.batch / row.timing.median, row.timing.median / best.median
        yield (str(measured.batch), row.name, *times, f"{rate:,.0f}" if rate >= 100 else f"{rate:.2f}", f"{ratio:.2f}")


def _costs(report: Report) -> Iterator[str]:
    for measured in report.measured:
        if measured.problem is not None:
            yield f"batch {measured.batch}: {measured.problem}"
            continue
        yield f"batch {measured.batch}: {measured.configuration}{_alone(measured)}"
        for row in measured.rows:
            if row.problem is not None:
                yield f"  {row.name} does not run: {row.problem}"
        for trial in measured.trials:
            if trial.problem is not None:
                yield f"  {trial.configuration} was dropped: {trial.problem}"


def _alone(measured: Measured) -> str:
    """What the session costs in a process of its own."""
    own = measured.fresh
    if own is None:
        return ""
    costs = [f"session start {_milliseconds(own.start)}", f"first batch {_milliseconds(own.first)}"]
    if own.resident is not None:
        costs.append(f"{own.resident / 2**20:,.0f} MiB of memory")
    if own.gpu is not None:
        costs.append(f"{own.gpu / 2**20:,.0f} MiB of the GPU's")
    return f"; {', '.join(costs)}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.{0 if seconds >= 0.01 else 2}f} ms"


def _snippets(report: Report) -> Iterator[str]:
    """One for each configuration that was the best, at the first batch where it was."""
    batches: dict[str, list[Measured]] = {}
    for measured in report.measured:
        if measured.plan is not None:
            batches.setdefault(str(measured.configuration), []).append(measured)
    for name, found in batches.items():
        *others, last = (str(measured.batch) for measured in found)
        which = f"{', '.join(others)} and {last}" if others else last
        yield ""
        yield f"# the best session for batch {which}: {name}"
        yield (found[0].snippet or "").removesuffix("\n")
