"""The command `cnndsl`. Exit 0 clean, 1 findings, 2 usage or internal error."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from ..compiler import Unreadable
from ..diagnostics import OF_WEIGHTS, SpecError, told
from ..interrupts import interrupted
from ..version import VERSION
from .request import CLEAN, ERROR, FINDINGS, Failure, failed, show
from .streams import finished, open_streams, tell

Options = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    if argv is None:
        gc.disable()  # a short run makes no garbage in circles worth a tenth of its time
        open_streams()
    try:
        code = finished(_run(argv))
    except KeyboardInterrupt as interrupt:
        code = interrupted(interrupt)
    except OSError as failure:
        code = failed(_told(failure))
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
        output = getattr(arguments, "output", None)
        if output == "":
            return failed("-o names no file")
        for name, shown in _READ.items():
            given = getattr(arguments, name, None)
            if given == "" or (isinstance(given, list) and "" in given):  # a path it would be, of this folder
                return failed(f"{shown} names nothing")
        if output is not None and output.endswith("/") and getattr(arguments, "to", None) != "triton":
            return failed(f"-o {output} names a folder: name a file in it, as {output}NAME")
        _, run = COMMANDS[arguments.command].functions()
        return run(arguments)
    except SystemExit as ended:  # after --help, --version or a wrong option
        return ended.code if isinstance(ended.code, int) else CLEAN
    except SpecError as problem:
        found = problem.diagnostics
    except BrokenPipeError:  # whoever reads has enough
        return CLEAN
    except Failure as failure:
        return failed(str(failure), failure.code)
    except (Unreadable, ImportError, OSError, ValueError) as failure:
        return failed(_told(failure))
    except MemoryError:
        return failed("out of memory")
    show(found, arguments)
    return ERROR if all(one.code in OF_WEIGHTS for one in found) else FINDINGS


def _told(failure: Exception) -> str:
    """A failure in words; where there is no room and no file is named, it is for what is printed."""
    if isinstance(failure, OSError) and failure.filename in (None, "/dev/stdout"):
        from ..files import FULL

        if failure.errno in FULL:
            failure.filename = "standard output"
    return told(failure)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"cnndsl: {message}\nTry `{self.prog} --help`.\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print as everything is printed: argparse's own says nothing of a full disk."""
        tell(message.removesuffix("\n"), sys.stdout if file is sys.stdout else sys.stderr)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Every command; its options only where it is among the words, because to load and add all of them takes milliseconds."""
    parser = _Parser(prog="cnndsl", description="Compile convolutional networks written as on the whiteboard.")
    parser.add_argument("--version", action="version", version=f"cnndsl {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        options = commands.add_parser(name, help=command.summary, description=command.summary, allow_abbrev=False)
        if name in words:
            add_options, _ = command.functions()
            add_options(options)
    return parser


_READ: Final = {
    "calibrate": "--calibrate",
    "verify_on": "--verify-on",
    "weights": "--weights",
    "map": "--map",
    "model": "MODEL",
    "images": "IMAGE",
    "checkpoint": "CHECKPOINT",
    "config": "--config",
    "baseline": "--baseline",
    "write_baseline": "--write-baseline",
    "cache_dir": "--cache-dir",
}
"""The arguments that are paths beside specs, and how they are called."""


class Command(NamedTuple):
    """One command: what it does in a line; what loads the two functions that add its options and that run it."""

    summary: str
    functions: Callable[[], tuple[Options, Run]]


def _compile() -> tuple[Options, Run]:
    from .compiling import compile_options, run_compile

    return compile_options, run_compile


def _lint() -> tuple[Options, Run]:
    from .lint import lint_options, run_lint

    return lint_options, run_lint


def _stats() -> tuple[Options, Run]:
    from .commands import run_stats, stats_options

    return stats_options, run_stats


def _expand() -> tuple[Options, Run]:
    from .expansion import expand_options, run_expand

    return expand_options, run_expand


def _fmt() -> tuple[Options, Run]:
    from .commands import fmt_options, run_fmt

    return fmt_options, run_fmt


def _weights() -> tuple[Options, Run]:
    from .weights import run_weights, weights_options

    return weights_options, run_weights


def _zoo() -> tuple[Options, Run]:
    from .zoo import run_zoo, zoo_options

    return zoo_options, run_zoo


def _compare() -> tuple[Options, Run]:
    from .zoo import compare_options, run_compare

    return compare_options, run_compare


def _run_images() -> tuple[Options, Run]:
    from .images import run_options, run_run

    return run_options, run_run


def _bench() -> tuple[Options, Run]:
    from .bench import bench_options, run_bench

    return bench_options, run_bench


def _preprocess() -> tuple[Options, Run]:
    from .images import preprocess_options, run_preprocess

    return preprocess_options, run_preprocess


def _diff() -> tuple[Options, Run]:
    from .diff import diff_options, run_diff

    return diff_options, run_diff


def _rule() -> tuple[Options, Run]:
    from .rule import rule_options, run_rule

    return rule_options, run_rule


def _completion() -> tuple[Options, Run]:
    from .completion import completion_options, completion_runner

    return completion_options, completion_runner(lambda: _parser(tuple(COMMANDS)))


def _doctor() -> tuple[Options, Run]:
    from .commands import doctor_options, run_doctor

    return doctor_options, run_doctor


COMMANDS: Final[dict[str, Command]] = {
    "compile": Command("write a spec as ONNX, as a PyTorch module's source, or as the graph's JSON", _compile),
    "lint": Command("report everything that is wrong with specs", _lint),
    "stats": Command("print shapes, parameters, MACs, memory and receptive fields by layer", _stats),
    "expand": Command("print a spec with every default, repeat and definition written out", _expand),
    "fmt": Command("rewrite specs in the canonical form", _fmt),
    "weights": Command("make the weights of a spec, or bring in another implementation's", _weights),
    "zoo": Command("list the architectures that come with the package, or print one's spec", _zoo),
    "compare": Command("print what networks cost side by side, or draw it", _compare),
    "run": Command("classify images with a compiled network", _run_images),
    "bench": Command("time a compiled network, each option of what runs it tried, and beside PyTorch", _bench),
    "preprocess": Command("measure the images that a network is trained on", _preprocess),
    "diff": Command("print what changed between two networks, or since a revision of git", _diff),
    "rule": Command("print the page of a code, or the table of all codes", _rule),
    "completion": Command("print what a shell needs to complete commands and options", _completion),
    "doctor": Command("report what is installed and what really runs", _doctor),
}

if __name__ == "__main__":
    sys.exit(main())
