"""neural-dsl: a list of layers, one after the other, whose channels follow from the layer before; channels last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .record import Node, Recorded, ordered
from .tool import CannotSay, Edit, Tool

ACTIVATIONS = {"ReLU": "relu", "Sigmoid": "sigmoid"}


def padding(given: Mapping[str, Any]) -> str:
    """`same` and `valid`, which are all that can be written."""
    kernel, pad = given["kernel_size"], given.get("padding", 0)
    if pad == 0:
        return "valid"
    if isinstance(kernel, int) and kernel % 2 and pad == kernel // 2:
        return "same"
    raise CannotSay(f"no padding of {pad} for a window of {kernel}")


def convolution(name: str, given: Mapping[str, Any]) -> str:
    """A convolution; its bias cannot be left out, which changes no shape."""
    known = {"in_channels", "out_channels", "kernel_size", "stride", "padding", "groups", "dilation", "bias", "grups"}
    if extra := given.keys() - known:
        raise CannotSay(f"no {min(extra)} of a convolution")
    words = [f"filters={given['out_channels']}", f"kernel_size=({given['kernel_size']}, {given['kernel_size']})"]
    words += [f"strides={given['stride']}"] if given.get("stride", 1) != 1 else []
    words += [f"{key}={given[key]}" for key in ("groups", "grups") if key in given]
    words += [f"dilation_rate={given['dilation']}"] if "dilation" in given else []
    return f'{name}({", ".join(words)}, padding="{padding(given)}")'


def layer(node: Node) -> str:
    """One line of `layers:`."""
    given = node.arguments
    match node.op:
        case "Conv2d" | "Covn2d":
            return convolution({"Conv2d": "Conv2D", "Covn2d": "Covn2D"}[node.op], given)
        case "ConvTranspose2d":
            raise CannotSay("Conv2DTranspose does not compile, whatever its arguments")
        case "MaxPool2d" if given.keys() <= {"kernel_size", "stride", "padding"}:
            strides = f", strides={given['stride']}" if "stride" in given else ""
            pads = f', padding="{padding(given)}"' if "padding" in given else ""
            return f"MaxPooling2D(pool_size=({given['kernel_size']}, {given['kernel_size']}){strides}{pads})"
        case "MaxPool2d":
            raise CannotSay(f"MaxPooling2D without {min(given.keys() - {'kernel_size', 'stride', 'padding'})}")
        case "AdaptiveAvgPool2d" if given["output_size"] == 1:
            return "GlobalAveragePooling2D()"
        case "ReLU" | "Sigmoid":
            return f'Activation("{ACTIVATIONS[node.op]}")'
        case "BatchNorm2d":
            return "BatchNormalization()"
        case "GroupNorm":
            return f"GroupNormalization(groups={given['num_groups']})"
        case "Flatten":
            return "Flatten()"
        case "Linear":
            return f"Dense(units={given['out_features']})"
    raise CannotSay(f"no {node.op}")


def chain(graph: Recorded, end: str, start: str) -> list[str]:
    """The layers from one value to a later one, residual blocks nested; the value before is used by nobody else."""
    by_name = {node.name: node for node in graph.nodes}
    lines: list[str] = []
    while end != start:
        node = by_name.get(end)
        if node is None:
            raise CannotSay("layers can only follow each other")
        if node.op == "add":
            inner, start_of_block = block(graph, node)
            lines = ["ResidualConnection() {", *(f"  {line}" for line in inner), "}", *lines]
            end = start_of_block
        elif len(node.inputs) == 1 and node.op != "split":
            lines.insert(0, layer(node))
            (end,) = node.inputs
        else:
            raise CannotSay("layers can only follow each other")
    return lines


def block(graph: Recorded, node: Node) -> tuple[list[str], str]:
    """The layers between a sum and the value that it adds, and that value."""
    for skip, end in (node.inputs, node.inputs[::-1]):
        try:
            return chain(graph, end, skip), skip
        except CannotSay as reason:
            if "follow" not in str(reason):
                raise
    raise CannotSay("layers can only follow each other")


def write(graph: Recorded, facts: Mapping[str, Any]) -> str:
    """The file of a network."""
    if "budget" in facts:
        raise CannotSay("no budgets")
    if "parameter" in facts:
        raise CannotSay("no parameters")
    if len(graph.input) != 3 or None in graph.input:
        raise CannotSay("images of a fixed size alone")
    try:
        ordered(graph)
    except LookupError:
        raise CannotSay("layers can only follow each other") from None
    channels, height, width = graph.input
    lines = [f"    {line}" for line in chain(graph, graph.output, "input")]
    head = ["network Net {", f"  input: ({height}, {width}, {channels})", "  layers:"]
    return "\n".join([*head, *lines, '  loss: "mse"', '  optimizer: "sgd"', "}"]) + "\n"


TOOL = Tool(
    "neural-dsl",
    "0.2.9",
    "`neural compile --backend pytorch`, which propagates shapes",
    ".neural",
    write,
    {
        "typo_in_bracket": Edit('padding="same")\n    Activation', 'padding="same"\n    Activation'),
        "typo_in_joiner": Edit("filters=16,", "filters=16,,"),
        "typo_in_statement": Edit("input:", "inptu:"),
    },
    infers_widths=True,
)
