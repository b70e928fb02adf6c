"""`expand`: the text that is written out compiles to the same operations, wiring and shapes, and says every default."""

from __future__ import annotations

from typing import Any

import pytest
from compiling import compiled, said
from hypothesis import given, settings
from networks_strategy import specs
from notation import Spec
from test_elaborate import EXAMPLES, LECTURES
from test_graph import SPECS

import cnndsl
from cnndsl.expand import expand
from cnndsl.ir import Graph


def expanded(network: cnndsl.Network) -> str:
    return expand(network.graph, network.compiled.elaborated.trace)


def structure(graph: Graph) -> list[Any]:
    """All but the names, in an order that does not depend on how the text was nested."""
    nodes = [(node.op, node.inputs, node.shape) for node in graph.nodes]
    return [nodes, graph.output, [(side.node, side.weight) for side in graph.auxiliary], graph.classes]


TEXTS = {
    **SPECS,
    "references": "input 3x8x8\na: CONV3-3 - b: RELU - RES[ CONV3-3 - ADD[ @a | @b ] | @a ] - ADD[ @a | @b | ID ]",
    "the input named": "input 3x8x8\nx: ID - CONV3-3 - ADD[ ID | @x ]",
    "a branch named": "input 3x8x8\nCONCAT[ a: CONV3-3 | @a - RELU | ID ]",
    "a join named": "input 3x8x8\na: RES[ RELU ] - BN - ADD[ ID | @a ]",
    "back": "input 3x8x8\na: CONV3-3 - POOL - @a",
    "side outputs": "input 3x8x8\nAUX[ RES[ CONV3-3 ] - GAP - AUX(weight=1)[ FC-2 ] - FC-3 ] - CONV3-4",
    "nothing": "input 3x8x8\nID",
    "split": "input 6x8x8\nSPLIT(1, 2, 3)[ ID | CONV3-2 | SPLIT[ ID | BN | RELU ] ]",
    "one axis": "input 3x9\nCONV3-3/2 - POOL2(ceil=true) - UP(3) - UPCONV3-2/2(output_padding=1)",
    "three axes": "input 3x9x9x9\nCONV1x3x5-3 - AVGPOOL2(count_include_pad=false) - PAD((1, 0, 2, 0, 3, 0))",
    "classes": "input 3x8x8\nparam classes = 4\nCONV - GAP - SOFTMAX",
    "every activation": "input 3x8x8\n" + " - ".join(
        ["RELU", "RELU6", "LRELU(0.3)", "PRELU", "ELU(0.5)", "SELU", "CELU(2)", "GELU(approximate=tanh)", "GELU", "SILU",
         "MISH", "SIGMOID", "TANH", "HSWISH", "HSIGMOID", "SOFTPLUS(3)", "SOFTMAX"]),
}  # fmt: skip


@pytest.mark.parametrize("name", [*TEXTS, *(name for name in EXAMPLES)])
def test_expanding_changes_nothing(name: str) -> None:
    network = cnndsl.load(TEXTS[name] if name in TEXTS else EXAMPLES[name][0])
    text = expanded(network)
    again = cnndsl.load(text)
    assert structure(again.graph) == structure(network.graph), text
    assert structure(cnndsl.load(expanded(again)).graph) == structure(network.graph)


@pytest.mark.parametrize(("line", "settings", "widths"), LECTURES)
def test_families_become_members(line: str, settings: dict[str, Any], widths: list[int]) -> None:
    network = cnndsl.load(line, input="3x32x32", **settings)
    assert structure(cnndsl.load(expanded(network)).graph) == structure(network.graph)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@settings(max_examples=max(1, settings.default.max_examples // 3))
@given(specs())
def test_random_networks(spec: Spec) -> None:
    result = compiled(spec)
    assert result.graph is not None, said(result)
    text = expand(result.graph, result.elaborated.trace)
    assert structure(cnndsl.load(text).graph) == structure(result.graph), text


def test_names_that_are_one_without_their_dots() -> None:
    text = "input 3x8x8\na: (CONV3-4 - b: CONV3-4) - a_b: CONV3-5 - CONCAT[ ID | @a | @a_b ]"
    network = cnndsl.load(text)
    assert structure(cnndsl.load(expanded(network)).graph) == structure(network.graph)


def test_nothing_is_left_to_defaults() -> None:
    text = expanded(cnndsl.load("CONV - BN - POOL - DROPOUT", input="3x8x8"))
    assert "CONV3x3-64/1x1(pad=(1, 1, 1, 1), dilation=(1, 1), groups=1, bias=true)  => 64x8x8  # conv1" in text
    assert "BN(eps=1e-05, momentum=0.1, affine=true)" in text
    assert "POOL2x2/2x2(pad=(0, 0, 0, 0), dilation=(1, 1), ceil=false)" in text
    assert "DROPOUT(p=0.5)" in text
