"""The linter's rules of costs, against the lectures' numbers and PyTorch's counts, and on what must stay silent."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import cnndsl
from cnndsl.analysis.receptive import receptive
from cnndsl.api import findings as compiled_findings
from cnndsl.check import METRICS
from cnndsl.compiler import compile_text, read_spec
from cnndsl.diagnostics import Diagnostic, Severity
from cnndsl.lint import Options, module
from cnndsl.zoo import members

COSTS = ("CNN202", "CNN210", "CNN211", "CNN212", "CNN213", "CNN214", "CNN215")


def findings(code: str, text: str, shape: str | None = None, **settings: object) -> list[Diagnostic]:
    """The findings of one rule; the spec must compile."""
    cnndsl.load(text, input=shape, **settings)
    return [finding for finding in cnndsl.lint(text, input=shape, **settings) if finding.code == code]


def one(code: str, text: str, shape: str | None = None) -> Diagnostic:
    (finding,) = findings(code, text, shape)
    return finding


def numbers(text: str) -> list[int]:
    """The numbers with thousands separators in a text."""
    return [int(number.replace(",", "")) for number in re.findall(r"\d{1,3}(?:,\d{3})+", text)]


def macs(text: str) -> int:
    """Multiply-accumulates as PyTorch counts them: half of its floating-point operations."""
    network = cnndsl.load(text)
    with FlopCounterMode(display=False) as counter:
        network.torch().eval()(torch.zeros(1, *network.graph.input_shape.sizes()))
    return int(counter.get_total_flops()) // 2


def page(code: str) -> tuple[str, str]:
    """The example of a rule's page, and what it says to use instead."""
    wrong, right = re.findall(r"```\n(.*?)```", module(code).__doc__, re.S)
    return wrong, right


# -- CNN202 project-budget-exceeded ------------------------------------------------------------------------------------


def budgeted(text: str, **budgets: int) -> list[Diagnostic]:
    found = compiled_findings(compile_text(read_spec(text)), options=Options(budgets=budgets))
    return [finding for finding in found if finding.code == "CNN202"]


def test_a_budget_is_met_to_the_last_unit() -> None:
    text = "input 3x32x32\nnet Small = CONV3-8 - RELU - GAP - FC-10"
    assert not budgeted(text, params=8 * 28 + 10 * 9, macs=macs(text), layers=5)
    (finding,) = budgeted(text, params=313, macs=10**9)
    assert finding.severity is Severity.ERROR
    assert (finding.expected, finding.found) == ("params <= 313", "params = 314")
    assert finding.span is not None and finding.span.text == "Small"


def test_every_metric_in_one_finding() -> None:
    (finding,) = budgeted("input 3x224x224\n[CONV3-64 - GAP - FC-1000]", **dict.fromkeys(METRICS, 1))
    assert finding.found is not None and finding.expected is not None
    for name in METRICS:
        assert f"{name} = " in finding.found and f"{name} <= 1" in finding.expected
    assert f"macs = {27 * 64 * 224**2 + 64_000:,}" in finding.found
    assert finding.span is not None and finding.span.text == "["


def test_open_sizes_unknown_metrics_and_no_budget() -> None:
    text = "input 3x?x?\nCONV3-64"
    assert [f.found for f in budgeted(text, params=1, macs=1, memory=1, other=1)] == ["params = 1,792"]
    assert not budgeted(text)
    assert len(budgeted("input 3x8x8\nnet A = CONV3-64  # cnn: ignore[CNN202]", params=1)) == 1, "errors stay"


# -- CNN210 one-layer-dominates-parameters -----------------------------------------------------------------------------


