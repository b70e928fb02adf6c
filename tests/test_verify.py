"""Verification: agreement is found, and so is the node where a damaged file begins to differ."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import Builder, conv, max_pool, resnet, with_references
from onnx import numpy_helper

from cnndsl import weights
from cnndsl.extras import MissingExtra, need
from cnndsl.ir import Graph, Node, Origin
from cnndsl.lower.onnx import to_onnx, write_onnx
from cnndsl.ops.activation import Activation
from cnndsl.ops.combine import Add, Input, Mul
from cnndsl.ops.linear import Flatten
from cnndsl.ops.pool import GlobalAvgPool
from cnndsl.ops.regularise import Dropout
from cnndsl.ops.reshape import Crop, Slice
from cnndsl.shape import Shape
from cnndsl.symbolic import Symbolic
from cnndsl.verify import Difference, Run, Verification, difference, smallest_sizes, verify


def sizeless(factor: int = 4) -> Graph:
    """A network that takes any size that halving `factor` times over fits, with every kind of functional node."""
    build = Builder(3)
    build.nodes[0] = Node("input", Input(), (), Shape(3, (Symbolic("H"), Symbolic("W"))))
    first = build.chain(conv1=conv(8), relu1=Activation("relu"), drop1=Dropout(0.5))
    gate = build.chain(gap=GlobalAvgPool(), flat=Flatten(), gate=Activation("sigmoid"))
    gated = build.add("mul1", Mul(), first, gate)
    build.add("add1", Add(), gated, first)
    build.chain(pool1=max_pool(factor, factor), conv2=conv(6), cut=Slice(1, 5), crop=Crop(((0, 1), (1, 0))))
    return build.graph("Sizeless")


def damaged(model: onnx.ModelProto, tensor: str, change: float) -> bytes:
    """The model with one array changed: all of it, as single numbers may belong to a channel that no rectifier lets by."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    found = next(held for held in copy.graph.initializer if held.name == tensor)
    found.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(found) + np.float32(change), tensor))
    return copy.SerializeToString()


@pytest.mark.parametrize("graph", [resnet((1, 1), 8, 32, 10), with_references(), sizeless()], ids=lambda g: g.name)
def test_what_we_write_agrees(graph: Graph) -> None:
    arrays = weights.init(graph, 3)
    result = verify(graph, to_onnx(graph, arrays).SerializeToString(), arrays)
    assert result.agrees
    assert result.divergence is None
    assert len(result.runs) == (2 if graph.nodes[0].shape.fixed else 6)
    assert all(run.difference.norm < 1e-5 for run in result.runs)
    assert str(result).startswith("ONNX Runtime agrees with PyTorch on inputs of 1x3x")
    assert result.json()["agrees"] is True


DAMAGED = [
    "conv1.weight",
    "bn1.running_var",
    "stage1.bottleneck1.conv2.weight",
    "stage2.bottleneck1.bn4.bias",
    "fc1.bias",
]


@pytest.mark.parametrize("tensor", DAMAGED)
def test_a_damaged_weight_is_found_and_its_node_named(tensor: str) -> None:
    graph = resnet((1, 1), 8, 32, 10)
    graph = graph.replace(nodes=tuple(node.replace(origin=Origin("r.cnn", 7, 1)) for node in graph.nodes))
    arrays = weights.init(graph)
    result = verify(graph, damaged(to_onnx(graph, arrays), tensor, 1.0), arrays)
    assert not result.agrees
    assert result.divergence is not None
    assert result.divergence.node == tensor.rpartition(".")[0]
    assert result.divergence.difference.maximum > 1e-4
    assert f"the first node that differs is {result.divergence.node} (" in str(result)
    assert "r.cnn:7" in str(result)
    assert result.json()["first_divergence"]["node"] == result.divergence.node


