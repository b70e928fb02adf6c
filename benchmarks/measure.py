"""Whole-process and in-process timing: medians over interleaved runs, and their ratio."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple


class Process(NamedTuple):
    """One finished command: wall seconds and peak memory in MiB."""

    seconds: float
    mebibytes: float


def run(command: Sequence[str], fails: bool = False) -> Process:
    """Run a command to its end, its output thrown away; raises when it fails, with `fails` when it ends with more than 1."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode not in ((0, 1) if fails else (0,)):
        raise RuntimeError(f"{' '.join(command)} failed: {said.decode(errors='replace')[-500:]}")
    return Process(seconds, usage.ru_maxrss / 1024)


def interleaved(first: Callable[[], float], second: Callable[[], float], runs: int) -> tuple[float, float, float]:
    """Medians of two measures taken in turn, and the median of the ratios of neighbours; one warm-up each."""
    first(), second()
    pairs = [(first(), second()) for _ in range(runs)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def table(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Print rows of what, the goal and the figure."""
    print(f"\n{title}")
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    sys.stdout.flush()


def peak() -> float:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
