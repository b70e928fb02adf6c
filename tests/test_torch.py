"""Graph to nn.Module: every operation against PyTorch's execution, and what an ordinary module can do."""

from __future__ import annotations

import copy
import io
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import cnndsl
from cnndsl.ir import Graph, Node
from cnndsl.lower.scopes import FUNCTIONAL, attribute
from cnndsl.lower.torch import EXPRESSIONS, load_arrays, to_arrays, to_module
from cnndsl.lower.torch_table import ROWS
from cnndsl.ops import OPS
from cnndsl.ops.activation import Activation
from cnndsl.ops.base import Op
from cnndsl.ops.combine import Input, Mul
from cnndsl.ops.linear import Flatten, Linear
from cnndsl.ops.norm import LayerNorm
from cnndsl.ops.pool import GlobalAvgPool, MaxPool
from cnndsl.ops.regularise import DropPath
from cnndsl.ops.reshape import Scale
from cnndsl.reserved import RESERVED
from cnndsl.shape import Shape
from tests.networks import BN, RELU, Builder, conv, resnet, with_heads, with_references
from tests.operations import cases


def one_op(op: Op, shapes: tuple[Shape, ...]) -> tuple[Graph, nn.Module]:
    """A graph of one operation on slices of its input's channels, and the module that computes just that operation."""
    nodes = [Node("input", Input(), (), shapes[0])]
    output = op.infer(shapes)
    assert isinstance(output, Shape)
    graph = Graph("One", (*nodes, Node("op1", op, (0,) * len(shapes), output)), 1)
    return graph, to_module(graph)


def inputs_for(shapes: tuple[Shape, ...], batch: int = 3) -> list[torch.Tensor]:
    return [torch.randn(batch, *shape.sizes()) for shape in shapes]


def test_every_operation_has_a_row() -> None:
    assert set(ROWS) | set(FUNCTIONAL) == set(OPS.values()) - {Input}
    assert set(EXPRESSIONS) == set(FUNCTIONAL)


@pytest.mark.parametrize("kind", sorted(ROWS, key=lambda kind: kind.kind))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_modules_execute_the_inferred_shape(kind: type[Op], data: st.DataObject) -> None:
    op, shapes = data.draw(cases(kind))
    graph, module = one_op(op, shapes)
    (x,) = inputs_for(shapes)
    expected = graph.output_shape.sizes()
    assert module.eval()(x).shape[1:] == expected
    assert module.train()(x).shape[1:] == expected
    weights = {f"op1.{weight.name}": weight.shape for weight in op.weights(shapes)}
    assert {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()} == weights
    trained = {f"op1.{weight.name}" for weight in op.weights(shapes) if weight.trained}
    assert {name for name, _ in module.named_parameters()} == trained


@pytest.mark.parametrize("kind", FUNCTIONAL)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_expressions_execute_the_inferred_shape(kind: type[Op], data: st.DataObject) -> None:
    op, shapes = data.draw(cases(kind))
    y = expression(op, shapes, inputs_for(shapes))
    assert y.shape[1:] == op.infer(shapes).dimensions


def expression(op: Op, shapes: tuple[Shape, ...], inputs: list[torch.Tensor]) -> torch.Tensor:
    """One of the functional rows on given inputs."""
    graph = torch.fx.Graph()
    values = [graph.placeholder(f"x{i}") for i in range(len(inputs))]
    graph.output(EXPRESSIONS[type(op)](graph, op, values, tuple(shape.rank for shape in shapes)))
    made: torch.Tensor = torch.fx.GraphModule({}, graph)(*inputs)
    return made


def test_a_vector_multiplies_every_position() -> None:
    x, gate = torch.randn(2, 5, 3, 4), torch.randn(2, 5)
    shapes = (Shape(5, (3, 4)), Shape(5))
    torch.testing.assert_close(expression(Mul(), shapes, [x, gate]), torch.einsum("nchw,nc->nchw", x, gate))


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 12), kernel=st.integers(1, 4), stride=st.integers(1, 4), ceil=st.booleans(), data=st.data())
def test_padding_a_max_pool_first_is_padding_it(
    size: int, kernel: int, stride: int, ceil: bool, data: st.DataObject
) -> None:
    """What the asymmetric form computes, on symmetric pads, against the layer's own."""
    pad = data.draw(st.integers(0, kernel // 2))
    op = MaxPool((kernel,), (stride,), ((pad, pad),), (1,), ceil)
    shape = Shape(2, (size,))
    if not isinstance(op.infer((shape,)), Shape):
        return
    from cnndsl.lower.torch_layers import PaddedMaxPool1d

    padded = PaddedMaxPool1d(kernel_size=kernel, stride=stride, ceil_mode=ceil, pads=(pad, pad))
    _, module = one_op(op, (shape,))
    x = torch.randn(2, *shape.sizes())
    torch.testing.assert_close(padded(x), module(x), rtol=0, atol=0)


def test_channel_norm_is_layer_norm_of_the_channels() -> None:
    _, module = one_op(LayerNorm(1e-6, True), (Shape(6, (4, 5)),))
    x = torch.randn(2, 6, 4, 5)
    expected = torch.nn.functional.layer_norm(x.permute(0, 2, 3, 1), (6,), eps=1e-6).permute(0, 3, 1, 2)
    torch.testing.assert_close(module(x), expected)


def test_drop_path_drops_whole_samples_and_keeps_the_mean() -> None:
    _, module = one_op(DropPath(0.25), (Shape(2, (3, 3)),))
    torch.manual_seed(0)
    x = torch.ones(4000, 2, 3, 3)
    y = module.train()(x)
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 4 / 3]))
    assert (y.flatten(1).amax(1) == y.flatten(1).amin(1)).all()
    assert y.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(module.eval()(x), x)


