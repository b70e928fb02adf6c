"""The doctor: versions, what runs, and environments that are broken on purpose."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest
from documents import ROOT

from cnndsl import doctor, nvidia
from cnndsl.cli import main
from cnndsl.doctor import CPU, CUDA, Check, Doctor, Status, report
from cnndsl.extras import GPU
from cnndsl.nvidia import Gpu


def by_name(found: Doctor) -> dict[str, Check]:
    return {check.name: check for check in found.checks}


def test_a_sound_environment_is_healthy() -> None:
    found = report()
    assert found.healthy
    versions = dict(found.versions)
    for name in ("lark", "numpy", "onnx", "torch"):
        assert versions[name] == version(name)
    assert by_name(found)[CPU].status is Status.OK
    assert by_name(found)["torch"].status is Status.OK
    assert set(doctor.REMOTE).isdisjoint(by_name(found))
    assert json.loads(json.dumps(found.json()))["healthy"] is True
    assert found.text().endswith("\nhealthy")
    assert f"ok       {CPU}: ran a convolution" in found.text()
    assert f"providers       {', '.join(found.providers)}" in found.text()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts the metadata of a distribution where Python looks for them."""

    def install(name: str, number: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{number}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")

    monkeypatch.syspath_prepend(tmp_path)
    return install


def test_both_runtimes_are_an_error(
    installed: Callable[[str, str], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("onnxruntime", "1.30.0")
    installed("onnxruntime-gpu", "1.31.1")
    found = report()
    assert not found.healthy
    assert dict(found.versions)["onnxruntime-gpu"] == "1.31.1"
    clash = by_name(found)["onnxruntime"]
    assert clash.status is Status.ERROR
    assert clash.detail == "onnxruntime and onnxruntime-gpu are both installed and hide CUDA"
    assert found.text().endswith("not healthy: see the errors above")
    assert f'pip uninstall -y onnxruntime onnxruntime-gpu && pip install "{GPU}"' in found.text()
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["versions"]["onnxruntime-gpu"] == "1.31.1"


def test_what_is_advised_for_a_gpu_is_what_the_extra_installs() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (required,) = extras["gpu"]
    assert required.partition(">")[0] == GPU


def test_either_runtime_alone_is_none(installed: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed here really may be either, so that its own metadata is left out."""
    installed("onnxruntime-gpu", "1.31.1")
    found = doctor.version

    def only_gpu(name: str) -> str:
        if name == "onnxruntime":
            raise PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(doctor, "version", only_gpu)
    assert "onnxruntime" not in by_name(report())


def test_the_wheel_of_cudnn_is_found(installed: Callable[[str, str], None]) -> None:
    installed("nvidia-cudnn-cu13", "9.15.1.9")
    found = report()
    assert dict(found.cuda)["cudnn_wheel"] == "9.15.1.9"
    assert "cuDNN's wheel" in found.text() and "9.15.1.9" in found.text()


def test_what_there_is_of_cuda_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    gpu = Gpu("A GPU", "550.54.15", "12.4", 80 * 2**30, 2**30)
    monkeypatch.setattr(doctor, "first_gpu", lambda: gpu)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0", raising=False)
    found = report()
    assert dict(found.cuda) | {"cudnn_wheel": None} == {
        "gpu": "A GPU, 80 GiB", "driver": "550.54.15", "driver_cuda": "12.4", "torch_cuda": "12.8",
        "torch_cudnn": "9.10.2", "onnxruntime_cuda": "13.0", "cudnn_wheel": None,
    }  # fmt: skip
    assert set(dict(found.cuda)) == set(doctor.LABELS)
    assert found.json()["cuda"]["driver_cuda"] == "12.4"
    # a driver runs what was built for a later minor version of its CUDA, and no later major one
    check = by_name(found)["NVIDIA driver"]
    assert check.status is Status.ERROR
    assert check.detail == "onnxruntime built for CUDA 13.0, and the driver runs CUDA 12.4 at most"
    assert [found.name for found in found.checks].count("NVIDIA driver") == 1


@pytest.mark.parametrize(("number", "written"), [(None, None), (8902, "8.9.2"), (8005, "8.0.5"), (90100, "9.1.0")])
def test_the_version_of_cudnn(number: int | None, written: str | None) -> None:
    assert doctor._cudnn(number) == written


def test_the_providers_are_those_of_the_library() -> None:
    found = report()
    assert list(found.providers) == onnxruntime.get_available_providers()
    ran = {check.name for check in found.checks} & set(found.providers)
    assert ran == set(found.providers) - set(doctor.REMOTE)


def test_what_preloading_prints_is_not_among_the_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcudnn"), raising=False)
    main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["providers"] == [CUDA, CPU]


# -- the driver


class Driver:
    """NVML with one GPU; `fails` are the functions that answer with an error."""

    def __init__(self, *fails: str) -> None:
        self.fails, self.asked, self.shut = fails, [], 0

    def __getattr__(self, name: str) -> Callable[..., int]:
        def answer(*arguments: Any) -> int:
            self.asked.append((name, arguments))
            return 999 if name in self.fails else self.fill(name, arguments)

        return answer

    def fill(self, name: str, arguments: tuple[Any, ...]) -> int:
        match name:
            case "nvmlShutdown":
                self.shut += 1
            case "nvmlDeviceGetMemoryInfo":
                memory = arguments[1]._obj
                memory.total, memory.free, memory.used = 80 * 2**30, 79 * 2**30, 2**30
            case "nvmlSystemGetCudaDriverVersion_v2":
                arguments[0]._obj.value = 13010
            case "nvmlDeviceGetName":
                arguments[1].value = b"NVIDIA H100 80GB HBM3"
            case "nvmlSystemGetDriverVersion":
                arguments[0].value = b"580.82.07"
        return 0


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Driver]:
    def install(*fails: str) -> Driver:
        library = Driver(*fails)
        monkeypatch.setattr(nvidia.ctypes, "CDLL", lambda name: library)
        return library

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return install


def test_what_the_driver_says(driver: Callable[..., Driver]) -> None:
    library = driver()
    assert nvidia.first_gpu() == Gpu("NVIDIA H100 80GB HBM3", "580.82.07", "13.1", 80 * 2**30, 2**30)
    assert library.shut == 1


@pytest.mark.parametrize(
    ("visible", "function", "which"),
    [("3,1", "nvmlDeviceGetHandleByIndex_v2", 3), ("GPU-5a", "nvmlDeviceGetHandleByUUID", b"GPU-5a")],
)
def test_the_first_gpu_is_the_first_that_cuda_sees(
    visible: str, function: str, which: object, driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = driver()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert nvidia.first_gpu() is not None
    (given,) = (arguments[0] for name, arguments in library.asked if name == function)
    assert getattr(given, "value", given) == which


def test_no_gpu_is_visible(driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch) -> None:
    driver()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert nvidia.first_gpu() is None


@pytest.mark.parametrize("fails", ["nvmlInit_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetMemoryInfo"])
def test_a_driver_that_does_not_answer(fails: str, driver: Callable[..., Driver]) -> None:
    library = driver(fails)
    assert nvidia.first_gpu() is None
    assert library.shut == (fails != "nvmlInit_v2")


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "LIBRARY", "libnvidia-ml-that-is-not-here.so")
    assert nvidia.first_gpu() is None


@pytest.mark.parametrize(("module", "extra"), [("torch", "torch"), ("onnxruntime", "cpu")])
def test_an_extra_that_is_missing_is_a_note(module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    found = report()
    assert found.healthy
    check = by_name(found)[module]
    assert (check.status, check.detail) == (
        Status.NOTE,
        f'{module} is not installed; install it with: pip install "cnndsl[{extra}]"',
    )


@pytest.mark.parametrize("module", doctor.REQUIRED)
def test_what_the_base_needs_must_be_there(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    found = report()
    assert not found.healthy
    assert by_name(found)[module].status is Status.ERROR


def broken(message: str) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(message)

    return fail


def test_broken_packages_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(cuda=SimpleNamespace(is_available=broken("no driver\nsecond line")))
    monkeypatch.setitem(sys.modules, "torch", fake)
    monkeypatch.setattr(onnxruntime, "get_available_providers", broken("libonnxruntime is gone"))
    found = by_name(report())
    assert (found["torch"].status, found["torch"].detail) == (Status.ERROR, "no driver")
    assert (found["onnxruntime"].status, found["onnxruntime"].detail) == (Status.ERROR, "libonnxruntime is gone")


def test_damaged_metadata_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> str:
        if name == "onnxruntime-gpu":
            raise PackageNotFoundError(name)
        raise KeyError("Version")

    monkeypatch.setattr(doctor, "version", fail)
    versions = dict(report().versions)
    assert versions["onnxruntime-gpu"] is None
    assert versions["numpy"] == "unknown ('Version')"


@pytest.mark.parametrize(("provider", "status"), [(CUDA, Status.ERROR), ("TensorrtExecutionProvider", Status.WARNING)])
def test_a_provider_that_is_offered_but_does_not_run(
    provider: str, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    if provider in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has it")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [provider, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    found = report()
    assert by_name(found)[provider].status is status
    assert by_name(found)[provider].detail.startswith("does not run: ")
    assert found.healthy is (status is Status.WARNING)


class Silent:
    """A session that takes the CPU whatever it is told."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.session = onnxruntime.InferenceSession(arguments[0], providers=[CPU])
        self.get_providers = self.session.get_providers
        self.run = self.session.run


def test_a_silent_fallback_is_found() -> None:
    runtime = SimpleNamespace(SessionOptions=onnxruntime.SessionOptions, InferenceSession=Silent)
    with pytest.raises(doctor.NotHere, match="took CPUExecutionProvider instead"):
        doctor._run_layer(runtime, CUDA)


def test_a_wrong_result_is_found() -> None:
    class Wrong(Silent):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.run = lambda *inputs: [self.session.run(*inputs)[0] + 1]

    runtime = SimpleNamespace(SessionOptions=onnxruntime.SessionOptions, InferenceSession=Wrong)
    with pytest.raises(doctor.NotHere, match="the result is wrong by 1"):
        doctor._run_layer(runtime, CPU)
