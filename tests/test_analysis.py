"""Costs, memory and receptive fields against the lectures' tables, published numbers and PyTorch's own gradients."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings

import cnndsl
from cnndsl.analysis.costs import costs
from cnndsl.analysis.field import hull
from cnndsl.analysis.memory import memory
from cnndsl.analysis.receptive import fields, receptive
from cnndsl.analysis.statistics import statistics
from cnndsl.ir import Auxiliary, Graph, Node
from cnndsl.ops import LAYERS, OPS, Op, Problem
from cnndsl.ops.regularise import Dropout
from cnndsl.shape import Shape
from cnndsl.symbolic import Symbolic

torch.set_num_threads(1)


def of(spec: str, input: str, **settings: Any) -> dict[str, Any]:
    return cnndsl.load(spec, input=input, **settings).stats().json()


# -- the lectures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("input", "layer", "output", "params", "macs"),
    [
        ("3x32x32", "CONV5-6(pad=0)", [6, 28, 28], 456, 352_800),
        ("6x28x28", "CONV5-10(pad=0)", [10, 24, 24], 1_510, None),
        ("3x32x32", "CONV5-10(pad=2)", [10, 32, 32], 760, 768_000),
        ("1x7x7", "CONV3-1(pad=0)", [1, 5, 5], None, None),
        ("1x7x7", "CONV3-1(pad=1)", [1, 7, 7], None, None),
        ("1x7x7", "CONV3-1/2(pad=0)", [1, 3, 3], None, None),
        ("64x224x224", "POOL2", [64, 112, 112], 0, 0),
        ("64x56x56", "CONV1-32", [32, 56, 56], 2_080, None),
        ("3x32x32", "FC-10", [10], 30_730, 30_720),
    ],
)
def test_single_layers(input: str, layer: str, output: list[int], params: int | None, macs: int | None) -> None:
    found = of(layer, input)
    assert found["output"] == output
    assert params in (None, found["params"])
    assert macs in (None, found["macs"])


VGG = """net VGG = ((CONV3-w - RELU)*n - POOL2) for w, n in [(64,2), (128,2), (256,3), (512,3), (512,3)]
  - (FC-4096 - RELU)*2 - FC-1000"""
VGG_ROWS = [
    (3_211_264, 1_728), (3_211_264, 36_864), (802_816, 0), (1_605_632, 73_728), (1_605_632, 147_456), (401_408, 0),
    (802_816, 294_912), (802_816, 589_824), (802_816, 589_824), (200_704, 0), (401_408, 1_179_648),
    (401_408, 2_359_296), (401_408, 2_359_296), (100_352, 0), (100_352, 2_359_296), (100_352, 2_359_296),
    (100_352, 2_359_296), (25_088, 0), (4_096, 102_760_448), (4_096, 16_777_216), (1_000, 4_096_000),
]  # fmt: skip


def test_vgg_16_row_by_row() -> None:
    graph = cnndsl.load(VGG, input="3x224x224").graph
    found = costs(graph)
    rows = []
    for node, cost in zip(graph.nodes, found.nodes, strict=True):
        if node.op.kind in ("conv", "max_pool", "linear"):
            weights = [w.size for w in node.op.weights(graph.inputs(node)) if w.role == "weight"]
            rows.append((cost.activations, sum(weights)))
    assert rows == VGG_ROWS
    assert (found.params, found.macs) == (138_357_544, 15_470_264_320)
    table = statistics(graph).table()
    assert "15,470,264,320" in table.splitlines()[-2] and "138,357,544" in table.splitlines()[-2]


def test_alexnet() -> None:
    spec = """net AlexNet = CONV11-96/4(pad=0) => 96x55x55 - POOL3/2 => 96x27x27 - NORM
      - CONV5-256(groups=2) => 256x27x27 - POOL3/2 => 256x13x13 - NORM - CONV3-384 - CONV3-384(groups=2)
      - CONV3-256(groups=2) => 256x13x13 - POOL3/2 => 256x6x6 - FC-4096 - FC-4096 - FC-1000"""
    layers = of(spec, "3x227x227")["layers"]
    assert layers[0]["params"] == 34_848 + 96
    assert layers[9]["receptive_field"] == 195  # Araujo, Norris and Sim (2019), of pool5


def test_inception_naive_and_with_bottlenecks() -> None:
    naive = of("CONCAT[ CONV1-128 | CONV3-192 | CONV5-96 | POOL3/1(pad=1) ]", "256x28x28")
    assert (naive["output"], naive["macs"]) == ([672, 28, 28], 854_196_224)
    spec = "CONCAT[ CONV1-128 | CONV1-64 - CONV3-192 | CONV1-64 - CONV5-96 | POOL3/1(pad=1) - CONV1-64 ]"
    assert (of(spec, "256x28x28")["output"], of(spec, "256x28x28")["macs"]) == ([480, 28, 28], 271_351_808)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_receptive_field_of_stacked_convolutions(count: int, kernel: int) -> None:
    assert of(f"(CONV{kernel}-4)*{count}", "3x64x64")["receptive_field"] == 1 + count * (kernel - 1)


RESNET = """def B(w, s=1) = RES[ CONV1-w/s - BN - RELU - CONV3-w - BN - RELU - CONV1-{4*w} - BN
  | if s == 1 and cin == 4*w then ID else CONV1-{4*w}/s - BN ] - RELU
