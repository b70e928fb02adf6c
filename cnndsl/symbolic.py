"""Exact sizes of unknown inputs: `factor*base + offset`, where base is a symbol or the floor of a quotient.

Every spatial operation maps a size n to an affine function of n, or to the floor of one over a whole number; so this
form is closed under them. Three identities keep it small (Graham, Knuth, Patashnik, Concrete Mathematics, 3.2):
floor((floor(n/b) + c)/d) = floor((n + b*c)/(b*d)); common divisors of factor and divisor cancel; whole parts move out.
"""

from __future__ import annotations

import re
from math import gcd
from typing import TYPE_CHECKING

from .record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping


LARGEST = 1 << 63
DEEPEST = 32
"""Bounds of a formula: on its numbers, and on the floors within each other."""


class Quotient(Record):
    """floor(numerator / divisor), in lowest terms: 0 <= numerator.offset < divisor, factor and divisor coprime."""

    numerator: Symbolic
    divisor: int

    def __str__(self) -> str:
        top = str(self.numerator)
        return f"floor(({top})/{self.divisor})" if " " in top else f"floor({top}/{self.divisor})"


class Symbolic(Record):
    """factor*base + offset with factor >= 1: a size that grows with one symbol of the input, as L, H, W or D."""

    base: str | Quotient
    factor: int = 1
    offset: int = 0

    @property
    def symbol(self) -> str:
        """The symbol it depends on."""
        base = self.base
        while not isinstance(base, str):
            base = base.numerator.base
        return base

    @property
    def depth(self) -> int:
        """The number of floors within each other."""
        return len(self.steps()) - 1

    @property
    def unwieldy(self) -> bool:
        """Whether its formula is longer than that of any network: what is made of it would take ever more time."""
        steps = self.steps()
        return len(steps) > DEEPEST + 1 or any(max(f, abs(o), d) >= LARGEST for f, o, d in steps)

    def steps(self) -> tuple[tuple[int, int, int], ...]:
        """(factor, offset, divisor) from the symbol outwards: a step takes n to floor((factor*n + offset)/divisor)."""
        found = [(self.factor, self.offset, 1)]
        base = self.base
        while not isinstance(base, str):
            size = base.numerator
            found.append((size.factor, size.offset, base.divisor))
            base = size.base
        return tuple(reversed(found))

    def evaluate(self, values: Mapping[str, int]) -> int:
        """Its value for numbers given to the symbols."""
        n = values[self.symbol]
        for factor, offset, divisor in self.steps():
            n = (factor * n + offset) // divisor
        return n

    def __add__(self, other: int) -> Symbolic:
        return Symbolic(self.base, self.factor, self.offset + other)

    __radd__ = __add__

    def __sub__(self, other: int) -> Symbolic:
        return Symbolic(self.base, self.factor, self.offset - other)

    def __mul__(self, other: int) -> Symbolic:
        if other < 1:
            raise ValueError("a size is multiplied by whole numbers from 1")
        return Symbolic(self.base, self.factor * other, self.offset * other)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Symbolic:
        if divisor < 1:
            raise ValueError("a size is divided by whole numbers from 1")
        common = gcd(self.factor, divisor)
        factor, offset, divisor = self.factor // common, self.offset // common, divisor // common
        whole, offset = divmod(offset, divisor)
        if divisor == 1:
            return Symbolic(self.base, factor, whole)
        base = self.base
        if factor == 1 and isinstance(base, Quotient):
            return (base.numerator + base.divisor * offset) // (base.divisor * divisor) + whole
        return Symbolic(Quotient(Symbolic(base, factor, offset), divisor), 1, whole)

    def __str__(self) -> str:
        scaled = str(self.base) if self.factor == 1 else f"{self.factor}*{self.base}"
        if not self.offset:
            return scaled
        return f"{scaled} {'+' if self.offset > 0 else '-'} {abs(self.offset)}"


