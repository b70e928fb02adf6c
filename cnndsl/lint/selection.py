"""Which rules are asked for: by codes, their beginnings, or names; the longest that fits decides, as in Ruff."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from ..diagnostics import CODES
from ..record import Record


class Selection(Record):
    """`select` replaces the rules that are on; `extend` adds to them; `ignore` takes away, also by file pattern.

    Each entry is a code or the beginning of some (`CNN3`). What compiling rejects is always reported.
    """

    select: tuple[str, ...] = ("CNN",)
    extend: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file: Mapping[str, tuple[str, ...]] = {}

    def has(self, code: str, path: str = "") -> bool:
        """Whether a rule is on for a file (its path below the configuration, with `/`)."""
        ignored = list(self.ignore)
        for pattern, codes in self.per_file.items():
            if fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern):
                ignored += codes
        return _longest(code, (*self.select, *self.extend)) > _longest(code, ignored)


EVERYTHING = Selection()


def _longest(code: str, prefixes: tuple[str, ...] | list[str]) -> int:
    """The length of the longest prefix of a code, -1 for none."""
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=-1)


def entry(written: str) -> str:
    """A code, the beginning of some, or a rule's name, as a code; raises ValueError for what is none."""
    from difflib import get_close_matches

    text = written.strip()
    named = next((code for code, name in CODES.items() if name == text.lower()), None)
    code = named or text.upper()
    if code in ("CNN", "ALL"):
        return "CNN"
    if not any(known.startswith(code) for known in CODES) or len(code) < 4:
        near = get_close_matches(text.lower(), CODES.values(), 1) or get_close_matches(code, CODES, 1)
        hint = f"; did you mean {near[0]}?" if near else "; `cnndsl rule` lists them"
        raise ValueError(f"there is no rule {written!r}{hint}")
    return code
