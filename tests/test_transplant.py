"""Weight for weight: a reference's weights, converted and compiled to ONNX, give the reference's outputs.

Run in ONNX Runtime, for every member of the zoo that torchvision or timm has; weights and running statistics are drawn.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from oracles import GROWING, drawn, reference
from safetensors.torch import save_file

import cnndsl
from cnndsl.checkpoint import convert, read_checkpoint
from cnndsl.zoo import Member, members

QUICK = {
    "alexnet", "convnext_tiny", "darknet53", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet",
    "inception_resnet_v2", "inception_v3", "inception_v4", "legacy_senet154", "legacy_seresnet18",
    "legacy_seresnet50", "legacy_seresnext26_32x4d", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_large",
    "mobilenet_v3_small", "mobilenetv1_100", "r3d_18", "regnet_x_400mf", "regnet_y_400mf", "repvgg_a0", "resnet18",
    "resnet50", "resnetv2_18", "resnetv2_50", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_0",
    "squeezenet1_1", "vgg11_bn", "wide_resnet50_2", "xception",
}  # fmt: skip
"""The small members of each family; `make test-zoo` runs them all."""

TOLERANCE = 1e-4


def chosen() -> list[object]:
    return [
        pytest.param(member, id=member.name, marks=() if member.name in QUICK else pytest.mark.zoo)
        for member in members().values()
        if member.reference
    ]


def test_every_family_is_among_the_quick_ones() -> None:
    referenced = {member.spec for member in members().values() if member.reference}
    assert referenced == {member.spec for member in members().values() if member.name in QUICK}


@pytest.mark.parametrize("member", chosen())
def test_the_outputs_are_the_references(member: Member, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = cnndsl.load(f"zoo:{member.name}")
    x = torch.randn(2, *network.graph.input_shape.dimensions)
    module = drawn(reference(member), GROWING.get(member.name, 1.0))
    with torch.inference_mode():
        expected = module(x).numpy()

    state = {name: value.contiguous() for name, value in module.state_dict().items()}
    save_file(state, tmp_path / "theirs.safetensors")
    converted = convert(network.graph, read_checkpoint(tmp_path / "theirs.safetensors"))
    torch.save(state, tmp_path / "theirs.pth")
    assert convert(network.graph, read_checkpoint(tmp_path / "theirs.pth")).match == converted.match
    network.onnx(tmp_path / "ours.onnx", converted.arrays)

    found = run(tmp_path / "ours.onnx", x.numpy())
    if found.shape == expected.shape and np.allclose(found.sum(-1), 1, atol=1e-3):
        expected = torch.softmax(torch.from_numpy(expected), -1).numpy()
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) <= TOLERANCE * np.linalg.norm(expected)
    assert np.linalg.norm(expected) > 0


def run(path: Path, x: np.ndarray) -> np.ndarray:
    """The file's output in ONNX Runtime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    return found
