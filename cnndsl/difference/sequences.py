"""Sequences compared: the shortest edit script within a bound (Myers 1986), and longest increasing runs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

Pairs = list[tuple[int, int]]


def common(one: Sequence[int], other: Sequence[int], most: int) -> Pairs | None:
    """Positions of a longest common subsequence, in order; None where it takes more than `most` edits.

    Time and memory are in the order of the lengths and the square of the edits.
    """
    n, m = len(one), len(other)
    if abs(n - m) > most:
        return None
    furthest = {1: 0}
    steps: list[dict[int, int]] = []
    for edits in range(min(n + m, most) + 1):
        steps.append(furthest.copy())
        for k in range(-edits, edits + 1, 2):
            down = _downward(furthest, edits, k)
            x = furthest[k + 1] if down else furthest[k - 1] + 1
            while x < n and x - k < m and one[x] == other[x - k]:
                x += 1
            furthest[k] = x
            if x == n and x - k == m:
                return _path(steps, n, m)
    return None


def _downward(furthest: dict[int, int], edits: int, k: int) -> bool:
    """Whether a diagonal is reached from the one above it, by an insertion."""
    return k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])


def _path(steps: list[dict[int, int]], n: int, m: int) -> Pairs:
    """The pairs on the way that was found, walked from its end."""
    pairs: Pairs = []
    x, y = n, m
    for edits in range(len(steps) - 1, -1, -1):
        furthest, k = steps[edits], x - y
        before = k + 1 if _downward(furthest, edits, k) else k - 1
        start = furthest[before]
        landed = start if before > k else start + 1
        while x > landed:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = start, start - before
    return pairs[::-1]


def increasing(values: Sequence[int]) -> list[int]:
    """Positions of a longest strictly increasing subsequence."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for position, value in enumerate(values):
        at = bisect_left(ends, value)
        before.append(last[at - 1] if at else -1)
        ends[at : at + 1] = [value]
        last[at : at + 1] = [position]
    found = []
    position = last[-1] if last else -1
    while position >= 0:
        found.append(position)
        position = before[position]
    return found[::-1]
