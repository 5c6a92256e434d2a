"""Models of one call: made once, traced once, and told apart by all that makes them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloformer.errors import UsageError
from cloformer.export.source.models import Models
from cloformer.export.source.resolve import SourceRequest, resolve
from cloformer.export.source.signature import TensorSpec


def test_what_was_made_is_not_made_again() -> None:
    models = Models()
    first = models.make("user_models:resnet", None, None, 0)
    assert models.make("user_models:resnet", None, None, 0) is first
    assert models.make("user_models:resnet", None, None, 1) is not first
    assert models.make("user_models:mobilenet", None, None, 0) is not first
    with pytest.raises(UsageError, match="nosuch"):
        models.make("user_models:nosuch", None, None, 0)


def test_what_was_traced_is_not_traced_again() -> None:
    """Of another module, other inputs or other names, another trace."""
    models = Models()
    source = resolve(SourceRequest("user_models:resnet", image_size=(32, 32)))
    first = models.trace(source)
    assert models.trace(replace(source, name="another")) is first
    larger = models.trace(replace(source, inputs=(TensorSpec("image", (1, 3, 64, 64), role="image"),)))
    assert larger.signature.inputs[0].shape == (1, 3, 64, 64)
    assert models.trace(replace(source, output_names=("scores",))).signature.outputs[0].name == "scores"
    again = resolve(SourceRequest("user_models:resnet", image_size=(32, 32)))
    assert models.trace(again) is not first
