"""The pages of all codes: what each finds, why that is bad, an example, and what to write instead.

The page of a linter's rule is its module's docstring; those of what compiling rejects are files in `pages/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from .diagnostics import CODES
from .lint import PAGES, module
from .lint.selection import entry
from .record import Record

SECTIONS: Final = ("What it does", "Why is this bad", "Example", "Use instead")
FAMILIES: Final = {
    "CNN0": "Text, names and limits",
    "CNN1": "Shapes",
    "CNN2": "Costs",
    "CNN3": "Practice",
    "CNN4": "Deployment",
    "CNN9": "Suppressions",
}
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(Record):
    """A fenced block of a page: a whole spec where it has no language; `console` has commands and what they print."""

    language: str
    text: str


class Rule(Record):
    """A code and its page, Markdown without its title."""

    code: str
    page: str

    @property
    def name(self) -> str:
        return CODES[self.code]

    @property
    def summary(self) -> str:
        """The first sentence of what it does, on one line."""
        told = " ".join(self.section("What it does").split("\n\n")[0].split())
        return re.split(r"(?<=[.!?:])\s+(?=[A-Z`])", told, maxsplit=1)[0].rstrip(".:") + "."

    @property
    def anchor(self) -> str:
        """The heading of its page in docs/rules.md, as a fragment."""
        return f"{self.code.lower()}-{self.name}"

    def section(self, title: str) -> str:
        """The text below a heading; empty where there is none."""
        found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", self.page, re.DOTALL | re.MULTILINE)
        return found[1].strip() if found else ""

    def examples(self, title: str) -> list[Block]:
        """The fenced blocks below a heading."""
        return [Block(*match.groups()) for match in _FENCE.finditer(self.section(title))]


@cache
def rule(code: str) -> Rule | None:
    """A code's page; None where it has none."""
    assert code in CODES
    if code in PAGES:
        text = module(code).__doc__ or ""
    else:
        file = Path(__file__).parent / "pages" / f"{code}.md"
        if not file.is_file():
            return None
        text = file.read_text(encoding="utf-8")
    return Rule(code, text.partition("\n")[2].strip())


def every() -> Iterator[Rule]:
    """All that have a page, in the order of their codes."""
    for code in sorted(CODES):
        found = rule(code)
        if found is not None:
            yield found


def find(written: str) -> list[Rule]:
    """The rules of a code, of the beginning of some, or of a name; ValueError with the closest for what is none."""
    prefix = entry(written)
    return [one for one in every() if one.code.startswith(prefix)]
