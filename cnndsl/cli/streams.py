"""Standard output and standard error: whoever reads them may leave early, which is no error; a full disk is one."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO


def open_streams() -> None:
    """Make the streams fit to print on: one that was closed by the caller takes what is printed and forgets it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal or a file of few characters gets the others escaped
        sys.stdout.reconfigure(errors="backslashreplace")


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print for the user, on standard error unless told: a reader who left, or an error stream that is full, is no error."""
    stream = stream or sys.stderr
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _forget(stream)
    except OSError:
        _forget(stream)
        if stream is not sys.stderr:
            raise


def finished(code: int) -> int:
    """The exit code after everything is printed: 2 where it cannot be."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget(sys.stdout)
    except OSError as failure:
        _forget(sys.stdout)
        if code != 2:
            tell(f"cnndsl: {failure.strerror}: standard output")
        return 2
    return code


def _forget(stream: TextIO) -> None:
    """Let what is still in a stream, and what comes, go nowhere: Python writes it once more when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
