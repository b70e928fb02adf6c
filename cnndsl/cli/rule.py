"""The command `rule`: the page of a code, or the table of all."""

from __future__ import annotations

import argparse

from .request import CLEAN, Failure


def rule_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "rule", metavar="CODE", nargs="?", help="a code, the beginning of some (CNN3) or a name; without it, all"
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--all", action="store_true", help="every page, as one Markdown document")
    form.add_argument("--json", action="store_true", help="as JSON")


def run_rule(arguments: argparse.Namespace) -> int:
    from ..catalogue import data, document, page, table
    from ..rules import every, find

    if arguments.all:
        if arguments.rule is not None:
            raise Failure("--all prints every page: leave the code out")
        print(document(list(every())), end="")
        return CLEAN
    try:
        found = list(every()) if arguments.rule is None else find(arguments.rule)
    except ValueError as unknown:
        raise Failure(str(unknown)) from None
    if arguments.json:
        from json import dumps

        print(dumps([data(rule) for rule in found], indent=2))
    elif len(found) == 1:
        print(page(found[0]), end="")
    else:
        print(table(found))
    return CLEAN
