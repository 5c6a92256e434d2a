"""From a photograph to the model's input."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import random
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from cloformer.errors import InputError
from cloformer.export.reference.cases import PHOTOGRAPH
from cloformer.export.source.preprocessing import Preprocessing, load_image


def _gradient(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    channels = [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) % 256]
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (256, 256), (1000, 260), (50, 60)])
def test_sizes_and_crop(width: int, height: int) -> None:
    """Short side to 256, the long side rounded down, the crop in the middle."""
    image = _gradient(width, height)
    rule = Preprocessing.imagenet(224, 224)
    short = min(width, height)
    resized = image.resize((int(256 * width / short), int(256 * height / short)), Image.Resampling.BICUBIC)
    left, top = round((resized.width - 224) / 2), round((resized.height - 224) / 2)
    expected = np.asarray(resized)[top : top + 224, left : left + 224]
    assert np.array_equal(rule.crop_image(image), expected)


@pytest.mark.parametrize(("size", "short"), [(224, 256), (192, 219), (256, 292), (288, 329), (32, 36)])
def test_short_side_of_the_published_evaluation(size: int, short: int) -> None:
    """int(256 / 224 * size), as the authors' evaluation computes it; for a long crop, of its long side."""
    assert Preprocessing.imagenet(size, size).resize_size == short == int(256 / 224 * size)
    assert (
        Preprocessing.imagenet(size, 16).resize_size == Preprocessing.imagenet(16, size).resize_size == short
    )


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_interpolations_and_long_crops(interpolation: str) -> None:
    image = _gradient(90, 61)
    rule = Preprocessing(20, 40, 45, interpolation)
    resized = image.resize((math.floor(45 * 90 / 61), 45), Image.Resampling[interpolation.upper()])
    left, top = round((66 - 40) / 2), round((45 - 20) / 2)  # 12.5 is rounded to the even 12
    expected = np.asarray(resized)[top : top + 20, left : left + 40]
    assert np.array_equal(rule.crop_image(image), expected)
    assert rule(image).shape == (1, 3, 20, 40)


# SHA-256, 16 digits, of what Pillow 12.0.0 gives in one step: the middle 42 rows of 43 x 92 noise made 42 x 89.
_TALL = {"bilinear": "5cac4a97505c2add", "bicubic": "aeea3eb150e01f87", "lanczos": "cb37630879c4d699"}


@pytest.mark.parametrize("interpolation", _TALL)
def test_tall_images_do_not_depend_on_the_version_of_pillow(interpolation: str) -> None:
    """From 13 on, Pillow itself resizes the height first here, and some pixels differ by 15."""
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (92, 43, 3), np.uint8)
    pixels = Preprocessing(42, 42, 42, interpolation).crop_image(Image.fromarray(noise))
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:16] == _TALL[interpolation]


def test_pixels_can_be_written_to() -> None:
    for rule in (Preprocessing(8, 8, 9), Preprocessing(8, 8, 9, mean=(0.5,), std=(0.5,))):
        pixels = rule.crop_image(_gradient(20, 20))
        assert pixels.flags.writeable
        assert pixels.dtype == np.uint8


def test_an_image_of_any_mode_is_cropped() -> None:
    rule, image = Preprocessing(8, 8, 9), _gradient(20, 20)
    assert np.array_equal(rule.crop_image(image.convert("RGBA")), rule.crop_image(image))
    assert rule.crop_image(image.convert("L")).shape == (8, 8, 3)


def test_thin_images_do_not_take_the_memory() -> None:
    """A line of 60000 pixels would be 15 million pixels long and 256 wide."""
    with pytest.raises(InputError, match="too thin") as caught:
        Preprocessing.imagenet(224, 224).crop_image(Image.new("L", (60000, 1)))
    assert len(caught.value.lines) == 2
    assert Preprocessing.imagenet(224, 224).crop_image(Image.new("RGB", (4000, 100))).shape == (224, 224, 3)


