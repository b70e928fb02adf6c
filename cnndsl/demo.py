"""The whole way on one page: a spec is linted, compiled, trained on real images, exported, and run in ONNX Runtime."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SPEC: Final = "zoo:digits"
EPOCHS: Final = 40
SHIFT: Final = 1
"""Each training image is moved by up to a pixel; the digits are not all in the middle."""
SMOOTHING: Final = 0.1
WANTED: Final = 0.98


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 when PyTorch and ONNX Runtime agree on at least 98 % of digits never trained on, else 1."""
    parser = argparse.ArgumentParser(prog="python -m cnndsl.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="the folder for what is made")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    arguments = parser.parse_args(argv)
    return _demo(arguments.out, arguments.epochs, arguments.seed, not arguments.quiet)


def _demo(folder: Path, epochs: int, seed: int, progress: bool) -> int:
    import torch

    import cnndsl

    from . import report
    from .data import digits, held_out
    from .files import write_text
    from .lower.torch import to_arrays
    from .lower.torch_source import to_source
    from .storage import save
    from .train import accuracy, evaluate_onnx, predictor, train

    folder.mkdir(parents=True, exist_ok=True)
    _step(1, f"lint {SPEC}")
    found = cnndsl.lint(SPEC)
    if found:
        print(report.text(found))
        return 1
    print("no findings")

    _step(2, "compile to PyTorch")
    network = cnndsl.load(SPEC)
    module = network.torch(seed=seed)
    write_text(folder / "digits.py", to_source(network.graph))
    print(module)

    torch.set_num_threads(1)  # on images this small, threads wait for each other longer than they work
    images, labels = digits()
    split = held_out(labels, fraction=0.2, seed=seed)
    seen, unseen = (images[split.training], labels[split.training]), (images[split.held_out], labels[split.held_out])
    _step(3, f"train on {len(split.training)} scans of handwritten digits; {len(split.held_out)} are held out")
    start = time.perf_counter()
    history = train(
        network.graph, module, *seen, epochs=epochs, shift=SHIFT, smoothing=SMOOTHING, seed=seed, progress=progress
    )
    print(f"{epochs} epochs in {time.perf_counter() - start:.1f} s, loss {history.epochs[-1].loss:.4f}")

    _step(4, "export to ONNX")
    arrays = to_arrays(module)
    save(folder / "digits.safetensors", network.graph, arrays)
    network.onnx(folder / "digits.onnx", arrays)
    print(f"{folder / 'digits.onnx'}: {(folder / 'digits.onnx').stat().st_size:,} bytes")

    _step(5, "run the exported file in ONNX Runtime, on the scans held out")
    in_torch = accuracy(predictor(module), *unseen)
    in_onnx = evaluate_onnx(folder / "digits.onnx", *unseen)
    print(f"PyTorch       {in_torch:7.2%}\nONNX Runtime  {in_onnx:7.2%}")

    _step(6, "what it costs")
    print(network.stats().table())

    _step(7, "what was made")
    for name, content in FILES.items():
        print(f"{folder / name!s:32} {content}")
    return _verdict(in_torch, in_onnx)


FILES: Final = {
    "digits.py": "the network as plain PyTorch",
    "digits.safetensors": "the trained weights",
    "digits.onnx": "the trained network",
}


def _step(number: int, title: str) -> None:
    print(f"\n{number}. {title}\n", flush=True)


def _verdict(in_torch: float, in_onnx: float) -> int:
    if in_torch != in_onnx:
        print(f"\nPyTorch and ONNX Runtime differ: {in_torch:.2%} and {in_onnx:.2%}", file=sys.stderr)
        return 1
    if in_torch < WANTED:
        print(f"\nonly {in_torch:.2%} of the digits held out are right; expected {WANTED:.0%}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
