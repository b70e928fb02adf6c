"""Images read, and made into inputs: against torchvision's transforms; files of all sorts, and files that are none."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import library
from pictures import close, picture, saved, truncated
from PIL import Image, ImageOps

import cnndsl
from cnndsl.extras import MissingExtra
from cnndsl.images import BrokenImage, Moments, find_images, handed_in, network_input, read_image
from cnndsl.preprocess import INTERPOLATIONS, Preprocess

sizes = st.integers(8, 60)


def contract(steps: str, shape: str = "3x?x?") -> Preprocess:
    found = cnndsl.load(f"input {shape}\npreprocess {steps}\nID").graph.preprocess
    assert found is not None
    return found


def transforms() -> Any:
    found = library("torchvision")
    if isinstance(found, str):
        pytest.skip(found)
    from torchvision import transforms

    return transforms


def by_torchvision(image: Image.Image, preprocess: Preprocess) -> np.ndarray:
    v1 = transforms()
    steps: list[Any] = []
    if preprocess.order == "grey":
        steps.append(v1.Grayscale())
    if preprocess.resize is not None:
        mode = v1.InterpolationMode[preprocess.interpolation.upper()]
        size = [preprocess.resize] if isinstance(preprocess.resize, int) else list(preprocess.resize)
        steps.append(v1.Resize(size, mode))
    if preprocess.crop is not None:
        steps.append(v1.CenterCrop(list(preprocess.crop)))
    steps += [v1.ToTensor()] if preprocess.scale != 1 else [v1.PILToTensor(), torch.Tensor.float]
    if preprocess.order == "bgr":
        steps.append(v1.Lambda(lambda x: x.flip(0)))
    steps.append(v1.Normalize(preprocess.mean, preprocess.std))
    made: np.ndarray = v1.Compose(steps)(image).numpy()
    return made


@settings(max_examples=100)
@given(
    sizes, sizes, st.integers(8, 40), st.integers(1, 8), st.integers(1, 8), st.sampled_from(INTERPOLATIONS),
    st.sampled_from([
        ("image(rgb)", "imagenet", "3x?x?"), ("order(bgr)", "cifar10", "3x?x?"), ("order(grey)", "mnist", "1x?x?"),
        ("image(rgb)", "none", "3x?x?"),
    ]),
    st.booleans(),
)  # fmt: skip
def test_it_is_what_torchvision_makes(
    height: int, width: int, side: int, tall: int, wide: int, mode: str, how: tuple[str, str, str], exact: bool
) -> None:
    first, name, shape = how
    resize = f"{side}x{side + 3}" if exact else str(side)
    preprocess = contract(f"{first} - resize({resize}, {mode}) - crop({tall}x{wide}) - normalise({name})", shape)
    image = picture(height, width, height)
    np.testing.assert_array_equal(network_input(preprocess, image), by_torchvision(image, preprocess))


@given(sizes, sizes, st.integers(1, 8), st.integers(1, 8))
def test_a_crop_alone(height: int, width: int, tall: int, wide: int) -> None:
    preprocess, image = contract(f"crop({tall}x{wide})"), picture(height, width)
    np.testing.assert_array_equal(network_input(preprocess, image), by_torchvision(image, preprocess))


@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=3), st.sampled_from(["imagenet", "clip"]))
def test_a_network_takes_files(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[tuple[int, int]], name: str
) -> None:
    folder = tmp_path_factory.mktemp("images")
    pictures = [picture(height, width, seed) for seed, (height, width) in enumerate(shapes)]
    paths = [saved(image, folder / f"{index}.png") for index, image in enumerate(pictures)]
    network = cnndsl.load(f"input 3x8x8\npreprocess resize(9) - crop(8) - normalise({name})\nGAP")
    assert network.graph.preprocess is not None
    expected = np.stack([by_torchvision(image, network.graph.preprocess) for image in pictures])
    found = network.images(paths)
    assert (found.dtype, found.shape) == (np.float32, (len(paths), 3, 8, 8))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(network.images(str(paths[0])), expected[:1])


def test_files_that_make_no_array(tmp_path: Path) -> None:
    paths = [saved(picture(9, side), tmp_path / f"{side}.png") for side in (9, 12)]
    (tmp_path / "text.png").write_text("no image")
    network = cnndsl.load("input 3x?x?\npreprocess resize(9)\nGAP")
    wrong: list[tuple[str, cnndsl.Network, list[Path]]] = [
        ("they become inputs of several sizes", network, paths),
        ("there are none", network, []),
        (r"text\.png: it is no image", network, [tmp_path / "text.png"]),
        (
            r"12\.png: it is 9x12, and the network takes 9x9",
            cnndsl.load("input 3x9x9\npreprocess normalise(unit)\nGAP"),
            paths,
        ),
        ("write `preprocess` in the spec", cnndsl.load("input 3x9x9\nGAP"), paths),
    ]
    for message, net, given_paths in wrong:
        with pytest.raises(ValueError, match=message):
            net.images(given_paths)


def test_an_image_of_another_size() -> None:
    image = picture(20, 30)
    assert network_input(contract("normalise(unit)"), image, (20, None)).shape == (3, 20, 30)
    with pytest.raises(BrokenImage, match="it is 20x30, and the network takes 20x20; the contract has no resize"):
        network_input(contract("normalise(unit)"), image, (20, 20))
    with pytest.raises(BrokenImage, match="smaller than the crop of 21x8"):
        network_input(contract("crop(21x8)"), image)
    with pytest.raises(BrokenImage, match="after the resize"):
        network_input(contract("resize(3000) - crop(8)"), picture(1, 3000))


def test_what_is_handed_in() -> None:
    image = picture(5, 7)
    pixels = np.asarray(image)
    np.testing.assert_array_equal(handed_in(contract("crop(3)"), image), pixels)
    np.testing.assert_array_equal(handed_in(contract("image(bgr, nchw)"), image), pixels[:, :, ::-1].transpose(2, 0, 1))
    floats = handed_in(contract("image(grey, float32)", "1x?x?"), image)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats[:, :, 0], np.asarray(image.convert("L")))


# -- files


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "PA"])
@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"])
def test_modes_and_formats(mode: str, ending: str, tmp_path: Path) -> None:
    try:
        path = saved(picture(9, 13, mode="RGB").convert(mode), tmp_path / f"a.{ending}")
    except (OSError, ValueError, KeyError):
        pytest.skip(f"{ending} does not hold {mode}")
    for grey, wanted in ((False, "RGB"), (True, "L")):
        image = read_image(path, grey=grey)
        assert (image.mode, image.size) == (wanted, (13, 9))
    with Image.open(path) as file:
        np.testing.assert_array_equal(np.asarray(read_image(path)), np.asarray(file.convert("RGBA").convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tiff", "webp"])
def test_exif_orientation(orientation: int, ending: str, tmp_path: Path) -> None:
    image, exif = picture(6, 10), Image.Exif()
    exif[0x0112] = orientation
    path = saved(image, tmp_path / f"turned.{ending}", exif=exif)
    found = read_image(path)
    assert found.size == ((10, 6) if orientation < 5 else (6, 10))
    with Image.open(path) as file:
        expected = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    np.testing.assert_array_equal(np.asarray(found), expected)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = np.array([[0, 127, 128, 257, 128 * 257, 65535]], np.uint16)
    path = saved(Image.fromarray(values), tmp_path / "deep.png")
    expected = np.round(values / 65535 * 255)
    np.testing.assert_array_equal(np.asarray(read_image(path, grey=True)), expected)
    np.testing.assert_array_equal(np.asarray(read_image(path))[:, :, 2], expected)
    whole = saved(Image.fromarray(values.astype(np.int32)), tmp_path / "whole.tiff")
    np.testing.assert_array_equal(np.asarray(read_image(whole, grey=True)), expected)


def test_transparent_palettes(tmp_path: Path) -> None:
    path = saved(picture(4, 4).convert("P"), tmp_path / "a.png", transparency=bytes([0, 128] * 64))
    assert read_image(path).mode == "RGB"


def test_the_first_frame_counts(tmp_path: Path) -> None:
    frames = [picture(6, 6, seed) for seed in range(3)]
    path = saved(frames[0], tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    with Image.open(path) as file:
        np.testing.assert_array_equal(np.asarray(read_image(path)), np.asarray(file.convert("RGB")))


def _bomb(path: Path) -> None:
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    import zlib

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)))


BROKEN: dict[str, Any] = {
    "empty.png": lambda path: path.write_bytes(b""),
    "text.png": lambda path: path.write_text("hello"),
    "page.jpg": lambda path: path.write_text("<html></html>"),
    "cut.png": lambda path: truncated(saved(picture(40, 40), path)),
    "cut.jpg": lambda path: truncated(saved(picture(90, 90), path)),
    "cut.gif": lambda path: truncated(saved(picture(90, 90), path), 0.9),
    "cut.bmp": lambda path: truncated(saved(picture(40, 40), path)),
    "cut.tiff": lambda path: truncated(saved(picture(40, 40), path)),
    "head.jpg": lambda path: truncated(saved(picture(40, 40), path), 0.02),
    "bomb.png": _bomb,
    "real.tiff": lambda path: saved(Image.fromarray(np.ones((4, 4), np.float32)), path),
    "long.tiff": lambda path: saved(Image.fromarray(np.full((4, 4), 1 << 20, np.int32)), path),
    "folder.png": lambda path: path.mkdir(),
    "none.png": lambda path: None,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named(name: str, tmp_path: Path) -> None:
    BROKEN[name](tmp_path / name)
    with pytest.raises(BrokenImage) as raised:
        read_image(tmp_path / name)
    assert str(raised.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(raised.value)


@settings(max_examples=150)
@given(st.data())
def test_damaged_files_are_images_or_broken(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = saved(
        picture(24, 24), folder / f"a.{data.draw(st.sampled_from(['png', 'jpg', 'gif', 'bmp', 'tiff', 'webp']))}"
    )
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        image = read_image(path)
    except BrokenImage as error:
        assert str(error).startswith(str(path))
    else:
        assert image.mode == "RGB"


def test_where_pillow_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtra, match=r"cnndsl\[images\]"):
        read_image(tmp_path / "a.png")


def test_what_is_found(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "deep/er/c.gif", "notes.txt", "d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "round").symlink_to(tmp_path)
    found, unread, wrong = find_images([tmp_path, tmp_path / "d", tmp_path / "empty", tmp_path / "none", "\0"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.JPG", "b.png", "deep/er/c.gif", "d"]
    assert [problem.rpartition("/")[2] for problem in wrong[:2]] == ["empty holds no images", "none does not exist"]
    assert (unread, len(wrong)) == ({}, 3)


@pytest.mark.parametrize("closed", ["a", "."])
def test_a_folder_that_cannot_be_read(closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    close(tmp_path / closed, monkeypatch)
    found, unread, wrong = find_images([tmp_path])
    problem = f"{tmp_path / closed} cannot be read: Permission denied"
    if closed == ".":
        assert (found, unread, wrong) == ([], {}, [problem])
    else:
        assert (found, unread, wrong) == ([tmp_path / "b" / "2.png"], {tmp_path / "a": problem}, [])


# -- moments


@given(st.lists(st.tuples(sizes, sizes, st.integers(0, 99)), min_size=1, max_size=5))
def test_moments_are_numpys(shapes: list[tuple[int, int, int]]) -> None:
    images = [picture(*shape) for shape in shapes]
    moments = Moments()
    for image in images:
        moments.add(image)
    pixels = np.concatenate([np.asarray(image).reshape(-1, 3) for image in images]).astype(np.float64) / 255
    np.testing.assert_allclose(moments.mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.std, pixels.std(0), rtol=1e-10)
    assert (moments.images, moments.pixels) == (len(images), len(pixels))


def test_moments_keep_their_digits() -> None:
    """A million pixels that differ in two: their deviation is below what float32 sums would see."""
    moments = Moments()
    for first in (199, 201):
        values = np.full((1000, 500, 3), 200, np.uint8)
        values[0, 0] = first
        moments.add(Image.fromarray(values))
    assert moments.mean[0] == pytest.approx(200 / 255, rel=1e-15)
    assert moments.std[0] == pytest.approx((2 / 1e6) ** 0.5 / 255, rel=1e-9)


def test_grey_images_have_one_channel() -> None:
    moments = Moments()
    moments.add(picture(9, 9, mode="L").convert("RGB"))
    assert (moments.channels, len(moments.mean)) == (("grey",), 1)
    step = moments.step()
    assert step is not None
    assert cnndsl.load(f"input 1x8x8\npreprocess {step}\nID").graph.preprocess is not None
    moments.add(picture(9, 9))
    step = moments.step()
    assert step is not None
    assert cnndsl.load(f"input 3x8x8\npreprocess {step}\nID").graph.preprocess is not None


def test_no_step_for_nothing() -> None:
    moments = Moments()
    assert moments.step() is None
    moments.add(Image.new("RGB", (4, 4), (255, 0, 0)))
    assert moments.step() is None
