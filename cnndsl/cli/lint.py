"""The command `lint`: which specs, under which settings, what to do with the findings, and the exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from .. import report
from ..batch import CACHE, Asked, Caches, Outcome, Task, lint_files
from ..compiler import names_a_file
from ..configuration import BadConfiguration, Configuration, Configurations
from ..diagnostics import Diagnostic, Severity
from ..processes import cores
from .overrides import Overrides, overrides_of
from .request import CLEAN, ERROR, FINDINGS, Failure, add_spec, asked, failed, keep_inputs
from .streams import tell


def lint_options(command: argparse.ArgumentParser) -> None:
    """The options of the command, in groups as its manual has them."""
    add_spec(command, folders=True)
    rules = command.add_argument_group("rules")
    for option, note in (
        (
            "--select",
            "only these: codes, beginnings of some (CNN3) or names; what compiling rejects is always reported",
        ),
        ("--extend-select", "these too"),
        ("--ignore", "all but these"),
    ):
        rules.add_argument(option, metavar="RULES", action="append", default=[], help=note)
    rules.add_argument(
        "--budget",
        metavar="METRIC=N",
        action="append",
        default=[],
        help="the most that a network may cost: params=25M, macs=4.2G, memory=100MB",
    )
    rules.add_argument("--opset", metavar="N", type=int, help="the ONNX opset that is deployed with (default 18)")
    rules.add_argument("--config", metavar="FILE", help="a configuration for all specs, instead of the nearest of each")
    rules.add_argument("--isolated", action="store_true", help="no configuration")
    results = command.add_argument_group("results")
    results.add_argument("--format", choices=report.FORMS, default="full", help="how findings are shown (default full)")
    results.add_argument(
        "-o", "--output", metavar="FILE", help="write them to a file; the text is printed all the same"
    )
    results.add_argument("--statistics", action="store_true", help="print how often each rule fires, and no more")
    results.add_argument(
        "--fail-level",
        metavar="LEVEL",
        choices=tuple(map(str, Severity)),
        help="exit 1 for findings from here up: error, warning or info (default warning)",
    )
    results.add_argument("--baseline", metavar="FILE", help="findings in it are known and not reported")
    results.add_argument(
        "--write-baseline", metavar="FILE", help="write all findings there; from then on they are known"
    )
    fixes = command.add_argument_group("fixes")
    fixes.add_argument(
        "--fix", action="store_true", help="mend what has one right answer; with -, print the mended text"
    )
    fixes.add_argument("--unsafe-fixes", action="store_true", help="mend what may change the network too")
    fixes.add_argument("--diff", action="store_true", help="print what --fix would change; write nothing")
    work = command.add_argument_group("work")
    work.add_argument("--jobs", metavar="N", type=int, help="processes (default: as many as there are cores)")
    work.add_argument("--no-cache", action="store_true", help="neither read nor write a cache")
    work.add_argument("--cache-dir", metavar="DIR", help="where the cache is (default .cnndsl_cache)")


def run_lint(arguments: argparse.Namespace) -> int:
    """Lint what the arguments name; the exit code."""
    wanted = Asked(*asked(arguments))
    jobs = cores() if arguments.jobs is None else arguments.jobs
    if jobs < 1:
        raise Failure("--jobs must be at least 1")
    overrides = overrides_of(arguments)
    configurations = Configurations(arguments.config, arguments.isolated)
    tasks, problems = _tasks(arguments.spec, configurations, overrides)
    keep_inputs(arguments.output, *(task.name for task in tasks if task.path is not None))
    caches = _caches(tasks, arguments)
    outcomes = lint_files(tasks, wanted, caches, jobs)
    if caches is not None:
        problems += caches.close()
    problems += [outcome.failure for outcome in outcomes if outcome.failure is not None]
    for problem in problems:
        failed(problem)
    code = ERROR if problems else CLEAN
    if arguments.fix or arguments.unsafe_fixes or arguments.diff:
        from .mending import mended

        outcomes, more = mended(outcomes, wanted, unsafe=arguments.unsafe_fixes, preview=arguments.diff)
        code = max(code, more)
        if arguments.diff:
            return code
    outcomes = _each_once(outcomes)
    if arguments.write_baseline:
        _write_baseline(arguments.write_baseline, outcomes)
        return code
    outcomes, more = _unknown(outcomes)
    code = max(code, more)
    texts = any(task.path is None for task in tasks) and (arguments.fix or arguments.unsafe_fixes)
    show_findings(outcomes, arguments, quiet=code == ERROR, stream=sys.stderr if texts else sys.stdout)
    return code or _verdict(outcomes)


def _caches(tasks: Sequence[Task], arguments: argparse.Namespace) -> Caches | None:
    """The caches; a single spec makes none, since writing one costs what it would save, and uses one that is there."""
    if arguments.no_cache:
        return None
    if arguments.cache_dir:
        return Caches(Path(arguments.cache_dir))
    files = [task for task in tasks if task.path is not None]
    return Caches() if len(files) > 1 or any((task.configuration.root / CACHE).is_dir() for task in files) else None


def _tasks(
    written: Sequence[str], configurations: Configurations, overrides: Overrides
) -> tuple[list[Task], list[str]]:
    """What to lint, files in the order of their paths before the rest, each once; and what stands in the way."""
    files: dict[str, str] = {}
    others: list[str] = []
    problems: list[str] = []
    for argument in dict.fromkeys(written):
        unread = len(problems)
        named = _files(argument, configurations, problems)
        if named is None:
            others.append(argument)
        elif not named and len(problems) == unread:
            problems.append(_nothing(argument))
        for name in named or ():
            files.setdefault(os.path.abspath(name).replace(os.sep, "/"), name)  # noqa: PTH100
    settled = _Settled(configurations, overrides, problems)
    tasks = [
        Task(name, Path(name), found) for _, name in sorted(files.items()) for found in settled.of(Path(name).parent)
    ]
    return tasks + [Task(other, None, found) for other in others for found in settled.of(Path())], problems


def _files(argument: str, configurations: Configurations, problems: list[str]) -> list[str] | None:
    """The names of the files that an argument means; None for what is no path. What cannot be read is a problem."""
    if argument == "-" or argument.startswith("zoo:"):
        return None
    if names_a_file(argument) and os.path.isfile(argument):  # noqa: PTH113
        return [argument]
    from ..workspace import specs

    found = specs(argument, configurations, problems)
    if found is not None:
        return [one.name for one in found]
    return [argument] if names_a_file(argument) else None


def _nothing(argument: str) -> str:
    if Path(argument).is_dir():
        return f"there are no specs in {argument}: no file ends in .cnn, or all are ignored"
    return f"no spec fits {argument}"


class _Settled:
    """The configuration of each folder under the command line; a bad one is a problem once, and its specs are left out."""

    def __init__(self, configurations: Configurations, overrides: Overrides, problems: list[str]) -> None:
        self._configurations = configurations
        self._overrides = overrides
        self._problems = problems
        self._known: dict[int, tuple[Any, list[Configuration]]] = {}

    def of(self, folder: Path) -> list[Configuration]:
        """The one, or none where it is bad."""
        try:
            found: Any = self._configurations.of(folder)
        except BadConfiguration as problem:
            found = problem
        if id(found) not in self._known:
            bad = isinstance(found, BadConfiguration)
            self._known[id(found)] = found, [] if bad else [self._overrides.over(found)]
            if bad:
                self._problems += str(found).splitlines()
        return self._known[id(found)][1]


def _verdict(outcomes: Iterable[Outcome]) -> int:
    order = list(Severity)
    for outcome in outcomes:
        least = order.index(outcome.task.configuration.fail_level)
        if any(order.index(finding.severity) <= least for finding in outcome.findings):
            return FINDINGS
    return CLEAN


def _each_once(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes with what was found in a file that several specs use told once: by the file itself, else the first."""
    own = {_identity(f) for outcome in outcomes for f in outcome.findings if _is_own(f, outcome)}
    seen: set[object] = set(own)
    result = []
    for outcome in outcomes:
        kept = []
        for finding in outcome.findings:
            identity = _identity(finding)
            if _is_own(finding, outcome) or identity not in seen:
                seen.add(identity)
                kept.append(finding)
        result.append(outcome if len(kept) == len(outcome.findings) else outcome.replace(findings=tuple(kept)))
    return result


