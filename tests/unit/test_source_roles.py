"""What outputs mean: which tensors can have which role, and what goes together."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloformer.errors import InputError
from cloformer.export.source.function import Output
from cloformer.export.source.roles import (
    Coordinates,
    OutputRole,
    axes_of,
    check_role,
    check_together,
    class_axis,
)
from cloformer.export.source.signature import OUTPUT_ROLES, TensorSpec
from cloformer.export.source.spec import read_spec
from cloformer.io.fields import FieldError, Fields

PIXELS, SHARES = Coordinates("xyxy", "pixels"), Coordinates("center_size", "shares")
POINTS = Coordinates("xy", "pixels")
# A tensor of each role that is right, and the axis of its classes.
RIGHT = [
    (TensorSpec("x", (5,), role="tensor"), None, None),
    (TensorSpec("x", (1, 5), role="logits"), None, 1),
    (TensorSpec("x", (1, 7, 5), role="probabilities"), None, 2),
    (TensorSpec("x", (1, 5, 8, 9), role="class_scores"), None, 1),
    (TensorSpec("x", (1, 8, 9), "int64", "class_map"), None, None),
    (TensorSpec("x", (1, 6, 4), role="boxes"), PIXELS, None),
    (TensorSpec("x", (1, 6, 4), "float16", role="boxes"), SHARES, None),
    (TensorSpec("x", (1, 6), role="box_scores"), None, None),
    (TensorSpec("x", (1, 6, 5), role="box_scores"), None, 2),
    (TensorSpec("x", (1, 6), "int32", role="box_classes"), None, None),
    (TensorSpec("x", (1, 6, 8, 9), "bool", role="masks"), None, None),
    (TensorSpec("x", (1, 17, 3), role="keypoints"), POINTS, None),
    (TensorSpec("x", (1, 2, 17, 2), role="keypoints"), POINTS, None),
    (TensorSpec("x", (1, 3, 16, 18), role="image"), None, None),
]
# What is wrong, and a word of what is said.
WRONG = [
    (TensorSpec("x", (1, 5, 8), role="class_scores"), None, "[batch, class, height, width]"),
    (TensorSpec("x", (1, 8, 9), role="class_map"), None, "int64 or int32"),
    (TensorSpec("x", (1, 6, 5), role="boxes"), PIXELS, "the last size of boxes is 4"),
    (TensorSpec("x", (1, 6, 4), role="boxes"), None, "which form and unit"),
    (TensorSpec("x", (1, 6, 4), role="boxes"), POINTS, "xyxy or center_size"),
    (TensorSpec("x", (1, 6, 4), "int64", role="boxes"), PIXELS, "real numbers"),
    (TensorSpec("x", (6, 4), role="boxes"), PIXELS, "[batch, box, coordinate]"),
    (TensorSpec("x", (1, 6, 5, 2), role="box_scores"), None, "[batch, box] or [batch, box, class]"),
    (TensorSpec("x", (1, 6), "bool", role="box_classes"), None, "numbers of classes"),
    (TensorSpec("x", (1, 17, 4), role="keypoints"), POINTS, "2 or 3"),
    (TensorSpec("x", (1, 5), role="logits"), PIXELS, "boxes and keypoints"),
    (TensorSpec("x", (1, 8, 9), role="masks"), None, "[batch, mask, height, width]"),
]


def test_every_role_has_a_right_tensor() -> None:
    assert {spec.role for spec, _, _ in RIGHT} == set(OUTPUT_ROLES)


@pytest.mark.parametrize(("spec", "place", "axis"), RIGHT)
def test_what_fits(spec: TensorSpec, place: Coordinates | None, axis: int | None) -> None:
    check_role(spec, place)
    assert class_axis(spec) == axis
    axes = axes_of(spec)
    assert axes is None or len(axes) == len(spec.shape)
    output = Output(spec, axes, coordinates=place)
    assert Output.from_fields(Fields(output.to_json())) == output


@pytest.mark.parametrize(("spec", "place", "said"), WRONG)
def test_what_does_not(spec: TensorSpec, place: Coordinates | None, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        check_role(spec, place)
    assert said in str(refused.value)
    with pytest.raises(FieldError, match="does not fit"):
        Output(spec, coordinates=place)


BOXES, SCORES = TensorSpec("b", (1, 6, 4), role="boxes"), TensorSpec("s", (1, 6, 5), role="box_scores")
SCORE, CLASSES = (
    TensorSpec("s", (1, 6), role="box_scores"),
    TensorSpec("c", (1, 6), "int64", role="box_classes"),
)


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([BOXES], "no output has the role box_scores"),
        ([SCORES], "no output has the role boxes"),
        ([BOXES, SCORES, BOXES], "two outputs have the role boxes"),
        ([BOXES, TensorSpec("s", (1, 7, 5), role="box_scores")], "of [1, 7] boxes, and b has [1, 6]"),
        ([BOXES, SCORES, CLASSES], "a score for each class"),
        ([CLASSES], "no output has the role boxes"),
    ],
)
def test_what_does_not_go_together(outputs: list[TensorSpec], said: str) -> None:
    check_together([BOXES, SCORES])
    check_together([CLASSES, TensorSpec("x", (3,)), SCORE, BOXES])
    with pytest.raises(ValueError) as refused:
        check_together(outputs)
    assert said in str(refused.value)


_FILE = """
[[outputs]]
name = "where"
role = "boxes"
form = "center_size"
unit = "shares"
[[outputs]]
name = "what"
role = "box_scores"
"""


def test_a_file_says_it(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(_FILE, "utf-8")
    spec = read_spec(path)
    assert spec.outputs == ("where", "what")
    assert spec.roles == (OutputRole("where", "boxes", SHARES), OutputRole("what", "box_scores"))
    assert [OutputRole.from_fields(Fields(item.to_json()), OUTPUT_ROLES) for item in spec.roles] == list(
        spec.roles
    )


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ('"boxes"', '"box"', "is 'box', not one of"),
        ('unit = "shares"', "", "outputs[0].unit is missing"),
        ('"center_size"', '"xywh"', "is 'xywh', not one of"),
        ('"what"', '"where"', "'where' twice"),
        ('role = "box_scores"', "", "outputs[1].role is missing"),
        ('name = "what"', 'nane = "what"', "Did you mean name?"),
    ],
)
def test_a_file_that_is_wrong(wrong: str, right: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(_FILE.replace(wrong, right), "utf-8")
    with pytest.raises(InputError) as refused:
        read_spec(path)
    assert said in refused.value.lines[0]
