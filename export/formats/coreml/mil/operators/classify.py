"""The classifier's last step (``classify.py``)."""

from __future__ import annotations

from torch import Tensor

from cloformer.errors import InputError

from .._operator import operator


@operator("classify", specification="iOS15/classify.py: classify")
def classify(probabilities: Tensor, classes: object) -> list[object]:
    """The most probable class, and all of them with their probabilities, in their order."""
    names = classes.reshape(-1).tolist() if isinstance(classes, Tensor) else classes
    values = probabilities.reshape(-1)
    if not isinstance(names, list):
        raise InputError("classes are a list of names or numbers")
    if len(names) != values.numel():
        raise InputError(f"there are {len(names)} names of classes for {values.numel()} probabilities")
    return [names[int(values.argmax())], dict(zip(names, values.tolist(), strict=True))]
