"""Families linted whole: a spec with domains and optional stages, answered for every member.

`walk` goes through all members at once; each failure that it finds is confirmed by elaborating the smallest member that has
it as any spec is, so that nothing is reported that could be compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ..arithmetic import Names, Value, evaluate, in_domain, is_number
from ..diagnostics import Diagnostic, Note, Severity
from ..limits import Limits
from ..record import Record
from ..syntax import Binary, Choice, Dimensions, Expression, File, Name

if TYPE_CHECKING:
    from ..elaborate.units import Unit
    from .axes import Axes, Uses
    from .member import Members, Part
    from .states import Found
    from .walk import Walk

MOST_FINDINGS: Final = 5
MOST_LISTED: Final = 500
"""Members that are all compiled, where the walk cannot say all there is to say."""

_SMALL: Final = ("CNN104", "CNN105")
_ADDITIVE: Final = ("params", "macs", "flops", "activations", "layers")


class Bound(Record):
    """A budget that a spec asserts: `params <= 25.6M` has the worse side 1, `params >= 1M` -1."""

    metric: str
    limit: float
    worse: int
    strict: bool
    condition: Expression

    def broken(self, cost: float) -> bool:
        """Whether a cost breaks it."""
        return self.worse * cost > self.worse * self.limit or (self.strict and cost == self.limit)


def is_family(unit: Unit, file: File, settings: Mapping[str, Value]) -> bool:
    """Whether a spec has more than one member: parameters with domains, or optional stages."""
    return any(param.domain is not None for name, param in unit.params.items() if name not in settings) or (
        "?" in file.source.text and any(_optional(net.body) for net, _ in unit.nets)
    )


def _optional(body: object) -> bool:
    from .walk import parts

    return any(isinstance(part, Choice) for part in parts(body))  # type: ignore[arg-type]


def lint_family(
    file: File, unit: Unit, limits: Limits, settings: Mapping[str, Value], given: Dimensions | None
) -> list[Diagnostic]:
    """What is wrong with members of a family whose first member compiles; nothing for what is no family."""
    if len(unit.nets) != 1 or not is_family(unit, file, settings):
        return []
    if any(isinstance(value, tuple) for value in settings.values()):
        return []  # a list of choices is set: one member was asked for
    return Family(file, unit, limits, settings, given).findings()


class Family:
    """One family being linted."""

    def __init__(
        self, file: File, unit: Unit, limits: Limits, settings: Mapping[str, Value], given: Dimensions | None
    ) -> None:
        from ..elaborate import closing
        from .axes import Uses, axes
        from .member import Members

        self.unit = unit
        self.members: Members = Members(unit, limits, settings, given, closing(unit.nets[0][0].body))
        self.axes: Axes = axes(unit, frozenset(settings), self._names)
        self.uses: Uses = Uses(unit, file, self.axes.axes)
        self.members.derived = self.uses.derived

    def findings(self) -> list[Diagnostic]:
        """The findings, of the smallest members that fail, the smallest first."""
        from ..elaborate import deep_stack

        with deep_stack():
            bounds, others = self._bounds()
            walk, complete = self._walked(bounds)
            smallest = sorted({found.order: found for found in walk.failures.values()}.values(), key=_order)
            found = [self._confirmed(member) for member in smallest]
            found += [self._over(walk, bound, at) for at, bound in enumerate(bounds)] if complete else []
            kept: list[Diagnostic] = []
            for finding in found:
                if finding is not None and _key(finding) not in map(_key, kept):
                    kept.append(finding)
            if not kept and (not complete or others or not self.members_are_fixed()):
                kept += self._listed(complete, others)
        return kept[:MOST_FINDINGS]

    def members_are_fixed(self) -> bool:
        """Whether the input of every member has numbers for its sizes."""
        dimensions = self.members.dimensions
        return dimensions is not None and None not in dimensions.sizes

    def _walked(self, bounds: Sequence[Bound]) -> tuple[Walk, bool]:
        from .states import Exhausted
        from .walk import Walk

        walk = Walk(self.members, self.axes.axes, self.uses, tuple((_measure(b.metric), b.worse) for b in bounds))
        if self.axes.dependent or self.uses.in_defaults:
            return walk, False
        try:
            walk.ends = walk.run()
        except Exhausted:
            return walk, False
        return walk, True

    def _bounds(self) -> tuple[list[Bound], bool]:
        """The budgets that the walk can keep, and whether there are others."""
        names = self._names({})
        found: list[Bound] = []
        others = False
        for statement in self.unit.asserts:
            for condition in statement.conditions:
                match condition:
                    case Binary(operator=sign, left=Name(name=metric), right=right) if (
                        metric in _ADDITIVE
                        and sign in ("<=", "<", ">=", ">")
                        and not self.uses.of(right)
                        and is_number(limit := evaluate(right, names))
                    ):
                        found.append(Bound(metric, limit, 1 if sign[0] == "<" else -1, len(sign) == 1, condition))
                    case _:
                        others = True
        return found, others

    # -- findings

    def _compiled(self, member: Found) -> tuple[Diagnostic, ...]:
        """What is wrong with one member, compiled as any spec is: elaborated, its sizes and its budgets checked."""
        from ..check import check

        turns: dict[int, list[bool]] = {}
        for choice, present in member.turns:
            turns.setdefault(choice, []).append(present)
        with self.members.bound(self._values(member)):
            graph, diagnostics, build = self.members.whole(turns)
            if graph is None:
                return diagnostics
            return tuple(check(graph, tuple(build.spans), self.unit))

    def _values(self, member: Found) -> dict[str, Value]:
        return {a.name: a.values[i] for a, i in zip(self.axes.axes, member.indices, strict=True)}

    def _confirmed(self, member: Found) -> Diagnostic | None:
        diagnostics = self._compiled(member)
        return self._finding(member, diagnostics[0]) if diagnostics else None

    def _finding(self, member: Found, cause: Diagnostic) -> Diagnostic:
        span = cause.span
        line = f" at line {span.line}" if span is not None else ""
        what = cause.message
        if cause.code in _SMALL and span is not None:
            what = f"the map is empty after {_head(span.text)}"
        resized = self.members.dimensions is not None and self.uses.of(self.members.dimensions)
        return Diagnostic(
            "CNN132" if cause.code in _SMALL and resized else "CNN314",
            Severity.ERROR,
            f"{self._says(member)}: {what}{line}",
            span,
            expected=cause.expected,
            found=cause.found,
            chain=cause.chain,
            help=f"narrow the domain, or mend this member: {self._setting(member)}",
            notes=(Note(f"this is the smallest of the family that fails, as {cause.code}"), *cause.notes),
        )

    def _says(self, member: Found) -> str:
        """`N=3, M=6, down=on,off`."""
        said = [axis.says(index) for axis, index in zip(self.axes.axes, member.indices, strict=True)]
        for choice, turns in self._choices(member).items():
            stage, label = self.members.labels[choice]
            if label is not None:
                said.append(f"{label}={','.join('on' if there else 'off' for there in turns)}")
            else:
                missing = ", ".join(str(i + 1) for i, there in enumerate(turns) if not there)
                turn = f" (turn {missing})" if len(turns) > 1 else ""
                said.append(f"without {_head(stage.span.text)} of line {stage.span.line}{turn}")
        return ", ".join(said)

    def _choices(self, member: Found) -> dict[int, list[bool]]:
        """The turns of the choices of which one is absent."""
        turns: dict[int, list[bool]] = {}
        for choice, present in member.turns:
            turns.setdefault(choice, []).append(present)
        return {choice: there for choice, there in turns.items() if not all(there)}

    def _setting(self, member: Found) -> str:
        said = [axis.says(index) for axis, index in zip(self.axes.axes, member.indices, strict=True)]
        for choice, turns in self._choices(member).items():
            label = self.members.labels[choice][1]
            said += [f"{label}={','.join('on' if there else 'off' for there in turns)}"] if label else []
        return " ".join(f"--set {setting}" for setting in said) or "it has no labels to set"

    def _over(self, walk: Walk, bound: Bound, at: int) -> Diagnostic | None:
        """The finding for a budget that some member breaks: the smallest on the way to the most costly one."""
        worst = max(
            (reach.extremes[at] for reach in walk.ends.values()), key=lambda e: bound.worse * e[0], default=None
        )
        if worst is None or not bound.broken(worst[0]):
            return None
        member = self._reduced(worst[1], lambda found: self._breaks(found, bound))
        causes = [d for d in self._compiled(member) if d.code == "CNN201" and d.span == bound.condition.span]
        return self._finding(member, causes[0]) if causes else None

    def _breaks(self, member: Found, bound: Bound) -> bool:
        return any(d.code == "CNN201" and d.span == bound.condition.span for d in self._compiled(member))

    def _reduced(self, member: Found, fails: Callable[[Found], bool]) -> Found:
        """A smaller member that fails too: each axis halved towards its start as long as it does."""
        for axis in range(len(self.axes.axes)):
            low, high = 0, member.indices[axis]
            while low < high:
                middle = (low + high) // 2
                if fails(member.with_index(axis, middle)):
                    high = middle
                else:
                    low = middle + 1
            member = member.with_index(axis, high)
        return member

    def _names(self, values: Mapping[str, Value]) -> Names:
        """What expressions see where some parameters have values."""
        return self.members.frame(self.members.build(()), values).names

    def _listed(self, complete: bool, others: bool) -> list[Diagnostic]:
        """Every member compiled, where they are few; else what was not looked at."""
        from itertools import product

        from .states import Found
        from .walk import MOST_NODES

        if self.axes.size <= MOST_LISTED:
            members = (
                Found(sum(indices), indices) for indices in product(*(range(len(a.values)) for a in self.axes.axes))
            )
            spent = self.members.elaborated
            for member in sorted(members, key=_order):
                finding = self._confirmed(member) if self._exists(member) else None
                if finding is not None:
                    return [finding]
                if self.members.elaborated - spent > MOST_NODES:
                    break
            else:
                return []
        what = "its members" if not complete else "their other budgets" if others else "their valid sizes"
        message = f"the family has {self.axes.size:,} members, and {what} were not all checked"
        span = self.unit.params[self.axes.axes[0].name].span if self.axes.axes else self.members.net.span
        advice = "narrow the domains, or lint members with --set"
        return [Diagnostic("CNN314", Severity.INFO, message, span, help=advice)]

    def _exists(self, member: Found) -> bool:
        """Whether each value lies in its domain, which may depend on the others."""
        if not self.axes.dependent:
            return True
        values = self._values(member)
        domains = ((value, self.unit.params[name].domain) for name, value in values.items())
        names = self._names(values)
        return all(domain is None or in_domain(value, domain, names) is True for value, domain in domains)


def _order(found: Found) -> tuple[int, tuple[int, ...]]:
    return found.order


def _key(finding: Diagnostic) -> tuple[object, ...]:
    return finding.span and (finding.span.source.name, finding.span.start), finding.expected


def _head(text: str) -> str:
    """The beginning of a stage as written: `POOL2`."""
    import re

    match = re.match(r"[\w/]+(?: conv| pool)?", text)
    return (match[0] if match else text[:20]).rstrip("?")


def _measure(metric: str) -> Callable[[Part], int]:
    """What a part of a network costs."""
    from ..analysis.costs import node_costs

    def measure(part: Part) -> int:
        if metric == "layers":
            return len(part.nodes) - 1
        total = 0
        for node in part.nodes[1:]:
            costs = node_costs(node.op, tuple(part.nodes[i].shape for i in node.inputs), node.shape)
            total += getattr(costs, metric) or 0
        return total

    return measure
