"""How a network is trained: every number of it, in one value that is saved beside the checkpoint."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

from cloformer.errors import UsageError, choose
from cloformer.export.source.preprocessing import INTERPOLATIONS, Preprocessing
from cloformer.io.fields import Fields

__all__ = ["PRECISIONS", "RECIPES", "Recipe"]

PRECISIONS = ("fp32", "bf16", "fp16", "fp64")


@dataclass(frozen=True)
class Recipe:
    """The defaults are the publication's (Section 4.1, and the configuration of the code that it is built on).

    Rates are per step; 0 turns a thing off. :class:`UsageError` if a number makes no sense.
    """

    epochs: int = 300
    batch_size: int = 1024  # images per step, of all processes and all accumulated parts
    accumulate: int = 1  # parts that a process computes one after the other before a step
    learning_rate: float = 5e-4  # for 512 images per step; in proportion for more or fewer
    min_learning_rate: float = 5e-6  # where the cosine ends
    warmup_epochs: float = 20.0  # the rate grows from 0 in a straight line
    weight_decay: float = 0.05  # of matrices and kernels; not of norms and biases
    clip: float = 5.0  # the gradient's largest length
    label_smoothing: float = 0.1
    rand_augment: float = 9.0  # magnitude of 30; two operations an image
    rand_augment_std: float = 0.5
    color_jitter: float = 0.4
    erasing: float = 0.25  # how often a rectangle is blanked
    mixup: float = 0.8  # alpha of the share's Beta distribution
    cutmix: float = 1.0
    flip: float = 0.5  # how often an image is mirrored
    crop_area: float = 0.08  # the smallest share of the image that a random crop shows
    drop_path: float | None = None  # the variant's
    ema: float = 0.9999  # decay of the averaged weights, less in the first steps
    distill: float = 0.5  # the teacher's share of the loss, where there is a teacher
    temperature: float = 1.0  # of the teacher's and the student's probabilities
    image_size: int = 224
    resize_size: int | None = None  # short side before the validation's crop; 256 / 224 of the image size
    interpolation: str = "bicubic"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    precision: str = "fp32"
    stored: str = "fp32"  # the written checkpoint's weights
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= least):
                raise UsageError(f"{name} must be at least {least}, not {value}", f"--set {name}={least}")
        for name in ("label_smoothing", "erasing", "flip", "crop_area", "ema", "distill", "drop_path"):
            if (getattr(self, name) or 0.0) > 1:
                raise UsageError(f"{name} must be at most 1, not {getattr(self, name)}", f"--set {name}=1")
        if self.rand_augment >= 30:
            raise UsageError(
                f"rand_augment must be below 30, not {self.rand_augment}", "--set rand_augment=9"
            )
        choose("precision", self.precision, PRECISIONS, "precision")
        choose("stored", self.stored, ("fp32", "fp16"), "stored")
        choose("interpolation", self.interpolation, INTERPOLATIONS, "interpolation")
        try:
            self.preprocessing()
        except ValueError as error:
            raise UsageError(str(error), "change image_size, resize_size, mean or std with --set") from None

    def preprocessing(self) -> Preprocessing:
        """Of validation and of every export: the middle of the resized image, normalized."""
        size = self.image_size
        resized = size * 256 // 224 if self.resize_size is None else self.resize_size
        return Preprocessing(size, size, resized, self.interpolation, mean=self.mean, std=self.std)

    def fed_by(self, rule: Preprocessing) -> Recipe:
        """With images as ``rule`` makes them, for weights that were trained so."""
        if rule.height != rule.width:
            raise UsageError(
                f"the weights were trained on images of {rule.height} x {rule.width}, and training takes square ones",
                "give another --recipe, with --set image_size",
            )
        return replace(
            self,
            image_size=rule.height,
            resize_size=rule.resize_size,
            interpolation=rule.interpolation,
            mean=rule.mean,
            std=rule.std,
        )

    def peak_learning_rate(self) -> float:
        """Where the warm-up ends and the cosine begins."""
        return self.learning_rate * self.batch_size / 512

    def learning_rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Of step ``step`` of all, the first being 0: straight up, then half a cosine down."""
        peak, warm_up = self.peak_learning_rate(), self.warmup_epochs * steps_per_epoch
        if step < warm_up:
            return peak * (step + 1) / max(warm_up, 1)
        done = (step - warm_up) / max(self.epochs * steps_per_epoch - warm_up, 1)
        least = min(self.min_learning_rate, peak)
        return least + (peak - least) * (1 + math.cos(math.pi * min(done, 1.0))) / 2

    def changed(self, assignments: Sequence[str]) -> Recipe:
        """With ``name=value`` put in; :class:`UsageError` for what is no such assignment."""
        changes: dict[str, object] = {}
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            name = choose("setting", name.strip().replace("-", "_"), _TYPES, "--set")
            if not equals:
                raise UsageError(f"--set {assignment} gives no value", f"--set {name}=VALUE")
            changes[name] = _parsed(name, text.strip())
        if "image_size" in changes:
            changes.setdefault("resize_size", None)  # another image's
        return replace(self, **changes)  # type: ignore[arg-type]

    def assignments(self, base: Recipe, *, fed: bool = False) -> list[str]:
        """``name=value`` of each value that ``base`` has another of: :meth:`changed` of it by these is ``self``.

        With ``fed`` those that :meth:`fed_by` changes are all there, so that it does not matter if it did.
        """
        values = {
            name: getattr(self, name)
            for name in _TYPES
            if getattr(self, name) != getattr(base, name) or (fed and name in _FED)
        }
        if "image_size" in values:
            values["resize_size"] = self.resize_size  # which changed() would leave to the size
        return [
            f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
            for name, value in values.items()
        ]

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, data: object) -> Recipe:
        """What :meth:`to_json` gave; :class:`ValueError` for anything else."""
        fields_ = Fields(data, "recipe")
        values = {name: _taken(fields_, name, kind) for name, kind in _TYPES.items()}
        fields_.done()
        try:
            return cls(**values)  # type: ignore[arg-type]  # each was read as its own type
        except UsageError as error:
            raise ValueError(error.lines[0]) from None


