"""What every command has in common: exit codes, failures, and the options and the reading of a spec."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .. import report
from ..arithmetic import Value
from ..compiler import Compiled, Text, compile_text, dimensions, read_spec, setting
from ..diagnostics import Diagnostic, SpecError
from ..ir import Graph
from ..limits import DEFAULT_LIMITS, Limits
from ..syntax import Dimensions
from .streams import tell

CLEAN, FINDINGS, ERROR = 0, 1, 2


class Failure(Exception):
    """The command cannot go on; the message is for the user, the code for the shell."""

    def __init__(self, message: str, code: int = ERROR) -> None:
        super().__init__(message)
        self.code = code


def failed(message: str, code: int = ERROR) -> int:
    """Tell the user in one line what stands in the way; the exit code."""
    tell(f"cnndsl: {report.printable(' '.join(message.splitlines()))}")
    return code


def add_spec(
    command: argparse.ArgumentParser,
    many: bool = False,
    option: bool = False,
    folders: bool = False,
    required: bool = True,
    optional: bool = False,
) -> None:
    """The arguments of a command that reads a spec, or several; `option` makes it `--spec`; `folders` counts as specs."""
    forms = "a .cnn file, - for standard input, zoo:NAME, or the notation itself"
    if option:
        command.add_argument("--spec", metavar="SPEC", required=required, help=forms)
    elif folders:
        command.add_argument(
            "spec", metavar="SPEC", nargs="*", default=["."], help=f"a folder, a pattern, {forms}; default: this folder"
        )
    else:
        command.add_argument("spec", metavar="SPEC", nargs="+" if many else "?" if optional else None, help=forms)
    command.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter, free name or choice (N=2, act=GELU, down=on,off)",
    )
    command.add_argument("--input", metavar="CxHxW", help="the input's shape, instead of the spec's")
    command.add_argument("--classes", metavar="N", type=int, help="the number of classes, short for --set classes=N")
    for field, note in LIMIT_OPTIONS.items():
        command.add_argument(
            f"--{field.replace('_', '-')}",
            metavar="N",
            type=int,
            help=f"{note} (default {getattr(DEFAULT_LIMITS, field):,})",
        )


def spec_needed(arguments: argparse.Namespace) -> None:
    """Refuse the options that are about a spec where none is read; Failure."""
    for option in ("set", "input", "classes", *LIMIT_OPTIONS):
        if getattr(arguments, option) not in (None, []):
            raise Failure(f"--{option.replace('_', '-')} is about a spec, and none is read here: see --spec")


LIMIT_OPTIONS: Final = {
    "max_bytes": "largest spec in bytes",
    "max_nesting": "deepest nesting",
    "max_layers": "most layers",
    "max_recursion": "deepest use of definitions in each other",
    "max_steps": "longest expansion",
    "max_params": "most parameters to draw",
}


def limits(arguments: argparse.Namespace) -> Limits:
    """The limits that the arguments set; Failure for one below 1."""
    given = {field: getattr(arguments, field) for field in LIMIT_OPTIONS if getattr(arguments, field, None) is not None}
    for field, value in given.items():
        if value < 1:
            raise Failure(f"--{field.replace('_', '-')} must be at least 1")
    return DEFAULT_LIMITS.replace(**given) if given else DEFAULT_LIMITS


def asked(arguments: argparse.Namespace) -> tuple[dict[str, Value], Dimensions | None, Limits]:
    """The settings, the input's shape and the limits that the arguments set; ValueError or Failure for what is none."""
    settings = dict(setting(written) for written in arguments.set)
    if arguments.classes is not None:
        if arguments.classes < 1:
            raise Failure("--classes must be at least 1")
        settings["classes"] = arguments.classes
    shape = dimensions(arguments.input) if arguments.input is not None else None
    return settings, shape, limits(arguments)


def compile_spec(arguments: argparse.Namespace, spec: str) -> Compiled:
    """A spec compiled with what the arguments set; Failure where the command would write over what the spec reads."""
    settings, shape, within = asked(arguments)
    text: Text = read_spec(spec, within, settings)
    compiled = compile_text(text, settings, shape, within)
    keep_inputs(
        getattr(arguments, "output", None), *(str(used.path) for used in compiled.used if used.path is not None)
    )
    return compiled


def graph_of(arguments: argparse.Namespace, spec: str | None = None) -> Graph:
    """The graph of a spec, or of the one in the arguments; SpecError with what stands in its way."""
    compiled = compile_spec(arguments, arguments.spec if spec is None else spec)
    if compiled.graph is None:
        raise SpecError(compiled.diagnostics)
    return compiled.graph


def keep_inputs(output: str | None, *inputs: str | None) -> None:
    """Refuse to write over what is read, or over an image in a folder that is; Failure."""
    if output is None or not Path(output).is_file():
        return
    for name in inputs:
        if name is None or name == "-" or len(name) >= 4096:
            continue
        if Path(name).is_file() and Path(name).samefile(output):
            raise Failure(f"{output} is read here: write to another file than {name}")
        if Path(name).is_dir() and Path(output).resolve().is_relative_to(Path(name).resolve()):
            from ..images import find_images

            keep_inputs(output, *map(str, find_images([name])[0]))


def show(diagnostics: Sequence[Diagnostic], arguments: argparse.Namespace) -> None:
    """Print diagnostics in the form that the arguments ask for."""
    form = getattr(arguments, "format", "json" if getattr(arguments, "json", False) else "full")
    stream = sys.stdout if form == "json" or arguments.command == "lint" else sys.stderr
    tell(report.render(form, diagnostics, report.Context(colour=stream.isatty())), stream)


def deliver(text: str, target: str) -> int:
    """Write a text to a file, or to standard output for `-`."""
    if target == "-":
        sys.stdout.write(text)
        return CLEAN
    from ..files import write_text

    write_text(target, text)
    print(report.printable(target))
    return CLEAN
