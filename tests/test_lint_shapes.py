"""The linter's rules of shapes, against what PyTorch computes, and on near misses that must stay silent."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn.functional import conv1d

import cnndsl
from cnndsl.diagnostics import Diagnostic, Severity
from cnndsl.zoo import members

SHAPES = ("CNN130", "CNN131", "CNN133", "CNN134", "CNN135")
RESNETS = tuple(name for name in members() if "resn" in name and ("50" in name or "18" in name or name == "resnet20"))


def findings(code: str, text: str, shape: str | None = None, **settings: object) -> list[Diagnostic]:
    """The findings of one rule; the spec must compile."""
    cnndsl.load(text, input=shape, **settings)
    return [finding for finding in cnndsl.lint(text, input=shape, **settings) if finding.code == code]


def one(code: str, text: str, shape: str | None = None) -> Diagnostic:
    (finding,) = findings(code, text, shape)
    return finding


def mended(finding: Diagnostic) -> str:
    """The text after the finding's fix."""
    assert finding.fix is not None and not finding.fix.safe
    (edit,) = finding.fix.edits
    text = edit.span.source.text
    return text[: edit.span.start] + edit.text + text[edit.span.end :]


# -- CNN131 window-mostly-padding --------------------------------------------------------------------------------------


@given(
    size=st.integers(1, 12), kernel=st.integers(1, 7), stride=st.integers(1, 3), dilation=st.integers(1, 3),
    before=st.integers(0, 8), after=st.integers(0, 8),
)  # fmt: skip
def test_taps_on_the_map(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> None:
    """A kernel of ones on a map of ones counts the taps on the map: the first and the last window tell."""
    reach = dilation * (kernel - 1) + 1
    assume(before + size + after >= reach)
    padded = torch.nn.functional.pad(torch.ones(1, 1, size), (before, after))
    taps = conv1d(padded, torch.ones(1, 1, kernel), stride=stride, dilation=dilation)[0, 0]
    if 0 in (before, after) and before + after < reach:  # one-sided: only where no window does better
        taps = conv1d(padded, torch.ones(1, 1, kernel), dilation=dilation)[0, 0].max()[None]
    expected = bool(before or after) and 2 * min(taps[0], taps[-1]) < kernel
    spec = f"CONV{kernel}-1/{stride}(pad=({before},{after}), dilation={dilation})"
    assert bool(findings("CNN131", spec, f"1x{size}")) == expected


@pytest.mark.parametrize(
    ("text", "shape", "part"),
    [
        ("CONV7-8(pad=3)", "3x2x2", "7x7 on a map of 2x2"),
        ("CONV3-8", "3x1x1", "3x3 on a map of 1x1"),
        ("DWCONV3", "3x1x1", "3x3 on a map of 1x1"),
        ("POOL3/1(pad=1)", "3x1x1", "3x3 on a map of 1x1"),
        ("GAP - CONV-10", "3x32x32", "3x3 on a map of 1x1"),
        ("CONV3-8(dilation=12, pad=12)", "3x7x7", "3x3 on a map of 7x7"),
        ("CONV5-8", "3x1x32x32", "5x5x5 on a map of 1x32x32"),
        ("CONV1-8(pad=1)", "3x32x32", "1 of 1 taps along H"),
        ("CONV3-8(pad=2)", "3x32x32", "2 of 3 taps along H"),
        ("CONV(kernel=(1,3), width=8, pad=(0,3))", "3x32x32", "3 of 3 taps along W"),
        ("CONV1-8(pad=1)", "3x?x?", "1 of 1 taps along H"),
        ("def Block(w) = CONV3-w - GAP - CONV-w\nBlock(8)", "3x8x8", "3x3 on a map of 1x1"),
    ],
)
def test_mostly_padding(text: str, shape: str, part: str) -> None:
    finding = one("CNN131", text, shape)
    assert part in finding.message and finding.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("CONV3-8", "3x2x2"),  # VGG on a CIFAR image
        ("CONV7-8", "3x4x4"),
        ("CONV3-8(pad=(2,0))", "3x100"),  # causal
        ("CONV3-8(pad=(8,0), dilation=4)", "3x100"),
        ("CONV3-8(dilation=24, pad=24)", "3x33x33"),  # DeepLab's widest
        ("POOL3/2(ceil=true)", "3x112x112"),
        ("POOL2/2(ceil=true)", "3x7x7"),
        ("CONV4-8/2(pad=1)", "3x32x32"),
        ("CONV3-8/2(pad=same)", "3x8x8"),
        ("GAP - CONV1-8", "3x8x8"),
        ("CONV3-8", "3x?x?"),
        ("UPCONV2-8 - POOL13/1(pad=6)", "3x10x10"),  # YOLO's pyramid
    ],
)
def test_enough_of_the_map(text: str, shape: str) -> None:
    assert not findings("CNN131", text, shape)


