"""Elaboration: what a spec means. Names, widths, definitions, repeats, choices, labels, branches, defaults, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import cnndsl
from cnndsl.ops.conv import Conv
from cnndsl.ops.linear import Linear

IMAGE = "3x32x32"


def load(text: str, input: str | None = IMAGE, **settings: Any) -> cnndsl.Network:
    return cnndsl.load(text, input=input, **settings)


def names(text: str, **settings: Any) -> list[str]:
    return [node.name for node in load(text, **settings).graph.nodes[1:]]


def ops(text: str, **settings: Any) -> list[str]:
    return [node.op.kind for node in load(text, **settings).graph.nodes[1:]]


def widths(text: str, **settings: Any) -> list[int]:
    """The widths of convolutions and linear layers, in order."""
    nodes = load(text, **settings).graph.nodes
    return [node.op.width for node in nodes if isinstance(node.op, Conv | Linear)]


def shape(text: str, **settings: Any) -> str:
    return str(load(text, **settings).graph.output_shape)


def codes(text: str, input: str | None = IMAGE, **settings: Any) -> list[str]:
    return [diagnostic.code for diagnostic in cnndsl.lint(text, input=input, **settings)]


def agrees_with_torch(text: str, input: str = IMAGE, **settings: Any) -> None:
    """That the module runs, gives the inferred shape and holds the counted parameters."""
    network = load(text, input, **settings)
    module = network.torch().eval()
    with torch.no_grad():
        y = module(torch.zeros(2, *network.graph.input_shape.sizes()))
    assert tuple(y.shape[1:]) == network.graph.output_shape.sizes()
    assert sum(p.numel() for p in module.parameters()) == network.stats().json()["params"]


# -- the whiteboard's lines ------------------------------------------------------------------------------------------

LECTURES: list[tuple[str, dict[str, Any], list[int]]] = [
    ("[(CONV-RELU)*N-POOL]*M-(FC-RELU)*K", {"N": 2, "M": 3, "K": 2}, [64, 64, 128, 128, 256, 256, 512, 512]),
    ("[(CONV-RELU)*N-POOL?]*M-(FC-RELU)*K,SOFTMAX", {"N": 1, "M": 2, "K": 1, "classes": 10}, [64, 128, 256, 10]),
    ("[CONV-POOL-CONV-POOL-FC-FC]", {"classes": 10}, [64, 128, 256, 10]),
    ("CONV3-64 - CONV3-64 - POOL2 - CONV3-128 - CONV3-128 - POOL2 - FC-4096 - FC-C", {"C": 10},
     [64, 64, 128, 128, 4096, 10]),
    ("7x7 conv, 64, /2 - Pool - 3x3 conv, 128, / 2 - 3x3 conv, 128 - FC 1000 - Softmax", {}, [64, 128, 128, 1000]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "settings", "expected"), LECTURES)
def test_the_lines_of_the_lectures(line: str, settings: dict[str, Any], expected: list[int]) -> None:
    assert widths(line, **settings) == expected
    agrees_with_torch(line, **settings)


EXAMPLES = {
    "LeNet": ("""input 1x32x32
param classes = 10
net LeNet5 = CONV5-6(pad=0) - TANH - AVGPOOL2 - CONV5-16(pad=0) - TANH - AVGPOOL2 - FC-120 - TANH - FC-84 - TANH - FC-classes
""", 61_706, 416_520),
    "VGG-16": ("""input 3x224x224
param classes = 1000
net VGG16 = ((CONV3-w - RELU)*n - POOL2) for w, n in [(64,2), (128,2), (256,3), (512,3), (512,3)]
  - (FC-4096 - RELU - DROPOUT)*2 - FC-classes, SOFTMAX
""", 138_357_544, 15_470_264_320),
    "ResNet-50": ("""input 3x224x224
param classes = 1000
default CONV(bias=false)
def Shortcut(w, s) = if s == 1 and cin == w then ID else CONV1-w/s - BN
def Bottleneck(w, s=1) = RES[ CONV1-w - BN - RELU - CONV3-w/s - BN - RELU - CONV1-{4*w} - BN | Shortcut(4*w, s) ] - RELU
def Stage(Block, w, n, s) = Block(w, s) - Block(w)*{n-1}
net ResNet50 = 7x7 conv, 64, /2 - BN - RELU - POOL3/2(pad=1)
  - Stage(Bottleneck, w, n, s) for w, n, s in [(64,3,1), (128,4,2), (256,6,2), (512,3,2)]
  - GAP - FC-classes