net ResNet = CONV7-64/2 - BN - RELU - POOL3/2(pad=1) - (B(w, s) - B(w)*{n-1})
  for w, n, s in [(64,3,1), (128,a,2), (256,b,2), (512,3,2)]"""
MOBILENET = """def D(w, s=1) = DWCONV3/s - CONV1-w
net MobileNet = CONV3-32/2 - D(64) - D(128, 2) - D(128) - D(256, 2) - D(256) - D(512, 2) - D(512)*5 - D(1024, 2) - D(1024)"""


@pytest.mark.parametrize(
    ("spec", "settings", "size"),
    [(RESNET, {"a": 4, "b": 6}, 483), (RESNET, {"a": 4, "b": 23}, 1027), (RESNET, {"a": 8, "b": 36}, 1507),
     (MOBILENET, {}, 315)],
)  # fmt: skip
def test_published_receptive_fields(spec: str, settings: dict[str, int], size: int) -> None:
    """Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019."""
    found = of(spec, "3x224x224", **settings)
    assert found["receptive_field"] == size
    assert found["layers"][-1]["stride"] == 32
    assert of(spec, "3x?x?", **settings)["receptive_field"] == size


def test_vgg_pool5_sees_212_and_a_classifier_everything() -> None:
    layers = of(VGG, "3x224x224")["layers"]
    assert next(layer for layer in layers if layer["name"] == "pool5")["receptive_field"] == 212
    assert layers[-1]["receptive_field"] == 6 * 32 + 212
    assert layers[-1]["stride"] is None


# -- PyTorch's counts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "input"),
    [
        (
            "CONV3-8/2 - BN - RELU - RES[ CONV3-8 - GN(2) - PRELU | CONV1-8 ] - UPCONV2-4 - SEPCONV3-6 - FC-10",
            "3x16x16",
        ),
        ("CONV3-8 - CONCAT[ DWCONV5 | CONV3-4(groups=4, dilation=2) ] - UPCONV4-6/2(groups=2) - GAP - FC-3", "4x9x7"),
        ("CONV3-4 - UPCONV3-4(output_padding=1) - POOL2 - CONV1-2(bias=false)", "2x5x6x7"),
        ("CONV9-4/3 - MUL[ ID | GAP - CONV1-2 - CONV1-4 - SIGMOID ] - LN - FC-7 - BN", "1x50"),
    ],
)
def test_parameters_and_macs_are_pytorchs(spec: str, input: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = cnndsl.load(spec, input=input)
    module = network.torch().eval()
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *network.graph.input_shape.sizes()))
    found = costs(network.graph)
    assert counter.get_total_flops() == 2 * (found.macs or 0)
    assert sum(p.numel() for p in module.parameters()) == found.params
    running = [b for name, b in module.named_buffers() if "num_batches" not in name]
    assert sum(b.numel() for b in running) == found.buffers


def test_side_outputs_count_as_parameters_alone() -> None:
    spec = "CONV3-8 - AUX[ GAP - FC-10 ] - RELU - GAP - FC-10"
    with_, without = of(spec, "3x8x8"), of("CONV3-8 - RELU - GAP - FC-10", "3x8x8")
    assert with_["params"] == without["params"] + 90
    assert with_["params_without_aux"] == without["params"]
    for key in ("macs", "flops", "activations", "peak_memory_bytes"):
        assert with_[key] == without[key]
    assert with_["training_memory_bytes"] == without["training_memory_bytes"] + 4 * (3 * 90 + 8 + 10)


def test_open_sizes_leave_what_depends_on_them_open() -> None:
    found = of("CONV3-8/2 - GAP - FC-10", "3x?x?")
    assert found["params"] == 8 * 28 + 90
    assert found["macs"] is found["flops"] is found["activations"] is found["peak_memory_bytes"] is None
    assert found["layers"][0]["output"] == [8, "floor((H + 1)/2)", "floor((W + 1)/2)"]
    assert found["layers"][0]["receptive_field"] == 3
    assert found["layers"][-1]["receptive_field"] is None or isinstance(found["layers"][-1]["receptive_field"], list)
    assert found["layers"][-1]["macs"] == 80


# -- memory --------------------------------------------------------------------------------------------------------


@st.composite
def wirings(draw: st.DrawFn) -> Graph:
    """Graphs of any wiring, whose values all have sizes of their own."""
    nodes = [Node("input", OPS["input"](), (), Shape(draw(st.integers(1, 9))))]
    for i in range(1, draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(["concat", "flatten", "dropout", "slice"]))
        inputs = tuple(draw(st.lists(st.integers(0, i - 1), min_size=1, max_size=3 if kind == "concat" else 1)))
        wide = nodes[inputs[0]].shape.sizes()[0]
        ops = {"dropout": Dropout(0.5), "slice": OPS["slice"](0, draw(st.integers(1, wide)))}
        op = ops.get(kind) or OPS[kind]()
        shape = op.infer(tuple(nodes[j].shape for j in inputs))
        assert isinstance(shape, Shape)
        nodes.append(Node(f"n{i}", op, inputs, shape))
    output = draw(st.integers(1, len(nodes) - 1))
    return Graph("g", tuple(nodes), output, (Auxiliary(len(nodes) - 1, 0.3),))


@given(wirings())
def test_peak_memory_is_what_a_run_holds(graph: Graph) -> None:
    """Run the graph with real arrays, drop each name after its last use, and ask what storage is still reachable."""
    order = sorted(graph.live)
    held: dict[int, torch.Tensor] = {}
    most = 0
    for i in order:
        node = graph.nodes[i]
        match node.op.kind:
            case "input":
                held[i] = torch.zeros(node.shape.elements)
            case "concat":
                held[i] = torch.cat([held[j] for j in node.inputs])
            case "slice":
                held[i] = held[node.inputs[0]][: node.shape.elements].clone()
            case "flatten":
                held[i] = held[node.inputs[0]].flatten()
            case _:
                held[i] = F.dropout(held[node.inputs[0]], 0.5, training=False).view(-1)
        most = max(
            most, sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held.values()}.values())
        )
        needed = {j for later in order if later > i for j in graph.nodes[later].inputs} | {graph.output}
        held = {j: value for j, value in held.items() if j in needed}
    assert memory(graph).inference == most


# -- receptive fields ----------------------------------------------------------------------------------------------

LENGTH = 240


def layer(op: Any, xs: list[torch.Tensor]) -> torch.Tensor:
    """An operation on one axis and one channel, with weights of one and means for maxima, so that nothing cancels."""
    x = xs[0]
    one = torch.ones(1, 1, *getattr(op, "kernel", ()), dtype=x.dtype)
    match op.kind:
        case "conv":
            return F.conv1d(F.pad(x, op.pad[0]), one, None, op.stride, 0, op.dilation)
        case "max_pool":
            return F.conv1d(F.pad(x, op.pad[0]), one, None, op.stride, 0, op.dilation)
        case "avg_pool":
            return F.avg_pool1d(x, op.kernel, op.stride, op.pad, op.ceil)
        case "conv_transpose":
            return F.conv_transpose1d(x, one, None, op.stride, op.pad, op.output_padding, 1, op.dilation)
        case "upsample":
            return F.interpolate(x, scale_factor=float(op.scale[0]), mode=op.mode)
        case "pad":
            return F.pad(x, op.pads[0])
        case "crop":
            return x[..., op.crops[0][0] : x.shape[-1] - op.crops[0][1]]
        case "global_avg_pool":
            return x.mean(-1, keepdim=True)
        case "adaptive_avg_pool":
            return F.adaptive_avg_pool1d(x, op.size)
        case "mul":
            return prod(xs[1:], start=xs[0])
        case "add":
            return sum(xs[1:], xs[0])
    raise NotImplementedError(op.kind)


def run(graph: Graph, x: torch.Tensor) -> list[torch.Tensor]:
    values = [x]
    for node in graph.nodes[1:]:
        values.append(layer(node.op, [values[i] for i in node.inputs]))
        assert tuple(values[-1].shape[2:]) == node.shape.spatial
    return values


MOVES: list[tuple[str, dict[str, Sequence[Any]]]] = [
    ("CONV", {"kernel": [1, 2, 3, 5], "stride": [1, 1, 2, 3], "pad": [None, 0, 1, (0, 2)], "dilation": [1, 1, 2, 3]}),
    ("POOL", {"kernel": [2, 3], "stride": [1, 2], "pad": [0, 1, (1, 0)]}),
    ("AVGPOOL", {"kernel": [2, 3], "stride": [1, 2], "pad": [0, 1], "ceil": [False, True]}),
    ("UPCONV", {"kernel": [1, 2, 3, 4], "stride": [1, 2, 3], "pad": [None, 0, 1], "dilation": [1, 1, 2]}),
    ("UP", {"scale": [2, 3], "mode": ["nearest", "linear"]}),
    ("CROP", {"crop": [(0, 1), (2, 1)]}),
    ("PAD", {"pad": [(0, 1), (3, 1)]}),
]
SHRINKS: list[tuple[str, dict[str, Sequence[Any]]]] = [
    ("CONV", {"kernel": [1, 2, 3, 5], "stride": [1, 2, 3], "pad": [0], "dilation": [1, 2]}),
    ("AVGPOOL", {"kernel": [2, 3], "stride": [1, 2]}),
    ("ADAPTIVEAVGPOOL", {"size": [1, 4, 7]}),
    ("GAP", {}),
]


@st.composite
def chains(draw: st.DrawFn, choices: list[tuple[str, dict[str, Sequence[Any]]]], joins: tuple[str, ...]) -> Graph:
    """Graphs on one axis; branches that have come to the same size, or to one position, are joined now and then."""
    nodes = [Node("input", OPS["input"](), (), Shape(1, (LENGTH,)))]

    def add(op: Op, *inputs: int) -> None:
        shape = op.infer(tuple(nodes[i].shape for i in inputs))
        assume(not isinstance(shape, Problem))
        assert isinstance(shape, Shape)
        nodes.append(Node(f"n{len(nodes)}", op, inputs, shape))

    for _ in range(draw(st.integers(1, 8))):
        here = len(nodes) - 1
        fits = [
            (kind, i)
            for kind in joins
            for i in range(here)
            if nodes[i].shape == nodes[here].shape or (kind == "mul" and nodes[here].shape.spatial == (1,))
        ]
        if fits and draw(st.booleans()):
            kind, other = draw(st.sampled_from(fits))
            add(OPS[kind](), other, here)
            continue
        name, options = draw(st.sampled_from(choices))
        values = {key: draw(st.sampled_from(list(some))) for key, some in options.items()}
        if "width" in LAYERS[name].fields:
            values["width"] = 1
        source = draw(st.integers(max(0, here - 2), here))
        built = LAYERS[name](**values).build(nodes[source].shape)
        assume(not isinstance(built, Problem))
        add(built[0], source)
    return Graph("g", tuple(nodes), len(nodes) - 1)


def at_one_speed(graph: Graph) -> bool:
    """Whether the branches that meet have the same effective stride; else all that they see anywhere is reported."""
    strides = [node.stride[0] for node in receptive(graph)]
    joins = [[strides[i] for i in node.inputs] for node in graph.nodes if node.op.kind in ("add", "mul")]
    return all(len({stride for stride in met if stride is not None}) <= 1 for met in joins)


@settings(max_examples=400, deadline=None)
@given(chains(MOVES, ("add",)))
def test_receptive_field_is_the_gradients_extent(graph: Graph) -> None:
    """Position by position, in the middle of the map; the network is linear, so unit vectors give its Jacobian."""
    assume(at_one_speed(graph))
    values = run(graph, torch.eye(LENGTH, dtype=torch.float64)[:, None])
    for value, (field,), seen in zip(values, fields(graph), receptive(graph), strict=True):
        stride = seen.stride[0]
        assert field is not None and stride is not None and seen.size[0] is not None
        # Outputs whose fields stay 80 from the ends of the input: padding plays no part there.
        inner = [o for o in range(value.shape[-1]) if 80 <= o * stride <= LENGTH - 80]
        if seen.size[0] > 60 or len(inner) < field.period:
            continue
        assert [field.at(o) for o in inner] == [stretch(value[:, 0, o]) for o in inner]
        assert seen.size[0] == max(0 if (s := field.at(o)) is None else s[1] - s[0] + 1 for o in inner)


@settings(max_examples=200, deadline=None)
@given(chains(SHRINKS, ("mul",)))
def test_global_pools_see_the_whole_map(graph: Graph) -> None:
    """Without padding every field lies within the input: it is the gradient's extent at each position."""
    assume(at_one_speed(graph))
    x = torch.rand(1, 1, LENGTH, dtype=torch.float64).add_(0.5).requires_grad_()
    for value, (field,) in zip(run(graph, x), fields(graph), strict=True):
        assert field is not None
        length = value.shape[-1]
        for o in {0, length // 3, (length - 1) // 2, length - 1}:
            (slope,) = torch.autograd.grad(value[0, 0, o], x, retain_graph=True)
            assert hull(field.still, field.at(o)) == stretch(slope[0, 0])


def stretch(slope: torch.Tensor) -> tuple[int, int] | None:
    """The first and the last position with a slope."""
    seen = slope.nonzero()
    return (int(seen[0]), int(seen[-1])) if len(seen) else None


def test_a_squeeze_and_excitation_sees_the_whole_map() -> None:
    spec = "CONV3-4(pad=0) - MUL[ ID | GAP - CONV1-4 - SIGMOID ] - CONV3-4(pad=0)"
    layers = of(spec, "3x20x30")["layers"]
    assert layers[0]["receptive_field"] == 3
    assert layers[-1]["receptive_field"] == [20, 30]
    assert layers[-1]["stride"] == 1


def test_open_maps_are_seen_whole_when_they_are_known() -> None:
    assert of("CONV3-4 - GAP", "3x?x?")["receptive_field"] is None
    assert of("CONV3-4 - GAP", "3x32x?")["receptive_field"] == [34, None]
    assert Symbolic("H") == cnndsl.load("CONV3-4", input="3x?x8").graph.nodes[0].shape.spatial[0]