# -- CNN133 even-kernel-with-symmetric-padding -------------------------------------------------------------------------


@given(
    size=st.integers(8, 20), kernel=st.integers(1, 6), stride=st.integers(1, 3), pad=st.integers(0, 5),
    dilation=st.integers(1, 2),
)  # fmt: skip
def test_an_even_window_changes_the_size_by_one(size: int, kernel: int, stride: int, pad: int, dilation: int) -> None:
    padded = 2 * pad + size
    assume(padded > dilation * (kernel - 1))
    made = conv1d(torch.ones(1, 1, size), torch.ones(1, 1, kernel), stride=stride, padding=pad, dilation=dilation)
    expected = kernel % 2 == 0 and stride == 1 and pad > 0 and abs(made.shape[-1] - size) == 1
    spec = f"CONV{kernel}-1/{stride}(pad={pad}, dilation={dilation})"
    assert bool(findings("CNN133", spec, f"1x{size}")) == expected


@pytest.mark.parametrize(
    "text", ["CONV4-8", "CONV4x4-8(bias=false)", "4x4 conv, 8", "CONV2-8(pad=1)", "POOL2/1(pad=1)", "CONV4-8(pad=(1,1))"]
)  # fmt: skip
def test_pad_same_keeps_the_size(text: str) -> None:
    """The fix, run by PyTorch."""
    after = mended(one("CNN133", f"input 8x9x9\n{text}"))
    assert not findings("CNN133", after)
    assert cnndsl.load(after).torch()(torch.zeros(1, 8, 9, 9)).shape == (1, 8, 9, 9)


@pytest.mark.parametrize(
    "text",
    [
        "CONV4-8/2(pad=1)", "CONV2-8/2", "CONV2-8", "POOL2", "POOL2/1", "CONV3-8", "CONV4-8(pad=same)", "UPCONV4-8(pad=1)",
        "CONV2-8(dilation=2)", "CONV4-8(pad=3)", "CONV4-8/4(pad=0)", "CONV(kernel=(1,3), width=8)",
    ],
)  # fmt: skip
def test_even_windows_as_they_should_be(text: str) -> None:
    assert not findings("CNN133", text, "3x12x12")


def test_what_other_uses_of_a_line_need_is_not_mended() -> None:
    both = "input 3x12x12\ndef C(k) = CONV{k}-8(pad=1)\nC(3) - C(4)"
    assert one("CNN133", both).fix is None
    assert one("CNN133", "input 3x12x12\nCONV(kernel=(4,3), width=8, pad=1)").fix is None
    assert one("CNN133", "input 3x12x12\nparam p = 1\nCONV4-8(pad=p)").fix is None
    assert one("CNN133", "input 3x12x12\nAVGPOOL2/1(pad=1)").fix is None


def test_open_sizes_in_the_message() -> None:
    assert "makes W - 1 of W along W" in one("CNN133", "CONV(kernel=(3,4), width=8, pad=1)", "3x?x?").message


# -- CNN134 stride-exceeds-kernel --------------------------------------------------------------------------------------


@given(size=st.integers(1, 20), kernel=st.integers(1, 4), stride=st.integers(1, 6), dilation=st.integers(1, 2))
def test_a_position_between_windows_has_no_gradient(size: int, kernel: int, stride: int, dilation: int) -> None:
    reach = dilation * (kernel - 1) + 1
    assume(reach <= size)
    x = torch.zeros(1, 1, size, requires_grad=True)
    conv1d(x, torch.ones(1, 1, reach), stride=stride).sum().backward()
    assert x.grad is not None
    expected = stride > reach and bool((x.grad == 0).any())
    spec = f"CONV{kernel}-1/{stride}(pad=0, dilation={dilation})"
    assert bool(findings("CNN134", spec, f"1x{size}")) == expected


def test_what_is_never_read() -> None:
    assert "3 of 4 positions" in one("CNN134", "CONV3-8 - CONV1-8/2", "3x8x8").message
    assert "1 of 2 positions" in one("CNN134", "CONV1-8/2", "3x9").message
    assert "7 of 8 positions" in one("CNN134", "POOL1/2", "3x8x8x8").message
    assert "7 of 16 positions" in one("CNN134", "CONV3-8/4(pad=0)", "3x?x?").message
    assert "1 of 2 positions" in one("CNN134", "CONV(kernel=(1,3), width=8, stride=(2,1))", "3x8x8").message


def test_a_shortcut_may_skip() -> None:
    """A projection beside a branch that reads every position; where none does, it is a remark, once."""
    block = "RES[ {} - CONV3-8{} | CONV1-8/2 ]"
    assert not findings("CNN134", "CONV3-8 - " + block.format("CONV1-8", "/2"), "3x8x8")
    (caffe,) = findings("CNN134", "CONV3-8 - " + block.format("CONV1-8/2", ""), "3x8x8")
    assert caffe.severity is Severity.INFO
    assert one("CNN134", "CONV3-8 - BN - CONV1-8/2", "3x8x8").severity is Severity.WARNING


