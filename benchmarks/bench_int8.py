"""INT8 files beside FP32 files of the same networks in ONNX Runtime on the CPU, and what INT8 costs the demo's network.

Batch 1, one thread, whose processor time counts, so that other processes do not; runs in turns, and the median of the
ratios of neighbours. The weights are drawn, which no kernel minds; the accuracy is that of a network really trained, on
images held out.
"""

from __future__ import annotations

from statistics import geometric_mean
from time import thread_time
from typing import Any

from .measure import interleaved, table

NETWORKS = (
    "resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnetv2_50", "legacy_seresnet50", "vgg16", "alexnet", "nin",
    "googlenet", "densenet121", "repvgg_a0", "xception", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_large",
    "efficientnet_b0", "convnext_tiny", "shufflenet_v2_x1_0", "regnet_y_800mf",
)  # fmt: skip
WANTED = 2.5
RUNS = 15
CALIBRATION = 4


def models(name: str) -> tuple[Any, Any, tuple[int, ...]]:
    """A network of the zoo in FP32 and in INT8, and the shape of its input."""
    import numpy as np

    import cnndsl
    from cnndsl.lower.onnx import to_onnx
    from cnndsl.passes import optimise
    from cnndsl.quantise import Samples, int8_support, quantise_all
    from cnndsl.weights import initial

    graph = cnndsl.load(f"zoo:{name}").graph
    model = optimise(graph, initial(graph))
    plain = to_onnx(model.graph, model.arrays)
    shape = graph.input_shape.sizes()
    random = np.random.default_rng(0)
    samples = Samples(list(random.standard_normal((CALIBRATION, *shape), dtype=np.float32)))
    return plain, quantise_all(plain, model.graph, samples, int8_support("cpu")), shape


def session(model: Any) -> Any:
    """A model in ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def speed(name: str) -> tuple[tuple[str, str, str], float]:
    """A row of the table, and how many times as fast INT8 is."""
    import numpy as np

    plain, made, shape = models(name)
    fp32, int8 = session(plain), session(made)
    x = np.random.default_rng(1).standard_normal((1, *shape), dtype=np.float32)

    def seconds(one: Any) -> float:
        start = thread_time()
        one.run(None, {"input": x})
        return thread_time() - start

    slow, fast, ratio = interleaved(lambda: seconds(fp32), lambda: seconds(int8), RUNS)
    size = made.ByteSize() / plain.ByteSize()
    figures = f"{ratio:.2f} times ({1e3 * slow:.1f} ms, {1e3 * fast:.1f} ms), {size:.0%} of the bytes"
    return (name, f">= {WANTED}", figures), ratio


def accuracy() -> list[tuple[str, str, str]]:
    """What INT8 costs the network of the demo, trained as there, on the scans held out."""
    import torch

    import cnndsl
    from cnndsl.data import digits, held_out
    from cnndsl.demo import EPOCHS, SHIFT, SMOOTHING, SPEC
    from cnndsl.lower.onnx import to_onnx
    from cnndsl.lower.torch import to_arrays
    from cnndsl.passes import optimise
    from cnndsl.quantise import Samples, int8_support, quantise, quantise_all
    from cnndsl.train import train

    torch.set_num_threads(1)
    network = cnndsl.load(SPEC)
    module = network.torch(seed=0)
    images, labels = digits()
    split = held_out(labels, fraction=0.2, seed=0)
    seen, unseen = split.training, split.held_out
    train(network.graph, module, images[seen], labels[seen], epochs=EPOCHS, shift=SHIFT, smoothing=SMOOTHING, seed=0)
    model = optimise(network.graph, to_arrays(module))
    plain = to_onnx(model.graph, model.arrays)
    calibration = Samples(list(images[seen])).spread(256)
    made = quantise_all(plain, model.graph, calibration, int8_support("cpu"))
    exact, found = (
        float((session(one).run(None, {"input": images[unseen]})[0].argmax(1) == labels[unseen]).mean())
        for one in (plain, made)
    )
    report = quantise(plain, model.graph, Samples(list(images[unseen]), labels[unseen]), int8_support("cpu")).report
    return [
        (f"accuracy on {len(unseen)} scans held out, FP32", "", f"{exact:.2%}"),
        ("accuracy in INT8, calibrated on scans of the training", "", f"{found:.2%}"),
        ("points lost", "<= 0.5", f"{100 * (exact - found):.2f}"),
        ("layers in float that --max-drop 0.5 asks for", "", f"{len(report.floating)} of {len(report.layers)}"),
    ]


def main() -> None:
    """Print the tables."""
    from cnndsl.quantise import int8_support

    table("INT8 of the demo's network, trained", accuracy())
    rows, ratios = [], []
    for name in NETWORKS:
        row, ratio = speed(name)
        rows.append(row)
        ratios.append(ratio)
    reached = sum(ratio >= WANTED for ratio in ratios)
    rows.append((f"{WANTED} reached by", "10", f"{reached} of {len(ratios)}; mean {geometric_mean(ratios):.2f}"))
    table(f"INT8 against FP32, one thread: {int8_support('cpu').reason}", rows)


if __name__ == "__main__":
    main()
