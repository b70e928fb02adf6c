"""Files written from specs beside those that torch.onnx.export writes of the same networks, in ONNX Runtime on the CPU.

Same weights, batch 1, one thread, whose processor time counts, so that other processes do not. Both sessions stand at once
and run in turns; they are opened anew all the while, each first as often as the other, because where their memory lies
matters too. A round's ratio is of its fastest runs, and the figure is the median of the rounds with the 95 % interval of
resampled rounds: what noise leaves open. One file beside itself shows what is left of it.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import geometric_mean
from time import perf_counter, thread_time
from typing import Any

from .measure import run, table

NETWORKS = (
    "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", "densenet121",
    "googlenet", "shufflenet_v2_x1_0", "regnet_y_800mf",
)  # fmt: skip
LARGE = {"VGG-19": "zoo:vgg19", "SENet-154": "zoo:legacy_senet154"}
OPENED, ROUNDS, TURN, STARTS = 6, 6, 0.1, 10
RESAMPLED = 2_000
TOLERANCE = 1e-3


def compiler(folder: Path) -> list[tuple[str, str, str]]:
    """What compiling large networks takes in a process of its own, above a Python that does nothing."""
    command = Path(sys.executable).with_name("cnndsl")
    bare = min(run([sys.executable, "-c", "pass"]).mebibytes for _ in range(3))
    rows = []
    for name, spec in LARGE.items():
        weights, target = folder / "weights.safetensors", folder / "large.onnx"
        run([str(command), "weights", "init", spec, "-o", str(weights)])
        for title, options in (("drawn", []), ("from a file", ["--weights", str(weights)])):
            done = run([str(command), "compile", spec, "--to", "onnx", "-o", str(target), *options])
            held = weights.stat().st_size / 2**20
            above = (done.mebibytes - bare) / held
            rows.append((f"{name}, weights {title}: {held:.0f} MiB", "", f"{done.seconds:.1f} s"))
            rows.append(("  memory above a bare process, of the weights", "<= 1.3", f"{above:.2f}"))
        weights.unlink()
        target.unlink()
    return rows


def exported(folder: Path, name: str) -> tuple[Path, Path]:
    """Our file and the exporter's."""
    import torch

    import cnndsl

    network = cnndsl.load(f"zoo:{name}")
    module = network.torch().eval()
    arrays = {key: value.detach().numpy() for key, value in module.state_dict().items()}
    ours, theirs = folder / f"{name}.onnx", folder / f"{name}-exported.onnx"
    network.onnx(ours, arrays)
    x = torch.zeros(1, *network.graph.input_shape.sizes())
    quiet = redirect_stdout(StringIO()), redirect_stderr(StringIO()), warnings.catch_warnings(action="ignore")
    with quiet[0], quiet[1], quiet[2]:
        torch.onnx.export(module, (x,), theirs, dynamo=True, external_data=False, verbose=False)
    return ours, theirs


def session(path: Path) -> Any:
    """A file in ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def latency(ours: Path, theirs: Path) -> tuple[float, float, tuple[float, float, float]]:
    """Milliseconds a batch of one, ours and theirs, and theirs over ours: the median of the rounds and its interval."""
    import numpy as np

    pairs = [pair for number in range(OPENED) for pair in _opened(ours, theirs, number % 2 == 1)]
    ratios = np.array([b / a for a, b in pairs])
    drawn = np.random.default_rng(0).choice(ratios, (RESAMPLED, len(ratios)))
    low, high = np.percentile(np.median(drawn, 1), [2.5, 97.5])
    own, their = (1e3 * min(pair[place] for pair in pairs) for place in (0, 1))
    return own, their, (float(np.median(ratios)), float(low), float(high))


def _opened(ours: Path, theirs: Path, reverse: bool) -> list[tuple[float, float]]:
    """The fastest runs, ours and theirs, of some rounds in the same two sessions."""
    import numpy as np

    order = [(0, ours), (1, theirs)][:: -1 if reverse else 1]
    sessions = {place: session(path) for place, path in order}
    shape = [n if isinstance(n, int) else 1 for n in sessions[0].get_inputs()[0].shape]
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    runs = {place: partial(own.run, None, {own.get_inputs()[0].name: x}) for place, own in sessions.items()}
    mine, other = runs[0]()[0], runs[1]()[0]
    apart = float(np.abs(mine - other).max() / np.abs(other).max())
    if apart > TOLERANCE:
        raise RuntimeError(f"{ours.name} and the exporter's file are {apart:.1e} apart")
    pairs = []
    for number in range(ROUNDS):
        seconds = {place: _fastest(runs[place]) for place in ((0, 1) if number % 2 else (1, 0))}
        pairs.append((seconds[0], seconds[1]))
    return pairs


def _fastest(action: Callable[[], Any]) -> float:
    """The fastest of the runs that fit into a turn, the first not counted."""
    action()
    seconds = [_spent(action), _spent(action)]
    end = perf_counter() + TURN
    while perf_counter() < end:
        seconds.append(_spent(action))
    return min(seconds)


def _spent(action: Callable[[], Any]) -> float:
    """Seconds of the processor that an action takes in this thread."""
    begun = thread_time()
    action()
    return thread_time() - begun


def start(ours: Path, theirs: Path) -> float:
    """How long a session of theirs takes to stand, over ours: the fastest of some in turns."""
    seconds: dict[Path, list[float]] = {ours: [], theirs: []}
    for number in range(STARTS):
        for path in (ours, theirs) if number % 2 else (theirs, ours):
            seconds[path].append(_spent(partial(session, path)))
    return min(seconds[theirs]) / min(seconds[ours])


def left(path: Path) -> int:
    """How many nodes of a file are left after ONNX Runtime's optimisations."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a warning that the file is for this machine alone
    options.optimized_model_filepath = str(path.with_suffix(".optimised"))
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return len(onnx.load(options.optimized_model_filepath).graph.node)


def beside(folder: Path, names: Sequence[str] = NETWORKS) -> list[tuple[str, str, str]]:
    """Latency, session start, size and what is left to compute, ours against theirs, network by network and together."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    rows, ratios, starts, sizes = [], [], [], []
    for name in names:
        ours, theirs = exported(folder, name)
        own, other, (ratio, low, high) = latency(ours, theirs)
        ratios.append(ratio)
        starts.append(start(ours, theirs))
        sizes.append(theirs.stat().st_size / ours.stat().st_size)
        figure = f"{_interval(ratio, low, high)}  {starts[-1]:.2f}  {sizes[-1]:.3f}  {left(ours)} and {left(theirs)}"
        rows.append((f"{name}: {own:.2f} ms, exported {other:.2f} ms", ">= 1.0  >= 1.0  >= 1.0", figure))
        if name == names[0]:
            rows.insert(0, (f"{name}, ours beside itself", "", _interval(*latency(ours, ours)[2])))
        ours.unlink()
        theirs.unlink()
    means = "  ".join(f"{geometric_mean(values):.3f}" for values in (ratios, starts, sizes))
    return [*rows, ("geometric mean", ">= 1.0  >= 1.0  >= 1.0", means)]


def _interval(middle: float, low: float, high: float) -> str:
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        # processes first: a new one inherits the peak of one that has imported torch
        table("Compiling large networks", compiler(Path(name)))
        title = "Theirs over ours: latency (95 %), session start, size; nodes left by ONNX Runtime, ours and theirs"
        table(title, beside(Path(name)))


if __name__ == "__main__":
    main()