class Product(Record):
    """factor times two or more sizes: the length of a flattened map of unknown size."""

    factor: int
    sizes: tuple[Symbolic, ...]

    def evaluate(self, values: Mapping[str, int]) -> int:
        """Its value for numbers given to the symbols."""
        total = self.factor
        for size in self.sizes:
            total *= size.evaluate(values)
        return total

    def __str__(self) -> str:
        parts = (f"({size})" if isinstance(size, Symbolic) and size.offset else str(size) for size in self.sizes)
        return "*".join((str(self.factor), *parts))


def product(sizes: tuple[int | Symbolic | Product, ...]) -> int | Symbolic | Product:
    """The product of sizes, with every whole factor in front."""
    factor, symbolic = 1, list[Symbolic]()
    for size in sizes:
        if isinstance(size, int):
            factor *= size
            continue
        if isinstance(size, Product):
            factor *= size.factor
        for one in size.sizes if isinstance(size, Product) else (size,):
            common = gcd(one.factor, one.offset)
            factor *= common
            symbolic.append(Symbolic(one.base, one.factor // common, one.offset // common))
    if len(symbolic) == 1:
        return factor * symbolic[0]
    return Product(factor, tuple(symbolic)) if symbolic else factor


_TOKEN = re.compile(r"\s*(floor|[A-Z]|\d{1,19}(?!\d)|[-+*/()])")


def parse_dimension(text: str) -> int | Symbolic | Product:
    """The size whose text this is: `56`, `floor((H + 1)/2)`, `512*floor(H/32)*floor(W/32)`; raises ValueError."""
    tokens, at, depth = list[str](), 0, 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or len(tokens) > 2000 or depth > 2 * DEEPEST + 8:
            raise ValueError(f"not a size: {text[:80]!r}")
        tokens.append(match[1])
        depth += (match[1] == "(") - (match[1] == ")")
        at = match.end()
    reader = _Reader(tokens)
    size = reader.sum()
    if reader.tokens:
        raise ValueError(f"not a size: {text[:80]!r}")
    return size


def plus(size: int | Symbolic | Product, number: int | Symbolic | Product, sign: int) -> int | Symbolic:
    """The size that is a whole number more or less; raises ValueError where it is not a whole number."""
    match size, number:
        case ((int() | Symbolic()), int()):
            return size + sign * number
    raise ValueError("not a size: only whole numbers are added, and to one size")


class _Reader:
    """Recursive descent over the tokens of a size; each method takes its part off the front."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens[::-1]

    def next(self, *expected: str) -> str:
        if not self.tokens or (expected and self.tokens[-1] not in expected):
            raise ValueError("not a size: it ends too early or has a sign out of place")
        return self.tokens.pop()

    def sum(self) -> int | Symbolic | Product:
        total = self.term()
        while self.tokens and self.tokens[-1] in "+-":
            sign, number = self.next(), self.term()
            total = plus(total, number, 1 if sign == "+" else -1)
        return total

    def term(self) -> int | Symbolic | Product:
        factors = [self.factor()]
        while self.tokens and self.tokens[-1] == "*":
            self.next()
            factors.append(self.factor())
        return factors[0] if len(factors) == 1 else product(tuple(factors))

    def factor(self) -> int | Symbolic | Product:
        token = self.next()
        if token.isdigit():
            return int(token)
        if token == "(":
            size = self.sum()
            self.next(")")
            return size
        if token == "floor":
            return self.quotient()
        if not token.isalpha():
            raise ValueError(f"not a size: {token!r} out of place")
        return Symbolic(token)

    def quotient(self) -> int | Symbolic:
        self.next("(")
        top = self.term()
        self.next("/")
        divisor = int(self.next()) if self.tokens and self.tokens[-1].isdigit() else 0
        self.next(")")
        if isinstance(top, Product) or divisor < 1:
            raise ValueError("not a size: floor takes one size over a whole number")
        return top // divisor
