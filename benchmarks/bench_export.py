"""Files written from specs beside those that torch.onnx.export writes of the same networks, in ONNX Runtime on the CPU.

Same weights, batch 1, one thread, whose processor time counts, so that other processes do not. Where the memory of a
session lies matters by more than what is left of the difference, and stays as it is in a process: so both are opened in
many processes, each first as often as the other, and run there in turns. A process's ratio is the median of the turns'
fastest runs; the figure is the median of the processes with the 95 % interval of resampled processes. One file beside
itself shows what noise leaves open.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from statistics import geometric_mean, median
from time import perf_counter, thread_time
from typing import Any, NamedTuple

from .measure import run, table

NETWORKS = (
    "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", "densenet121",
    "googlenet", "shufflenet_v2_x1_0", "regnet_y_800mf",
)  # fmt: skip
LARGE = {"VGG-19": "zoo:vgg19", "SENet-154": "zoo:legacy_senet154"}
PROCESSES, ROUNDS, TURN, STARTS = 20, 4, 0.1, 5
GOAL = ">= 1.0  >= 1.0  >= 1.0"
RESAMPLED = 2_000
TOLERANCE = 1e-3
BATCHES, NUDGE = 2, 0.1


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


def trained(module: Any, size: Sequence[int]) -> None:
    """Norms and biases as training leaves them: a fresh network's are ones and zeros, which an exporter may leave out."""
    import torch

    torch.manual_seed(0)
    norms = [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean over all batches
    with torch.no_grad():
        for value in module.parameters():
            if value.ndim == 1:
                value.add_(torch.randn_like(value), alpha=NUDGE)
        module.train()
        for _ in range(BATCHES):
            module(torch.randn(4, *size))
    module.eval()


def exported(folder: Path, name: str) -> tuple[Path, Path]:
    """Our file and the exporter's."""
    import torch

    import cnndsl

    network = cnndsl.load(f"zoo:{name}")
    module = network.torch()
    trained(module, network.graph.input_shape.sizes())
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


class Pair(NamedTuple):
    """Ours and theirs in one process: the seconds of the fastest runs; theirs over ours, a batch and the session's start."""

    own: float
    their: float
    ratio: float
    start: float


def pairs(ours: Path, theirs: Path, processes: int = PROCESSES) -> list[Pair]:
    """Both files side by side, in as many processes."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        return list(pool.map(partial(pair, ours, theirs), (number % 2 == 1 for number in range(processes))))


def pair(ours: Path, theirs: Path, reverse: bool) -> Pair:
    """Both files side by side, in this process."""
    import numpy as np

    order = [(0, ours), (1, theirs)][:: -1 if reverse else 1]
    for _, path in order:
        session(path)  # what the runtime does but once
    started = {place: min(_spent(partial(session, path)) for _ in range(STARTS)) for place, path in order}
    sessions = {place: session(path) for place, path in order}
    shape = [n if isinstance(n, int) else 1 for n in sessions[0].get_inputs()[0].shape]
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    runs = {place: partial(own.run, None, {own.get_inputs()[0].name: x}) for place, own in sessions.items()}
    mine, other = runs[0]()[0], runs[1]()[0]
    apart = float(np.abs(mine - other).max() / np.abs(other).max())
    if apart > TOLERANCE:
        raise RuntimeError(f"{ours.name} and the exporter's file are {apart:.1e} apart")
    turns = []
    for number in range(ROUNDS):
        seconds = {place: _fastest(runs[place]) for place in ((0, 1) if number % 2 else (1, 0))}
        turns.append((seconds[0], seconds[1]))
    own, their = map(min, zip(*turns, strict=True))
    return Pair(own, their, median(b / a for a, b in turns), started[1] / started[0])


def middle(ratios: Sequence[float]) -> tuple[float, str]:
    """The median of some ratios, and it as text with its 95 % interval."""
    import numpy as np

    drawn = np.random.default_rng(0).choice(ratios, (RESAMPLED, len(ratios)))
    low, high = np.percentile(np.median(drawn, 1), [2.5, 97.5])
    figure = float(np.median(ratios))
    return figure, f"{figure:.3f} ({low:.3f} to {high:.3f})"


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
        found = pairs(ours, theirs)
        (ratio, figure), (begun, start) = (middle([one[column] for one in found]) for column in (2, 3))
        ratios.append(ratio)
        starts.append(begun)
        sizes.append(theirs.stat().st_size / ours.stat().st_size)
        own, their = (1e3 * min(one[column] for one in found) for column in (0, 1))
        title = f"{name}: {own:.2f} ms, exported {their:.2f} ms"
        rows.append((title, GOAL, f"{figure}  {start}  {sizes[-1]:.3f}  {left(ours)} and {left(theirs)}"))
        if name == names[0]:
            itself = pairs(ours, ours)
            figures = "  ".join(middle([one[column] for one in itself])[1] for column in (2, 3))
            rows.insert(0, (f"{name}, ours beside itself", "", figures))
        ours.unlink()
        theirs.unlink()
    means = "  ".join(f"{geometric_mean(values):.3f}" for values in (ratios, starts, sizes))
    return [*rows, ("geometric mean", GOAL, means)]


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        # processes first: a new one inherits the peak of one that has imported torch
        table("Compiling large networks", compiler(Path(name)))
        title = "Theirs over ours: latency (95 %), session start, size; nodes left by ONNX Runtime, ours and theirs"
        table(title, beside(Path(name)))


if __name__ == "__main__":
    main()
