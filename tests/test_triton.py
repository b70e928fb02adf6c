"""Triton model repositories: config.pbtxt as Triton's schema reads it, beside the ONNX file; what is there already stays."""

from __future__ import annotations

import errno
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

import cnndsl
from cnndsl.cli import main
from cnndsl.ir import Graph
from cnndsl.lower.onnx import write_onnx
from cnndsl.lower.onnx.structure import End, Ends
from cnndsl.triton import CannotServe, Serving
from cnndsl.triton import repository as repositories
from cnndsl.triton.existing import misfit
from cnndsl.triton.repository import Deployment
from cnndsl.triton.settings import config
from cnndsl.weights import init

PETS = """input 3x16x16
preprocess resize(20) - crop(16) - normalise(imagenet) - labels("cat", "dog", "bird")
net Pets = CONV3-8 - BN - RELU - GAP - FC-3
"""
TYPES = {TensorProto.FLOAT: "TYPE_FP32", TensorProto.FLOAT16: "TYPE_FP16", TensorProto.UINT8: "TYPE_UINT8"}


def schema() -> Any:
    """Triton's protobuf schema; its package would import grpc."""
    found = find_spec("tritonclient")
    if found is None or not found.submodule_search_locations:
        pytest.skip("tritonclient is not installed; pip install --no-deps tritonclient")
    place = Path(found.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = spec_from_file_location("model_config_pb2", place)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCHEMA = schema()


def parsed(text: str) -> Any:
    """A config.pbtxt, which Triton would take as far as it can be told without a server."""
    found = text_format.Parse(text, SCHEMA.ModelConfig())
    for end in (*found.input, *found.output):  # as core's ValidateIOShape and ValidateModelInput
        assert end.name
        assert end.dims
        assert all(size >= 1 or size == -1 for size in end.dims)
    for end in found.input:
        assert end.format == SCHEMA.ModelInput.FORMAT_NONE or len(end.dims) == 3
    assert all(1 <= size <= found.max_batch_size for size in found.dynamic_batching.preferred_batch_size)
    for sample in found.model_warmup:
        assert 1 <= sample.batch_size <= max(found.max_batch_size, 1)
        assert [sample.inputs[end.name].data_type for end in found.input] == [end.data_type for end in found.input]
    return found


def compile_to(folder: Path, spec: str, *options: str, code: int = 0) -> Path:
    """A spec compiled to a model repository in a folder."""
    (folder / "pets.cnn").write_text(spec, encoding="utf-8")
    repository = folder / "models"
    assert main(["compile", str(folder / "pets.cnn"), "--to", "triton", "-o", str(repository), *options]) == code
    return repository


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- config.pbtxt and the file


@pytest.mark.parametrize(
    ("spec", "options", "form"),
    [
        (PETS, [], "FORMAT_NCHW"),
        (PETS, ["--with-preprocess"], "FORMAT_NHWC"),
        (PETS.replace("resize", "image(bgr, nchw) - resize"), ["--with-preprocess"], "FORMAT_NCHW"),
        (PETS.replace("resize", "image(rgb, nhwc, float32) - resize"), ["--with-preprocess"], "FORMAT_NHWC"),
        (PETS.replace("resize(20) - crop(16) - ", ""), ["--with-preprocess"], "FORMAT_NHWC"),
        (PETS.replace("3x16x16", "3x?x?").replace("resize(20) - crop(16) - ", ""), ["--with-preprocess"], "FORMAT_NHWC"),
        ("input 3x?x?\nCONV3-8/2 - RELU - GAP - FC-3", [], "FORMAT_NCHW"),
        ("input 3x?x?\nCONV3-8/2 - RELU", [], "FORMAT_NCHW"),
        ("input 3x?x?\nCONV3-8/2 - RELU", ["--max-batch", "0"], "FORMAT_NONE"),
        (PETS, ["--precision", "fp16"], "FORMAT_NCHW"),
        (PETS, ["--precision", "fp16", "--io-type", "fp16"], "FORMAT_NCHW"),
        (PETS, ["--precision", "fp16", "--io-type", "fp16", "--with-preprocess"], "FORMAT_NHWC"),
        ("input 1x64\nCONV3-8 - RELU - GAP - FC-3", [], "FORMAT_NONE"),
        ("input 2x4x8x8\nCONV3-8 - RELU - GAP - FC-3", [], "FORMAT_NONE"),
        ("input 784\nFC-64 - RELU - FC-10", ["--max-batch", "4", "--preferred-batch", "2,3"], "FORMAT_NONE"),
    ],
)  # fmt: skip
def test_the_config_says_what_the_file_says(tmp_path: Path, spec: str, options: list[str], form: str) -> None:
    home = compile_to(tmp_path, spec, *options) / "pets"
    found = parsed((home / "config.pbtxt").read_text(encoding="utf-8"))
    model = onnx.load(home / "1" / "model.onnx")
    assert (found.name, found.platform, found.backend) == ("pets", "onnxruntime_onnx", "onnxruntime")
    for ends, values in ((found.input, model.graph.input), (found.output, model.graph.output)):
        assert [end.name for end in ends] == [value.name for value in values]
        for end, value in zip(ends, values, strict=True):
            kind = value.type.tensor_type
            sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in kind.shape.dim]
            assert SCHEMA.DataType.Name(end.data_type) == TYPES[kind.elem_type]
            assert ([-1] if found.max_batch_size else []) + list(end.dims) == sizes
    assert SCHEMA.ModelInput.Format.Name(found.input[0].format) == form
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    types = {"TYPE_FP32": np.float32, "TYPE_FP16": np.float16, "TYPE_UINT8": np.uint8}
    for sample in found.model_warmup:
        (name, data), = sample.inputs.items()  # fmt: skip
        batch = [sample.batch_size] if found.max_batch_size else []
        zeros = np.zeros([*batch, *data.dims], types[SCHEMA.DataType.Name(data.data_type)])
        outputs = session.run(None, {name: zeros})
        assert len(outputs) == len(found.output)
    labels = home / "labels.txt"
    assert labels.exists() == ("labels" in spec) == (found.output[0].label_filename == "labels.txt")
    assert not labels.exists() or labels.read_text(encoding="utf-8") == "cat\ndog\nbird\n"


