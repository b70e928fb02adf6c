"""Compiled networks on a GPU beside PyTorch: outputs checked, then timed.

    pip install '.[gpu,torch]'
    python benchmarks/gpu.py [--save FOLDER] [--batch 1,32,256] [--seconds 2]
    python benchmarks/gpu.py --provider cpu --small

ResNet-50, EfficientNet-B0 and ConvNeXt-T in ONNX Runtime in every precision and with the options that matter, against PyTorch
in FP16 with channels last, eager and through torch.compile(mode="max-autotune"). Inputs and outputs stay in the device's
memory. Each is timed in turns with eager, so that no drift of the machine favours one; the share is that of the device's own
peak in the same precision, measured with a large product of matrices. A node that runs elsewhere than it should, or an output
that is not PyTorch's in FP32, ends with exit code 1.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import cnndsl
from benchmarks.gpu_report import COMPILED, EAGER, Row, cells, markdown, save
from cnndsl.backends import OnnxOptions, compile_onnx
from cnndsl.bench import CannotBench, Configuration, ModelFile, Torch, read_model
from cnndsl.bench.compared import Opponent, allow_tf32
from cnndsl.bench.errors import line
from cnndsl.bench.sessions import Bound, examine
from cnndsl.bench.settings import PROVIDERS
from cnndsl.bench.timing import in_turns
from cnndsl.extras import GPU_BUILD
from cnndsl.ir import Graph
from cnndsl.nvidia import first_gpu
from cnndsl.ops.reshape import Scale
from cnndsl.storage import save as save_arrays
from cnndsl.verify import difference
from cnndsl.weights import Arrays, init

NETWORKS = {"ResNet-50": "zoo:resnet50", "EfficientNet-B0": "zoo:efficientnet_b0", "ConvNeXt-T": "zoo:convnext_tiny"}
SMALL = {
    "ResNet-50": """
default CONV(bias=false)
def Bottleneck(w) = RES[ CONV1-w - BN - RELU - CONV3-w - BN - RELU - CONV1-{4*w} - BN | CONV1-{4*w} - BN ] - RELU
CONV3-16/2 - BN - RELU - Bottleneck(8) - GAP - FC-10
""",
    "EfficientNet-B0": """
default CONV(bias=false)
def Gate(w) = MUL[ ID | GAP - CONV1-w(bias=true) - SILU - CONV1-{cin}(bias=true) - SIGMOID ]
def MBConv(w) = RES[ CONV1-{6*w} - BN - SILU - DWCONV3 - BN - SILU - Gate(4) - CONV1-w - BN ]
CONV3-16/2 - BN - SILU - MBConv(16) - GAP - DROPOUT(0.2) - FC-10
""",
    "ConvNeXt-T": """
def Block = RES[ DWCONV7 - LN - CONV1-{4*cin} - GELU - CONV1-{cin} - SCALE(1e-6) ]
CONV4-16/4(pad=0) - LN - Block - GAP - LN - FLATTEN - FC-10
""",
}
"""One block of each, for images of 32x32."""

TOLERANCE = {"FP32": 1e-3, "TF32": 2e-2, "FP16": 2e-2}
"""How far outputs may be from PyTorch's in FP32, relative: TF32 and FP16 multiply with 10-bit mantissas."""


class Variant(NamedTuple):
    """A way to run a network: the precision it multiplies in, and the provider's options."""

    name: str
    precision: str
    options: dict[str, str]


VARIANTS = {
    "cuda": (
        Variant("FP32", "FP32", {"use_tf32": "0"}),
        Variant("TF32", "TF32", {"use_tf32": "1"}),
        Variant("FP16", "FP16", {}),
        Variant("FP16 NHWC", "FP16", {"prefer_nhwc": "1"}),
        Variant("FP16 CUDA graph", "FP16", {"enable_cuda_graph": "1"}),
        Variant("FP16 NHWC CUDA graph", "FP16", {"prefer_nhwc": "1", "enable_cuda_graph": "1"}),
    ),
    "cpu": (Variant("FP32", "FP32", {}), Variant("FP16", "FP16", {})),
}


class Network(NamedTuple):
    """A network with its weights, and its files by precision."""

    name: str
    side: Torch
    macs: int
    files: dict[str, ModelFile]


class Device(NamedTuple):
    """What runs everything, how long each is timed, and the operations a second of a product of matrices."""

    provider: str
    seconds: float
    peaks: dict[str, float]
    engines: str


# -- what is measured


def drawn(graph: Graph) -> Arrays:
    """First weights, but layer scales as training leaves them: folded into a convolution, the 1e-6 that they begin with
    would take its weights below what FP16 holds, and it would stay in FP32."""
    arrays = init(graph)
    for node in graph.nodes:
        if isinstance(node.op, Scale) and node.op.learned:
            arrays[f"{node.name}.weight"].fill(0.1)
    return arrays


