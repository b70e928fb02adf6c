"""Random networks that PyTorch runs: what the compiler says of them is what PyTorch, ONNX and ONNX Runtime do."""

from __future__ import annotations

import ast
import runpy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from compiling import (
    TOLERANCE,
    batch,
    compiled,
    graph_of,
    module_of,
    near,
    random_arrays,
    reference_run,
    said,
    unshrunk,
)
from hypothesis import assume, example, given
from hypothesis import strategies as st
from networks_strategy import specs
from notation import Layer, Pipe, Spec, parts
from reference import REFUSALS, Run
from reference_layers import Rule
from torch.utils.flop_counter import FlopCounterMode

import cnndsl
from cnndsl.analysis.sizes import valid_sizes
from cnndsl.compiler import Text, compile_text
from cnndsl.expand import expand
from cnndsl.formatter import format_file
from cnndsl.ir import Graph
from cnndsl.lower.onnx import to_onnx
from cnndsl.lower.torch_source import to_source
from cnndsl.ops.combine import Mul
from cnndsl.source import Source

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


PAD = Layer("PAD", arguments=(("pad", 1),))
PADDED_POOL = Spec((1, 1), Pipe((Layer("CONV", width=1), PAD, Layer("POOL"))))
"""ONNX Runtime's optimiser made the zeros the pool's own padding, which never wins."""
PADDED_POOL_LATER = Spec(
    (1, 1), Pipe((Layer("CONV", width=1), PAD, Layer("CROP", arguments=(("crop", 0),)), Layer("POOL")))
)
"""Here after it has removed the crop."""
PADDED_OUTPUT = Spec(
    (3, 6),
    Pipe(
        (Layer("UPCONV", 1, 4, 1, (("dilation", 3), ("output_padding", 2), ("bias", False))), Layer("POOL", 3, None, 1))
    ),
)
"""And the zeros of an output padding that ONNX has no attribute for."""
PADDED_NORMS = Spec((5, 3), Pipe((Layer("CONV", 1, 5), Layer("LN"), PAD, Layer("LN"), PAD, Layer("POOL"))))
"""Its transpose optimiser moves the transposes around LN past the padding."""
SOFTMAX_TWICE = Spec((3,), Pipe((Layer("SOFTMAX"),)), classes=2, ending=("SOFTMAX",))
"""Both got the classifier that belongs to the last."""


def leaves_out(spec: Spec) -> bool:
    """Whether training draws random numbers."""
    layers = [part for _, part in parts((spec.body, spec.definitions)) if isinstance(part, Layer)]
    return any(layer.name in ("DROPOUT", "DROPPATH") for layer in layers)


# PyTorch


@unshrunk
@given(specs())
@example(SOFTMAX_TWICE)
def test_it_is_what_torch_nn_makes_of_the_notation(spec: Spec) -> None:
    """Every node's kind and shape, in both modes; the outputs in float64; running statistics; parameters and MACs."""
    graph = graph_of(spec)
    arrays = random_arrays(graph)
    module = module_of(graph, arrays).double()
    for training, size in ((False, 1), (False, 3), (True, 2)):
        x = batch(spec, size)
        run = reference_run(spec, graph, arrays, training=training)
        module.train(training)
        with torch.no_grad():
            expected = run.network(x)
            found = module(x.clone())
        assert [(node.op.kind, node.shape.sizes()) for node in graph.nodes[1:]] == [
            (event.kind, event.shape) for event in run.events
        ]
        if training and leaves_out(spec):
            continue
        outputs = found if training and graph.auxiliary else (found,)
        for output, wanted in zip(outputs, (expected, *(run.sides if training else ())), strict=True):
            assert near(output, wanted)
    compare_counts(spec, graph, module)


