"""What the model gives for the cases that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cloformer.errors import UnsupportedError
from cloformer.io.words import reason_of

from ..formats.runners import Array
from ..reference.cases import Case, Inputs
from ..reference.outputs import run_model
from ..source.frames import place_of
from ..source.signature import Signature

if TYPE_CHECKING:
    from torch import nn

__all__ = ["answered"]

Answer = tuple[Case, list[Array]]


def answered(
    model: nn.Module, signature: Signature, cases: Sequence[Case], own: Inputs
) -> tuple[list[Answer], list[str]]:
    """Each case with what the model gives for it, and what is to be told of cases that are left out: those that nobody gave
    (zeros, one bright pixel) and that the model raises of, as one does that inverts them.

    Raises :class:`UnsupportedError` of other cases, and where none is left.
    """
    found: list[Answer] = []
    notes: list[str] = []
    for case in cases:
        given = _given(model, signature, case.for_reference(own))
        if not isinstance(given, Exception):
            found.append((case, given))
            continue
        words = f"the model does not run on {case.name}: {type(given).__name__}: {reason_of(given)}"
        if case.kind != "hostile":
            raise UnsupportedError(words, f"where: {place_of(given, model)}", _ADVICE) from given
        notes.append(f"{words}; it is left out")
    if not found:
        raise UnsupportedError(notes[0], _ADVICE)
    return found, notes


def _given(model: nn.Module, signature: Signature, values: Mapping[str, Array]) -> list[Array] | Exception:
    try:
        return run_model(model, signature, values)
    except Exception as error:  # a user's module does what it likes
        return error


_ADVICE = "give inputs that it takes: --images photo.jpg, or what its numbers may be in --spec"
