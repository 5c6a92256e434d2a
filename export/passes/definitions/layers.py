"""Layers and distances."""

from __future__ import annotations

import functools
import math
import string
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ._table import defines

aten = torch.ops.aten


@defines(aten.bilinear.default)
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """y[o] = x1 W[o] x2 + b[o]"""
    outputs, first, second = weight.shape
    flat = weight.permute(1, 0, 2).reshape(first, outputs * second)
    rows = (input1.reshape(-1, first) @ flat).reshape(-1, outputs, second)
    found = (rows @ input2.reshape(-1, second, 1)).reshape(*input1.shape[:-1], outputs)
    return found if bias is None else found + bias


@defines(aten.cosine_similarity.default)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int, eps: float) -> Tensor:
    """Of vectors over their norms, each of them e at least."""
    first, second = (item / (item * item).sum(dim, keepdim=True).sqrt().clamp_min(eps) for item in (x1, x2))
    return (first * second).sum(dim)


@defines(aten.channel_shuffle.default, aten.native_channel_shuffle.default)
def channel_shuffle(self: Tensor, groups: int) -> Tensor:
    """The channels of all groups in turn."""
    batch, channels, *rest = self.shape
    return self.reshape(batch, groups, channels // groups, -1).transpose(1, 2).reshape(batch, channels, *rest)


@defines(aten.col2im.default)
def col2im(
    self: Tensor,
    output_size: list[int],
    kernel_size: list[int],
    dilation: list[int],
    padding: list[int],
    stride: list[int],
) -> Any:
    """A transposed convolution whose kernels are ones, each at the place that its row of the input is for."""
    sizes = list(zip(output_size, kernel_size, dilation, padding, stride, strict=True))
    counts = [(size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, d, p, s in sizes]
    more = [
        size - ((n - 1) * s - 2 * p + d * (k - 1) + 1)
        for n, (size, k, d, p, s) in zip(counts, sizes, strict=True)
    ]
    area = kernel_size[0] * kernel_size[1]
    columns = self if self.ndim == 3 else self.unsqueeze(0)
    channels = columns.shape[1] // area
    maps = columns.reshape(-1, columns.shape[1], *counts)
    kernels = torch.eye(area, dtype=self.dtype).reshape(area, 1, *kernel_size).repeat(channels, 1, 1, 1)
    image = aten.conv_transpose2d.input(maps, kernels, None, stride, padding, more, channels, dilation)
    return image if self.ndim == 3 else image.squeeze(0)


@defines(aten.cdist.default)
def cdist(x1: Tensor, x2: Tensor, p: float, **_: object) -> Any:
    """The norms of all differences; where these are too many, of |x|^2 + |y|^2 - 2 x y."""
    if p == 2 and x1.shape[-2] * x2.numel() > _MOST_DIFFERENCES:
        squares = [(item * item).sum(-1) for item in (x1, x2)]
        total = squares[0].unsqueeze(-1) + squares[1].unsqueeze(-2) - 2 * (x1 @ x2.transpose(-2, -1))
        return total.clamp_min(0).sqrt()
    return _norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)


_MOST_DIFFERENCES = 2**24  # numbers: 64 MiB


@defines(aten.pdist.default)
def pdist(self: Tensor, p: float) -> Any:
    """The norms of the differences of each two rows."""
    first, second = torch.triu_indices(len(self), len(self), 1).unbind(0)
    return _norm(self.index_select(0, first) - self.index_select(0, second), p)


@defines(aten.norm.Scalar, aten.norm.ScalarOpt_dim)
def norm(self: Tensor, p: float | None, dim: list[int] | None = None, keepdim: bool = False) -> Any:
    """The norm of a vector."""
    p = 2 if p is None else p
    found = vector_norm(self, p, dim, keepdim, None)
    return torch.linalg.vector_norm(self, p, dim or None, keepdim) if found is NotImplemented else found


@defines(aten.linalg_vector_norm.default)
def vector_norm(
    self: Tensor, ord: float, dim: list[int] | None, keepdim: bool, dtype: torch.dtype | None
) -> Any:
    """Of powers that no other norm has."""
    if ord in (1, 2) or not 0 < ord < math.inf or dtype not in (None, self.dtype) or not self.ndim:
        return NotImplemented
    return power_norm(self, ord, dim or list(range(self.ndim)), keepdim=keepdim)


@defines(aten.dist.default)
def dist(self: Tensor, other: Tensor, p: float) -> Any:
    """The norm of the difference."""
    return norm((self - other).reshape(-1), p)


@defines(aten.linalg_cross.default)
def cross(self: Tensor, other: Tensor, dim: int) -> Tensor:
    """x[1] y[2] - x[2] y[1], and so on in turn"""
    first, second = (torch.roll(item, (-shift,), (dim,)) for item, shift in ((self, 1), (other, 2)))
    third, fourth = (torch.roll(item, (-shift,), (dim,)) for item, shift in ((self, 2), (other, 1)))
    return first * second - third * fourth


def _norm(x: Tensor, p: float) -> Any:
    """Over the last axis."""
    if p == 2:
        return (x * x).sum(-1).sqrt()
    if p == 0:
        return (x != 0).to(x.dtype).sum(-1)
    size = x.abs()
    if p == math.inf:
        return size.amax(-1)
    return size.sum(-1) if p == 1 else power_norm(x, p, [-1], keepdim=False)


def power_norm(x: Tensor, p: float, dim: list[int], *, keepdim: bool) -> Any:
    """m (sum((\\|x\\| / m)^p))^(1/p) for the largest magnitude m, so that no power leaves float16"""
    size = x.abs()
    largest = size.amax(dim, keepdim=True)
    scale = torch.where(largest > 0, largest, 1.0)
    total = ((size / scale) ** p).sum(dim, keepdim=True) ** (1 / p) * largest
    return total if keepdim else total.squeeze(dim)


@defines(aten.var_mean.default, aten.var_mean.dim, aten.var_mean.correction)
def var_mean(self: Tensor, dim: list[int] | None = None, keepdim: bool = False, **said: Any) -> list[Tensor]:
    """var(x), mean(x)"""
    return [torch.var(self, dim, correction=_correction(said), keepdim=keepdim), _mean(self, dim, keepdim)]


@defines(aten.std_mean.default, aten.std_mean.dim, aten.std_mean.correction)
def std_mean(self: Tensor, dim: list[int] | None = None, keepdim: bool = False, **said: Any) -> list[Tensor]:
    """std(x), mean(x)"""
    return [torch.std(self, dim, correction=_correction(said), keepdim=keepdim), _mean(self, dim, keepdim)]


def _correction(said: dict[str, Any]) -> float:
    """What is subtracted from n: 1 where nothing is said."""
    if "unbiased" in said:
        return float(said["unbiased"])
    return 1 if said.get("correction") is None else said["correction"]


def _mean(x: Tensor, axes: list[int] | None, keepdim: bool) -> Tensor:
    return torch.mean(x, axes or list(range(x.ndim)), keepdim)


@defines(aten.addmm.default, aten.addmv.default, aten.baddbmm.default, aten.addbmm.default)
def add_product(self: Tensor, beta: float, alpha: float, **factors: Tensor) -> Tensor:
    """b y + a x z; of ``addbmm`` the sum of the products"""
    left, right = factors.values()
    product = left @ right if alpha == 1 else (left @ right) * alpha
    if "batch1" in factors and self.ndim < 3:
        product = product.sum(0)
    return (self if beta == 1 else self * beta) + product


@defines(aten.max_pool1d.default, aten.max_pool2d.default, aten.max_pool3d.default)
def max_pool(
    self: Tensor,
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    ceil_mode: bool,
) -> Any:
    """Of windows with gaps, axis after axis, the largest of as many slices as a window has places; of one image as of a
    batch of one."""
    rank = len(kernel_size)
    gaps, borders = (list(item) * (rank if len(item) == 1 else 1) for item in (dilation, padding))
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[rank]
    if max(gaps) == 1 and self.ndim == rank + 1:
        return pool(self[None], kernel_size, stride or None, padding, dilation, ceil_mode)[0]
    if max(gaps) == 1:
        return NotImplemented
    counts = pool(self, kernel_size, stride or None, padding, dilation, ceil_mode).shape[-rank:]
    steps = (list(stride) * (rank if len(stride) == 1 else 1)) or list(kernel_size)
    x = self
    for axis in range(rank):
        span = (counts[axis] - 1) * steps[axis] + 1
        behind = (kernel_size[axis] - 1) * gaps[axis] + span - self.shape[axis - rank] - borders[axis]
        if borders[axis] or behind > 0:
            widths = [0] * 2 * (rank - 1 - axis) + [borders[axis], max(behind, 0)]
            x = F.pad(x, widths, value=-math.inf)
        starts = [place * gaps[axis] for place in range(kernel_size[axis])]
        x = functools.reduce(
            torch.maximum,
            [aten.slice.Tensor(x, axis - rank, start, start + span, steps[axis]) for start in starts],
        )
    return x


@defines(aten.affine_grid_generator.default)
def affine_grid_generator(theta: Tensor, size: list[int], align_corners: bool) -> Tensor:
    """Each point of an even grid, and a one, times the matrix."""
    counts = list(size[2:])
    axes = [_even(count, align_corners, theta.dtype) for count in counts]
    points = torch.stack(
        [*reversed(torch.meshgrid(*axes, indexing="ij")), torch.ones(counts, dtype=theta.dtype)], -1
    )
    found = points.reshape(1, -1, len(counts) + 1) @ theta.transpose(1, 2)
    return found.reshape(len(theta), *counts, len(counts))


def _even(count: int, aligned: bool, kind: torch.dtype) -> Tensor:
    """From -1 to 1, or half a step within."""
    points = torch.linspace(-1, 1, count, dtype=kind) if count > 1 else torch.zeros(1, dtype=kind)
    return points if aligned else points * ((count - 1) / count)


@defines(aten.prelu.default)
def prelu(self: Tensor, weight: Tensor) -> Any:
    """x if x > 0 else w x, a slope for each channel; of images Core ML has an operator"""
    if self.ndim == 4 or weight.numel() == 1:
        return NotImplemented
    slopes = weight.reshape([1, -1] + [1] * (self.ndim - 2)) if self.ndim > 1 else weight
    return torch.where(self > 0, self, slopes * self)


@defines(aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input)
def conv_transpose(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    output_padding: list[int],
    groups: int,
    dilation: list[int],
) -> Any:
    """Of the whole result, what begins behind the padding; where that ends before the size that is asked for, zeros; of one
    image as of a batch of one."""
    rank = weight.ndim - 2
    convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    if input.ndim == rank + 1:
        given = (input.unsqueeze(0), weight, bias, stride, padding, output_padding, groups, dilation)
        found = conv_transpose(*given)
        return (convolve(*given) if found is NotImplemented else found).squeeze(0)
    more, crop = (list(item) * (rank if len(item) == 1 else 1) for item in (output_padding, padding))
    if not any(more) or (rank < 3 and all(item <= cut for item, cut in zip(more, crop, strict=True))):
        return NotImplemented
    sizes = convolve(input, weight, None, stride, padding, output_padding, groups, dilation).shape[-rank:]
    x = convolve(input, weight, None, stride, 0, 0, groups, dilation)
    for axis, (size, cut) in enumerate(zip(sizes, crop, strict=True), start=-rank):
        rest = x.shape[axis] - cut
        if cut or rest > size:
            x = x.narrow(axis, cut, min(size, rest))
        if rest < size:
            x = F.pad(x, [0, 0] * (-axis - 1) + [0, size - rest])
    return x if bias is None else x + bias.reshape([-1] + [1] * rank)


@defines(aten.scaled_dot_product_attention.default)
def attention(query: Tensor, key: Tensor, value: Tensor, enable_gqa: bool, **said: Any) -> Any:
    """Each head of keys and values for as many heads of queries."""
    if not enable_gqa:
        return NotImplemented
    each = query.shape[-3] // key.shape[-3]
    keys, values = (item.repeat_interleave(each, -3) if each > 1 else item for item in (key, value))
    return F.scaled_dot_product_attention(query, keys, values, **said)


@defines(aten.einsum.default)
def einsum(equation: str, tensors: list[Tensor], **_: object) -> Any:
    """Axes that are not named get letters of their own."""
    if "..." not in equation:
        return NotImplemented
    terms, _arrow, result = equation.replace(" ", "").partition("->")
    if not _arrow:
        return NotImplemented
    letters = [letter for letter in string.ascii_letters if letter not in equation]
    written = []
    for term, tensor in zip(terms.split(","), tensors, strict=True):
        rest = tensor.ndim - len(term.replace("...", ""))
        written.append(term.replace("...", "".join(letters[-rest:] if rest else [])))
    most = max(
        tensor.ndim - len(term.replace("...", ""))
        for term, tensor in zip(terms.split(","), tensors, strict=True)
    )
    full = f"{','.join(written)}->{result.replace('...', ''.join(letters[-most:] if most else []))}"
    return torch.einsum(full, tensors)


@defines(aten.adaptive_avg_pool3d.default)
def adaptive_average(self: Tensor, output_size: list[int]) -> Tensor:
    """Axis after axis, the means of windows as even as they can be."""
    x = self
    for axis, count in enumerate(output_size, start=-len(output_size)):
        size = x.shape[axis]
        edges = [(place * size // count, -(-(place + 1) * size // count)) for place in range(count)]
        x = torch.cat([x.narrow(axis, low, high - low).mean(axis, keepdim=True) for low, high in edges], axis)
    return x
