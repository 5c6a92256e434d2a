"""What a factory gave as a module that can be traced, without what was put around it for training."""

from __future__ import annotations

from itertools import chain
from typing import cast

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from cloformer.errors import InputError

__all__ = ["usable"]

# What is put around a module to run it on several processors, or compiled, and the attribute that holds it.
_AROUND: tuple[tuple[type[nn.Module], str], ...] = (
    (nn.DataParallel, "module"),
    (nn.parallel.DistributedDataParallel, "module"),
    (torch._dynamo.eval_frame.OptimizedModule, "_orig_mod"),
)


def usable(model: nn.Module, said: str) -> nn.Module:
    """The module itself, on the processor. Raises :class:`InputError`, with ``said`` for what named it, for one of
    TorchScript, and for one whose weights have no values."""
    for kind, inside in _AROUND:
        if isinstance(model, kind):
            return usable(cast("nn.Module", getattr(model, inside)), said)
    for name, part in model.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            where = f"its part {name}" if name else "it"
            raise InputError(
                f"{said}: {where} is a TorchScript module, which holds no Python to trace",
                "return the module that torch.jit.script or torch.jit.trace was given",
            )
    _refuse_without_values(model, said)
    for name in ("train", "eval"):  # a program of torch.export refuses them, and needs neither
        vars(model).pop(name, None)
    return model.cpu()


def _refuse_without_values(model: nn.Module, said: str) -> None:
    packed = next((name for name, value in model.state_dict().items() if _is_quantized(value)), None)
    if packed is not None:
        raise InputError(
            f"{said}: {packed} is quantized by torch, and formats have their own quantization",
            "return the module as it was before that; --precision quantizes",
        )
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if is_lazy(tensor):
            raise InputError(
                f"{said}: {name} has no shape yet, for its layer is lazy",
                "run the module once in the factory, on an input of the shape that it is for",
            )
        if tensor.layout is not torch.strided:
            raise InputError(
                f"{said}: {name} is a sparse tensor, which no format has", "give it as to_dense() does"
            )
        if tensor.is_meta:
            raise InputError(
                f"{said}: {name} is on the meta device and has no values",
                "make the module on the processor, and load its weights in the factory",
            )


def _is_quantized(value: object) -> bool:
    """Whether it is no plain tensor: packed weights, and what says how these are to be read."""
    return not isinstance(value, torch.Tensor) or value.is_quantized
