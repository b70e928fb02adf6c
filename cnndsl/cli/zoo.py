"""The commands `zoo` and `compare`: what the package ships, and networks side by side."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .. import zoo
from ..compiler import read_spec
from ..report import printable
from .request import CLEAN, Failure, add_spec, graph_of, keep_inputs
from .streams import tell

if TYPE_CHECKING:
    from ..compare import Measured


def zoo_options(command: argparse.ArgumentParser) -> None:
    """The options of `zoo`."""
    command.usage = "cnndsl zoo [-h] [--json] [PATTERN | show NAME]"
    command.add_argument(
        "words",
        metavar="PATTERN",
        nargs="*",
        help="part of a name, or a pattern with * and ?; `show NAME` prints a spec",
    )
    command.add_argument("--json", action="store_true", help="as JSON")


def run_zoo(arguments: argparse.Namespace) -> int:
    """List the members whose name fits, or print the spec of one."""
    match arguments.words:
        case ["show", name]:
            return _show(name)
        case ["show", *_]:
            raise Failure("write `cnndsl zoo show NAME`")
        case [] | [_]:
            return _list("".join(arguments.words), arguments.json)
    raise Failure("one pattern at a time")


def _show(name: str) -> int:
    name = name.removeprefix("zoo:")
    text = read_spec(f"zoo:{name}")
    member = zoo.members().get(name)
    if member is not None:
        given = " ".join(f"--set {key}={_written(value)}" for key, value in member.settings.items())
        print(f"# {name}: {member.spec}.cnn {given}".rstrip() + "\n")
    sys.stdout.write(_at_home_anywhere(text.source.text, PurePosixPath(name).parent))
    return CLEAN


def _at_home_anywhere(text: str, folder: PurePosixPath) -> str:
    """A spec of the package with the files that it uses named as the package's, so that a copy of it compiles."""
    return re.sub(
        r'^use "(?!zoo:)(.+?)(\.cnn)?"', lambda found: f'use "zoo:{folder / found[1]}"', text, flags=re.MULTILINE
    )


def _written(value: object) -> str:
    """A setting as `--set` takes it."""
    if isinstance(value, tuple):
        return ",".join(map(_written, value))
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _list(pattern: str, as_json: bool) -> int:
    from ..compare import measured

    chosen = zoo.matching(pattern)
    if not chosen:
        near = zoo.closest(pattern)
        raise Failure(f"the zoo has no {pattern!r}" + (f"; closest: {', '.join(near)}" if near else ""))
    if as_json:
        print(json.dumps([_plain(member, measured(f"zoo:{member.name}")) for member in chosen], indent=2))
        return CLEAN
    width = max(len(member.name) for member in chosen)
    head = f"{'name':{width}}  {'input':>12}  {'parameters':>13}  {'MACs':>15}  year  paper"
    print(head, "-" * len(head), sep="\n")
    for member in chosen:
        found = measured(f"zoo:{member.name}")
        counts = f"{found.input:>12}  {_grouped(found.params):>13}  {_grouped(found.macs):>15}"
        print(f"{member.name:{width}}  {counts}  {member.year}  {member.paper}", flush=True)
    return CLEAN


def _grouped(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _plain(member: zoo.Member, found: Measured) -> dict[str, object]:
    return {
        "name": member.name,
        "spec": member.spec,
        "settings": dict(member.settings),
        "input": found.input,
        "params": found.params,
        "params_without_aux": found.params_without_aux,
        "macs": found.macs,
        "year": member.year,
        "paper": member.paper,
        "reference": member.reference,
    }


def compare_options(command: argparse.ArgumentParser) -> None:
    """The options of `compare`."""
    add_spec(command, many=True)
    command.add_argument(
        "-o", "--output", metavar="OUT", help="draw MACs against parameters to a .svg, .png or .html file"
    )
    command.add_argument("--json", action="store_true", help="the table as JSON")


def run_compare(arguments: argparse.Namespace) -> int:
    """Print the table of networks, and draw them where a file is named."""
    from ..compare import compared, named, table

    keep_inputs(arguments.output, *arguments.spec)
    specs = [_member_or_spec(spec) for spec in arguments.spec]
    found = named([compared(graph_of(arguments, spec), spec) for spec in specs])
    if arguments.output:
        from ..picture import draw

        for row in draw(found, arguments.output):
            tell(
                f"{row.name} is not in the picture: it has no parameters, or its costs depend on its input; see --input"
            )
    if arguments.json:
        print(json.dumps([row.json() for row in found], indent=2))
    else:
        print("\n".join(table(found)))
        if arguments.output:
            print(printable(arguments.output))
    return CLEAN


def _member_or_spec(spec: str) -> str:
    """`zoo:NAME` for the bare name of a member, where no file has it."""
    return f"zoo:{spec}" if spec in zoo.members() and not Path(spec).exists() else spec