def test_scale_starts_at_its_init() -> None:
    _, module = one_op(Scale(1e-3), (Shape(4, (2,)),))
    x = torch.randn(2, 4, 2)
    torch.testing.assert_close(module(x), x * 1e-3)


# Names, repr, modes


def small() -> Graph:
    return resnet((2, 1), width=4, size=32, classes=5)


NETWORKS = [small, with_heads, with_references]


@pytest.fixture(params=NETWORKS, ids=["resnet", "heads", "references"])
def graph(request: pytest.FixtureRequest) -> Graph:
    made: Graph = request.param()
    return made


@pytest.fixture
def network(graph: Graph) -> nn.Module:
    torch.manual_seed(0)
    return to_module(graph).eval()


@pytest.fixture
def x(graph: Graph) -> torch.Tensor:
    return torch.randn(2, *graph.input_shape.sizes(), generator=torch.Generator().manual_seed(1))


def test_state_dict_keys_are_node_and_weight_names(graph: Graph, network: nn.Module) -> None:
    named = [f"{n.name}.{w.name}" for n in graph.nodes if n.inputs for w in n.op.weights(graph.inputs(n))]
    assert list(network.state_dict()) == named


def test_repr_shows_the_definitions() -> None:
    shown = repr(to_module(small()))
    assert shown.startswith("ResNet50(\n  (conv1): Conv2d(3, 4, kernel_size=(7, 7)")
    assert "(stage1): Stage(\n    (bottleneck1): Bottleneck(" in shown


class Executed(TorchDispatchMode):
    """Counts the convolutions and matrix products that run."""

    def __init__(self) -> None:
        super().__init__()
        self.products = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.products += function.overloadpacket.__name__ in ("convolution", "addmm", "_convolution")
        return function(*args, **(kwargs or {}))


def test_side_outputs_are_computed_in_training_only() -> None:
    network, x = to_module(with_heads()), torch.randn(2, 3, 16, 16)
    with Executed() as training:
        outputs = network.train()(x)
    with Executed() as evaluation:
        alone = network.eval()(x)
    assert [tuple(y.shape) for y in outputs] == [(2, 4)] * 3
    assert isinstance(alone, torch.Tensor)
    torch.testing.assert_close(alone, outputs[0])
    assert (training.products, evaluation.products) == (7, 4)


def test_references_are_what_they_name() -> None:
    network, x = to_module(with_references()).eval(), torch.randn(2, 3, 16, 16)
    outer = torch.relu(network.conv1(x))
    block = network.block1
    early = block.bn1(block.conv1(outer))
    late = block.conv2(block.inner1.conv1(early) + outer + early)
    torch.testing.assert_close(network(x), network.conv2(late + early))


def test_relu_overwrites_only_what_nothing_else_uses() -> None:
    build = Builder(3, 8, 8)
    first = build.add("conv1", conv(4))
    build.add("relu1", RELU)
    build.add("relu2", RELU, first)
    build.add("conv2", conv(4))
    build.add("relu3", RELU)
    network = to_module(build.graph())
    assert [network.get_submodule(f"relu{i}").inplace for i in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    "name",
    [*sorted(RESERVED)[:: len(RESERVED) // 12], "forward", "class", "training", "3x", "_modules", "Self", "SELF", "F"],
)
def test_names_that_a_module_uses_still_work(name: str) -> None:
    build = Builder(3, 8, 8)
    build.add(name, conv(4))
    build.add("conv", conv(4))
    with build.scope(f"{name}s", name):
        build.add(name, conv(4))
    with build.scope(f"{name}2", name):
        build.add(name, conv(4))
        build.add("conv", conv(4))
    graph = build.graph()
    network = to_module(graph)
    assert pickle.loads(pickle.dumps(network))(torch.randn(1, 3, 8, 8)).shape == (1, 4, 8, 8)
    arrays = {f"{n.name}.{w.name}": np.ones(w.shape) for n in graph.nodes[1:] for w in n.op.weights(graph.inputs(n))}
    load_arrays(network, arrays)
    assert all(bool((tensor == 1).all()) for tensor in network.parameters())


def test_reserved_holds_every_attribute_of_a_module() -> None:
    used = {name for name in {*dir(nn.Module), *vars(nn.Module())} if not name.startswith("_")}
    assert used <= RESERVED
    assert all(attribute(name) != name for name in used)


def test_scopes_that_do_not_lie_together_are_refused() -> None:
    build = Builder(3, 8, 8)
    for name in ("a.conv1", "conv1", "a.conv2"):
        build.add(name, conv(3))
    with pytest.raises(ValueError, match="both named a"):
        to_module(build.graph())


# What modules can do


def test_copies_pickles_and_saves(network: nn.Module, x: torch.Tensor) -> None:
    y = network(x)
    saved = io.BytesIO()
    torch.save(network, saved)
    saved.seek(0)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), torch.load(saved, weights_only=False)):
        assert type(other).__name__ == type(network).__name__
        assert repr(other) == repr(network)
        torch.testing.assert_close(other(x), y, rtol=0, atol=0)
        with torch.no_grad():
            next(other.parameters()).zero_()
        assert not torch.equal(other(x), y)
    torch.testing.assert_close(network(x), y, rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_compiles_whole(network: nn.Module, x: torch.Tensor, training: bool) -> None:
    torch._dynamo.reset()
    network.train(training)
    compiled = torch.compile(copy.deepcopy(network), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), network(x))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_exports_with_a_dynamic_batch(network: nn.Module, x: torch.Tensor, training: bool) -> None:
    network.train(training)
    state = copy.deepcopy(network.state_dict())
    program = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=2)},))
    assert set(program.state_dict) == set(state)
    network.load_state_dict(state)
    larger = torch.cat((x, x, x))
    torch.testing.assert_close(program.module()(larger), network(larger), rtol=1e-4, atol=1e-5)


