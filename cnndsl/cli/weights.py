"""The command `weights`: draw a network's first weights, or convert another implementation's."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, Final

from ..diagnostics import SpecError
from .request import CLEAN, add_spec, compile_spec, graph_of, keep_inputs, limits

if TYPE_CHECKING:
    from ..convert import Match

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
    if arguments.action == "convert":
        return _convert(arguments)
    from ..backends import drawn
    from ..storage import save

    graph = graph_of(arguments)
    keep_inputs(arguments.output, arguments.spec)
    target = "/dev/stdout" if arguments.output == "-" else arguments.output
    save(target, graph, drawn(graph, arguments.seed, limits(arguments).max_params))
    print(arguments.output, file=sys.stderr if arguments.output == "-" else sys.stdout)
    return CLEAN


def _convert(arguments: argparse.Namespace) -> int:
    from ..backends import drawn
    from ..checkpoint import convert, read_checkpoint, read_map
    from ..storage import save

    compiled = compile_spec(arguments, arguments.spec)
    graph = compiled.graph
    if graph is None:
        raise SpecError(compiled.diagnostics)
    keep_inputs(arguments.output, arguments.spec, arguments.checkpoint, arguments.map)
    given = read_map(arguments.map) if arguments.map else None
    most = limits(arguments).max_params
    converted = convert(
        graph,
        read_checkpoint(arguments.checkpoint),
        spans=compiled.elaborated.spans,
        given=given,
        missing=(lambda graph: drawn(graph, SEED, most)) if arguments.partial else None,
    )
    save(arguments.output, graph, converted.arrays)
    if arguments.json:
        print(json.dumps({"output": arguments.output, **_plain(converted.match)}, indent=2))
    else:
        print("\n".join((*_table(converted.match), arguments.output)))
    return CLEAN


def _plain(match: Match) -> dict[str, Any]:
    return {
        "arrays": [{"ours": pair.ours, "theirs": pair.theirs, "shape": list(pair.shape)} for pair in match.pairs],
        "drawn": list(match.missing),
        "unused": list(match.unused),
    }


def _table(match: Match) -> list[str]:
    """What went where, an array a line; then what was drawn and what was left."""
    rows = [("ours", "theirs", "shape")]
    rows += [(pair.ours, pair.theirs, "x".join(map(str, pair.shape))) for pair in match.pairs]
    rows += [(name, "drawn", "") for name in match.missing] + [("unused", name, "") for name in match.unused]
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    lines = [f"{row[0]:{first}}  {row[1]:{second}}  {row[2]}".rstrip() for row in rows]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
