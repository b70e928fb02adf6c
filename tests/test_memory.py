"""What compiling large networks takes of memory, as the system counts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MOST = 1.3
"""Times the bytes of the weights, above a Python that does nothing."""

ALONE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A process in between: a child's peak begins with that of its parent, and the tests' own is large."""


def peak(*command: str) -> int:
    """The most memory that a command of Python held, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, sys.executable, *command], capture_output=True, text=True, check=True
    )
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


def test_weights_are_held_once(tmp_path: Path) -> None:
    bare = peak("-c", "pass")
    target, weights = str(tmp_path / "m.onnx"), tmp_path / "w.safetensors"
    subprocess.run(
        [sys.executable, "-m", "cnndsl", "weights", "init", "zoo:vgg11", "-o", weights], check=True, capture_output=True
    )
    for given in ((), ("--weights", str(weights))):
        held = peak("-m", "cnndsl", "compile", "zoo:vgg11", "--to", "onnx", "-o", target, *given) - bare
        assert held <= MOST * weights.stat().st_size
        assert abs(Path(target).stat().st_size / weights.stat().st_size - 1) < 0.01
