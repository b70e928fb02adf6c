"""A model read without the numbers of its arrays, beside what onnx reads with them."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.helper import tensor_dtype_to_np_dtype

import cnndsl
from cnndsl.lower.onnx import write_onnx
from cnndsl.lower.onnx.structure import End, Ends, ends_of, read_ends, read_structure
from cnndsl.weights import initial

DATA = (
    "raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data",
)  # fmt: skip


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(["CONV3-8", "RELU", "BN", "POOL", "DWCONV"]), max_size=4),
    st.sampled_from(["3x16x16", "3x?x?"]),
    st.booleans(),
)
def test_a_structure_is_what_onnx_reads_without_numbers(
    tmp_path_factory: pytest.TempPathFactory, layers: list[str], size: str, weights: bool
) -> None:
    graph = cnndsl.load(" - ".join([*layers, "GAP", "FC-5"]), input=size).graph
    path = tmp_path_factory.mktemp("structure") / "model.onnx"
    write_onnx(path, graph, initial(graph) if weights else None)
    model, found = onnx.load(path), read_structure(path)
    assert not any(tensor.HasField("raw_data") for tensor in found.graph.initializer)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    assert found == model
    for ends, values in ((ends_of(found).inputs, model.graph.input), (ends_of(found).outputs, model.graph.output)):
        assert [end.name for end in ends] == [value.name for value in values]
        for end, value in zip(ends, values, strict=True):
            kind = value.type.tensor_type
            assert end.type == tensor_dtype_to_np_dtype(kind.elem_type).name
            assert list(end.shape) == [size.dim_param or size.dim_value for size in kind.shape.dim]
    assert read_ends(path).metadata == {entry.key: entry.value for entry in model.metadata_props}


def test_other_writers_files(tmp_path: Path) -> None:
    """Numbers in other fields than bytes, weights among the inputs, an open size without a name."""
    kinds = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT64)
    stored = [helper.make_tensor(f"w{kind}", kind, [2], [1, 2]) for kind in kinds]
    stored += [helper.make_tensor("s", TensorProto.STRING, [2], [b"a", b"b"])]
    weight = helper.make_tensor_value_info("w1", TensorProto.FLOAT, [2])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["N", None, 3]) for name in "xy")
    constant = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("z", TensorProto.FLOAT, [1], [0]))
    graph = helper.make_graph([constant, helper.make_node("Relu", ["x"], ["y"])], "g", [weight, x], [y], stored)
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    model, found = onnx.load(tmp_path / "m.onnx"), read_structure(tmp_path / "m.onnx")
    for tensor in model.graph.initializer:
        for field in DATA:
            tensor.ClearField(field)
    assert found == model
    ends = ends_of(found)
    assert ends == Ends((End("x", "float16", ("N", None, 3)),), (End("y", "float16", ("N", None, 3)),), {})


NOT_ONNX = [
    b"\x0b\x0c\x0f",
    b"\x08",
    b"PK\x03\x04 no model",
    b"\xff" * 64,
    b"\x3a\x7f\x08",
    b"\x3a\x02\x2a\x05",
    b"\x3a\x02\x0a\x00\x05",
]


@pytest.mark.parametrize("content", NOT_ONNX)
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="ONNX file"):
        read_structure(tmp_path / "model.onnx")


@settings(max_examples=200)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_protobuf_reads_them_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "model.onnx"
    path.write_bytes(content)
    try:
        found = read_structure(path)
    except ValueError:
        return
    assert found == onnx.ModelProto.FromString(content)
