"""How a network is trained: every number of it, in one value that is saved beside the checkpoint."""

from __future__ import annotations

import math
import textwrap
import typing
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from cloformer.errors import UsageError, choose
from cloformer.export.source.preprocessing import INTERPOLATIONS, Preprocessing
from cloformer.io.fields import Fields

from .settings import Rule, assigned, check, kind_of, parsed, shown

__all__ = ["AUTO", "PRECISIONS", "RECIPES", "RULES", "Recipe"]

_Colours = tuple[float, ...]
AUTO = "auto"  # the batch size that :mod:`.batch_size` finds
PRECISIONS = ("fp32", "bf16", "fp16", "fp64")


@dataclass(frozen=True)
class Recipe:
    """The defaults are the publication's (Section 4.1, and the configuration of the code that it is built on).

    Rates are per step; 0 turns a thing off. :class:`UsageError` if a number makes no sense.
    """

    epochs: Annotated[int, Rule("how often every training image is seen", "10", 1)] = 300
    batch_size: Annotated[
        int,
        Rule("images per step, of all processes and parts; auto: what fits the images", "32", 1, also=AUTO),
    ] = 1024
    accumulate: Annotated[
        int, Rule("parts that a process computes one after the other before a step", "2", 1)
    ] = 1
    learning_rate: Annotated[
        float, Rule("for 512 images per step; in proportion for more or fewer", "0.001", 0)
    ] = 5e-4
    min_learning_rate: Annotated[float, Rule("where the cosine ends", "0.00001", 0)] = 5e-6
    warmup_epochs: Annotated[
        float, Rule("epochs in which the rate grows from 0 in a straight line", "2", 0)
    ] = 20.0
    weight_decay: Annotated[float, Rule("of matrices and kernels; not of norms and biases", "0.05", 0)] = 0.05
    clip: Annotated[float, Rule("the gradient's largest length", "5", 0)] = 5.0
    label_smoothing: Annotated[
        float, Rule("the target's share that is spread over all classes", "0.1", 0, 1)
    ] = 0.1
    rand_augment: Annotated[float, Rule("magnitude, below 30; two operations an image", "9", 0)] = 9.0
    rand_augment_std: Annotated[float, Rule("standard deviation of that magnitude", "0.5", 0)] = 0.5
    color_jitter: Annotated[float, Rule("how far brightness, contrast and saturation vary", "0.4", 0)] = 0.4
    erasing: Annotated[float, Rule("how often a rectangle is blanked", "0.25", 0, 1)] = 0.25
    mixup: Annotated[float, Rule("alpha of the Beta distribution of an image's share", "0.8", 0)] = 0.8
    cutmix: Annotated[float, Rule("the same for images that are pasted into others", "1", 0)] = 1.0
    flip: Annotated[float, Rule("how often an image is mirrored", "0.5", 0, 1)] = 0.5
    crop_area: Annotated[
        float, Rule("the smallest share of the image that a random crop shows", "0.4", 0.01, 1)
    ] = 0.08
    drop_path: Annotated[
        float | None, Rule("how often a block is left out; default: the variant's", "0.1", 0, 1)
    ] = None
    ema: Annotated[float, Rule("decay of the averaged weights, less in the first steps", "0.99", 0, 1)] = (
        0.9999
    )
    distill: Annotated[
        float, Rule("the teacher's share of the loss, where there is a teacher", "0.5", 0, 1)
    ] = 0.5
    temperature: Annotated[float, Rule("of the teacher's and the student's probabilities", "1", 0.01)] = 1.0
    image_size: Annotated[int, Rule("pixels, the height and the width", "224", 1, 8192)] = 224
    resize_size: Annotated[
        int | None,
        Rule("short side before validation's crop; default: 256 / 224 of image_size", "256", 1, 8192),
    ] = None
    interpolation: Annotated[str, Rule("of the resizing", "bicubic", names=tuple(INTERPOLATIONS))] = "bicubic"
    mean: Annotated[_Colours, Rule("of red, green and blue, from 0 to 1", "0.5,0.5,0.5")] = (
        0.485,
        0.456,
        0.406,
    )
    std: Annotated[_Colours, Rule("their standard deviations", "0.25,0.25,0.25")] = (0.229, 0.224, 0.225)
    precision: Annotated[str, Rule("of the computation", "fp32", names=PRECISIONS)] = "fp32"
    stored: Annotated[str, Rule("the written checkpoint's weights", "fp16", names=("fp32", "fp16"))] = "fp32"
    seed: Annotated[int, Rule("of everything that is drawn", "0", 0)] = 0

    def __post_init__(self) -> None:
        for name, rule in RULES.items():
            check(name, getattr(self, name), rule)
        if self.rand_augment >= 30:
            raise UsageError(
                f"rand_augment must be below 30, not {self.rand_augment}", "for example --set rand_augment=9"
            )
        try:
            self.preprocessing()
        except ValueError as error:
            raise UsageError(
                str(error), "change image_size, resize_size, mean or std, for example --set mean=0.5,0.5,0.5"
            ) from None

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
            name, text = assigned(assignment)
            name = _known(name)
            if not text:
                raise UsageError(
                    f"--set {assignment} gives no value", f"for example --set {name}={RULES[name].example}"
                )
            changes[name] = parsed(name, text, _TYPES[name], RULES[name])
        if "image_size" in changes:
            changes.setdefault("resize_size", None)  # another image's
        return replace(self, **changes)  # type: ignore[arg-type]

    def assignments(self, base: Recipe, *, fed: bool = False) -> list[str]:
        """``name=value`` of each value that ``base`` has another of: :meth:`changed` of it by these is ``self``.

        With ``fed`` those that :meth:`fed_by` changes are all there, so that it does not matter if it did.
        """
        values = {
            name: getattr(self, name)
            for name in RULES
            if getattr(self, name) != getattr(base, name) or (fed and name in _FED)
        }
        if "image_size" in values:
            values["resize_size"] = self.resize_size  # which changed() would leave to the size
        return [f"{name}={shown(value)}" for name, value in values.items()]

    def described(self) -> list[tuple[str, str, str]]:
        """Each name with its value, as it is typed, and with what it means."""
        values = {name: getattr(self, name) for name in RULES}
        return [(name, shown(value), RULES[name].meaning) for name, value in values.items()]

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


def _taken(given: Fields, name: str, annotated: object) -> object:
    kind = kind_of(annotated)
    if kind is not annotated:
        return given.optional(name, lambda name: _taken(given, name, kind))
    if typing.get_origin(kind) is tuple:
        return given.numbers(name, most=3)
    if kind is int:
        return given.whole(name)
    return given.number(name) if kind is float else given.text(name)


def _known(name: str) -> str:
    """A setting's name; :class:`UsageError` for another."""
    try:
        return choose("setting", name, RULES, "--set")
    except UsageError as error:
        # All of the names, which one line does not hold.
        names = textwrap.wrap(
            f"--set takes: {', '.join(RULES)}; `cloformer train --show-recipe` says what each is", 240
        )
        raise UsageError(error.lines[0], *names) from None


_TYPES = typing.get_type_hints(Recipe)
_FED = ("image_size", "resize_size", "interpolation", "mean", "std")
RULES: dict[str, Rule] = {
    name: typing.get_args(hint)[1]
    for name, hint in typing.get_type_hints(Recipe, include_extras=True).items()
}

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
