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


def drawn(module: nn.Module, x: torch.Tensor, seed: int = 7) -> nn.Module:
    """The module with every scale, bias and running statistic moved at random, so that no exchange of two stays hidden.

    The statistics are moved from those of `x`: with any others, activations grow from block to block until the reference
    itself, through the gates of a squeeze-and-excitation, does not give one result in float32 and float64.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            if value.dim() == 1:
                value.add_(torch.randn(value.shape, generator=generator) * 0.1)
        for norm in _measured(module, x):
            shift = torch.randn(norm.running_mean.shape, generator=generator) * 0.1
            norm.running_mean.add_(shift * norm.running_var.sqrt())
            norm.running_var.mul_(torch.rand(norm.running_var.shape, generator=generator) + 0.5)
    return module


def _measured(module: nn.Module, x: torch.Tensor) -> list[Any]:
    """The norms with running statistics, those being now of one batch."""
    norms = [norm for norm in module.modules() if isinstance(norm, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    module.train()(x)
    module.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return norms
