"""The classifier's last step (``classify.py``)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from cloformer.errors import InputError

from .._operator import operator


@operator("classify", specification="iOS15/classify.py: classify")
def classify(probabilities: Tensor, classes: Any) -> list[Any]:
    """The most probable class, and all of them with their probabilities, in their order."""
    names = classes if isinstance(classes, list) else classes.reshape(-1).tolist()
    values = probabilities.reshape(-1)
    if len(names) != values.numel():
        raise InputError(f"there are {len(names)} classes and {values.numel()} probabilities")
    return [names[int(values.argmax())], dict(zip(names, values.tolist(), strict=True))]
