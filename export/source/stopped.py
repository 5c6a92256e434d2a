"""Why a module could not be traced: it does not run on such inputs, or torch cannot follow what it does."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from cloformer.errors import UnsupportedError
from cloformer.io.words import reason_of

from .attempt import attempt, example_inputs
from .frames import place_of
from .parameters import is_callable_with, parameters
from .signature import TensorSpec

__all__ = ["IN_TENSORS", "cannot_follow", "why_it_does_not_run"]

# What to write in place of what makes Python's numbers of a tensor's values.
IN_TENSORS = (
    "compute with tensors alone: torch.where(condition, a, b) in place of if, x in place of x.item() and float(x), topk in"
    " place of a list, torch's functions in place of NumPy's; or export the part before it"
)

# What torch says in the words of its compiler, by the class of the error.
_IN_WORDS = {
    "DataDependent": "what is computed depends on a tensor's values (if, while, int(), float(), a range or a list of them)",
}


def why_it_does_not_run(model: nn.Module, specs: Sequence[TensorSpec]) -> UnsupportedError | None:
    """What ``model`` raises on ones of such shapes and types, and where; None if it runs."""
    own = attempt(model, example_inputs(specs)).error
    if own is None:
        return None
    given = ", ".join(f"{spec.name} {spec.dtype} {list(spec.shape)}" for spec in specs)
    return UnsupportedError(
        f"the model does not run on {given}: {type(own).__name__}: {reason_of(own) if str(own).strip() else 'nothing said'}",
        f"where: {place_of(own, model)}",
        _what_to_give(model, specs),
    )


def cannot_follow(model: nn.Module, specs: Sequence[TensorSpec], error: BaseException) -> UnsupportedError:
    """Why a module could not be traced: it does not run on such inputs at all, or torch cannot see what it would do."""
    own = why_it_does_not_run(model, specs)
    if own is not None:
        return own
    reason = next(
        (words for name, words in _IN_WORDS.items() if name in type(error).__name__), reason_of(error)
    )
    return UnsupportedError(
        f"torch.export cannot follow the model: {reason}", f"where: {place_of(error, model)}", IN_TENSORS
    )


def _what_to_give(model: nn.Module, specs: Sequence[TensorSpec]) -> str:
    """How to declare what ``forward`` takes, if it takes another number of tensors."""
    names = [each.name for each in parameters(model)]
    if is_callable_with(model, len(specs)) or not names:
        return "give inputs as it takes them: --image-size, --input NAME=SIZExSIZE:TYPE, or --spec"
    shapes = ["x".join(map(str, spec.shape)) for spec in specs]
    shapes += shapes[-1:] * (len(names) - len(shapes))
    example = " ".join(f"--input {name}={shape}" for name, shape in zip(names, shapes))
    return f"forward takes {', '.join(names)}: declare each that is to be an input, with its shape, as in {example}"
