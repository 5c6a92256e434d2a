"""What a model's function takes and gives, with what an app must know of it: preprocessing, labels, postprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cloformer.io.fields import FieldError, Fields
from cloformer.io.words import count

from .preprocessing import Preprocessing
from .roles import WITH_CLASSES, Coordinates, check_role, check_together
from .signature import INPUT_ROLES, OUTPUT_ROLES, Signature, TensorSpec

__all__ = ["Classifier", "Function", "Input", "Output"]

_CLASS_ROLES = ("logits", "probabilities")
# How an image lies in the input, by whether its channels are last.
_LAYOUTS = {False: "NCHW", True: "NHWC"}


@dataclass(frozen=True)
class Input:
    """One input. An image (NCHW) has a preprocessing; with ``preprocessing_inside`` the model itself scales and
    normalizes, and takes the cropped image as pixels, 0 to 255. :class:`ValueError` if the parts do not fit."""

    spec: TensorSpec
    preprocessing: Preprocessing | None = None
    preprocessing_inside: bool = False

    def __post_init__(self) -> None:
        rule = self.preprocessing
        if (self.spec.role == "image") != (rule is not None) or (rule is None and self.preprocessing_inside):
            raise FieldError("preprocessing", "is for images, and every image has one")
        if rule is not None and (rule.height, rule.width) != self.spec.shape[2:]:
            raise FieldError(
                "preprocessing",
                f"crops to {rule.height} x {rule.width}, and the model takes {list(self.spec.shape)}",
            )
        if rule is not None and len(rule.mean) > self.spec.shape[1]:
            raise FieldError("preprocessing", f"has {len(rule.mean)} channels, and {self.spec.name} has one")

    def to_json(self) -> dict[str, object]:
        rule = self.preprocessing
        return self.spec.to_json() | {
            "layout": None if rule is None else _LAYOUTS[self.spec.channels_last],
            "preprocessing": None if rule is None else rule.to_json(),
            "preprocessing_inside": self.preprocessing_inside,
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> Input:
        layout = fields.optional("layout", lambda name: fields.choice(name, _LAYOUTS.values()))
        spec = TensorSpec.from_fields(fields, INPUT_ROLES, channels_last=layout == _LAYOUTS[True])
        rule = fields.optional("preprocessing", lambda name: Preprocessing.from_fields(fields.child(name)))
        inside = fields.truth("preprocessing_inside")
        if (layout is None) != (rule is None):
            raise fields.error("layout", "is not NCHW or NHWC for an image, or null for anything else")
        fields.done()
        try:
            return cls(spec, rule, inside)
        except FieldError as error:
            raise fields.error(error.path, error.problem) from None


@dataclass(frozen=True)
class Output:
    """One output. ``axes`` names its axes where they are known, ``labels`` is the file with a class name a line,
    ``postprocessing`` what the app still has to do ("softmax", or None), and ``coordinates`` where boxes and keypoints are."""

    spec: TensorSpec
    axes: tuple[str, ...] | None = None
    labels: str | None = None
    postprocessing: str | None = None
    coordinates: Coordinates | None = None

    def __post_init__(self) -> None:
        if self.spec.role in _CLASS_ROLES and not self.spec.shape:
            raise FieldError("shape", f"is empty, and {self.spec.role} have an axis of classes")
        if self.labels is not None and self.spec.role not in WITH_CLASSES:
            raise FieldError("labels", f"are for classes, and {self.spec.name} has the role {self.spec.role}")
        if self.axes is not None and len(self.axes) != len(self.spec.shape):
            raise FieldError("axes", f"has {count(self.axes, 'name')} for {count(self.spec.shape, 'axis')}")
        try:
            check_role(self.spec, self.coordinates)
        except ValueError as error:
            raise FieldError("role", f"does not fit: {error}") from None

    def to_json(self) -> dict[str, object]:
        place = {} if self.coordinates is None else {"coordinates": self.coordinates.to_json()}
        return self.spec.to_json() | {
            "axes": None if self.axes is None else list(self.axes),
            "labels": self.labels,
            "postprocessing": self.postprocessing,
            **place,
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> Output:
        spec = TensorSpec.from_fields(fields, OUTPUT_ROLES)
        axes = fields.optional("axes", fields.texts)
        labels = fields.optional("labels", fields.text)
        after = fields.optional("postprocessing", lambda name: fields.choice(name, ("softmax",)))
        given = fields.default("coordinates", fields.child, None)
        place = None if given is None else Coordinates.from_fields(given)
        fields.done()
        try:
            return cls(spec, axes, labels, after, place)
        except FieldError as error:
            raise fields.error(error.path, error.problem) from None


@dataclass(frozen=True)
class Classifier:
    """The two ends of a model that takes one image and gives scores of its classes, (batch, classes)."""

    image: Input
    rule: Preprocessing
    scores: Output

    @property
    def classes(self) -> int:
        return self.scores.spec.shape[1]


@dataclass(frozen=True)
class Function:
    """A function of a model: most have one, called main. Names are unique among inputs and among outputs."""

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    @cached_property
    def signature(self) -> Signature:
        """Names, shapes and types alone."""
        return Signature(tuple(item.spec for item in self.inputs), tuple(item.spec for item in self.outputs))

    @property
    def labels(self) -> str | None:
        """The file of class names, if an output has one."""
        return next((item.labels for item in self.outputs if item.labels is not None), None)

    @property
    def classifier(self) -> Classifier | None:
        """If it takes one image and the output that has labels, or the first, is scores of classes; else None."""
        image = self.inputs[0]
        scores = next((item for item in self.outputs if item.labels is not None), self.outputs[0])
        if len(self.inputs) != 1 or image.preprocessing is None or scores.spec.role not in _CLASS_ROLES:
            return None
        if len(scores.spec.shape) != 2 or scores.spec.shape[0] != image.spec.shape[0]:
            return None
        return Classifier(image, image.preprocessing, scores)

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "inputs": [item.to_json() for item in self.inputs],
            "outputs": [item.to_json() for item in self.outputs],
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> Function:
        """The function in a JSON object; :class:`FieldError` with the path of what is wrong."""
        name = fields.text("name", longest=200, empty=False)
        inputs = tuple(Input.from_fields(item) for item in fields.objects("inputs", least=1, most=_MOST))
        outputs = tuple(Output.from_fields(item) for item in fields.objects("outputs", least=1, most=_MOST))
        fields.done()
        for where, names in (
            ("inputs", [item.spec.name for item in inputs]),
            ("outputs", [item.spec.name for item in outputs]),
        ):
            twice = next((each for each in names if names.count(each) > 1), None)
            if twice is not None:
                raise fields.error(where, f"has {twice!r} twice")
        try:
            check_together([item.spec for item in outputs])
        except ValueError as error:
            raise fields.error("outputs", f"do not go together: {error}") from None
        return cls(name, inputs, outputs)


_MOST = 256  # inputs or outputs of a function
