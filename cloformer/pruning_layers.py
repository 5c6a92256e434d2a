"""What can be pruned in a CloFormer: the layers with hidden channels or heads, and the weights that each of these owns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .model import CloBlock, CloFormer, ConvFFN

__all__ = ["Layer", "Part", "layers_of"]

_BOTH = ("weight", "bias")


@dataclass(frozen=True, eq=False)
class Part:
    """What the units own of one tensor of the state_dict: row u of ``places`` (units, places) are unit u's on ``axis``."""

    key: str
    axis: int
    places: Tensor

    def of_units(self, tensor: Tensor) -> Tensor:
        """(units, numbers): all that each unit owns of ``tensor``, which has the shape of the part's."""
        return tensor.movedim(self.axis, 0)[self.places].flatten(1)


@dataclass(frozen=True, eq=False)
class Layer:
    """The hidden channels of a ConvFFN, or the heads of one branch of an attention, and what each owns.

    ``certain`` are lists of parts: a unit is dead if, in one of the lists, all that it owns is zero. ``constant`` is the
    bias that a unit adds whatever comes in, and the columns of the layer that reads it.
    """

    name: str
    kind: str
    block: int
    parts: tuple[Part, ...]
    certain: tuple[tuple[Part, ...], ...] = field(repr=False)
    constant: tuple[Part, Part] | None = field(default=None, repr=False)

    @property
    def weights(self) -> list[str]:
        """The keys of its matrices and kernels; biases are no measure of importance."""
        return [part.key for part in self.parts if part.key.endswith(".weight")]

    @property
    def reader_bias(self) -> str:
        """The key of the bias that takes what is constant."""
        assert self.constant is not None
        return self.constant[1].key.removesuffix("weight") + "bias"

    def summed(self, scores: Mapping[str, Tensor]) -> Tensor:
        """(units): the sum over each unit's numbers in ``scores``, which has the weights' keys and shapes."""
        parts = [part for part in self.parts if part.key in scores]
        return torch.stack([part.of_units(scores[part.key]).sum(1) for part in parts]).sum(0)

    def dead(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """(units), boolean: whether removing the unit changes nothing, because nothing reads it or it is constant."""
        ways = [
            torch.stack([(part.of_units(tensors[part.key]) == 0).all(1) for part in way]).all(0)
            for way in self.certain
        ]
        return torch.stack(ways).any(0)

    def moved(self, tensors: Mapping[str, Tensor], removed: Sequence[int]) -> Tensor | None:
        """The bias of the layer that reads the units, with what the removed ones add whatever comes in; None if that is
        nothing. Computed in float64."""
        if self.constant is None or not removed:
            return None
        given, read = self.constant
        bias = tensors[self.reader_bias]
        columns = read.places[list(removed)].flatten()
        constant = tensors[given.key].double()[given.places[list(removed)].flatten()]
        added = tensors[read.key].double().flatten(1)[:, columns] @ constant
        return (bias.double() + added).to(bias.dtype)


def layers_of(model: CloFormer) -> Iterator[Layer]:
    """Every layer that can be pruned, block by block."""
    blocks = ((path, found) for path, found in model.named_modules() if isinstance(found, CloBlock))
    for block, (path, found) in enumerate(blocks):
        attention = found.attn
        global_width = attention.global_heads * attention.head_dim
        local_width = attention.proj.in_channels - global_width
        if local_width:  # in one group: the publication has no network with more
            yield _local_heads(f"{path}.attn", block, _places(local_width, attention.head_dim))
        if global_width:
            yield _global_heads(f"{path}.attn", block, _places(global_width, attention.head_dim), local_width)
        yield _hidden(f"{path}.mlp", block, found.mlp)


def _places(width: int, head_dim: int) -> Tensor:
    """(heads, channels of a head): which each head has, of a branch that is ``width`` wide."""
    return torch.arange(width).reshape(-1, head_dim)


def _hidden(path: str, block: int, ffn: ConvFFN) -> Layer:
    each = torch.arange(ffn.fc1.out_channels)[:, None]
    rows, row_biases = (Part(f"{path}.fc1.{of}", 0, each) for of in _BOTH)
    kernels, kernel_biases = (Part(f"{path}.dwconv.{of}", 0, each) for of in _BOTH)
    columns = Part(f"{path}.fc2.weight", 1, each)
    # GELU of 0 is 0, so that a channel without weights and bias gives the depthwise bias, at the borders too.
    certain = (columns,), (kernels,), (rows, row_biases)
    parts = rows, row_biases, kernels, kernel_biases, columns
    return Layer(path, "hidden", block, parts, certain, (kernel_biases, columns))


def _local_heads(path: str, block: int, places: Tensor) -> Layer:
    """A head of AttnConv: its queries, keys and values through their depthwise convolutions, what the gate makes of it,
    and its columns of the projection. The channels inside the gate belong to all heads, and stay."""
    width = places.numel()
    values = places + 2 * width
    all_three = torch.cat([places, places + width, values], 1)
    mixed = [Part(f"{path}.{name}.0.{of}", 0, all_three) for name in ("qkvs", "convs") for of in _BOTH]
    gate_in = Part(f"{path}.act_blocks.0.act_block.0.weight", 1, places)
    gate_out = [Part(f"{path}.act_blocks.0.act_block.2.{of}", 0, places) for of in _BOTH]
    columns = Part(f"{path}.proj.weight", 1, places)
    kernels, kernel_biases = (Part(f"{path}.convs.0.{of}", 0, values) for of in _BOTH)
    # Its product of queries and keys goes into the gate of every head.
    certain = (
        (gate_in, columns),
        (gate_in, kernels, kernel_biases),
        (gate_in, *gate_out),
    )
    return Layer(path, "local_heads", block, (*mixed, gate_in, *gate_out, columns), certain)


def _global_heads(path: str, block: int, places: Tensor, before: int) -> Layer:
    """A head of the pooled attention; ``before`` channels of the projection are the other branch's."""
    values = places + places.numel()
    queries = [Part(f"{path}.global_q.{of}", 0, places) for of in _BOTH]
    both = [Part(f"{path}.global_kv.{of}", 0, torch.cat([places, values], 1)) for of in _BOTH]
    columns = Part(f"{path}.proj.weight", 1, places + before)
    value_rows, value_biases = (Part(f"{path}.global_kv.{of}", 0, values) for of in _BOTH)
    # The weights of attention sum to 1, so that the bias of the values is all there is without their rows.
    certain = (columns,), (value_rows,)
    return Layer(path, "global_heads", block, (*queries, *both, columns), certain, (value_biases, columns))
