"""Scopes as classes: those of one definition that are wired alike share a class, and what differs is a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..ops.reshape import Slice
from ..record import Record
from ..reserved import KEYWORDS
from .scopes import FUNCTIONAL, Block, Call, Liveness, Wiring, class_name, wire
from .torch_table import NONE, Argument, layer

if TYPE_CHECKING:
    from ..ir import Graph


class Name(str):
    """The name of a constructor's parameter, where an argument is otherwise a value."""

    __slots__ = ()


class Member(Record):
    """What a class is made of: a layer of `type`, an instance of template number `template`, or (neither) the numbers
    of an expression."""

    name: str
    type: str
    template: int | None
    arguments: tuple[Argument, ...]


class Parameter(Record):
    """A constructor's parameter; `type` is its annotation."""

    name: str
    type: str
    channels: bool


class Template(Record):
    """One class: `members` in order; an argument is a constant or a `Name`; `first` is the first instance."""

    name: str
    wiring: Wiring
    members: tuple[Member, ...]
    parameters: tuple[Parameter, ...]
    first: Block
    instances: int


class _Instance:
    """A scope on its way to a template."""

    def __init__(self, block: Block, members: list[Member]) -> None:
        self.block = block
        self.members = members
        self.children = {member.name: member.path for member in block.members if isinstance(member, Block)}
        self.values: dict[str, Any] = {}


Slot = tuple[int, int]
"""A member's place, and the place of one of its arguments."""
Values = tuple[Any, ...]
"""One value for each instance."""


