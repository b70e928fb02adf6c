"""Whatever stands in a spec, compiling returns: random syntax, meant to mean nothing, through every stage."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from syntax_strategies import statements
from test_elaborate import NAMES, SHAPES, WIDTHS

from cnndsl import report, syntax
from cnndsl.api import findings
from cnndsl.compiler import Compiled, Text, compile_text
from cnndsl.expand import expand
from cnndsl.formatter import format_file
from cnndsl.limits import Limits
from cnndsl.parser import parse_file
from cnndsl.source import Source
from cnndsl.syntax import File

LIMITS = Limits(max_layers=300, max_steps=3000)
SPECS = [text for text, *_ in (*NAMES, *WIDTHS, *SHAPES)]
SETTINGS = st.dictionaries(
    st.sampled_from(["N", "w", "n", "k", "down", "left", "classes", "act"]),
    st.one_of(
        st.integers(-3, 2**70), st.floats(), st.booleans(), st.sampled_from(["GELU", "Block", "same", ""]),
        st.lists(st.booleans(), max_size=3).map(tuple),
    ),
    max_size=3,
)  # fmt: skip


def used(result: Compiled) -> None:
    """Everything that is made of a result."""
    found = findings(result)
    assert found or result.graph is not None
    report.text(found)
    report.json(found)
    if result.graph is not None:
        expand(result.graph, result.elaborated.trace)
        assert len({node.name for node in result.graph.nodes}) == len(result.graph.nodes)


@settings(max_examples=3 * settings.default.max_examples)
@given(st.lists(statements, min_size=1, max_size=5), SETTINGS)
def test_random_syntax(made: list[syntax.Statement], values: dict[str, object]) -> None:
    text = "input 3x8x8\n" + format_file(File(Source("", ""), tuple(made)))
    used(compile_text(Text(Source("random", text)), values, limits=LIMITS))


@settings(max_examples=3 * settings.default.max_examples)
@given(st.data(), SETTINGS)
def test_mangled_specs(data: st.DataObject, values: dict[str, object]) -> None:
    text = "input 3x8x8\n" + data.draw(st.sampled_from(SPECS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        other = data.draw(st.sampled_from(SPECS))
        at = data.draw(st.integers(0, len(other)))
        text = (
            text[:start] + data.draw(st.sampled_from(["", other[at : at + 9], "9", "(", "]", "*9", "-"])) + text[end:]
        )
    result = compile_text(Text(Source("mangled", text)), values, limits=LIMITS)
    used(result)
    file, problems = parse_file(Source("mangled", text))
    if not problems:
        again = compile_text(Text(Source("formatted", format_file(file))), values, limits=LIMITS)
        assert [d.code for d in again.diagnostics] == [d.code for d in result.diagnostics]
        assert (again.graph is None) == (result.graph is None)
        if again.graph is not None and result.graph is not None:
            assert again.graph.hash() == result.graph.hash()
