"""`--fail-on`: what may not change by more than so much."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..parser.number import number_value
from ..record import Record
from .totals import MEASURED
from .wording import percent

if TYPE_CHECKING:
    from .entries import Entry
    from .totals import Total

FLAGS: Final = ("shapes", "weights")
"""Limits without a number: the shapes of input and output stay, and all weights of a checkpoint load."""

_LIMIT: Final = re.compile(r"\s*([A-Za-z_]+)\s*(?:([+-])\s*([0-9.]+)\s*(%|[A-Za-z]*))?\s*")
_UNITS: Final = re.compile(r"[KMGT]?(?:i?B)?")


class Limit(Record):
    """`metric` may grow (`sign` 1) or fall (-1) by `amount`: of what it was where `relative`, else as it is."""

    written: str
    metric: str
    sign: int = 1
    amount: Fraction = Fraction(0)
    relative: bool = False


class Exceeded(Record):
    """A limit that a spec does not keep, and by how much; `told` is false where that cannot be said."""

    spec: str
    limit: str
    message: str
    told: bool = True


def parse(written: str) -> tuple[Limit, ...]:
    """The limits in `params+5%,macs+100k,shapes`; raises ValueError with what is meant instead."""
    parts = [part.strip() for part in written.split(",")]
    return tuple(_limit(part) for part in parts if part)


def _limit(written: str) -> Limit:
    found = _LIMIT.fullmatch(written)
    name = found[1].lower() if found else re.split(r"[^A-Za-z_]", written)[0].lower()
    if name not in (*MEASURED, *FLAGS):
        raise ValueError(f"{written!r}: {_unknown(name)}")
    if found is None or (found[2] is None) != (name in FLAGS):
        form = (
            f"write {name} alone" if name in FLAGS else f"write how much it may change, as in {name}+5% or {name}-100k"
        )
        raise ValueError(f"{written!r}: {form}")
    if name in FLAGS:
        return Limit(written, name)
    sign = 1 if found[2] == "+" else -1
    return Limit(written, name, sign, _amount(written, found[3], found[4]), found[4] == "%")


def _amount(written: str, digits: str, unit: str) -> Fraction:
    unit = {"k": "K", "m": "M", "g": "G", "t": "T"}.get(unit[:1], unit[:1]) + unit[1:]
    known = unit == "%" or _UNITS.fullmatch(unit)
    if not known or not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", digits):
        raise ValueError(f"{written!r}: write a number, with % or one of K, M, G, T, as in 5%, 100k or 1.5MB")
    return Fraction(digits) / 100 if unit == "%" else Fraction(digits) * Fraction(number_value("1" + unit))


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    known = (*MEASURED, *FLAGS)
    near = [metric for metric in known if name and (metric.startswith(name) or name.startswith(metric))]
    near = (near or get_close_matches(name[:60], known, 1, 0.5))[:1]
    advice = f"did you mean {near[0]}? " if near else ""
    return f"there is no metric {name!r}; {advice}The metrics are {', '.join(known)}"


def exceeded(entry: Entry, limits: Sequence[Limit]) -> Iterator[Exceeded]:
    """The limits that a spec does not keep; one that is on one side only, or does not compile, has nothing to keep."""
    if entry.difference is None:
        return
    for limit in limits:
        if limit.metric == "shapes":
            message = _shapes(entry)
        elif limit.metric == "weights":
            message = _weights(entry)
        else:
            total = entry.difference.totals[limit.metric]
            if total.delta is None:
                if entry.difference.same:
                    continue
                advice = "it depends on the size of the input, which is open; give one with --input"
                yield Exceeded(entry.name, limit.written, f"{limit.metric} cannot be compared: {advice}", told=False)
                continue
            message = _grown(limit, total)
        if message:
            yield Exceeded(entry.name, limit.written, message)


def _grown(limit: Limit, total: Total) -> str:
    """By how much a metric changed too much; empty where it did not."""
    before, after, delta = total.before or 0, total.after or 0, total.delta or 0
    most = limit.amount * before if limit.relative else limit.amount
    over = limit.sign * delta - most
    if over <= 0:
        return ""
    shown = f"{over.numerator / over.denominator:,.2f}".rstrip("0").rstrip(".")
    share = f" ({percent(total.ratio)})" if total.ratio is not None else ""
    side = "above" if limit.sign > 0 else "below"
    return f"{limit.metric} {before:,} -> {after:,}, {delta:+,}{share}: {shown} {side} the limit"


def _shapes(entry: Entry) -> str:
    found = entry.difference
    assert found is not None
    ends = {
        "input": (found.before.input_shape, found.after.input_shape),
        "output": (found.before.output_shape, found.after.output_shape),
    }
    return ", ".join(f"{name} {one} -> {other}" for name, (one, other) in ends.items() if one != other)


def _weights(entry: Entry) -> str:
    assert entry.difference is not None
    found = entry.difference.checkpoint
    lost = [array for array in (*found.renamed, *found.reshaped, *found.gone) if array.before]
    if not lost:
        return ""
    before = len(found.kept) + len(lost)
    return f"{len(lost):,} of {before:,} arrays no longer load, the first is {lost[0].before}"
