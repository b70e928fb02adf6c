"""The reference implementations of torchvision and timm, which the zoo is compared with. Test oracles only."""

from __future__ import annotations

import contextlib
import warnings
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cnndsl.zoo import Member

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
"""torchvision's compiled operations do not load beside a CPU build of torch; it imports where these are declared."""


@cache
def library(name: str) -> ModuleType | str:
    """torchvision or timm; why not, where it cannot be imported."""
    from importlib import import_module

    with contextlib.suppress(RuntimeError):
        declared = torch.library.Library("torchvision", "DEF")
        _KEPT.append(declared)
        for schema in _SCHEMAS:
            declared.define(schema)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        return f"{name} cannot be imported ({error}); pip install --no-deps torchvision timm"


_KEPT: list[torch.library.Library] = []
"""A library's declarations last as long as it."""


def reference(member: Member) -> nn.Module:
    """The reference's module of a member, in evaluation mode, with the weights it is made with; skips where there is none."""
    assert member.reference is not None
    found = library(member.reference)
    if isinstance(found, str):
        pytest.skip(found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if member.reference == "timm":
            return found.create_model(member.name).eval()
        heads = {"aux_logits": True, "init_weights": False} if member.name in ("googlenet", "inception_v3") else {}
        module: nn.Module = found.models.get_model(member.name, weights=None, **heads)
        return module.eval()


class WithoutNumbers(TorchFunctionMode):
    """Modules without the numbers in them, to be counted: on the meta device, but for what constructors compute with."""

    def __enter__(self) -> WithoutNumbers:
        self._device = torch.device("meta")
        self._device.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._device.__exit__(*error)

    def __torch_function__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        if function in (torch.linspace, torch.arange, torch.tensor):
            named = {"device": "cpu", **(named or {})}
        return function(*given, **(named or {}))


GROWING = {"legacy_seresnet101": 4.0, "legacy_seresnet152": 4.0}
"""Variances of deep networks with gates, relative to the others'.

With 1, activations grow from block to block until the gates are all open or closed, and the reference's own output in float32
is a fifth away from that in float64."""


def drawn(module: nn.Module, variance: float = 1.0, seed: int = 7) -> nn.Module:
    """The module with every scale, bias and running statistic moved at random, so that no exchange of two stays hidden."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.copy_((torch.rand(value.shape, generator=generator) + 0.5) * variance)
            elif name.endswith("running_mean"):
                value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
            elif value.dtype.is_floating_point and value.dim() == 1:
                value.add_(torch.randn(value.shape, generator=generator) * 0.1)
    return module
