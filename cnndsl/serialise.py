"""Graphs as JSON: out, and back in with every part checked; the schema; the content hash."""

from __future__ import annotations

import hashlib
import json
import sys
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from .contract import contract_type, fitting
from .ops import OPS
from .ops.base import Op, Problem
from .ops.combine import Input
from .record import Record
from .shape import Shape
from .symbolic import Symbolic, parse_dimension

if typing.TYPE_CHECKING:
    from .ir import Graph, Node

VERSION: Final = 1
SCHEMA_ID: Final = "urn:cnndsl:graph:1"


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """Plain data: strings, numbers, lists and objects."""
    preprocess = {} if graph.preprocess is None else {"preprocess": graph.preprocess.json()}
    return {
        "cnndsl": VERSION,
        "name": graph.name,
        "classes": graph.classes,
        **preprocess,
        "nodes": [_node_to_json(node) for node in graph.nodes],
        "output": graph.output,
        "auxiliary": [{"node": side.node, "weight": side.weight} for side in graph.auxiliary],
        "scopes": [{"path": scope.path, "kind": scope.kind} for scope in graph.scopes],
        "hash": graph.hash(),
    }


def _node_to_json(node: Node) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": node.name,
        "op": node.op.kind,
        "arguments": arguments(node.op),
        "inputs": list(node.inputs),
        "shape": shape_to_json(node.shape),
    }
    if node.origin is not None:
        data["origin"] = {"file": node.origin.file, "line": node.origin.line, "column": node.origin.column}
    return data


def arguments(op: Op) -> dict[str, Any]:
    """An operation's resolved parameters, tuples as lists."""
    return {field: _listed(getattr(op, field)) for field in op.fields}


def shape_to_json(shape: Shape) -> list[int | str]:
    """Channels and spatial sizes; a symbolic one is its expression's text."""
    return [size if isinstance(size, int) else str(size) for size in shape.dimensions]


