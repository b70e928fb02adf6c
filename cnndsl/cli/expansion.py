"""expand: a spec written out, with what is silenced in it; and what the passes for inference make of it."""

from __future__ import annotations

import argparse
import sys

from ..api import findings
from ..compiler import Compiled, Text, compile_text
from ..diagnostics import SpecError
from ..expand import expand, retraced
from ..ir import Graph
from ..limits import DEFAULT_LIMITS
from ..lint.suppressions import Suppression, suppress, suppressions
from ..parser import parse_file
from ..passes import ALL, optimise
from ..source import Source
from .passes import chosen_passes, no_fold_option
from .request import CLEAN, Failure, add_spec, compile_spec


def expand_options(command: argparse.ArgumentParser) -> None:
    add_spec(command, optional=True)
    command.add_argument(
        "--passes",
        metavar="LIST",
        nargs="?",
        const="all",
        help=f"the network as a file for inference has it, after these passes, by comma: {', '.join(ALL)} (default all)",
    )
    no_fold_option(command)


def run_expand(arguments: argparse.Namespace) -> int:
    if arguments.spec is None and arguments.passes not in (None, "all"):
        arguments.spec, arguments.passes = arguments.passes, "all"  # `expand --passes SPEC`
    if arguments.spec is None:
        raise Failure("which spec? cnndsl expand SPEC")
    if arguments.no_fold_bn and arguments.passes is None:
        arguments.passes = "all"
    names = None if arguments.passes is None else chosen_passes(arguments)
    compiled = compile_spec(arguments, arguments.spec)
    if compiled.graph is None:
        raise SpecError(compiled.diagnostics)
    sys.stdout.write(expansion(compiled) if names is None else _at_inference(compiled, compiled.graph, names))
    return CLEAN


def _at_inference(compiled: Compiled, graph: Graph, names: tuple[str, ...]) -> str:
    """The text of the network after passes; what they do depends on the layers alone, so any weights do."""
    from ..weights import initial

    model = optimise(graph, initial(graph), names)
    return expand(model.graph, retraced(compiled.elaborated.trace, graph, model))


def expansion(compiled: Compiled) -> str:
    """The text of a network that compiled, with each `# cnn: ignore[...]` where what it is about has come to stand."""
    assert compiled.graph is not None
    text = expand(compiled.graph, compiled.elaborated.trace)
    given = _suppressions(compiled)
    if not given:
        return text
    lines = text.split("\n")
    for line, codes in _silenced(text, compiled, given).items():
        lines[line - 1] += f"  # cnn: ignore[{', '.join(sorted(codes))}]"
    return "\n".join(lines)


def _suppressions(compiled: Compiled) -> dict[Source, list[Suppression]]:
    """Those of every file that a layer of the network is written in."""
    sources = {span.source for span in compiled.elaborated.spans if "cnn:" in span.source.text}
    return {source: given for source in sources if (given := suppressions(parse_file(source)[0])[0])}


def _silenced(text: str, compiled: Compiled, given: dict[Source, list[Suppression]]) -> dict[int, set[str]]:
    """By line of the expansion, the codes of the findings there that are silenced where the layer was written."""
    most = 100 * max(len(text), DEFAULT_LIMITS.max_steps)
    limits = DEFAULT_LIMITS.replace(max_bytes=most, max_layers=most, max_steps=most)
    again = compile_text(Text(Source("", text)), limits=limits)
    places = {span.line: was for span, was in zip(again.elaborated.spans, compiled.elaborated.spans, strict=False)}
    silenced: dict[int, set[str]] = {}
    for finding in findings(again):
        was = places.get(finding.span.line) if finding.span is not None else None
        if finding.span is None or was is None or was.source not in given:
            continue
        kept, _ = suppress([finding.replace(span=was)], given[was.source])
        if not kept:
            silenced.setdefault(finding.span.line, set()).add(finding.code)
    return silenced
