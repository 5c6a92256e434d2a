"""What litert-torch makes of constants, and what must not come of it.

It tells constants apart by their shapes and the places of their numbers in memory. Of one whose numbers do not lie in order it makes
a copy first, and forgets it: the next copy may lie at the same place, and is then written as the one before. And it makes the
largest finite number of an infinite one, in the tensor that it was given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram

from .file import array_of

__all__ = ["keep_constants_apart", "restore_infinities"]

_LARGEST = torch.finfo(torch.float32).max


def keep_constants_apart(program: ExportedProgram) -> None:
    """Give ``program`` copies of the constants that the converter would confuse or change; those that are one stay one."""
    copies: dict[int, Tensor] = {}

    def own(tensor: Any) -> Any:
        if not isinstance(tensor, Tensor) or (tensor.is_contiguous() and not _has_infinities(tensor)):
            return tensor
        return copies.setdefault(id(tensor), tensor.detach().clone(memory_format=torch.contiguous_format))

    # The dictionaries are new: another program may have the same ones.
    program._state_dict = {name: own(value) for name, value in program.state_dict.items()}
    program._constants = {name: own(value) for name, value in program.constants.items()}


def restore_infinities(model: Any, program: ExportedProgram) -> None:
    """Where ``program`` has infinite constants, what stands for them in the file is infinite again. A program that has the
    largest finite numbers too keeps what was made of both: a mask of either kind leaves the same after a softmax."""
    held = [value for value in _floats(program) if value.dtype is torch.float32]
    if not any(map(_has_infinities, held)) or any((value.abs() == _LARGEST).any() for value in held):
        return
    for tensor in model.subgraphs[0].tensors:
        numbers = array_of(model, tensor)
        if numbers is not None and numbers.dtype == np.float32 and (np.abs(numbers) == _LARGEST).any():
            restored = np.where(
                np.abs(numbers) == _LARGEST, np.copysign(np.float32(np.inf), numbers), numbers
            )
            model.buffers[tensor.buffer].data = np.frombuffer(restored.astype(np.float32).tobytes(), np.uint8)


def _floats(program: ExportedProgram) -> list[Tensor]:
    held = (*program.state_dict.values(), *program.constants.values())
    return [value for value in held if isinstance(value, Tensor) and value.is_floating_point()]


def _has_infinities(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and bool(tensor.isinf().any())
