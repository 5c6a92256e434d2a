"""A network together with what is computed of its outputs before they leave the file: boxes suppressed, classes chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from cloformer.errors import InputError, UsageError

from .attempt import attempt, example_inputs
from .decoding import Declared, Decoding
from .roles import Coordinates, OutputRole, check_role, check_together
from .signature import DTYPES, TensorSpec
from .suppression import ForPipeline, Suppress

__all__ = ["Decoded", "WithDecoding", "with_decoding"]

_ADVICE = "`cloformer spec role` lists the roles, and the shapes that they have"


class ChooseClass(nn.Module):
    """Scores of classes (B, classes, h, w) to the number of the largest at each pixel, (B, height, width) in int64; resized before,
    bilinear, where the size is another. The first of equal scores is chosen."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, scores: Tensor) -> Tensor:
        if tuple(scores.shape[-2:]) != self.size:
            scores = F.interpolate(scores, self.size, mode="bilinear", align_corners=False)
        return scores.argmax(1)


class Decoded(nn.Module):
    """``network``, whose outputs are called ``names``, with :class:`Suppress` or :class:`ForPipeline` of its boxes and :class:`ChooseClass` of its
    scores where they are given: classes of boxes follow after all other outputs where the network gives none."""

    def __init__(
        self,
        network: nn.Module,
        names: Sequence[str],
        roles: Sequence[OutputRole],
        suppress: Suppress | None,
        choose: ChooseClass | None,
        place: ForPipeline | None = None,
    ) -> None:
        super().__init__()
        self.network, self.names = network, tuple(names)
        self.of_role = {item.role: self.names.index(item.name) for item in roles}
        self.suppress, self.choose, self.place = suppress, choose, place

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        found = [value for value in pytree.tree_leaves(self.network(*inputs)) if isinstance(value, Tensor)]
        if len(found) != len(self.names):  # as many names as outputs are asked for where this is traced
            return tuple(found)
        if self.suppress is not None:
            places = [self.of_role.get(role) for role in ("boxes", "box_scores", "box_classes")]
            given = [None if place is None else found[place] for place in places]
            for place, value in zip(places, self.suppress(*given), strict=True):
                if place is None:
                    found.append(value)
                else:
                    found[place] = value
        if self.place is not None:
            boxes, scores = self.of_role["boxes"], self.of_role["box_scores"]
            found[boxes], found[scores] = self.place(found[boxes], found[scores])
        if self.choose is not None:
            found[self.of_role["class_scores"]] = self.choose(found[self.of_role["class_scores"]])
        return tuple(found)


@dataclass(frozen=True)
class WithDecoding:
    """The module that is traced, the names of its outputs, and what they mean; and what was ``declared`` of the network's own,
    None where it is traced as it is."""

    model: nn.Module
    names: tuple[str, ...]
    roles: tuple[OutputRole, ...]
    declared: Declared | None = None


def with_decoding(
    model: nn.Module,
    inputs: Sequence[TensorSpec],
    names: Sequence[str],
    roles: tuple[OutputRole, ...],
    decoding: Decoding,
) -> WithDecoding:
    """``model`` with what ``decoding`` asks for, or as it is where that is nothing.

    Raises :class:`UsageError` where the model has no outputs of such roles, and :class:`InputError` where those that it has do not
    fit their roles.
    """
    if not decoding.is_asked:
        return WithDecoding(model, tuple(names), roles)
    declared = Declared(tuple(names), roles, decoding)
    found = {item.role: item for item in roles}
    _check(model, inputs, names, roles)
    suppress = choose = place_for = None
    if decoding.suppression is not None:
        if "boxes" not in found:
            raise _nothing_to("--nms in-graph", "boxes with box_scores")
        place = found["boxes"].coordinates
        assert place is not None
        suppress = Suppress(decoding.suppression, place, _size(inputs, "--nms in-graph"))
        after = {
            "boxes": replace(found["boxes"], coordinates=Coordinates("xyxy", "pixels")),
            "box_scores": found["box_scores"],
            "box_classes": found.get("box_classes", OutputRole(_free("classes", names), "box_classes")),
        }
        roles = (*(after.pop(item.role, item) for item in roles), *after.values())
    if decoding.pipeline is not None:
        if "boxes" not in found or "box_classes" in found:
            raise _nothing_to("--nms pipeline", "boxes with box_scores of each class")
        if inputs[0].shape[0] != 1:
            raise UsageError("--nms pipeline is of one image", "leave --batch out")
        place = found["boxes"].coordinates
        assert place is not None
        place_for = ForPipeline(place, _size(inputs, "--nms pipeline"))
        stage = replace(found["boxes"], coordinates=Coordinates("center_size", "shares"))
        roles = tuple(stage if item.role == "boxes" else item for item in roles)
    if decoding.class_map is not None:
        if "class_scores" not in found:
            raise _nothing_to("--class-map", "class_scores")
        choose = ChooseClass(decoding.class_map)
        roles = tuple(
            replace(item, role="class_map") if item.role == "class_scores" else item for item in roles
        )
    decoded = Decoded(model, names, tuple(found.values()), suppress, choose, place_for)
    more = [item.name for item in roles if item.name not in names]
    return WithDecoding(decoded.eval(), (*names, *more), roles, declared)


def _check(
    model: nn.Module, inputs: Sequence[TensorSpec], names: Sequence[str], roles: Sequence[OutputRole]
) -> None:
    """The roles against what the model gives; if it does not run, or gives another number, tracing says so."""
    returned = [
        item
        for item in pytree.tree_leaves(attempt(model, example_inputs(inputs)).returned)
        if isinstance(item, Tensor)
    ]
    if len(returned) != len(names):
        return
    by_name = {item.name: item for item in roles}
    try:
        specs = []
        for name, value in zip(names, returned, strict=True):
            kind = str(value.dtype).removeprefix("torch.")
            if name in by_name and kind in DTYPES:
                spec = by_name[name].of(TensorSpec(name, tuple(value.shape), kind))
                check_role(spec, by_name[name].coordinates)
                specs.append(spec)
        check_together(specs)
    except ValueError as error:
        raise InputError(f"outputs: {error}", _ADVICE) from None


def _nothing_to(flag: str, roles: str) -> UsageError:
    return UsageError(
        f"{flag} is for a model that gives {roles}, and nobody says that this one does",
        "say it by [[outputs]] in --spec: `cloformer spec` has the keys",
    )


def _size(inputs: Sequence[TensorSpec], flag: str) -> tuple[int, int]:
    """The height and width of the image."""
    image = next((spec for spec in inputs if spec.role == "image"), None)
    if image is None:
        raise UsageError(
            f"{flag} needs an input that is an image", "give it the role image in --spec, or a preprocessing"
        )
    return image.shape[2], image.shape[3]


def _free(name: str, names: Sequence[str]) -> str:
    return name if name not in names else _free(f"{name}_of_boxes", names)
