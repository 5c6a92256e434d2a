"""Operators that make, join, order and choose (``tensor_operation.py``)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cloformer.errors import InputError, UnsupportedError

from .._operator import Ints, Tensors, operator
from ..types import element_count
from ._shapes import broadcast_count


@operator("identity", specification="iOS15/tensor_operation.py: identity")
def identity(x: Tensor) -> Tensor:
    return x


@operator("concat", specification="iOS15/tensor_operation.py: concat")
def concat(values: Tensors, axis: int, interleave: bool = False) -> Tensor:
    """One after the other or, interleaved, the first of each, then the second of each, and so on."""
    values = [value if value.ndim else value.reshape(1) for value in values]
    element_count((sum(value.numel() for value in values),), "the result")
    if not interleave:
        return torch.cat(values, axis)
    axis %= values[0].ndim
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


@operator("stack", specification="iOS15/tensor_operation.py: stack")
def stack(values: Tensors, axis: int) -> Tensor:
    element_count((len(values), *values[0].shape), "the result")
    return torch.stack(values, axis)


@operator("split", specification="iOS15/tensor_operation.py: split")
def split(
    x: Tensor, axis: int, num_splits: int | None = None, split_sizes: Ints | None = None
) -> list[Tensor]:
    if split_sizes is None:
        if not num_splits or x.shape[axis] % num_splits:
            raise InputError(f"{x.shape[axis]} cannot be split into {num_splits} equal parts")
        split_sizes = [x.shape[axis] // num_splits] * num_splits
    return list(torch.split(x, split_sizes, axis))


def _filled(shape: list[int], value: Tensor | None) -> Tensor:
    element_count(tuple(shape), "the result")
    return torch.zeros(shape) if value is None else value.reshape(()).repeat(shape)


@operator("fill", specification="iOS15/tensor_operation.py: fill")
def fill(shape: Ints, value: Tensor | None = None) -> Tensor:
    return _filled(shape, value)


@operator("fill_like", specification="iOS16/tensor_operation.py: fill_like")
def fill_like(ref_tensor: Tensor, value: Tensor | None = None) -> Tensor:
    return _filled(list(ref_tensor.shape), value)


@operator("range_1d", specification="iOS15/tensor_operation.py: range_1d")
def range_1d(end: Tensor, start: Tensor, step: Tensor) -> Tensor:
    """From ``start`` on, without ``end``. How many there are is computed in float32, as coremltools does."""
    end, start, step = (item.reshape(()) for item in (end, start, step))
    wide = torch.float32 if start.is_floating_point() else torch.float64
    count = max(int(torch.ceil((end.to(wide) - start.to(wide)) / step.to(wide))), 0)
    element_count((count,), "the result")
    return start + step * torch.arange(count, dtype=start.dtype)


@operator("tile", specification="iOS15/tensor_operation.py: tile")
def tile(x: Tensor, reps: Ints) -> Tensor:
    element_count(tuple(size * count for size, count in zip(x.shape, reps, strict=True)), "the result")
    return x.repeat(reps)


@operator("pad", specification="iOS15/tensor_operation.py: pad")
def pad(x: Tensor, pad: Ints, mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    """Before and after each of the last axes. ``reflect`` mirrors without repeating the border, ``replicate``
    repeats the border only."""
    if mode not in ("constant", "reflect", "replicate"):
        raise UnsupportedError(f"padding {mode!r} is not known")
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    sides = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    if min(itertools.chain((0,), *sides)) < 0:
        raise InputError(f"padding cannot be negative: {pad}")
    element_count(
        tuple(low + size + high for size, (low, high) in zip(x.shape, sides, strict=True)), "the result"
    )
    if mode == "constant":
        return F.pad(x, list(itertools.chain(*reversed(pairs))), value=constant_val)
    for axis, (low, high) in enumerate(sides):
        last = x.shape[axis] - 1
        places = torch.arange(-low, last + 1 + high)
        places = places.clamp(0, last) if mode == "replicate" else last - (last - places.abs()).abs()
        x = x.index_select(axis, places) if low or high else x
    return x


@operator("band_part", specification="iOS15/tensor_operation.py: band_part")
def band_part(x: Tensor, lower: int = -1, upper: int = -1) -> Tensor:
    """Zero but for so many diagonals below and above the main one; for all of them, if negative."""
    distance = torch.arange(x.shape[-1]) - torch.arange(x.shape[-2]).reshape(-1, 1)
    is_kept = ((distance >= -lower) | (lower < 0)) & ((distance <= upper) | (upper < 0))
    return torch.where(is_kept, x, torch.zeros_like(x))


def _narrow_sums(x: Tensor, axis: int) -> Tensor:
    with np.errstate(over="ignore", invalid="ignore"):
        return torch.from_numpy(np.add.accumulate(x.half().numpy(), axis, dtype=np.float16)).to(x.dtype)


def _without_itself(sums: Tensor, axis: int) -> Tensor:
    """Each sum in the place after its own; the first is zero."""
    before = torch.zeros_like(sums.narrow(axis, 0, 1))
    return torch.cat([before, sums.narrow(axis, 0, sums.shape[axis] - 1)], axis)


def _narrow_cumsum(x: Tensor, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    sums = _narrow_sums(x.flip(axis) if reverse else x, axis)
    sums = _without_itself(sums, axis) if exclusive else sums
    return sums.flip(axis) if reverse else sums


@operator("cumsum", specification="iOS15/tensor_operation.py: cumsum", narrow=_narrow_cumsum)
def cumsum(x: Tensor, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """The sum up to each element, without itself if ``exclusive``."""
    sums = torch.cumsum(x.flip(axis) if reverse else x, axis)
    sums = _without_itself(sums, axis) if exclusive else sums
    return sums.flip(axis) if reverse else sums


@operator("argsort", specification="iOS15/tensor_operation.py: argsort")
def argsort(x: Tensor, axis: int = -1, ascending: bool = False) -> Tensor:
    """Equal ones in their order."""
    return torch.argsort(x, stable=True, dim=axis, descending=not ascending)


@operator("topk", specification="iOS15, iOS16, iOS17/tensor_operation.py: topk")
def topk(
    x: Tensor,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> list[Tensor]:
    """The ``k`` largest or smallest, all of them if -1, and their places; equal ones in their order."""
    del sort, output_indices_dtype  # what is sorted is right if any order is; the type is the declared one
    count = x.shape[axis] if k == -1 else k
    places = argsort(x, axis, ascending).narrow(axis, 0, count)
    return [x.gather(axis, places), places][: 1 + return_indices]


@operator("one_hot", specification="iOS15/tensor_operation.py: one_hot")
def one_hot(
    indices: Tensor,
    one_hot_vector_size: int,
    axis: int = -1,
    on_value: Tensor | None = None,
    off_value: Tensor | None = None,
) -> Tensor:
    """``on_value`` at each index, on a new axis; nowhere if there is no such index."""
    element_count((*indices.shape, one_hot_vector_size), "the result")
    on = torch.tensor(1) if on_value is None else on_value.reshape(())
    off = torch.zeros_like(on) if off_value is None else off_value.reshape(())
    is_on = indices.unsqueeze(-1) == torch.arange(one_hot_vector_size)
    return torch.where(is_on, on, off).movedim(-1, axis)


@operator("non_zero", specification="iOS15/tensor_operation.py: non_zero")
def non_zero(x: Tensor) -> Tensor:
    """The places of what is not zero, one a row."""
    return torch.nonzero(x)


@operator("select", specification="iOS15/control_flow.py: select")
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``a`` where ``cond`` holds, else ``b``."""
    broadcast_count([cond.shape, a.shape, b.shape])
    return torch.where(cond, a, b)


