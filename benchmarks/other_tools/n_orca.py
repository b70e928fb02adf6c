"""n-orca: Markdown, one section a layer and a table of edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .record import Node, Recorded
from .tool import CannotSay, Edit, Tool

OPS = {
    "Conv2d": ("in_channels", "out_channels", "kernel_size", "stride", "padding"),
    "MaxPool2d": ("kernel_size", "stride"),
    "AvgPool2d": ("kernel_size", "stride"),
    "AdaptiveAvgPool2d": ("output_size",),
    "Linear": ("in_features", "out_features"),
    "BatchNorm1d": ("num_features",),
    "BatchNorm2d": ("num_features",),
    "LayerNorm": ("normalized_shape",),
    "ReLU": (),
    "Sigmoid": (),
    "Flatten": (),
}
"""The documented arguments of the operations that the corpus needs, in their order."""

DEFAULTS: dict[str, Any] = {"stride": 1, "padding": 0}
FUNCTIONS = {"add": "Add", "mul": "Mul", "cat": "Concat"}


def call(node: Node) -> str:
    """`Conv2d(3, 64, 3, 1, 1)`. A bias cannot be left out, which changes no shape."""
    if node.op in FUNCTIONS:
        return f"{FUNCTIONS[node.op]}({node.arguments['arguments'][0]})" if node.op == "cat" else FUNCTIONS[node.op]
    if node.op == "Covn2d":
        known = OPS["Conv2d"]
    elif node.op in OPS:
        known = OPS[node.op]
    else:
        raise CannotSay(f"no {node.op}")
    given = {name: value for name, value in node.arguments.items() if (name, value) != ("bias", False)}
    extra = [name for name in given if name not in known and not (name == "padding" and not given[name])]
    if extra:
        raise CannotSay(f"{node.op} without {extra[0]}")
    if node.op in ("MaxPool2d", "AvgPool2d"):
        given.setdefault("stride", given["kernel_size"])
    values = [given.get(name, DEFAULTS.get(name)) for name in known]
    if not all(isinstance(value, int) for value in values):
        raise CannotSay(f"{node.op} with one number an axis")
    return f"{node.op}({', '.join(getattr(value, 'name', str(value)) for value in values)})"


def write(graph: Recorded, facts: Mapping[str, Any]) -> str:
    """The file of a network; `facts` may have a budget and a declared parameter."""
    sizes = ["B", *(str(size) if size is not None else "HW"[axis - 1] for axis, size in enumerate(graph.input))]
    lines = ["# architecture Net", ""]
    if parameter := facts.get("parameter"):
        lines += ["## hyperparameters", "", "| Name | Type | Default |", "|---|---|---|"]
        lines += [f"| {parameter} | int | {facts['value']} |", ""]
    lines += ["## layer input [input]", f"- shape: ({', '.join(sizes)})", ""]
    edges = []
    for node in graph.nodes:
        if any(":" in name for name in node.inputs):
            raise CannotSay("no layer with several outputs")
        lines += [f"## layer {node.name}", f"- op: {call(node)}", ""]
        edges += [(name.removeprefix("?"), node.name) for name in node.inputs]
    lines += ["## layer output [output]", "", "## flow", "", "| Source | Target |", "|---|---|"]
    lines += [f"| {source} | {target} |" for source, target in [*edges, (graph.output, "output")]]
    if budget := facts.get("budget"):
        kinds = {"params": "param_count", "layers": "depth"}
        if budget.metric not in kinds:
            raise CannotSay(f"no bound on {budget.metric} that is enforced")
        # Its depth counts edges, so one more than our layers.
        bound = budget.bound + (budget.metric == "layers")
        lines += ["", "## invariants", f"- {kinds[budget.metric]} {budget.relation} {bound}"]
    return "\n".join(lines) + "\n"


TOOL = Tool(
    "n-orca",
    "0.2.0",
    "`n-orca verify --strict`",
    ".n.orca.md",
    write,
    {
        "typo_in_bracket": Edit("Conv2d(16, 16, 3, 1, 1)", "Conv2d(16, 16, 3, 1, 1"),
        "typo_in_joiner": Edit("| conv2d_1 | relu_1 |", "| conv2d_1 | | relu_1 |"),
        "typo_in_statement": Edit("[input]", "[inptu]"),
        "typo_in_metric": Edit("param_count", "parm_count"),
    },
)