def _taken(given: Fields, name: str, kind: object) -> object:
    if isinstance(kind, types.UnionType):
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
        return given.optional(name, lambda name: _taken(given, name, kind))
    if typing.get_origin(kind) is tuple:
        return given.numbers(name, most=3)
    if kind is int:
        return given.whole(name)
    return given.number(name) if kind is float else given.text(name)


_TYPES = typing.get_type_hints(Recipe)
_FED = ("image_size", "resize_size", "interpolation", "mean", "std")
_LEAST: dict[str, float] = {
    "epochs": 1, "batch_size": 1, "accumulate": 1, "learning_rate": 0, "min_learning_rate": 0, "warmup_epochs": 0,
    "weight_decay": 0, "clip": 0, "label_smoothing": 0, "rand_augment": 0, "rand_augment_std": 0, "color_jitter": 0,
    "erasing": 0, "mixup": 0, "cutmix": 0, "flip": 0, "crop_area": 0.01, "drop_path": 0, "ema": 0, "distill": 0,
    "temperature": 0.01, "seed": 0,
}  # fmt: skip
assert {field.name for field in fields(Recipe)} >= set(_LEAST)

RECIPES: dict[str, Recipe] = {
    "paper": Recipe(),
    # From trained weights to a few classes of one's own: few epochs, and no mixing, which small sets do not need.
    "finetune": Recipe(
        epochs=20, batch_size=64, learning_rate=8e-3, warmup_epochs=2, rand_augment=5, erasing=0.1, mixup=0,
        cutmix=0, crop_area=0.4, color_jitter=0.2, ema=0.99,
    ),
    # From nothing to something good within the hour, on one processor and small images.
    "quick": Recipe(
        epochs=8, batch_size=128, learning_rate=4e-3, min_learning_rate=1e-5, warmup_epochs=1, rand_augment=0,
        color_jitter=0, erasing=0, mixup=0, cutmix=0, crop_area=0.6, label_smoothing=0.05, ema=0.999, drop_path=0,
        image_size=64,
    ),
}  # fmt: skip


def _parsed(name: str, text: str) -> object:
    kind = _TYPES[name]
    if isinstance(kind, types.UnionType):
        if text.lower() in ("none", "default"):
            return None
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    try:
        if typing.get_origin(kind) is tuple:
            return tuple(float(part) for part in text.strip("[]()").split(","))
        return kind(text)
    except ValueError:
        known = "numbers" if typing.get_origin(kind) is tuple else kind.__name__
        raise UsageError(
            f"--set {name}={text}: {known} expected", f"--set {name}={getattr(Recipe(), name)}"
        ) from None
