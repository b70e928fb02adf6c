"""`.gitignore` as git reads it: which files and folders the patterns of a folder, and of those above it, leave out."""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import Final

from .record import Record

_CLASSES: Final = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9", "graph": "!-~",
    "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\s", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


class Pattern(Record):
    """One line: `negated` takes what it fits in again, `folders` are all that it fits; `named` fits a name in any folder."""

    text: str
    negated: bool
    folders: bool
    named: bool

    @cached_property
    def _expression(self) -> re.Pattern[str] | None:
        written = expression(self.text, self.named)
        return None if written is None else re.compile(written, re.DOTALL)

    def fits(self, path: str, is_folder: bool) -> bool:
        """Whether it is about a path, seen from the folder of its file, with `/`."""
        if self._expression is None or (self.folders and not is_folder):
            return False
        return self._expression.fullmatch(path.rpartition("/")[2] if self.named else path) is not None


class Ignores(Record):
    """The patterns that count in a folder, the innermost file first: each file's folder and its patterns, the last first."""

    files: tuple[tuple[str, tuple[Pattern, ...]], ...] = ()

    @staticmethod
    def above(folder: str) -> Ignores:
        """Those of the folders above an absolute one, up to the root of the repository; none where there is none.

        A folder that is ignored itself and was asked for is searched all the same.
        """
        folders = [folder]
        while not os.path.lexists(os.path.join(folders[-1], ".git")):  # noqa: PTH118
            parent = os.path.dirname(folders[-1])  # noqa: PTH120
            if parent == folders[-1]:
                return Ignores()
            folders.append(parent)
        root = folders[-1]
        found = Ignores()._with(root, os.path.join(root, ".git", "info", "exclude"))  # noqa: PTH118
        asked = False
        for outer, inner in zip(folders[:0:-1], folders[-2::-1], strict=True):
            found = found.entered(outer)
            asked = asked or found.has(inner, True)
        return Ignores() if asked else found

    def entered(self, folder: str) -> Ignores:
        """With the folder's own."""
        return self._with(folder, os.path.join(folder, ".gitignore"))  # noqa: PTH118

    def _with(self, folder: str, path: str) -> Ignores:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:  # noqa: PTH123
                own = patterns(file.read())
        except OSError:
            return self
        return Ignores(((folder, tuple(reversed(own))), *self.files)) if own else self

    def has(self, path: str, is_folder: bool) -> bool:
        """Whether a file or folder is ignored: of the patterns that fit, the last of the innermost file decides."""
        for folder, own in self.files:
            below = path[len(folder) :].lstrip(os.sep).replace(os.sep, "/")
            for pattern in own:
                if pattern.fits(below, is_folder):
                    return not pattern.negated
        return False


def patterns(text: str) -> list[Pattern]:
    """The patterns of a file, in its order."""
    lines = (line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n"))
    return [_pattern(_trimmed(line)) for line in lines if line and not line.startswith("#") and _trimmed(line)]


def _trimmed(line: str) -> str:
    """A line without the spaces at its end, but for one that a backslash protects."""
    bare = line.rstrip(" ")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if backslashes % 2 and len(bare) < len(line) else bare


def _pattern(line: str) -> Pattern:
    negated = line.startswith("!")
    text = line[negated:]
    folders = text.endswith("/")
    text = text.removesuffix("/")
    return Pattern(text.removeprefix("/"), negated, folders, "/" not in text)


def expression(text: str, named: bool) -> str | None:
    """A pattern as a regular expression; None for one that fits nothing. Stars stay within a name, but for `**` as a name."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "*":
            end = at + len(text[at:]) - len(text[at:].lstrip("*"))
            written, at = _stars(text, at, end, named)
        elif char == "[":
            found = _class(text, at)
            if found is None:
                return None
            written, at = found
        elif char == "\\":
            if at + 1 == len(text):
                return None
            written, at = re.escape(text[at + 1]), at + 2
        else:
            written, at = "[^/]" if char == "?" else re.escape(char), at + 1
        parts.append(written)
    return "".join(parts)


def _stars(text: str, start: int, end: int, named: bool) -> tuple[str, int]:
    """What stars stand for, and where the pattern goes on."""
    is_name = end - start > 1 and (start == 0 or text[start - 1] == "/")
    if named or not is_name or text[end : end + 1] not in ("", "/"):
        return "[^/]*", end
    return (".*", end) if end == len(text) else ("(?:.*/)?", end + 1)


def _class(text: str, start: int) -> tuple[str, int] | None:
    """`[a-z]` as in a regular expression, and where the pattern goes on; None where it is never closed."""
    at = start + 1
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    parts: list[str] = []
    first = at
    while at < len(text) and (text[at] != "]" or at == first):
        if text.startswith("[:", at):
            end = text.find(":]", at)
            if end == -1 or text[at + 2 : end] not in _CLASSES:
                return None
            parts.append(_CLASSES[text[at + 2 : end]])
            at = end + 2
            continue
        one, at = _character(text, at)
        if one is None:
            return None
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            last, at = _character(text, at + 1)
            if last is None:
                return None
            parts.append(f"{re.escape(one)}-{re.escape(last)}" if one <= last else "")
        else:
            parts.append(re.escape(one))
    if at >= len(text):
        return None
    inside = "".join(parts)
    if not inside:
        return ("[^/]" if negated else "(?!)"), at + 1
    return f"(?!/)[{'^' if negated else ''}{inside}]", at + 1


def _character(text: str, at: int) -> tuple[str | None, int]:
    """One character of a class, a backslash taken off."""
    if text[at] != "\\":
        return text[at], at + 1
    return (text[at + 1], at + 2) if at + 1 < len(text) else (None, at)
