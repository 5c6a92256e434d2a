"""From a photograph to the model's input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cloformer.export.check import PHOTOGRAPH
from cloformer.export.errors import InputError
from cloformer.export.preprocessing import Preprocessing, load_image


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


def test_normalization() -> None:
    rule = Preprocessing.imagenet(32, 32)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    got = rule.normalize(pixels)
    assert got.shape == (1, 3, 32, 32)
    assert got.dtype == np.float32
    for channel, (mean, std) in enumerate(zip(rule.mean, rule.std, strict=True)):
        np.testing.assert_allclose(
            got[0, channel], (pixels[..., channel] / 255 - mean) / std, rtol=0, atol=1e-6
        )


def test_channel_order_and_grey() -> None:
    image = _gradient(64, 64)
    rgb = Preprocessing(32, 32, 36)
    bgr = Preprocessing(32, 32, 36, color_order="BGR")
    assert np.array_equal(rgb.crop_image(image)[..., ::-1], bgr.crop_image(image))
    grey = Preprocessing(32, 32, 36, mean=(0.5,), std=(0.5,))
    assert grey.prepare(image).shape == (1, 1, 32, 32)


def test_json_round_trip() -> None:
    rule = Preprocessing(32, 48, 50, "bilinear", color_order="BGR", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    assert Preprocessing.from_json(rule.to_json()) == rule


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
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError):
        load_image(PHOTOGRAPH)
