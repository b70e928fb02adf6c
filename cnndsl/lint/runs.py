"""Runs in a sequence: the same part, or group of parts, over and over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import eq
from typing import Final

from ..record import Record

Key = tuple[str, int]
"""What a part repeats, and how often it says so: `X*2` is (X, 2), `X` is (X, 1)."""

LONGEST_PERIOD: Final = 8
"""The most parts in a group that is looked for: the time is linear in the sequence, and in this."""


class Run(Record):
    """Parts `start` to `end` (exclusive) are `count` times their first `period` parts; `repeated` where some of them are
    repeats already."""

    start: int
    end: int
    period: int
    count: int
    repeated: bool = False


def runs(keys: Sequence[Key | None], fewest: int) -> Iterator[Run]:
    """The runs that lie apart, those of short groups first: of one part (its repeats added up) two parts or more, `fewest`
    times in all; of a group `fewest` times. None is like nothing."""
    numbers: dict[object, int] = {}
    bases = [-1 - i if key is None else numbers.setdefault(key[0], len(numbers)) for i, key in enumerate(keys)]
    whole = [-1 - i if key is None else numbers.setdefault(key, len(numbers)) for i, key in enumerate(keys)]
    for start, count in _alike(bases, 1, 2):
        counts = [key[1] for key in keys[start : start + count] if key is not None]
        if sum(counts) >= fewest:
            _take(whole, start, start + count)
            yield Run(start, start + count, 1, sum(counts), any(times != 1 for times in counts))
    for period in range(2, min(LONGEST_PERIOD, len(keys) // fewest) + 1):
        for start, count in list(_alike(whole, period, fewest)):
            _take(whole, start, start + count * period)
            yield Run(start, start + count * period, period, count)


def _take(numbers: list[int], start: int, end: int) -> None:
    """Make parts like nothing else."""
    numbers[start:end] = range(-1 - start, -1 - end, -1)


def _alike(numbers: list[int], period: int, fewest: int) -> Iterator[tuple[int, int]]:
    """Where a group begins that comes `fewest` times or more, and how often: each of its parts is equal to the one
    `period` further on. Bytes are searched, so that long texts take no time to speak of."""
    same = bytes(map(eq, numbers, numbers[period:]))
    enough = b"\1" * (period * (fewest - 1))
    start = same.find(enough)
    while start >= 0:
        end = same.find(b"\0", start)
        end = len(same) if end < 0 else end
        yield start, (end - start) // period + 1
        start = same.find(enough, end)
