"""Training a classifier, and measuring it in PyTorch and in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .extras import NativePath, need
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
    smoothing: float


class _Losses(Record):
    """What a step minimises: the weights of the side outputs' losses, and the smoothing of labels."""

    sides: tuple[float, ...]
    smoothing: float


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
    smoothing: float = 0.0,
    seed: int = 0,
    progress: bool = False,
) -> History:
    """Train `module`, made from `graph`, in place: cross-entropy on the scores, AdamW, one-cycle rates up to `lr`.

    `images` are (N, *input), `labels` (N,) classes from 0. Every image is moved by up to `shift` positions along each
    axis, zeros coming in; `smoothing` is how much of a label is spread over all classes. Side outputs add their loss
    times their weight. The same seed gives the same weights on the same machine. The module is left in evaluation mode.
    Raises ValueError when images, labels and network do not fit together, `MissingExtra` when `progress` needs tqdm.
    """
    _check(graph, images, labels)
    if not any(weight.trained for node in graph.nodes[1:] for weight in node.op.weights(graph.inputs(node))):
        raise ValueError("the network has nothing to train")
    scores = without_softmax(graph)
    trained = module
    if scores != graph:
        trained = to_module(scores, to_arrays(module)).to(_device(module))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        history = _fit(trained, scores, (images, labels), Plan(epochs, batch, lr, shift, smoothing), progress)
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


def _fit(module: nn.Module, graph: Graph, examples: tuple[Images, Labels], plan: Plan, progress: bool) -> History:
    images, labels = (torch.as_tensor(array).to(_device(module)) for array in examples)
    batches = max(1, len(images) // plan.batch)
    optimiser = torch.optim.AdamW(module.parameters(), lr=plan.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.lr, epochs=plan.epochs, steps_per_epoch=batches)
    losses = _Losses(tuple(head.weight for head in graph.auxiliary), plan.smoothing)
    module.train()
    history: list[Epoch] = []
    with _bar(plan.epochs * batches, progress) as advance:
        for _ in range(plan.epochs):
            total, right = 0.0, 0
            # as many batches as are full, the rest spread over them: a batch of one has no statistics to normalise with
            for chosen in torch.randperm(len(images)).to(images.device).tensor_split(batches):
                loss, scores = _step(module, optimiser, (_shifted(images[chosen], plan.shift), labels[chosen]), losses)
                schedule.step()
                total += loss * len(chosen)
                right += int((scores.argmax(1) == labels[chosen]).sum())
                advance(loss)
            history.append(Epoch(total / len(images), right / len(images), float(schedule.get_last_lr()[0])))
    return History(tuple(history))


def _device(module: nn.Module) -> torch.device:
    return next((weight.device for weight in module.parameters()), torch.device("cpu"))


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
    batch: tuple[torch.Tensor, torch.Tensor],
    losses: _Losses,
) -> tuple[float, torch.Tensor]:
    """One update; the loss of the main output and its scores."""
    images, labels = batch
    made = module(images)
    outputs = [scores.flatten(1) for scores in (made if losses.sides else (made,))]
    main, *sides = (F.cross_entropy(scores, labels, label_smoothing=losses.smoothing) for scores in outputs)
    loss = main + sum(weight * side for weight, side in zip(losses.sides, sides, strict=True))
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
    return float(main.detach()), outputs[0].detach()


@contextmanager
def _bar(steps: int, progress: bool) -> Iterator[Callable[[float], None]]:
    """A function to call after each step with its loss, which moves a progress bar where one is wanted."""
    if not progress:
        yield lambda _loss: None
        return
    with need("tqdm", "train").tqdm(total=steps, desc="training", unit="step", disable=None) as bar:

        def advance(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update()

        yield advance


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
    device = _device(module)

    def predict(images: Images) -> NDArray[np.float32]:
        module.eval()
        with torch.no_grad():
            scores: NDArray[np.float32] = module(torch.as_tensor(images).to(device)).float().cpu().numpy()
        return scores

    return predict


def evaluate_onnx(path: str | os.PathLike[str], images: Images, labels: Labels) -> float:
    """The accuracy of an ONNX file in ONNX Runtime on the CPU; raises `MissingExtra` where it is not installed."""
    runtime = need("onnxruntime", "cpu")
    session = runtime.InferenceSession(NativePath(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def predict(batch: Images) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = session.run(None, {name: batch})[0]
        return scores

    return accuracy(predict, images, labels)
