"""Syntax errors in human words: a table of messages, each with malformed texts that must give it.

A row is looked up by what the parser could have taken at the place (`expects`, terminals of the grammar) and by the
text found there (`found`, a regular expression; the end of a statement is the empty text). The first that fits wins.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..diagnostics import Diagnostic, Severity
from ..source import Source, Span
from .lalr import Unexpected

_FOUND = re.compile(
    r"[xX] ?[0-9]+(?!\w)|[0-9]*[×✕][\w×✕]*|[A-Za-z_]\w*|[0-9]+(?:x[0-9]+)+|[0-9][\w.]*"
    r"|->|=>|[=<>!]=|\*\*|//|\.\.|:=|" + '"[^"\n]*"?' + r"|\S",
    re.DOTALL,
)

_WORD = r"[A-Za-z_]\w*"
_LAYER = rf"{_WORD}|[0-9]+(?:x[0-9]+)+|[@(\[]"
KEYWORDS = ("input", "preprocess", "param", "default", "use", "assert", "net", "def")
_KEYWORD = "|".join(KEYWORDS)
_FIRST_WORD = re.compile(r"([a-z]{3,12})[ \t]+")


class Row(NamedTuple):
    """One message: shown where the parser expects one of `expects` (or anything, when empty) and `found` matches."""

    expects: frozenset[str]
    found: str
    code: str
    message: str
    help: str
    examples: tuple[str, ...]
    """Malformed texts; the offending place is marked by a `¦` before it."""

    def filled(self, found: str) -> tuple[str, str, str]:
        """Code, message and help, with what was found put in."""
        return self.code, self.message.replace("{found}", found), self.help.replace("{found}", found)


def _row(expects: str, found: str, message: str, help: str, *examples: str, code: str = "CNN001") -> Row:
    return Row(frozenset(expects.split()), found, code, message, help, examples)


ROWS: tuple[Row, ...] = (
    _row("", ".*[×✕].*", "`×` is not the letter x", "write `x`, as in `3x224x224`",
         "input 3¦×224×224", "¦3×3 conv"),
    _row("", "[–—−‐‑→]", "`{found}` is not a joiner", "write `-`",
         "CONV ¦– RELU", "CONV ¦→ RELU", "FC{a ¦− b}"),
    _row("", "[“”‘’']", "`{found}` does not quote", 'write `"`',
         "use ¦“blocks/se.cnn”", "use ¦'blocks/se.cnn'"),
    _row("STRING", r'"[^"]*', "the text in quotes has no end", 'write `"` at its end',
         'use ¦"blocks', 'preprocess labels(¦"labels.txt)'),
    _row("CARET", r"\*\*", "`**` is not an operator", "a power is written `^`, as in `2^n`",
         "CONV1-{2¦**n}", "CONV(groups=2¦**n)"),
    _row("STAR", r"\*\*", "`**` is not a repeat", "`stage*n` repeats",
         "CONV¦**3"),
    _row("COMPARE", "=", "`=` does not compare", "write `==`",
         "def F(s) = if s ¦= 1 then ID else CONV", "assert params ¦= 5M"),
    _row("COMPARE", "=>", "`=>` does not compare", "write `>=`",
         "assert params ¦=> 5M"),
    _row("_EQUAL", "==|:=", "a definition is written with one `=`", "write `=`",
         "net X ¦== CONV - RELU", "def F ¦:= CONV"),
    _row("EQUAL", "==|:=", "a value is given with one `=`", "write `=`",
         "param N ¦:= 3", "param N ¦== 3"),
    _row("", "&&?|[|][|]", "`{found}` is not an operator", "write `and`, `or`",
         "def F(a) = if a ¦&& a then ID else CONV"),
    _row("", "!", "`{found}` is not an operator", "write `not`, or `!=`",
         "def F(a) = if ¦!a then ID else CONV"),
    _row("", ";", "`;` ends nothing", "each statement has a line of its own; stages are joined by `-`",
         "CONV - RELU¦;"),
    _row("", _KEYWORD, "`{found}` begins a statement of its own", "begin a new line before it",
         "input 3x32x32 ¦net X = CONV", "CONV - ¦net - RELU", "def F = CONV ¦def G = CONV", code="CNN027"),
    _row("IN", r"=|\bof\b|\[", "`for` needs `in`", "write `stage for w in [64, 128]` or `stage for i in 1..n`",
         "CONV-w for w ¦= [1, 2]", "CONV-w for w ¦[1, 2]"),
    _row("LSQB", r"\(", "a loop runs over a list or a range", "write `in [64, 128]` or `in 1..n`",
         "CONV-w for w in ¦(1, 2)"),
    _row("DOTS", r"|[^.].*|\.", "a range has two ends", "write `1..n`; arithmetic goes in braces, `1..{n-1}`",
         "CONV for i in 5¦", "CONV for i in n¦-1..3", "param N in 5¦"),
    _row("THEN", "", "`if` needs `then`", "write `if c then a else b`",
         "if a == 1¦", "CONV - if a ¦"),
    _row("THEN", "[:{)]|\\[|" + _WORD, "`if` needs `then`", "write `if c then a else b`",
         "if a == 1¦: CONV", "if a ¦CONV else ID", "CONV - (if a ¦) - RELU"),
    _row("ELSE", r"|[)\]|]", "`if` needs `else`", "write `else ID` where nothing shall happen",
         "if a == 1 then CONV¦", "CONV - (if a == 1 then RELU - BN¦)", "RES[ if a then CONV ¦| ID ]"),
    _row("FOR", "if|else|then", "`if` comes before what it chooses", "write `if c then a else b`",
         "CONV ¦if a else ID"),
    _row("DIM", "", "`=>` needs a shape", "write `=> 64x56x56`; `?` for a size that is not fixed",
         "CONV =>¦", "CONV => 3x32x32 =>¦"),
    _row("DIM", _WORD + r"|[-,)\]|(\[]", "this is not a shape", "write `64x56x56`, `3x?x?` or `{classes}`",
         "CONV => ¦- RELU", "CONV => ¦classes", "(CONV => ¦)", "input ¦x32"),
    _row("_TIMES", r"\..*", "this is not a shape", "sizes are whole numbers, as in `64x56x56`",
         "input 2¦.5x32", "CONV => 2¦.5"),
    _row("_TIMES", r"[xX]\w*", "this is not a shape", "write `64x56x56`, `3x?x?` or `{w}x56x56`",
         "input 3¦xHxW", "CONV => 3¦xw"),
    _row("INT", r"|[-,)\]|+*?]", "something is missing here",
         "write a whole number, a name, or arithmetic in braces: `*3`, `*n`, `*{n-1}`",
         "CONV* ¦- RELU", "[CONV*¦]", "CONV3-64/¦", "CONV3-64/ ¦- RELU", "(CONV)*¦"),
    _row("INT", r"[0-9].*", "this is not a whole number", "write a whole number, a name, or arithmetic in braces",
         "CONV*¦1.5", "CONV3-64/¦2.5"),
    _row("INT", r"\(", "arithmetic stands in braces here", "write `{..}`",
         "CONV*¦(n-1)", "CONV/¦(s)"),
    _row("STAR", "[xX] ?[0-9]+", "`{found}` does not repeat", "write `*3`",
         "(CONV - RELU) ¦x3", "CONV - RELU ¦x 3"),
    _row("STAR", r"\+", "stages are not added with `+`", "`-` joins stages; `ADD[ a | b ]` adds them",
         "CONV ¦+ RELU", "CONV3-64 ¦+ POOL2", "(CONV - RELU) ¦+ ID"),
    _row("STAR", "//|%", "`{found}` is arithmetic", "put arithmetic in braces: `CONV1-{w//2}`",
         "CONV1-w¦//2"),
    _row("STAR", r"=", "`=` is out of place",
         "a definition is written `def NAME = ..`, the network `net NAME = ..`, an argument `NAME(groups=2)`",
         "X ¦= CONV - RELU"),
    _row("STAR", r"\.", "`.` is out of place", "stages are joined by `-`",
         "CONV¦.RELU"),
    _row("WIDTH", "[0-9]+(?:x[0-9]+)+", "a kernel does not follow its layer", "write `CONV3x3` or `3x3 conv`",
         "CONV ¦3x3"),
    _row("WIDTH", r"[0-9].*", "this is not a width", "a width is a whole number; arithmetic goes in braces",
         "FC ¦2.5"),
    _row("AT", r"[0-9]+(?:\.[0-9]+)?\w*", "a number is not a stage", "a width follows its layer's name: `CONV3-64`",
         "(CONV - RELU)*2-¦64", "¦64 - CONV", "CONV3-64 - ¦2.5", "[CONV]-¦3"),
    _row("STAR", r"[0-9]+\w*", "a number is not a stage",
         "a width follows its layer's name: `CONV3-64`; a repeat is `*3`",
         "(CONV - RELU) ¦3", "CONV3(pad=1) ¦64"),
    _row("STAR", _LAYER, "a joiner is missing", "join stages with `-`: write `- {found}`",
         "CONV ¦RELU", "CONV3-64 ¦RELU - POOL", "(CONV - RELU)*2 ¦POOL", "FC ¦C", "[CONV] ¦[RELU]",
         "CONV => 3x3 ¦RELU"),
    _row("AT", r"[-,]|->", "a stage is missing", "one joiner stands between two stages",
         "CONV - ¦- RELU", "CONV -> ¦-> RELU", "(¦- CONV)", "CONV,¦,RELU"),
    _row("AT", r"[\])|]", "a stage is missing", "an empty branch is written `ID`, which passes its input on",
         "CONCAT[ CONV | ¦]", "CONCAT[ ¦| CONV ]", "RES[¦]", "(¦)", "[CONV - ¦]"),
    _row("AT", "", "a stage is missing", "the text ends where a stage must follow",
         "CONV -¦", "net X =¦", "def F(w) =¦", "CONV - RELU,¦"),
    _row("AT", r"\+|\*", "a stage is missing", "`-` joins stages, `*n` after a stage repeats it",
         "CONV - ¦* 3", "CONV - ¦+ RELU"),
    _row("AT", r"\{", "a value is not a stage",
         "a kernel or a width in braces follows its layer's name: `CONV{k}-{w}`",
         "CONV - (¦{w})", "¦{w} - CONV"),
    _row("NUMBER", r"\{", "braces are not needed here", "inside parentheses and braces arithmetic stands as it is",
         "SE(¦{cin//4})", "CONV-{¦{w}}"),
    _row("NUMBER", "if", "`if` in the midst of a value", "put it in parentheses: `(if c then a else b)`",
         "CONV1-{2*¦if a then 1 else 2}", "if ¦if a then b else c then CONV else ID"),
    _row("NUMBER", r"\[", "a stage in brackets is an argument of its own", "numbers stand in parentheses: `(1, 2)`",
         "CONV(pad=1+¦[2])"),
    _row("NUMBER", r"\.|[0-9].*", "this is not a number", "write `0.5`, `1e-5`, `25.6M` or `100MB`",
         "DROPOUT(¦.5)", "DROPOUT(¦0.5.3)", "assert params < ¦5Q"),
    _row("NUMBER", r"|[^\s\w].*|then|else|and|or|in|for", "a value is missing",
         "write a number, a name or arithmetic",
         "CONV(groups=¦)", "CONV1-{¦}", "assert params <¦", "CONV1-{2*¦}", "assert¦", "if ¦then CONV else ID",
         "CONV(¦,2)", "param N =¦"),
    _row("OR", "<|<=|>|>=|==|!=", "comparisons are not chained", "join them with `and`",
         "assert 1 < N ¦< 3"),
    _row("NAME", "input|preprocess|param|default|use|assert|net|def|if|then|else|for|in|and|or|not|true|false",
         "`{found}` is a word of the language", "choose another name",
         "param ¦in = 3", "net ¦if = CONV", "CONV - @¦else", "def F(¦for) = CONV"),
    _row("STRING", "|" + _WORD + r"|[./].*", "`use` needs a path in quotes", 'write `use "blocks/se.cnn"`',
         "use¦", "use ¦blocks/se.cnn"),
)  # fmt: skip

_WORDS = (
    (frozenset({"AT"}), ("a layer", "`(`", "`[`")),
    (frozenset({"NUMBER"}), ("a number", "a name", "`(`")),
    (frozenset({"DIM"}), ("a size", "`?`")),
    (frozenset({"INT"}), ("a whole number", "a name", "`{`")),
    (frozenset({"NAME"}), ("a name",)),
    (frozenset({"WIDTH"}), ("a width",)),
    (frozenset({"JOINER"}), ("`-`",)),
    (frozenset({"SLASH"}), ("a stride",)),
    (frozenset({"STAR"}), ("`*`",)),
    (frozenset({"ARROW"}), ("`=>`",)),
    (frozenset({"SIGN", "TIMES", "COMPARE"}), ("an operator",)),
    (frozenset({"STRING"}), ("text in quotes",)),
    (frozenset({"LPAR"}), ("`(`",)),
    (frozenset({"RPAR"}), ("`)`",)),
    (frozenset({"LSQB"}), ("`[`",)),
    (frozenset({"RSQB"}), ("`]`",)),
    (frozenset({"RBRACE"}), ("`}`",)),
    (frozenset({"EQUAL", "_EQUAL"}), ("`=`",)),
    (frozenset({"COLON"}), ("`:`",)),
    (frozenset({"_COMMA"}), ("`,`",)),
    (frozenset({"_BAR"}), ("`|`",)),
    (frozenset({"DOTS"}), ("`..`",)),
    (frozenset({"THEN"}), ("`then`",)),
    (frozenset({"ELSE"}), ("`else`",)),
    (frozenset({"FOR"}), ("`for`",)),
    (frozenset({"IN"}), ("`in`",)),
    (frozenset({"$END"}), ("the end of the line",)),
)


def syntax_error(source: Source, start: int, end: int, error: Unexpected) -> Diagnostic:
    """The diagnostic for what was raised while the stretch `start` to `end` was parsed."""
    at = start + error.at
    foreign = _foreign_word(source.text, start, at, end)
    if foreign is not None:
        return _not_a_name(Span(source, *foreign))
    misspelt = _misspelt_keyword(source, start, at)
    if misspelt is not None:
        return misspelt
    match = _FOUND.match(source.text, at, end)
    found = match.group() if match is not None else ""
    span = Span(source, at, at + len(found)) if found else Span(source, max(end - 1, start), end)
    row = _find(error.expected, found)
    shown = f"`{found[:40]}`" if found else "the end of the statement"
    code, message, help = row.filled(found) if row else ("CNN001", f"{shown} is out of place", None)
    return Diagnostic(code, Severity.ERROR, message, span, _in_words(error.expected), shown, (), help)


def _foreign_word(text: str, start: int, at: int, end: int) -> tuple[int, int] | None:
    """The word around `at`, where one stands there and holds letters that no name has; None for any other."""
    first = last = at
    while last < end and _in_word(text[last]):
        last += 1
    while last > at and first > start and _in_word(text[first - 1]):
        first -= 1
    word = text[first:last]
    return (first, last) if any(not char.isascii() and not char.isnumeric() for char in word) else None


def _misspelt_keyword(source: Source, start: int, at: int) -> Diagnostic | None:
    """What is wrong where a statement's first word is nearly a keyword and what comes next cannot follow a stage."""
    from difflib import get_close_matches

    match = _FIRST_WORD.fullmatch(source.text, start, at)
    near = get_close_matches(match[1], KEYWORDS, 1, 0.76) if match is not None else []
    if match is None or not near or match[1] == near[0]:
        return None
    span = Span(source, start, start + len(match[1]))
    return Diagnostic(
        "CNN001", Severity.ERROR, f"`{match[1]}` begins no statement", span,
        expected=f"a stage, or one of {', '.join(KEYWORDS)}", found=f"`{match[1]}`", help=f"did you mean {near[0]}?",
    )  # fmt: skip


