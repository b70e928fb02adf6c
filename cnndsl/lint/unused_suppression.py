"""unused-suppression (CNN901)

## What it does
Reports a suppression of what is not found: on its line, or in the file where it stands alone above the first statement.
Only where all the rules that it is about have run, on a spec that compiles, as it is written: with nothing set from
outside, and not on lines with a branch, or in a definition, that this member of the family does not reach. The fix takes
it out, and its comment where nothing else is in it.

## Why is this bad
The mistake is mended, or the line has moved, and the next one there would go unseen. What compiling rejects cannot be
silenced.

## Example
```
input 1x7x7
CONV3-8/3(pad=1)  # cnn: ignore[CNN130]
```

## Use instead
```
input 1x7x7
CONV3-8/3(pad=1)
```
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..source import Span
from .subject import Subject
from .suppressions import REMARK, WORD, Suppression

CODE: Final = "CNN901"


def unneeded(idle: Iterable[Suppression], subject: Subject) -> list[Diagnostic]:
    """The findings for those that cover nothing, as far as that can be told from this member of the family."""
    if subject.settings or subject.input_shape is not None:
        return []
    from .reach import unreached

    open_ = unreached(subject)
    return [_unused(one) for one in idle if not any(_on(one.line, lines) for lines in open_)]


def _on(line: int | None, lines: tuple[int, int]) -> bool:
    return line is None or lines[0] <= line <= lines[1]


def _unused(suppression: Suppression) -> Diagnostic:
    """The finding for one that covers nothing."""
    alone = suppression.comment.own_line and suppression.line is not None
    where = "in this file" if suppression.line is None else "on this line"
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"{suppression.code} is silenced and not found {where}",
        suppression.span,
        help="write it at the end of the line that it is about, or take it out" if alone else "take it out",
        fix=Fix("take the suppression out", (_removal(suppression),)),
    )


def _removal(suppression: Suppression) -> Edit:
    """The code with its comma; the whole remark where it is the only one; the comment where nothing else is in it."""
    span, comment = suppression.span, suppression.comment
    source, start = comment.span.source, comment.span.start
    remark = REMARK.match(comment.text, suppression.remark)
    assert remark is not None
    words = [(start + remark.start(1) + w.start(), start + remark.start(1) + w.end()) for w in WORD.finditer(remark[1])]
    place = words.index((span.start, span.end))
    if len(words) > 1 and place < len(words) - 1:
        return Edit(Span(source, span.start, words[place + 1][0]), "")
    if len(words) > 1:
        return Edit(Span(source, words[place - 1][1], span.end), "")
    before, after = comment.text[: remark.start()], comment.text[remark.end() :]
    if not (before + after).strip(" \t\r#"):
        return Edit(_comment(suppression), "")
    if not after.strip():
        return Edit(Span(source, start + len(before.rstrip()), start + len(comment.text.rstrip())), "")
    rest = after.lstrip()
    if before.strip() or rest.startswith("#"):
        return Edit(Span(source, start + remark.start(), start + len(comment.text) - len(rest)), "")
    return Edit(Span(source, start + remark.start(), start + remark.end()), "#")


def _comment(suppression: Suppression) -> Span:
    """A comment with its line, or with the blanks before it."""
    span, text = suppression.comment.span, suppression.comment.span.source.text
    if not suppression.comment.own_line:
        line = text.rfind("\n", 0, span.start) + 1
        return Span(
            span.source, line + len(text[line : span.start].rstrip(" \t")), span.start + len(span.text.rstrip())
        )
    start, end = text.rfind("\n", 0, span.start) + 1, text.find("\n", span.end)
    return Span(span.source, start, len(text) if end < 0 else end + 1)
