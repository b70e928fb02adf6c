"""mlnode: JSON, a list of nodes with `torch.nn`'s names and arguments, and a list of edges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from .record import Node, Recorded
from .tool import CannotSay, Edit, Tool

TYPES = {
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool2d",
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "Linear", "BatchNorm1d", "BatchNorm2d", "GroupNorm",
    "InstanceNorm2d", "LayerNorm", "ReLU", "Sigmoid", "Flatten", "Covn2d",
}  # fmt: skip
"""Its types among those of the corpus, and the one that is mistyped."""
FUNCTIONS = {"add": "Add", "mul": "Multiply", "cat": "Concat", "split": "Split"}


def described(node: Node) -> dict[str, Any]:
    """A node as JSON."""
    if node.op in FUNCTIONS:
        given = node.arguments.get("arguments", [])
        kind, params = FUNCTIONS[node.op], {}
        if node.op == "cat":
            params = {"dim": given[0]}
        if node.op == "split":
            params = {"split_size_or_sections": given[0], "dim": node.arguments["dim"]}
            ports = [f"part{number}" for number in range(len(given[0]))]
            return {"id": node.name, "type": kind, "params": params, "outputs": ports}
        return {"id": node.name, "type": kind, "params": params}
    if node.op not in TYPES:
        raise CannotSay(f"no {node.op}")
    return {"id": node.name, "type": node.op, "params": node.arguments}


def write(graph: Recorded, facts: Mapping[str, Any]) -> str:
    """The file of a network."""
    if "budget" in facts:
        raise CannotSay("no budgets")
    if "parameter" in facts:
        raise CannotSay("no parameters outside of custom layers")
    edges = []
    for node in graph.nodes:
        for name in node.inputs:
            source, _, port = name.removeprefix("?").partition(":")
            edges.append({"source": source, **({"source_port": f"part{port}"} if port else {}), "target": node.name})
    shape = ["B", *(size if size is not None else "HW"[axis - 1] for axis, size in enumerate(graph.input))]
    nodes = [{"id": "input", "type": "Input", "params": {}}, *(described(node) for node in graph.nodes)]
    rows = {"nodes": nodes, "edges": edges}
    listed = [f'  "{key}": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in rows[key]) + "\n  ]" for key in rows]
    facts_of_it = {"mlnode_schema_version": "1.0", "input_shape": shape, "output_node": graph.output}
    start = "".join(f'  "{key}": {json.dumps(value)},\n' for key, value in facts_of_it.items())
    return "{\n" + start + ",\n".join(listed) + "\n}\n"


def _layered(definitions: dict[str, Any], layer: str, channels: int) -> str:
    """A network that is one use of a custom layer."""
    graph = {
        "mlnode_schema_version": "1.1",
        "input_shape": ["B", channels, 8, 8],
        "output_node": "use_1",
        "custom_layers": definitions,
        "nodes": [{"id": "input", "type": "Input"}, {"id": "use_1", "type": "custom", "layer": layer}],
        "edges": [{"source": "input", "target": "use_1"}],
    }
    return json.dumps(graph, indent=1) + "\n"


def _definition(*nodes: dict[str, Any]) -> dict[str, Any]:
    """A custom layer that is a chain."""
    ids = ["x", *(node["id"] for node in nodes)]
    edges = [{"source": one, "target": other} for one, other in pairwise(ids)]
    return {"nodes": [{"id": "x", "type": "Input"}, *nodes], "edges": edges, "output_node": ids[-1]}


def _conv(name: str, *channels: int, kernel: int = 3) -> dict[str, Any]:
    first, last = channels
    params = {"in_channels": first, "out_channels": last, "kernel_size": kernel, "padding": kernel // 2}
    return {"id": name, "type": "Conv2d", "params": params}


def _relu(name: str) -> dict[str, Any]:
    return {"id": name, "type": "ReLU"}


BOTTLENECK = {"Bottleneck": _definition(_conv("a", 3, 4, kernel=1), _relu("b"), _conv("c", 4, 16), _relu("d"))}
EVEN = _definition(_conv("a", 16, 16), _relu("b"), {"id": "c", "type": "custom", "layer": "Odd"})
ODD = (_conv("a", 16, 16, kernel=1), _relu("b"))
CLASSES = _definition(
    {"id": "a", "type": "AdaptiveAvgPool2d", "params": {"output_size": 1}},
    {"id": "b", "type": "Flatten"},
    {"id": "c", "type": "Linear", "params": {"in_features": 3, "out_features": "$classes"}},
) | {"params": {"classes": {"type": "int", "default": 10}}}

TOOL = Tool(
    "mlnode",
    "1.1.0",
    "`MLnodeModel.load`, `validate()` and `build()`",
    ".mlnode.json",
    write,
    {
        "typo_in_bracket": Edit("\n  ],", "\n  ,"),
        "typo_in_joiner": Edit("},\n", "},,\n"),
        "typo_in_statement": Edit('"input_shape"', '"inptu_shape"'),
    },
    {
        "cycle_of_definitions": (
            _layered(
                {"Even": EVEN, "Odd": _definition(*ODD, {"id": "c", "type": "custom", "layer": "Even"})}, "Even", 16
            ),
            _layered({"Even": EVEN, "Odd": _definition(*ODD)}, "Even", 16),
        ),
        "typo_in_definition": (_layered(BOTTLENECK, "Botleneck", 3), _layered(BOTTLENECK, "Bottleneck", 3)),
        "typo_in_parameter": (
            _layered({"Head": CLASSES}, "Head", 3).replace("$classes", "$clases"),
            _layered({"Head": CLASSES}, "Head", 3),
        ),
    },
)