def _in_word(char: str) -> bool:
    """Whether a reader takes a character for a part of a word: letters of all scripts, accents, pictures; no signs."""
    from unicodedata import category

    if char.isascii():
        return char.isalnum() or char == "_"
    return category(char)[0] in "LMN" or (category(char) == "So" and char != "✕")


def _not_a_name(span: Span) -> Diagnostic:
    return Diagnostic(
        "CNN001", Severity.ERROR, f"`{span.text[:40]}` is not a name", span,
        expected="a name of the letters A to Z and a to z, digits and `_`, which does not begin with a digit",
        found=f"`{next(char for char in span.text if not char.isascii())}`",
        help="other letters can stand in comments and in the paths of files",
    )  # fmt: skip


def _find(expected: frozenset[str], found: str) -> Row | None:
    for row in ROWS:
        if (not row.expects or row.expects & expected) and re.fullmatch(row.found, found):
            return row
    return None


def _in_words(expected: frozenset[str]) -> str | None:
    """`a layer, `(` or `[``, from the names of terminals."""
    words: list[str] = []
    for terminals, phrases in _WORDS:
        if terminals & expected:
            words += [phrase for phrase in phrases if phrase not in words]
    words = words[:6]
    if len(words) < 2:
        return words[0] if words else None
    return f"{', '.join(words[:-1])} or {words[-1]}"
