"""The command: `cnndsl compile|lint|stats|expand|fmt|weights|doctor`. Exit 0 clean, 1 findings, 2 usage or internal error."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Final, NoReturn

from . import report
from .compiler import Compiled, Text, Unreadable, compile_text, dimensions, read_spec, setting
from .diagnostics import Diagnostic, SpecError
from .ir import Graph
from .limits import DEFAULT_LIMITS, Limits
from .version import VERSION

CLEAN, FINDINGS, ERROR = 0, 1, 2


class Failure(Exception):
    """The command cannot go on; the message is for the user, the code for the shell."""

    def __init__(self, message: str, code: int = ERROR) -> None:
        super().__init__(message)
        self.code = code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    if argv is None:
        gc.disable()  # a short run makes no garbage in circles worth a tenth of its time
        if isinstance(sys.stdout, TextIOWrapper):  # a terminal or a file of few characters gets the others escaped
            sys.stdout.reconfigure(errors="backslashreplace")
    arguments = _parser().parse_args(argv)
    try:
        code = _COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
    except SpecError as problem:
        _show(problem.diagnostics, arguments)
        return FINDINGS
    except BrokenPipeError:
        sys.stderr.close()
        return ERROR
    except KeyboardInterrupt:
        return _failed("interrupted")
    except Failure as failure:
        return _failed(str(failure), failure.code)
    except (Unreadable, ImportError, OSError, ValueError) as failure:
        return _failed(_said(failure))
    except MemoryError:
        return _failed("out of memory")
    return code


def _said(failure: Exception) -> str:
    if isinstance(failure, OSError) and failure.strerror:
        return f"{failure.strerror}: {failure.filename}" if failure.filename else failure.strerror
    return str(failure)


def _failed(message: str, code: int = ERROR) -> int:
    print(f"cnndsl: {message}", file=sys.stderr)
    return code


# -- arguments -------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"cnndsl: {message}\nTry `{self.prog} --help`.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="cnndsl", description="Compile convolutional networks written as on the whiteboard.")
    parser.add_argument("--version", action="version", version=f"cnndsl {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, add) in _OPTIONS.items():
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        add(command)
    return parser


def _spec(command: argparse.ArgumentParser, many: bool = False) -> None:
    command.add_argument(
        "spec",
        metavar="SPEC",
        nargs="+" if many else None,
        help="a .cnn file, - for standard input, zoo:NAME, or the notation itself",
    )
    command.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter, free name or choice (N=2, act=GELU, down=on,off)",
    )
    command.add_argument("--input", metavar="CxHxW", help="the input's shape, instead of the spec's")
    command.add_argument("--classes", metavar="N", type=int, help="the number of classes, short for --set classes=N")
    for field, note in _LIMITS.items():
        command.add_argument(
            f"--{field.replace('_', '-')}",
            metavar="N",
            type=int,
            help=f"{note} (default {getattr(DEFAULT_LIMITS, field):,})",
        )


_LIMITS: Final = {
    "max_bytes": "largest spec in bytes",
    "max_nesting": "deepest nesting",
    "max_layers": "most layers",
    "max_recursion": "deepest use of definitions in each other",
    "max_steps": "longest expansion",
    "max_params": "most parameters to draw",
}


def _compile_options(command: argparse.ArgumentParser) -> None:
    _spec(command)
    command.add_argument("--to", choices=("onnx", "torch", "ir"), required=True, help="what to write")
    command.add_argument(
        "-o", "--output", metavar="OUT", help="the file to write; - for standard output (default for torch and ir)"
    )
    weights = command.add_mutually_exclusive_group()
    weights.add_argument("--weights", metavar="FILE", help="a .safetensors file with the weights")
    weights.add_argument("--seed", metavar="N", type=int, help="draw the weights with this seed (default 0)")
    weights.add_argument("--no-weights", action="store_true", help="write the structure alone")
    command.add_argument("--opset", metavar="N", type=int, default=18, help="ONNX opset, 17 to 26 (default 18)")
    command.add_argument(
        "--verify", action="store_true", help="run ONNX Runtime against PyTorch before the file appears"
    )


def _lint_options(command: argparse.ArgumentParser) -> None:
    _spec(command, many=True)
    command.add_argument("--format", choices=("full", "concise", "json"), default="full", help="how findings are shown")


def _stats_options(command: argparse.ArgumentParser) -> None:
    _spec(command)
    command.add_argument("--json", action="store_true", help="as JSON")


def _fmt_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "spec",
        metavar="FILE",
        nargs="+",
        help="files to rewrite in the canonical form; - reads standard input and prints",
    )
    command.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    command.add_argument("--diff", action="store_true", help="write nothing; print what would change")


def _weights_options(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    drawn = actions.add_parser("init", help="draw the first weights of a spec and write them as .safetensors")
    _spec(drawn)
    drawn.add_argument("--seed", metavar="N", type=int, default=0, help="default 0")
    drawn.add_argument("-o", "--output", metavar="OUT", required=True, help="the .safetensors file to write")


def _doctor_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")


_OPTIONS: Final[dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = {
    "compile": ("write a spec as ONNX, as a PyTorch module's source, or as the graph's JSON", _compile_options),
    "lint": ("report everything that is wrong with specs", _lint_options),
    "stats": ("print shapes, parameters, MACs, memory and receptive fields by layer", _stats_options),
    "expand": ("print a spec with every default, repeat and definition written out", _spec),
    "fmt": ("rewrite specs in the canonical form", _fmt_options),
    "weights": ("make the weights of a spec", _weights_options),
    "doctor": ("report what is installed and what really runs", _doctor_options),
}


# -- reading ---------------------------------------------------------------------------------------------------------


def _limits(arguments: argparse.Namespace) -> Limits:
    given = {field: getattr(arguments, field) for field in _LIMITS if getattr(arguments, field, None) is not None}
    for field, value in given.items():
        if value < 1:
            raise Failure(f"--{field.replace('_', '-')} must be at least 1")
    return DEFAULT_LIMITS.replace(**given) if given else DEFAULT_LIMITS


def _compile_spec(arguments: argparse.Namespace, spec: str) -> Compiled:
    settings = dict(setting(written) for written in arguments.set)
    if arguments.classes is not None:
        if arguments.classes < 1:
            raise Failure("--classes must be at least 1")
        settings["classes"] = arguments.classes
    shape = dimensions(arguments.input) if arguments.input is not None else None
    limits = _limits(arguments)
    text: Text = read_spec(spec, limits)
    return compile_text(text, settings, shape, limits)


def _graph(arguments: argparse.Namespace) -> Graph:
    """The spec's graph; SpecError with what stands in its way."""
    compiled = _compile_spec(arguments, arguments.spec)
    if compiled.graph is None:
        raise SpecError(compiled.diagnostics)
    return compiled.graph


