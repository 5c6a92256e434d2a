"""Files of images, and what Python makes of each: the law of the web bundle's JavaScript. ``python -m web.core.fixtures FOLDER``
writes them; ``cases.mjs`` beside it says what is held to them."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from device_law import SEEN, drawn, manifest_json, seen_json
from PIL import ExifTags, Image

from cloformer.errors import InputError
from cloformer.export.artifact.kit import kit_images
from cloformer.export.bundle.payload import KIT_INDEX, KIT_SCHEMA_VERSION
from cloformer.export.source.function import Output
from cloformer.export.source.placement import Placement
from cloformer.export.source.preprocessing import INTERPOLATIONS, Preprocessing, load_image
from cloformer.export.source.signature import TensorSpec

from .odd_files import COLOURS, SIGNATURE, chunk, png, turned, xmp

__all__ = ["write_fixtures"]

_Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_SIZES = (
    (1, 1), (1, 37), (41, 1), (2, 3), (7, 5), (31, 64), (64, 31), (224, 224), (256, 256), (257, 255), (640, 427), (333, 1001), (1023, 321),
    (3000, 2), (1, 3000), (1999, 1500),
)  # fmt: skip
_MATRIX_SIZES = ((1, 1), (3, 2), (1, 9), (9, 1), (8, 8), (19, 13))
_RULES = (
    Preprocessing.imagenet(224, 224),
    Preprocessing(48, 64, 64, color_order="BGR", mean=(0.5, 0.4, 0.3), std=(0.25, 0.5, 0.125)),
    Preprocessing(33, 31, 36, scale=1.0, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)),
    Preprocessing(65, 65, 65),  # nothing to cut from the short side
    Preprocessing(32, 32, 37),  # an odd number to cut: half a pixel on each side
)
_MODES = ("RGB", "L", "P", "RGBA", "LA", "1")
_COUNT = 96  # half of them with a border
_SIDES = 160
_SEEN_SIZES = ((1, 1), (1, 37), (41, 1), (7, 5), (64, 31), (640, 427), (333, 1001))


def write_fixtures(folder: Path) -> None:
    """``rules.json`` with images and rules, ``sides.json`` with images one side of which changes, ``decoded.json`` with PNG files of every kind, ``photographs.json`` with files that browsers
    decode, ``seen.json`` with outputs and what they say, ``payload`` and ``conformance`` with a bundle of a model that gives the mean of each
    channel."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "rules.json", list(_ruled(folder)))
    _write(folder / "sides.json", list(_sides(folder)))
    _write(folder / "decoded.json", list(_decoded(folder)))
    _write(folder / "photographs.json", list(_photographs(folder)))
    _write(folder / "seen.json", [_seen(number, size) for number in range(len(SEEN)) for size in _SEEN_SIZES])
    (folder / "enormous.png").write_bytes(
        SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**30, 2**30, 8, 2, 0, 0, 0))
    )
    _bundle(folder)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(rows), "utf-8")


