"""Where an image lies in the input: the middle of it, or all of it with a border."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from cloformer.export.reference.photographs import reference_pixels
from cloformer.export.source.placement import Placement
from cloformer.export.source.preprocessing import Preprocessing, load_image
from cloformer.io.fields import FieldError

sides = st.integers(1, 5000)


@given(sides, sides, sides, sides)
def test_a_letterbox_holds_the_whole_image_as_large_as_it_fits(
    width: int, height: int, across: int, down: int
) -> None:
    """The exact size, of which at most half a pixel is rounded, and a half up; the border is divided."""
    place = Placement.letterbox((width, height), (across, down))
    factor = min(Fraction(across, width), Fraction(down, height))
    assert place.resized == tuple(max(1, floor(factor * side + Fraction(1, 2))) for side in (width, height))
    for room, side, offset in zip((across, down), place.resized, place.offset, strict=True):
        assert 1 <= side <= room and (room - side) // 2 == -offset
    assert across in place.resized[:1] or down in place.resized[1:]


@given(st.tuples(sides, sides), st.booleans(), st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=2))
def test_a_place_in_the_input_is_found_again(
    size: tuple[int, int], is_letterbox: bool, point: list[float]
) -> None:
    place = Placement.letterbox(size, (320, 192)) if is_letterbox else Placement.middle(size, 256, (224, 224))
    np.testing.assert_allclose(place.there(place.back(np.array(point))), point, atol=1e-8)


def test_places_by_hand() -> None:
    place = Placement.letterbox((400, 200), (100, 100))
    assert (place.resized, place.offset) == ((100, 50), (0, -25))
    np.testing.assert_array_equal(
        place.back(np.array([[0, 25], [100, 75], [50, 50]])), [[0, 0], [400, 200], [200, 100]]
    )
    middle = Placement.middle((400, 200), 100, (60, 60))
    assert (middle.resized, middle.offset) == ((200, 100), (70, 20))
    np.testing.assert_array_equal(middle.back(np.array([0, 0])), [140, 40])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("width", "height"), [(23, 11), (11, 23), (7, 7), (1, 40)])
def test_pixels(width: int, height: int, orientation: int, tmp_path: Path) -> None:
    """The resized image with a border, by Pillow alone; and by the second implementation, which parity feeds the model with."""
    noise = np.random.default_rng(width + orientation).integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(noise)
    exif = image.getexif()
    exif[ExifTags.Base.Orientation] = orientation
    image.save(tmp_path / "x.png", exif=exif)
    upright = load_image(tmp_path / "x.png")
    rule = Preprocessing(16, 20, 20, "bilinear", crop="letterbox", color_order="BGR", fill=9)
    (across, down), (left, top) = (lambda p: (p.resized, p.offset))(rule.placement(*upright.size))
    resized = upright.resize((across, upright.height), Image.Resampling.BILINEAR).resize(
        (across, down), Image.Resampling.BILINEAR
    )
    want = np.full((16, 20, 3), 9, np.uint8)
    want[-top : -top + down, -left : -left + across] = np.asarray(resized)
    assert np.array_equal(rule.crop_image(upright), want[..., ::-1])
    assert np.array_equal(reference_pixels(tmp_path / "x.png", rule), want[..., ::-1])


def test_what_is_written_is_read() -> None:
    rule = Preprocessing(16, 20, 20, crop="letterbox", fill=3)
    assert Preprocessing.from_json(rule.to_json()) == rule
    assert "fill" not in Preprocessing.imagenet(8, 8).to_json()
    assert rule.at_size(32, 8).resize_size == 32
    with pytest.raises(FieldError, match="fill"):
        Preprocessing.from_json(Preprocessing.imagenet(8, 8).to_json() | {"fill": 3})


@pytest.mark.parametrize(
    ("change", "field"),
    [({"resize_size": 21}, "resize_size"), ({"fill": 256}, "fill"), ({"fill": 1.5}, "fill")],
)
def test_what_does_not_fit(change: dict[str, object], field: str) -> None:
    document = Preprocessing(16, 20, 20, crop="letterbox").to_json() | change
    with pytest.raises(FieldError, match=field):
        Preprocessing.from_json(document)
