"""The conformance kit: each image shows its own mistake and no other, and the expected outputs are the model's."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from PIL import Image, ImageOps
from safetensors.numpy import load_file, save_file

from cloformer.errors import InputError
from cloformer.export.artifact import kit
from cloformer.export.artifact.folder import KIT, read_artifact
from cloformer.export.artifact.kit import KitImage, kit_images, read_kit
from cloformer.export.source.preprocessing import Preprocessing

RULE = Preprocessing.imagenet(224, 224)
Floats = npt.NDArray[np.float64]


def _app(
    image: KitImage,
    rule: Preprocessing = RULE,
    *,
    background: tuple[int, int, int] | None = None,
    turns: bool = True,
    from_corner: bool = False,
    swaps: bool = False,
    normalizes: Callable[[Floats], Floats] | None = None,
) -> npt.NDArray[np.generic]:
    """An app's own preprocessing, written apart from ours, with a mistake if one is asked for."""
    picture: Image.Image = Image.open(io.BytesIO(image.content))
    if turns:
        picture = ImageOps.exif_transpose(picture)
    if background is not None and picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (*background, 255)), picture)
    picture = picture.convert("RGB")
    short, long = min(picture.size), max(picture.size)
    other = int(rule.resize_size * long / short)
    is_tall = picture.width <= picture.height
    picture = picture.resize(
        (rule.resize_size, other) if is_tall else (other, rule.resize_size),
        Image.Resampling[rule.interpolation.upper()],
    )
    left, top = (round((side - 224) / 2) for side in picture.size)
    left, top = (0, 0) if from_corner else (left, top)
    pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)))[..., :: -1 if swaps else 1]
    if image.compares == "pixels":
        return pixels
    scaled = pixels / 255
    normal = (scaled - rule.mean) / rule.std if normalizes is None else normalizes(scaled)
    return normal.transpose(2, 0, 1)[None].astype(np.float32)


_MISTAKES: dict[str, tuple[str, dict[str, object]]] = {
    "red and blue are swapped": ("channel-order", {"swaps": True}),
    "no mean and no standard deviation": ("normalization", {"normalizes": lambda x: x}),
    "to -1 .. 1": ("normalization", {"normalizes": lambda x: 2 * x - 1}),
    "mean and deviation from the other end": (
        "normalization",
        {"normalizes": lambda x: (x - RULE.mean[::-1]) / RULE.std[::-1]},
    ),
    "bilinear": ("resize-filter", {"rule": replace(RULE, interpolation="bilinear")}),
    "nearest": ("resize-filter", {"rule": replace(RULE, interpolation="nearest")}),
    "lanczos": ("resize-filter", {"rule": replace(RULE, interpolation="lanczos")}),
    "cut from the corner": ("crop", {"from_corner": True}),
    "EXIF is not looked at": ("orientation", {"turns": False}),
    "blended with black, as premultiplied": ("alpha", {"background": (0, 0, 0)}),
    "blended with white": ("alpha", {"background": (255, 255, 255)}),
}


def _wrong(**mistake: object) -> set[str]:
    wrong = set()
    for image in kit_images(RULE):
        if image.compares == "outputs":
            continue
        pixels = image.pixels(RULE)
        expected = pixels if image.compares == "pixels" else RULE.normalize(pixels)
        got = _app(image, **mistake)  # type: ignore[arg-type]
        if got.shape != expected.shape or np.abs(got.astype(float) - expected).max() > 1e-6:
            wrong.add(image.name)
    return wrong


def test_without_a_mistake_nothing_is_wrong() -> None:
    assert _wrong() == set()


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_a_mistake_fails_its_own_vector_alone(mistake: str) -> None:
    name, options = _MISTAKES[mistake]
    assert _wrong(**options) == {name}


def test_the_turned_jpeg_is_decoded_to_the_bit() -> None:
    """Four greys and no other, so that another decoder cannot be blamed."""
    image = next(image for image in kit_images(RULE) if image.name == "orientation")
    pixels = image.pixels(RULE)
    assert sorted(np.unique(pixels)) == [32, 96, 160, 224]
    # Stored as 32 96 / 160 224; upright, after a quarter turn clockwise, as 160 32 / 224 96.
    assert (pixels[0, 0, 0], pixels[0, 8, 0]) == (160, 32)
    assert (pixels[8, 0, 0], pixels[8, 8, 0]) == (224, 96)


def test_the_same_bytes_again() -> None:
    assert tuple(kit_images(RULE)) == kit._images_of.__wrapped__(RULE.resize_size)


def test_blue_first() -> None:
    """The kit's pixels are R, G, B whatever the model takes; its input is in the model's order."""
    turned = replace(RULE, color_order="BGR", mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))
    image = next(image for image in kit_images(RULE) if image.name == "channel-order")
    assert np.array_equal(image.pixels(turned), image.pixels(RULE))
    plain = replace(turned, color_order="RGB")
    pixels = image.pixels(RULE)
    assert np.array_equal(
        turned.normalize(turned.in_order(pixels)), plain.normalize(plain.in_order(pixels))[:, ::-1]
    )


def test_onnx_runtime_gives_the_expected_outputs(artifacts: dict[str, Path]) -> None:
    artifact = read_artifact(artifacts["onnx"])
    session = onnxruntime.InferenceSession(artifact.model_path)
    vectors = read_kit(artifact)
    assert [vector.image.name for vector in vectors] == [image.name for image in kit_images(RULE)]
    for vector in vectors:
        (logits,) = session.run(None, {"image": vector.input})
        expected = vector.outputs["logits"]
        assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


def test_core_ml_has_the_same_kit(artifacts: dict[str, Path]) -> None:
    both = [read_kit(read_artifact(artifacts[name])) for name in ("onnx", "coreml")]
    for first, second in zip(*both, strict=True):
        assert np.array_equal(first.outputs["logits"], second.outputs["logits"])


def _copied(folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("manifest.json", KIT):
        shutil.copyfile(folder / name, copy / name)
    return copy


def _with_other_pixels(path: Path) -> None:
    tensors = load_file(path)
    save_file(tensors, path, {image.name: "0" * 64 for image in kit_images(RULE)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.unlink(), "there is no file"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "cannot be read"),
        (_with_other_pixels, "not the ones that the export made"),
    ],
    ids=["missing", "cut short", "other pixels"],
)
def test_a_kit_that_is_not_whole(
    artifacts: dict[str, Path], tmp_path: Path, change: Callable[[Path], object], words: str
) -> None:
    folder = _copied(artifacts["onnx"], tmp_path)
    change(folder / KIT)
    with pytest.raises(InputError, match=words):
        read_kit(read_artifact(folder, verify=False))
