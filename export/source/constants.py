"""What ``forward`` asks of its own constants: a number, a truth, the places that a mask leaves.

``torch.export`` follows a module on tensors without values, so it cannot know that ``if self.is_fitted`` or ``x[:, self.mask]`` is
the same at every call. Here the module is run on real tensors, beside a record of what was computed of the inputs; each question
that no input had a part in, or whose answer can only raise an error, is answered the same way while the module is followed.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from .attempt import attempt
from .checks import is_a_check

__all__ = ["Answer", "answered", "answers_of"]


@dataclass(frozen=True)
class Answer:
    """What is answered at a file's line; None where an input decides. The questions of a call are in the order of ``forward``.
    ``is_check``: an input is asked, and decides nothing but whether an error is raised."""

    place: tuple[str, int]
    value: object | None
    is_check: bool = False


# What makes Python's numbers of a tensor, or gives so many values as these say.
_QUESTIONS = {
    Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__, Tensor.is_nonzero,
    torch.is_nonzero, Tensor.equal, torch.equal, Tensor.nonzero, torch.nonzero, Tensor.argwhere, torch.argwhere,
    Tensor.unique, torch.unique, Tensor.bincount, torch.bincount,
}  # fmt: skip


# They give as many values as their second argument says.
_BY_A_MASK = {torch.ops.aten.index.Tensor, torch.ops.aten.masked_select.default}


def answers_of(model: nn.Module, inputs: tuple[Tensor, ...]) -> Sequence[Answer]:
    """The answers of ``model``'s constants; none where there are no such questions, where it does not run, or where a number of
    Python's was made of an input, for what that decides cannot be seen."""
    watch = _Watch(inputs)
    asked = _Asked(watch)
    with watch, asked:
        succeeded = attempt(model, inputs).succeeded
    is_told = succeeded and not watch.has_told and any(item.value is not None for item in asked.answers)
    return asked.answers if is_told else ()


@contextlib.contextmanager
def answered(model: nn.Module, answers: Sequence[Answer]) -> Iterator[None]:
    """Around calls of ``model``: its questions are answered so, at every call."""
    forward = model.forward

    @functools.wraps(forward)
    def told(*args: object, **kwargs: object) -> object:
        with _Told(answers):
            return forward(*args, **kwargs)

    own = vars(model).get("forward")
    model.forward = told
    try:
        yield
    finally:
        del model.forward
        if own is not None:
            model.forward = own


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The memory of what was computed of the inputs, or drawn, held so that it is nobody else's."""

    def __init__(self, inputs: tuple[Tensor, ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._memory: dict[int, object] = {}
        self.has_told = False  # a number, or so many values as the inputs say
        self._hold(inputs)

    def is_of_inputs(self, values: object) -> bool:
        return any(_memory(item)[0] in self._memory for item in _tensors(values))

    def _hold(self, values: object) -> None:
        self._memory.update(_memory(item) for item in _tensors(values))

    def __torch_dispatch__(
        self, func: Any, types: object, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = (args, kwargs or {})
        found = func(*args, **(kwargs or {}))
        if self.is_of_inputs(given) or torch.Tag.nondeterministic_seeded in func.tags:
            self._hold((found, given) if func._schema.is_mutable else found)
            is_number = any(isinstance(item, (bool, int, float)) for item in pytree.tree_leaves(found))
            self.has_told |= is_number or self._counts_values(func, args)
        return found

    def _counts_values(self, func: Any, args: Sequence[Any]) -> bool:
        """Whether it gives so many values as what was computed of the inputs says."""
        if torch.Tag.dynamic_output_shape not in func.tags:
            return False
        return self.is_of_inputs(args[1:] if func in _BY_A_MASK else args)


def _memory(tensor: Tensor) -> tuple[int, object]:
    storage = tensor.untyped_storage()
    return storage._cdata, storage


def _tensors(values: object) -> list[Tensor]:
    leaves = pytree.tree_leaves(values)
    return [item for item in leaves if isinstance(item, Tensor) and item.layout is torch.strided]


class _Asked(TorchFunctionMode):
    """Keeps the answers of a run on real tensors."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch
        self.answers: list[Answer] = []

    def __torch_function__(
        self, func: Any, types: object, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        place, has_told = _place(), self._watch.has_told
        found = func(*args, **(kwargs or {}))
        masks = _masks(func, args)
        if func in _QUESTIONS:
            is_known = not self._watch.is_of_inputs((args, kwargs))
            is_check = not is_known and is_a_check(*place)
            self._watch.has_told = has_told or not (is_known or is_check)
            self.answers.append(Answer(place, found if is_known or is_check else None, is_check))
        elif masks:
            is_known = not self._watch.is_of_inputs(masks)
            self.answers.append(Answer(place, _places(args[1]) if is_known else None))
        return found


class _Told(TorchFunctionMode):
    """Answers in the same order, as long as the same lines ask."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__()
        self._answers = list(reversed(answers))

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        is_question = func in _QUESTIONS
        answer = self._next(_place()) if is_question or _masks(func, args) else None
        if answer is None:
            return func(*args, **(kwargs or {}))
        return answer if is_question else args[0][answer]

    def _next(self, place: tuple[str, int]) -> Any:
        if not self._answers or self._answers[-1].place != place:
            self._answers = []  # another way through the module than that of the run
            return None
        return self._answers.pop().value


def _place() -> tuple[str, int]:
    """The line that called the function which called this one."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno


def _masks(func: object, args: Sequence[Any]) -> list[object]:
    """The masks among the places that an index names."""
    if func is not Tensor.__getitem__:
        return []
    return [item for item in _parts(args[1]) if _is_mask(item)]


def _parts(index: object) -> tuple[object, ...]:
    return index if isinstance(index, tuple) else (index,)


def _is_mask(part: object) -> bool:
    if isinstance(part, list):
        return bool(part) and all(isinstance(item, bool) for item in part)
    return isinstance(part, Tensor) and part.dtype is torch.bool and part.ndim > 0


def _places(index: object) -> tuple[object, ...]:
    """The same index, by the numbers of the places that its masks leave."""
    found: list[object] = []
    for part in _parts(index):
        found += torch.as_tensor(part).nonzero().unbind(1) if _is_mask(part) else [part]
    return tuple(found)
