"""Graph to a Python file: the same keys and the same numbers as the module, in plain, formatted Python."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import cnndsl
from cnndsl.ir import Graph, Node, Scope
from cnndsl.lower.torch import to_module
from cnndsl.lower.torch_forward import EXPRESSIONS
from cnndsl.lower.torch_source import to_source
from cnndsl.lower.torch_table import ROWS
from cnndsl.ops.base import Op
from cnndsl.ops.combine import Concat, Input
from cnndsl.ops.reshape import Slice
from cnndsl.shape import Shape
from tests.networks import Builder, conv, resnet, with_heads, with_references
from tests.operations import cases

GOLDEN = Path(__file__).parent / "golden" / "resnet50_torch.txt"

SPECS = {
    "bare": ("[(CONV-RELU)*2-POOL]*2-(FC-RELU)*1-FC-10, SOFTMAX", "3x16x16"),
    "squeeze and excitation": (
        """
        def SE(r=4) = MUL[ ID | GAP - CONV1-{cin//r} - RELU - CONV1-{cin} - SIGMOID ]
        def Gate = MUL[ GAP - FC-cin - HSIGMOID | ID ]
        net SENet = CONV3-8 - SE - CONV3-16/2 - SE(r=2) - Gate - GAP - FC-5
        """,
        "3x16x16",
    ),
    "shuffle": (
        """
        def Right(w) = CONV1-w - BN - RELU - DWCONV3 - BN
        def Unit(w) = SPLIT[ ID | Right(w) ] - SHUFFLE(2)
        net Shuffled = CONV3-16 - Unit(8)*2 - CONV1-32 - Unit(16)*2 - GAP - FC-5
        """,
        "3x16x16",
    ),
    "u-net": (
        """
        def Double(w) = (CONV3-w - BN - RELU)*2
        def UNet(w, d) = if d == 0 then Double(w)
                         else Double(w) - CONCAT[ ID | POOL2 - UNet(2*w, d-1) - UPCONV2-w/2 ] - Double(w)
        net U = UNet(4, 3) - CONV1-2
        """,
        "3x16x16",
    ),
    "side outputs": (
        """
        def Aux = AUX(weight=0.3)[ AVGPOOL2 - CONV1-8 - FC-16 - RELU - DROPOUT(0.5) - FC-5 ]
        net Sided = CONV3-8 - RELU - Aux - CONV3-8/2 - Aux - GAP - FC-5
        """,
        "3x16x16",
    ),
    "labels": ("a: CONV3-8 - b: (CONV3-8 - BN - RELU) - ADD[ ID | @a | @b ] - MAX[ ID | @a | CONV1-8 ] - GN(2)", "3x9x9"),
    "helpers": (
        "CONV4-8(pad=same) - MAXOUT(2) - LN - SCALE - SCALE(0.5, learned=false) - DROPPATH(0.2) "
        "- POOL2(pad=(0,1,1,0), ceil=true) - SHUFFLE(2) - PAD(1)",
        "3x9x9",
    ),
    "one axis": ("CONV7-8/2(pad=(1,4)) - BN - PRELU - UP(2) - CROP(1) - SLICE(2, 6) - GMP - FC-3", "2x50"),
    "three axes": ("CONV3-8 - IN - LRELU - UP(2, mode=trilinear) - MEAN[ ID | CONV1-8 | DWCONV3 ] - GAP - FC-3", "2x4x6x5"),
}  # fmt: skip


def run(source: str, folder: Path, name: str) -> type[nn.Module]:
    """The class of a written network, from a file as a user would have it."""
    path = folder / "written.py"
    path.write_text(source, encoding="utf-8")
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)  # of a text of the same second and length
    spec = importlib.util.spec_from_file_location("written", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: type[nn.Module] = getattr(module, name)
    return made


def agree(graph: Graph, folder: Path) -> str:
    """Compare the written network with the built one, in both modes; its text."""
    source = to_source(graph)
    built = to_module(graph)
    written = run(source, folder, type(built).__name__)()
    assert list(written.state_dict()) == list(built.state_dict())
    written.load_state_dict(built.state_dict())
    x = torch.randn(3, *graph.input_shape.sizes())
    for training in (True, False):
        outputs = []
        for module in (built, written):
            torch.manual_seed(1)
            outputs.append(module.train(training)(x))
        torch.testing.assert_close(*outputs, rtol=0, atol=0)
    return source


def tidy(path: Path) -> None:
    """ruff finds nothing in the file, formatted or not."""
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--no-cache", str(path)]
    subprocess.run([*ruff, "check", "--select=E,F,W,I,B", "--line-length=100", *options], check=True)
    subprocess.run([*ruff, "format", "--check", "--line-length=100", *options], check=True)


@pytest.mark.parametrize("name", SPECS)
def test_specs(name: str, tmp_path: Path) -> None:
    text, shape = SPECS[name]
    source = agree(cnndsl.load(text, input=shape).graph, tmp_path)
    tidy(tmp_path / "written.py")
    imports = {line for line in source.splitlines() if line.startswith(("import", "from"))}
    assert imports <= {"import torch", "from torch import nn", "from torch.nn import functional as F"}


@pytest.mark.parametrize("make", [with_heads, with_references])
def test_graphs(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    agree(make(), tmp_path)
    tidy(tmp_path / "written.py")


def test_resnet_golden(tmp_path: Path) -> None:
    source = to_source(resnet())
    assert source == GOLDEN.read_text(encoding="utf-8")
    small = resnet((2, 1, 3), width=4, size=32, classes=5)
    agree(small, tmp_path)
    assert to_source(small) == to_source(small)


@pytest.mark.parametrize("kind", sorted(set(ROWS) | set(EXPRESSIONS), key=lambda kind: kind.kind))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_every_operation(kind: type[Op], data: st.DataObject, tmp_path: Path) -> None:
    op, shapes = data.draw(cases(kind))
    nodes = [Node("input", Input(), (), shapes[0])]
    if len(shapes) > 1:  # branches of other shapes come from slices and pools of the input
        if any(shape != shapes[0] for shape in shapes):
            return
        nodes.append(Node("slice1", Slice(0, shapes[0].channels), (0,), shapes[0]))
    output = op.infer(shapes)
    assert isinstance(output, Shape)
    nodes.append(Node("op1", op, tuple(min(i, len(nodes) - 1) for i in range(len(shapes))), output))
    if kind is not Concat and shapes[0] == Shape(shapes[0].channels, (1,) * shapes[0].rank):
        return  # batch and instance norms need more than one value in training
    agree(Graph("One", tuple(nodes), len(nodes) - 1), tmp_path)


def test_instances_share_a_class_with_parameters(tmp_path: Path) -> None:
    source = agree(resnet((2, 2, 2), width=4, size=32, classes=5), tmp_path)
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert [node.name for node in classes] == ["Bottleneck", "Bottleneck2", "Stage", "ResNet50"]
    assert "def __init__(self, in_channels: int, channels: int, out_channels: int, stride: int) -> None:" in source


def test_no_text_of_a_graph_gets_out_of_its_place(tmp_path: Path) -> None:
    """A graph read from JSON may hold any names."""
    hostile = 'x"""\nimport os  # \\'
    build = Builder(3, 8, 8)
    build.add(hostile, conv(4))
    with build.scope(hostile + "2", hostile):
        build.add("class", conv(4))
    graph = build.graph(hostile).replace(scopes=(Scope(hostile + "2", hostile),))
    source = to_source(graph)
    assert not [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) and node.names[0].name == "os"
    ]
    agree(graph, tmp_path)


def test_writing_needs_no_torch() -> None:
    program = (
        "import sys, cnndsl; from cnndsl.lower.torch_source import to_source\n"
        "to_source(cnndsl.load('CONV-LN-SCALE-FC-10', input='3x8x8').graph)\n"
        "assert not {'torch', 'numpy', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
