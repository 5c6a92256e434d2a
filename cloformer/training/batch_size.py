"""How many images a step takes: what can be divided, and what is proposed for a set that has too few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cloformer.errors import InputError, UsageError
from cloformer.io.words import count

from .recipe import AUTO, Recipe
from .settings import assigned

__all__ = ["fitted", "refuse_what_does_not_fit", "without_auto"]

_NAME = "batch_size"


def fitted(recipe: Recipe, images: int, processes: int = 1) -> Recipe:
    """With the largest batch that the images fill and the parts divide, at most the recipe's own.

    :class:`InputError` if there is none.
    """
    unit, least = _unit(recipe, processes), min(recipe.batch_size, images)
    if images < unit:
        raise InputError(
            f"there are {count(images, 'training image')}, and a step takes {unit} at least: "
            f"{count(processes, 'process')}, accumulate {recipe.accumulate}",
            "give more images, or fewer processes and less --set accumulate",
        )
    return replace(recipe, batch_size=max(least // unit, 1) * unit)


def refuse_what_does_not_fit(recipe: Recipe, images: int, processes: int) -> None:
    """:class:`UsageError` if a step cannot be divided into its parts, :class:`InputError` if there are too few images for
    one. What they propose fits."""
    unit, size = _unit(recipe, processes), recipe.batch_size
    if size % unit:
        above = -(-size // unit) * unit
        proposed = above if above <= images else fitted(recipe, images, processes).batch_size
        parts = processes * recipe.accumulate
        even = ", each even for mixup and cutmix" if unit > parts else ""
        raise UsageError(
            f"a batch of {size} cannot be divided into {parts} equal parts{even}",
            f"--set batch_size={proposed}",
        )
    if images < size:
        proposed = fitted(recipe, images, processes).batch_size
        raise InputError(
            f"there are {count(images, 'training image')}, and a step takes {size} (batch_size)",
            f"add --set batch_size={proposed}, or --set batch_size={AUTO}, which comes to that",
        )


def without_auto(assignments: Sequence[str]) -> tuple[list[str], bool]:
    """The assignments, and whether the batch size is to be found: the last one that is for it says ``auto``."""
    of_size = [each for each in assignments if assigned(each)[0] == _NAME]
    is_auto = bool(of_size) and _is_auto(of_size[-1])
    return [each for each in assignments if not (each in of_size and (is_auto or _is_auto(each)))], is_auto


def _is_auto(assignment: str) -> bool:
    return assigned(assignment)[1].lower() == AUTO


def _unit(recipe: Recipe, processes: int) -> int:
    """What a batch is a multiple of: a part for each process and each turn, and pairs in it where images are mixed."""
    parts = processes * recipe.accumulate
    return parts * 2 if parts > 1 and (recipe.mixup or recipe.cutmix) else parts
