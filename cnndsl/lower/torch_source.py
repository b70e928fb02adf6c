"""Graph to a Python file that imports only torch: one nn.Module a definition, the same state-dict keys as `to_module`.

torch is not imported here.
"""

from __future__ import annotations

import ast
import math
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from .scopes import liveness, tree
from .torch_forward import forward, wrapped
from .torch_table import Argument, inplace
from .torch_template import Member, Name, Template, Templates

if TYPE_CHECKING:
    from ..ir import Graph


def to_source(graph: Graph) -> str:
    """The network as the text of a Python module; the same text for the same graph.

    The last class is the network, which takes no arguments. Raises NotImplementedError for an operation without a row.
    """
    live = liveness(graph)
    helpers = _helper_classes()
    templates = Templates(graph, live, inplace(graph), frozenset(helpers) | {"F"})
    templates.gather(tree(graph, live))
    templates.settle()
    used = {member.type for made in templates.made for member in made.members if member.type in helpers}
    helping = _with_bases(helpers, used)
    classes = [*helping, *(_class(graph, templates.made, template) for template in templates.made)]
    functional = any("F." in text for text in helping)
    imports = [
        "import torch",
        "from torch import nn",
        *(["from torch.nn import functional as F"] if functional else []),
    ]
    header = f"# {_printable(graph.name)}, written by cnndsl.\n# Graph {graph.hash()}\n\n"
    return "\n\n\n".join([header + "\n".join(imports), *classes]) + "\n"


def _printable(text: str) -> str:
    """Text that can stand in a comment or a docstring."""
    return "".join(letter if letter.isprintable() and letter not in '"\\' else "?" for letter in text)


# Classes that torch lacks


def _helper_classes() -> dict[str, str]:
    """The classes of torch_layers by name, in the order of that file."""
    text = files(__package__).joinpath("torch_layers.py").read_text(encoding="utf-8")
    classes = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in classes}


def _with_bases(helpers: dict[str, str], used: set[str]) -> list[str]:
    """The classes in use and those that they inherit from, in order."""
    chosen: list[str] = []
    wanted = set(used)
    for name in reversed(helpers):
        if name in wanted:
            chosen.append(helpers[name])
            first_line = helpers[name].partition("\n")[0]
            wanted |= {other for other in helpers if f"({other}," in first_line or f"({other})" in first_line}
    return chosen[::-1]


# One class


def _class(graph: Graph, made: list[Template], template: Template) -> str:
    lines = [f"class {template.name}(nn.Module):", f'    """{_docstring(graph, template)}"""', ""]
    parameters = [f"{parameter.name}: {parameter.type}" for parameter in template.parameters]
    lines += wrapped("    def __init__", ["self", *parameters], " -> None:", 4)
    lines.append("        super().__init__()")
    numbers = [m for m in template.members if m.template is None and not m.type]
    bounds = {member.name: _bounds(member) for member in numbers}
    kept = [a.value for m in numbers for a in m.arguments]
    lines += [f"        self.{name} = {name}" for name in dict.fromkeys(kept) if isinstance(name, Name)]
    for member in template.members:
        if member.template is not None or member.type:
            lines += _construction(made, member)
    lines += ["", *forward(template.wiring, bounds)]
    return "\n".join(lines)


def _docstring(graph: Graph, template: Template) -> str:
    block = template.first
    taken = ", ".join(_batched(graph, value) for value in block.inputs)
    given = ", ".join(_batched(graph, value) for value in block.outputs[: template.wiring.always])
    shapes = f"{taken or 'nothing'} to {given or 'nothing'}"
    if block.path:
        others = f", the first of {template.instances}" if template.instances > 1 else ""
        return f"{shapes} in {_printable(block.path)}{others}."
    if not graph.auxiliary:
        return f"{shapes}."
    heads = (f"    {_batched(graph, head.node)}, loss weight {head.weight:g}\n" for head in graph.auxiliary)
    return f"{shapes}; in training mode, a tuple of that and of side outputs:\n\n{''.join(heads)}    "


def _batched(graph: Graph, value: int) -> str:
    return f"(N, {', '.join(map(str, graph.nodes[value].shape.dimensions))})"


def _construction(made: list[Template], member: Member) -> list[str]:
    """`self.name = Class(...)`."""
    name = member.type if member.template is None else made[member.template].name
    arguments = [_argument(argument) for argument in member.arguments if argument.value != argument.default]
    return wrapped(f"        self.{member.name} = {name}", arguments, "", 8)


def _argument(argument: Argument) -> str:
    value = _literal(argument.value)
    return value if argument.positional else f"{argument.name}={value}"


def _bounds(member: Member) -> tuple[str, ...]:
    """The numbers of an expression as a forward writes them."""
    values = (argument.value for argument in member.arguments)
    return tuple(f"self.{value}" if isinstance(value, Name) else str(value) for value in values)


def _literal(value: Any) -> str:
    """A value as ruff writes it."""
    if isinstance(value, Name):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return f'"{value}"' if isinstance(value, str) else repr(value)
