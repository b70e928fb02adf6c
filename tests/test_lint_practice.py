"""Rules of practice, CNN301 to CNN311: what each says of a network is what PyTorch does with it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import cnndsl
from cnndsl.analysis.costs import costs
from cnndsl.api import findings
from cnndsl.compiler import Text, compile_text
from cnndsl.diagnostics import Diagnostic, Severity
from cnndsl.fix import mend
from cnndsl.lint import Selection
from cnndsl.source import Source
from cnndsl.train import without_softmax
from cnndsl.zoo import specs_folder

MAP = "input 3x8x8\n"
WARNING, INFO = Severity.WARNING, Severity.INFO


def lint(text: str, *codes: str, **given_: object) -> tuple[Diagnostic, ...]:
    """The findings of some rules, of all of this family where none is named; the spec compiles."""
    return of(Source("spec.cnn", text), *codes, **given_)


def of(source: Source, *codes: str, **given_: object) -> tuple[Diagnostic, ...]:
    compiled = compile_text(Text(source), given_)
    assert compiled.graph is not None, [(d.code, d.message) for d in compiled.diagnostics]
    return findings(compiled, Selection(codes or tuple(f"CNN{number}" for number in range(301, 312))))


def compiles(text: str) -> bool:
    return compile_text(Text(Source("spec.cnn", text))).graph is not None


def said(text: str, code: str, **given_: object) -> list[tuple[str, Severity]]:
    """Where a rule fires, and how loud."""
    return [(d.span.text if d.span else "", d.severity) for d in lint(text, code, **given_)]


def mended(text: str, code: str, unsafe: bool = False) -> str:
    return mend(Source("spec.cnn", text), lambda source: of(source, code), unsafe=unsafe).source.text


def module(text: str, training: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return cnndsl.load(text).torch().train(training)


def run(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        return network(x)


def images(text: str, batch: int = 4) -> torch.Tensor:
    torch.manual_seed(2)
    return torch.randn(batch, *cnndsl.load(text).graph.input_shape.sizes())


def sample(options: str) -> st.SearchStrategy[str]:
    return st.sampled_from(options.split(" ; "))


# -- CNN301 ----------------------------------------------------------------------------------------------------------

BIASED = sample("CONV3-8 ; CONV1-8/2 ; SEPCONV3-8 ; UPCONV-8 ; CONV3-8(groups=1, pad=0) ; 3x3 conv, 8, /2")
BETWEEN = sample(
    "ID ; RELU ; POOL2 ; AVGPOOL2 ; AVGPOOL3/1(pad=1) ; AVGPOOL3/1(pad=1, count_include_pad=false) ; UP ; UP(2, bilinear)"
    " ; SHUFFLE(2) ; PAD(1) ; PAD(1, mode=replicate) ; PAD(0, channels=(0, 8)) ; CROP(1) ; SCALE(2.0) ; DROPOUT(0.3) ; LRN"
    " ; CONCAT[ ID | CONV1-8 ] ; RES[ BN - RELU - CONV1-8 ] ; ADD[ ID | RELU ] ; MUL[ ID | ID ] ; MEAN[ ID | POOL3/1(pad=1) ]"
    " ; SHUFFLE(1) ; CONV1-8 ; CONV3-8 ; CONV2-8(pad=0) ; UPCONV-8 ; MAX[ ID | CONV3-8 ]"
    " ; SLICE(2, 6) ; SPLIT[ ID | ID ]"
)
NORM = sample("BN ; IN ; IN(affine=true) ; GN({cin}) ; GN(2) ; LN ; LRN ; BN(affine=false) ; ID")


@settings(max_examples=80)
@given(layer=BIASED, between=st.lists(BETWEEN, max_size=2), norm=NORM)
@example(layer="CONV3-8", between=["CONCAT[ ID | CONV1-8 ]"], norm="BN")
@example(layer="CONV3-8", between=["RES[ BN - RELU - CONV1-8 ]"], norm="BN")
@example(layer="UPCONV-8", between=["UPCONV-8"], norm="BN")
def test_a_bias_before_a_norm_changes_nothing(layer: str, between: list[str], norm: str) -> None:
    """The rule fires exactly where training gives the same, whatever the first layer's bias is.

    At padding it is silent, even where the padding is cut off again or reaches all positions alike.
    """
    chain = " - ".join([layer, *between])
    before = f"{MAP}def Norm = {norm}\n"
    text = f"{before}{chain} - Norm - RELU - CONV1-4(bias=false)\n"
    assume(compiles(text))
    fires = any(d.span is not None and d.span.start == len(before) for d in lint(text, "CNN301"))
    network, x = module(text).double(), images(text, 8).double()
    given = run(network, x)
    bias = next(p for name, p in network.named_parameters() if name.endswith("bias"))
    with torch.no_grad():
        bias.copy_(10 * torch.randn(bias.shape))
    same = torch.allclose(given, run(network, x), atol=1e-6)
    assert same if fires else not same or any("pad=1" in stage or "PAD" in stage for stage in between)


@settings(max_examples=30)
@given(layer=BIASED, norm=sample("BN ; IN"), before=sample("ID ; CONV3-4(bias=true) - BN - RELU ; POOL1"))
def test_the_fix_takes_the_bias_away(layer: str, norm: str, before: str) -> None:
    text = f"{MAP}{before} - {layer} - {norm} - RELU - GAP - FC-10  # kept\n"
    after = mended(text, "CNN301")
    assert not lint(after, "CNN301") and after.endswith("# kept\n")
    wanted, found = (cnndsl.load(spec).graph for spec in (text, after))
    assert [type(n.op) for n in wanted.nodes] == [type(n.op) for n in found.nodes]
    lost = costs(wanted).params - costs(found).params
    assert lost == 8 + 4 * before.startswith("CONV")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("CONV3-8(bias=true, pad=1) - BN", "CONV3-8(bias=false, pad=1) - BN"),
        ("CONV{3}-8() - BN", "CONV{3}-8(bias=false) - BN"),
        ("CONV3-8( pad=1 ) - BN", "CONV3-8( pad=1, bias=false ) - BN"),
        ("def w = 1\nCONV3-8(pad=(1, 1)) - BN", "def w = 1\nCONV3-8(pad=(1, 1), bias=false) - BN"),
        ("param w = 8\nCONV1-w/2 - BN", "param w = 8\nCONV1-w/2(bias=false) - BN"),
        ("param w = 8\nCONV1-w(pad=1) - BN", "param w = 8\nCONV1-w(pad=1, bias=false) - BN"),
        ("default CONV(bias=true)\nCONV3-8 - BN", "default CONV(bias=true)\nCONV3-8(bias=false) - BN"),
        ("def B(f) = f - BN\nB([CONV3-8 - POOL2])", "def B(f) = f - BN\nB([CONV3-8(bias=false) - POOL2])"),
        ("FC-8 - BN", "FC-8(bias=false) - BN"),
        ("(if 1 < 2 then CONV3-8 - BN else ID) - RELU", "(if 1 < 2 then CONV3-8(bias=false) - BN else ID) - RELU"),
    ],
)
def test_bias_false_is_written_where_it_belongs(text: str, wanted: str) -> None:
    text, wanted = text.replace("def w = 1\n", ""), wanted.replace("def w = 1\n", "")
    assert mended(MAP + text, "CNN301") == MAP + wanted


def test_a_bias_that_others_need_is_only_mentioned() -> None:
    """Of a parameter or a choice: nothing is changed without being asked. What some uses of a line need is left alone."""
    for text, given_ in (
        ("param n = ID in [ID, BN]\nCONV3-8 - n - RELU", {"n": "BN"}),
        ("param n = BN in [ID, BN]\nCONV3-8 - n - RELU", {}),
        ("CONV3-8 - BN? - RELU", {}),
        ("param n = 1\nCONV3-8 - (if n > 0 then BN else ID) - RELU", {}),
    ):
        ((place, severity),) = said(MAP + text, "CNN301", **given_)
        assert (place, severity) == ("CONV3-8", INFO)
        assert mended(MAP + text, "CNN301") == MAP + text
    assert not lint(MAP + "def U(n) = CONV3-8 - n - RELU\nU(BN) - U(ID)", "CNN301")
    assert mended(MAP + "CONV3-8 - BN?", "CNN301", unsafe=True) == MAP + "CONV3-8(bias=false) - BN?"


def test_a_bias_given_elsewhere_is_left_there(tmp_path: Path) -> None:
    text = "param b = true\nCONV3-8(bias=b) - BN"
    assert said(MAP + text, "CNN301") == [("CONV3-8(bias=b)", WARNING)]
    assert mended(MAP + text, "CNN301", unsafe=True) == MAP + text
    assert not lint(MAP + text, "CNN301", b=False)
    (tmp_path / "used.cnn").write_text("def Conv = CONV3-8\n")
    spec = tmp_path / "spec.cnn"
    spec.write_text(f'use "used.cnn"\n{MAP}Conv - BN - RELU\n')
    (there,) = (d for d in cnndsl.lint(spec) if d.code == "CNN301")
    assert there.span is not None
    assert there.span.source.name.endswith("used.cnn")
    assert there.fix is None


@pytest.mark.parametrize("size", ["3x16", "3x4x8x8", "3x?x?", "3x?"])
def test_a_bias_in_every_rank(size: str) -> None:
    text = f"input {size}\nCONV3-8 - POOL2 - BN - RELU - CONV3-8 - LN - RELU - GAP - FC-10"
    assert said(text, "CNN301") == [("CONV3-8", WARNING)]


# -- CNN302 ----------------------------------------------------------------------------------------------------------

FUNCTIONS = (
    "RELU", "RELU6", "LRELU", "ELU", "SELU", "CELU", "GELU", "SILU", "MISH", "SIGMOID", "TANH", "HSWISH", "HSIGMOID",
    "SOFTPLUS", "SOFTMAX", "PRELU",
)  # fmt: skip


@pytest.mark.parametrize("second", FUNCTIONS)
@pytest.mark.parametrize("first", FUNCTIONS)
def test_what_changes_nothing_is_what_changes_nothing(first: str, second: str) -> None:
    """One of two in a row is called idle exactly where the network without it computes the same."""
    if first == "PRELU":
        return  # its slope is learned: what is the same at first need not stay so
    x = torch.cat([torch.linspace(-30, 30, 61), torch.linspace(-1, 1, 19)]).reshape(10, 8)
    both, one, other = (run(module(f"input 8\n{f}", False), x) for f in (f"{first} - {second}", first, second))
    (finding,) = lint(f"input 8\n{first} - {second} - FC-2", "CNN302")
    idle = "changes nothing" in finding.message
    assert idle == (torch.equal(both, one) or torch.equal(both, other))
    if idle and finding.fix is not None and finding.fix.safe:
        text = mended(f"input 8\n{first} - {second} - FC-2", "CNN302")
        assert torch.equal(run(module(text.replace(" - FC-2", ""), False), x), both)


@settings(max_examples=40)
@given(
    first=sample("RELU ; RELU6 ; LRELU ; SIGMOID ; GELU"),
    between=st.lists(
        sample(
            "POOL2 ; AVGPOOL2 ; DROPOUT ; DROPPATH ; UP ; BN ; CROP(1) ; SHUFFLE(2) ; SLICE(1, 3) ; CONV1-4 ; SCALE(0.5)"
        ),
        max_size=2,
    ),
    second=sample("RELU ; RELU6 ; ELU"),
)
def test_the_fix_of_activations_computes_the_same(first: str, between: list[str], second: str) -> None:
    text = f"input 4x8x8\n{' - '.join([first, *between, second])} - GAP - FC-2\n"
    assume(compiles(text))
    after = mended(text, "CNN302")
    x = 20 * images(text)
    for training in (True, False):
        wanted, found = (module(spec, training) for spec in (text, after))
        nn.utils.vector_to_parameters(nn.utils.parameters_to_vector(wanted.parameters()), found.parameters())
        assert torch.allclose(run(wanted, x), run(found, x), atol=1e-5)
    blocked = {"BN", "CONV1-4", "SCALE(0.5)"} & {*between}
    assert bool(lint(text, "CNN302")) == (
        not blocked and ("changes nothing" in str(lint(text, "CNN302")) or _near(between))
    )


def _near(between: Iterable[str]) -> bool:
    return {*between} <= {"DROPOUT", "DROPPATH"}


def test_gates_written_out_are_no_row() -> None:
    assert not lint(MAP + "CONV3-8 - MUL[ ID | SOFTPLUS - TANH ] - GAP - FC-10", "CNN302")
    assert not lint(MAP + "CONV3-8 - MUL[ ID | GAP - CONV1-2 - RELU - CONV1-8 - SIGMOID ]", "CNN302")
    assert not lint(
        MAP + "CONV3-8 - MAXOUT - CONV3-8 - RELU - CONCAT[ CONV1-8 | CONV1-4 - RELU ] - BN - RELU", "CNN302"
    )


def test_a_row_is_mended_in_its_own_place() -> None:
    for text, wanted in (
        ("CONV3-8\n  - RELU  # one\n  - RELU\n  - POOL2", "CONV3-8\n  - RELU  # one\n  - RELU\n  - POOL2"),
        ("CONV3-8\n  - RELU\n  - RELU\n  - POOL2", "CONV3-8\n  - RELU\n  - POOL2"),
        ("CONV3-8, RELU, POOL2, RELU, FC-2", "CONV3-8, RELU, POOL2, FC-2"),
        ("CONV3-8 - (LRELU - RELU)*2 - FC-2", "CONV3-8 - (RELU)*2 - FC-2"),
        ("def A = LRELU - RELU\nCONV3-8 - A - FC-2", "def A = RELU\nCONV3-8 - A - FC-2"),
        ("def A = RELU\nCONV3-8 - A - A - FC-2", "def A = RELU\nCONV3-8 - A - A - FC-2"),
        ("CONV3-8 - RELU - RELU*2 - FC-2", "CONV3-8 - RELU - RELU*2 - FC-2"),
        ("CONV3-8 - RELU - last: RELU - FC-2", "CONV3-8 - RELU - last: RELU - FC-2"),
    ):
        assert lint(MAP + text, "CNN302")
        assert mended(MAP + text, "CNN302") == MAP + wanted
    text = MAP + "CONV3-8 - RELU - TANH - FC-2"
    assert mended(text, "CNN302") == text and "RELU" not in mended(text, "CNN302", unsafe=True)


# -- CNN303 ----------------------------------------------------------------------------------------------------------

CHAIN = sample(
    "ID ; BN ; DROPOUT ; DROPPATH(0.5) ; AVGPOOL2 ; AVGPOOL3/1(pad=1) ; UP ; UP(2, bilinear) ; PAD(1) ; PAD(1, mode=reflect)"
    " ; CROP(1) ; SHUFFLE(2) ; SLICE(0, 8) ; SCALE(2.0) ; RELU ; TANH ; PRELU ; POOL2 ; LN ; IN ; GN(4) ; LRN ; GAP"
    " ; ADAPTIVEAVGPOOL(2) ; SOFTMAX ; MAXOUT"
)


@settings(max_examples=60)
@given(chain=st.lists(CHAIN, max_size=3))
def test_a_linear_stack_is_linear(chain: list[str]) -> None:
    """The rule fires exactly where the whole is affine in evaluation, but for maxima over copies of one value."""
    assume(not any(stage.startswith("UP") for stage in chain[: chain.index("POOL2")]) if "POOL2" in chain else True)
    text = f"input 8x8x8\n{' - '.join(['CONV3-16', *chain, 'CONV1-8'])}\n"
    assume(compiles(text))
    network = module(text, False).double()
    x, y = 3 * torch.randn(2, 16, 8, 8, 8).double()
    assume(not torch.allclose(run(network, x), run(network, y)))  # GAP straight after IN: that is CNN311's
    middle = run(network, 0.3 * x + 0.7 * y)
    affine = torch.allclose(middle, 0.3 * run(network, x) + 0.7 * run(network, y), atol=1e-9)
    assert bool(lint(text, "CNN303")) == affine


def test_factorisations_and_bottlenecks_are_meant() -> None:
    for text in (
        "DWCONV3 - BN - CONV1-64 - RELU",
        "CONV1-64 - DWCONV3 - RELU",
        "SEPCONV3-64 - RELU",
        "CONV(kernel=(1,7), width=32) - CONV(kernel=(7,1), width=32) - RELU",
        "CONV1-96 - RELU - DWCONV3 - BN - RELU - CONV1-24 - BN - CONV1-144 - BN - RELU",
        "CONV3-64 - RELU - CONV1-16 - CONV3-64 - RELU",
        "FC-200 - RELU - FC-20 - FC-200 - RELU - FC-10",
        "UPCONV-16 - CONV3-16 - RELU",
        "CONV3-16 - RES[ CONV3-16 - RELU ] - CONV3-16 - RELU",
        "CONV3-16 - LN - CONV3-16 - RELU",
        "x: CONV3-16 - CONV3-16 - RELU - ADD[ ID | @x ]",
        "AUX[ FC-10 ] - CONV3-16 - AUX[ FC-10 ] - RELU",
    ):
        assert not lint("input 32x16x16\n" + text, "CNN303"), text


def test_what_one_layer_could_do() -> None:
    (fc,) = lint("input 784\nRELU - FC-100 - DROPOUT - FC-10", "CNN303")
    assert fc.found == "79,510 weights for what one FC-10 of 7,850 computes"
    (conv,) = lint("input 16x32x32\nRELU - CONV3-16(pad=0) - CONV3-16/2(pad=0, dilation=2)", "CNN303")
    assert "one CONV7-16/2" in (conv.found or "")
    (both,) = lint("input 16x32x32\nRELU - CONV3-16/2(pad=0) - CONV3-16(pad=0)", "CNN303")
    assert "one CONV7-16/2" in (both.found or "")
    for text in ("CONV3-1(pad=0) - CONV3-1/2(pad=0, dilation=2)", "CONV3-1/2(pad=0) - CONV3-1(pad=0)"):
        x = torch.zeros(1, 1, 32, 32, requires_grad=True)
        module("input 1x32x32\n" + text)(x)[0, 0, 0, 0].backward()
        assert x.grad is not None and x.grad[0, 0, 0].nonzero().max() == 6


@pytest.mark.parametrize(
    "line",
    [
        "[CONV-POOL-CONV-POOL-FC-FC]",
        "CONV3-64 - CONV3-64 - POOL2 - CONV3-128 - CONV3-128 - POOL2 - FC-4096 - FC-10",
        "7x7 conv, 64, /2 - Pool - 3x3 conv, 128, / 2 - 3x3 conv, 128 - FC 1000 - Softmax",
    ],
)
def test_a_whiteboard_without_activations_is_said_once(line: str) -> None:
    (finding,) = lint("input 3x32x32\n" + line, "CNN303")
    assert finding.message.startswith("no activation follows any of the") and finding.severity is INFO
    (linear,) = lint("input 3x32x32\n" + re.sub("POOL2?|Pool", "AVGPOOL2", line), "CNN303")
    assert linear.message == finding.message and linear.severity is WARNING


# -- CNN304 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("FC-10 - SOFTMAX", False),
        ("FC-10, SOFTMAX", False),
        ("AUX[ FC-10 - SOFTMAX ] - FC-10 - SOFTMAX", False),
        ("CONV1-10 - SOFTMAX", False),
        ("FC-10 - SOFTMAX - SOFTMAX", True),
        ("FC-10 - SOFTMAX - DROPOUT", True),
        ("CONV1-10 - SOFTMAX - GAP", True),
        ("CONV1-10 - SOFTMAX - GAP - FLATTEN", True),
        ("FC-10 - SOFTMAX - FC-10", True),
        ("CONV3-8 - ADD[ ID | SOFTMAX ] - BN - RELU - FC-10", True),
        ("MUL[ ID | CONV1-3 - SOFTMAX ] - FC-10", False),
        ("CONV3-6 - SOFTMAX - ADD[ MUL[ ID | SLICE(0, 3) - CONCAT[ ID | ID ] ] | ID ] - FC-10", False),
        ("x: SOFTMAX - FC-10", True),
    ],
)
def test_softmax_inside(text: str, fires: bool) -> None:
    """Silent where training leaves it out, or where its values are weights."""
    assert bool(lint(MAP + text, "CNN304")) == fires
    graph = without_softmax(cnndsl.load(MAP + text).graph)
    left = any(graph.nodes[i].op.kind == "softmax" for i in graph.live)
    assert left == (fires or "MUL" in text)


def test_the_loss_of_probabilities_has_a_floor() -> None:
    """The number of the page: a perfect answer, given as probabilities."""
    for classes in (2, 10, 1000):
        perfect = F.one_hot(torch.tensor([0]), classes).double()
        loss = float(F.cross_entropy(perfect, torch.tensor([0])))
        assert loss == pytest.approx(math.log(math.e + classes - 1) - 1)
    assert round(math.log(math.e + 9) - 1, 2) == 1.46


# -- CNN305 ----------------------------------------------------------------------------------------------------------


def first_gradient(text: str) -> float:
    network = module(text)
    F.cross_entropy(network(images(text, 16)), torch.arange(16) % 10).backward()
    weights = [p for p in network.parameters() if p.dim() > 1]
    assert weights[0].grad is not None and weights[-1].grad is not None
    return float(weights[0].grad.norm() / weights[-1].grad.norm())


def test_sigmoids_in_a_row_take_the_gradient() -> None:
    plain, gated = f"{MAP}(CONV3-16 - SIGMOID)*12 - GAP - FC-10", f"{MAP}(CONV3-16 - BN - SIGMOID)*12 - GAP - FC-10"
    assert said(plain, "CNN305") == [("SIGMOID", WARNING)] and first_gradient(plain) < 1e-6
    assert said(gated, "CNN305") == [("SIGMOID", INFO)] and first_gradient(gated) > 1e-3
    assert first_gradient(plain.replace("SIGMOID", "RELU")) > 1e-3


def test_saturating_where_it_does_no_harm() -> None:
    gate = "MUL[ ID | GAP - CONV1-4 - RELU - CONV1-16 - SIGMOID ]"
    for text in (
        f"CONV3-16 - (CONV3-16 - RELU - {gate})*12 - GAP - FC-10",
        "CONV3-16 - (CONV3-16 - MUL[ TANH | SIGMOID ])*12 - GAP - FC-10",
        "(CONV3-16 - RELU)*12 - CONV1-1 - SIGMOID",
        "(CONV3-16 - TANH)*9 - FC-10",
        "CONV3-16 - RES[ CONV3-16 - SIGMOID - CONV3-16 ]*12 - GAP - FC-10",
    ):
        assert not lint(MAP + text, "CNN305"), text
    (finding,) = lint(f"{MAP}(CONV3-16 - TANH)*10 - CONV3-8 - SIGMOID - FC-10", "CNN305")
    assert finding.found == "SIGMOID or TANH 11 times" and finding.span is not None and finding.span.text == "TANH"


# -- CNN306 ----------------------------------------------------------------------------------------------------------


def test_dropout_shifts_the_variance() -> None:
    """The number in the finding, measured: the variance that BN learns, of values with mean 0 and variance 1."""
    network = module("input 16x32x32\nDROPOUT(0.4) - BN(momentum=1, affine=false)")
    run(network, torch.randn(32, 16, 32, 32))
    learned = next(value for name, value in network.named_buffers() if name.endswith("running_var"))
    (finding,) = lint("input 16x32x32\nDROPOUT(0.4) - BN(momentum=1, affine=false)", "CNN306")
    assert (finding.found or "").startswith("p=0.4: 1.67 times")
    assert float(learned.mean()) == pytest.approx(1 / 0.6, rel=0.01)


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("DROPOUT - BN", True),
        ("DROPOUT - CONV3-8 - BN", True),
        ("DROPOUT - CONV3-8 - RELU - POOL2 - FC-8 - RELU - FC-8 - BN", True),
        ("DROPOUT - CONCAT[ ID | CONV1-4 ] - BN", True),
        ("DROPOUT(0) - BN", False),
        ("BN - DROPOUT - FC-10", False),
        ("CONV3-8 - BN - RELU - GAP - DROPOUT - FC-10", False),
        ("RES[ CONV3-3 - DROPOUT ] - BN", False),
        ("DROPPATH - BN", False),
        ("DROPOUT - LN - CONV3-8 - BN", False),
        ("CONV3-8 - BN - MUL[ ID | GAP - CONV1-8 - DROPOUT - SIGMOID ] - BN", False),
    ],
)
def test_dropout_that_reaches_a_norm(text: str, fires: bool) -> None:
    assert bool(lint(MAP + text, "CNN306")) == fires


# -- CNN307 ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    size=st.sampled_from(["4", "4x6", "4x5x5", "4x1x1", "4x1x2", "4x2x4x4", "4x1x1x1"]),
    before=sample("ID ; GAP ; FC-4 ; POOL2 ; CONV3-4(pad=0) ; ADAPTIVEAVGPOOL(1) ; FLATTEN"),
)
def test_a_batch_of_one_has_no_statistics(size: str, before: str) -> None:
    """The rule fires exactly where PyTorch refuses to train on one sample."""
    text = f"input {size}\n{before} - BN\n"
    compiled = compile_text(Text(Source("spec.cnn", text)))
    if compiled.graph is None:
        return
    try:
        run(module(text), images(text, 1))
        refused = False
    except ValueError as problem:
        refused = "more than 1 value per channel" in str(problem)
    found = said(text, "CNN307")
    assert bool(found) == refused
    if found:
        assert found[0][1] is (WARNING if compiled.graph.output_shape.spatial else INFO)


def test_layer_norm_over_one_channel_forgets_its_input() -> None:
    for text, fires in (("input 1x8x8\nLN", True), ("input 1x8x8\nCONV3-2 - LN", False), ("input 9\nFC-1 - LN", True)):
        network, x = module(text), images(text)
        constant = torch.allclose(run(network, x), run(network, 2 * x + 1), atol=1e-4)
        assert bool(lint(text, "CNN307")) == fires == constant
    assert not lint("input 3x?x?\nCONV3-8 - BN - RELU - GAP - FC-10", "CNN307")


# -- CNN308 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "severities"),
    [
        ("FC-classes - RELU", [WARNING]),
        ("FC-classes - LRELU", [WARNING]),
        ("FC-classes - BN - RELU - SOFTMAX", [WARNING]),
        ("CONV1-classes - RELU - GAP - FLATTEN", [INFO]),
        ("CONV1-classes - RELU", [WARNING]),
        ("AUX[ FC-classes - RELU ] - FC-classes", [WARNING]),
        ("FC-7 - RELU - SOFTMAX - ID", [WARNING]),
        ("FC-7 - RELU", []),
        ("FC-classes - SOFTMAX", []),
        ("FC-classes - SIGMOID", []),
        ("FC-classes - HSIGMOID", []),
        ("FC-classes", []),
        ("FC-classes - RELU - FC-7", []),
        ("FC-20 - MAXOUT - SOFTMAX", []),
        ("CONV3-8 - RELU - GAP", []),
        ("ADD[ FC-classes | FC-classes ] - RELU", []),
    ],
)
def test_activations_behind_the_scores(text: str, severities: list[Severity]) -> None:
    spec = f"{MAP}param classes = 5\n{text}"
    assert [severity for _, severity in said(spec, "CNN308")] == severities
    assert not lint(mended(spec, "CNN308", unsafe=True), "CNN308")
    assert mended(spec, "CNN308") == spec


def test_a_clipped_score_has_no_gradient() -> None:
    network, x = module(f"{MAP}FC-5 - RELU"), images(MAP + "FC-5")
    with torch.no_grad():
        next(p for p in network.parameters() if p.dim() == 1)[2] = -100
    F.cross_entropy(network(x), torch.full((4,), 2)).backward()
    weight = next(p for p in network.parameters() if p.dim() == 2)
    assert weight.grad is not None and not weight.grad[2].any() and weight.grad[0].any()


# -- CNN309, CNN310 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "severities"),
    [
        ("(CONV3-8 - RELU)*20 - GAP", []),
        ("(CONV3-8 - RELU)*21 - GAP", [WARNING]),
        ("(CONV3-8 - LRN - RELU)*21 - GAP", [WARNING]),
        ("(CONV3-8 - SELU)*21 - GAP", []),
        ("CONV3-8 - BN - (CONV3-8 - RELU)*21 - GAP", []),
        ("CONV3-8 - RES[ CONV3-8 - RELU - CONV3-8 ]*16", [INFO]),
        ("CONV3-8 - RES[ CONV3-8 - RELU - CONV3-8 - SCALE(0.1, learned=false) ]*16", []),
        ("CONCAT[ CONV1-8 | CONV3-8 | CONV5-8 ] - (CONCAT[ CONV1-8 | CONV3-8 ] - RELU)*12", []),
    ],
)
def test_deep_without_norm(text: str, severities: list[Severity]) -> None:
    assert [severity for _, severity in said(MAP + text, "CNN309")] == severities


PLAIN34 = """input 3x224x224
def Unit(w, s=1) = CONV3-w/s(bias=false) - BN - RELU
def Stage(w, n, s) = Unit(w, s) - Unit(w)*{2*n-1}
net Plain34 = Unit(64, 2) - POOL2 - Stage(w, n, s) for w, n, s in [(64,3,1), (128,4,2), (256,6,2), (512,3,2)] - GAP - FC-10
"""


def test_the_plain_network_of_34_layers() -> None:
    """He et al. 2015, figure 3, middle; with shortcuts every two layers it is their ResNet-34."""
    assert said(PLAIN34, "CNN310") == [("Plain34", WARNING)]
    assert not lint(PLAIN34.replace("(64,3,1)", "(64,1,1)"), "CNN310")
    assert not findings(
        compile_text(Text(Source("r", (specs_folder() / "resnet50.cnn").read_text()))), Selection(("CNN310",))
    )


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("CONCAT[ ID | (CONV3-8 - RELU)*40 ]", False),
        ("ADD[ CONV1-8 | (CONV3-8 - RELU)*40 ]", False),
        ("RES[ CONV3-3 - RELU ] - (CONV3-8 - RELU)*40", True),
        ("CONCAT[ CONV1-8 | CONV3-8 ] - (CONV3-8 - RELU)*40", True),
        ("(CONCAT[ CONV1-8 | CONV3-8 - RELU - CONV3-8 | POOL3/1(pad=1) ] - RELU)*40", False),
        ("(CONV3-8 - RELU)*30", False),
    ],
)
def test_deep_without_residual(text: str, fires: bool) -> None:
    assert bool(lint(MAP + text, "CNN310")) == fires


# -- CNN311 ----------------------------------------------------------------------------------------------------------

DEAD = (
    ("stem: CONV3-4 - CONV3-4 - RELU - @stem - RELU", 1, 112 + 36),
    ("stem: CONV3-4 - CONV3-4 - CONV3-2 - @stem - CONV1-4 - @stem - RELU", 2, 0),
    ("stem: CONV3-4 - side: CONV3-4 - @stem - CONV3-4 - ADD[ ID | @side ]", 0, 0),
    ("stem: CONV3-4 - AUX[ CONV3-4 - GAP ] - @stem - RELU", 0, 0),
    ("stem: ID - CONCAT[ CONV3-4 | CONV3-4 ] - BN - @stem - CONV1-2", 2, 0),
    ("CONV3-4 - SPLIT[ ID | CONV3-2 ]", 0, 0),
    ("RES[ CONV3-4 - @stem ]", 0, 0),
)


@pytest.mark.parametrize(("text", "parts"), [(text, parts) for text, parts, _ in DEAD[:-1]])
def test_dead_layers_have_no_gradient(text: str, parts: int) -> None:
    spec = f"{MAP}{text}\n"
    found = lint(spec, "CNN311")
    network = module(spec)
    made = network(images(spec))
    outputs = made if isinstance(made, tuple) else (made,)
    torch.autograd.backward(sum(output.square().sum() for output in outputs))
    dead = sum(p.numel() for p in network.parameters() if p.grad is None)
    counted = sum(int(d.message.rpartition(": ")[2].split()[0].replace(",", "")) for d in found if ": " in d.message)
    assert bool(found) == bool(dead) and counted == dead
    assert len(found) == parts


def test_channels_that_are_cut_off() -> None:
    for text, unused in (
        ("CONV3-8 - SLICE(0, 6) - RELU", 2),
        ("x: CONV3-8 - SLICE(0, 3) - CONCAT[ ID | @x - SLICE(2, 5) ]", 3),
        ("x: CONV3-8 - SLICE(0, 4) - CONCAT[ ID | @x - SLICE(4) ]", 0),
        ("x: CONV3-8 - SLICE(0, 4) - CONCAT[ ID | @x ]", 0),
        ("SLICE(0, 2) - CONV3-8", 0),
        ("CONV3-8 - SPLIT(6, 2)[ ID | ID ]", 0),
    ):
        spec = f"{MAP}{text}\n"
        network = module(spec)
        network(images(spec)).sum().backward()
        weight = next(p for p in network.parameters() if p.dim() == 4)
        assert weight.grad is not None
        assert int((weight.grad.flatten(1) == 0).all(1).sum()) == unused
        found = lint(spec, "CNN311")
        assert [d.message.split()[0] for d in found] == [str(unused)] * bool(unused)


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("DROPOUT(1)", True),
        ("DROPOUT(0.9)", False),
        ("RES[ CONV3-3 - SCALE(0, learned=false) ] - SCALE(0, learned=false)", True),
        ("CONV3-1 - SOFTMAX", True),
        ("CONV3-2 - SOFTMAX", False),
        ("CONV3-2 - IN - GAP", True),
        ("CONV3-2 - IN(affine=true) - GAP - FC-10", True),
        ("CONV3-2 - IN - RELU - GAP", False),
        ("CONV3-2 - IN - GMP", False),
    ],
)
def test_values_that_are_always_the_same(text: str, fires: bool) -> None:
    x = images(MAP + text)
    network = module(MAP + text)
    assert fires == torch.allclose(run(network, x), run(network, 2 * x + 1), atol=1e-5)
    assert bool(lint(MAP + text, "CNN311")) == fires


def test_a_learned_scale_of_zero_is_no_dead_branch() -> None:
    """ReZero (Bachlechner et al. 2020): it begins at zero and grows."""
    assert not lint(MAP + "RES[ CONV3-3 - SCALE(0) ]", "CNN311")


def test_a_head_without_weight() -> None:
    assert [place for place, _ in said(MAP + "AUX(weight=0)[ GAP - FC-5 ] - FC-10", "CNN311")] == ["FC-5"]
    assert not lint(MAP + "AUX(weight=0.1)[ GAP - FC-5 ] - FC-10", "CNN311")


# -- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", sorted(path.stem for path in specs_folder().glob("*.cnn")))
def test_published_networks_give_no_warnings(spec: str) -> None:
    """The zoo's papers know what they do; FractalNet's dropout before norms is marked in its spec."""
    assert [d.message for d in lint_file(spec) if d.severity is not INFO] == []
    assert len(lint_file(spec)) <= 1


def lint_file(spec: str) -> tuple[Diagnostic, ...]:
    from cnndsl.compiler import read_spec

    return findings(
        compile_text(read_spec(f"zoo:{spec}")), Selection(tuple(f"CNN{number}" for number in range(301, 312)))
    )
