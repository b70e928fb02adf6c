"""The command `weights`: draw a network's first weights, or convert another implementation's."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeAlias

from ..diagnostics import SpecError
from ..report import legible, printable
from .request import CLEAN, Failure, add_spec, compile_spec, failed, graph_of, keep_inputs, limits

if TYPE_CHECKING:
    from ..convert import Match

Shape: TypeAlias = tuple[int, ...]

OTHERS: Final = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".h5", ".hdf5", ".keras", ".npy", ".npz", ".onnx", ".pkl")
"""How files end that are no safetensors."""

SEED: Final = 0
"""For what a partial conversion leaves to be drawn."""


def weights_options(command: argparse.ArgumentParser) -> None:
    """The options of `weights`."""
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    drawing = "draw the first weights of a spec and write them as .safetensors"
    drawn = actions.add_parser("init", help=drawing, description=drawing, allow_abbrev=False)
    add_spec(drawn)
    drawn.add_argument("--seed", metavar="N", type=int, default=0, help="default 0")
    drawn.add_argument("-o", "--output", metavar="OUT", required=True, help="the .safetensors file to write")
    _convert_options(actions)


def _convert_options(actions: Any) -> None:
    summary = "bring in the state dict of another implementation, matched by structure"
    converted = actions.add_parser("convert", help=summary, description=summary, allow_abbrev=False)
    converted.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="a .safetensors file, or one of torch.save (.pth, .pt, .bin)"
    )
    add_spec(converted, option=True)
    converted.add_argument("-o", "--output", metavar="OUT", required=True, help="the .safetensors file to write")
    converted.add_argument("--partial", action="store_true", help="take what fits, draw the rest with seed 0")
    converted.add_argument(
        "--map", metavar="FILE", help="a JSON or TOML object: for arrays or layers of the spec, theirs"
    )
    converted.add_argument("--json", action="store_true", help="the table as JSON")


def run_weights(arguments: argparse.Namespace) -> int:
    """`weights init` or `weights convert`."""
    output: str = arguments.output
    _be_safetensors(output)
    if arguments.action == "convert":
        return _convert(arguments)
    from ..backends import drawn
    from ..storage import save

    graph = graph_of(arguments)
    keep_inputs(output, arguments.spec)
    save(_target(output), graph, drawn(graph, arguments.seed, limits(arguments).max_params))
    print(printable(output), file=_beside(output))
    return CLEAN


def _be_safetensors(output: str) -> None:
    """Refuse a name that others would take for another kind of file; Failure."""
    stem, dot, ending = output.rpartition(".")
    if dot and f".{ending.lower()}" in OTHERS:
        raise Failure(f"weights are written as safetensors, not as .{ending}: name the file {stem}.safetensors")


def _target(output: str) -> str:
    return "/dev/stdout" if output == "-" else output


def _beside(output: str) -> TextIO:
    """Where to print what is no weights."""
    return sys.stderr if output == "-" else sys.stdout


def _convert(arguments: argparse.Namespace) -> int:
    from ..backends import drawn
    from ..checkpoint import convert, read_checkpoint, read_map
    from ..storage import save

    compiled = compile_spec(arguments, arguments.spec)
    graph = compiled.graph
    if graph is None:
        raise SpecError(compiled.diagnostics)
    output: str = arguments.output
    keep_inputs(output, arguments.spec, arguments.checkpoint, arguments.map)
    given = read_map(arguments.map) if arguments.map else None
    most = limits(arguments).max_params
    checkpoint = read_checkpoint(arguments.checkpoint)
    converted = convert(
        graph,
        checkpoint,
        spans=compiled.elaborated.spans,
        given=given,
        missing=(lambda graph: drawn(graph, SEED, most)) if arguments.partial else None,
    )
    save(_target(output), graph, converted.arrays)
    for warning in converted.warnings:
        failed(f"warning: {warning}")
    found = converted.match
    if 10 * len(found.pairs) < len(found.pairs) + len(found.missing):
        failed("warning: little of the checkpoint fits: is it of another architecture?")
    if arguments.json:
        print(json.dumps({"output": legible(output), **_plain(found)}, indent=2), file=_beside(output))
        return CLEAN
    ours = {name: array.shape for name, array in converted.arrays.items()}
    theirs = {tensor.name: tensor.shape for tensor in checkpoint.tensors}
    print("\n".join((*_table(found, ours, theirs), "", _summary(found), printable(output))), file=_beside(output))
    return CLEAN


def _plain(match: Match) -> dict[str, Any]:
    return {
        "arrays": [
            {"ours": pair.ours, "theirs": pair.theirs, "shape": list(pair.shape), "dtype": pair.dtype}
            for pair in match.pairs
        ],
        "drawn": list(match.missing),
        "unused": list(match.unused),
        "taken": len(match.pairs),
        "seed": SEED if match.missing else None,
    }


def _summary(match: Match) -> str:
    """How many arrays were taken, of which types, and drawn."""
    taken, drawn = len(match.pairs), len(match.missing)
    kinds = Counter(pair.dtype for pair in match.pairs if pair.dtype.startswith(("float", "bfloat")))
    rounded = [f"{count} of {kind} as float32" for kind, count in kinds.items() if kind != "float32"]
    parts = [f"{taken} of {taken + drawn} arrays taken", *rounded]
    parts += [f"{drawn} drawn with seed {SEED}"] if drawn else []
    parts += [f"{len(match.unused)} of the checkpoint unused"] if match.unused else []
    return ", ".join(parts)


def _table(match: Match, ours: Mapping[str, Shape], theirs: Mapping[str, Shape]) -> list[str]:
    """What went where, an array a line; then, apart, what was drawn and what was left."""
    rows = [(pair.ours, pair.theirs, pair.shape) for pair in match.pairs]
    drawn = [(name, "(drawn)", ours[name]) for name in match.missing]
    unused = [("(unused)", name, theirs[name]) for name in match.unused]
    every = [("ours", "theirs", ()), *rows, *drawn, *unused]
    first, second = (max(len(row[i]) for row in every) for i in (0, 1))
    groups = [
        [f"{mine:{first}}  {other:{second}}  {'x'.join(map(str, shape))}".rstrip() for mine, other, shape in group]
        for group in (rows, drawn, unused)
    ]
    title = f"{'ours':{first}}  {'theirs':{second}}  shape"
    width = max(map(len, (title, *chain(*groups))))
    lines = [title]
    for group in groups:
        lines += ["-" * width, *group] if group else []
    return lines
