"""Weights that prove something: every tensor drawn from a generator seeded by its own name.

A fresh initialization has identity norms and tiny logits, so a wrong fold would pass unnoticed.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn


def draw(key: str, shape: tuple[int, ...]) -> Tensor:
    """The tensor of the state_dict key ``key``: computed in float64, stored as float32."""
    if key.endswith("num_batches_tracked"):
        return torch.tensor(1)
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    if key.endswith("running_mean"):
        values = 0.1 * generator.standard_normal(shape)
    elif key.endswith("running_var"):
        values = 0.5 + generator.random(shape)
    elif key.endswith("bias"):
        values = 0.05 * generator.standard_normal(shape)
    elif len(shape) == 1:
        values = 1 + 0.1 * generator.standard_normal(shape)
    else:
        values = generator.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def fill(model: nn.Module) -> nn.Module:
    """``model`` with drawn weights, in evaluation mode."""
    state = {key: draw(key, tuple(value.shape)) for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def reference_input(size: int) -> Tensor:
    """The input of the reference vectors: (2, 3, size, size), float32."""
    generator = np.random.Generator(np.random.PCG64(2303 * 100000 + 17803))
    return torch.from_numpy(generator.standard_normal((2, 3, size, size)).astype(np.float32))


def one_block_a_stage(variant: str = "cloformer_xxs") -> nn.Module:
    """Every pattern of the variant, in a quarter of its operators; seven classes."""
    from cloformer.model import CloFormer
    from cloformer.variants import VARIANTS

    return fill(CloFormer(replace(VARIANTS[variant], depths=(1, 1, 1, 1)), num_classes=7))
