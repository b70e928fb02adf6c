"""The digits, training, and the demo from end to end."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest
import torch

import cnndsl
from cnndsl import data, demo
from cnndsl.data import digits, held_out
from cnndsl.extras import MissingExtra
from cnndsl.lower.torch import to_arrays, to_module
from cnndsl.train import accuracy, evaluate_onnx, predictor, train, without_softmax
from tests.networks import with_heads


def test_digits_are_the_published_ones() -> None:
    images, labels = digits()
    assert images.shape == (1797, 1, 8, 8)
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert set(np.unique(images * 16)) == set(range(17))
    # the counts that the UCI repository gives for the test set
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_a_damaged_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "digits.csv.gz").write_bytes(b"not the digits")
    monkeypatch.setattr(data, "files", lambda _package: tmp_path)
    with pytest.raises(ValueError, match="is damaged: SHA-256"):
        digits()


def test_a_fifth_of_every_class_is_held_out() -> None:
    labels = digits()[1]
    split = held_out(labels, 0.2, seed=3)
    assert sorted([*split.training, *split.held_out]) == list(range(len(labels)))
    whole, out = np.bincount(labels), np.bincount(labels[split.held_out])
    assert np.abs(out - whole * 0.2).max() <= 0.5
    again, other = held_out(labels, 0.2, seed=3), held_out(labels, 0.2, seed=4)
    assert np.array_equal(split.held_out, again.held_out)
    assert not np.array_equal(split.held_out, other.held_out)


TINY = "[(CONV3-8 - BN - RELU)*1 - POOL2]*2 - DROPOUT(0.1) - FC-10, SOFTMAX"


def tiny_run(seed: int) -> tuple[torch.nn.Module, float]:
    network = cnndsl.load(TINY, input="1x8x8")
    module = network.torch(seed=0)
    images, labels = digits()
    history = train(network.graph, module, images[:400], labels[:400], epochs=8, lr=0.02, shift=1, seed=seed)
    assert len(history.epochs) == 8
    assert history.epochs[-1].loss < history.epochs[0].loss
    return module, accuracy(predictor(module), images[400:800], labels[400:800])


def test_training_learns_and_is_repeatable() -> None:
    state = torch.random.get_rng_state()
    first, right = tiny_run(1)
    assert right > 0.6
    assert not first.training
    again, _ = tiny_run(1)
    other, _ = tiny_run(2)
    weights = [np.concatenate([array.ravel() for array in to_arrays(m).values()]) for m in (first, again, other)]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    assert torch.equal(torch.random.get_rng_state(), state), "the caller's random numbers are its own"


def test_softmax_is_left_out_of_training_only() -> None:
    network = cnndsl.load(TINY, input="1x8x8")
    module = network.torch(seed=0).eval()
    scores = to_module(without_softmax(network.graph)).eval()
    scores.load_state_dict(module.state_dict())
    x = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(scores(x).softmax(1), module(x))


def test_side_outputs_are_trained() -> None:
    graph = with_heads()
    module = to_module(graph)
    before = to_arrays(module)
    images = np.random.default_rng(0).random((8, 3, 16, 16), np.float32)
    train(graph, module, images, np.arange(8) % 4, epochs=1, batch=4)
    after = to_arrays(module)
    assert all(not np.array_equal(before[name], after[name]) for name in after)


@pytest.mark.parametrize(
    ("spec", "images", "labels", "message"),
    [
        ("CONV3-4", 4, [0, 1, 2, 3], "one score a class, this network gives 4x8x8"),
        ("FC-3", 4, [0, 1, 2, 3], "labels from 0 to 3 for 3 classes"),
        ("FC-3", 4, [0, 1, 2], "4 images and 3 labels"),
    ],
)
def test_what_does_not_fit_is_said(spec: str, images: int, labels: list[int], message: str) -> None:
    network = cnndsl.load(spec, input="1x8x8")
    with pytest.raises(ValueError, match=message):
        train(network.graph, network.torch(), np.zeros((images, 1, 8, 8), np.float32), np.array(labels))


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_tqdm(name: str, *rest: object) -> object:
        if name.startswith("tqdm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *rest)

    imported = builtins.__import__
    monkeypatch.setattr("cnndsl.extras.import_module", without_tqdm)
    network = cnndsl.load("FC-3", input="1x8x8")
    with pytest.raises(MissingExtra, match=r'pip install "cnndsl\[train\]"'):
        train(network.graph, network.torch(), np.zeros((4, 1, 8, 8), np.float32), np.zeros(4, np.int64), progress=True)


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two epochs are not enough for 98 %, and all else is as in the whole demo."""
    assert demo.main(["--out", str(tmp_path), "--epochs", "2", "--quiet"]) == 1
    printed = capsys.readouterr()
    assert "of the digits held out are right; expected 98%" in printed.err
    lines = dict(line.rsplit(maxsplit=1) for line in printed.out.splitlines() if line.startswith(("PyTorch ", "ONNX ")))
    assert lines["PyTorch"] == lines["ONNX Runtime"]
    assert {path.name for path in tmp_path.iterdir()} == set(demo.FILES)
    images, labels = digits()
    held = held_out(labels).held_out
    assert f"{evaluate_onnx(tmp_path / 'digits.onnx', images[held], labels[held]):.2%}" == lines["PyTorch"]


@pytest.mark.slow
def test_the_whole_demo(tmp_path: Path) -> None:
    assert demo.main(["--out", str(tmp_path), "--quiet"]) == 0