def test_the_late_linear_layer_of_vgg() -> None:
    """102,764,544 with its biases, of 138,357,544: the lecture's numbers; and what GAP leaves, counted by PyTorch."""
    finding = one("CNN210", "zoo:vgg16")
    assert numbers(finding.message) == [102_760_448 + 4096, 138_357_544]
    left, saved = numbers(finding.help or "")
    assert left == sum(p.numel() for p in torch.nn.Linear(512, 4096).parameters()) and left + saved == 102_764_544


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("zoo:resnet50", None), ("zoo:lenet5", None), ("zoo:shufflenet_v2_x0_5", None),
        ("CONV3-8 - GAP - FC-1000000", "3x8x8"),  # the classifier itself
        ("FC-100", "3x32x32"),  # below a million
        ("RELU", "3x32x32"),
        ("FC-1000 - RELU - FC-1000 - RELU - FC-1000", "1000"),
    ],
)  # fmt: skip
def test_no_layer_dominates(text: str, shape: str | None) -> None:
    assert not findings("CNN210", text, shape)


def test_a_classifier_on_a_map_and_a_wide_convolution() -> None:
    assert "save" in (one("CNN210", "CONV3-64 - FC-1000", "3x32x32").help or "")
    assert "narrower" in (one("CNN210", "CONV3-1024 - CONV3-1024 - GAP - FC-10", "3x?x?").help or "")
    assert "save" in (one("CNN210", "CONV3-16 - FC-1000", "3x8x8x8").help or "")


def test_heads_that_are_dropped_do_not_count() -> None:
    assert not findings("CNN210", "CONV3-8 - AUX[ FC-1000 ] - GAP - FC-10", "3x32x32")


# -- CNN211 early-activations-dominate ---------------------------------------------------------------------------------


def test_the_lectures_table_of_vgg() -> None:
    """The rows above 56x56 hold 10,838,016 of 15,237,608 activations of convolutions, pools and linear layers."""
    maps = "((CONV3-w)*n - POOL2) for w, n in [(64,2), (128,2), (256,3), (512,3), (512,3)]"
    finding = one("CNN211", f"{maps} - FC-4096 - FC-4096 - FC-1000", "3x224x224")
    early = 2 * 3_211_264 + 802_816 + 2 * 1_605_632
    every = early + 401_408 + 3 * 802_816 + 200_704 + 3 * 401_408 + 100_352 + 3 * 100_352 + 25_088 + 9192
    assert f"first 4 layers hold {early / every:.0%}" in finding.message
    assert f"{4 * early / 1e6:.1f} of {4 * every / 1e6:.1f} MB" in finding.message


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("zoo:resnet50", None), ("zoo:mobilenet_v2", None), ("zoo:densenet121", None), ("zoo:wrn_28_10", None),
        ("zoo:lenet5", None), ("zoo:unet", "3x256x256"),
        ("((CONV3-w - RELU)*2 - POOL2) for w in [64, 128, 256, 512] - GAP - FC-10", "3x32x32"), ("FC-10", "3x2000x2000"),
        ("(CONV3-64 - RELU)*8", "3x224x224"), ("CONV3-64 - POOL2 - POOL2 - GAP - FC-10", "3x?x?"),
    ],
)  # fmt: skip
def test_activations_as_usual(text: str, shape: str | None) -> None:
    assert not findings("CNN211", text, shape)


# -- CNN212 large-kernel -----------------------------------------------------------------------------------------------


@given(kernel=st.sampled_from([5, 7, 9, 11]), width=st.integers(16, 64), rank=st.sampled_from([2, 3]))
def test_a_stack_sees_as_much_with_fewer_weights(kernel: int, width: int, rank: int) -> None:
    """7x7: 49C² against 27C²; the numbers are those of PyTorch's weights, and the fields are the same."""
    shape = "x".join(["16"] * rank)
    finding = one("CNN212", f"CONV{kernel}-{width}(bias=false)", f"{width}x{shape}")
    count = (kernel - 1) // 2
    stack = cnndsl.load(f"(CONV3-{width}(bias=false))*{count}", input=f"{width}x{shape}")
    assert receptive(stack.graph)[-1].size == (kernel,) * rank
    stacked = count * 3**rank * width**2
    assert sum(p.numel() for p in stack.torch().parameters()) == stacked
    text = finding.message.replace(",", "")
    assert f" {stacked} weights for {kernel**rank * width**2}" in text


