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
    """The traced signature with the role of the output that has the classes: the one that the labels are of, or the first.
    :class:`InputError` if there is no such output, or there are not as many labels as classes."""
    outputs = signature.outputs
    wanted = outputs[0].name if source.labels_of is None else source.labels_of
    place = next((number for number, spec in enumerate(outputs) if spec.name == wanted), None)
    if place is None:
        raise InputError(
            f"labels_of is {wanted}, and the model's outputs are {', '.join(spec.name for spec in outputs)}",
            "give the name of the output that has the classes",
        )
    if source.labels is not None and not _has_classes(outputs[place], len(source.labels)):
        raise _do_not_fit(len(source.labels), place, outputs)
    named = replace(outputs[place], role=source.output_role)
    return replace(signature, outputs=(*outputs[:place], named, *outputs[place + 1 :]))


def _has_classes(spec: TensorSpec, classes: int) -> bool:
    return bool(spec.shape) and spec.shape[-1] == classes


def _do_not_fit(labels: int, place: int, outputs: Sequence[TensorSpec]) -> InputError:
    """As many labels as another output has classes are that one's, and the error says how to say so."""
    spec = outputs[place]
    classes = spec.shape[-1] if spec.shape else 1
    which = "the first" if place == 0 else f"number {place + 1}"
    where = f", {spec.name}, {which} of {len(outputs)} outputs," if len(outputs) > 1 else ""
    fitting = [other for other in outputs if _has_classes(other, labels) and len(other.shape) == 2]
    if len(fitting) == 1:
        advice = f'they fit {fitting[0].name}: labels_of = "{fitting[0].name}" in --spec says so (`cloformer spec`)'
    else:
        advice = "give as many labels as classes, in the order of the model's outputs"
    return InputError(
        f"given: {count(labels, 'label')}, and the model{where} has {count(classes, 'class')}", advice
    )


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