@pytest.mark.parametrize("node", ["mul1", "add1", "conv2", "cut"])
def test_a_damaged_node_is_named(node: str) -> None:
    graph = sizeless()
    arrays = weights.init(graph)
    model = to_onnx(graph, arrays)
    found = next(n for n in model.graph.node if n.name == node)
    # its value is negated in place: what read it reads the negation
    found.output[0], after = "raw", found.output[0]
    position = list(model.graph.node).index(found) + 1
    later = [onnx.helper.make_node("Neg", ["raw"], [after], name=node), *model.graph.node[position:]]
    found.name = "raw"
    del model.graph.node[position:]
    model.graph.node.extend(later)
    result = verify(graph, model.SerializeToString(), arrays, batches=(2,))
    assert not result.agrees
    assert result.divergence is not None
    assert result.divergence.node == node


def test_files_with_weights_beside_them(tmp_path: Path) -> None:
    graph = resnet((1,), 16, 32, 10)
    arrays = weights.init(graph)
    path = write_onnx(tmp_path / "net.onnx", graph, arrays, external_threshold=0)[0]
    assert verify(graph, path, arrays).agrees
    other = {**arrays, "stage1.bottleneck1.conv3.weight": arrays["stage1.bottleneck1.conv3.weight"] * 1.01}
    result = verify(graph, path, other)
    assert result.divergence is not None
    assert result.divergence.node == "stage1.bottleneck1.conv3"


def test_numbers_that_are_none_are_not_compared() -> None:
    graph = resnet((1,), 8, 32, 10)
    arrays = weights.init(graph)
    arrays["stage1.bottleneck1.conv2.weight"][0, 0, 0, 0] = np.nan
    result = verify(graph, to_onnx(graph, arrays).SerializeToString(), arrays)
    assert not result.agrees
    assert "NaN from stage1.bottleneck1.conv2 (conv) on" in str(result)


def test_a_file_that_does_not_run() -> None:
    graph = resnet((1,), 8, 32, 10)
    arrays = weights.init(graph)
    result = verify(graph, b"not a model", arrays)
    assert not result.agrees
    assert str(result).startswith("ONNX Runtime does not run the model: ")
    assert "failure" in result.json()
    model = to_onnx(graph, arrays)
    model.graph.node[0].op_type = "Convolve"
    assert verify(graph, model.SerializeToString(), arrays).failure is not None


def test_sizes_are_the_smallest_that_are_valid() -> None:
    # crop takes one column of what is left: at least two windows on both axes
    assert smallest_sizes(sizeless(4)) == [{"H": 8, "W": 8}, {"H": 9, "W": 8}, {"H": 8, "W": 32}]
    graph = sizeless(4)
    arrays = weights.init(graph)
    model = to_onnx(graph, arrays).SerializeToString()
    result = verify(graph, model, arrays, batches=(2,), sizes=[{"H": 20, "W": 13}])
    assert [run.shape for run in result.runs] == [(2, 3, 20, 13)]


@pytest.mark.parametrize(
    ("count", "said"),
    [(2, "1x3x1x8, 1x3x2x8: "), (6, ", 1x3x5x8, 1x3x6x8: "), (7, "of 1x3x1x8, ..., 1x3x7x8 (7 shapes): ")],
)
def test_of_many_shapes_the_first_and_the_last_are_named(count: int, said: str) -> None:
    runs = tuple(Run((1, 3, height, 8), Difference(0.0, 0.0)) for height in range(1, count + 1))
    assert said in str(Verification((*runs, runs[-1]), 1e-4))


def test_difference_is_relative() -> None:
    expected = np.array([3.0, 4.0], np.float32)
    assert difference(expected, expected) == Difference(0.0, 0.0)
    assert difference(np.array([3.0, 4.5], np.float32), expected) == Difference(0.1, 0.125)
    assert difference(expected[:1], expected).norm == np.inf
    assert difference(np.array([3.0, np.nan], np.float32), expected).maximum == np.inf
    odd = np.array([np.inf, np.nan], np.float32)
    assert difference(odd, odd).within(0)


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = resnet((1,), 8, 32, 10)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        MissingExtra, match=r'onnxruntime is not installed; install it with: pip install "cnndsl\[torch,cpu\]"'
    ):
        verify(graph, b"", weights.init(graph))
    assert need("json", "none").loads("1") == 1
