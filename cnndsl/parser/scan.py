"""Text to statements and comments, in one linear pass, before any grammar is asked.

A statement ends with its line, unless a bracket is open, or the line ends or the next begins with a joiner. What is
wrong with brackets is found here, so that an unclosed one costs its own statement and no other.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..diagnostics import Diagnostic, Note, Severity
from ..limits import Limits
from ..source import Source, Span
from ..syntax import Comment

_MARK = re.compile(r'[()\[\]{}]|#[^\n]*|"[^"\n]*"|\n')
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_JOINER = r"(?:->|=>|[-,|=*]|(?:then|else|for)\b)"
_BEGINS_WITH_JOINER = re.compile(_JOINER)
_ENDS_WITH_JOINER = re.compile(r"(?:[-,|=*>]|\b(?:then|else|for))\Z")
_KEYWORD = re.compile(
    r"(?:net[ \t]+\w+[ \t]*=|def[ \t]+\w+[ \t]*[(=]|input[ \t]+[\d?{]|preprocess[ \t]+\w|param[ \t]+\w|default[ \t]+\w"
    r'|use[ \t]*"|assert[ \t]+[\w(])'
)
_CLOSES = {")": "(", "]": "[", "}": "{"}
_CLOSER = {opening: closing for closing, opening in _CLOSES.items()}


class Stretch(NamedTuple):
    """One statement's place in the text, without the blanks and comments around it."""

    start: int
    end: int


class Scan(NamedTuple):
    """What the pass found: the statements worth parsing, the comments, and the problems with brackets.

    `unsound` are the statements that have such problems.
    """

    statements: tuple[Stretch, ...]
    comments: tuple[Comment, ...]
    problems: tuple[Diagnostic, ...]
    unsound: tuple[Stretch, ...] = ()


def unreadable(source: Source, limits: Limits) -> Diagnostic | None:
    """Why the text is not worth scanning: it is too long or is not text."""
    text = source.text
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > limits.max_bytes:
        return Diagnostic(
            "CNN003", Severity.ERROR, f"the text has {size:,} bytes", Span(source, 0, 0),
            expected=f"at most {limits.max_bytes:,} bytes", found=f"{size:,}", help="`--max-bytes` raises the limit",
        )  # fmt: skip
    found = _NOT_TEXT.search(text)
    if found is None:
        return None
    return Diagnostic(
        "CNN004", Severity.ERROR, "this is not text", Span(source, found.start(), found.end()),
        expected="UTF-8 text", found=_name_of(found.group()),
        help="remove the character, or save the file as UTF-8 text",
    )  # fmt: skip


def _name_of(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"the byte 0x{code - 0xDC00:02X}, which is not UTF-8"
    return f"the control character U+{code:04X}" if code < 0x80 else f"the half character U+{code:04X}"


def scan(source: Source, limits: Limits) -> Scan:
    """Cut a text into statements. Linear in the length of the text, whatever it holds."""
    scanner = _Scanner(source, limits)
    scanner.run()
    return Scan(tuple(scanner.statements), tuple(scanner.comments), tuple(scanner.problems), tuple(scanner.unsound))


class _Scanner:
    def __init__(self, source: Source, limits: Limits) -> None:
        self.source = source
        self.text = source.text
        self.limits = limits
        self.statements: list[Stretch] = []
        self.unsound: list[Stretch] = []
        self.comments: list[Comment] = []
        self.problems: list[Diagnostic] = []
        self._start: int | None = None
        self._end = 0
        self._sound = True
        self._open: list[int] = []
        self._kinds = {"(": 0, "[": 0, "{": 0}

    def run(self) -> None:
        text = self.text
        at = 1 if text.startswith("\ufeff") else 0
        while at < len(text):
            at = self._line(at)
        self._finish()

    def _line(self, start: int) -> int:
        """Take one line; returns where the next begins. Quoted text may hold `#` and brackets."""
        text = self.text
        newline = text.find("\n", start)
        limit = len(text) if newline == -1 else newline
        marks = []
        code_end = limit
        for mark in _MARK.finditer(text, start, limit):
            if text[mark.start()] == "#":
                code_end = mark.start()
                own_line = not text[start:code_end].strip(" \t\r\ufeff")
                comment = mark.group().rstrip()
                self.comments.append(Comment(Span(self.source, code_end, code_end + len(comment)), comment, own_line))
            elif text[mark.start()] != '"':
                marks.append(mark.start())
        code = text[start:code_end]
        stripped = code.strip()
        if stripped:
            begin = start + len(code) - len(code.lstrip())
            if self._begins(begin, begin == start):
                self._finish()
                self._start = begin
            self._end = begin + len(stripped)
            for offset in marks:
                self._bracket(offset)
        return limit + 1

    def _begins(self, begin: int, first_column: bool) -> bool:
        """Whether the line whose code begins here begins a statement."""
        if self._start is None:
            return True
        if first_column and _KEYWORD.match(self.text, begin):
            return True
        if self._open or _BEGINS_WITH_JOINER.match(self.text, begin):
            return False
        return not _ENDS_WITH_JOINER.search(self.text, max(self._start, self._end - 5), self._end)

    def _finish(self) -> None:
        """End the statement at hand."""
        if self._start is None:
            return
        if self._open:
            opening = self.text[self._open[-1]]
            self._wrong(
                "CNN002", f"`{opening}` is never closed", self._open[-1],
                expected=f"`{_CLOSER[opening]}`", found="the end of the statement",
            )  # fmt: skip
        (self.statements if self._sound else self.unsound).append(Stretch(self._start, self._end))
        self._start, self._sound = None, True
        self._open.clear()
        self._kinds = {"(": 0, "[": 0, "{": 0}

    def _bracket(self, offset: int) -> None:
        char = self.text[offset]
        if char in self._kinds:
            self._open.append(offset)
            self._kinds[char] += 1
            if len(self._open) > self.limits.max_nesting:
                self._wrong("CNN005", "brackets are nested too deep", offset,
                            expected=f"at most {self.limits.max_nesting} inside each other",
                            help="use definitions; `--max-nesting` raises the limit")  # fmt: skip
            return
        wanted = _CLOSES[char]
        if not self._kinds[wanted]:
            self._wrong("CNN002", f"`{char}` closes nothing", offset, expected=f"`{wanted}` before it")
            return
        while self.text[self._open[-1]] != wanted:
            opener = self._open.pop()
            found = self.text[opener]
            self._kinds[found] -= 1
            note = Note(f"`{found}` is opened here", Span(self.source, opener, opener + 1))
            self._wrong("CNN002", f"`{char}` does not close `{found}`", offset,
                        expected=f"`{_CLOSER[found]}`", found=f"`{char}`", notes=(note,))  # fmt: skip
        self._open.pop()
        self._kinds[wanted] -= 1

    def _wrong(
        self, code: str, message: str, offset: int, *, expected: str | None = None, found: str | None = None,
        help: str | None = None, notes: tuple[Note, ...] = (),
    ) -> None:  # fmt: skip
        """Report the first problem of a statement; the others follow from it."""
        if not self._sound:
            return
        self._sound = False
        span = Span(self.source, offset, offset + 1)
        self.problems.append(Diagnostic(code, Severity.ERROR, message, span, expected, found, (), help, notes))
