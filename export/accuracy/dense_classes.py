"""Which of a model's classes those of masks and boxes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloformer.errors import InputError
from cloformer.io.words import count

from .annotated import Annotated
from .masks import Masked

__all__ = ["categories_of", "refuse_other_numbers"]


def refuse_other_numbers(name: str, classes: int, data: Masked) -> None:
    """:class:`InputError` for masks with a number that none of the model's ``classes`` has."""
    if data.highest >= classes:
        raise InputError(
            f"{data.where} has class {data.highest}, and {name} has {count(classes, 'class')} (the first is class 0)",
            f"number the masks as the model's classes; {data.ignored} is what is not counted (--ignore-class)",
        )


def categories_of(
    name: str, labels: Sequence[str] | None, classes: int, data: Annotated
) -> Mapping[int, int]:
    """The number of the category that each of the model's ``classes`` is: by name, or in the order of the numbers where nobody says
    what the classes are called. Classes that are no category of the data are in no figure.

    :class:`InputError` where a category is none of them, or they are as many without names.
    """
    if labels is None:
        if classes != len(data.categories):
            raise InputError(
                f"{name} has {count(classes, 'class')} without names, and {data.name} has {len(data.categories)}",
                'say what they are called: labels = "labels.txt" in --spec, or --labels at the export',
            )
        return dict(enumerate(data.categories))
    places = {label.casefold().strip(): place for place, label in reversed(list(enumerate(labels)))}
    unknown = next((word for word in data.categories.values() if word.casefold().strip() not in places), None)
    if unknown is not None:
        raise InputError(
            f"{name} does not know the data's category {unknown!r}, but {', '.join(labels[:3])}{', ...' if len(labels) > 3 else ''}",
            "give a model of these categories, or name its classes as they are named",
        )
    return {places[word.casefold().strip()]: number for number, word in data.categories.items()}