class Templates:
    """Gathers the scopes of a graph, inner ones first; `made` is the list of classes, each after those it uses."""

    def __init__(self, graph: Graph, live: Liveness, overwriting: frozenset[int], taken: frozenset[str]) -> None:
        self.graph = graph
        self.live = live
        self.overwriting = overwriting
        self.taken = set(taken)
        self.made: list[Template] = []
        self._groups: dict[tuple[Any, ...], int] = {}
        self._instances: list[list[_Instance]] = []
        self._wirings: list[Wiring] = []

    def gather(self, block: Block) -> int:
        """The number of the template that this scope will have."""
        members: list[Member] = []
        for member in block.members:
            if isinstance(member, Block):
                number = self.gather(member)
                members.append(Member(member.name, "", number, ()))
            elif not isinstance(self.graph.nodes[member.node].op, FUNCTIONAL):
                described = layer(self.graph, member.node, self.overwriting)
                members.append(Member(member.name, described.type, None, described.arguments))
            elif bounds := self._bounds(member):
                members.append(Member(member.name, "", None, bounds))
        wiring = _canonical(wire(self.graph, self.live, block))
        parts = tuple((m.name, m.type, m.template, tuple(a.name for a in m.arguments)) for m in members)
        number = self._groups.setdefault((block.kind, wiring, parts), len(self._groups))
        if number == len(self._instances):
            self._instances.append([])
            self._wirings.append(wiring)
        self._instances[number].append(_Instance(block, members))
        return number

    def _bounds(self, call: Call) -> tuple[Argument, ...]:
        """The numbers in an expression that may differ between instances."""
        op = self.graph.nodes[call.node].op
        if not isinstance(op, Slice):
            return ()
        return (Argument("start", op.start, 0, channels=True), Argument("stop", op.stop, channels=True))

    def settle(self) -> None:
        """Make the templates; the root's name comes first, so that it is the network's."""
        root = len(self._instances) - 1
        names = {root: self._unique(self._instances[root][0].block.kind)}
        by_path = {i.block.path: i for instances in self._instances for i in instances}
        for number, instances in enumerate(self._instances):
            name = names.get(number) or self._unique(instances[0].block.kind)
            for instance in instances:
                instance.members = [self._filled(member, instance, by_path) for member in instance.members]
            self.made.append(self._template(name, self._wirings[number], instances))

    def _unique(self, kind: str) -> str:
        base = name = class_name(kind)
        count = 1
        while name in self.taken:
            count += 1
            name = f"{base}{count}"
        self.taken.add(name)
        return name

    def _filled(self, member: Member, instance: _Instance, by_path: dict[str, _Instance]) -> Member:
        """A child scope with the values that this instance gives to its class's parameters."""
        if member.template is None:
            return member
        values = by_path[instance.children[member.name]].values
        parameters = self.made[member.template].parameters
        return member.replace(
            arguments=tuple(Argument(p.name, values[p.name], NONE, p.channels, p.channels) for p in parameters)
        )

    def _template(self, name: str, wiring: Wiring, instances: list[_Instance]) -> Template:
        first = instances[0].members
        groups: dict[tuple[str, Values], list[Slot]] = {}
        for m, member in enumerate(first):
            for a, argument in enumerate(member.arguments):
                values = tuple(instance.members[m].arguments[a].value for instance in instances)
                if any(value != values[0] or type(value) is not type(values[0]) for value in values):
                    family = "channels" if argument.channels else argument.name
                    groups.setdefault((family, values), []).append((m, a))
        named = self._named(groups, instances)
        for parameter, values, _ in named:
            for instance, value in zip(instances, values, strict=True):
                instance.values[parameter.name] = value
        places = {slot: Name(parameter.name) for parameter, _, slots in named for slot in slots}
        members = tuple(
            member.replace(
                arguments=tuple(
                    argument.replace(value=places.get((m, a), argument.value))
                    for a, argument in enumerate(member.arguments)
                )
            )
            for m, member in enumerate(first)
        )
        ordered = sorted((parameter for parameter, _, _ in named), key=_rank)
        return Template(name, wiring, members, tuple(ordered), instances[0].block, len(instances))

    def _named(
        self, groups: dict[tuple[str, Values], list[Slot]], instances: list[_Instance]
    ) -> list[tuple[Parameter, Values, list[Slot]]]:
        """A name for each set of values that differ together."""
        members = instances[0].members
        taken = {member.name for member in members} | KEYWORDS | {"self"}
        ends = {"out_channels": self._channels(instances, 1), "in_channels": self._channels(instances, 0)}
        known = {values: name for name, values in ends.items()}
        inner = [values for family, values in groups if family == "channels" and values not in known]
        named = []
        for (family, values), slots in groups.items():
            m, a = slots[0]
            place, word = members[m].name, members[m].arguments[a].name
            if family == "channels":
                word = "channels"
                wanted = known.get(values) or ("channels" if len(inner) == 1 else f"{place}_channels")
            else:
                wanted = word
            for candidate in (wanted, f"{place}_{word}", *(f"{place}_{word}{n}" for n in range(2, len(groups) + 3))):
                if candidate not in taken:
                    break
            taken.add(candidate)
            named.append((Parameter(candidate, _annotation(values), family == "channels"), values, slots))
        return named

    def _channels(self, instances: list[_Instance], end: int) -> Values:
        """The channels of each instance's first input, or of its first output."""
        ends = [(i.block.inputs, i.block.outputs)[end][:1] for i in instances]
        return tuple(self.graph.nodes[value[0]].shape.channels if value else None for value in ends)


ORDER: Final = {"in_channels": 0, "out_channels": 2}


def _rank(parameter: Parameter) -> int:
    """Channels first, in the order in which data flows."""
    return ORDER.get(parameter.name, 1) if parameter.channels else 3


def _annotation(values: Values) -> str:
    found = {"tuple[int, ...]" if isinstance(value, tuple) else type(value).__name__ for value in values}
    return " | ".join(sorted(found))


def _canonical(wiring: Wiring) -> Wiring:
    """The wiring without the numbers that `Templates` makes parameters of."""
    steps = tuple(step.replace(op=Slice(0, 1)) if isinstance(step.op, Slice) else step for step in wiring.steps)
    return wiring.replace(steps=steps)