def test_nothing_to_skip() -> None:
    for text in ("CONV4-8/4", "CONV2-8/2", "GAP - CONV1-8/2(pad=0)", "CONV3-8/2", "CONV2-8/3(dilation=2, pad=0)"):
        assert not findings("CNN134", text, "3x16x16"), text


# -- CNN135 receptive-field-below-input --------------------------------------------------------------------------------


UNPADDED = ["CONV3-2(pad=0)", "CONV5-2/2(pad=0)", "AVGPOOL2", "CONV3-2(dilation=2, pad=0)", "CONV2-2(pad=0)"]


@given(layers=st.lists(st.sampled_from(UNPADDED), min_size=1, max_size=4))
def test_the_field_is_where_the_gradient_is(layers: list[str]) -> None:
    """The number in the message is the extent of the gradient of one position of the last map."""
    size, body = 63, " - ".join(["CONV3-2(pad=0)", *layers])
    network = cnndsl.load(body, input=f"1x{size}").torch()
    x = torch.zeros(1, 1, size, requires_grad=True)
    made = network(x)
    made[0, :, 0].sum().backward()
    assert x.grad is not None
    seen = x.grad[0, 0].nonzero()
    extent = int(seen.max() - seen.min()) + 1
    if made.shape[-1] > 1:
        finding = one("CNN135", f"{body} - GAP - FC-2", f"1x{size}")
        assert f"sees {extent} of the input's {size} along L" in finding.message
        assert finding.severity is Severity.INFO


def test_published_fields() -> None:
    """Network in Network on CIFAR-10, SqueezeNet 1.0 on ImageNet: Araujo, Norris and Sim's recurrence by hand."""
    assert "27 of the input's 32" in one("CNN135", "zoo:nin").message
    assert "155 of the input's 224" in one("CNN135", "zoo:squeezenet1_0").message


@pytest.mark.parametrize(
    "text",
    [
        "CONV3-8 - POOL2 - FC-64 - RELU - FC-10",  # hidden layers join the positions
        "FC-10",
        "CONV3-8 - GAP - FC-64 - RELU - FC-10",
        "CONV3-8 - MUL[ ID | GAP - CONV1-8 - SIGMOID ] - CONV3-8 - GAP - FC-10",
        "CONV32-8(pad=0) - FC-10",
        "CONV3-8 - CONV1-3",
        "CONV3-8 - UP(2) - CONV3-3",
        "SOFTMAX",
    ],
)
def test_what_sees_the_whole_or_has_no_classifier(text: str) -> None:
    assert not findings("CNN135", text, "3x32x32")


def test_the_axis_that_is_seen_least() -> None:
    assert "3 of the input's 8 along D" in one("CNN135", "CONV3-8 - GAP - FC-10", "3x8x3x3").message
    assert "sees 3 of the input's 32 along H" in one("CNN135", "CONV3-8 - FC-10", "3x32x32").message
    assert not findings("CNN135", "CONV3-8 - GAP - FC-10", "3x?x?")


# -- CNN130's fix --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("CONV3-8/3(pad=0)", "CONV3-8/3(pad=1)"), ("POOL2", "POOL2(ceil=true)"),
        ("AVGPOOL2/2(ceil=false)", "AVGPOOL2/2(ceil=true)"),
    ],
)  # fmt: skip
def test_windows_that_fit_after_the_fix(text: str, after: str) -> None:
    head = "input 1x7x7\n"
    assert mended(one("CNN130", head + text)) == head + after
    assert not findings("CNN130", head + after)


def test_a_line_with_other_uses_or_with_a_name_is_not_mended() -> None:
    assert one("CNN130", "input 1x31x31\ndef C = CONV3-1/3(pad=0)\nC - C").fix is None
    assert one("CNN130", "input 1x7x7\nparam p = 0\nCONV3-8/3(pad=p)").fix is None
    assert one("CNN130", "input 1x14x14\ndef P = POOL2\nP - P").fix is None


# -- all of them -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESNETS)
def test_residual_networks_have_no_warning(name: str) -> None:
    found = [f for f in cnndsl.lint(f"zoo:{name}") if f.code in SHAPES]
    assert not [f for f in found if f.severity is not Severity.INFO]


@pytest.mark.parametrize("text", ["ID", "RELU", "GAP", "FC-3", "FLATTEN", "AUX[ GAP - FC-2 ] - CONV3-8", "POOL1/1"])
@pytest.mark.parametrize("shape", ["4", "4x5", "4x5x5", "4x5x5x5", "4x?", "4x?x?", "4x?x?x?"])
def test_small_graphs(text: str, shape: str) -> None:
    assert not [f for f in cnndsl.lint(text, input=shape) if f.code in SHAPES]
