"""Training a classifier, and measuring it in PyTorch and in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .extras import need
from .lower.torch import to_arrays, to_module
from .ops.activation import Softmax
from .record import Record

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from .ir import Graph

    Images = NDArray[np.float32]
    Labels = NDArray[np.int64]
    Predict = Callable[[Images], NDArray[np.float32]]

EVALUATION_BATCH: Final = 256


class Epoch(Record):
    """One pass over the training images: mean loss, fraction classified right on the way, last learning rate."""

    loss: float
    accuracy: float
    lr: float


class Plan(Record):
    """How long and how fast to train."""

    epochs: int
    batch: int
    lr: float
    shift: int


class History(Record):
    """What training did."""

    epochs: tuple[Epoch, ...]


def without_softmax(graph: Graph) -> Graph:
    """The network up to its scores: a SOFTMAX that ends it or a side output is left out; the weights are the same."""

    def scores(value: int) -> int:
        node = graph.nodes[value]
        return node.inputs[0] if isinstance(node.op, Softmax) else value

    heads = tuple(head.replace(node=scores(head.node)) for head in graph.auxiliary)
    return graph.replace(output=scores(graph.output), auxiliary=heads)


def train(
    graph: Graph,
    module: nn.Module,
    images: Images,
    labels: Labels,
    *,
    epochs: int = 40,
    batch: int = 32,
    lr: float = 0.005,
    shift: int = 0,
    seed: int = 0,
    progress: bool = False,
) -> History:
    """Train `module`, made from `graph`, in place: cross-entropy on the scores, AdamW, one-cycle rates up to `lr`.

    `images` are (N, *input), `labels` (N,) classes from 0. Every batch is moved by up to `shift` positions along each
    axis, zeros coming in. Side outputs add their loss times their weight. The same seed gives the same weights on the
    same machine. The module is left in evaluation mode.
    Raises ValueError when images, labels and network do not fit together, `MissingExtra` when `progress` needs tqdm.
    """
    _check(graph, images, labels)
    scores = without_softmax(graph)
    trained = module
    if scores != graph:
        device = next(module.parameters()).device
        trained = to_module(scores, to_arrays(module)).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        history = _fit(trained, scores, (images, labels), Plan(epochs, batch, lr, shift), progress)
    if trained is not module:
        module.load_state_dict(trained.state_dict())
    module.eval()
    return history


def _check(graph: Graph, images: Images, labels: Labels) -> None:
    shape = graph.nodes[graph.output].shape
    if any(size != 1 for size in shape.spatial) or not isinstance(shape.channels, int):
        raise ValueError(f"a classifier gives one score a class, this network gives {shape}")
    if len(images) != len(labels) or len(images) < 2:
        raise ValueError(f"{len(images)} images and {len(labels)} labels; both must be the same number, at least 2")
    if int(labels.min()) < 0 or int(labels.max()) >= shape.channels:
        raise ValueError(f"labels from {labels.min()} to {labels.max()} for {shape.channels} classes")


def _fit(
    module: nn.Module,
    graph: Graph,
    examples: tuple[Images, Labels],
    plan: Plan,
    progress: bool,
) -> History:
    device = next(module.parameters()).device
    images, labels = (torch.as_tensor(array).to(device) for array in examples)
    steps = -(-len(images) // plan.batch)
    optimiser = torch.optim.AdamW(module.parameters(), lr=plan.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.lr, epochs=plan.epochs, steps_per_epoch=steps)
    weights = [head.weight for head in graph.auxiliary]
    module.train()
    history: list[Epoch] = []
    with _bar(plan.epochs * steps, progress) as bar:
        for _ in range(plan.epochs):
            total, right = 0.0, 0
            for chosen in torch.split(torch.randperm(len(images)).to(device), plan.batch):
                seen = _shifted(images[chosen], plan.shift)
                loss, scores = _step(module, optimiser, seen, labels[chosen], weights)
                schedule.step()
                total += loss * len(chosen)
                right += int((scores.argmax(1) == labels[chosen]).sum())
                if bar is not None:
                    bar.update()
            rate = float(schedule.get_last_lr()[0])
            history.append(Epoch(total / len(images), right / len(images), rate))
            if bar is not None:
                bar.set_postfix(epoch=len(history), loss=f"{history[-1].loss:.4f}", refresh=False)
    return History(tuple(history))


def _shifted(images: torch.Tensor, shift: int) -> torch.Tensor:
    """Each image moved at random by at most `shift` along each spatial axis."""
    for axis in range(2, images.dim() if shift else 2):
        size = images.shape[axis]
        padded = F.pad(images, [0, 0] * (images.dim() - 1 - axis) + [shift, shift])
        first = torch.randint(2 * shift + 1, (len(images), 1)).to(images.device)
        index = first + torch.arange(size, device=images.device)
        shape = [len(images), *[1] * (images.dim() - 1)]
        shape[axis] = size
        images = padded.gather(axis, index.reshape(shape).expand_as(images))
    return images


def _step(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    weights: list[float],
) -> tuple[float, torch.Tensor]:
    """One update; the loss of the main output and its scores."""
    made = module(images)
    outputs = [scores.flatten(1) for scores in (made if weights else (made,))]
    main, *sides = (F.cross_entropy(scores, labels) for scores in outputs)
    loss = main + sum(weight * side for weight, side in zip(weights, sides, strict=True))
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
    return float(main.detach()), outputs[0].detach()


def _bar(steps: int, progress: bool) -> AbstractContextManager[Any]:
    """A progress bar over the steps, or None."""
    if not progress:
        return nullcontext()
    bar: AbstractContextManager[Any] = need("tqdm", "train").tqdm(total=steps, desc="training", unit="step")
    return bar


def accuracy(predict: Predict, images: Images, labels: Labels) -> float:
    """The fraction of images whose highest score is that of their label; `predict` takes images and gives scores."""
    starts = range(0, len(images), EVALUATION_BATCH)
    right = 0
    for start in starts:
        part = slice(start, start + EVALUATION_BATCH)
        scores = predict(images[part])
        right += int((scores.reshape(len(scores), -1).argmax(1) == labels[part]).sum())
    return right / len(images)


def predictor(module: nn.Module) -> Predict:
    """The module in evaluation mode as a function of arrays."""
    device = next(module.parameters()).device

    def predict(images: Images) -> NDArray[np.float32]:
        module.eval()
        with torch.no_grad():
            scores: NDArray[np.float32] = module(torch.as_tensor(images).to(device)).float().cpu().numpy()
        return scores

    return predict


def evaluate_onnx(path: str | os.PathLike[str], images: Images, labels: Labels) -> float:
    """The accuracy of an ONNX file in ONNX Runtime on the CPU; raises `MissingExtra` where it is not installed."""
    runtime = need("onnxruntime", "cpu")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def predict(batch: Images) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = session.run(None, {name: batch})[0]
        return scores

    return accuracy(predict, images, labels)
