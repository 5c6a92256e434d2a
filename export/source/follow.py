"""A module followed by ``torch.export``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from .constants import answered, answers_of
from .gradients import not_learned

__all__ = ["followed"]


def followed(model: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """The program of ``model`` for such inputs. Where torch says that it depends on values, those that its own constants have
    are told beforehand. Raises what torch does."""
    try:
        program, failure = _exported(model, inputs), None
    except Exception as error:  # torch on its way, or the module
        program, failure = None, error
    if program is not None and not _depends_on_values(program):
        return program
    answers = answers_of(model, inputs)
    if answers:
        with answered(model, answers):
            return _exported(model, inputs)
    if program is None:
        assert failure is not None
        raise failure
    return program


def _exported(model: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """Without gradients where torch has none for an operator, such as fake quantization by a scale that is learned; elsewhere
    with them, or encoder layers would be traced as one fused kernel."""
    try:
        return torch.export.export(model, inputs, strict=False)
    except RuntimeError as error:
        if "requires_grad" not in str(error):
            raise
    with torch.no_grad(), not_learned(model):
        return torch.export.export(model, inputs, strict=False)


def _depends_on_values(program: ExportedProgram) -> bool:
    """Whether it computes numbers, or sizes, that the given shapes do not say."""
    values = pytree.tree_leaves([node.meta.get("val") for node in program.graph.nodes])
    sizes = [size for value in values if isinstance(value, Tensor) for size in value.shape]
    return any(isinstance(item, (torch.SymInt, torch.SymFloat, torch.SymBool)) for item in (*values, *sizes))
