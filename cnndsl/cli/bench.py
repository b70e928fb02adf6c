"""The command `bench`: a compiled network timed on an execution provider, and beside PyTorch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import report
from ..diagnostics import SpecError
from ..ir import Graph
from .request import CLEAN, ERROR, FINDINGS, Failure, add_spec, failed, graph_of, limits, spec_needed

if TYPE_CHECKING:
    from ..bench import ModelFile, Torch

SECONDS: Final = 2.0
LARGEST: Final = 2**20
"""Of batches and sizes."""


def bench_options(command: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    command.add_argument("model", metavar="MODEL", help="an .onnx file")
    command.add_argument("--provider", choices=("cpu", "cuda", "tensorrt"), default="cpu", help="default cpu")
    command.add_argument("--batch", metavar="N,N", help="batch sizes (default the file's own, or 1)")
    command.add_argument("--size", metavar="HxW", help="the sizes that the file leaves open, in their order")
    command.add_argument(
        "--seconds", metavar="S", type=float, default=SECONDS, help=f"how long each is timed (default {SECONDS:g})"
    )
    command.add_argument(
        "--fix", metavar="NAME=VALUE", action="append", default=[], help="an option of the provider that is not tried"
    )
    command.add_argument("--no-sweep", action="store_true", help="try no options: the defaults, and what --fix says")
    command.add_argument("--against", choices=("torch",), help="time PyTorch too, eager and compiled; needs --spec")
    weights = command.add_mutually_exclusive_group()
    weights.add_argument("--weights", metavar="FILE", help="PyTorch's weights, .safetensors (default those of MODEL)")
    weights.add_argument("--seed", metavar="N", type=int, help="PyTorch's weights drawn with this seed")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    add_spec(command, option=True, required=False)


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure; 1 where something else ran or PyTorch does not agree, 2 where the model or the provider does not do."""
    from .. import bench

    batches: tuple[int | None, ...] = (None,) if arguments.batch is None else _numbers("--batch", arguments.batch, ",")
    size = None if arguments.size is None else _numbers("--size", arguments.size, "x")
    if not 0 < arguments.seconds <= 3600:
        raise Failure("--seconds must be above 0, and at most 3600")
    try:
        start, held = bench.fixed(arguments.provider, arguments.fix)
        file = bench.read_model(arguments.model)
        side = _torch(arguments, file)
        with _Bar(bench.steps(start.provider, len(batches), held, not arguments.no_sweep), arguments.quiet) as bar:
            found = bench.bench(
                file,
                start,
                batches,
                size,
                held=held,
                sweep=not arguments.no_sweep,
                seconds=arguments.seconds,
                torch=side,
                step=bar.step,
            )
    except bench.FellBack as problem:
        raise Failure(str(problem), FINDINGS) from None
    except bench.CannotBench as problem:
        raise Failure(str(problem)) from None
    print(json.dumps(found.json(), indent=2) if arguments.json else _printable(bench.text(found)))
    if found.agreement is not None and not found.agreement.agrees:
        return failed(_differs(arguments, file), FINDINGS)
    return ERROR if any(measured.problem is not None for measured in found.measured) else CLEAN


def _printable(text: str) -> str:
    return "\n".join(map(report.printable, text.split("\n")))


def _numbers(option: str, written: str, between: str) -> tuple[int, ...]:
    parts = written.split(between)
    if not all(part.isascii() and part.isdigit() and len(part) < 8 and 1 <= int(part) <= LARGEST for part in parts):
        example = "1,8,64" if between == "," else "224x224"
        raise Failure(f"{option} {written}: whole numbers from 1 to {LARGEST:,} are written as {example}")
    return tuple(dict.fromkeys(map(int, parts))) if between == "," else tuple(map(int, parts))


def _torch(arguments: argparse.Namespace, file: ModelFile) -> Torch | None:
    """The network for PyTorch, with the weights that are named, or else the file's."""
    if arguments.against is None:
        for option in ("spec", "weights", "seed"):
            if getattr(arguments, option) is not None:
                raise Failure(f"--{option} is for --against torch")
        spec_needed(arguments)
        return None
    if arguments.spec is None:
        name = file.metadata.get("name")
        of = f", the one of {name}" if name else ""
        raise Failure(f"--against torch needs the spec that {file.path} was compiled from{of}: --spec SPEC")
    from ..bench import Torch

    graph = graph_of(arguments)
    if file.metadata.get("hash") not in (None, graph.hash()):
        raise Failure(
            f"{file.path} was compiled from another network than {graph.name}: name its own spec with --spec, "
            "with the same --set, --input and --classes"
        )
    return Torch(graph, _weights(arguments, file, graph))


def _weights(arguments: argparse.Namespace, file: ModelFile, graph: Graph) -> Mapping[str, Any]:
    if arguments.weights is not None:
        return _stored(arguments.weights, graph)
    if arguments.seed is None:
        from ..bench import arrays_in

        own = arrays_in(file.path, graph)
        if own is not None:
            return own
    from ..backends import drawn

    return drawn(graph, arguments.seed or 0, limits(arguments).max_params)


def _stored(path: str, graph: Graph) -> Mapping[str, Any]:
    from ..storage import read

    if not Path(path).is_file():
        raise Failure(f"{path} {'is a folder' if Path(path).is_dir() else 'does not exist'}")
    stored = read(path, graph)
    if stored.arrays is None:
        raise SpecError(stored.diagnostics)
    return stored.arrays


def _differs(arguments: argparse.Namespace, file: ModelFile) -> str:
    """What to do where PyTorch gives something else."""
    named = arguments.weights is not None or arguments.seed is not None
    return f"{file.path} and PyTorch differ: name the {'' if not named else 'right '}weights with --weights or --seed"


class _Bar:
    """A progress bar on standard error, if that is a terminal."""

    def __init__(self, total: int, quiet: bool) -> None:
        self._bar: Any = None
        if not quiet and sys.stderr.isatty():
            from ..extras import MissingExtra, need

            try:
                self._bar = need("tqdm", "images").tqdm(total=total, unit="step", file=sys.stderr, leave=False)
            except MissingExtra:
                return  # it is only for show

    def step(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.close()
