"""Accelerate (Hugging Face), which spreads a training run over processors and hosts."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch

from cloformer.errors import MissingRuntimeError, UnsupportedError

from .recipe import Recipe

__all__ = ["Accelerator", "make_accelerator"]

Accelerator: TypeAlias = Any  # accelerate's own: an optional package, without types
_MIXED_PRECISION = {"fp32": "no", "fp64": "no", "bf16": "bf16", "fp16": "fp16"}


def make_accelerator(recipe: Recipe) -> Accelerator:
    """An accelerator for the processes that `torchrun` or `accelerate launch` started, or this one alone."""
    try:
        import accelerate
    except ImportError:
        raise MissingRuntimeError(
            "training needs accelerate, which is not installed", "pip install 'cloformer[train]'"
        ) from None
    try:
        return accelerate.Accelerator(
            cpu=not torch.accelerator.is_available(),  # several processes share CPUs only if this is said
            mixed_precision=_MIXED_PRECISION[recipe.precision],
            gradient_accumulation_steps=recipe.accumulate,
        )
    except ValueError as error:  # fp16 without a GPU, or a second precision in one process
        reason = str(error).splitlines()[0][:200]
        raise UnsupportedError(
            f"training in {recipe.precision} cannot be set up: {reason}",
            "--set precision=fp32, or a process of its own for each precision",
        ) from None