def _is_own(finding: Diagnostic, outcome: Outcome) -> bool:
    return finding.span is None or finding.span.source.name == outcome.task.name


def _identity(finding: Diagnostic) -> object:
    span = finding.span
    return finding.code, span and (os.path.normpath(span.source.name), span.start, span.end)


def _write_baseline(path: str, outcomes: Sequence[Outcome]) -> None:
    from ..baseline import write

    found = _findings(outcomes)
    write(path, found, [outcome.task.name for outcome in outcomes])
    tell(f"{len(found)} finding{'s' * (len(found) != 1)} written to {path}", sys.stdout)


def _unknown(outcomes: list[Outcome]) -> tuple[list[Outcome], int]:
    """The outcomes without what their baselines know; the exit code is 2 where a baseline cannot be used."""
    code = CLEAN
    groups: dict[Path, list[int]] = {}
    for number, outcome in enumerate(outcomes):
        if outcome.task.configuration.baseline is not None:
            groups.setdefault(outcome.task.configuration.baseline, []).append(number)
    if not groups:
        return outcomes, code
    from ..baseline import UnusableBaseline

    for path, numbers in groups.items():
        try:
            known = _compared([outcomes[number] for number in numbers], path)
        except UnusableBaseline as problem:
            code = failed(str(problem))
            continue
        for number, outcome in zip(numbers, known, strict=True):
            outcomes[number] = outcome
    return outcomes, code