def _show(diagnostics: Sequence[Diagnostic], arguments: argparse.Namespace) -> None:
    form = getattr(arguments, "format", "json" if getattr(arguments, "json", False) else "full")
    if form == "json":
        import json

        print(json.dumps(report.json(diagnostics), indent=2, ensure_ascii=True))
        return
    stream = sys.stdout if arguments.command == "lint" else sys.stderr
    if form == "concise":
        print("\n".join(map(report.concise, diagnostics)), file=stream)
    else:
        print(report.text(diagnostics, colour=stream.isatty()), file=stream)
        print(f"\n{report.summary(diagnostics)}", file=stream)


# -- commands --------------------------------------------------------------------------------------------------------


def _lint(arguments: argparse.Namespace) -> int:
    from .api import findings

    found: list[Diagnostic] = []
    failed = False
    for spec in arguments.spec:
        try:
            found += findings(_compile_spec(arguments, spec))
        except SpecError as problem:
            found += problem.diagnostics
        except (Unreadable, OSError) as problem:
            failed = True
            _failed(_said(problem))
    if found or arguments.format == "json":
        _show(found, arguments)
    elif not failed:
        print("no findings" if len(arguments.spec) == 1 else f"no findings in {len(arguments.spec)} specs")
    return ERROR if failed else FINDINGS if found else CLEAN


def _compile(arguments: argparse.Namespace) -> int:
    from . import backends

    graph = _graph(arguments)
    if arguments.to == "torch":
        return _deliver(backends.torch_text(graph), arguments.output or "-")
    if arguments.to == "ir":
        return _deliver(backends.ir_text(graph), arguments.output or "-")
    target = arguments.output or _default_output(arguments.spec, graph.name, ".onnx")
    options = backends.OnnxOptions(
        arguments.weights,
        arguments.seed or 0,
        arguments.no_weights,
        arguments.opset,
        arguments.verify,
        _limits(arguments).max_params,
    )
    try:
        written = backends.compile_onnx(graph, Path("/dev/stdout" if target == "-" else target), options)
    except backends.Disagreement as failure:
        raise Failure(str(failure), FINDINGS) from None
    if written.warnings:
        _show(written.warnings, arguments)
    for line in (*_open_sizes(graph), *written.remarks, *map(str, written.files)):
        print(line, file=sys.stderr if target == "-" else sys.stdout)
    return CLEAN


def _open_sizes(graph: Graph) -> tuple[str, ...]:
    """Which sizes of an open input are valid."""
    if graph.input_shape.fixed:
        return ()
    from .analysis.sizes import valid_sizes

    return (f"valid sizes: {'; '.join(valid_sizes(graph).lines()) or 'all'}",)


def _default_output(spec: str, name: str, ending: str) -> str:
    if spec != "-" and spec.endswith(".cnn"):
        return Path(spec).stem + ending
    return (spec.removeprefix("zoo:") if spec.startswith("zoo:") else name).replace("/", "_") + ending


def _deliver(text: str, target: str) -> int:
    if target == "-":
        sys.stdout.write(text)
        return CLEAN
    from .files import write_text

    write_text(target, text)
    print(target)
    return CLEAN


def _stats(arguments: argparse.Namespace) -> int:
    from .analysis.statistics import statistics

    result = statistics(_graph(arguments))
    if arguments.json:
        import json

        print(json.dumps(result.json(), indent=2))
    else:
        print(result.table())
    return CLEAN


def _expand(arguments: argparse.Namespace) -> int:
    from .expand import expand

    compiled = _compile_spec(arguments, arguments.spec)
    if compiled.graph is None:
        raise SpecError(compiled.diagnostics)
    sys.stdout.write(expand(compiled.graph, compiled.elaborated.trace))
    return CLEAN


def _fmt(arguments: argparse.Namespace) -> int:
    from .rewrite import format_files

    return format_files(arguments.spec, check=arguments.check, diff=arguments.diff)


def _weights(arguments: argparse.Namespace) -> int:
    from .backends import drawn
    from .weights import save

    graph = _graph(arguments)
    save(arguments.output, graph, drawn(graph, arguments.seed, _limits(arguments).max_params))
    print(arguments.output)
    return CLEAN


def _doctor(arguments: argparse.Namespace) -> int:
    from .doctor import report as examine

    found = examine()
    if arguments.json:
        import json

        print(json.dumps(found.json(), indent=2))
    else:
        print(found.text())
    return CLEAN if found.healthy else FINDINGS


_COMMANDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "compile": _compile,
    "lint": _lint,
    "stats": _stats,
    "expand": _expand,
    "fmt": _fmt,
    "weights": _weights,
    "doctor": _doctor,
}

if __name__ == "__main__":
    sys.exit(main())
