"""Which passes a command is told to apply."""

from __future__ import annotations

import argparse

from ..elaborate.resolve import closest
from ..passes import ALL, PASSES, listed
from .request import Failure


def passes_option(command: argparse.ArgumentParser) -> None:
    """`--passes LIST` and `--no-fold-bn` of compile."""
    command.add_argument(
        "--passes", metavar="LIST", help=f"apply these alone, by comma, all or none: {', '.join(ALL)} (default all)"
    )
    no_fold_option(command)


def no_fold_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--no-fold-bn", action="store_true", help="leave BN as it is: all passes but batch-norm")


def chosen_passes(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The names of the passes that are asked for; raises Failure for what is none, or cannot be done without weights."""
    given: str | None = arguments.passes
    names = known(given) if given is not None else ALL
    needing = [one.name for one in PASSES if one.name in names and one.needs_arrays]
    if given not in (None, "all") and needing and getattr(arguments, "no_weights", False):
        raise Failure(f"the pass {needing[0]} computes new weights of the old: leave out --no-weights")
    if arguments.no_fold_bn and given not in (None, "all") and "batch-norm" in names:
        raise Failure("--no-fold-bn leaves out the pass batch-norm, which --passes asks for")
    return tuple(name for name in names if not (arguments.no_fold_bn and name == "batch-norm"))


def known(given: str) -> tuple[str, ...]:
    """The passes of a list; raises Failure naming the first that there is not."""
    names = listed(given)
    for name in names:
        if name not in ALL:
            near = closest(name, ALL)
            advice = f"did you mean {near}?" if near else f"they are {', '.join(ALL)}; or all, or none"
            raise Failure(f"--passes: there is no pass {name!r}; {advice}")
    return names
