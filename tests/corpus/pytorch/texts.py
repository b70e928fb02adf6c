"""Typing errors, budgets and families."""

from __future__ import annotations

from typing import Any

from .case import Budget, Case, Named, chain

NOT_THERE = "what is mistyped has no counterpart in PyTorch"
RUNS = "it runs; PyTorch knows of no budgets"


def typo_in_layer(nn: Any, x: Any, name: str) -> Any:
    return chain(x, getattr(nn, name)(3, 16, 3, padding=1), nn.ReLU())


def typo_in_argument(nn: Any, x: Any, name: str) -> Any:
    return chain(x, nn.Conv2d(8, 16, 3, padding=1, **{name: 4}), nn.ReLU())


def typo_in_label(nn: Any, x: Any, name: str) -> Any:
    skip = nn.ReLU()(x)
    y = chain(skip, nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
    return y + (skip if name == "skip" else nn.later(name))


def typo_in_definition(nn: Any, x: Any, _: str) -> Any:
    return chain(x, nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 3, padding=1), nn.ReLU())


def typo_in_parameter(nn: Any, x: Any, classes: Named) -> Any:
    return chain(x, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))


def typo_in_word(nn: Any, x: Any, mode: str) -> Any:
    return chain(x, nn.ReLU(), nn.Upsample(scale_factor=2, mode=mode))


def _two_layers(nn: Any, x: Any) -> Any:
    return chain(x, nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())


def typo_in_bracket(nn: Any, x: Any, _: None) -> Any:
    return _two_layers(nn, x)


def _layer(nn: Any, x: Any) -> Any:
    return chain(x, nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())


def typo_in_joiner(nn: Any, x: Any, _: None) -> Any:
    return _layer(nn, x)


def typo_in_statement(nn: Any, x: Any, _: None) -> Any:
    return _layer(nn, x)


def typo_in_metric(nn: Any, x: Any, _: None) -> Any:
    return _layer(nn, x)


def budget_of_parameters(nn: Any, x: Any, pooled: bool) -> Any:
    y = chain(x, nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU())
    if pooled:
        return chain(y, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    return chain(y, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(512, 10))


def budget_of_macs(nn: Any, x: Any, stride: int) -> Any:
    return chain(x, nn.Conv2d(3, 16, 3, stride=stride, padding=1), nn.ReLU())


def budget_of_memory(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Conv2d(3, width, 3, padding=1), nn.ReLU())


def _stack(nn: Any, x: Any, times: int) -> Any:
    for turn in range(times):
        x = chain(x, nn.Conv2d(8 if turn else 3, 8, 3, padding=1), nn.ReLU())
    return x


def budget_of_field(nn: Any, x: Any, times: int) -> Any:
    return _stack(nn, x, times)


def budget_of_layers(nn: Any, x: Any, times: int) -> Any:
    return _stack(nn, x, times)


def budget_of_rule(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Conv2d(3, width, 3, padding=1), nn.ReLU())


def family_outside_domain(nn: Any, x: Any, times: int) -> Any:
    return _stack(nn, x, times)


def family_member_fails(nn: Any, x: Any, largest: int) -> Any:
    """Every member up to the largest is run; the default's output is given."""
    outputs = []
    for member in range(1, largest + 1):
        y = x
        for turn in range(member):
            y = chain(y, nn.Conv2d(8 if turn else 3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        outputs.append(y)
    return outputs[1]


def family_size_fails(nn: Any, x: Any, _: int) -> Any:
    for turn in range(3):
        x = chain(x, nn.Conv2d(8 if turn else 3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    return x


CASES = (
    Case(typo_in_layer, ("3x8x8",), "Covn2d", "Conv2d"),
    Case(typo_in_argument, ("8x8x8",), "grups", "groups"),
    Case(typo_in_label, ("16x8x8",), "skpi", "skip", NOT_THERE),
    Case(typo_in_definition, ("3x8x8",), "Botleneck", "Bottleneck", NOT_THERE),
    Case(typo_in_parameter, ("3x8x8",), Named("clases", 10), Named("classes", 10), NOT_THERE),
    Case(typo_in_word, ("8x8x8",), "bilinaer", "bilinear"),
    Case(typo_in_bracket, ("3x8x8",), None, None, NOT_THERE),
    Case(typo_in_joiner, ("3x8x8",), None, None, NOT_THERE),
    Case(typo_in_statement, ("3x8x8",), None, None, NOT_THERE),
    Case(typo_in_metric, ("3x8x8",), None, None, NOT_THERE, Budget("params", "<=", 1_000)),
    Case(budget_of_parameters, ("3x16x16",), False, True, RUNS, Budget("params", "<=", 6_000)),
    Case(budget_of_macs, ("3x16x16",), 1, 2, RUNS, Budget("macs", "<=", 100_000)),
    Case(budget_of_memory, ("3x32x32",), 64, 32, RUNS, Budget("memory", "<=", 400_000)),
    Case(budget_of_field, ("3x16x16",), 3, 4, RUNS, Budget("receptive_field", ">=", 9)),
    Case(budget_of_layers, ("3x16x16",), 6, 5, RUNS, Budget("layers", "<=", 10)),
    Case(budget_of_rule, ("3x16x16",), 20, 16, RUNS),
    Case(family_outside_domain, ("3x8x8",), 9, 5, "a member that was never meant runs as well"),
    Case(family_member_fails, ("3x8x8",), 4, 3),
    Case(family_size_fails, ("3x32x32", "3x{}x{}"), 4, 8),
)