def compiled(name: str, small: bool, folder: Path) -> Network:
    """A network as FP32 and FP16 files."""
    network = cnndsl.load(SMALL[name], input="3x32x32") if small else cnndsl.load(NETWORKS[name])
    arrays, weights = drawn(network.graph), folder / f"{name}.safetensors"
    save_arrays(weights, network.graph, arrays)
    files = {}
    for precision in ("fp32", "fp16"):
        path = folder / f"{name}-{precision}.onnx"
        compile_onnx(network.graph, path, OnnxOptions(str(weights), precision=precision, io_type=precision))
        files[precision] = read_model(path)
    return Network(name, Torch(network.graph, arrays), network.stats().costs.macs or 0, files)


def measured(network: Network, batch: int, device: Device) -> Iterator[Row]:
    """Every variant and PyTorch's two at one batch size."""
    base = Configuration(device.provider)
    plan, _ = examine(network.files["fp32"], _exact(base), batch, None, device.engines)
    x = plan.example().astype(np.float32)
    expected = Opponent(network.side, _exact(base), "fp32").output(x)
    _release()
    opponent = Opponent(network.side, base, "fp16")
    eager = opponent.eager(x)
    if eager.run is None:
        raise CannotBench(f"PyTorch does not run {network.name}: {eager.problem}")
    for variant in VARIANTS[device.provider]:
        row = Row(network.name, batch, variant.name, variant.precision)
        try:
            bound, apart = _checked(network, batch, variant, device, expected)
            yield _timed(row._replace(error=apart), network, device, bound.run, eager.run)
            del bound
        except CannotBench as problem:
            yield row._replace(problem=str(problem))
        _release()
    for name, beside in ((EAGER, None), (COMPILED, eager.run)):
        rival = eager if name == EAGER else opponent.compiled(x)
        row = Row(network.name, batch, name, "FP16", problem=rival.problem)
        if rival.run is None or rival.output is None:
            yield row
            continue
        apart = difference(rival.output, expected)
        if not apart.within(TOLERANCE["FP16"]):
            row = row._replace(problem=f"it computes something else than FP32: {apart}")
        yield _timed(row._replace(error=apart.maximum), network, device, rival.run, beside)


def _release() -> None:
    """Give back what is no longer used: PyTorch would keep the memory that the next session needs."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _exact(configuration: Configuration) -> Configuration:
    """Without TF32, where there is such a thing."""
    return configuration.with_("use_tf32", "0") if configuration.get("use_tf32") else configuration


def _checked(
    network: Network, batch: int, variant: Variant, device: Device, expected: np.ndarray[Any, Any]
) -> tuple[Bound, float]:
    """A session that runs every node where it should and gives what PyTorch gives, and how far off it is."""
    configuration = Configuration(device.provider)
    for name, value in variant.options.items():
        configuration = configuration.with_(name, value)
    file = network.files["fp16" if variant.precision == "FP16" else "fp32"]
    plan, _ = examine(file, configuration, batch, None, device.engines)
    bound = Bound(plan, configuration, device.engines, plan.example())
    for _ in range(3):  # a captured graph is replayed from the second or third
        bound.run()
    apart = difference(bound.outputs()[0].astype(np.float32), expected)
    if not apart.within(TOLERANCE[variant.precision]):
        raise CannotBench(f"it computes something else than PyTorch: {apart}")
    return bound, apart.maximum


def _timed(
    row: Row, network: Network, device: Device, run: Callable[[], None], eager: Callable[[], None] | None
) -> Row:
    """A row with its time, beside eager's in turns."""
    actions = {"own": run} if eager is None else {"own": run, "eager": eager}
    found = in_turns(actions, device.seconds)
    own = found["own"].median
    rate = 2 * network.macs * row.batch / own
    return row._replace(
        milliseconds=own * 1e3,
        images=row.batch / own,
        share=rate / device.peaks[row.precision],
        over_eager=1.0 if eager is None else found["eager"].median / own,
    )


def peaks(provider: str, size: int, seconds: float) -> dict[str, float]:
    """Operations a second of a product of two square matrices, by precision; the best run counts."""
    import torch

    place = "cuda" if provider == "cuda" else "cpu"
    found = {}
    for precision, kind in (("FP32", torch.float32), ("TF32", torch.float32), ("FP16", torch.float16)):
        allow_tf32(torch, precision == "TF32")
        a, b = (torch.randn(size, size, device=place).to(kind) for _ in range(2))

        def multiply(a: torch.Tensor = a, b: torch.Tensor = b) -> None:
            torch.mm(a, b)
            if place == "cuda":
                torch.cuda.synchronize()

        found[precision] = 2 * size**3 / min(in_turns({"product": multiply}, seconds)["product"].seconds)
    allow_tf32(torch, False)
    return found