def test_the_defaults(tmp_path: Path) -> None:
    found = parsed((compile_to(tmp_path, PETS) / "pets" / "config.pbtxt").read_text(encoding="utf-8"))
    assert found.max_batch_size == 32
    assert found.dynamic_batching.max_queue_delay_microseconds == 100
    assert not found.dynamic_batching.preferred_batch_size
    assert [(group.count, group.kind) for group in found.instance_group] == [(1, SCHEMA.ModelInstanceGroup.KIND_AUTO)]
    assert [sample.batch_size for sample in found.model_warmup] == [1, 32]
    assert not found.HasField("optimization")


@pytest.mark.parametrize(
    ("steps", "options", "dims"),
    [
        ("resize(56)", [], [3, 56, 56]),
        ("resize(56)", ["--with-preprocess"], [56, 56, 3]),
        ("resize(64) - crop(48x40)", [], [3, 48, 40]),
        ("resize(64) - crop(48x40)", ["--with-preprocess"], [64, 64, 3]),
        ("resize(3)", [], [3, 5, 32]),  # too small for the network
        ("normalise(unit)", [], [3, 5, 32]),
    ],
)
def test_open_sizes_warm_up_at_those_of_the_images(
    tmp_path: Path, steps: str, options: list[str], dims: list[int]
) -> None:
    spec = f"input 3x?x?\npreprocess {steps}\nCONV5-8(pad=0) - GAP - FC-3"
    home = compile_to(tmp_path, spec, *options) / "pets"
    for sample in parsed((home / "config.pbtxt").read_text(encoding="utf-8")).model_warmup:
        assert list(sample.inputs["input"].dims) == dims


@pytest.mark.parametrize(("precision", "mode"), [("fp32", "FP32"), ("fp16", "FP16")])
def test_tensorrt_computes_in_the_precision_of_the_file(tmp_path: Path, precision: str, mode: str) -> None:
    home = compile_to(tmp_path, PETS, "--precision", precision, "--accelerator", "tensorrt") / "pets"
    (found,) = parsed((home / "config.pbtxt").read_text()).optimization.execution_accelerators.gpu_execution_accelerator
    assert dict(found.parameters) == {"precision_mode": mode}


def test_a_map_of_classes_has_no_labels(tmp_path: Path) -> None:
    home = compile_to(tmp_path, PETS.replace(" - GAP - FC-3", " - CONV1-3")) / "pets"
    assert not (home / "labels.txt").exists()
    assert not parsed((home / "config.pbtxt").read_text()).output[0].label_filename


