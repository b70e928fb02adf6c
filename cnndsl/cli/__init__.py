"""The command `cnndsl`. Exit 0 clean, 1 findings, 2 usage or internal error."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from ..compiler import Unreadable
from ..diagnostics import SpecError
from ..interrupts import INTERRUPTED
from ..version import VERSION
from .commands import (
    compile_options,
    doctor_options,
    fmt_options,
    run_compile,
    run_doctor,
    run_expand,
    run_fmt,
    run_stats,
    stats_options,
)
from .completion import completion_options, completion_runner
from .diff import diff_options, run_diff
from .images import preprocess_options, run_options, run_preprocess, run_run
from .lint import lint_options, run_lint
from .request import CLEAN, ERROR, FINDINGS, Failure, add_spec, failed, said, show
from .rule import rule_options, run_rule
from .streams import finished, open_streams, tell
from .weights import run_weights, weights_options
from .zoo import compare_options, run_compare, run_zoo, zoo_options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    if argv is None:
        gc.disable()  # a short run makes no garbage in circles worth a tenth of its time
        open_streams()
    try:
        code = finished(_run(argv))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as failure:
        code = failed(said(failure))
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
        return COMMANDS[arguments.command].run(arguments)
    except SystemExit as ended:  # after --help, --version or a wrong option
        return ended.code if isinstance(ended.code, int) else CLEAN
    except SpecError as problem:
        found = problem.diagnostics
    except BrokenPipeError:  # whoever reads has enough
        return CLEAN
    except Failure as failure:
        return failed(str(failure), failure.code)
    except (Unreadable, ImportError, OSError, ValueError) as failure:
        return failed(said(failure))
    except MemoryError:
        return failed("out of memory")
    show(found, arguments)
    return FINDINGS


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"cnndsl: {message}\nTry `{self.prog} --help`.\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print as everything is printed: argparse's own says nothing of a full disk."""
        tell(message.removesuffix("\n"), sys.stdout if file is sys.stdout else sys.stderr)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Every command; its options only where it is among the words, because to add all of them takes milliseconds."""
    parser = _Parser(prog="cnndsl", description="Compile convolutional networks written as on the whiteboard.")
    parser.add_argument("--version", action="version", version=f"cnndsl {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        options = commands.add_parser(name, help=command.summary, description=command.summary, allow_abbrev=False)
        if name in words:
            command.options(options)
    return parser


class Command(NamedTuple):
    """One command: what it does in a line, what adds its options, and what runs it."""

    summary: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS: Final[dict[str, Command]] = {
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
    "run": Command("classify images with a compiled network", run_options, run_run),
    "preprocess": Command("measure the images that a network is trained on", preprocess_options, run_preprocess),
    "diff": Command("print what changed between two networks, or since a revision of git", diff_options, run_diff),
    "rule": Command("print the page of a code, or the table of all codes", rule_options, run_rule),
    "completion": Command(
        "print what a shell needs to complete commands and options",
        completion_options,
        completion_runner(lambda: _parser(tuple(COMMANDS))),
    ),
    "doctor": Command("report what is installed and what really runs", doctor_options, run_doctor),
}

if __name__ == "__main__":
    sys.exit(main())
