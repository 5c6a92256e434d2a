"""What is an image, and how one is opened: the same for every command."""

from __future__ import annotations

import os
import random
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from photographs import UNCOMMON, encoded, picture, turned_heic, write_photographs
from PIL import Image

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.export.reference.photographs import reference_pixels
from cloformer.export.source.images import Unreadable, attempts, collect_images, is_image, refuse_none
from cloformer.export.source.preprocessing import Preprocessing, load_image

RULE = Preprocessing(16, 16, 18)


def test_every_image_below_a_folder_is_taken_and_what_is_none_is_named(tmp_path: Path) -> None:
    paths = write_photographs(tmp_path)
    (tmp_path / "damaged.jpg").write_bytes(b"")  # an image by its name: whoever reads it says what is wrong
    for name in (
        "notes.txt",
        "below/film.mov",
        "BMW",
        "P1 of the list",
        ".DS_Store",
        "Thumbs.db",
        "below/.hidden.png",
    ):
        (tmp_path / name).write_bytes(
            b"\0\0\0\x14ftypqt  " if name.endswith("mov") else b"BM and other words"
        )
    os.mkfifo(tmp_path / "below" / "pipe")
    (tmp_path / "below" / "round").symlink_to(tmp_path)
    found = collect_images([tmp_path])
    assert list(found.images) == sorted([*paths, tmp_path / "damaged.jpg"])
    assert collect_images([tmp_path, paths[0]]).images == found.images  # each once
    (left_out,) = found.left_out
    assert left_out.files == ("BMW", "P1 of the list", "below/film.mov", "below/pipe", "notes.txt")
    assert str(left_out) == (
        f"left out of {tmp_path}: 5 files that are no images (BMW, P1 of the list, below/film.mov, below/pipe, notes.txt)"
    )
    assert left_out.to_json() == {"folder": str(tmp_path), "files": list(left_out.files)}


def test_what_is_given_by_itself(tmp_path: Path) -> None:
    """It is opened whatever it is called; what does not exist, or has no image, is an error at once."""
    (tmp_path / "notes.txt").write_text("words")
    assert collect_images([tmp_path / "notes.txt"]).images == (tmp_path / "notes.txt",)
    with pytest.raises(InputError, match=r"there is no image in .*1 file that is no image \(notes.txt\)"):
        collect_images([tmp_path])
    with pytest.raises(InputError, match=r"there is no file or folder .*nowhere"):
        collect_images([tmp_path / "notes.txt", tmp_path / "nowhere"])


@pytest.mark.parametrize("name", UNCOMMON)
def test_both_readers_agree_on_every_form(tmp_path: Path, name: str) -> None:
    kind, mode = UNCOMMON[name]
    path = tmp_path / "photo"
    path.write_bytes(encoded(kind, mode))
    assert is_image(path)
    shown = load_image(path)
    assert (shown.size, shown.mode) == ((48, 36), "RGB")
    if mode == "RGB":
        assert np.abs(np.asarray(shown).astype(int) - np.asarray(picture())).mean() < 6
    assert np.array_equal(reference_pixels(path, RULE), RULE.crop_image(shown))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_iphone_s_photograph_is_turned_once(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "photo.heic"
    expected = turned_heic(path, orientation)
    assert (b"irot" in path.read_bytes()) == (orientation in (3, 5, 6, 7, 8))
    shown = load_image(path)
    assert shown.size == expected.size
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(expected)).mean() < 6
    assert np.array_equal(reference_pixels(path, RULE), RULE.crop_image(shown))


@pytest.mark.parametrize("orientation", [2, 6])
def test_an_avif_is_turned_once(tmp_path: Path, orientation: int) -> None:
    path, turns = tmp_path / "photo", {2: Image.Transpose.FLIP_LEFT_RIGHT, 6: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.write_bytes(encoded("AVIF", quality=95, exif=exif))
    shown = load_image(path)
    expected = np.asarray(picture().transpose(turns[orientation])).astype(int)
    assert np.asarray(shown).shape == expected.shape
    assert np.abs(np.asarray(shown) - expected).mean() < 6
    assert np.array_equal(reference_pixels(path, RULE), RULE.crop_image(shown))


def test_heic_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.heic").write_bytes(encoded("HEIF"))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingRuntimeError, match=r"photo.heic is HEIC, .*pip install 'cloformer\[heic\]'"):
        load_image(tmp_path / "photo.heic")


@pytest.mark.parametrize("maker", ["Nikon", "DNG", "Canon"])
def test_a_camera_s_raw_file_is_not_its_preview(tmp_path: Path, maker: str) -> None:
    """They are TIFFs whose first picture is a small one."""
    plain = encoded("TIFF")
    path = tmp_path / "photo"
    path.write_bytes(
        {
            "Nikon": encoded("TIFF", tiffinfo={254: 1}),
            "DNG": encoded("TIFF", tiffinfo={50706: b"\1\4\0\0"}),
            "Canon": plain[:4] + struct.pack("<I", 16) + b"CR\2\0" + bytes(4) + plain[8:],
        }[maker]
    )
    with pytest.raises(InputError, match="raw file"):
        load_image(path)


def test_an_enormous_heic_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    data = bytearray(encoded("HEIF"))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", 30_000, 30_000)
    (tmp_path / "photo").write_bytes(data)
    with pytest.raises(InputError, match=r"pixels are more than|cannot be read"):
        load_image(tmp_path / "photo")


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_damaged_containers_are_an_image_or_an_input_error(tmp_path: Path, kind: str) -> None:
    rng, whole, path = random.Random(1), encoded(kind), tmp_path / "photo"
    for part in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(InputError, match="cannot be read"):
            load_image(path)
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(rng.choice((1, 3, 10))):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 255, rng.randrange(256)))
        path.write_bytes(damaged)
        try:
            assert load_image(path).mode == "RGB"
        except (InputError, MissingRuntimeError) as error:
            assert 2 <= len(error.lines) <= 3


def test_a_bad_one_does_not_stop_the_others(tmp_path: Path) -> None:
    for name in ("a.png", "c.png"):
        (tmp_path / name).write_bytes(encoded("PNG"))
    (tmp_path / "b.png").write_bytes(b"none")
    found = list(attempts(sorted(tmp_path.iterdir()), load_image))
    assert [isinstance(item, Unreadable) for item in found] == [False, True, False]
    bad = [item for item in found if isinstance(item, Unreadable)]
    Image.new("L", (60_000, 1)).save(tmp_path / "thin.png")
    rule = Preprocessing.imagenet(224, 224)
    (thin,) = attempts([tmp_path / "thin.png"], lambda path: rule.crop_image(load_image(path)))
    assert isinstance(thin, Unreadable) and thin.reason.startswith(
        f"image {tmp_path / 'thin.png'}: an image of 60000 x 1"
    )
    assert bad[0].to_json() == {"image": str(tmp_path / "b.png"), "reason": bad[0].reason}
    with pytest.raises(InputError, match=r"^image .*b.png cannot be read"):
        refuse_none(bad)
    with pytest.raises(InputError, match=r"none of 2 images can be read; the first: image .*b.png"):
        refuse_none(bad * 2)