@operator(
    "non_maximum_suppression", specification="iOS15, iOS17/tensor_operation.py: non_maximum_suppression"
)
def non_maximum_suppression(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    max_boxes: int,
    score_threshold: float | None = None,
    per_class_suppression: bool = False,
) -> list[Tensor]:
    """Boxes as centre, width and height, each with a score for every class; the best score is its own, and its
    class is the one that has it.

    From the best on, a box is taken unless one that was (of the same class, if ``per_class_suppression``)
    overlaps it by more than the threshold. Gives boxes, scores and indices (-1 where no box is left); and for
    iOS 15, which knows it by ``score_threshold``, their number. Since iOS 17, the boxes lie along the last axis.
    """
    is_last = score_threshold is None
    if is_last:
        boxes, scores = boxes.mT, scores.mT
    element_count((len(boxes), max_boxes, max(4, scores.shape[-1])), "the result")
    least = -math.inf if score_threshold is None else score_threshold
    out_boxes = boxes.new_zeros(len(boxes), max_boxes, 4)
    out_scores = scores.new_zeros(len(boxes), max_boxes, scores.shape[-1])
    out_indices = torch.full((len(boxes), max_boxes), -1)
    counts = torch.zeros(len(boxes), dtype=torch.int64)
    for n in range(len(boxes)):
        best, kinds = scores[n].max(-1)
        kinds = kinds if per_class_suppression else torch.zeros_like(kinds)
        chosen = _suppressed(boxes[n], best, kinds, iou_threshold, least)[:max_boxes]
        counts[n] = len(chosen)
        out_boxes[n, : len(chosen)], out_scores[n, : len(chosen)] = boxes[n, chosen], scores[n, chosen]
        out_indices[n, : len(chosen)] = chosen
    if is_last:
        return [out_boxes.mT, out_scores.mT, out_indices]
    return [out_boxes, out_scores, out_indices, counts]


def _suppressed(boxes: Tensor, scores: Tensor, kinds: Tensor, threshold: float, least: float) -> Tensor:
    """The places of the boxes that are left, from the best on."""
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    area = boxes[:, 2:].prod(-1)
    order = torch.argsort(scores, stable=True, descending=True)
    is_left = scores >= least
    if not is_left.any():
        return order[
            :1
        ]  # Core ML gives the best one even so: its reference in coremltools' test_tensor_operation
    chosen = []
    for place in order.tolist():
        if is_left[place]:
            chosen.append(place)
            shared = (torch.minimum(high, high[place]) - torch.maximum(low, low[place])).clamp(min=0).prod(-1)
            overlap = shared / (area + area[place] - shared)
            is_left &= ~((overlap > threshold) & (kinds == kinds[place]))
    return torch.tensor(chosen)
