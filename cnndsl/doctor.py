"""What is installed, and what of it really runs: for `cnndsl doctor`."""

from __future__ import annotations

import platform
import warnings
from enum import StrEnum
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .extras import MissingExtra, need
from .record import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values = npt.NDArray[np.float32]

PACKAGES = ("cnndsl", "lark", "pydantic", "numpy", "onnx", "safetensors", "torch", "onnxruntime", "onnxruntime-gpu")
REQUIRED = PACKAGES[1:6]
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
REMOTE = ("AzureExecutionProvider",)
"""Providers that run nothing here."""

_TOLERANCE = 1e-2
"""Relative; CUDA may multiply with 10-bit mantissas (TF32)."""


class Status(StrEnum):
    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Check(Record):
    """One thing that was tried; `help` says what to do about it."""

    name: str
    status: Status
    detail: str
    help: str | None = None


class Doctor(Record):
    """The versions of the packages, None where one is not installed, and what was tried."""

    python: str
    platform: str
    versions: tuple[tuple[str, str | None], ...]
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong; notes and warnings are not."""
        return all(check.status is not Status.ERROR for check in self.checks)

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "healthy": self.healthy,
            "python": self.python,
            "platform": self.platform,
            "versions": dict(self.versions),
            "checks": [{field: getattr(check, field) for field in Check.fields} for check in self.checks],
        }

    def text(self) -> str:
        """Lines for a terminal."""
        rows = [("python", self.python), *((name, number or "not installed") for name, number in self.versions)]
        lines = [f"{name:<16} {number}" for name, number in rows] + [""]
        for check in self.checks:
            lines.append(f"{check.status:<8} {check.name}: {check.detail}")
            if check.help:
                lines.append(f"{'':<8} {check.help}")
        return "\n".join([*lines, "", "healthy" if self.healthy else "not healthy: see the errors above"])


def report() -> Doctor:
    """Look at everything; whatever is missing or broken is said, nothing is raised."""
    versions = tuple((name, _version(name)) for name in PACKAGES)
    installed = {name for name, number in versions if number is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks = (*_required(), *_runtimes(installed), *_torch(), *_providers())
    return Doctor(platform.python_version(), platform.platform(), versions, checks)


def _version(name: str) -> str | None:
    try:
        return version(name) or "unknown"
    except PackageNotFoundError:
        return None
    except Exception as error:  # damaged metadata fails in many ways
        return f"unknown ({error})"


def _required() -> list[Check]:
    """What the base install has must be importable."""
    found = []
    for module in REQUIRED:
        try:
            import_module(module)
        except Exception as error:
            found.append(Check(module, Status.ERROR, _line(error), f"pip install --force-reinstall {module}"))
    return found


def _runtimes(installed: set[str]) -> list[Check]:
    """Both builds of ONNX Runtime in one environment share a folder, and the one installed last hides the other."""
    present = [name for name in RUNTIMES if name in installed]
    if len(present) < 2:
        return []
    hint = f'keep one: pip uninstall -y {" ".join(RUNTIMES)} && pip install "cnndsl[gpu]"'
    return [Check("onnxruntime", Status.ERROR, f"{' and '.join(present)} are both installed and hide CUDA", hint)]


def _torch() -> list[Check]:
    """Whether PyTorch is there, and which device it sees."""
    try:
        torch = need("torch", "torch")
        if not torch.cuda.is_available():
            build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU build"
            return [Check("torch", Status.OK, f"runs on the CPU; no CUDA device ({build})")]
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        total = float(torch.ones(8, device="cuda").sum())
    except Exception as error:
        return [_absent("torch", error)]
    if total != 8:
        return [Check("torch", Status.ERROR, f"computes wrongly on {names}")]
    return [Check("torch", Status.OK, f"runs on CUDA {torch.version.cuda}: {names}")]


def _absent(name: str, error: Exception) -> Check:
    """A package that is not there is a note; one that is there and does not work is an error."""
    missing = isinstance(error, MissingExtra) and " is not installed;" in str(error)
    return Check(name, Status.NOTE if missing else Status.ERROR, _line(error))


def _providers() -> list[Check]:
    """Run a convolution on every execution provider that ONNX Runtime says it has."""
    try:
        runtime = need("onnxruntime", "cpu")
        available = list(runtime.get_available_providers())
        if CUDA in available and hasattr(runtime, "preload_dlls"):
            runtime.preload_dlls()  # finds the CUDA libraries of the nvidia wheels
    except Exception as error:
        return [_absent("onnxruntime", error)]
    checks = []
    for provider in available:
        if provider in REMOTE:
            continue
        try:
            _run_layer(runtime, provider)
        except Exception as error:
            # a GPU build also offers TensorRT, whose libraries few have
            status = Status.ERROR if provider in (CPU, CUDA) else Status.WARNING
            checks.append(Check(provider, status, f"does not run: {_line(error)}", _HELP.get(provider)))
        else:
            alone = "" if provider == CPU else ", and nothing fell back to the CPU"
            checks.append(Check(provider, Status.OK, f"ran a convolution{alone}"))
    return checks


_HELP = {
    CUDA: 'it needs an NVIDIA driver, and its libraries: pip install "cnndsl[gpu]"; '
    'without a GPU: pip uninstall -y onnxruntime-gpu && pip install "cnndsl[cpu]"',
}


class NotHere(RuntimeError):
    """The session runs somewhere else than it was told to, or computes something else."""


def _run_layer(runtime: Any, provider: str) -> None:
    """Run one convolution on a provider and nowhere else; raises whatever goes wrong."""
    import numpy as np

    model, x, expected = _layer()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    if provider != CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = runtime.InferenceSession(model, options, providers=[provider])
    if session.get_providers()[0] != provider:
        raise NotHere(f"ONNX Runtime took {session.get_providers()[0]} instead, in silence")
    found = session.run(None, {"input": x})[0]
    if not np.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise NotHere(f"the result is wrong by {np.abs(found - expected).max():.2g}")


def _layer() -> tuple[bytes, Values, Values]:
    """A 3×3 convolution as an ONNX model, an input, and its output worked out with numpy."""
    import numpy as np

    from .ir import Graph, Node
    from .lower.onnx import to_onnx
    from .ops.combine import Input
    from .ops.conv import Conv
    from .shape import Shape
    from .weights import init

    conv = Conv(4, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, True)
    nodes = (Node("input", Input(), (), Shape(3, (8, 8))), Node("conv1", conv, (0,), Shape(4, (6, 6))))
    graph = Graph("Doctor", nodes, 1)
    arrays = init(graph)
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8), dtype=np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    expected = np.einsum("nchwij,ocij->nohw", windows, arrays["conv1.weight"])
    return to_onnx(graph, arrays).SerializeToString(), x, expected.astype(np.float32)


def _line(error: Exception) -> str:
    """The first line of a message, or the name of an exception that has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