def _listed(value: object) -> object:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def content_hash(graph: Graph) -> str:
    """Hex SHA-256 over operations, wiring, shapes and names; titles and positions left out."""
    parts = [
        [node.name, node.op.kind, arguments(node.op), list(node.inputs), shape_to_json(node.shape)]
        for node in graph.nodes
    ]
    sides = [[side.node, side.weight] for side in graph.auxiliary]
    text = json.dumps([VERSION, parts, graph.output, sides], separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def graph_from_json(data: Mapping[str, Any]) -> Graph:
    """A graph from its JSON; raises ValueError naming the first thing that is wrong."""
    from .ir import Auxiliary, Graph, Scope

    checked = _checked(data)
    nodes: list[Node] = []
    for position, item in enumerate(checked["nodes"]):
        nodes.append(_node_from_json(item, position, nodes))
    count = len(nodes)
    if len({node.name for node in nodes}) != count:
        raise ValueError("two nodes have the same name")
    for index in (checked["output"], *(side["node"] for side in checked["auxiliary"])):
        if not 0 <= index < count:
            raise ValueError(f"there is no node {index}")
    graph = Graph(
        checked["name"],
        tuple(nodes),
        checked["output"],
        tuple(Auxiliary(side["node"], float(side["weight"])) for side in checked["auxiliary"]),
        tuple(Scope(scope["path"], scope["kind"]) for scope in checked["scopes"]),
        checked["classes"],
        fitting(checked.get("preprocess"), nodes[0].shape, nodes[checked["output"]].shape),
    )
    if checked.get("hash") not in (None, graph.hash()):
        raise ValueError("the graph does not have the hash that stands with it")
    return graph


def _node_from_json(item: Mapping[str, Any], position: int, before: list[Node]) -> Node:
    from .ir import Node, Origin

    where = f"node {position} ({item['name']})"
    if any(not 0 <= i < position for i in item["inputs"]):
        raise ValueError(f"{where}: an input is not an earlier node")
    op = op_from_json(item["op"], item["arguments"], where)
    sizes = item["shape"]
    try:
        channels, *spatial = [parse_dimension(size) if isinstance(size, str) else size for size in sizes]
        shape = Shape(channels, tuple(size for size in spatial if isinstance(size, int | Symbolic)))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if (position == 0) != isinstance(op, Input):
        raise ValueError(f"{where}: node 0, and no other, is the input")
    if position:
        try:
            inferred = op.infer(tuple(before[i].shape for i in item["inputs"]))
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{where}: {item['op']} does not take these inputs") from error
        if isinstance(inferred, Problem):
            raise ValueError(f"{where}: {inferred.message}")
        if inferred != shape:
            raise ValueError(f"{where}: the shape is {inferred}, not {shape}")
    origin = item.get("origin")
    place = Origin(origin["file"], origin["line"], origin["column"]) if origin else None
    return Node(item["name"], op, tuple(item["inputs"]), shape, place)


def op_from_json(kind: str, given: Mapping[str, Any], where: str) -> Op:
    """An operation from its kind and arguments, judged by pydantic; raises ValueError."""
    from pydantic import ValidationError

    if kind not in OPS:
        raise ValueError(f"{where}: no operation {kind}")
    try:
        values = _model(kind).model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return OPS[kind](**{field: getattr(values, field) for field in OPS[kind].fields})


@cache
def _model(kind: str) -> Any:
    """The pydantic model of an operation, made from its declaration."""
    op = OPS[kind]
    from pydantic import ConfigDict, create_model

    hints = _hints(op)
    fields: Any = {name: (hints[name], getattr(op, name, ...)) for name in op.fields}
    return create_model(op.__name__, __config__=ConfigDict(extra="forbid"), __doc__=op.__doc__, **fields)


def _hints(cls: type[Record]) -> dict[str, Any]:
    """The annotations of a record's fields, each read in the module that declares it."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        own = {name: note for name, note in base.__dict__.get("__annotations__", {}).items() if name in cls.fields}
        holder = type(base.__name__, (), {"__annotations__": own})
        hints |= typing.get_type_hints(holder, vars(sys.modules[base.__module__]))
    return hints


def _checked(data: Mapping[str, Any]) -> dict[str, Any]:
    """The outer form of the data, by pydantic; the ops are checked one by one."""
    from pydantic import ValidationError

    try:
        result: dict[str, Any] = _outer().validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'graph'}: {first['msg']}") from None
    return result


@cache
def _outer() -> Any:
    from typing import Annotated, Literal, NotRequired

    from pydantic import Field, TypeAdapter
    from typing_extensions import TypedDict

    index = Annotated[int, Field(ge=0)]
    size = Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1, max_length=1000)]
    origin = TypedDict("origin", {"file": str, "line": int, "column": int})
    node = TypedDict(
        "node",
        {
            "name": Annotated[str, Field(min_length=1)],
            "op": str,
            "arguments": dict[str, Any],
            "inputs": list[index],
            "shape": Annotated[list[size], Field(min_length=1, max_length=4)],
            "origin": NotRequired[origin],
        },
    )
    side = TypedDict("side", {"node": index, "weight": float})
    scope = TypedDict("scope", {"path": str, "kind": str})
    graph = TypedDict(
        "graph",
        {
            "cnndsl": Literal[1],
            "name": str,
            "classes": int | None,
            "preprocess": NotRequired[contract_type() | None],  # type: ignore[misc]
            "nodes": Annotated[list[node], Field(min_length=1)],
            "output": index,
            "auxiliary": list[side],
            "scopes": list[scope],
            "hash": NotRequired[str | None],
        },
    )
    return TypeAdapter(graph)


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of `Graph.json()`; each operation's arguments are described by its kind."""
    schema: dict[str, Any] = _outer().json_schema()
    definitions = schema["$defs"]
    rules = []
    for kind, op in OPS.items():
        described = _model(kind).model_json_schema()
        definitions.update(described.pop("$defs", {}))
        definitions[op.__name__] = described
        rules.append(
            {
                "if": {"properties": {"op": {"const": kind}}},
                "then": {"properties": {"arguments": {"$ref": f"#/$defs/{op.__name__}"}}},
            }
        )
    definitions["node"]["properties"]["op"] = {"enum": sorted(OPS)}
    definitions["node"]["allOf"] = rules
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}
