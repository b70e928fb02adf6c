"""Which rules are asked for: by codes, their beginnings, or names; the longest that fits decides, as in Ruff."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from ..diagnostics import CODES
from ..record import Record


class Selection(Record):
    """`select` replaces the rules that are on; `extend` adds to them; `ignore` takes away, also by file pattern.

    Each entry is a code or the beginning of some (`CNN3`). What a pattern of `per_file` fits has those rules off, however
    they were asked for. What compiling rejects is always reported.
    """

    select: tuple[str, ...] = ("CNN",)
    extend: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file: Mapping[str, tuple[str, ...]] = {}

    def has(self, code: str, path: str = "") -> bool:
        """Whether a rule is on for a file (its path below the configuration, with `/`)."""
        if _longest(code, (*self.select, *self.extend)) <= _longest(code, self.ignore):
            return False
        return not any(
            code.startswith(tuple(codes)) and fits(path, pattern) for pattern, codes in self.per_file.items()
        )


EVERYTHING = Selection()


def fits(path: str, pattern: str) -> bool:
    """Whether a pattern is of a path or of a folder above it: `old/*.cnn`, `**/draft*`; a name alone is of any folder."""
    wanted = pattern.removeprefix("./").rstrip("/")
    anywhere = wanted.removeprefix("**/")
    while path:
        name = path.rpartition("/")[2]
        if (
            fnmatchcase(path, wanted)
            or fnmatchcase(path, anywhere)
            or ("/" not in wanted and fnmatchcase(name, wanted))
        ):
            return True
        path = path.rpartition("/")[0]
    return False


def _longest(code: str, prefixes: tuple[str, ...]) -> int:
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