def test_half_precision_and_channels_last(network: nn.Module, x: torch.Tensor) -> None:
    y = network(x)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), y, rtol=1e-4, atol=1e-5)
    assert copy.deepcopy(network).half()(x.half()).dtype == torch.float16
    assert copy.deepcopy(network).bfloat16()(x.bfloat16()).dtype == torch.bfloat16


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
def test_trains_under_ddp(network: nn.Module, x: torch.Tensor) -> None:
    alone = copy.deepcopy(network).train()
    parallel = nn.parallel.DistributedDataParallel(copy.deepcopy(network).train())
    for module in (alone, parallel):
        made = module(x)
        sum(y.square().mean() for y in (made if isinstance(made, tuple) else (made,))).backward()
    for mine, theirs in zip(alone.parameters(), parallel.module.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_hooks_see_every_layer(network: nn.Module, x: torch.Tensor) -> None:
    seen: list[str] = []
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _m, _i, _o, name=name: seen.append(name))
    network.train()(x)
    assert set(seen) == {name for name, _ in network.named_modules()}


# Weights from elsewhere


def test_arrays_are_loaded_by_name(graph: Graph, network: nn.Module, x: torch.Tensor) -> None:
    arrays = to_arrays(network)
    loaded = to_module(graph).eval()
    load_arrays(loaded, arrays)
    state = torch.random.get_rng_state()
    for other in (loaded, to_module(graph, arrays).eval()):
        torch.testing.assert_close(other(x), network(x), rtol=0, atol=0)
        assert not any(tensor.is_meta for tensor in other.state_dict().values())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("fc1.bias"), "no array for fc1.bias of shape (5,)"),
        (lambda arrays: arrays.update({"fc1.bias": np.zeros(6)}), "fc1.bias has shape (5,), the array (6,)"),
        (lambda arrays: arrays.update({"fc9.bias": np.zeros(6)}), "the network has no weight fc9.bias"),
    ],
)
def test_the_first_misfit_is_named(change, message: str) -> None:  # type: ignore[no-untyped-def]
    network = to_module(small())
    arrays = to_arrays(network)
    change(arrays)
    with pytest.raises(ValueError, match=re.escape(message)):
        load_arrays(network, arrays)


def test_deep_nesting_and_vectors() -> None:
    build = Builder(6)
    build.chain(fc1=Linear(8, True), bn1=BN, relu1=Activation("tanh"), ln1=LayerNorm(1e-5, True))
    assert to_module(build.graph())(torch.randn(3, 6)).shape == (3, 8)
    build = Builder(3, 4, 4)
    build.prefix = "a.b.c.d."
    build.chain(conv1=conv(4), gap1=GlobalAvgPool(), flatten1=Flatten(), fc1=Linear(2, True))
    network = to_module(build.graph())
    assert network(torch.randn(2, 3, 4, 4)).shape == (2, 2)
    assert "a.b.c.d.conv1.weight" in network.state_dict()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_open_sizes_export_dynamic() -> None:
    network = cnndsl.load("CONV7-8/2 - BN - RELU - UP(2) - CONV3-4 - GAP - FC-10", input="3x?x?").torch().eval()
    dims = {0: torch.export.Dim("batch"), 2: torch.export.Dim("H", min=8), 3: torch.export.Dim("W", min=8)}
    program = torch.export.export(network, (torch.randn(2, 3, 32, 40),), dynamic_shapes=(dims,))
    x = torch.randn(3, 3, 48, 24)
    torch.testing.assert_close(program.module()(x), network(x))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_compiles_with_inductor(network: nn.Module, x: torch.Tensor) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(network), fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x), rtol=1e-4, atol=1e-5)
