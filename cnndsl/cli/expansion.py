"""A spec written out in which is silenced what is silenced in the spec."""

from __future__ import annotations

from ..api import findings
from ..compiler import Compiled, Text, compile_text
from ..expand import expand
from ..limits import DEFAULT_LIMITS
from ..lint.suppressions import Suppression, suppress, suppressions
from ..parser import parse_file
from ..source import Source


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
