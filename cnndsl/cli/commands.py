"""The commands `stats`, `fmt` and `doctor`."""

from __future__ import annotations

import argparse

from .request import CLEAN, FINDINGS, add_spec, graph_of


def stats_options(command: argparse.ArgumentParser) -> None:
    add_spec(command)
    command.add_argument("--json", action="store_true", help="as JSON")


def fmt_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "spec",
        metavar="FILE",
        nargs="+",
        help="files to rewrite in the canonical form; - reads standard input and prints",
    )
    command.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    command.add_argument("--diff", action="store_true", help="write nothing; print what would change")


def doctor_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")


def run_stats(arguments: argparse.Namespace) -> int:
    from ..analysis.statistics import statistics

    result = statistics(graph_of(arguments))
    if arguments.json:
        import json

        print(json.dumps(result.json(), indent=2))
    else:
        print(result.table())
    return CLEAN


def run_fmt(arguments: argparse.Namespace) -> int:
    from ..rewrite import format_files

    return format_files(arguments.spec, check=arguments.check, diff=arguments.diff)


def run_doctor(arguments: argparse.Namespace) -> int:
    from ..doctor import report as examine

    found = examine()
    if arguments.json:
        import json

        print(json.dumps(found.json(), indent=2))
    else:
        print(found.text())
    return CLEAN if found.healthy else FINDINGS
