"""What is installed on request: torch, onnxruntime, tqdm; and the command that installs what is missing."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

GPU = "onnxruntime-gpu[cuda,cudnn]"
"""What the extra `gpu` installs."""

GPU_BUILD = f'pip uninstall -y onnxruntime && pip install "{GPU}"; `cnndsl doctor` says what runs here'
"""What to do where ONNX Runtime has no provider for a GPU, or one that does not start."""


class MissingExtra(ImportError):
    """A package of one of the extras is not installed, or cannot be imported; the message says what to do."""


class NativePath:
    """A path as the bytes that the system knows it by, whatever it is handed to: ONNX Runtime takes text in UTF-8 alone."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fsencode(path)

    def __fspath__(self) -> bytes:
        return self._path


def need(module: str, extra: str) -> Any:
    """Import a module that only an extra installs.

    `extra` is what stands in the brackets of the install command: `torch`, `cpu`, `torch,cpu`.
    Raises `MissingExtra`.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise MissingExtra(f"{package} is installed, but it needs {error.name}, which is not") from error
        raise MissingExtra(f'{package} is not installed; install it with: pip install "cnndsl[{extra}]"') from error
    except (ImportError, OSError) as error:
        raise MissingExtra(f"{module} is installed but cannot be imported: {error}") from error


def preload(runtime: Any) -> None:
    """Load the CUDA libraries of the nvidia wheels where ONNX Runtime does that, without what it prints of missing ones."""
    if not hasattr(runtime, "preload_dlls"):
        return
    from contextlib import redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()):
        runtime.preload_dlls()
