"""The options of a session and of its provider that are worth trying, and one choice among them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from ..record import Record
from .errors import CannotBench

PROVIDERS: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""ONNX Runtime's providers, by our names."""

ENGINES: Final = "trt_engines"
"""Where the printed session keeps what TensorRT builds."""


class Option(Record):
    """An option and the values that are tried, the first of which is the default; `session` where a session has it.

    A session's values are written as in Python, names of ONNX Runtime without the module (`ExecutionMode.ORT_PARALLEL`).
    """

    name: str
    values: tuple[str, ...]
    session: bool = False
    counts: bool = False

    def value(self, written: str) -> str | None:
        """The value that a user means, None for none: any number where it `counts`; of names the last part is enough."""
        names = {value.rpartition(".")[2].lower(): value for value in self.values}
        if self.counts:
            return str(int(written)) if written.isascii() and written.isdigit() and len(written) < 6 else None
        return names.get(written.rpartition(".")[2].lower())


def _threads() -> tuple[str, ...]:
    """0, which is one thread a core; one, half and all of the processors that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return tuple(dict.fromkeys(map(str, (0, 1, max(1, count // 2), count))))


OPTIONS: Final[dict[str, tuple[Option, ...]]] = {
    "cpu": (
        Option("intra_op_num_threads", _threads(), True, counts=True),
        Option(
            "graph_optimization_level",
            tuple(f"GraphOptimizationLevel.ORT_ENABLE_{level}" for level in ("ALL", "EXTENDED", "BASIC")),
            True,
        ),
        Option("execution_mode", ("ExecutionMode.ORT_SEQUENTIAL", "ExecutionMode.ORT_PARALLEL"), True),
        Option("enable_cpu_mem_arena", ("True", "False"), True),
    ),
    "cuda": (
        Option("prefer_nhwc", ("0", "1")),
        Option("cudnn_conv_algo_search", ("EXHAUSTIVE", "HEURISTIC", "DEFAULT")),
        Option("cudnn_conv_use_max_workspace", ("1", "0")),
        Option("fuse_conv_bias", ("0", "1")),
        Option("use_tf32", ("1", "0")),
        Option("enable_cuda_graph", ("0", "1")),
    ),
    "tensorrt": (
        Option("trt_fp16_enable", ("0", "1")),
        Option("trt_builder_optimization_level", ("3", "5"), counts=True),
        Option("trt_cuda_graph_enable", ("0", "1")),
    ),
}
"""In the order in which they are tried: what changes the kernels first, what only changes how they are started last.

https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html, .../TensorRT-ExecutionProvider.html"""


class Configuration(Record):
    """A provider, and the options that are not left at their defaults."""

    provider: str
    chosen: tuple[tuple[str, str], ...] = ()

    def with_(self, name: str, value: str) -> Configuration:
        """The same with one option set, or left at its default, in the order of the table."""
        order = {option.name: option for option in OPTIONS[self.provider]}
        chosen = dict(self.chosen)
        chosen[name] = value
        kept = tuple((key, chosen[key]) for key in order if key in chosen and chosen[key] != order[key].values[0])
        return self.replace(chosen=kept)

    def get(self, name: str) -> str | None:
        """The value of an option, chosen or default; None where the provider has none of that name."""
        option = next((option for option in OPTIONS[self.provider] if option.name == name), None)
        return None if option is None else dict(self.chosen).get(name, option.values[0])

    @property
    def on_gpu(self) -> bool:
        """Whether values lie in the memory of a GPU."""
        return self.provider != "cpu"

    @property
    def uncaptured(self) -> Configuration:
        """The same without CUDA graphs, which take bound memory alone."""
        chosen = tuple(pair for pair in self.chosen if pair[0] not in ("enable_cuda_graph", "trt_cuda_graph_enable"))
        return self.replace(chosen=chosen)

    @property
    def session_options(self) -> tuple[tuple[str, str], ...]:
        """What is set on the session, values as in Python."""
        return tuple((name, value) for name, value in self.chosen if name in _SESSION)

    def provider_options(self, engines: str, precision: str) -> dict[str, str]:
        """What is handed to the provider; `engines` is the folder in which TensorRT keeps what it builds."""
        own = {name: value for name, value in self.chosen if name not in _SESSION}
        if self.provider != "tensorrt":
            return own
        cached = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": engines, "trt_timing_cache_enable": "1"}
        return {**own, **cached, **({"trt_int8_enable": "1"} if precision == "int8" else {})}

    def __str__(self) -> str:
        return ", ".join(f"{name}={value.rpartition('.')[2]}" for name, value in self.chosen) or "defaults"

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {name: value.rpartition(".")[2] for name, value in self.chosen}


_SESSION: Final = frozenset(option.name for options in OPTIONS.values() for option in options if option.session)


def fixed(provider: str, written: Sequence[str]) -> tuple[Configuration, frozenset[str]]:
    """The configuration to begin with, and the options that a user has fixed as `NAME=VALUE`; raises CannotBench."""
    table = {option.name: option for option in OPTIONS[provider]}
    configuration, names = Configuration(provider), set()
    for setting in written:
        name, _, value = setting.partition("=")
        if name not in table:
            raise CannotBench(f"--fix {setting}: {provider} has the options {', '.join(table)}")
        meant = table[name].value(value)
        if meant is None:
            values = ", ".join(known.rpartition(".")[2] for known in table[name].values)
            allowed = "a whole number from 0 to 99,999" if table[name].counts else f"one of {values}"
            raise CannotBench(f"--fix {setting}: {name} is {allowed}")
        configuration = configuration.with_(name, meant)
        names.add(name)
    return configuration, frozenset(names)