def profile(network: Network, batch: int, device: Device, most: int = 8) -> dict[str, list[tuple[str, float]]]:
    """What takes the time of one batch in FP16, ours and eager: the kernels and their shares; none where none can be seen."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    configuration = Configuration(device.provider)
    plan, _ = examine(network.files["fp16"], configuration, batch, None, device.engines)
    ours = Bound(plan, configuration, device.engines, plan.example()).run
    eager = Opponent(network.side, configuration, "fp16").eager(plan.example().astype(np.float32)).run
    found = {}
    on_gpu = configuration.on_gpu
    for name, run in (("ours", ours), ("eager", eager)):
        assert run is not None
        run()
        with watch(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as watched:
            run()
        spent = {e.key: e.self_device_time_total if on_gpu else e.self_cpu_time_total for e in watched.key_averages()}
        total = sum(spent.values()) or 1
        longest = sorted(spent.items(), key=lambda entry: -entry[1])[:most]
        found[name] = [(key, time / total) for key, time in longest if time]
    return found


def described(provider: str) -> dict[str, Any]:
    """The device and the versions of what ran on it."""
    import onnxruntime
    import torch

    gpu = first_gpu() if provider == "cuda" else None
    versions = {"cnndsl": cnndsl.__version__, "onnxruntime": onnxruntime.__version__, "torch": torch.__version__}
    named = platform.processor() or platform.machine()
    if provider == "cuda":
        named = torch.cuda.get_device_name(0)
    driver = None if gpu is None else {"version": gpu.driver, "cuda": gpu.cuda}
    return {"device": named, "provider": provider, "driver": driver, "versions": versions}


def everything(
    names: Sequence[str], batches: Sequence[int], device: Device, small: bool
) -> tuple[list[Row], dict[str, Any]]:
    """All rows, printed as they come, and what takes the time of the smallest batch."""
    rows: list[Row] = []
    kernels: dict[str, Any] = {}
    for name in names:
        network = compiled(name, small, Path(device.engines))
        for batch in batches:
            for row in _all_or_why(network, batch, device):
                rows.append(row)
                print("  ".join(cell for cell in cells(row) if cell), flush=True)
        kernels[f"{name}, batch {batches[0]}"] = profile(network, batches[0], device)
    return rows, kernels


def _all_or_why(network: Network, batch: int, device: Device) -> Iterator[Row]:
    """The rows of a batch size; where PyTorch has no memory for it, a row that says so."""
    try:
        yield from measured(network, batch, device)
    except (CannotBench, RuntimeError) as problem:
        yield Row(network.name, batch, "all", "FP16", problem=line(problem))
        _release()


def _has_device(provider: str) -> None:
    import onnxruntime
    import torch

    if PROVIDERS[provider] not in onnxruntime.get_available_providers():
        raise CannotBench(f"this ONNX Runtime has no {PROVIDERS[provider]}: {GPU_BUILD}; or --provider cpu --small")

    if provider == "cuda" and not torch.cuda.is_available():
        raise CannotBench(
            f"this torch ({torch.__version__}) sees no CUDA device: `cnndsl doctor`; or --provider cpu --small"
        )


def main(arguments: Sequence[str] = ()) -> int:
    """Check, measure, print; 1 where something ran elsewhere or computed something else, 2 where nothing can run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provider", choices=tuple(VARIANTS), default="cuda")
    parser.add_argument(
        "--small", action="store_true", help="one block of each, small batches, little time: does it all work?"
    )
    parser.add_argument("--batch", help="batch sizes (default 1,32,256)")
    parser.add_argument("--seconds", type=float, help="how long each is timed (default 2)")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="those to run (default all)")
    parser.add_argument("--save", metavar="FOLDER", type=Path, help="write the figures there, named by the device")
    options = parser.parse_args(arguments)
    seconds = options.seconds or (0.02 if options.small else 2.0)
    batches = [int(n) for n in (options.batch or ("1,2" if options.small else "1,32,256")).split(",")]
    try:
        _has_device(options.provider)
        with tempfile.TemporaryDirectory(prefix="cnndsl-gpu-") as name:
            best = peaks(options.provider, 256 if options.small else 8192, seconds)
            device = Device(options.provider, seconds, best, name)
            rows, kernels = everything(options.networks.split(","), batches, device, options.small)
    except CannotBench as problem:
        print(f"{Path(__file__).name}: {problem}", file=sys.stderr)
        return 2
    about = {**described(options.provider), "peaks": best, "small": options.small}
    print(f"\n{markdown(about, rows, kernels)}")
    for path in save(options.save, about, rows, kernels) if options.save else ():
        print(path)
    return int(any(row.problem is not None and row.name != COMPILED for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