def test_normalization() -> None:
    rule = Preprocessing.imagenet(32, 32)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    got = rule.normalize(pixels)
    assert got.shape == (1, 3, 32, 32)
    assert got.dtype == np.float32
    for channel, (mean, std) in enumerate(zip(rule.mean, rule.std, strict=True)):
        in_float64 = (pixels[..., channel] * (1 / 255) - mean) / std
        assert np.array_equal(got[0, channel], in_float64.astype(np.float32))
        scaled = pixels[..., channel].astype(np.float32) * np.float32(1 / 255)
        in_float32 = (scaled - np.float32(mean)) / np.float32(std)
        np.testing.assert_allclose(got[0, channel], in_float32, rtol=0, atol=1e-6)
    image = _gradient(50, 40)
    assert np.array_equal(rule(image), rule.normalize(rule.crop_image(image)))


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
    ids=["one channel", "no channels", "floats"],
)
def test_pixels_that_do_not_fit(pixels: Any) -> None:
    with pytest.raises(ValueError, match="normalize takes uint8"):
        Preprocessing(4, 4, 4).normalize(pixels)


def test_channel_order_and_grey() -> None:
    image = _gradient(64, 64)
    rgb = Preprocessing(32, 32, 36)
    bgr = Preprocessing(32, 32, 36, color_order="BGR")
    assert np.array_equal(rgb.crop_image(image)[..., ::-1], bgr.crop_image(image))
    grey = Preprocessing(32, 32, 36, mean=(0.5,), std=(0.5,))
    assert grey.prepare(image).shape == (1, 1, 32, 32)