def _compared(outcomes: list[Outcome], path: Path) -> list[Outcome]:
    from ..baseline import compare, read, remarks
    from ..report.context import relative

    baseline = read(os.path.relpath(path) if path.is_absolute() else path)
    tasks = {relative(outcome.task.name, baseline.root): outcome.task for outcome in outcomes}

    def decided(code: str, path: str) -> bool:
        task = tasks.get(path)
        return task is None or task.configuration.selection.has(code, task.relative)

    comparison = compare(_findings(outcomes), baseline, [outcome.task.name for outcome in outcomes], decided)
    for line in remarks(comparison, os.path.relpath(path)):
        tell(line)
    new = {id(finding) for finding in comparison.new}
    return [outcome.replace(findings=tuple(f for f in outcome.findings if id(f) in new)) for outcome in outcomes]


def _findings(outcomes: Iterable[Outcome]) -> list[Diagnostic]:
    return [finding for outcome in outcomes for finding in outcome.findings]


def show_findings(outcomes: Sequence[Outcome], arguments: argparse.Namespace, *, quiet: bool, stream: TextIO) -> None:
    """Print the findings, or write them to a file and print them as text; beside GitHub's form the text too.

    `quiet`: where there are none, say nothing of it. `stream` is standard error where mended texts are on the other.
    """
    found = _findings(outcomes)
    names = tuple(outcome.task.name for outcome in outcomes)
    configuration = outcomes[0].task.configuration if outcomes else Configuration(Path())
    context = report.Context(
        files=names, fail_level=configuration.fail_level, documentation=configuration.documentation
    )
    form = arguments.format
    if arguments.output:
        from ..files import write_text

        shown = report.render(form, found, context)
        write_text(arguments.output, f"{shown}\n" if shown else "")
        form = "full"
    elif form == "github" and found:
        tell(report.render("full", found, context.replace(colour=sys.stderr.isatty())))
    if arguments.statistics:
        tell(_statistics(found, form), stream)
    elif found or form not in ("full", "concise", "github"):
        tell(report.render(form, found, context.replace(colour=stream.isatty())), stream)
    elif not quiet and form != "github" and stream is sys.stdout:
        tell("no findings" if len(names) == 1 else f"no findings in {len(names)} specs", stream)


def _statistics(findings: Sequence[Diagnostic], form: str) -> str:
    """How often each rule fires, the most frequent first; as JSON where that is the form."""
    counts: dict[tuple[str, str], int] = {}
    for finding in findings:
        key = finding.code, finding.name
        counts[key] = counts.get(key, 0) + 1
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    if form == "json":
        import json

        return json.dumps([{"code": code, "name": name, "count": count} for (code, name), count in rows], indent=2)
    return "\n".join(f"{count:>7,}  {code}  {name}" for (code, name), count in rows) or "no findings"
