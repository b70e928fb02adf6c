"""The command `cnndsl`. Exit 0 clean, 1 findings, 2 usage or internal error."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Final, NamedTuple, NoReturn

from ..compiler import Unreadable
from ..diagnostics import SpecError
from ..version import VERSION
from .commands import (
    compile_options,
    doctor_options,
    fmt_options,
    lint_options,
    run_compile,
    run_doctor,
    run_expand,
    run_fmt,
    run_lint,
    run_stats,
    stats_options,
)
from .request import ERROR, FINDINGS, Failure, add_spec, failed, said, show
from .weights import run_weights, weights_options
from .zoo import compare_options, run_compare, run_zoo, zoo_options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    if argv is None:
        gc.disable()  # a short run makes no garbage in circles worth a tenth of its time
        if isinstance(sys.stdout, TextIOWrapper):  # a terminal or a file of few characters gets the others escaped
            sys.stdout.reconfigure(errors="backslashreplace")
    arguments = _parser().parse_args(argv)
    try:
        code = COMMANDS[arguments.command].run(arguments)
        sys.stdout.flush()
    except SpecError as problem:
        show(problem.diagnostics, arguments)
        return FINDINGS
    except BrokenPipeError:
        sys.stderr.close()
        return ERROR
    except KeyboardInterrupt:
        return failed("interrupted")
    except Failure as failure:
        return failed(str(failure), failure.code)
    except (Unreadable, ImportError, OSError, ValueError) as failure:
        return failed(said(failure))
    except MemoryError:
        return failed("out of memory")
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"cnndsl: {message}\nTry `{self.prog} --help`.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="cnndsl", description="Compile convolutional networks written as on the whiteboard.")
    parser.add_argument("--version", action="version", version=f"cnndsl {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        options = commands.add_parser(name, help=command.summary, description=command.summary, allow_abbrev=False)
        command.options(options)
    return parser


class Command(NamedTuple):
    """One command: what it does in a line, what adds its options, and what runs it."""

    summary: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS: Final = {
    "compile": Command(
        "write a spec as ONNX, as a PyTorch module's source, or as the graph's JSON", compile_options, run_compile
    ),
    "lint": Command("report everything that is wrong with specs", lint_options, run_lint),
    "stats": Command("print shapes, parameters, MACs, memory and receptive fields by layer", stats_options, run_stats),
    "expand": Command("print a spec with every default, repeat and definition written out", add_spec, run_expand),
    "fmt": Command("rewrite specs in the canonical form", fmt_options, run_fmt),
    "weights": Command(
        "make the weights of a spec, or bring in another implementation's", weights_options, run_weights
    ),
    "zoo": Command("list the architectures that come with the package, or print one's spec", zoo_options, run_zoo),
    "compare": Command("print what networks cost side by side, or draw it", compare_options, run_compare),
    "doctor": Command("report what is installed and what really runs", doctor_options, run_doctor),
}

if __name__ == "__main__":
    sys.exit(main())
