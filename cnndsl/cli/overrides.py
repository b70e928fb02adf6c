"""What the command line of `lint` sets over the configurations of the specs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from ..configuration import Configuration, budget, opset
from ..diagnostics import Severity
from ..lint.selection import entry
from ..record import Record
from .request import Failure


class Overrides(Record):
    """What the command line sets over each configuration."""

    select: tuple[str, ...] = ()
    extend: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    budgets: Mapping[str, int] = {}
    opset: int | None = None
    fail_level: Severity | None = None
    baseline: Path | None = None

    def over(self, configuration: Configuration) -> Configuration:
        """A configuration with these; `--select` starts anew, as in Ruff, the others come on top."""
        theirs, options = configuration.selection, configuration.options
        if self.select:
            selection = theirs.replace(select=self.select, extend=self.extend, ignore=self.ignore)
        else:
            selection = theirs.replace(
                select=_without(theirs.select, self.ignore),
                extend=_without(theirs.extend, self.ignore) + self.extend,
                ignore=_without(theirs.ignore, self.extend) + self.ignore,
            )
        return configuration.replace(
            selection=selection,
            options=options.replace(budgets={**options.budgets, **self.budgets}, opset=self.opset or options.opset),
            fail_level=self.fail_level or configuration.fail_level,
            baseline=self.baseline or configuration.baseline,
        )


def _without(codes: tuple[str, ...], later: tuple[str, ...]) -> tuple[str, ...]:
    """The entries that what is said later does not settle: `--ignore CNN3` goes before a `select` of CNN301."""
    return tuple(code for code in codes if not code.startswith(later)) if later else codes


def overrides_of(arguments: argparse.Namespace) -> Overrides:
    """What the arguments set; Failure for what is none."""
    chosen = []
    for option in ("select", "extend_select", "ignore"):
        written = getattr(arguments, option)
        words = [word for given in written for word in given.split(",") if word.strip()]
        if written and not words:
            raise Failure(f"--{option.replace('_', '-')} names no rule; write codes, beginnings of codes, names or ALL")
        try:
            chosen.append(tuple(entry(word) for word in words))
        except ValueError as problem:
            raise Failure(f"--{option.replace('_', '-')}: {problem}") from None
    try:
        budgets = dict(_budget(written) for written in arguments.budget)
        wanted = None if arguments.opset is None else opset(arguments.opset)
    except ValueError as problem:
        raise Failure(str(problem)) from None
    level = None if arguments.fail_level is None else Severity(arguments.fail_level)
    baseline = Path(arguments.baseline) if arguments.baseline else None
    select, extend, ignore = chosen
    return Overrides(select, extend, ignore, budgets, wanted, level, baseline)


def _budget(written: str) -> tuple[str, int]:
    metric, equals, most = written.partition("=")
    if not equals:
        raise Failure(f"--budget {written}: write METRIC=N, as in params=25M")
    try:
        return metric.strip(), budget(metric.strip(), most.strip())
    except ValueError as problem:
        raise Failure(f"--budget {problem}") from None
