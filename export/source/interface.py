"""What a model's function says to an app: made of the source, for the artifact that is written and for the one that is
judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cloformer.errors import InputError
from cloformer.io.words import count

from .function import Function, Input, Output
from .resolve import Source
from .roles import WITH_CLASSES, OutputRole, axes_of, check_role, check_together, class_axis
from .signature import Signature, TensorSpec

__all__ = ["LABELS", "interface_of", "with_roles"]

LABELS = "labels.txt"


def with_roles(signature: Signature, source: Source) -> Signature:
    """The traced signature with the roles of its outputs: those that are given, or of a classifier that of the one that has the
    classes, which the labels are of, or the first. :class:`InputError` if there is no such output, a role does not fit, or there
    are not as many labels as classes."""
    outputs = signature.outputs
    if source.roles:
        outputs = _with_given_roles(outputs, source.roles)
        if source.labels is None:
            return replace(signature, outputs=outputs)
    place = _labelled(outputs, source)
    if source.labels is not None and not _has_classes(outputs[place], len(source.labels)):
        raise _do_not_fit(len(source.labels), place, outputs)
    if source.roles:
        return replace(signature, outputs=outputs)
    named = replace(outputs[place], role=source.output_role)
    return replace(signature, outputs=(*outputs[:place], named, *outputs[place + 1 :]))


def _with_given_roles(outputs: Sequence[TensorSpec], roles: Sequence[OutputRole]) -> tuple[TensorSpec, ...]:
    names, given = [spec.name for spec in outputs], {item.name: item for item in roles}
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        raise InputError(
            f"--spec has an output {unknown}, and the model's are {', '.join(names)}",
            "give the outputs in the order in which the model returns them",
        )
    found = tuple(given[spec.name].of(spec) if spec.name in given else spec for spec in outputs)
    try:
        for spec in found:
            item = given.get(spec.name)
            check_role(spec, None if item is None else item.coordinates)
        check_together(found)
    except ValueError as error:
        raise InputError(
            f"outputs: {error}", "`cloformer spec role` lists the roles, and the shapes that they have"
        ) from None
    return found


def _labelled(outputs: Sequence[TensorSpec], source: Source) -> int:
    """The place of the output that the labels are of: the one that is named, the first with classes, or the first. Scores that
    have no classes any more, after a suppression, have them in the output beside them."""
    with_classes = [place for place, spec in enumerate(outputs) if source.roles and _tells_classes(spec)]
    if source.labels_of is None:
        return next(iter(with_classes), 0)
    place = next((number for number, spec in enumerate(outputs) if spec.name == source.labels_of), None)
    if place is not None and outputs[place].role == "box_scores" and not _tells_classes(outputs[place]):
        return next(iter(with_classes), place)
    if place is None:
        raise InputError(
            f"labels_of is {source.labels_of}, and the model's outputs are {', '.join(spec.name for spec in outputs)}",
            "give the name of the output that has the classes",
        )
    return place


def _tells_classes(spec: TensorSpec) -> bool:
    return spec.role in WITH_CLASSES and (
        spec.role in ("class_map", "box_classes") or class_axis(spec) is not None
    )


def _has_classes(spec: TensorSpec, classes: int) -> bool:
    """Whether it may have so many: a map of classes, or a class for each box, says not how many there are."""
    if spec.role in ("class_map", "box_classes"):
        return True
    axis = class_axis(spec) if spec.role != "tensor" else len(spec.shape) - 1
    return axis is not None and bool(spec.shape) and spec.shape[axis] == classes


def _do_not_fit(labels: int, place: int, outputs: Sequence[TensorSpec]) -> InputError:
    """As many labels as another output has classes are that one's, and the error says how to say so."""
    spec = outputs[place]
    axis = class_axis(spec) if spec.role != "tensor" else len(spec.shape) - 1
    classes = spec.shape[axis] if spec.shape and axis is not None else 1
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
        tuple(_output(spec, source, outputs) for spec in outputs),
    )


def _output(spec: TensorSpec, source: Source, outputs: Sequence[TensorSpec]) -> Output:
    if not source.roles:
        is_class = spec.role in ("logits", "probabilities")
        return Output(
            spec,
            axes=("batch", "class") if is_class and len(spec.shape) == 2 else None,
            labels=LABELS if is_class and source.labels is not None else None,
            postprocessing="softmax" if spec.role == "logits" else None,
        )
    place = next((item.coordinates for item in source.roles if item.name == spec.name), None)
    has_labels = source.labels is not None and outputs[_labelled(outputs, source)].name == spec.name
    return Output(
        spec,
        axes=axes_of(spec),
        labels=LABELS if has_labels else None,
        postprocessing="softmax" if spec.role == "logits" else None,
        coordinates=place,
    )
