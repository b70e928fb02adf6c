"""What is installed, and what of it really runs: for `cnndsl doctor`."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .extras import GPU, MissingExtra, need, preload
from .nvidia import first_gpu
from .record import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values = npt.NDArray[np.float32]

PACKAGES = ("cnndsl", "lark", "pydantic", "numpy", "onnx", "safetensors", "torch", "onnxruntime", "onnxruntime-gpu")
REQUIRED = PACKAGES[1:6]
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
CUDNN = ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12")
"""The wheels with cuDNN in them, which the extra `gpu` installs."""

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
REMOTE = ("AzureExecutionProvider",)
"""Providers that run nothing here."""

LABELS = {
    "gpu": "GPU",
    "driver": "NVIDIA driver",
    "driver_cuda": "driver runs CUDA",
    "torch_cuda": "torch built for CUDA",
    "torch_cudnn": "torch's cuDNN",
    "onnxruntime_cuda": "onnxruntime built for CUDA",
    "cudnn_wheel": "cuDNN's wheel",
}
"""What is said of CUDA, in words."""

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
    """The versions of the packages and of all that has to do with CUDA, None where there is none; the execution providers
    that ONNX Runtime offers; and what was tried."""

    python: str
    platform: str
    versions: tuple[tuple[str, str | None], ...]
    cuda: tuple[tuple[str, str | None], ...]
    providers: tuple[str, ...]
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
            "cuda": dict(self.cuda),
            "providers": list(self.providers),
            "checks": [{field: getattr(check, field) for field in Check.fields} for check in self.checks],
        }

    def text(self) -> str:
        """Lines for a terminal."""
        rows = [("python", self.python), *((name, number or "not installed") for name, number in self.versions)]
        rows += [(LABELS[key], number) for key, number in self.cuda if number is not None]
        rows.append(("providers", ", ".join(self.providers) or "none"))
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}} {number}" for name, number in rows] + [""]
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
        cuda = tuple(_cuda())
        providers, ran = _providers()
        checks = (*_required(), *_runtimes(installed), *_driver(dict(cuda)), *_torch(), *ran)
    return Doctor(platform.python_version(), platform.platform(), versions, cuda, providers, checks)


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
    hint = f'keep one: pip uninstall -y {" ".join(RUNTIMES)} && pip install "{GPU}", or onnxruntime without a GPU'
    return [Check("onnxruntime", Status.ERROR, f"{' and '.join(present)} are both installed and hide CUDA", hint)]


def _cuda() -> Iterator[tuple[str, str | None]]:
    """The GPU, its driver and the newest CUDA that runs on it; what torch and ONNX Runtime were built for; cuDNN's wheel."""
    gpu = first_gpu()
    yield "gpu", None if gpu is None else f"{gpu.name}, {gpu.total / 2**30:.0f} GiB"
    yield "driver", None if gpu is None else gpu.driver
    yield "driver_cuda", None if gpu is None else gpu.cuda
    yield "torch_cuda", _said("torch", lambda torch: torch.version.cuda)
    yield "torch_cudnn", _said("torch", lambda torch: _cudnn(torch.backends.cudnn.version()))
    yield "onnxruntime_cuda", _said("onnxruntime", lambda runtime: runtime.cuda_version)
    yield "cudnn_wheel", next((found for found in map(_version, CUDNN) if found is not None), None)


def _said(module: str, question: Callable[[Any], object]) -> str | None:
    """What a package answers; None where it is not there, breaks, or has no answer."""
    try:
        return str(question(need(module, module)) or "") or None
    except Exception:  # what is broken is said where it is tried
        return None


def _cudnn(number: int | None) -> str | None:
    """cuDNN's version from its number: 8902 is 8.9.2, 91002 is 9.10.2."""
    if number is None:
        return None
    major, rest = divmod(number, 10_000 if number >= 10_000 else 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


def _driver(cuda: dict[str, str | None]) -> Iterator[Check]:
    """Whether the driver is new enough for what was built on CUDA."""
    newest = cuda["driver_cuda"]
    for key in ("torch_cuda", "onnxruntime_cuda"):
        built = cuda[key]
        if newest is not None and built is not None and _major(built) > _major(newest):
            detail = f"{LABELS[key]} {built}, and the driver runs CUDA {newest} at most"
            yield Check("NVIDIA driver", Status.ERROR, detail, f"install a newer driver, for CUDA {_major(built)}")


def _major(number: str) -> int:
    first = number.partition(".")[0]
    return int(first) if first.isdigit() else 0


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


def _providers() -> tuple[tuple[str, ...], list[Check]]:
    """The execution providers that ONNX Runtime says it has, and a convolution run on each."""
    try:
        runtime = need("onnxruntime", "cpu")
        available = list(runtime.get_available_providers())
        if CUDA in available:
            preload(runtime)
    except Exception as error:
        return (), [_absent("onnxruntime", error)]
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
    return tuple(available), checks


_HELP = {
    CUDA: f'it needs an NVIDIA driver, and its libraries: pip install "{GPU}"; '
    "without a GPU: pip uninstall -y onnxruntime-gpu && pip install onnxruntime",
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
    # without its own fallback, which prints where JSON may be printed
    session = runtime.InferenceSession(model, options, providers=[provider], enable_fallback=False)
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
