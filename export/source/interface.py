"""What a model's function says to an app: made of the source, for the artifact that is written and for the one that is
judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cloformer.errors import InputError
from cloformer.io.words import count

from .function import Function, Input, Output
from .resolve import Source
from .signature import Signature, TensorSpec

__all__ = ["LABELS", "interface_of", "with_roles"]

LABELS = "labels.txt"


def with_roles(signature: Signature, source: Source) -> Signature:
    """The traced signature with the first output's role. :class:`InputError` if there are not as many labels as
    classes."""
    first, *others = signature.outputs
    named = replace(signature, outputs=(replace(first, role=source.output_role), *others))
    if source.labels is not None and (not first.shape or first.shape[-1] != len(source.labels)):
        classes = first.shape[-1] if first.shape else 1
        where = f", {first.name}, the first of {len(signature.outputs)} outputs," if others else ""
        raise InputError(
            f"given are {count(source.labels, 'label')}, and the model{where} has {count(classes, 'class')}",
            "give as many labels as classes, in the order of the model's outputs",
        )
    return named


def interface_of(
    source: Source, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], *, preprocessing_inside: bool
) -> Function:
    """The function of a written model that takes ``inputs`` and gives ``outputs``."""
    rules = source.preprocessing
    return Function(
        "main",
        tuple(
            Input(spec, rules.get(spec.name), spec.name in rules and preprocessing_inside) for spec in inputs
        ),
        tuple(_output(spec, has_labels=source.labels is not None) for spec in outputs),
    )


def _output(spec: TensorSpec, *, has_labels: bool) -> Output:
    is_class = spec.role in ("logits", "probabilities")
    return Output(
        spec,
        axes=("batch", "class") if is_class and len(spec.shape) == 2 else None,
        labels=LABELS if is_class and has_labels else None,
        postprocessing="softmax" if spec.role == "logits" else None,
    )
