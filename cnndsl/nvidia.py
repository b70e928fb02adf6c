"""What the NVIDIA driver says of itself and of its first GPU, asked by way of its management library.

The library (NVML, `libnvidia-ml.so.1` or `nvml.dll`) comes with the driver; nothing has to be installed for it.
https://docs.nvidia.com/deploy/nvml-api/
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Final

from .record import Record

LIBRARY: Final = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"

_TEXT: Final = 96
"""The longest text that NVML writes, with its end."""


class Gpu(Record):
    """A GPU: its name, the driver's version, the newest CUDA that the driver runs, and bytes of memory."""

    name: str
    driver: str
    cuda: str
    total: int
    used: int


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class _Refused(Exception):
    """NVML answered with an error."""


def first_gpu() -> Gpu | None:
    """The GPU that CUDA calls 0; None where there is no driver, or none that answers."""
    try:
        library = ctypes.CDLL(LIBRARY)
        _ask(library.nvmlInit_v2)
    except (OSError, AttributeError, _Refused):
        return None
    try:
        return _described(library)
    except (AttributeError, _Refused):
        return None
    finally:
        library.nvmlShutdown()


def _described(library: Any) -> Gpu:
    device, memory, cuda = ctypes.c_void_p(), _Memory(), ctypes.c_int()
    _find(library, device)
    _ask(library.nvmlDeviceGetMemoryInfo, device, ctypes.byref(memory))
    _ask(library.nvmlSystemGetCudaDriverVersion_v2, ctypes.byref(cuda))
    version = f"{cuda.value // 1000}.{cuda.value % 1000 // 10}"
    name = _text(library.nvmlDeviceGetName, device)
    return Gpu(name, _text(library.nvmlSystemGetDriverVersion), version, int(memory.total), int(memory.used))


def _find(library: Any, device: ctypes.c_void_p) -> None:
    """The first of the devices that CUDA_VISIBLE_DEVICES leaves, by its number or its identifier."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0].strip()
    if visible.startswith(("GPU-", "MIG-")):
        _ask(library.nvmlDeviceGetHandleByUUID, visible.encode(), ctypes.byref(device))
    elif visible.isdigit():
        _ask(library.nvmlDeviceGetHandleByIndex_v2, ctypes.c_uint(int(visible)), ctypes.byref(device))
    else:
        raise _Refused


def _text(function: Any, *arguments: Any) -> str:
    written = ctypes.create_string_buffer(_TEXT)
    _ask(function, *arguments, written, ctypes.c_uint(_TEXT))
    return written.value.decode(errors="replace")


def _ask(function: Any, *arguments: Any) -> None:
    if function(*arguments) != 0:
        raise _Refused