def _ruled(folder: Path) -> Iterator[dict[str, Any]]:
    """Images of odd sizes and all modes in all eight orientations, and what every rule makes of each."""
    draw = np.random.Generator(np.random.PCG64(7))
    for number in range(_COUNT):
        rule = replace(
            _RULES[number % len(_RULES)], interpolation=INTERPOLATIONS[number % len(INTERPOLATIONS)]
        )
        if number % 2:
            rule = replace(
                rule, crop="letterbox", resize_size=max(rule.height, rule.width), fill=7 * number % 256
            )
        width, height = _SIZES[number % len(_SIZES)]
        mode, name = _MODES[number // 2 % len(_MODES)], f"rule-{number:02}.png"
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 1 + number // 2 % 8
        image = Image.fromarray(_noise(draw, width, height, 4), "RGBA").convert(mode)
        image.save(folder / name, exif=exif, compress_level=1)
        upright = load_image(folder / name)
        row = {"name": name, "mode": mode, "preprocessing": rule.to_json(), "points": []}
        try:
            pixels = rule.crop_image(upright)
        except InputError:  # too thin to be resized
            yield row | {"is_refused": True}
            continue
        (folder / f"{name}.pixels").write_bytes(pixels.tobytes())
        (folder / f"{name}.f32").write_bytes(rule.normalize(pixels).astype("<f4").tobytes())
        yield row | {"is_refused": False, "points": _points(rule, upright)}


def _sides(folder: Path) -> Iterator[dict[str, Any]]:
    """Images of one line, from a size to another: where rounding adds up, it shows in long ones."""
    draw = np.random.Generator(np.random.PCG64(5))
    for number in range(_SIDES):
        before, after = (int(side) for side in np.exp(draw.uniform(0, np.log(3000), 2)))
        name, interpolation = f"side-{number:03}", INTERPOLATIONS[number % len(INTERPOLATIONS)]
        is_wide = number // len(INTERPOLATIONS) % 2 == 0
        (width, height), (across, down) = ((before, 2), (after, 2)) if is_wide else ((2, before), (2, after))
        stored = _noise(draw, width, height, 3)
        resized = Image.fromarray(stored).resize((across, down), Image.Resampling[interpolation.upper()])
        (folder / f"{name}.rgb").write_bytes(stored.tobytes())
        (folder / f"{name}.resized").write_bytes(resized.tobytes())
        yield {
            "name": name,
            "interpolation": interpolation,
            "width": width,
            "height": height,
            "across": across,
            "down": down,
        }


def _points(rule: Preprocessing, image: Image.Image) -> list[list[float]]:
    """Places in the input, and where they are in the upright image."""
    places = np.array([(0, 0), (rule.width / 3, rule.height / 7), (rule.width, rule.height), (-2.5, 1e3)])
    back = rule.placement(image.width, image.height).back(places)
    return np.concatenate((places, back), 1).tolist()


def _noise(draw: np.random.Generator, width: int, height: int, channels: int) -> _Bytes:
    """Noise, which no filter leaves alone, and hard edges, over which they overshoot."""
    noise = draw.integers(0, 256, (height, width, channels), np.uint8)
    edges = np.where(draw.integers(0, 2, (height, width, 1)), 255, 0).astype(np.uint8)
    return np.where(draw.integers(0, 3, (height, width, 1)), noise, edges)


def _decoded(folder: Path) -> Iterator[dict[str, Any]]:
    """PNG files of every type of colour, number of bits and order of rows, with each filter of rows; and the ways to say how an
    image is turned."""
    draw = np.random.Generator(np.random.PCG64(11))
    kinds = [
        (colour, bits, order) for colour, (_, each) in COLOURS.items() for bits in each for order in (0, 1)
    ]
    for colour, bits, order in kinds:
        for width, height in _MATRIX_SIZES:
            yield _row(
                folder,
                f"png-{colour}-{bits}-{order}-{width}x{height}.png",
                png(draw, width, height, colour, bits, order),
            )
    for name, chunks in turned().items():
        yield _row(folder, f"turned-{name}.png", png(draw, 4, 3, 2, 8, 0, chunks))
    for mode in ("RGB", "P", "L"):  # transparency that is a colour of its own
        stream = io.BytesIO()
        Image.fromarray(_noise(draw, 9, 7, 3)).convert(mode).save(
            stream, "PNG", transparency=(9, 9, 9) if mode == "RGB" else 9
        )
        yield _row(folder, f"transparent-{mode}.png", stream.getvalue())


def _row(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    (folder / name).write_bytes(content)
    try:
        image = load_image(folder / name)
    except InputError:
        return {"name": name, "is_refused": True}
    (folder / f"{name}.rgb").write_bytes(image.tobytes())
    return {"name": name, "is_refused": False, "width": image.width, "height": image.height}


def _photographs(folder: Path) -> Iterator[dict[str, Any]]:
    """JPEG and WebP files as cameras and programs write them: smooth colours with noise and edges."""
    draw = np.random.Generator(np.random.PCG64(13))
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[ExifTags.Base.Orientation] = orientation
        yield _photograph(folder, f"turned-{orientation}.jpg", _picture(draw, 67, 45), quality=92, exif=exif)
    for name, options in (
        ("444", {"subsampling": 0}), ("422", {"subsampling": 1}), ("420", {"subsampling": 2}), ("progressive", {"progressive": True}),
        ("restarts", {"restart_marker_blocks": 3}), ("low", {"quality": 30}), ("profile", {"icc_profile": _wide()}),
    ):  # fmt: skip
        yield _photograph(folder, f"{name}.jpg", _picture(draw, 333, 251), **{"quality": 90, **options})
    yield _photograph(folder, "xmp.jpg", _picture(draw, 40, 30), quality=90, xmp=xmp(6))
    yield _photograph(folder, "rgb.jpg", _picture(draw, 99, 77), quality=95, keep_rgb=True)
    yield _photograph(folder, "grey.jpg", _picture(draw, 99, 77).convert("L"), quality=90)
    yield _photograph(folder, "cmyk.jpg", _picture(draw, 99, 77).convert("CMYK"), quality=95)
    yield _photograph(folder, "large.jpg", _picture(draw, 2100, 1300), quality=90)
    yield _photograph(folder, "still.gif", _picture(draw, 99, 77).quantize(64))
    yield _photograph(folder, "plain.bmp", _picture(draw, 99, 77))
    exif[ExifTags.Base.Orientation] = 6
    transparent = Image.fromarray(_noise(draw, 61, 40, 4), "RGBA")
    transparent.save(
        folder / "kept.webp", lossless=True, exact=True
    )  # whose transparency is part of its pixels
    yield _photograph(
        folder, "lossy.webp", _picture(draw, 120, 90), quality=90, exif=exif, icc_profile=_wide()
    )
    yield _photograph(folder, "lossless.webp", _picture(draw, 120, 90), lossless=True, exif=exif)
    yield _photograph(folder, "transparent.webp", transparent, quality=90, exif=exif)


def _photograph(folder: Path, name: str, image: Image.Image, **options: Any) -> dict[str, Any]:
    stream = io.BytesIO()
    image.save(
        stream,
        {"jpg": "JPEG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP"}[name.rpartition(".")[2]],
        **options,
    )
    return _row(folder, name, stream.getvalue())


def _picture(draw: np.random.Generator, width: int, height: int) -> Image.Image:
    small = Image.fromarray(draw.integers(0, 256, (-(-height // 16), -(-width // 16), 3), np.uint8))
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray(np.clip(smooth + draw.integers(-6, 7, smooth.shape), 0, 255).astype(np.uint8))


def _wide() -> bytes:
    """A profile that exchanges colours: one that is followed is seen."""
    from PIL import ImageCms

    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(content[at : at + 4]): at
        for at in range(132, 132 + 12 * struct.unpack(">I", content[128:132])[0], 12)
    }
    red, blue = (tags[name] for name in (b"rXYZ", b"bXYZ"))
    content[red + 4 : red + 12], content[blue + 4 : blue + 12] = (
        content[blue + 4 : blue + 12],
        content[red + 4 : red + 12],
    )
    return bytes(content)


def _seen(number: int, image: tuple[int, int]) -> dict[str, Any]:
    """Numbers in the place of a network's outputs, and what Python says of them on an image of that size."""
    outputs, is_suppressed, labels, _, size = SEEN[number]
    draw = np.random.default_rng(number * 100 + sum(image))
    given = {item.spec.name: drawn(draw, item.spec, shares=True) for item in outputs}
    placed = Placement.letterbox(image, (size[1], size[0]))
    return {
        "manifest": manifest_json(outputs, size, is_suppressed=is_suppressed, form="onnx"), "labels": labels, "image": list(image),
        "given": {name: value.reshape(-1).astype(np.float32).tolist() for name, value in given.items()},
        **seen_json(outputs, given, placed, size, labels, is_suppressed=is_suppressed),
    }  # fmt: skip


def _bundle(folder: Path) -> None:
    """What `cloformer bundle web` writes, of a model that a check can run by itself: the mean of each channel of its input."""
    payload, conformance = folder / "payload", folder / "conformance"
    for each in (payload, conformance):
        each.mkdir(exist_ok=True)
    rule = Preprocessing.imagenet(64, 64)
    model, labels = (
        _listed(payload, "model.onnx", b"no model"),
        _listed(payload, "labels.txt", b"red\ngreen\nblue\n"),
    )
    output = Output(
        TensorSpec("logits", (1, 3), role="logits"), labels="labels.txt", postprocessing="softmax"
    )
    document = json.loads(manifest_json([output], (64, 64), is_suppressed=False, form="onnx"))
    document |= {
        "model": {"path": "model.onnx"},
        "files": [model | {"role": "model"}, labels | {"role": "labels"}],
    }
    document["functions"][0]["inputs"][0] |= {"preprocessing": rule.to_json(), "preprocessing_inside": False}
    manifest = _listed(payload, "manifest.json", json.dumps(document).encode())
    files, vectors = [], []
    for image in kit_images(rule):
        pixels = image.pixels(rule)
        given = rule.normalize(rule.in_order(pixels))
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        content = {
            image.file: image.content, f"{image.name}.pixels.png": stream.getvalue(), f"{image.name}.input.f32": given.astype("<f4").tobytes(),
            f"{image.name}.output0.f32": given.mean((2, 3), np.float64).astype("<f4").tobytes(),
        }  # fmt: skip
        files += [_listed(conformance, name, each) for name, each in content.items()]
        expected = {
            "file": f"{image.name}.output0.f32",
            "max_rel": 1e-3,
            "min_cosine": 0.999,
            "because": "it is a mean",
        }
        vectors.append({
            "name": image.name, "aims_at": image.aims_at, "image": image.file, "compares": image.compares, "pixels": f"{image.name}.pixels.png",
            "input": f"{image.name}.input.f32", "outputs": {"logits": expected},
        })  # fmt: skip
    kit = {
        "schema_version": KIT_SCHEMA_VERSION,
        "manifest_sha256": manifest["sha256"],
        "model_sha256": model["sha256"],
        "files": files,
    }
    (conformance / KIT_INDEX).write_text(json.dumps(kit | {"vectors": vectors}), "utf-8")


def _listed(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    (folder / name).write_bytes(content)
    return {"path": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


if __name__ == "__main__":
    write_fixtures(Path(sys.argv[1]))
