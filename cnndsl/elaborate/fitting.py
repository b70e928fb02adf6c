"""Whether what a `preprocess` statement makes of an image is what the network takes, and its labels what it gives."""

from __future__ import annotations

from collections.abc import Mapping

from ..ops.base import Problem
from ..preprocess import Preprocess, channels_of
from ..shape import Shape
from ..source import Span
from ..symbolic import Symbolic
from ..syntax import Preprocess as Statement
from .build import NOWHERE, Build


def fits(build: Build, made: Preprocess, statement: Statement, steps: Mapping[str, Span], output: int) -> bool:
    """Compare; the first thing that does not fit is reported. `steps` are the places of the steps that are written."""
    entering = build.nodes[0].shape
    return (
        _rank(build, entering, statement.span)
        and _channels(build, made, entering, steps.get("order") or steps.get("image") or statement.span)
        and _crop(build, made, steps)
        and _size(build, made, entering, steps, statement.span, output)
        and (output == NOWHERE or made.labels is None or _labels(build, made.labels, output, steps["labels"]))
    )


def _rank(build: Build, entering: Shape, span: Span) -> bool:
    if entering.rank == 2:
        return True
    build.error("CNN114", "only images are preprocessed", span, expected="an input of CxHxW", found=str(entering))
    return False


def _channels(build: Build, made: Preprocess, entering: Shape, span: Span) -> bool:
    channels = channels_of(made.order)
    if entering.channels == channels:
        return True
    build.error(
        "CNN114", f"{made.order} images have {channels} channel{'s' * (channels > 1)}", span,
        expected=f"{entering.channels}, as the input {entering} has", found=str(channels),
    )  # fmt: skip
    return False


def _crop(build: Build, made: Preprocess, steps: Mapping[str, Span]) -> bool:
    """A crop lies within every image: after a resize to a shorter side, no side is known to be longer."""
    if made.crop is None or made.resize is None:
        return True
    within = made.resize if isinstance(made.resize, tuple) else (made.resize, made.resize)
    if made.crop[0] <= within[0] and made.crop[1] <= within[1]:
        return True
    least = _times(made.resize) if isinstance(made.resize, tuple) else f"a shorter side of {made.resize}"
    build.error(
        "CNN115", "the crop is larger than the image", steps["crop"], expected=f"at most {_times(within)}",
        found=_times(made.crop), chain=(f"resize {least}", f"crop {_times(made.crop)}"),
    )  # fmt: skip
    return False


def _size(build: Build, made: Preprocess, entering: Shape, steps: Mapping[str, Span], whole: Span, output: int) -> bool:
    """What comes out has the input's size; where that is open, one that the network takes."""
    span = steps.get("crop") or steps.get("resize") or whole
    if made.size is None:
        if made.fixed or not any(isinstance(size, int) for size in entering.spatial):
            return True
        build.error(
            "CNN114", "the images have different sizes here", span, expected=f"the input's, {_spatial(entering)}",
            found=f"a shorter side of {made.resize}",
            help=f"go on with `- crop({_spatial(entering)})`" if entering.fixed else "go on with a crop",
        )  # fmt: skip
        return False
    if any(isinstance(size, int) and size != have for size, have in zip(entering.spatial, made.size, strict=True)):
        other = "; the input was given from outside" if build.own_input is not None else ""
        build.error(
            "CNN114", f"the images do not have the input's size{other}", span,
            expected=f"{_spatial(entering)}, as the input {entering} has", found=_times(made.size),
        )  # fmt: skip
        return False
    return output == NOWHERE or entering.fixed or _taken(build, made.size, entering, span)


def _taken(build: Build, size: tuple[int, int], entering: Shape, span: Span) -> bool:
    """Whether every layer of an open network takes images of this size."""
    given = {str(axis): n for axis, n in zip(entering.spatial, size, strict=True) if isinstance(axis, Symbolic)}
    shapes = [entering.evaluate(given)]
    for node in build.nodes[1:]:
        shape = node.op.infer(tuple(shapes[i] for i in node.inputs))
        if isinstance(shape, Problem):
            build.error(
                "CNN114", f"the network does not take images of {_times(size)}", span,
                found=f"{node.name}: {shape.message}",
            )  # fmt: skip
            return False
        shapes.append(shape)
    return True


def _labels(build: Build, labels: tuple[str, ...], output: int, span: Span) -> bool:
    channels = build.nodes[output].shape.channels
    if len(labels) == channels:
        return True
    build.error(
        "CNN035", f"{len(labels)} label{'s' * (len(labels) != 1)} for {channels} classes", span,
        expected=f"one for each of the {channels} values that the network gives", found=str(len(labels)),
        chain=build.chain(output),
    )  # fmt: skip
    return False


def _times(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))


def _spatial(shape: Shape) -> str:
    return "x".join("?" if not isinstance(size, int) else str(size) for size in shape.spatial)