""", 25_557_032, 4_089_184_256),
    "DenseNet-121": ("""input 3x224x224
param g = 32
default CONV(bias=false)
def Layer = CONCAT[ ID | BN - RELU - CONV1-{4*g} - BN - RELU - CONV3-g ]
def Transition = BN - RELU - CONV1-{cin//2} - AVGPOOL2
net DenseNet121 = CONV7-64/2 - BN - RELU - POOL3/2(pad=1)
  - Layer*6 - Transition - Layer*12 - Transition - Layer*24 - Transition - Layer*16 - BN - RELU - GAP - FC-1000
""", 7_978_856, 2_834_161_664),
    "MobileNetV3": ("""input 3x224x224
param classes = 1000
default CONV(bias=false)
default DWCONV(bias=false)
def SE = MUL[ ID | GAP - CONV1-{round(cin/4, 8)}(bias=true) - RELU - CONV1-{cin}(bias=true) - HSIGMOID ]
def Body(k, e, w, se, A, s) = (if e == cin then ID else CONV1-e - BN - A) - DWCONV{k}/s - BN - A
  - (if se == 1 then SE else ID) - CONV1-w - BN
def B(k, e, w, se, A, s) = if s == 1 and cin == w then RES[ Body(k, e, w, se, A, s) ] else Body(k, e, w, se, A, s)
net MobileNetV3Large = CONV3-16/2 - BN - HSWISH
  - B(k, e, w, se, A, s) for k, e, w, se, A, s in [
      (3,16,16,0,RELU,1), (3,64,24,0,RELU,2), (3,72,24,0,RELU,1), (5,72,40,1,RELU,2), (5,120,40,1,RELU,1),
      (5,120,40,1,RELU,1), (3,240,80,0,HSWISH,2), (3,200,80,0,HSWISH,1), (3,184,80,0,HSWISH,1), (3,184,80,0,HSWISH,1),
      (3,480,112,1,HSWISH,1), (3,672,112,1,HSWISH,1), (5,672,160,1,HSWISH,2), (5,960,160,1,HSWISH,1),
      (5,960,160,1,HSWISH,1)]
  - CONV1-960 - BN - HSWISH - GAP - FC-1280 - HSWISH - DROPOUT(0.2) - FC-classes
""", 5_483_032, 216_589_760),
    "ShuffleNetV2": ("""input 3x224x224
default CONV(bias=false)
default DWCONV(bias=false)
def Right(w, s) = CONV1-w - BN - RELU - DWCONV3/s - BN - CONV1-w - BN - RELU
def Unit(w) = SPLIT[ ID | Right(w, 1) ] - SHUFFLE(2)
def Down(w) = CONCAT[ DWCONV3/2 - BN - CONV1-w - BN - RELU | Right(w, 2) ] - SHUFFLE(2)
net ShuffleNetV2 = CONV3-24/2 - BN - RELU - POOL3/2(pad=1)
  - (Down(w) - Unit(w)*n) for w, n in [(58,3), (116,7), (232,3)] - CONV1-1024 - BN - RELU - GAP - FC-1000
""", 2_278_604, 144_907_992),
    "U-Net": ("""input 3x64x64
default CONV(bias=false)
def Double(w) = (CONV3-w - BN - RELU)*2
def UNet(w, d) = if d == 0 then Double(w)
                 else Double(w) - CONCAT[ ID | POOL2 - UNet(2*w, d-1) - UPCONV2-w/2 ] - Double(w)
net UNet64 = UNet(64, 4) - CONV1-2(bias=true)
""", 31_037_698, 3_010_723_840),
    "ConvNeXt": ("""input 3x224x224
def Block = RES[ DWCONV7 - LN - CONV1-{4*cin} - GELU - CONV1-{cin} - SCALE - DROPPATH(0.1) ]
def Down(w) = LN - CONV2-w/2(pad=0)
net ConvNeXtT = CONV4-96/4(pad=0) - LN - Block*3 - (Down(w) - Block*n) for w, n in [(192,3), (384,9), (768,3)]
  - GAP - LN - FC-1000
""", 28_589_128, 4_455_531_264),
    "WRN-28-10": ("""input 3x32x32
param k = 10
param N = 4 in 1..18
default CONV(bias=false)
def Shortcut(w, s) = if s == 1 and cin == w then ID else CONV1-w/s
def First(w, s) = BN - RELU - RES[ CONV3-w/s - BN - RELU - DROPOUT(0.3) - CONV3-w | Shortcut(w, s) ]
def Next(w) = RES[ BN - RELU - CONV3-w - BN - RELU - DROPOUT(0.3) - CONV3-w ]
net WRN = CONV3-16 - (First(w*k, s) - Next(w*k)*{N-1}) for w, s in [(16,1), (32,2), (64,2)] - BN - RELU - GAP - FC-10
""", 36_479_194, 5_243_328_768),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_published_counts(name: str) -> None:
    text, params, macs = EXAMPLES[name]
    costs = load(text, None).stats().json()
    assert (costs["params"], costs["macs"]) == (params, macs)


# -- names -----------------------------------------------------------------------------------------------------------

NAMES = [
    ("CONV - RELU - CONV", ["conv1", "relu1", "conv2"]),
    ("RELU6*2", ["relu6_1", "relu6_2"]),
    ("GAP - FC-3", ["gap1", "flatten1", "fc1"]),
    ("SEPCONV3-8", ["sepconv1.depthwise", "sepconv1.pointwise"]),
    ("a: CONV - (b: RELU)*2", ["a", "b1", "b2"]),
    ("conv1: BN - CONV - CONV", ["conv1", "conv2", "conv3"]),
    ("(a: RELU)*2 - a1: BN", ["a2", "a3", "a1"]),
    ("c: (CONV - BN)", ["c.conv1", "c.bn1"]),
    ("(c: (RELU - BN))*2", ["c1.relu1", "c1.bn1", "c2.relu1", "c2.bn1"]),
    ("c: (RELU*2)", ["c.relu1", "c.relu2"]),
    ("x: RES[ CONV-3 ]", ["conv1", "x"]),
    ("a: SEPCONV3-8", ["a.depthwise", "a.pointwise"]),
    ("SPLIT(1, 2)[ ID | RELU ]", ["slice1", "slice2", "relu1", "concat1"]),
    ("AUX[ FC-3 ] - y: AUX[ FC-4 ] - RELU", ["head1.flatten1", "head1.fc1", "y.flatten1", "y.fc1", "relu1"]),
    ("def Block(w) = CONV1-w - RELU\ndef Stage(B, n) = B(8)*n\nStage(Block, 2) - Stage(Block, 1)",
     ["stage1.block1.conv1", "stage1.block1.relu1", "stage1.block2.conv1", "stage1.block2.relu1",
      "stage2.block1.conv1", "stage2.block1.relu1"]),
    ("def B = RELU\nfirst: B - (again: B)*2", ["first.relu1", "again1.relu1", "again2.relu1"]),
    ("def Nothing = ID\ndef B = Nothing - RELU\nNothing - B - Nothing - B", ["b1.relu1", "b2.relu1"]),
    ("def S(A) = BN - A\nS(RELU) - S([RELU - TANH])", ["s1.bn1", "s1.relu1", "s2.bn1", "s2.relu1", "s2.tanh1"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), NAMES)
def test_names_of_nodes(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_scopes_tell_the_definition() -> None:
    graph = load("def Block = RELU\ndef Stage = Block*2\nStage - tail: (RELU - BN)").graph
    assert [(scope.path, scope.kind) for scope in graph.scopes] == [
        ("stage1", "Stage"), ("stage1.block1", "Block"), ("stage1.block2", "Block"), ("tail", "tail"),
    ]  # fmt: skip


@pytest.mark.parametrize("label", ["forward", "training", "class", "_x", "input", "output", "float", "to"])
def test_labels_that_modules_have_already(label: str) -> None:
    assert codes(f"{label}: RELU")[0] in ("CNN016", "CNN001")


def test_the_network_has_its_name_or_one_of_its_own() -> None:
    assert load("net Mine = RELU").graph.name == "Mine"
    assert load("RELU").graph.name == "Net"


# -- widths ----------------------------------------------------------------------------------------------------------

WIDTHS = [
    ("CONV", {}, [64]),
    ("(CONV - POOL)*5", {}, [64, 128, 256, 512, 512]),
    ("CONV/2 - CONV/2 - CONV", {}, [64, 128, 256]),
    ("POOL3/1 - CONV", {}, [64]),
    ("GAP - FC - FC", {"classes": 7}, [64, 7]),
    ("FC - RELU - FC", {"classes": 7}, [64, 7]),
    ("GAP - (FC - RELU)*2", {"classes": 7}, [64, 64]),
    ("GAP - FC-9 - FC - SOFTMAX", {"classes": 7}, [9, 7]),
    ("CONV3-8 - GAP - SOFTMAX", {"classes": 7}, [8, 7]),
    ("CONV3-7 - GAP - SOFTMAX", {"classes": 7}, [7]),
    ("FC-7 - SOFTMAX", {"classes": 7}, [7]),
    ("FC-9 - SOFTMAX", {"classes": 7}, [9, 7]),
    ("FC-9 - SOFTMAX", {}, [9]),
    ("default CONV(width=20)\nCONV - CONV3-5", {}, [20, 5]),
    ("default CONV3-20\nCONV*2", {}, [20, 20]),
    ("CONV1-w - FC-C", {"w": 4, "C": 5}, [4, 5]),
    ("CONV2-w/2(pad=0)", {"w": 4}, [4]),
    ("CONV3-w*3", {"w": 4}, [4, 4, 4]),
    ("(CONV3-w - RELU)*2", {"w": 4}, [4, 4]),
    ("l: CONV3-w", {"w": 4}, [4]),
    ("CONV3-w => 4x32x32", {"w": 4}, [4]),
    ("CONV3-w? - FC-w", {"w": 4}, [4, 4]),
    ("CONV3 - w - RELU", {"w": 4}, [4]),
    ("CONV3, w", {"w": 4}, [4]),
    ("CONV1-{4*w}", {"w": 4}, [16]),
    ("CONV3-w for w in [3, 5]", {}, [3, 5]),
    ("def F(A, w) = CONV3 - A - CONV3-w\nF(BN, 6)", {}, [64, 6]),
    ("def F(A) = A-16/2 - A-8\nF(CONV3)", {}, [16, 8]),
    ("def F(w, v=2*w) = CONV3-w - CONV3-v\nF(3) - F(3, 4) - F(v=1, w=2)", {}, [3, 6, 3, 4, 2, 1]),
    ("def F = CONV1-{2*cin}\nF - F - CONV3-5 - F", {}, [6, 12, 5, 10]),
    ("def F = CONV3-9 - CONV1-{cin}\nF", {}, [9, 3]),
    ("def F(w=cin) = CONV3-w\nF - F(4) - F", {}, [3, 4, 4]),
    ("CONV1-{round(30, 8)} - CONV1-{max(2, 3) + min(4, 5)} - CONV1-{7 // 2 + 7 % 4 + 2^3}", {}, [32, 7, 14]),
    ("CONV1-{(if 2 > 1 then 5 else 6)}", {}, [5]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "settings", "expected"), WIDTHS)
def test_widths(text: str, settings: dict[str, Any], expected: list[int]) -> None:
    assert widths(text, **settings) == expected


def test_mobilenets_rounding() -> None:
    """`_make_divisible` of the reference implementations, by its own definition."""
    for x in (1, 7, 11, 12, 18, 25.6, 33, 71, 1279.9):
        expected = max(8, int(x + 4) // 8 * 8)
        expected += 8 * (expected < 0.9 * x)
        assert widths("CONV1-{round(x, 8)}", x=x) == [expected]


# -- definitions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "expected"),
    [("HSWISH", ["activation"]), ("LRELU(0.1)", ["activation"]), ("[CONV3-8 - BN]", ["conv", "batch_norm"]),
     ("Twice", ["activation", "activation"]), ("[RELU*3]", ["activation"] * 3), ("[ID]", [])],
)  # fmt: skip
def test_stages_as_arguments(argument: str, expected: list[str]) -> None:
    text = f"def Twice = RELU*2\ndef B(A) = CONV3-8 - A - BN\nB({argument})"
    assert ops(text) == ["conv", *expected, "batch_norm"]


def test_a_stage_keeps_the_meaning_of_its_names() -> None:
    assert widths("def B(A, w) = CONV3-w - A\ndef C(w) = B([CONV3-w], 2*w)\nC(5)") == [10, 5]


def test_recursion() -> None:
    fractal = "def F(c) = if c == 1 then CONV3-8 else MEAN[ CONV3-8 | F(c-1) - F(c-1) ]\nF(4)"
    assert ops(fractal).count("conv") == 2**4 - 1
    agrees_with_torch(fractal)
    unet = """def Double(w) = (CONV3-w - BN - RELU)*2
def UNet(w, d) = if d == 0 then Double(w)
                 else Double(w) - CONCAT[ ID | POOL2 - UNet(2*w, d-1) - UPCONV2-w/2 ] - Double(w)
UNet(4, 3)"""
    assert shape(unet) == "4x32x32"
    agrees_with_torch(unet)


def test_definitions_see_their_file_and_not_their_caller() -> None:
    assert codes("def F = CONV3-w\ndef G(w) = F\nG(3)") == ["CNN013"]
    assert widths("param w = 4\ndef F = CONV3-w\ndef G(w) = F - CONV3-w\nG(3)") == [4, 3]


def test_a_definition_may_come_later() -> None:
    assert ops("net X = F\ndef F = RELU") == ["activation"]


# -- repeats, loops, choices -----------------------------------------------------------------------------------------

SHAPES: list[tuple[str, dict[str, Any], str]] = [
    ("CONV3-8*0", {}, "3x32x32"),
    ("(CONV3-8 - POOL)*{1+1}", {}, "8x8x8"),
    ("CONV3-{i} for i in 4..6", {}, "6x32x32"),
    ("CONV3-{i} for i in 6..4", {}, "3x32x32"),
    ("CONV3-w/s for w, s in [(4, 2), (6, 4)]", {}, "6x4x4"),
    ("(CONV3-w for w in [4, 5])*2", {}, "5x32x32"),
    ("if N > 1 then POOL else RELU", {"N": 2}, "3x16x16"),
    ("if N > 1 and not (N == 3) then POOL else RELU", {"N": 3}, "3x32x32"),
    ("if N == 1 then RELU else if N == 2 then POOL else POOL*2", {"N": 3}, "3x8x8"),
    ("POOL? - (down: POOL?)*3", {}, "3x2x2"),
    ("(down: POOL?)*3", {"down": False}, "3x32x32"),
    ("(down: POOL?)*3", {"down": (True, False, True)}, "3x8x8"),
    ("down: (CONV3-8 - POOL)?", {"down": False}, "3x32x32"),
    ("SPLIT(1, 2)[ CONV3-4 | ID ]", {}, "6x32x32"),
    ("CONV3-6 - SPLIT[ ID | CONV3-1 | CONV3-1 ]", {}, "4x32x32"),
    ("CONV3-8 - MUL[ ID | GAP - CONV1-8 - SIGMOID ]", {}, "8x32x32"),
    ("CONV3-8 - MUL[ GAP - FC-8 | ID ]", {}, "8x32x32"),
    ("RES[ CONV3-8/2 | CONV1-8/2 ]", {}, "8x16x16"),
    ("a: POOL - CONV3-8 - @a", {}, "3x16x16"),
    ("a: CONV3-4 - POOL - UP - ADD[ ID | @a ]", {}, "4x32x32"),
    ("CONCAT[ a: CONV3-4 | @a ]", {}, "8x32x32"),
    ("a: CONV3-4 - RES[ CONV3-5 - ADD[ CONV1-4 | @a ] ]", {}, "4x32x32"),
    ("(a: CONV3-4 - RELU - ADD[ ID | @a ])*3", {}, "4x32x32"),
    ("AUX(weight=0.5)[ GAP - FC-3 ] - POOL", {}, "3x16x16"),
    ("CONV3-8 => 8x32x32", {}, "8x32x32"),
    ("CONV3-8 => ?x32x32", {}, "8x32x32"),
    ("CONV3-w => {w}x32x{4*8}", {"w": 5}, "5x32x32"),
    ("def F(act=RELU) = act - act(x)\nID", {}, "3x32x32"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "settings", "expected"), SHAPES)
def test_shapes(text: str, settings: dict[str, Any], expected: str) -> None:
    assert shape(text, **settings) == expected
    agrees_with_torch(text, **settings)


@pytest.mark.parametrize(
    "text",
    ["(a: RELU)*2 - @a", "def F = a: RELU\nF - @a", "@a - a: RELU", "def F = @a\na: RELU - F", "(a: RELU - BN)*1 - @a"],
)
def test_labels_out_of_sight(text: str) -> None:
    assert codes(text) == ["CNN022"]


def test_references_share_their_value() -> None:
    graph = load("a: CONV3-4 - RELU - ADD[ ID | @a | BN - @a ]").graph
    assert [node.inputs for node in graph.nodes if node.op.kind == "add"] == [(2, 1, 1)]


def test_side_outputs() -> None:
    graph = load("CONV3-8 - AUX[ GAP - FC-3 ] - AUX(weight=0.7)[ FC-4 ] - GAP - FC-10").graph
    assert [(str(graph.nodes[side.node].shape), side.weight) for side in graph.auxiliary] == [("3", 0.3), ("4", 0.7)]
    assert str(graph.output_shape) == "10"


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_input_chooses_the_dimensions(rank: int) -> None:
    spec = "CONV3-4 - BN - POOL2 - DWCONV3 - UP(2) - IN - GAP - FC-5"
    shape = "x".join(["3", *["8"] * rank])
    kernels = [node.op.kernel for node in load(spec, shape).graph.nodes if isinstance(node.op, Conv)]
    assert kernels == [(3,) * rank] * 2
    agrees_with_torch(spec, shape)


# -- parameters, defaults, assertions --------------------------------------------------------------------------------


def test_parameters_have_defaults_domains_and_settings() -> None:
    spec = "param N = 2 in 1..5\nparam w = 4*N\nparam act = RELU in [RELU, GELU]\n(CONV3-w - act)*N"
    assert widths(spec) == [8, 8]
    assert widths(spec, N=3) == [12, 12, 12]
    assert widths(spec, w=5) == [5, 5]
    assert [node.op.function for node in load(spec, act="GELU").graph.nodes if node.op.kind == "activation"] == [
        "gelu"
    ] * 2  # type: ignore[attr-defined]
    assert codes(spec, N=6) == codes(spec, N=0) == codes(spec, N=1.5) == codes(spec, act="TANH") == ["CNN014"]


def test_defaults_hold_from_where_they_stand() -> None:
    def biases(text: str) -> list[bool]:
        return [node.op.bias for node in load(text).graph.nodes if isinstance(node.op, Conv)]

    assert biases("def F = CONV\ndefault CONV(bias=false)\ndef G = CONV\nF - G - CONV") == [True, False, False]
    assert biases("default CONV(bias=false)\nCONV - CONV(bias=true)") == [False, True]
    assert biases("default CONV(bias=false)\ndefault CONV(bias=true)\nCONV") == [True]
    assert biases("default CONV(bias=false)\ndef B(A) = A-8\nB(CONV3)") == [False]


@pytest.mark.parametrize(
    ("claim", "holds"),
    [("params == 224", True), ("params < 224", False), ("macs <= 0.3M, receptive_field >= 3", True),
     ("memory <= 100MB and layers == 1", True), ("receptive_field > 3", False), ("params <= limit", True)],
)  # fmt: skip
def test_assertions(claim: str, holds: bool) -> None:
    assert codes(f"param limit = 300\nCONV3-8\nassert {claim}, limit == 300") == ([] if holds else ["CNN201"])


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a file of blocks in a folder."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "blocks").mkdir()
    (tmp_path / "nets").mkdir()
    (tmp_path / "blocks" / "block.cnn").write_text(
        'use "act.cnn"\ndefault CONV(bias=false)\nparam scale = 2\ndef Block(w) = CONV3-{scale*w} - Act\nnet Unused = RELU\n'
    )
    (tmp_path / "blocks" / "act.cnn").write_text("def Act = GELU\n")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "nets" / "net.cnn"
    path.write_text(f"input {IMAGE}\n{text}")
    return path


def test_use_takes_definitions_with_their_own_defaults(project: Path) -> None:
    spec = write(project, 'use "../blocks/block.cnn"\nBlock(4) - CONV3-5')
    graph = cnndsl.load(spec).graph
    assert [(n.op.width, n.op.bias) for n in graph.nodes if isinstance(n.op, Conv)] == [(8, False), (5, True)]
    assert graph.nodes[1].origin is not None
    assert Path(graph.nodes[1].origin.file).name == "block.cnn"


def test_defaults_of_the_caller_do_not_reach_into_used_files(project: Path) -> None:
    spec = write(project, 'default CONV(dilation=2)\nuse "../blocks/block.cnn"\nBlock(4) - CONV3-5')
    assert [n.op.dilation for n in cnndsl.load(spec).graph.nodes if isinstance(n.op, Conv)] == [(1, 1), (2, 2)]


def test_settings_do_not_reach_into_used_files(project: Path) -> None:
    spec = write(project, 'use "../blocks/block.cnn"\nparam scale = 3\nBlock(4) - CONV3-scale')
    widths = [n.op.width for n in cnndsl.load(spec, scale=7).graph.nodes if isinstance(n.op, Conv)]
    assert widths == [8, 7]


def test_files_in_a_circle(project: Path) -> None:
    (project / "blocks" / "act.cnn").write_text('use "block.cnn"\ndef Act = GELU\n')
    assert [d.code for d in cnndsl.lint(write(project, 'use "../blocks/block.cnn"\nBlock(4)'))] == ["CNN023"]


def test_the_same_file_twice(project: Path) -> None:
    spec = write(project, 'use "../blocks/block.cnn"\nuse "../blocks/act.cnn"\nBlock(4) - Act')
    kinds = [node.op.kind for node in cnndsl.load(spec).graph.nodes]
    assert kinds == ["input", "conv", "activation", "activation"]


def test_two_files_with_the_same_definition(project: Path) -> None:
    (project / "blocks" / "other.cnn").write_text("def Act = RELU\n")
    spec = write(project, 'use "../blocks/act.cnn"\nuse "../blocks/other.cnn"\nAct')
    assert [d.code for d in cnndsl.lint(spec)] == ["CNN016"]


def test_errors_in_used_files_are_told_there(project: Path) -> None:
    (project / "blocks" / "act.cnn").write_text("def Act = GELUU\n")
    (found,) = cnndsl.lint(write(project, 'use "../blocks/block.cnn"\nBlock(4)'))
    assert found.span is not None
    assert (Path(found.span.source.name).name, found.span.line) == ("act.cnn", 1)


def test_nothing_outside_the_project(project: Path) -> None:
    (project / "pyproject.toml").unlink()
    assert [d.code for d in cnndsl.lint(write(project, 'use "../blocks/block.cnn"\nBlock(4)'))] == ["CNN023"]


@pytest.mark.parametrize(
    ("stages", "others"),
    [
        ("Block(4) - CONV - Block - Conv(3) - CONV-Wide(2) - Wide*3", []),
        ("Stage(Block, 3) - Block(Act) - (B(w) for B, w in [(Block, 3), (Other, 4)])", []),
        ("CONV3-4(pad=same) - Block(4) - FC-4", []),
        ("RELU - CONV(group=2) - Block(4)", ["CNN011"]),
        ("CONV3-4 - FC-classes", ["CNN013"]),
    ],
)
def test_a_missing_file_is_told_once(stages: str, others: list[str]) -> None:
    assert codes(f'use "zoo:blocks/none"\n{stages}', input="3x8x8") == ["CNN023", *others]


@pytest.mark.parametrize(
    "statement",
    ["def Block(w) = CONV - - RELU", "def Block(w) = (CONV", "def Block(w) = CONV)", "param Block = 3 in in"],
)
def test_what_a_broken_statement_declares_is_told_once(statement: str) -> None:
    found = codes(f"{statement}\nnet A = CONV - Block(4) - RELUU", input="3x8x8")
    assert len(found) == 2
    assert found[0] in ("CNN001", "CNN002", "CNN027")
    assert found[1] == "CNN010"


@pytest.mark.parametrize(
    ("path", "meant"), [("blocks/se.cnn", "se"), ("zoo:se", "se"), ("residuel.cnn", "residual"), ("../x/fire", None)]
)
def test_a_block_of_the_package_may_be_meant(path: str, meant: str | None, project: Path) -> None:
    (found,) = cnndsl.lint(write(project, f'use "{path}"\nRELU'))
    assert found.help == (None if meant is None else f'did you mean "zoo:blocks/{meant}"?')


def test_links_out_of_the_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.cnn"
    outside.write_text("def Secret = RELU\n")
    (project / "blocks" / "link.cnn").symlink_to(outside)
    assert [d.code for d in cnndsl.lint(write(project, 'use "../blocks/link.cnn"\nRELU'))] == ["CNN023"]


def test_what_the_package_ships() -> None:
    assert codes('use "zoo:blocks/se"\nRELU') == []
    assert codes('use "zoo:blocks/none"\nRELU') == ["CNN023"]