@pytest.mark.parametrize(
    "text",
    [
        "DWCONV7", "CONV7-64(groups=2)", "CONV7-64/2", "CONV3-64", "CONV5-64(dilation=2)", "CONV(kernel=(1,7), width=64)",
        "CONV6-64(pad=same)", "CONV28-64(pad=0)", "CONV5-128", "POOL5/1(pad=2)",
        "CONV1-8 - CONV5-8", "CONV1-16 - CONV5-32",  # GoogLeNet's own
    ],
)  # fmt: skip
def test_kernels_that_cost_no_more(text: str) -> None:
    assert not findings("CNN212", text, "64x28x28")


def test_a_line_of_weights_saves_nothing() -> None:
    assert not findings("CNN212", "CONV9-64", "64x128")
    assert not findings("CNN212", "CONV7-64", "3x32x32"), "the first, on an image"
    assert "78,400 weights" not in one("CNN212", "CONV5-64", "64x?x?").message


# -- CNN213 channels-not-multiple-of-eight -----------------------------------------------------------------------------


def test_widths_that_eight_does_not_divide() -> None:
    finding = one("CNN213", "input 64x56x56\ndef C(w) = CONV3-w - RELU\nC(64) - C(100) - C(101) - GAP - FC-10")
    assert "101 in" in (finding.found or "") and "2 widths" in (finding.found or "")
    assert "96 or 104" in (finding.help or "")
    shares = 64 * 64, 64 * 100, 100 * 101
    assert f"{(shares[1] + shares[2]) / sum(shares):.0%} of the MACs" in finding.message
    assert "of the weights" in one("CNN213", "CONV3-500 - CONV3-500", "64x?x?").message


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("zoo:resnet50", None), ("zoo:mobilenet_v3_large", None), ("zoo:efficientnet_b0", None), ("zoo:lenet5", None),
        ("zoo:densenet121", None), ("zoo:googlenet", None), ("zoo:unet", "3x256x256"),
        ("CONV3-64 - RELU - CONV3-64 - RELU - CONV1-21", "3x224x224"),  # the classes
        ("CONV3-100", "3x8x8"),  # too small to matter
        ("CONV3-64 - CONV3-512 - CONV3-512 - GAP - CONV1-10 - RELU - CONV1-512 - FC-10", "3x56x56"),
    ],
)  # fmt: skip
def test_widths_as_they_should_be(text: str, shape: str | None) -> None:
    assert not findings("CNN213", text, shape)


# -- CNN214 slow-groups ------------------------------------------------------------------------------------------------


def test_narrow_groups_and_what_they_cost() -> None:
    """The multiply-accumulates in the finding are those that PyTorch counts, there and with the groups of 8."""
    wrong, _ = page("CNN214")
    finding = one("CNN214", wrong)
    padded = "input 256x56x56\nCONV3-256(groups=32)"  # each group of 4 filled up to 8
    assert numbers(finding.found or "") == [macs(wrong), macs(padded)]
    assert finding.help == "use groups=16"


def test_one_finding_a_network() -> None:
    finding = one("CNN214", "zoo:resnext50_32x4d")
    assert "3 such layers" in (finding.found or "") and finding.severity is Severity.INFO
    assert finding.span is not None and finding.span.text == "ResNeXt", "the layer is in a file that it uses"
    assert "groups of 4 to 8 channels" in (one("CNN214", "CONV3-64(groups=8)", "32x?x?").found or "")


@pytest.mark.parametrize(
    "text", ["DWCONV3", "DWCONV3-128", "CONV3-64(groups=8)", "CONV3-64(groups=2)", "SEPCONV3-64", "CONV3-64"]
)
def test_groups_as_they_should_be(text: str) -> None:
    assert not findings("CNN214", text, "64x28x28")


def test_groups_that_fit() -> None:
    """What the help says divides both sides, and leaves 8 channels or more."""
    for channels, width, groups, fewer in ((96, 96, 48, 12), (48, 96, 12, 6), (30, 30, 10, 3), (64, 96, 16, 8)):
        finding = one("CNN214", f"CONV3-{width}(groups={groups})", f"{channels}x9x9")
        assert finding.help == f"use groups={fewer}"
        assert not findings("CNN214", f"CONV3-{width}(groups={fewer})", f"{channels}x9x9")
    assert "dense" in (one("CNN214", "CONV3-14(groups=7)", "14x9x9").help or "")
    assert one("CNN214", "CONV1-100000000(groups=50000000)", "100000000x1x1").help == "use groups=12500000"


