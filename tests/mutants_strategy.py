"""Random changes to random networks, which may break them or not, for hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from networks_strategy import specs, without_idle_settings
from notation import Choice, Join, Label, Layer, Pipe, Repeat, Spec, parts, put


@st.composite
def mutants(draw: Callable[..., Any]) -> Spec:
    """A network with one to three changes, each of which may break it or not."""
    spec = draw(specs(shaped=False))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        spec = mutated(draw, spec)
    return spec


def mutated(draw: Callable[..., Any], spec: Spec) -> Spec:
    """One change: of a number, an argument, a stage or a branch."""
    places = [(("input",), spec.input), *parts(spec.body, ("body",)), *parts(spec.definitions, ("definitions",))]
    chances = [
        (path, part) for path, part in places if isinstance(part, tuple | Layer | Join | Pipe | Repeat) and part != ()
    ]
    path, part = draw(st.sampled_from(chances))
    changed: Any = part
    match part:
        case tuple():
            place = draw(st.integers(0, len(part) - 1))
            changed = put(part, (place,), draw(st.integers(1, 10)))
            if draw(st.integers(0, 9)) == 0:
                changed = part[:-1] or part if draw(st.booleans()) else (*part, 5)[:4]
        case Layer():
            changed = _mutated_layer(draw, part)
        case Join(branches=branches, sizes=sizes):
            which = draw(st.integers(0, len(branches) - 1))
            if sizes and draw(st.booleans()):
                changed = replace(part, sizes=put(sizes, (which,), draw(st.integers(0, 6))))
            elif draw(st.integers(0, 3)) == 0:
                name = draw(st.sampled_from(["CONCAT", "ADD", "MEAN", "MAX", "MUL"]))
                changed = replace(part, name=name, sizes=()) if len(branches) > 1 else part
            else:
                added = Pipe((branches[which], _random_layer(draw)))
                changed = replace(part, branches=put(branches, (which,), added))
        case Pipe(stages=stages):
            at = draw(st.integers(0, len(stages)))
            if stages and draw(st.booleans()):
                at = min(at, len(stages) - 1)
                lost = isinstance(stages[at], Label | Choice) or any(isinstance(p, Label) for _, p in parts(stages[at]))
                changed = part if lost else replace(part, stages=(*stages[:at], *stages[at + 1 :]))
            else:
                changed = replace(part, stages=(*stages[:at], _random_layer(draw), *stages[at:]))
        case Repeat():
            changed = replace(part, count=draw(st.integers(0, 4)))
    return without_idle_settings(put(spec, path, changed))


MUTABLE: dict[str, Any] = {
    "kernel": st.integers(0, 8) | st.tuples(*[st.integers(1, 5)] * 2),
    "width": st.integers(0, 9),
    "stride": st.integers(0, 4) | st.tuples(*[st.integers(1, 3)] * 2),
    "pad": st.integers(0, 4) | st.lists(st.integers(0, 4), min_size=2, max_size=6).map(tuple) | st.just("same"),
    "crop": st.integers(0, 5) | st.lists(st.integers(0, 4), min_size=2, max_size=6).map(tuple),
    "dilation": st.integers(0, 4),
    "groups": st.integers(0, 6),
    "output_padding": st.integers(0, 4),
    "ceil": st.booleans(),
    "count_include_pad": st.booleans(),
    "from": st.integers(0, 8),
    "to": st.integers(0, 8),
    "pieces": st.integers(0, 4),
    "size": st.integers(0, 5) | st.tuples(*[st.integers(1, 4)] * 2),
    "scale": st.integers(0, 4) | st.tuples(*[st.integers(1, 3)] * 2),
    "mode": st.sampled_from(["nearest", "linear", "bilinear", "trilinear"]),
}
TAKES = {
    "CONV": ("kernel", "width", "stride", "pad", "dilation", "groups"),
    "DWCONV": ("kernel", "width", "stride", "pad", "dilation"),
    "SEPCONV": ("kernel", "width", "stride", "pad", "dilation"),
    "UPCONV": ("kernel", "width", "stride", "pad", "output_padding", "dilation", "groups"),
    "POOL": ("kernel", "stride", "pad", "dilation", "ceil"),
    "AVGPOOL": ("kernel", "stride", "pad", "ceil", "count_include_pad"),
    "ADAPTIVEAVGPOOL": ("size",),
    "ADAPTIVEMAXPOOL": ("size",),
    "FC": ("width",),
    "GN": ("groups",),
    "LRN": ("size",),
    "MAXOUT": ("pieces",),
    "UP": ("scale", "mode"),
    "SHUFFLE": ("groups",),
    "SLICE": ("from", "to"),
    "PAD": ("pad", "mode"),
    "CROP": ("crop",),
    "FLATTEN": (),
    "GAP": (),
    "GMP": (),
    "IN": (),
    "BN": (),
    "LN": (),
}
PAD_MODES = st.sampled_from(["constant", "reflect", "replicate"])


def _mutated_layer(draw: Callable[..., Any], layer: Layer) -> Layer:
    takes = TAKES.get({"MAXPOOL": "POOL", "NORM": "LRN"}.get(layer.name, layer.name), ())
    if not takes or draw(st.integers(0, 9)) == 0:
        return _random_layer(draw)
    argument = draw(st.sampled_from(takes))
    value = draw(PAD_MODES if (layer.name, argument) == ("PAD", "mode") else MUTABLE[argument])
    if argument in ("kernel", "width", "stride"):
        return replace(layer, **{argument: value})
    given = dict(layer.arguments)
    given[argument] = value
    order = {name: place for place, name in enumerate(("scale", "pad", "from", "to"))}
    return replace(layer, arguments=tuple(sorted(given.items(), key=lambda item: order.get(item[0], 9))))


def _random_layer(draw: Callable[..., Any]) -> Layer:
    """A layer that knows nothing of where it will stand."""
    layer = Layer(draw(st.sampled_from(list(TAKES))), style=1 | draw(st.integers(0, 63)))
    required = {"FC": "width", "CONV": "width", "UPCONV": "width", "SEPCONV": "width", "PAD": "pad", "CROP": "crop",
                "SLICE": "from", "ADAPTIVEAVGPOOL": "size", "ADAPTIVEMAXPOOL": "size", "GN": "groups"}  # fmt: skip
    argument = required.get(layer.name)
    if argument == "width":
        return replace(layer, width=draw(st.integers(1, 6)))
    return replace(layer, arguments=((argument, draw(MUTABLE[argument])),)) if argument else layer
