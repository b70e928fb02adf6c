"""Whether what runs a model has fast INT8."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

from ..record import Record

DOT_PRODUCTS: Final = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "asimddp", "i8mm"})
"""The flags of Linux for instructions that multiply bytes and add up the products without saturating: VNNI, AMX, Arm's."""

_X86: Final = frozenset({"x86_64", "amd64", "i686", "x86"})
_ARM: Final = frozenset({"arm64", "aarch64"})


class Support(Record):
    """Whether INT8 is fast there, None where that cannot be found out, and why; whether the processor is an Arm."""

    provider: str
    fast: bool | None
    reason: str
    arm: bool = False

    @property
    def saturates(self) -> bool:
        """Whether products of whole bytes may overflow 16 bits on the way: on x86 without VNNI, so weights get 7 bits."""
        return self.provider == "cpu" and not self.fast and not self.arm

    @property
    def warning(self) -> str | None:
        """What there is to say before someone waits for a faster model."""
        match self.fast:
            case True:
                return None
            case False:
                return f"INT8 will not be faster than FP32: {self.reason}"
            case _:
                return f"whether INT8 is faster than FP32 is not known: {self.reason}"


def int8_support(provider: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> Support:
    """What this machine's processor, or an execution provider, makes of INT8; `provider` is `cpu`, `cuda` or `tensorrt`."""
    if provider == "tensorrt":
        return Support(provider, True, "TensorRT has INT8 kernels")
    if provider == "cuda":
        return Support(provider, False, "the CUDA provider computes in float between the QDQ nodes; "
                       "take --provider tensorrt, or --precision fp16")  # fmt: skip
    machine = platform.machine().lower()
    arm = machine in _ARM
    if arm and platform.system() == "Darwin":
        return Support(provider, True, "Apple's processors have dot products of bytes", arm)
    if machine not in _X86 | _ARM:
        return Support(provider, None, f"the processor is {machine or 'of an unknown kind'}", arm)
    flags = _flags(cpuinfo)
    if flags is None:
        return Support(provider, None, "the processor's flags cannot be read here", arm)
    found = sorted(flags & DOT_PRODUCTS)
    if found:
        return Support(provider, True, f"this processor has {', '.join(found)}", arm)
    return Support(
        provider, False, f"this processor has no {'dot products of bytes' if arm else 'VNNI and no AMX'}", arm
    )


def _flags(cpuinfo: Path) -> frozenset[str] | None:
    """The flags of the first processor; None where the file does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    named = (line.partition(":") for line in lines)
    return next((frozenset(flags.split()) for key, _, flags in named if key.strip() in ("flags", "Features")), None)
