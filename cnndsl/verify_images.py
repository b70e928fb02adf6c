"""The preprocessing in a graph against that of the library, on random images."""

from __future__ import annotations

from typing import Final

import numpy as np

from .extras import need
from .images import handed_in, network_input
from .ir import Graph
from .preprocess import Preprocess
from .record import Record

LEVELS: Final = {"nearest": 0.01, "bilinear": 1.01, "bicubic": 2.01}
"""How far they may be apart, in levels of 256, by interpolation: ONNX Runtime and Pillow round steps of their own.

The images have no black and no white: where bicubic overshoots them it is cut off between its two passes, and which pass is
the first depends on the version of Pillow.
"""

_SIZES: Final = ((0.75, 1.25), (1.5, 1.0), (1.25, 3.0))
"""Of the images, relative to what the network takes."""
_ORDINARY: Final = 224


class ImageVerification(Record):
    """The shapes of the images, H×W, the largest difference, and how large it may be, in levels of 256."""

    sizes: tuple[tuple[int, int], ...]
    levels: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether it is no more than rounding."""
        return self.levels <= self.tolerance

    def __str__(self) -> str:
        sizes = ", ".join(f"{height}x{width}" for height, width in self.sizes)
        verb = "agrees with" if self.agrees else "differs from"
        return f"the preprocessing in the graph {verb} Pillow's on images of {sizes}: {self.levels:.2g} levels of 256"


def verify_images(graph: Graph, *, opset: int, seed: int = 0) -> ImageVerification:
    """Run the nodes that `with_preprocess` puts in front of a network; raises MissingExtra, ValueError without a contract."""
    preprocess = graph.preprocess
    if preprocess is None:
        raise ValueError("the spec has no `preprocess`")
    from .lower.onnx import to_onnx

    library, runtime = need("PIL.Image", "images,cpu"), need("onnxruntime", "images,cpu")
    alone = graph.replace(nodes=graph.nodes[:1], output=0, auxiliary=(), scopes=())
    model = to_onnx(alone, {}, opset=opset, with_preprocess=True).SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(seed)
    level = np.array(preprocess.std)[:, None, None] / preprocess.scale
    worst, sizes = 0.0, _sizes(graph)
    for height, width in sizes:
        coarse = library.fromarray(random.integers(64, 192, (height // 5 + 2, width // 5 + 2, 3), np.uint8))
        image = coarse.resize((width, height), library.Resampling.BICUBIC)
        if preprocess.image == "grey":
            image = image.convert("L")
        found = session.run(None, {"input": handed_in(preprocess, image)[None]})[0][0]
        worst = max(worst, float((np.abs(found - network_input(preprocess, image)) * level).max()))
    return ImageVerification(sizes, worst, tolerance(preprocess))


def tolerance(preprocess: Preprocess) -> float:
    """How many levels of 256 may be between the graph's preprocessing and the library's."""
    return LEVELS["nearest" if preprocess.resize is None else preprocess.interpolation]


def _sizes(graph: Graph) -> tuple[tuple[int, int], ...]:
    """Of images that the contract takes."""
    preprocess, spatial = graph.preprocess, graph.input_shape.spatial
    usual = tuple(size if isinstance(size, int) else _ORDINARY for size in spatial)
    if preprocess is None or preprocess.fixed:
        return (usual[:2],)  # type: ignore[return-value]
    least = 1.0 if preprocess.resize is None else 0.0
    # odd, so that no pixel of a nearest resize lies in the middle of two
    return tuple((int(usual[0] * max(tall, least)) | 1, int(usual[1] * max(wide, least)) | 1) for tall, wide in _SIZES)