def compare_counts(spec: Spec, graph: Graph, module: torch.nn.Module) -> None:
    statistics = cnndsl.stats(graph).json()
    assert statistics["params"] == sum(parameter.numel() for parameter in module.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(batch(spec, 1))
    assert 2 * statistics["macs"] == counter.get_total_flops()


@unshrunk
@given(specs())
def test_the_written_file_is_the_same_module(tmp_path_factory: pytest.TempPathFactory, spec: Spec) -> None:
    graph = graph_of(spec)
    arrays = random_arrays(graph)
    module = module_of(graph, arrays).double().eval()
    text = to_source(graph)
    path = Path(tmp_path_factory.getbasetemp()) / "written.py"
    path.write_text(text, encoding="utf-8")
    last = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)][-1]
    made: torch.nn.Module = runpy.run_path(str(path))[last]().double().eval()
    assert list(made.state_dict()) == list(module.state_dict())
    made.load_state_dict(module.state_dict())
    with torch.no_grad():
        assert near(made(batch(spec, 2)), module(batch(spec, 2)), 1e-12)
        if not leaves_out(spec):
            for found, expected in zip(
                as_tuple(made.train()(batch(spec, 2))), as_tuple(module.train()(batch(spec, 2))), strict=True
            ):
                assert near(found, expected, 1e-12)


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


# ONNX