def test_json_round_trip() -> None:
    rule = Preprocessing(32, 48, 50, "bilinear", color_order="BGR", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    assert Preprocessing.from_json(json.loads(json.dumps(rule.to_json()))) == rule


@pytest.mark.parametrize(
    "change",
    [{"mean": "abc"}, {"mean": 3}, {"extra": 1}, {"height": "8"}, {"std": [1, None, 1]}, {"mean": []}],
)
def test_json_of_something_else(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Preprocessing.from_json({**Preprocessing(8, 8, 9).to_json(), **change})
    for missing in ("mean", "height"):
        with pytest.raises(ValueError, match=missing):
            Preprocessing.from_json(
                {k: v for k, v in Preprocessing(8, 8, 9).to_json().items() if k != missing}
            )


@pytest.mark.parametrize(
    "wrong",
    [
        {"std": (0.0, 1.0, 1.0)},
        {"std": (1.0,)},
        {"resize_size": 31},
        {"height": 0},
        {"interpolation": "fancy"},
        {"color_order": "GBR"},
        {"crop": "corner"},
        {"scale": 0.0},
        {"scale": math.nan},
        {"mean": (math.nan, 0.0, 0.0)},
        {"std": (math.inf, 1.0, 1.0)},
        {"mean": (0.0, 0.0), "std": (1.0, 1.0)},
        {"width": 32.5},
        {"resize_size": None},
    ],
)
def test_values_that_mean_nothing(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Preprocessing(**{"height": 32, "width": 32, "resize_size": 36, **wrong})


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_gives_the_same_pixels(tmp_path: Path, orientation: int) -> None:
    upright = _gradient(40, 30)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(np.asarray(load_image(tmp_path / "photo.png")), np.asarray(upright))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray((np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16))
    else:
        image = _gradient(64, 64).convert(mode)
    path = tmp_path / ("photo.jpg" if mode in ("CMYK", "YCbCr") else "photo.png")
    image.save(path)
    loaded = load_image(path)
    assert loaded.mode == "RGB"
    assert len(np.unique(np.asarray(loaded))) > 1


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    loaded = np.asarray(load_image(tmp_path / "deep.png"))[..., 0]
    assert np.abs(loaded.astype(int) - values // 257).max() <= 1


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_sixteen_bits_in_every_byte_order(tmp_path: Path, mode: str) -> None:
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    stored = values.astype({"I;16": "<u2", "I;16B": ">u2", "I": "i4"}[mode])
    Image.frombytes(mode, (8, 8), stored.tobytes()).save(tmp_path / "deep.tif")
    assert np.array_equal(np.asarray(load_image(tmp_path / "deep.tif"))[..., 0], values >> 8)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_without_a_known_white(tmp_path: Path, dtype: type) -> None:
    Image.fromarray(np.full((4, 4), 10**6, dtype)).save(tmp_path / "scan.tif")
    with pytest.raises(InputError, match="its pixels"):
        load_image(tmp_path / "scan.tif")


def test_transparency_is_ignored(tmp_path: Path) -> None:
    image = _gradient(16, 16).convert("RGBA")
    image.putalpha(0)
    image.save(tmp_path / "clear.png")
    assert np.array_equal(np.asarray(load_image(tmp_path / "clear.png")), np.asarray(_gradient(16, 16)))


def test_what_is_not_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = PHOTOGRAPH.read_bytes()
    cases = {
        "text.jpg": b"not an image",
        "empty.jpg": b"",
        "half.jpg": photo[: len(photo) // 2],
        "head.jpg": photo[:30],
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.jpg").mkdir()
    for path in [*(tmp_path / name for name in cases), tmp_path / "missing.jpg", tmp_path / "folder.jpg"]:
        with pytest.raises(InputError) as caught:
            load_image(path)
        assert str(path) in str(caught.value)
        assert 2 <= len(caught.value.lines) <= 3
    with pytest.raises(InputError):
        load_image(tmp_path / ("n" * 300))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError):
        load_image(PHOTOGRAPH)


def test_what_is_not_a_file(tmp_path: Path) -> None:
    """A pipe would be waited for, a device read for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="is a pipe or a device, not a file"):
            load_image(path)


def test_programs_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(InputError, match="PostScript"):
        load_image(tmp_path / "photo.jpg")


def _encoded(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 1, "a maker"
    given = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
    Image.open(PHOTOGRAPH).resize((64, 48)).save(stream, kind, **given, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        *((kind, {}) for kind in ("PNG", "WEBP", "GIF", "TIFF", "BMP")),
    ],
)
def test_half_an_image_is_none(
    tmp_path: Path, kind: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the process was told, as training code likes to do, to take half images for whole ones."""
    whole, path = _encoded(kind, **options), tmp_path / "photo"
    path.write_bytes(whole)
    assert load_image(path).size == (64, 48)
    for allowed in (False, True):
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", allowed)
        for part in (0.1, 0.5, 0.9):
            path.write_bytes(whole[: int(len(whole) * part)])
            with pytest.raises(InputError, match="cannot be read"):
                load_image(path)
        assert ImageFile.LOAD_TRUNCATED_IMAGES is allowed


@pytest.mark.parametrize("limit", [10_000_000, None])
def test_decompression_bombs(tmp_path: Path, limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 million pixels in a few kilobytes; also with Pillow's limit switched off."""
    path = tmp_path / "bomb.png"
    Image.new("1", (20000, 10000)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(InputError, match="pixels"):
        load_image(path)


def test_large_photographs_are_read_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)  # the photograph has 135 300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(PHOTOGRAPH).size == (451, 300)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DDS", "ICO"])
def test_damaged_bytes_are_an_image_or_an_input_error(tmp_path: Path, kind: str) -> None:
    """Nothing else, whatever the decoder and the reader of the EXIF data stumble over."""
    rng, whole, path = random.Random(1), _encoded(kind), tmp_path / "photo"
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.choice((1, 3, 10))):
            damaged[rng.randrange(min(len(damaged), 200))] = rng.choice((0, 255, rng.randrange(256)))
        path.write_bytes(damaged)
        try:
            assert load_image(path).mode == "RGB"
        except InputError as error:
            assert 2 <= len(error.lines) <= 3


def test_the_module_is_imported_quickly(python: str) -> None:
    code = "import sys, cloformer.export.source.preprocessing; print({'PIL', 'numpy', 'torch'} & set(sys.modules))"
    shown = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
