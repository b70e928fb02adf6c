"""Stages over several lines: where they do not fit on one, or hold comments.

Every printer takes the column where the text begins and the indentation of the line that it begins in, and returns
lines: the first without its indentation, the others with it. A line that goes on with a pipeline begins with its joiner.
"""

from __future__ import annotations

from .. import syntax
from .comments import Attached
from .flat import Flat, condition, domain, format_expression, head, step, suffix, value

WIDTH = 100
_STEP = "  "
_CLOSERS = frozenset({")", "]"})


class Layout:
    """Prints the stages of one statement."""

    def __init__(self, flat: Flat, attached: Attached) -> None:
        self._flat = flat
        self._attached = attached

    def stage(self, node: syntax.Stage, column: int, indent: str) -> list[str]:
        """The lines of a stage."""
        if id(node) not in self._attached.broken:
            text = self._flat.stage(node)
            if column + len(text) <= WIDTH:
                return [text]
        match node:
            case syntax.Pipeline():
                return self._pipeline(node, column, indent)
            case syntax.Group():
                lines = [node.bracket]
                self._comments(lines, node, 0, indent + _STEP)
                self._open(lines, self.stage(node.stage, len(indent) + 2, indent + _STEP), indent + _STEP)
                self._comments(lines, node, 1, indent + _STEP)
                return [*lines, indent + (")" if node.bracket == "(" else "]")]
            case syntax.Layer() if node.branches:
                return self._branches(node, node.branches, indent)
            case syntax.Repeat() | syntax.Choice() | syntax.Shaped():
                return _joined(self.stage(node.stage, column, indent), [suffix(node)])
            case syntax.Loop():
                return self._loop(node, column, indent)
            case syntax.Labelled():
                label = f"{node.label}: "
                return _joined([label], self.stage(node.stage, column + len(label), indent))
            case syntax.Conditional():
                return self._conditional(node, column, indent)
            case _:
                return [self._flat.stage(node)]

    def _pipeline(self, node: syntax.Pipeline, column: int, indent: str) -> list[str]:
        """As many stages on a line as fit; loops, labelled stages and what has its shape checked end the line."""
        units = self._flat.units(node)
        lines = self._unit(units[0], column, indent)
        lead = indent or _STEP
        done = 0
        for index, unit in enumerate(units[1:], 1):
            before = units[index - 1][-1]
            done += len(units[index - 1])
            commented = self._comments(lines, node, done, lead)
            room = WIDTH - len(lines[-1]) - (column if len(lines) == 1 else 0)
            alone = _ends_line(before) or isinstance(unit[-1], syntax.Loop) or isinstance(unit[0], syntax.Labelled)
            rest = units[index:] if lines[-1].strip() in _CLOSERS else [unit]
            if not commented and not alone and self._fit(rest, room):
                lines[-1] += f" - {self._flat.glued(unit)}"
            else:
                self._open(lines, _joined(["- "], self._unit(unit, len(lead) + 2, lead + _STEP)), lead)
        return lines

    def _unit(self, unit: tuple[syntax.Stage, ...], column: int, indent: str) -> list[str]:
        return [self._flat.glued(unit)] if len(unit) > 1 else self.stage(unit[0], column, indent)

    def _fit(self, units: list[tuple[syntax.Stage, ...]], room: int) -> bool:
        """Whether all of the units go on a line with this much room, joiners counted."""
        for unit in units:
            room -= 3 + len(self._flat.glued(unit))
            if room < 0 or any(id(stage) in self._attached.broken for stage in unit):
                return False
        return True

    def _branches(self, node: syntax.Layer, branches: tuple[syntax.Stage, ...], indent: str) -> list[str]:
        """One branch a line: the first behind blanks, the others behind a bar."""
        lines = [f"{head(node)}["]
        inner = indent + _STEP
        for index, branch in enumerate(branches):
            self._comments(lines, node, index, inner)
            mark = _STEP if index == 0 else "| "
            self._open(lines, _joined([mark], self.stage(branch, len(inner) + 2, inner + _STEP)), inner)
        self._comments(lines, node, len(branches), inner)
        return [*lines, f"{indent}]"]

    def _loop(self, node: syntax.Loop, column: int, indent: str) -> list[str]:
        lines = self.stage(node.stage, column, indent)
        before = f" for {', '.join(node.targets)} in "
        length = len(lines[-1]) + len(before) + (column if len(lines) == 1 else 0)
        return _joined(lines, _joined([before], self.values(node.over, length, indent)))

    def values(self, node: syntax.List | syntax.Range, column: int, indent: str) -> list[str]:
        """What a loop runs over; a list that does not fit is filled into lines of its own."""
        text = domain(node)
        broken = id(node) in self._attached.broken
        if isinstance(node, syntax.Range) or (not broken and column + len(text) <= WIDTH):
            return [text]
        lines = ["["]
        inner = indent + _STEP
        for index, item in enumerate(node.items):
            comments = self._comments(lines, node, index, inner)
            text = format_expression(item) + ("," if index + 1 < len(node.items) else "")
            if index and not broken and not comments and len(lines[-1]) + 1 + len(text) <= WIDTH:
                lines[-1] += f" {text}"
            else:
                self._open(lines, [text], inner)
        self._comments(lines, node, len(node.items), inner)
        return [*lines, f"{indent}]"]

    def _conditional(self, node: syntax.Conditional, column: int, indent: str) -> list[str]:
        indent = indent or _STEP
        before = condition(node)
        lines = _joined([before], self.stage(node.then, column + len(before), indent + _STEP))
        self._comments(lines, node, 1, indent)
        otherwise = self.stage(node.otherwise, len(indent) + 5, indent + _STEP)
        self._open(lines, _joined(["else "], otherwise), indent)
        return lines

    def _comments(self, lines: list[str], node: object, slot: int, indent: str) -> bool:
        """Print the comments before item `slot`: the first behind the line where it is written so."""
        comments = self._attached.at(node, slot)
        for index, comment in enumerate(comments):
            if index == 0 and not comment.own_line:
                lines[-1] += f"  {comment.text}"
            else:
                lines.append(indent + comment.text)
        return bool(comments)

    def steps(self, node: syntax.Preprocess, before: str) -> list[str]:
        """The steps of a `preprocess` statement, as many on a line as fit."""
        lines = [before.rstrip()]
        for index, item in enumerate(node.steps):
            commented = bool(index) and self._comments(lines, node, index, _STEP)
            text = step(item)
            joiner = " - " if index else " "
            if not commented and len(lines[-1]) + len(joiner) + len(text) <= WIDTH:
                lines[-1] += joiner + text
            elif index:
                self._open(lines, _joined(["- "], self._filled(item, len(_STEP) + 2, _STEP)), _STEP)
            else:
                lines = _joined([before], self._filled(item, len(before), ""))
        return lines

    def _filled(self, node: syntax.Step, column: int, indent: str) -> list[str]:
        """A step on one line, or with its values filled into lines of their own."""
        text = step(node)
        if column + len(text) <= WIDTH or not node.values:
            return [text]
        inner = indent + _STEP
        lines = [f"{node.name}("]
        for index, item in enumerate(node.values):
            text = value(item) + ("," if index + 1 < len(node.values) else "")
            if index and len(lines[-1]) + 1 + len(text) <= WIDTH:
                lines[-1] += f" {text}"
            else:
                self._open(lines, [text], inner)
        return [*lines, f"{indent})"]

    def body(self, node: syntax.Net | syntax.Def, before: str) -> list[str]:
        """A definition or a network: `before` and its body."""
        if not self._attached.at(node, 0):
            text = self._flat.stage(node.body) if id(node.body) not in self._attached.broken else None
            if text is None or len(before) + len(text) <= WIDTH or len(text) + len(_STEP) * 2 > WIDTH:
                return _joined([before], self.stage(node.body, len(before), ""))
        lines = [before.rstrip()]
        self._comments(lines, node, 0, _STEP * 2)
        self._open(lines, self.stage(node.body, len(_STEP) * 2, _STEP), _STEP * 2)
        return lines

    @staticmethod
    def _open(lines: list[str], more: list[str], indent: str) -> None:
        """Begin a new line with the first of `more`."""
        lines.append(indent + more[0])
        lines += more[1:]


def _ends_line(stage: syntax.Stage) -> bool:
    """Whether the next stage of a pipeline that does not fit on one line begins a new one."""
    return isinstance(stage, syntax.Shaped | syntax.Loop | syntax.Labelled)


def _joined(lines: list[str], more: list[str]) -> list[str]:
    """The first of `more` goes on where `lines` end."""
    return [*lines[:-1], lines[-1] + more[0], *more[1:]]
