"""The rules on deployment, held against what the ONNX back end writes and refuses, and against torch.fx."""

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx
import pytest
import torch
from compiling import graph_of, unshrunk
from hypothesis import given, settings
from hypothesis import strategies as st
from networks_strategy import specs
from notation import Spec, written

from cnndsl.analysis.costs import costs
from cnndsl.api import findings
from cnndsl.compiler import Text, compile_text, dimensions
from cnndsl.diagnostics import Diagnostic, Severity
from cnndsl.ir import Graph
from cnndsl.lint import Options, Selection
from cnndsl.lower.onnx import IR_VERSIONS, LoweringError, to_onnx
from cnndsl.lower.onnx.tensors import LARGEST_MESSAGE
from cnndsl.lower.torch import to_module
from cnndsl.source import Source

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


def compiled(text: str, shape: str | None = None, **given_: Any) -> Any:
    result = compile_text(Text(Source("a.cnn", text), None), given_, dimensions(shape) if shape else None)
    assert result.graph is not None, result.diagnostics
    return result


def found(text: str, code: str, *, shape: str | None = None, opset: int = 18) -> list[Diagnostic]:
    """The findings with a code."""
    return list(findings(compiled(text, shape), Selection((code,)), Options(opset=opset)))


# -- CNN315


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("CONV - FC-10", 0),
        ("CONV - (FC-32 - RELU)*2 - FC-10", 0),
        ("CONV - (FC-32 - RELU)*3 - FC-10", 3),
        ("CONV - GAP - (FC-32 - BN - RELU - DROPOUT)*5 - FC-10, SOFTMAX", 5),
        ("(FC-32 - RELU)*6 - FC-10", 0),
        ("CONV3-8 - MUL[ ID | GAP - (FC-8 - RELU)*4 - FC-8 ] - GAP - FC-10", 0),
        ("CONV3-8 - AUX[ (FC-8 - RELU)*4 - FC-10 ] - GAP - FC-10", 0),
        ("CONV3-8 - GAP - FC-8 - RES[ FC-8 - RELU - FC-8 ] - FC-8 - FC-10", 0),
    ],
)
def test_hidden_linear_layers(text: str, hidden: int) -> None:
    reported = found(f"input 3x8x8\n{text}\n", "CNN315")
    assert [one.message.split()[0] for one in reported] == ([str(hidden)] if hidden else [])


def test_the_parameters_of_the_layers_too_many() -> None:
    """As PyTorch counts them."""
    (one,) = found("input 3x8x8\nCONV3-8 - GAP - (FC-32 - RELU)*4 - FC-10\n", "CNN315")
    size = 2 * sum(p.numel() for p in torch.nn.Linear(32, 32).parameters())
    assert one.found is not None and one.found.startswith(f"{size:,} ")
    assert one.severity is Severity.INFO


# -- CNN401

ACTIVATIONS = (
    "RELU", "RELU6", "LRELU", "ELU", "SELU", "CELU", "GELU", "GELU(approximate=tanh)", "SILU", "MISH", "SIGMOID", "TANH",
    "HSWISH", "HSIGMOID", "SOFTPLUS",
)  # fmt: skip


def operators(graph: Graph, opset: int) -> list[str]:
    return [node.op_type for node in to_onnx(graph, opset=opset).graph.node]


@pytest.mark.parametrize("layer", ACTIVATIONS)
def test_an_operator_that_a_newer_opset_would_bring(layer: str) -> None:
    """The rule fires where the newest opset writes fewer operators, with their numbers; ONNX knows since when."""
    text = f"input 3x8x8\n{layer}\n"
    graph = compiled(text).graph
    newest = operators(graph, max(IR_VERSIONS))
    for opset in IR_VERSIONS:
        now, reported = operators(graph, opset), found(text, "CNN401", opset=opset)
        assert bool(reported) == (len(now) > len(newest))
        for one in reported:
            assert f"as {len(now)} operators at opset {opset}" in one.message
            assert one.severity is Severity.INFO
            (operator,) = newest
            since = min(s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.name == operator)
            assert one.expected == f"opset {since}, which has {operator}"


