"""A network by its seed."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .attention import ATTENTIONS
from .blocks import GATES, MOVES, RESIDUALS
from .draw import Draw, Maker, Shape
from .heads import HEADS
from .layers import ACTIVATIONS, CONVOLUTIONS, NORMALIZATIONS, POOLINGS, RESIZINGS

__all__ = ["RandomNetwork", "image_size", "make", "reference_of"]

# What a block is drawn from, and how often.
_KINDS: tuple[tuple[Mapping[str, Maker], int], ...] = (
    (CONVOLUTIONS, 6), (NORMALIZATIONS, 4), (ACTIVATIONS, 4), (RESIDUALS, 4), (GATES, 2), (ATTENTIONS, 3), (POOLINGS, 2),
    (RESIZINGS, 2), (MOVES, 2),
)  # fmt: skip
_FEWEST, _MOST = 4, 12  # blocks
_SMALLEST, _LARGEST = 4, 32  # sides of a map
_MOST_CHANNELS = 32
_MOST_TOKENS = 256  # that attend to one another
_LARGE = 50.0  # of a map's numbers: from here on a normalization comes next
_ATTEMPTS = 50


@dataclass(frozen=True)
class _Part:
    name: str
    module: nn.Module
    shape: Shape


class RandomNetwork(nn.Module):
    """Blocks in a row; ``words`` are their names in order."""

    def __init__(self, blocks: list[nn.Module], words: list[str]) -> None:
        super().__init__()
        self.blocks, self.words = nn.Sequential(*blocks), words

    def forward(self, x: Tensor) -> object:
        return self.blocks(x)


def reference_of(seed: int) -> str:
    """What ``--model`` takes."""
    return f"random_networks.networks:network_{seed}"


def image_size(seed: int) -> tuple[int, int]:
    """Height and width of what the network takes."""
    return Draw(random.Random(f"size {seed}")).one_of((16, 16), (24, 24), (32, 32), (32, 24), (20, 28))


@torch.no_grad()
def make(seed: int) -> RandomNetwork:
    """The network in evaluation mode: blocks, weights, gains and statistics are all drawn."""
    draw = Draw(random.Random(seed))
    generator = torch.Generator().manual_seed(seed)
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    x = torch.randn(2, 3, *image_size(seed), generator=generator)
    blocks: list[nn.Module] = []
    words: list[str] = []
    count = draw.random.randint(_FEWEST, _MOST)
    while len(blocks) < count:
        table = CONVOLUTIONS if not blocks else _table(draw, float(x.abs().max()))
        found = _fitting(draw, table, x, generator)
        if found is not None:
            name, block, x = found
            blocks.append(block)
            words.append(name)
    head = _fitting(draw, HEADS, x, generator, is_last=True)
    assert head is not None
    torch.set_rng_state(state)
    return RandomNetwork([*blocks, head[1]], [*words, head[0]]).eval()


def _table(draw: Draw, largest: float) -> Mapping[str, Maker]:
    if largest > _LARGE:
        return {name: NORMALIZATIONS[name] for name in ("group norm", "one group", "layer norm of channels")}
    tables, weights = zip(*_KINDS, strict=True)
    found: Mapping[str, Maker] = draw.random.choices(tables, weights)[0]
    return found


def _fitting(
    draw: Draw,
    table: Mapping[str, Callable[..., nn.Module]],
    x: Tensor,
    generator: torch.Generator,
    *,
    is_last: bool = False,
) -> tuple[str, nn.Module, Tensor] | None:
    """A block that takes ``x``, and what it makes of it; None if what was drawn does not fit."""
    shape = (int(x.shape[1]), int(x.shape[2]), int(x.shape[3]))
    if table is ATTENTIONS and shape[1] * shape[2] > _MOST_TOKENS:
        return None
    name = draw.one_of(*table)
    try:
        block = table[name](draw, shape).eval()
        _draw_numbers(block, x, generator)
        found = block(x.clone())
    except (
        RuntimeError,
        ValueError,
        IndexError,
        TypeError,
    ):  # a pixel shuffle of three channels, a padding too wide
        return _fitting(draw, table, x, generator, is_last=True) if is_last else None
    if is_last:
        return name, block, x
    is_map = found.ndim == 4 and min(found.shape[2:]) >= _SMALLEST and max(found.shape[2:]) <= _LARGEST
    if not is_map or not 3 <= found.shape[1] <= _MOST_CHANNELS or not found.isfinite().all():
        return None
    return name, block, found


def _draw_numbers(block: nn.Module, x: Tensor, generator: torch.Generator) -> None:
    """Weights so that a map keeps its size, more or less; gains and biases off the identity; statistics near those of a
    layer's operand."""
    for module in block.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim > 1 and "weight" in name and not isinstance(module, nn.LayerNorm):
                inputs = parameter[0].numel()
                gain = torch.empty(()).uniform_(0.7, 1.4, generator=generator)
                parameter.normal_(0, float(gain) / math.sqrt(inputs), generator=generator)
            elif "weight" in name or name in ("gamma", "temperature"):
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.normal_(0, 0.2, generator=generator)
    hooks = [
        module.register_forward_pre_hook(lambda module, given: _draw_statistics(module, given[0], generator))
        for module in block.modules()
        if getattr(module, "running_var", None) is not None
    ]
    block(x.clone())
    for hook in hooks:
        hook.remove()


def _draw_statistics(module: nn.Module, x: Tensor, generator: torch.Generator) -> None:
    mean, variance = module.running_mean, module.running_var
    assert isinstance(mean, Tensor) and isinstance(variance, Tensor)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    mean.copy_(x.mean(axes) + 0.1 * torch.randn(mean.shape, generator=generator))
    variance.copy_(x.var(axes) * torch.empty_like(variance).uniform_(0.5, 1.5, generator=generator) + 0.01)


def __getattr__(name: str) -> Callable[[], nn.Module]:
    found = re.fullmatch(r"network_(\d+)", name)
    if found is None:
        raise AttributeError(f"{__name__} has no network {name}")
    return lambda: make(int(found[1]))
