"""The graph: frozen, to JSON and back, its schema, its hash; tampered data is refused with a ValueError."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import cnndsl
from cnndsl.ir import Graph
from cnndsl.serialise import json_schema

SCHEMA = Path(__file__).parent.parent / "docs" / "graph.schema.json"
SPECS = {
    "plain": "input 3x16x16\nCONV3-8 - BN - RELU - POOL2 - FC-10, SOFTMAX",
    "branches": """input 3x16x16
def SE(r=2) = MUL[ ID | GAP - CONV1-{cin//r} - RELU - CONV1-{cin} - SIGMOID ]
def B(w) = RES[ CONV3-w(bias=false) - BN - SE | CONV1-w ] - RELU
B(8) - AUX(weight=0.4)[ GAP - FC-3 ] - SPLIT[ ID | DWCONV3 ] - SHUFFLE - MEAN[ ID | POOL3/1(pad=1) ] - GAP - FC-10""",
    "symbolic": "input 3x?x?\nCONV7-8/2 - POOL3/2(ceil=true) - CONCAT[ ID | POOL2 - UPCONV ] - SLICE(1, 5) - FLATTEN",
    "many": """input 4x12x12
CONV3-8(pad=(0, 1, 1, 2), dilation=2) - LRN - GN(2) - LN - IN(affine=true) - PRELU(per_channel=true) - MAXOUT - SCALE
- UP(2, bilinear) - CROP(1) - PAD(2, mode=reflect) - AVGPOOL2 - DROPOUT - DROPPATH(0.1) - ADAPTIVEMAXPOOL(3x2) - GELU
- ADAPTIVEAVGPOOL(2) - MAX[ ID | TANH ] - GMP""",
}


def graph(name: str) -> Graph:
    return cnndsl.load(SPECS[name]).graph


@pytest.mark.parametrize("name", SPECS)
def test_json_round_trip(name: str) -> None:
    data = graph(name).json()
    back = Graph.from_json(json.loads(json.dumps(data)))
    assert back == graph(name)
    assert back.hash() == graph(name).hash()
    assert back.json() == data


@pytest.mark.parametrize("name", SPECS)
def test_json_follows_the_published_schema(name: str) -> None:
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(json.dumps(graph(name).json())))


def test_the_published_schema_is_the_one_of_the_code() -> None:
    Draft202012Validator.check_schema(json_schema())
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(json_schema())), (
        "write it anew: python -c 'import json, cnndsl.serialise as s; print(json.dumps(s.json_schema(), indent=1))'"
    )


@pytest.mark.parametrize("damage", [{"output": "x"}, {"nodes": []}, {"surplus": 1}, {"output": -1}])
def test_the_schema_refuses_what_is_no_graph(damage: dict[str, Any]) -> None:
    data = graph("plain").json()
    data["nodes"][1]["arguments"]["kernel"] = "three"
    validator = Draft202012Validator(json_schema())
    assert not validator.is_valid(data)
    if damage != {"surplus": 1}:
        assert not validator.is_valid(graph("plain").json() | damage)


def test_frozen_hashable_and_picklable() -> None:
    one = graph("branches")
    with pytest.raises(AttributeError):
        one.name = "Other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del one.nodes[1].op  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    assert hash(one) == hash(graph("branches"))


SAME = [
    "net Title = CONV3-8 - RELU - FC-10",
    "# a comment\nnet X =   3x3 conv, 8 -> RELU\n  , FC 10   # another",
    "[(CONV3x3-8(pad=1, stride=1)) - relu] - FC-{2*5}",
    "param w = 8\nCONV3-w - RELU - FC-10",
]


def test_the_hash_is_of_the_network_not_of_its_text() -> None:
    assert len({cnndsl.load(text, input="3x8x8").graph.hash() for text in SAME}) == 1


OTHER = [
    ("CONV3-8 - RELU - FC-10", "3x8x9"), ("CONV3-8 - RELU - FC-10", "4x8x8"), ("CONV3-9 - RELU - FC-10", "3x8x8"),
    ("CONV3-8(bias=false) - RELU - FC-10", "3x8x8"), ("CONV3-8 - TANH - FC-10", "3x8x8"),
    ("a: CONV3-8 - RELU - FC-10", "3x8x8"), ("CONV3-8 - RELU - FC-11", "3x8x8"),
    ("CONV3-8 - RELU - FC-10 - RELU", "3x8x8"),
    ("CONV3-8 - RELU - AUX[ FC-2 ] - FC-10", "3x8x8"), ("CONV3-8 - RELU - AUX(weight=0.2)[ FC-2 ] - FC-10", "3x8x8"),
    ("x: CONV3-8 - RELU - ADD[ ID | @x ] - FC-10", "3x8x8"), ("x: CONV3-8 - RELU - ADD[ @x | ID ] - FC-10", "3x8x8"),
    ("x: CONV3-8 - RELU - ADD[ ID | ID ] - FC-10", "3x8x8"), ("CONV3-8 - LRELU(0.1) - FC-10", "3x8x8"),
    ("CONV3-8 - LRELU(0.2) - FC-10", "3x8x8"),
]  # fmt: skip


def test_any_change_of_the_network_changes_the_hash() -> None:
    hashes = {cnndsl.load(text, input=shape).graph.hash() for text, shape in OTHER}
    hashes.add(cnndsl.load(SAME[0], input="3x8x8").graph.hash())
    assert len(hashes) == len(OTHER) + 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of nested data."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += [(value, key), *places(inner)]
    return found


@given(st.data(), st.sampled_from(sorted(SPECS)))
def test_tampered_data_is_refused_or_is_a_graph(data: st.DataObject, name: str) -> None:
    tampered = json.loads(json.dumps(graph(name).json()))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(tampered)))
        action = data.draw(st.sampled_from(["replace", "delete", "copy"]))
        if action == "replace":
            container[key] = data.draw(JSON)
        elif action == "delete":
            del container[key]
        elif isinstance(container, list):
            container.append(container[key])
        if not places(tampered):
            break
    try:
        back = Graph.from_json(tampered)
    except ValueError as error:
        assert str(error)
    else:
        assert Graph.from_json(back.json()) == back


@given(JSON)
def test_any_json_is_refused_with_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Graph.from_json(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda d: d["nodes"][1]["shape"].__setitem__(0, 9), "the shape is 8x16x16, not 9x16x16"),
     (lambda d: d["nodes"][2].__setitem__("inputs", [5]), "not an earlier node"),
     (lambda d: d["nodes"][2].__setitem__("inputs", [-1]), "greater than or equal to 0"),
     (lambda d: d["nodes"][2].__setitem__("name", "conv1"), "same name"),
     (lambda d: d["nodes"][1].__setitem__("op", "conf"), "no operation conf"),
     (lambda d: d.__setitem__("output", 99), "no node 99"),
     (lambda d: d["nodes"][1]["arguments"].__setitem__("grups", 2), "grups"),
     (lambda d: d.__setitem__("hash", "0"), "hash")],
)  # fmt: skip
def test_what_is_wrong_is_named(change: Any, message: str) -> None:
    data = json.loads(json.dumps(graph("plain").json()))
    change(data)
    with pytest.raises(ValueError, match=message):
        Graph.from_json(data)