texts = st.text(st.characters(codec="utf-8"), max_size=12)
servings = st.integers(0, 64).flatmap(
    lambda most: st.builds(
        Serving,
        st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,8}", fullmatch=True),
        max_batch=st.just(most),
        preferred=st.lists(st.integers(1, most), max_size=3, unique=True).map(tuple) if most else st.just(()),
        queue_delay=st.integers(0, 10_000),
        instances=st.integers(1, 8),
        kind=st.sampled_from(("auto", "gpu")),
        accelerator=st.sampled_from(("cuda", "tensorrt")),
        accelerator_options=st.dictionaries(texts, texts, max_size=3).map(lambda found: tuple(found.items())),
    )
)


@given(servings, st.sampled_from([None, "fp32", "fp16", "int8"]))
def test_what_is_asked_for_is_what_the_schema_reads(serving: Serving, precision: str | None) -> None:
    ends = Ends(
        (End("input", "float16", ("N", 3, "H", 8)),),
        (End("output", "float32", ("N", 10)),),
        {} if precision is None else {"precision": precision},
    )
    assert serving.refusal() is None
    found = parsed(config(serving, ends, (3, 9, 8), "nchw", ["é"] * 10))
    assert (found.name, found.max_batch_size) == (serving.name, serving.max_batch)
    assert found.HasField("dynamic_batching") == (serving.max_batch > 0)
    if serving.max_batch:
        assert tuple(found.dynamic_batching.preferred_batch_size) == serving.preferred
        assert found.dynamic_batching.max_queue_delay_microseconds == serving.queue_delay
    (group,) = found.instance_group
    assert (group.count, SCHEMA.ModelInstanceGroup.Kind.Name(group.kind)) == (
        serving.instances, f"KIND_{serving.kind.upper()}"
    )  # fmt: skip
    assert [sample.batch_size for sample in found.model_warmup] == sorted(
        {1, *serving.preferred, serving.max_batch or 1}
    )
    (accelerator,) = found.optimization.execution_accelerators.gpu_execution_accelerator
    mode = {"fp16": "FP16", "int8": "INT8"}.get(precision or "", "FP32")
    own = {"precision_mode": mode} if serving.accelerator == "tensorrt" else {}
    assert accelerator.name == serving.accelerator
    assert dict(accelerator.parameters) == {**own, **dict(serving.accelerator_options)}


# -- the repository


def test_versions_follow_each_other_and_other_models_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "models" / "other" / "1" / "model.plan"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"other")
    compile_to(tmp_path, PETS)
    home = tmp_path / "models" / "pets"
    before = (home / "config.pbtxt").stat().st_mtime_ns
    (home / "02").mkdir()  # of which a server takes no notice
    compile_to(tmp_path, PETS, "--seed", "1")
    compile_to(tmp_path, PETS, "--seed", "2", "--model-version", "7")
    compile_to(tmp_path, PETS, "--seed", "3")
    assert sorted(path.name for path in home.iterdir()) == ["02", "1", "2", "7", "8", "config.pbtxt", "labels.txt"]
    assert len({(home / version / "model.onnx").read_bytes() for version in ("1", "2", "7", "8")}) == 4
    assert (home / "config.pbtxt").stat().st_mtime_ns == before
    assert other.read_bytes() == b"other"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "pets.cnn"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == [str(home / name) for name in ("config.pbtxt", "labels.txt", "1/model.onnx")]
    assert printed[3:] == [str(home / name) for name in ("2/model.onnx", "7/model.onnx", "8/model.onnx")]