def test_one_finding_a_kind_of_layer() -> None:
    text = "input 3x8x8\nGELU - MISH - GELU - AUX[ GELU(approximate=tanh) - FC-3 ] - RELU\n"
    reported = found(text, "CNN401", opset=17)
    assert [(one.span.text if one.span else None) for one in reported] == ["GELU", "MISH"]
    assert "2 layers" in (reported[0].found or "")
    assert not found(text, "CNN401", opset=20)


@settings(unshrunk, max_examples=60)
@given(spec=specs())
def test_no_other_operation_is_written_by_the_opset(spec: Spec) -> None:
    """Between the first opset and the last, other operators are written only for what the rule names."""
    graph = graph_of(spec)
    differs = Counter(operators(graph, min(IR_VERSIONS))) != Counter(operators(graph, max(IR_VERSIONS)))
    result = compile_text(Text(Source("a.cnn", written(spec)), None), dict(spec.settings))
    reported = findings(result, Selection(("CNN401",)), Options(opset=min(IR_VERSIONS)))
    assert bool(reported) == differs


# -- CNN402 and CNN403


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["ADAPTIVEAVGPOOL", "ADAPTIVEMAXPOOL"]),
    sizes=st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(1, 6)), min_size=1, max_size=3),
    side=st.booleans(),
)
def test_adaptive_pools(kind: str, sizes: list[tuple[int, bool, int]], side: bool) -> None:
    """CNN402 fires where the back end refuses; CNN403 where a known size gives no pooling operator."""
    shape = "x".join(["2", *("?" if open_ else str(n) for n, open_, _ in sizes)])
    out = ",".join(str(m) for _, _, m in sizes)
    pool = f"{kind}(size=({out},))"
    text = f"input {shape}\n" + (f"RES[ AUX[ {pool} - GAP - FC-2 ] | ID ]\n" if side else f"{pool}\n")
    refused, uneven = found(text, "CNN402"), found(text, "CNN403")
    try:
        written_ = operators(compiled(text).graph, 18)
    except LoweringError as problem:
        assert "adaptive pool" in str(problem)
        assert [one.severity for one in refused] == [Severity.WARNING]
        return
    assert not refused
    pooled = all("Pool" in operator for operator in written_)
    if not any(open_ for _, open_, _ in sizes) and not side:
        assert bool(uneven) != pooled
    if side:
        assert not uneven


def test_an_open_size_meets_nothing_else_that_is_fixed() -> None:
    """Every other layer that takes an open size is written."""
    layers = (
        "CONV3-8", "UPCONV2-8", "POOL3/2(ceil=true)", "AVGPOOL3/2(ceil=true)", "GAP", "BN", "LN", "IN", "GN(2)", "LRN",
        "NORM", "UP2", "SHUFFLE(2)", "SLICE(0, 2)", "PAD(1)", "CROP(1)", "SCALE", "MAXOUT(2)", "PRELU", "SOFTMAX", "FLATTEN",
    )  # fmt: skip
    for layer in layers:
        text = f"input 4x?x?\n{layer}\n"
        if compile_text(Text(Source("a.cnn", text), None)).graph is None:
            continue
        assert not found(text, "CNN402")
        to_onnx(compiled(text).graph)


def test_an_uneven_pool_suggests_one_that_fits() -> None:
    (one,) = found("input 3x14x14\nADAPTIVEAVGPOOL(4)\n", "CNN403")
    assert (one.severity, one.help and one.help.split(",")[0]) == (Severity.INFO, "pool to 2")
    assert not found("input 3x14x14\nADAPTIVEAVGPOOL(2)\n", "CNN403")
    (wide,) = found("input 1x14x9\nADAPTIVEMAXPOOL(size=(7, 4))\n", "CNN403")
    assert wide.message.startswith("4 does not divide 9")
    assert found("input 3x3\nADAPTIVEMAXPOOL(5)\n", "CNN403")


