"""What may be an input or an output, and that it is the same again after a trip through JSON."""

from __future__ import annotations

import json

import pytest

from cloformer.export.source.signature import INPUT_ROLES, OUTPUT_ROLES, TensorSpec
from cloformer.io.fields import Fields


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a b", (1,)), "'a b' is not an identifier"),
        (("", (1,)), "is not an identifier"),
        (("x", (1, 0)), r"\[1, 0\] of x has a size below 1"),
        (("x", (-1,)), "a size below 1"),
        (("x", (1,), "float64"), "dtype 'float64' of x"),
        (("x", (1,), "float32", "picture"), "role 'picture' of x"),
        (("x", (3, 8, 8), "float32", "image"), "x is an image, so its shape is"),
        (("x", (1, 4, 8, 8), "float32", "image"), "x is an image, so its shape is"),
    ],
)
def test_what_is_none(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TensorSpec(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("image", (2, 3, 8, 9), "float32", "image"),
        TensorSpec("grey", (1, 1, 8, 8), "float16", "image"),
        TensorSpec("scalar", (), "int64"),
        TensorSpec("größe", (7,), "bool"),
        TensorSpec("logits", (1, 10), "float32", "logits"),
    ],
)
def test_the_same_again(spec: TensorSpec) -> None:
    fields = Fields(json.loads(json.dumps(spec.to_json())))
    assert TensorSpec.from_fields(fields, (*INPUT_ROLES, *OUTPUT_ROLES)) == spec
