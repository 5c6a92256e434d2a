"""What an ATen operator does to numbers: what it may add to an error, and whether it decides.

An operator *decides* where a small change of what it is given changes its result by more than a rounding: a comparison,
a cast to integers or to a coarser type, the place of the largest. Between two ways of computing in floating point, such a result may differ
although both are right.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import fx

__all__ = ["decides", "gives_numbers", "is_in_half", "nature_of", "nature_of_node", "operator_name"]

_NATURES: dict[str, tuple[str, ...]] = {
    "moves": (
        "view", "reshape", "_unsafe_view", "transpose", "permute", "cat", "stack", "split", "split_with_sizes",
        "chunk", "getitem", "slice", "select", "squeeze", "unsqueeze", "expand", "clone", "contiguous",
        "flatten", "unbind", "alias", "copy", "pad", "constant_pad_nd", "index", "embedding", "gather", "roll",
        "relu", "max_pool2d", "clamp", "hardtanh", "relu6", "amax", "amin", "maximum", "minimum", "neg", "abs",
        "pixel_shuffle", "pixel_unshuffle", "upsample_nearest2d", "lift_fresh_copy", "detach_", "where", "t",
        "unfold", "repeat", "flip", "masked_fill", "full", "ones", "zeros", "arange",
    ),
    # "cloformer" are weights that are stored small: a product of a whole number and its scale, or a palette's number.
    "rounds once": ("cloformer", "add", "sub", "mul", "div", "rsub", "square", "sqrt", "rsqrt", "reciprocal", "_to_copy", "to"),
    "sums": (
        "conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
        "linear", "addmm", "mm", "bmm", "baddbmm", "matmul", "einsum", "mv", "dot", "mean", "sum", "cumsum",
        "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
        "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "scaled_dot_product_attention", "upsample_linear1d",
        "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bilinear2d_aa",
        "_upsample_bicubic2d_aa", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "scatter_add", "index_add",
    ),
    "normalizes": (
        "layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "instance_norm", "batch_norm",
        "_native_batch_norm_legit_no_training", "var", "var_mean", "norm", "linalg_norm", "linalg_vector_norm",
        "linalg_matrix_norm",
    ),
}  # fmt: skip
_NATURE_OF = {name: nature for nature, names in _NATURES.items() for name in names}

_NARROW = (torch.float16, torch.bfloat16)  # which a model rounds to by itself, in steps

# What gives numbers that jump; what gives integers or truths of numbers decides too, whatever its name.
_JUMPS = {
    "ceil", "floor", "round", "trunc", "fix", "sign", "sgn", "frac", "remainder", "fmod", "floor_divide", "heaviside",
    "fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine", "quantize_per_tensor", "dequantize",
    "atan2",  # between half a turn and minus half a turn
    "cloformer.round_by_range.default",
    "topk", "sort", "kthvalue", "median", "nanmedian", "mode",
}  # fmt: skip


@cache
def operator_name(target: object) -> str:
    """``conv2d`` for ``aten.conv2d.default``; ``getitem`` for what takes a piece of a list. What ``torch.special`` calls otherwise
    has its usual name."""
    name = str(target)
    if "getitem" in name:
        return "getitem"
    plain = name.removeprefix("aten.").partition(".")[0].removeprefix("special_")
    return "sigmoid" if plain == "expit" else plain


@cache
def nature_of(target: object) -> str:
    """moves, rounds once, sums, normalizes; function, if it is none of the operators that are known."""
    return _NATURE_OF.get(operator_name(target), "function")


# Of complex numbers these are several operators of real ones: a magnitude is a root of a sum of squares.
_OF_PAIRS = {"abs", "mul", "div", "square", "sqrt", "rsqrt", "reciprocal"}


def nature_of_node(node: fx.Node) -> str:
    """As :func:`nature_of`, but "function" for what takes one rounding, or none, of real numbers alone and is given complex
    ones."""
    is_of_pairs = operator_name(node.target) in _OF_PAIRS and any(
        isinstance(value := source.meta.get("val"), torch.Tensor) and value.is_complex()
        for source in node.all_input_nodes
    )
    return "function" if is_of_pairs else nature_of(node.target)


def decides(node: fx.Node) -> bool:
    """Whether the node's result may jump where what it is given changes by a rounding."""
    if not any(gives_numbers(source) for source in node.all_input_nodes):
        return False
    name, value = operator_name(node.target), node.meta.get("val")
    is_division = name == "div" and bool(node.kwargs.get("rounding_mode"))
    is_narrow = isinstance(value, torch.Tensor) and value.dtype in _NARROW and nature_of_node(node) != "moves"
    jumps = name in _JUMPS or str(node.target) in _JUMPS
    return is_division or is_narrow or jumps or (name != "getitem" and not _all_numbers(value))


def is_in_half(node: fx.Node) -> bool:
    """Whether the model itself computes the node in half precision, of such numbers: it rounds what it gives, and what it adds
    up on the way. A cast to it is no such node."""
    given = [source.meta.get("val") for source in (node, *node.all_input_nodes)]
    kinds = [item.dtype for item in given if isinstance(item, torch.Tensor) and _is_number(item)]
    return len(kinds) > 1 and set(kinds) == {torch.float16}


def gives_numbers(node: fx.Node) -> bool:
    """Whether the node gives floating-point numbers, alone or among others."""
    value = node.meta.get("val")
    found = value if isinstance(value, (list, tuple)) else [value]
    return any(_is_number(item) for item in found)


def _all_numbers(value: object) -> bool:
    found = value if isinstance(value, (list, tuple)) else [value]
    return all(_is_number(item) for item in found if isinstance(item, torch.Tensor))


def _is_number(value: object) -> bool:
    return isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())