# -- CNN404


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("conv1: CONV - RELU - CONV", []),
        ("CONV - RELU - conv1: CONV", ["the label conv1 makes an earlier layer conv2"]),
        ("CONV - RELU - conv2: CONV", []),
        ("CONV - CONV - conv2: CONV", ["the label conv2 makes an earlier layer conv3"]),
        ("CONV - CONV - conv5: CONV", []),
        ("RELU6 - relu6_1: RELU6", ["the label relu6_1 makes an earlier layer relu6_2"]),
        ("CONV - conv2: CONV - conv1: CONV", ["the label conv2 makes an earlier layer conv3"]),
        ("B - b1: CONV", ["the label b1 makes an earlier layer b2"]),
        ("CONV - s: (conv1: CONV - RELU)", []),
        ("s: (CONV - RELU) - s_conv1: CONV", ["s_conv1 and s.conv1 are one name where `.` is written `_`"]),
        ("s_conv1: CONV - s: (CONV - RELU)", ["s.conv1 and s_conv1 are one name where `.` is written `_`"]),
        ("a: (b: (CONV - RELU) - BN) - a_b: (CONV - RELU)", ["a_b and a.b are one name where `.` is written `_`"]),
        ("s: (CONV - RELU) - s_conv2: CONV", []),
        ("(c: CONV)*2 - (c: CONV)*2", []),
    ],
)
def test_names(text: str, messages: list[str]) -> None:
    assert [one.message for one in found(f"input 3x8x8\ndef B = RELU - BN\n{text}\n", "CNN404")] == messages


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(["c", "d", "a_c", "a_d", "b_c", "c_d"]), st.sampled_from(["", "a", "b"]), min_size=2
    )
)
def test_what_falls_together_is_renamed_by_torch_fx(places: dict[str, str]) -> None:
    """torch.fx names the value of the module `a.b` `a_b`, and a second one `a_b_1`."""
    inside = {group: [f"{label}: BN" for label, place in places.items() if place == group] for group in ("", "a", "b")}
    groups = [f"{group}: ({' - '.join([*inside[group], 'RELU'])})" for group in ("a", "b")]
    text = f"input 3x8x8\n{' - '.join([*groups, *inside[''], 'BN'])}\n"
    graph = compiled(text).graph
    traced = torch.fx.symbolic_trace(to_module(graph))
    modules = [node for node in traced.graph.nodes if node.op == "call_module"]
    renamed = any(node.name != str(node.target).replace(".", "_") for node in modules)
    reported = found(text, "CNN404")
    assert bool(reported) == renamed
    assert all("are one name" in one.message for one in reported)


# -- CNN405


@settings(max_examples=30)
@given(beyond=st.integers(-3, 3))
def test_the_limit_of_a_message(beyond: int) -> None:
    """Against the size of the arrays that the back end would write, and its limit."""
    width = 2**29 // 4096 + beyond
    text = f"input {width}\nFC-4096(bias=false)\n"
    graph = compiled(text).graph
    model = to_onnx(graph)
    size = sum(4 * torch.Size(d.dim_value for d in i.type.tensor_type.shape.dim).numel() for i in model.graph.input[1:])
    assert bool(found(text, "CNN405")) == (size > LARGEST_MESSAGE)


def test_side_heads_weigh_nothing() -> None:
    text = "input 512x14x14\nRES[ AUX[ FC-8192 - FC-10 ] | ID ] - GAP - FC-10\n"
    assert costs(compiled(text).graph).params > 2**29
    assert not found(text, "CNN405")


@settings(unshrunk, max_examples=60)
@given(spec=specs(symbolic=True))
def test_nothing_raises_at_open_sizes(spec: Spec) -> None:
    shape = "x".join([str(spec.input[0]), *["?"] * (len(spec.input) - 1)])
    result = compile_text(Text(Source("a.cnn", written(spec, shape)), None), dict(spec.settings))
    if result.graph is None:
        return
    reported = {one.code for one in findings(result, Selection(("CNN312", "CNN313", "CNN315", "CNN316", "CNN4")))}
    assert "CNN405" not in reported
    if "CNN402" in reported:
        with pytest.raises(LoweringError):
            to_onnx(result.graph)
    else:
        to_onnx(result.graph)
