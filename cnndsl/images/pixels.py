"""From a Pillow image to the array that a model takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..extras import need
from ..preprocess import Preprocess, Size
from .reading import BrokenImage, read_image

if TYPE_CHECKING:
    from PIL.Image import Image

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def network_input(preprocess: Preprocess, image: Image, size: tuple[int | None, int | None] = (None, None)) -> Floats:
    """C×H×W as the network takes it: resized, cropped, its channels in order, normalised.

    `image` is of mode RGB or L, as `read_image` gives it. `size` is the network's height and width, None where open. Equals
    torchvision's Resize, CenterCrop, ToTensor and Normalize on Pillow images. Raises BrokenImage for one of the wrong size.
    """
    image = image.convert("L" if preprocess.order == "grey" else "RGB")
    image = _cropped(preprocess, _resized(preprocess, image))
    height, width = image.height, image.width
    if any(want is not None and want != have for want, have in zip(size, (height, width), strict=True)):
        wanted = "x".join("?" if want is None else str(want) for want in size)
        raise BrokenImage(f"it is {height}x{width}, and the network takes {wanted}; the contract has no resize for it")
    return _normalised(preprocess, _channels(image, preprocess.order))


def read_input(
    path: str | os.PathLike[str], preprocess: Preprocess, size: tuple[int | None, int | None] = (None, None)
) -> Floats:
    """What `network_input` makes of an image file; raises BrokenImage that names it."""
    image = read_image(path, grey=preprocess.image == "grey")
    try:
        return network_input(preprocess, image, size)
    except BrokenImage as error:
        raise BrokenImage(f"{os.fspath(path)}: {error}") from None


def handed_in(preprocess: Preprocess, image: Image) -> npt.NDArray[Any]:
    """H×W×C or C×H×W as a model takes it that has the preprocessing in itself."""
    pixels = _channels(image.convert("L" if preprocess.image == "grey" else "RGB"), preprocess.image)
    made: npt.NDArray[Any] = pixels.transpose(2, 0, 1) if preprocess.layout == "nchw" else pixels
    return made.astype(preprocess.type)


def resized_size(resize: int | Size, size: Size) -> Size:
    """Height and width after a resize: of a shorter side, the longer goes with it, rounded down."""
    if isinstance(resize, tuple):
        return resize
    shorter = min(size)
    return resize * size[0] // shorter, resize * size[1] // shorter


def _resized(preprocess: Preprocess, image: Image) -> Image:
    if preprocess.resize is None:
        return image
    library = need("PIL.Image", "images")
    height, width = resized_size(preprocess.resize, (image.height, image.width))
    if height * width > library.MAX_IMAGE_PIXELS:
        raise BrokenImage(f"it is {image.height}x{image.width}, and would be {height:,}x{width:,} after the resize")
    if (width, height) == image.size:
        return image
    return image.resize((width, height), library.Resampling[preprocess.interpolation.upper()])


def _cropped(preprocess: Preprocess, image: Image) -> Image:
    """The centre; half a pixel too many is rounded to even, as torchvision does."""
    if preprocess.crop is None:
        return image
    height, width = preprocess.crop
    if height > image.height or width > image.width:
        raise BrokenImage(f"it is {image.height}x{image.width}, smaller than the crop of {height}x{width}")
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def _channels(image: Image, order: str) -> Bytes:
    pixels: Bytes = np.asarray(image)
    if pixels.ndim == 2:
        return pixels[:, :, None]
    return pixels[:, :, ::-1] if order == "bgr" else pixels


def _normalised(preprocess: Preprocess, pixels: Bytes) -> Floats:
    """In float32 and one step after the other, as torchvision does, so that not even the last bit differs."""
    values = pixels.transpose(2, 0, 1).astype(np.float32, order="C")
    values /= np.float32(1 / preprocess.scale)
    values -= np.array(preprocess.mean, np.float32)[:, None, None]
    values /= np.array(preprocess.std, np.float32)[:, None, None]
    return values
