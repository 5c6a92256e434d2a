"""What outputs mean to an app: each one's role, and of boxes and keypoints the coordinates that they are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from cloformer.io.fields import Fields

from .signature import TensorSpec

__all__ = [
    "FORMS",
    "UNITS",
    "WITH_CLASSES",
    "Coordinates",
    "OutputRole",
    "axes_of",
    "check_role",
    "check_together",
    "class_axis",
    "given_roles",
    "is_classifier",
]

FORMS = ("xyxy", "center_size", "xy")
UNITS = ("pixels", "shares")

# The axes of each role, by their number. Of keypoints the last axis is x, y and, if there is one, how sure they are.
_AXES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "logits": (("batch", "class"),),
    "probabilities": (("batch", "class"),),
    "class_scores": (("batch", "class", "height", "width"),),
    "class_map": (("batch", "height", "width"),),
    "boxes": (("batch", "box", "coordinate"),),
    "box_scores": (("batch", "box"), ("batch", "box", "class")),
    "box_classes": (("batch", "box"),),
    "masks": (("batch", "mask", "height", "width"),),
    "keypoints": (("batch", "point", "coordinate"), ("batch", "object", "point", "coordinate")),
    "image": (("batch", "channel", "height", "width"),),
}
_REAL = ("class_scores", "boxes", "box_scores", "masks", "keypoints", "image")
_WHOLE = ("class_map", "box_classes")
_OF_ANY_RANK = ("tensor", "logits", "probabilities")
# Roles whose classes labels can name.
WITH_CLASSES = ("logits", "probabilities", "class_scores", "class_map", "box_scores", "box_classes")
_PLACED = {"boxes": ("xyxy", "center_size"), "keypoints": ("xy",)}
_SIZES = {"boxes": (4,), "keypoints": (2, 3)}  # of the axis of coordinates


@dataclass(frozen=True)
class Coordinates:
    """``form`` is "xyxy" (left, top, right, bottom), "center_size" (the centre's x and y, width, height) or, of keypoints, "xy";
    ``unit`` is "pixels" of the input or "shares" of its width and height."""

    form: str
    unit: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Fields) -> Coordinates:
        found = cls(fields.choice("form", FORMS), fields.choice("unit", UNITS))
        fields.done()
        return found


@dataclass(frozen=True)
class OutputRole:
    """What the output called ``name`` means."""

    name: str
    role: str
    coordinates: Coordinates | None = None

    def of(self, spec: TensorSpec) -> TensorSpec:
        """``spec`` with this role."""
        return replace(spec, role=self.role)

    def to_json(self) -> dict[str, object]:
        place = {} if self.coordinates is None else {"coordinates": self.coordinates.to_json()}
        return {"name": self.name, "role": self.role, **place}

    @classmethod
    def from_fields(cls, fields: Fields, roles: Sequence[str]) -> OutputRole:
        place = fields.default("coordinates", fields.child, None)
        found = cls(
            fields.text("name", longest=200, empty=False),
            fields.choice("role", roles),
            None if place is None else Coordinates.from_fields(place),
        )
        fields.done()
        return found


def given_roles(head: str | None) -> tuple[OutputRole, ...]:
    """Those of a built-in network with this head (:data:`cloformer.variants.HEADS`)."""
    if head == "fpn":
        return (OutputRole("class_scores", "class_scores"),)
    if head == "retinanet":
        return OutputRole("boxes", "boxes", Coordinates("xyxy", "pixels")), OutputRole(
            "box_scores", "box_scores"
        )
    return ()


def axes_of(spec: TensorSpec) -> tuple[str, ...] | None:
    """The names of its axes, by its role; None where the role says nothing of them."""
    return next((axes for axes in _AXES.get(spec.role, ()) if len(axes) == len(spec.shape)), None)


def class_axis(spec: TensorSpec) -> int | None:
    """The axis that has an entry for each class; None where there is none."""
    axes = axes_of(spec)
    if axes is None:
        return len(spec.shape) - 1 if spec.role in ("logits", "probabilities") and spec.shape else None
    return axes.index("class") if "class" in axes else None


def is_classifier(outputs: Sequence[TensorSpec]) -> bool:
    """Whether scores of classes are all that a model gives, as Core ML's classifiers do."""
    return len(outputs) == 1 and outputs[0].role in ("logits", "probabilities")


def check_role(spec: TensorSpec, coordinates: Coordinates | None) -> None:
    """:class:`ValueError` if a tensor cannot have its role."""
    role, shape = spec.role, list(spec.shape)
    axes = axes_of(spec)
    if axes is None and role not in _OF_ANY_RANK:
        forms = " or ".join(f"[{', '.join(known)}]" for known in _AXES[role])
        raise ValueError(f"{spec.name} has the shape {shape}, and {role} are {forms}")
    is_whole = spec.dtype in ("int32", "int64")
    if role in _WHOLE and not is_whole:
        raise ValueError(
            f"{spec.name} is {spec.dtype}, and {role} holds the numbers of classes: int64 or int32"
        )
    if role in _REAL and (is_whole or (spec.dtype == "bool" and role != "masks")):
        raise ValueError(f"{spec.name} is {spec.dtype}, and {role} are real numbers")
    if role in _PLACED:
        if coordinates is None:
            raise ValueError(f"{spec.name} has the role {role}: say in which form and unit they are")
        if coordinates.form not in _PLACED[role]:
            raise ValueError(
                f"the form of {spec.name} is {coordinates.form}, and {role} are {' or '.join(_PLACED[role])}"
            )
        if shape[-1] not in _SIZES[role]:
            sizes = " or ".join(map(str, _SIZES[role]))
            raise ValueError(f"{spec.name} has the shape {shape}, and the last size of {role} is {sizes}")
    elif coordinates is not None:
        raise ValueError(f"{spec.name} has the role {role}, and form and unit are for boxes and keypoints")
    if role == "image" and shape[1] not in (1, 3):
        raise ValueError(f"{spec.name} has the shape {shape}, and an image has 1 or 3 channels")


def check_together(outputs: Sequence[TensorSpec]) -> None:
    """:class:`ValueError` unless boxes have their scores, and all that is of boxes is of as many."""
    for role in ("boxes", "box_scores", "box_classes"):
        if sum(spec.role == role for spec in outputs) > 1:
            raise ValueError(f"two outputs have the role {role}")
    found = {spec.role: spec for spec in outputs if spec.role in ("boxes", "box_scores", "box_classes")}
    boxes = found.get("boxes")
    for role, spec in found.items():
        if boxes is None:
            raise ValueError(f"{spec.name} has the role {role}, and no output has the role boxes")
        if spec.shape[:2] != boxes.shape[:2]:
            raise ValueError(
                f"{spec.name} is of {list(spec.shape[:2])} boxes, and {boxes.name} has {list(boxes.shape[:2])}"
            )
    if boxes is not None and "box_scores" not in found:
        raise ValueError(f"{boxes.name} has the role boxes, and no output has the role box_scores")
    scores = found.get("box_scores")
    if scores is not None and "box_classes" in found and class_axis(scores) is not None:
        raise ValueError(
            f"{scores.name} has a score for each class, and {found['box_classes'].name} a class for each box"
        )
