"""The front end: a cold `lint` against importing its two packages, and the cost of a layer as a network grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from cnndsl.compiler import Text, compile_text, dimensions
from cnndsl.limits import Limits
from cnndsl.source import Source

from .measure import interleaved, run, table

SPEC = Path(__file__).parent.parent / "specs" / "resnet50.cnn"
UNLIMITED = Limits(max_bytes=10**9, max_layers=10**7, max_steps=10**9)


def cold() -> list[tuple[str, str, str]]:
    """`cnndsl lint specs/resnet50.cnn` in a process of its own."""
    lint = [str(Path(sys.executable).with_name("cnndsl")), "lint", str(SPEC)]
    imports = [sys.executable, "-c", "import lark, pydantic"]
    ours, theirs, ratio = interleaved(lambda: run(lint).seconds, lambda: run(imports).seconds, 21)
    return [
        ("lint specs/resnet50.cnn, cold", "", f"{ours * 1e3:.0f} ms"),
        ("python -c 'import lark, pydantic'", "", f"{theirs * 1e3:.0f} ms"),
        ("ratio", "<= 1.5", f"{ratio:.2f}"),
        ("peak memory of lint", "< 80 MiB", f"{run(lint).mebibytes:.0f} MiB"),
    ]


def _written_out(layers: int) -> str:
    return "\n  - ".join(f"CONV3-{8 + i % 56} - BN - RELU - POOL3/1(pad=1)" for i in range(layers // 4))


def _repeated(layers: int) -> str:
    return f"def B(w) = RES[ CONV1-w - BN - RELU - CONV3-w - BN ] - RELU\nnet Deep = CONV3-8 - B(8)*{layers // 7}"


def growth(name: str, write: Callable[[int], str]) -> list[tuple[str, str, str]]:
    """Parse to checked graph at 1,000 and 100,000 layers."""
    costs = {}
    for layers, runs in ((1_000, 15), (100_000, 3)):
        text = write(layers)
        costs[layers] = min(_compile(text) for _ in range(runs)) / layers
    return [
        (f"{name}, a layer of 1,000", "", f"{costs[1_000] * 1e6:.1f} us"),
        (f"{name}, a layer of 100,000", "", f"{costs[100_000] * 1e6:.1f} us"),
        ("ratio", "<= 1.5", f"{costs[100_000] / costs[1_000]:.2f}"),
        ("100,000 layers in all", "< 10 s", f"{costs[100_000] * 1e5:.1f} s"),
    ]


def _compile(text: str) -> float:
    start = time.perf_counter()
    compiled = compile_text(Text(Source("benchmark", text)), {}, dimensions("3x32x32"), UNLIMITED)
    seconds = time.perf_counter() - start
    assert compiled.graph is not None, compiled.diagnostics[:1]
    return seconds


def main() -> None:
    """Print the tables."""
    table("Cold start", cold())
    table("Growth", growth("written out", _written_out) + growth("definitions and repeats", _repeated))


if __name__ == "__main__":
    main()