@unshrunk
@given(specs(), st.sampled_from([18, 17, 20, 21, 22, 26]))
@example(PADDED_POOL, 17)
@example(PADDED_POOL, 18)
@example(PADDED_POOL_LATER, 18)
@example(PADDED_OUTPUT, 18)
@example(PADDED_NORMS, 18)
def test_onnx_runtime_computes_what_pytorch_does(spec: Spec, opset: int) -> None:
    """And ONNX's own shape inference finds our shapes."""
    graph = graph_of(spec)
    arrays = random_arrays(graph)
    model = to_onnx(graph, arrays, opset=opset)
    onnx.checker.check_model(model, full_check=True)
    compare_shapes(graph, model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    single, double = module_of(graph, arrays).eval(), module_of(graph, arrays).double().eval()
    alike = watch_norms(double)
    for size in (1, 3):
        x = batch(spec, size)
        with torch.no_grad():
            rounded, exact = single(x.float()).double(), double(x.float().double())
        (found,) = session.run(None, {"input": x.float().numpy()})
        assert found.dtype == np.float32
        assert any(alike) or agree(torch.from_numpy(found).double(), rounded, exact), (found, exact)


def watch_norms(module: torch.nn.Module) -> list[bool]:
    """For each normalisation that runs, whether values that are all alike came into it.

    Their difference from their mean is 0 where the mean is exact and a rounding error anywhere else, and is then divided
    by sqrt(eps): no two backends agree on it.
    """
    seen: list[bool] = []

    def watch(norm: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        (x,) = inputs
        if isinstance(norm, torch.nn.LayerNorm):
            groups = x.movedim(1, -1)
        else:
            groups = x.reshape(x.shape[0], norm.num_groups if isinstance(norm, torch.nn.GroupNorm) else x.shape[1], -1)
        deviation, mean = groups.std(-1, correction=0), groups.mean(-1).abs()
        seen.append(bool((deviation < 1e-3 * mean.clamp(min=1e-3)).any()))

    instance = (torch.nn.InstanceNorm1d, torch.nn.InstanceNorm2d, torch.nn.InstanceNorm3d)
    for norm in module.modules():
        if isinstance(norm, (torch.nn.LayerNorm, torch.nn.GroupNorm, *instance)):
            norm.register_forward_pre_hook(watch)
    return seen


def agree(found: torch.Tensor, rounded: torch.Tensor, exact: torch.Tensor) -> bool:
    """To 1e-4 of the largest value, and ten times what float32 itself loses in PyTorch."""
    if found.shape != exact.shape:
        return False
    if not torch.isfinite(exact).all():
        return True
    lost = float((rounded - exact).abs().max())
    return float((found - exact).abs().max()) <= TOLERANCE * max(1e-3, float(exact.abs().max())) + 10 * lost


def compare_shapes(graph: Graph, model: onnx.ModelProto) -> None:
    """Against strict inference that knows the input alone."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    for output in bare.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True).graph
    shapes = {node.name: node.shape.sizes() for node in graph.nodes}
    shapes["output"] = graph.output_shape.sizes()
    for value in (*inferred.value_info, *inferred.output):
        assert value.type.tensor_type.HasField("shape"), value.name
        if value.name in shapes:
            sizes = [axis.dim_value for axis in value.type.tensor_type.shape.dim[1:]]
            expected = shapes[value.name]
            assert len(sizes) == len(expected), value.name
            assert all(size in (0, wanted) for size, wanted in zip(sizes, expected, strict=True)), value.name


# Texts and data


@unshrunk
@given(specs())
def test_every_form_is_the_same_network(spec: Spec) -> None:
    """Formatted, written out, and as JSON."""
    result = compiled(spec)
    graph = result.graph
    assert graph is not None, said(result)
    formatted = format_file(result.file)
    again = compile_text(Text(Source("again.cnn", formatted)), dict(spec.settings))
    assert again.graph is not None, formatted
    assert again.graph.hash() == graph.hash()
    assert format_file(again.file) == formatted
    assert Graph.from_json(graph.json()) == graph
    text = expand(graph, result.elaborated.trace)
    whole = compile_text(Text(Source("whole.cnn", text)))
    assert whole.graph is not None, said(whole)
    assert wiring(whole.graph) == wiring(graph)


def wiring(graph: Graph) -> Any:
    """What computes, without names."""
    nodes = [(node.op, node.inputs, node.shape) for node in graph.nodes]
    return nodes, graph.output, [(side.node, side.weight) for side in graph.auxiliary]


# Open sizes


@unshrunk
@given(specs(symbolic=True), st.data())
def test_open_sizes_are_solved(spec: Spec, data: st.DataObject) -> None:
    """`accepts` is what compiling with the size and what PyTorch says, and shapes evaluate to the same numbers."""
    rank = len(spec.input) - 1
    result = compiled(spec, "x".join([str(spec.input[0]), *"?" * rank]))
    assume(not any(d.code == "CNN112" and "too far apart" in d.message for d in result.diagnostics))
    graph = result.graph
    assert graph is not None, said(result)
    solved = valid_sizes(graph)
    symbols = [str(n) for n in graph.input_shape.spatial]
    assert solved.accepts(dict(zip(symbols, spec.input[1:], strict=True)))
    for _ in range(3):
        sizes = tuple(data.draw(st.integers(1, 40 if rank < 3 else 14)) for _ in symbols)
        values = dict(zip(symbols, sizes, strict=True))
        fixed = compiled(spec, fixed="x".join(map(str, (spec.input[0], *sizes))))
        if fixed.graph is not None and spreads_by_chance(graph, fixed.graph):
            assert not solved.accepts(values)
            continue
        assert solved.accepts(values) is (fixed.graph is not None), (values, solved.lines(), said(fixed))
        assert (fixed.graph is not None) is runs(spec, sizes), (values, said(fixed))
        if fixed.graph is not None:
            evaluated = [node.shape.evaluate(values) for node in graph.nodes]
            assert evaluated == [node.shape for node in fixed.graph.nodes]


def test_of_an_open_size_only_what_is_always_one_broadcasts() -> None:
    """At 2x2 the gate is 1x1 by chance: taken where the size is given, not among the valid ones where it is open."""
    notation = "MUL[ CONV1-3 | CONV3-3/2 ]"
    assert cnndsl.load(notation, input="3x2x2").graph.output_shape.sizes() == (3, 2, 2)
    solved = valid_sizes(cnndsl.load(notation, input="3x?x?").graph)
    assert solved.accepts({"H": 1, "W": 1})
    assert not solved.accepts({"H": 2, "W": 2})


def spreads_by_chance(graph: Graph, fixed: Graph) -> bool:
    """Whether MUL broadcasts a map that is 1x1 at this size alone; of an open size only what is so always broadcasts."""
    for node, there in zip(graph.nodes, fixed.nodes, strict=True):
        if isinstance(node.op, Mul) and any(n != 1 for n in there.shape.spatial):
            for x, y in zip(graph.inputs(node), fixed.inputs(there), strict=True):
                if set(y.spatial) == {1} and set(x.spatial) != {1}:
                    return True
    return False


def runs(spec: Spec, sizes: tuple[int, ...]) -> bool:
    """Whether PyTorch takes an input of this size."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Run(spec).network(torch.zeros(1, spec.input[0], *sizes))
    except (*REFUSALS, Rule):
        return False
    return True
