"""The contract between images and a network as JSON, read back with every part checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from operator import gt
from typing import Any

from .preprocess import (
    INTERPOLATIONS,
    LARGEST_CONSTANT,
    LAYOUTS,
    ORDERS,
    TYPES,
    Preprocess,
    channels_of,
    reachable,
)
from .shape import LARGEST_DIMENSION, Shape


def preprocess_from_json(data: object) -> Preprocess:
    """The record of `Preprocess.json()`'s data; raises ValueError naming the first thing that is wrong."""
    from pydantic import ValidationError

    try:
        checked: dict[str, Any] = _contract().validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'preprocess'}: {first['msg']}") from None
    return _preprocess(checked)


def _preprocess(checked: Mapping[str, Any]) -> Preprocess:
    """The record of data that has the right form; what its parts say of each other is checked."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in checked.items()}
    made = Preprocess(**values)
    channels = channels_of(made.order)
    if not len(made.mean) == len(made.std) == channels:
        raise ValueError(f"preprocess: {made.order} images have {channels} channels, mean and std have others")
    within = (made.resize, made.resize) if isinstance(made.resize, int) else made.resize
    if within is not None and made.crop is not None and any(map(gt, made.crop, within)):
        raise ValueError("preprocess: the crop is larger than the image")
    if not reachable(made.image, made.order):
        raise ValueError(f"preprocess: {made.image} images have no channels {made.order}")
    return made


def fitting(checked: Mapping[str, Any] | None, entering: Shape, leaving: Shape) -> Preprocess | None:
    """The contract of a network with these ends; raises ValueError where it is another's."""
    if checked is None:
        return None
    made = _preprocess(checked)
    sizes = made.size or ()
    if entering.rank != 2 or entering.channels != channels_of(made.order):
        raise ValueError(f"preprocess: {made.order} images do not fit an input of {entering}")
    if any(isinstance(size, int) and size != own for size, own in zip(entering.spatial, sizes, strict=False)):
        raise ValueError(f"preprocess: images of {'x'.join(map(str, sizes))} do not fit an input of {entering}")
    if made.labels is not None and len(made.labels) != leaving.channels:
        raise ValueError(f"preprocess: {len(made.labels)} labels for {leaving.channels} classes")
    return made


@cache
def _contract() -> Any:
    """The form of a `Preprocess`."""
    from pydantic import TypeAdapter

    return TypeAdapter(contract_type())


@cache
def contract_type() -> Any:
    """The form as a type that pydantic checks."""
    from typing import Annotated, Literal, NotRequired

    from pydantic import Field
    from typing_extensions import TypedDict

    length = Annotated[int, Field(ge=1, le=LARGEST_DIMENSION)]
    size = Annotated[list[length], Field(min_length=2, max_length=2)]
    real = Annotated[float, Field(ge=-LARGEST_CONSTANT, le=LARGEST_CONSTANT, allow_inf_nan=False)]
    positive = Annotated[float, Field(ge=1 / LARGEST_CONSTANT, le=LARGEST_CONSTANT, allow_inf_nan=False)]
    preprocess = TypedDict(
        "preprocess",
        {
            "image": Literal[ORDERS],  # type: ignore[valid-type]
            "layout": Literal[LAYOUTS],  # type: ignore[valid-type]
            "type": Literal[TYPES],  # type: ignore[valid-type]
            "order": Literal[ORDERS],  # type: ignore[valid-type]
            "resize": length | size | None,
            "interpolation": Literal[INTERPOLATIONS],  # type: ignore[valid-type]
            "crop": size | None,
            "scale": positive,
            "mean": Annotated[list[real], Field(min_length=1, max_length=3)],
            "std": Annotated[list[positive], Field(min_length=1, max_length=3)],
            "labels": NotRequired[Annotated[list[str], Field(min_length=1)] | None],
        },
    )
    preprocess.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return preprocess
