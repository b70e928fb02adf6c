"""`completion`: what a shell sources to complete commands, options and specs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Final

from .request import CLEAN

SHELLS: Final = ("bash", "zsh", "fish", "powershell", "tcsh")
_FILES: Final = frozenset({"SPEC", "FILE", "OUT", "CHECKPOINT", "MODEL", "PATH"})


def completion_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("shell", choices=SHELLS, help="the shell")
    command.epilog = 'in a bash: eval "$(cnndsl completion bash)"'


def completion_runner(parser: Callable[[], argparse.ArgumentParser]) -> Callable[[argparse.Namespace], int]:
    """What prints the completion of all that a parser takes."""

    def run(arguments: argparse.Namespace) -> int:
        import shtab

        whole = parser()
        for action in _actions(whole):
            if action.metavar in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
        sys.stdout.write(shtab.complete(whole, arguments.shell))
        return CLEAN

    return run


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Every argument of a parser and of its commands."""
    found: list[argparse.Action] = []
    waiting = [parser]
    while waiting:
        for action in waiting.pop()._actions:
            found.append(action)
            if isinstance(action, argparse._SubParsersAction):
                waiting.extend(action.choices.values())
    return found