def test_settings_that_are_there_are_not_overwritten_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = compile_to(tmp_path, PETS)
    path = repository / "pets" / "config.pbtxt"
    path.write_text(path.read_text().replace("count: 1", "count: 2"))
    before = tree(repository)
    capsys.readouterr()
    compile_to(tmp_path, PETS, code=2)
    message = capsys.readouterr().err
    assert f"{path} is there already" in message
    assert "is count: 2, and would be count: 1; keep it with --existing-config keep" in message
    assert tree(repository) == before
    compile_to(tmp_path, PETS, "--existing-config", "keep")
    after = tree(repository)
    assert after.pop("pets/2/model.onnx")
    assert after == before
    compile_to(tmp_path, PETS, "--existing-config", "replace")
    assert "count: 1" in path.read_text()
    assert (repository / "pets" / "3" / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (["--with-preprocess"], [], "input 'input' with data_type TYPE_UINT8, and the file has TYPE_FP32"),
        (
            [],
            ["--io-type", "fp16", "--precision", "fp16"],
            "input 'input' with data_type TYPE_FP32, and the file has TYPE_FP16",
        ),
        ([], ["--input", "3x24x24"], "input 'input' with dims [3, 16, 16], and the file has [3, 24, 24]"),
        (["--max-batch", "0"], ["--set", "classes=5"], "output 'output' with dims [-1, 3], and the file has [-1, 5]"),
    ],
)
def test_settings_that_contradict_the_file_are_not_kept(
    first: list[str], second: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = PETS.replace("resize(20) - crop(16) - ", "").replace(' - labels("cat", "dog", "bird")', "")
    spec = f"param classes = 3\n{spec.replace('FC-3', 'FC-{classes}')}"
    repository = compile_to(tmp_path, spec, *first)
    before = tree(repository)
    capsys.readouterr()
    for asked in ([], ["--existing-config", "keep"]):
        compile_to(tmp_path, spec, *second, *asked, code=2)
        said = capsys.readouterr().err
        assert f"config.pbtxt is there already and cannot be kept, because it has {message}" in said
        assert "--existing-config replace" in said and "--existing-config keep" not in said
        assert tree(repository) == before
    compile_to(tmp_path, spec, *second, "--existing-config", "replace")
    assert (repository / "pets" / "2" / "model.onnx").is_file()


ENDS = Ends((End("input", "float32", ("N", 3, "H", 8)),), (End("output", "float32", ("N", 10)),), {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", None),
        ('name: "a" # all else is found out\nparameters { key: "k" value: { string_value: "v" } }', None),
        ('max_batch_size: 4 input [{ name: "input", data_type: TYPE_FP32, dims: [3, -1, 8] }]', None),
        ("max_batch_size: 4 input < name: 'input' dims: 3 dims: 224; dims: 8 >", None),
        ('input { name: "input" data_type: 11 dims: [-1, 3, -1, 8] }', None),
        ('input { name: "input" dims: [3, 24, 8] }', None),
        ('max_batch_size: 4 input { name: "input" dims: [3, 192] reshape: { shape: [3, 24, 8] } }', None),
        ('output { name: "output" label_filename: "labels.txt" }', None),
        (
            'max_batch_size: 4 input { name: "input" dims: [3, -1, 9] }',
            "input 'input' with dims [3, -1, 9], and the file has [3",
        ),
        (
            'max_batch_size: 4 input { name: "input" dims: [-1, -1, 8] }',
            "input 'input' with dims [-1, -1, 8], and the file has",
        ),
        (
            'max_batch_size: 4 input { name: "input" dims: [4, 3, 8, 8] }',
            "input 'input' with dims [4, 3, 8, 8], and the file",
        ),
        ('input { name: "images" }', "input name 'images', and the file has 'input'"),
        ('output { name: "y" }', "output name 'y', and the file has 'output'"),
        (
            'output { name: "output" data_type: TYPE_INT64 }',
            "output 'output' with data_type TYPE_INT64, and the file has TYPE_FP32",
        ),
        (
            'input { name: "input" format: FORMAT_NHWC }',
            "input 'input' with format FORMAT_NHWC, and the file has FORMAT_NCHW",
        ),
        ("input {", "what no server can read, at "),
        ("max_batch_size: 3000000000", "what no server can read, at "),
    ],
)
def test_what_fits_settings(text: str, problem: str | None) -> None:
    found = misfit(text, ENDS, "nchw")
    assert (found or "").startswith(problem or "") and (found is None) == (problem is None)
    if not (problem or "").startswith("what"):
        text_format.Parse(text, SCHEMA.ModelConfig())  # the cases are of Triton's schema


@given(servings, st.sampled_from(["nchw", "nhwc"]))
def test_a_file_fits_its_own_settings(serving: Serving, layout: str) -> None:
    assert misfit(config(serving, ENDS, (3, 9, 8), layout, None), ENDS, layout) is None


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_two_at_a_time(
    asked: bool, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another process publishes between the moment that a version was chosen and the one that it is put in place."""
    if there:
        compile_to(tmp_path, PETS)
    version, home = str(1 + there), tmp_path / "models" / "pets"
    finish = Deployment.finish

    def late(self: Deployment, graph: Graph, **named: Any) -> tuple[Path, ...]:
        monkeypatch.setattr(Deployment, "finish", finish)
        compile_to(tmp_path, PETS, "--seed", "1")
        capsys.readouterr()
        return finish(self, graph, **named)

    monkeypatch.setattr(Deployment, "finish", late)
    compile_to(tmp_path, PETS, "--seed", "2", *(["--model-version", version] if asked else []), code=2 * asked)
    printed = capsys.readouterr()
    versions = sorted(path.name for path in home.iterdir() if path.is_dir())
    if asked:
        assert printed.err == f"cnndsl: another process has just written version {version} of pets\n"
        assert versions == list("12"[: 1 + there])
    else:
        assert printed.out == f"{home / str(2 + there) / 'model.onnx'}\n"
        assert versions == list("123"[: 2 + there])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "pets.cnn"]


def test_a_version_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = compile_to(tmp_path, PETS)
    before = tree(repository)
    compile_to(tmp_path, PETS, "--seed", "1", "--model-version", "1", "--existing-config", "replace", code=2)
    assert "version 1 of pets is there already" in capsys.readouterr().err
    assert tree(repository) == before


@pytest.mark.parametrize(
    ("moment", "there"),
    [
        *((moment, there) for moment in ("mkdir", "write", "read_ends", "rename") for there in (False, True)),
        ("settings", True),
    ],
)
def test_a_failure_leaves_what_was_there(
    tmp_path: Path, moment: str, there: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if there:
        compile_to(tmp_path, PETS)
    before = tree(tmp_path) | {"pets.cnn": PETS.encode()}

    def fail(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place, name = {
        "mkdir": (repositories.Path, "mkdir"),
        "write": (cnndsl.lower.onnx.model, "stream"),
        "read_ends": (repositories, "read_ends"),
        "rename": (repositories.Path, "rename"),
        "settings": (repositories.OutputFiles, "open"),
    }[moment]
    monkeypatch.setattr(place, name, fail)
    compile_to(tmp_path, PETS, "--queue-delay", "5", "--existing-config", "replace", code=2)
    message = capsys.readouterr().err
    assert "No space left on device" in message
    assert ".cnndsl-" not in message
    assert tree(tmp_path) == before
    assert (tmp_path / "models").exists() == there
    assert not list(tmp_path.glob(".*"))


def test_a_model_of_two_files_lies_in_a_folder(tmp_path: Path) -> None:
    graph = network()
    with Deployment(tmp_path / "models", Serving("pets")) as place:
        write_onnx(place.model, graph, init(graph), external_threshold=100)
        files = place.finish(graph)
    home = tmp_path / "models" / "pets"
    assert [path.relative_to(home).as_posix() for path in files] == [
        "config.pbtxt", "labels.txt", "1/model.onnx/model.onnx", "1/model.onnx/model.onnx.data",
    ]  # fmt: skip
    session = onnxruntime.InferenceSession(home / "1" / "model.onnx" / "model.onnx")
    assert session.run(None, {"input": np.zeros((2, 3, 16, 16), np.float32)})[0].shape == (2, 3)


def network() -> Graph:
    return cnndsl.load(PETS.replace("CONV3-8 - BN", "CONV3-8")).graph


@pytest.mark.parametrize("place", ["models", "models/pets"])
def test_a_file_in_the_way(tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("mine")
    compile_to(tmp_path, PETS, code=2)
    assert f"{place} is a file" in capsys.readouterr().err
    assert (tmp_path / place).read_text() == "mine"


def test_a_repository_behind_a_link_and_one_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "far")
    compile_to(tmp_path, PETS)
    assert (tmp_path / "far" / "pets" / "1" / "model.onnx").is_file()
    assert (tmp_path / "models").is_symlink()
    spec = str(tmp_path / "pets.cnn")
    assert main(["compile", spec, "--to", "triton", "-o", str(tmp_path / "none" / "models")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_a_link_that_leads_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pets").symlink_to(tmp_path / "gone")
    compile_to(tmp_path, PETS, code=2)
    assert f"pets is a link to {tmp_path / 'gone'}, which does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("field", "option", "least", "most"),
    [
        ("max_batch", "max-batch", 0, 2**31 - 1),
        ("instances", "instances", 1, 2**31 - 1),
        ("queue_delay", "queue-delay", 0, 2**64 - 1),
        ("version", "model-version", 1, 2**63 - 1),
    ],
)
def test_numbers_are_those_that_the_schema_holds(field: str, option: str, least: int, most: int) -> None:
    for value in (least, most):
        serving = Serving("pets", **{field: value})
        assert serving.refusal() is None
        parsed(config(serving, ENDS, (3, 9, 8), "nchw", None))
    for value in (least - 1, most + 1):
        serving = Serving("pets", **{field: value})
        refusal = f"--{option} must be at least {least} and at most {most:,}"
        assert serving.refusal() == refusal
        if field != "version" and value > most:
            with pytest.raises(text_format.ParseError):
                parsed(config(serving, ENDS, (3, 9, 8), "nchw", None))


def test_there_is_a_last_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = compile_to(tmp_path, PETS, "--model-version", str(2**63 - 1))
    (repository / "pets" / str(2**63)).mkdir()  # which no server reads
    compile_to(tmp_path, PETS, code=2)
    assert f"pets has version {2**63 - 1}, and there is none after it" in capsys.readouterr().err
    compile_to(tmp_path, PETS, "--model-version", "3")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "triton"], "-o REPO"),
        (["--to", "triton", "-o", "-"], "-o REPO"),
        (["--to", "triton", "-o", "r", "--no-weights"], "leave out --no-weights"),
        (["--to", "triton", "-o", "r", "--model-name", "a/b"], "cannot be a model's name"),
        (["--to", "triton", "-o", "r", "--model-name", ".."], "cannot be a model's name"),
        (["--to", "triton", "-o", "r", "--model-name", "x" * 256], "of 255 letters at most, and this one has 256"),
        (["--to", "triton", "-o", "r", "--model-version", "0"], "--model-version must be at least 1"),
        (["--to", "triton", "-o", "r", "--instances", "0"], "--instances must be at least 1"),
        (["--to", "triton", "-o", "r", "--instances", "3000000000"], "--instances must be at least 1 and at most"),
        (["--to", "triton", "-o", "r", "--max-batch", "3000000000"], "--max-batch must be at least 0 and at most"),
        (["--to", "triton", "-o", "r", "--queue-delay", "9" * 30], "--queue-delay must be at least 0 and at most"),
        (["--to", "triton", "-o", "r", "--model-version", "9" * 20], "--model-version must be at least 1 and at most"),
        (["--to", "triton", "-o", "r", "--max-batch", "4", "--preferred-batch", "2,8"], "sizes outside 1 to 4"),
        (["--to", "triton", "-o", "r", "--preferred-batch", "two"], "whole numbers with commas"),
        (["--to", "triton", "-o", "r", "--preferred-batch", "1,4,4"], "--preferred-batch has a size twice"),
        (["--to", "triton", "-o", "r", "--max-batch", "0", "--preferred-batch", "8"], "--max-batch 0 makes none"),
        (["--to", "triton", "-o", "r", "--max-batch", "0", "--queue-delay", "7"], "--max-batch 0 makes none"),
        (["--to", "triton", "-o", "r", "--kind", "cpu", "--accelerator", "tensorrt"], "is for GPUs"),
        (["--to", "triton", "-o", "r", "--accelerator-option", "a=b"], "needs --accelerator"),
        (["--to", "triton", "-o", "r", "--accelerator", "cuda", "--accelerator-option", "a"], "NAME=VALUE"),
        (
            ["--to", "triton", "-o", "r", "--accelerator", "cuda", *("--accelerator-option", "a=1") * 2],
            "--accelerator-option has a name twice",
        ),
        (["--to", "onnx", "--instances", "2"], "--instances is for --to triton"),
        (["--to", "ir", "--max-batch", "0"], "--max-batch is for --to triton"),
        (["--to", "torch", "--seed", "1"], "--seed is for --to onnx and triton"),
    ],
)
def test_what_cannot_be_served(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compile", "GAP - FC-3", "--input", "3x8x8", *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_library_refuses_too(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="cannot be a model's name"):
        Deployment(tmp_path, Serving("a b"))


def test_verified_as_a_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_to(tmp_path, PETS, "--verify", "--with-preprocess")
    printed = capsys.readouterr().out
    assert "ONNX Runtime agrees with PyTorch" in printed
    assert "the preprocessing in the graph agrees" in printed