# -- CNN215 inception-without-bottleneck -------------------------------------------------------------------------------


def test_the_lectures_naive_inception() -> None:
    """854M, and what the rows of the module with bottlenecks sum to; both as PyTorch counts them."""
    wrong, right = page("CNN215")
    finding = one("CNN215", wrong)
    assert numbers(finding.message) == [macs(wrong), macs(right)] == [854_196_224, 271_351_808]
    assert "save 68%: 582,844,416" in (finding.help or "")
    assert finding.span is not None and finding.span.text == "CONCAT"


def test_open_sizes_and_other_ranks() -> None:
    naive = "CONCAT[ CONV1-128 | CONV3-192 | CONV5-96 | POOL3/1(pad=1) ]"
    at_each = one("CNN215", naive, "256x?x?")
    assert numbers(at_each.message) == [854_196_224 // 784, 271_351_808 // 784]
    assert "at each position" in at_each.message
    assert findings("CNN215", naive, "256x8x8x8")
    assert findings("CNN215", f"def I = {naive}\nBN - RELU - I - I", "256x28x28")


@pytest.mark.parametrize(
    "text",
    [
        "CONCAT[ CONV1-64 | CONV1-96 - RELU - CONV3-128 | CONV1-16 - CONV5-32 | POOL3/1(pad=1) - CONV1-32 ]",
        "CONV1-32 - RELU - CONCAT[ CONV1-128 | CONV3-128 ]",  # SqueezeNet
        "CONV1-64 - BN - RELU - CONCAT[ CONV1-256 | CONV3-256 ]",
        "CONCAT[ ID | BN - RELU - CONV1-128 - BN - RELU - CONV3-32 ]",  # DenseNet
        "CONCAT[ ID | BN - RELU - CONV3-12 ]",
        "CONCAT[ CONV3-384/2 | CONV1-64 - CONV3-96 - CONV3-96/2 | POOL3/2(pad=1) ]",  # Inception's reductions
        "CONCAT[ CONV1-64 | CONV3-64(dilation=6, pad=6) | CONV3-64(dilation=12, pad=12) ]",  # DeepLab's pyramid
        "CONCAT[ CONV(kernel=(1,3), width=384) | CONV(kernel=(3,1), width=384) ]",
        "CONCAT[ ID | POOL2 - CONV3-256 - UPCONV2-64 ]",
        "CONCAT[ DWCONV3 | DWCONV5 | ID ]",
        "ADD[ CONV3-256 | CONV5-256 ]",
        "GAP - CONCAT[ FC-10 | FC-20 ]",
        "CONCAT[ ID | ID ]",
    ],
)
def test_modules_with_bottlenecks_or_of_another_kind(text: str) -> None:
    assert not findings("CNN215", text, "256x28x28")


# -- all of them -----------------------------------------------------------------------------------------------------------

FAMILIES = tuple({member.spec: name for name, member in members().items()}.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_costs_are_remarks_and_few(name: str) -> None:
    """On the networks of the papers: no warning, and a handful of remarks at most."""
    found = [f for f in cnndsl.lint(f"zoo:{name}") if f.code in COSTS]
    assert all(f.severity is Severity.INFO for f in found) and len(found) <= 3


@pytest.mark.parametrize(
    "text", ["ID", "RELU", "GAP", "FC-3", "FLATTEN", "AUX[ GAP - FC-2 ] - CONV3-8", "CONCAT[ID|ID]"]
)
@pytest.mark.parametrize("shape", ["4", "4x5", "4x5x5", "4x5x5x5", "4x?", "4x?x?", "4x?x?x?"])
def test_small_graphs(text: str, shape: str) -> None:
    assert not [f for f in cnndsl.lint(text, input=shape) if f.code in COSTS]
