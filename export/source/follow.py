"""A module followed by ``torch.export``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from .constants import Answer, answered, answers_of
from .gradients import exported

__all__ = ["Followed", "followed"]


@dataclass(frozen=True)
class Followed:
    """A module's program, and the lines at which it raises errors that the program does not."""

    program: ExportedProgram
    checks: tuple[str, ...] = ()


def followed(model: nn.Module, inputs: tuple[Tensor, ...]) -> Followed:
    """The program of ``model`` for such inputs. Where torch says that it depends on values, those that its own constants have,
    and what it only checks, are told beforehand. Raises what torch does."""
    try:
        program, failure = exported(model, inputs), None
    except Exception as error:  # torch on its way, or the module
        program, failure = None, error
    if program is not None and not _depends_on_values(program):
        return Followed(program)
    answers = answers_of(model, inputs)
    if answers:
        with answered(model, answers):
            return Followed(exported(model, inputs), tuple(_checks(answers)))
    if program is None:
        assert failure is not None
        raise failure
    return Followed(program)


def _checks(answers: Sequence[Answer]) -> list[str]:
    places = dict.fromkeys(answer.place for answer in answers if answer.is_check)
    return [f"{Path(file).name}, line {line}" for file, line in places]


def _depends_on_values(program: ExportedProgram) -> bool:
    """Whether it computes numbers, or sizes, that the given shapes do not say."""
    values = pytree.tree_leaves([node.meta.get("val") for node in program.graph.nodes])
    sizes = [size for value in values if isinstance(value, Tensor) for size in value.shape]
    return any(isinstance(item, (torch.SymInt, torch.SymFloat, torch.SymBool)) for item in (*values, *sizes))
