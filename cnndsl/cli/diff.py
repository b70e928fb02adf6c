"""The command `diff`: what changed between two networks, or since a revision."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from .. import report
from .request import CLEAN, ERROR, FINDINGS, Failure, add_spec, asked, failed
from .streams import tell

if TYPE_CHECKING:
    from ..difference.entries import Comparison, Entry
    from ..difference.thresholds import Limit

FORMS: Final = ("text", "json", "markdown")


def diff_options(command: argparse.ArgumentParser) -> None:
    """The options of `diff`."""
    command.usage = "cnndsl diff [options] A B\n       cnndsl diff [options] --git BASE [PATH ...]"
    add_spec(command, many=True)
    spec = next(action for action in command._actions if action.dest == "spec")
    spec.nargs, spec.metavar = "*", "A B"
    spec.help = f"{spec.help}; SPEC@NAME=VALUE is a member; with --git, files and folders to look at"
    command.add_argument(
        "--git", metavar="BASE", help="compare the working tree with a revision; BASE... is where HEAD left it"
    )
    command.add_argument("--format", choices=FORMS, default="text", help="how the result is shown (default text)")
    command.add_argument(
        "--fail-on",
        metavar="LIMITS",
        action="append",
        default=[],
        help="exit 1 beyond these: params+5%%,macs+100k,receptive_field-10%%,shapes,weights",
    )


def run_diff(arguments: argparse.Namespace) -> int:
    """Compare what the arguments name; the exit code."""
    from ..difference.thresholds import parse

    try:
        limits = tuple(limit for written in arguments.fail_on for limit in parse(written))
    except ValueError as problem:
        raise Failure(f"--fail-on {problem}") from None
    found = _compared(arguments, limits)
    if arguments.format == "text" and found.base is None and found.entries[0].status == "broken":
        tell(_in_full(found.entries[0]))
    else:
        tell(_rendered(found, arguments.format), sys.stdout)
    for over in found.exceeded:
        failed(f"{'over' if over.told else 'unknown:'} {over.limit}: {over.spec}: {over.message}")
    if any(not over.told for over in found.exceeded):
        return ERROR
    broke = any(entry.broke if found.base is not None else entry.wrong for entry in found.entries)
    return FINDINGS if broke or found.exceeded else CLEAN


def _compared(arguments: argparse.Namespace, limits: tuple[Limit, ...]) -> Comparison:
    """The comparison that the arguments ask for, limits applied."""
    from ..difference.entries import Comparison
    from ..difference.repository import GitFailure
    from ..difference.specs import Asked, since, two
    from ..difference.thresholds import exceeded

    wanted = Asked(*asked(arguments))
    if arguments.git is None and len(arguments.spec) != 2:
        raise Failure(f"write two specs, or --git BASE; there {_are(len(arguments.spec))}")
    try:
        if arguments.git is None:
            before, after = arguments.spec
            entries: tuple[Entry, ...] = (two(before, after, wanted),)
        else:
            entries = since(arguments.git, arguments.spec, wanted)
    except GitFailure as problem:
        raise Failure(str(problem)) from None
    over = tuple(each for entry in entries for each in exceeded(entry, limits))
    return Comparison(entries, arguments.git, over)


def _are(count: int) -> str:
    return {0: "are none", 1: "is one"}.get(count, f"are {count}")


def _rendered(found: Comparison, form: str) -> str:
    match form:
        case "json":
            import json

            from ..difference.data import plain

            return json.dumps(plain(found), indent=2)
        case "markdown":
            from ..difference.markdown import render

            return render(found)
        case _:
            from ..difference import text

            return text.render(found, colour=sys.stdout.isatty())


def _in_full(entry: Entry) -> str:
    """What stands in the way of two specs, as other commands show it."""
    problems = tuple(dict.fromkeys((*entry.problems, *entry.problems_now)))
    return report.render("full", problems, report.Context(colour=sys.stderr.isatty()))
