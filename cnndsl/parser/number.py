"""The values of numerals: exact where they are whole, bounded before they are computed."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE]([-+]?[0-9]+))?)([KMGT]?i?B?)\Z")
_MOST_CHARACTERS = 30
_UNITS: dict[str, int] = {
    "": 1,
    "B": 1,
    **{f"{prefix}{unit}": 1000**power for power, prefix in enumerate("KMGT", 1) for unit in ("", "B")},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", 1)},
}


class NumberTooLargeError(Exception):
    """A numeral beyond what is computed with; its text says what is allowed."""


def is_numeral(text: str) -> bool:
    """Whether a text is a number of the language: `3`, `0.5`, `1e-5`, `25.6M` or `1MiB`."""
    return _NUMBER.match(text) is not None


def whole_value(digits: str) -> int:
    """The integer that digits stand for."""
    if len(digits) > _MOST_CHARACTERS:
        raise NumberTooLargeError(f"at most {_MOST_CHARACTERS} digits")
    return int(digits)


def number_value(text: str) -> int | float:
    """The value of `3`, `0.5`, `1e-5`, `25.6M` or `1MiB`; an integer for digits, or where a unit makes it whole."""
    if text.isdigit():
        return whole_value(text)
    found = _NUMBER.match(text)
    assert found is not None, text
    numeral, exponent, unit = found.groups()
    if len(numeral) > _MOST_CHARACTERS or (exponent is not None and abs(int(exponent)) > 300):
        raise NumberTooLargeError(f"at most {_MOST_CHARACTERS} characters, and an exponent of at most 300")
    if not unit:
        return float(numeral)
    mantissa, _, power = numeral.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    shift = int(power or 0) - len(decimals)
    value = int(whole + decimals) * _UNITS[unit] * int(10 ** max(shift, 0))
    divisor = int(10 ** max(-shift, 0))
    return value // divisor if value % divisor == 0 else value / divisor
