"""The doctor: versions, what runs, and environments that are broken on purpose."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from cnndsl import doctor
from cnndsl.doctor import CPU, CUDA, Check, Doctor, Status, report


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


def test_both_runtimes_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", lambda name: "1.31.1")
    found = report()
    assert not found.healthy
    clash = by_name(found)["onnxruntime"]
    assert clash.status is Status.ERROR
    assert clash.detail == "onnxruntime and onnxruntime-gpu are both installed and hide CUDA"
    assert found.text().endswith("not healthy: see the errors above")
    assert "pip uninstall" in found.text()


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
