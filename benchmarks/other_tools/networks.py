"""The corpus as each tool is given it."""

from __future__ import annotations

import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from .record import culprit, record, with_widths_inferred
from .tool import CannotSay, Tool

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from corpus.pytorch import CASES
from corpus.pytorch.case import Case, Named


class Pair(NamedTuple):
    """A broken network and its lookalike as files of a tool.

    `blamed` is what a verdict names that has found the place; `runs` that what is broken runs, and breaks a budget.
    """

    broken: str
    sound: str
    blamed: tuple[str, ...]
    runs: bool = False


def pairs(tool: Tool) -> tuple[dict[str, Pair], dict[str, str]]:
    """The networks that a tool can be told, and why it cannot be told the others."""
    said: dict[str, Pair] = {}
    unsaid: dict[str, str] = {}
    for name, case in CASES.items():
        try:
            said[name] = pair(tool, case)
        except CannotSay as reason:
            unsaid[name] = str(reason)
    return said, unsaid


def pair(tool: Tool, case: Case) -> Pair:
    """A network in a tool's format; raises CannotSay."""
    if case.name in tool.whole:
        return Pair(*tool.whole[case.name], ("Botleneck", "clases", "'c'"))
    if case.name.startswith("family"):
        raise CannotSay("no families of networks")
    if case.name.startswith("budget") and not case.budget:
        raise CannotSay("no rules among parameters")
    sound_graph = record(case.network, case.inputs(case.sound), case.sound)
    sound = tool.write(sound_graph, facts(case))
    if case.name in tool.edits:
        edit = tool.edits[case.name]
        assert edit.old in sound, f"{tool.name}: {case.name} has no {edit.old!r}"
        line = sound[: sound.index(edit.old)].count("\n") + edit.old.startswith("\n") + 1
        words = (f"line {line}", f"line {line + 1}", *(text.strip('"[]:') for text in edit))
        return Pair(
            sound.replace(edit.old, edit.new, 1),
            sound,
            tuple(word for word in words if word.strip(" ,\n]}")),
            case.budget is not None,
        )
    try:
        graph = record(case.network, case.inputs(case.broken), case.broken)
    except RecursionError:
        raise CannotSay("no definitions") from None
    stops = culprit(graph, case.inputs(case.broken))
    if tool.infers_widths and stops and not culprit(with_widths_inferred(graph), case.inputs(case.broken)):
        raise CannotSay("the width of what comes in is not stated")
    broken = tool.write(graph, facts(case))
    if broken == sound:
        raise CannotSay("no counterpart of what is wrong")
    lines = enumerate(zip_longest(broken.split("\n"), sound.split("\n")), 1)
    different = [f"line {number}" for number, (one, other) in lines if one != other]
    return Pair(broken, sound, blamed(case, stops, different), runs=case.budget is not None)


def facts(case: Case) -> dict[str, Any]:
    """What a file says beside the graph."""
    known: dict[str, Any] = {"budget": case.budget} if case.budget else {}
    if isinstance(case.sound, Named):
        known |= {"parameter": case.sound.name, "value": int(case.sound)}
    return known


def blamed(case: Case, stops: str | None, different: list[str]) -> tuple[str, ...]:
    """The node that PyTorch stops at and the lines that differ; of a cycle any sum; the metric or name that is meant."""
    if case.budget:
        return ("param_count", "depth")
    if stops:
        return (stops, *different)
    if case.name.startswith("cycle"):
        return ("add_1", "add_2")
    return (str(case.broken), getattr(case.broken, "name", str(case.broken)))
