"""The corpus through other declarative tools: what they detect, locate, accept falsely and reject falsely."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cnndsl.api import lint

from .other_tools.mlnode import TOOL as MLNODE
from .other_tools.n_orca import TOOL as N_ORCA
from .other_tools.networks import CASES, Pair, pairs
from .other_tools.neural_dsl import TOOL as NEURAL_DSL
from .other_tools.tool import Tool

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "comparison.md"
PROBE = Path(__file__).parent / "other_tools" / "probe.py"
TOOLS = {tool.name: tool for tool in (N_ORCA, MLNODE, NEURAL_DSL)}

LOCATED, DETECTED, ACCEPTED = "located", "detected", "falsely accepted"
REJECTED, UNSAID = "lookalike rejected", "cannot be said"


class Outcome(NamedTuple):
    """What a tool says of a network; `said` is its message, or the reason why it cannot be told."""

    verdict: str
    said: str


Outcomes = dict[str, Outcome]


def measured(tool: Tool, python: str, folder: Path) -> Outcomes:
    """The outcome for every network of the corpus; the files stay in a folder."""
    said, unsaid = pairs(tool)
    for name, pair in said.items():
        (folder / f"{name}.broken{tool.ending}").write_text(pair.broken)
        (folder / f"{name}.sound{tool.ending}").write_text(pair.sound)
    command = [python, "-I", str(PROBE), tool.name, str(folder)]
    single = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=single)
    verdicts = json.loads(done.stdout.splitlines()[-1])
    outcomes = {name: Outcome(UNSAID, reason) for name, reason in unsaid.items()}
    for name, pair in said.items():
        broken, sound = (verdicts[f"{name}.{kind}{tool.ending}"] for kind in ("broken", "sound"))
        outcomes[name] = outcome(pair, broken, sound)
    return {name: outcomes[name] for name in CASES}


def outcome(pair: Pair, broken: Mapping[str, object], sound: Mapping[str, object]) -> Outcome:
    """A verdict on a pair; a tool that rejects the lookalike too has not told the two apart.

    Raises ValueError where the tool's own module does not do what its text was written for.
    """
    message = str(broken["message"])
    if sound["accepts"] and sound["runs"] is False:
        raise ValueError(f"the lookalike was not written as it is meant:\n{pair.sound}")
    if not sound["accepts"]:
        return Outcome(REJECTED, str(sound["message"]))
    if broken["accepts"]:
        if broken["runs"] and not pair.runs:
            raise ValueError(f"what is broken was not written as it is meant:\n{pair.broken}")
        return Outcome(ACCEPTED, "")
    located = any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", message) for word in pair.blamed)
    return Outcome(LOCATED if located else DETECTED, message)


def ours() -> Outcomes:
    """What `cnndsl lint` says: located is the code, the line and the column that the file says."""
    outcomes = {}
    for name in CASES:
        paths = [ROOT / "tests" / "corpus" / kind / f"{name}.cnn" for kind in ("broken", "sound")]
        broken, sound = ([finding for finding in lint(path) if finding.severity != "info"] for path in paths)
        expected = re.findall(r"^# expect: (.*)$", paths[0].read_text(encoding="utf-8"), re.MULTILINE)
        found = ", ".join(f"{one.code} {one.span.line}:{one.span.column}" for one in broken if one.span)
        verdict = REJECTED if sound else ACCEPTED if not broken else LOCATED if [found] == expected else DETECTED
        outcomes[name] = Outcome(verdict, found)
    return outcomes


# -- the page


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def totals(columns: Mapping[str, Outcomes]) -> list[str]:
    """A line a tool."""
    verdicts = (ACCEPTED, REJECTED, UNSAID)
    lines = [row("tool", "networks said", DETECTED, "of these located", *verdicts), "|---|---|---|---|---|---|---|"]
    for name, outcomes in columns.items():
        count = Counter(one.verdict for one in outcomes.values())
        found = count[LOCATED] + count[DETECTED]
        lines.append(row(name, len(outcomes) - count[UNSAID], found, count[LOCATED], *(count[one] for one in verdicts)))
    return lines


def by_family(columns: Mapping[str, Outcomes]) -> list[str]:
    """A line a family: detected, falsely accepted and lookalikes rejected."""
    lines = [row("family", "networks", *columns), "|---|---|" + "---|" * len(columns)]
    for family in dict.fromkeys(name.split("_")[0] for name in CASES):
        names = [name for name in CASES if name.startswith(f"{family}_")]
        cells = []
        for outcomes in columns.values():
            count = Counter(outcomes[name].verdict for name in names)
            said = len(names) - count[UNSAID]
            cells.append(f"{count[LOCATED] + count[DETECTED]} / {count[ACCEPTED]} / {count[REJECTED]}" if said else "")
        lines.append(row(family, len(names), *cells))
    return lines


def each(columns: Mapping[str, Outcomes]) -> list[str]:
    """A line a network."""
    lines = [row("network", *columns), "|---|" + "---|" * len(columns)]
    for name in CASES:
        cells = []
        for tool, outcomes in columns.items():
            one = outcomes[name]
            located_at = tool == "cnndsl" and one.verdict == LOCATED
            cells.append(one.said if located_at else "" if one.verdict == UNSAID else one.verdict)
        lines.append(row(f"`{name}`", *cells))
    return lines


def write_page(columns: Mapping[str, Outcomes]) -> None:
    """Put the tables into the page, between their marks."""
    text = PAGE.read_text(encoding="utf-8")
    for mark, lines in (("totals", totals(columns)), ("families", by_family(columns)), ("networks", each(columns))):
        table = "\n".join(lines)
        text, found = re.subn(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", rf"\1\n{table}\n\n\2", text, flags=re.DOTALL)
        assert found == 1, f"{PAGE.name} has no place for {mark}"
    PAGE.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Measure the tools whose environments are given; print what was counted, or write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks other_tools", description=__doc__)
    parser.add_argument(
        "--environment", action="append", default=[], metavar="TOOL=PYTHON",
        help=f"the Python of an environment that has it installed: {', '.join(TOOLS)}",
    )  # fmt: skip
    parser.add_argument("--verbose", action="store_true", help="every network, with what the tool says")
    parser.add_argument("--keep", metavar="FOLDER", help="leave the files that are written for the tools in there")
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}; takes all environments")
    options = parser.parse_args(arguments)
    given = dict(one.split("=", 1) for one in options.environment)
    if unknown := given.keys() - TOOLS.keys():
        parser.error(f"no tool {min(unknown)}")
    if options.write and (missing := TOOLS.keys() - given.keys()):
        parser.error(f"no environment of {min(missing)}")
    columns = {"cnndsl": ours()}
    for name, tool in TOOLS.items():
        if name in given:
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(options.keep or temporary) / name
                folder.mkdir(parents=True, exist_ok=True)
                columns[f"{name} {tool.version}"] = measured(tool, given[name], folder)
    print("\n".join(["", *totals(columns), "", *by_family(columns)]))
    if options.verbose:
        for name, outcomes in columns.items():
            print(f"\n{name}")
            for network, one in outcomes.items():
                print(f"  {network:32} {one.verdict:18} {one.said}")
    if options.write:
        write_page(columns)
