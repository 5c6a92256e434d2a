"""How far rounding alone may take a correct export. Every number has its reason beside it.

``u`` is the unit roundoff of the format that the model computes in: 2**-24 in float32, 2**-11 in float16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["OUTPUT_TOLERANCES", "ROUNDOFF", "OutputTolerance", "allowance", "kind_of", "output_tolerance"]

ROUNDOFF = {"float32": 2.0**-24, "float16": 2.0**-11}


@dataclass(frozen=True)
class OutputTolerance:
    """Bounds on an output. ``max_rel`` is of the reference's largest magnitude, and of 1 for probabilities;
    a first class may differ only where the reference preferred its own by less than two such errors."""

    max_rel: float
    cosine: float
    because: str

    def to_json(self) -> dict[str, object]:
        return {"max_rel": self.max_rel, "min_cosine": self.cosine, "because": self.because}


# By the precision of the activations and by whether the runtime is the device's own.
OUTPUT_TOLERANCES: dict[tuple[str, bool], OutputTolerance] = {
    ("float32", True): OutputTolerance(
        1e-5, 0.9999999,
        "float32 costs 1e-6 of the largest logit over the built-in models with drawn weights (ONNX Runtime, "
        "photographs, noise and hostile inputs); ten times that",
    ),
    ("float32", False): OutputTolerance(
        3e-5, 0.9999999,
        "as for a device, and coremltools joins a product and a sum into a batch_norm with variance 1 and "
        "epsilon 1e-5, which is 5e-6; measured 4e-6 to 8e-6; four times that",
    ),
    ("float16", False): OutputTolerance(
        1e-2, 0.9999,
        "rounding each operator's result to float16 costs 1e-3 to 3e-3 of the largest logit; three times that",
    ),
    ("float16", True): OutputTolerance(
        5e-2, 0.999,
        "users report 0.012 to 0.04 for float16 on the Neural Engine, whose sums are not published",
    ),
}  # fmt: skip


_HOSTILE = 10.0  # measured 1.2e-5 in float32, twelve times what photographs give


def output_tolerance(precision: str, is_device_runtime: bool, kind: str) -> OutputTolerance:
    """The bounds for an output, by the kind of input: a constant image leaves the first normalization almost
    no variance, and it multiplies rounding by up to 1 / sqrt(epsilon)."""
    bound = OUTPUT_TOLERANCES[precision, is_device_runtime]
    if kind != "hostile":
        return bound
    because = f"{bound.because}; {_HOSTILE:g} times more where a normalization is left almost no variance"
    return replace(bound, max_rel=_HOSTILE * bound.max_rel, because=because)


# What one operator may add, in u of its result's largest magnitude; the largest seen over the built-in
# models is in brackets: (ONNX Runtime float32, reference runtime float32, reference runtime float16).
_MOVES = 0.0  # (0, 0, 0) numbers are copied
_ROUNDS_ONCE = {"float32": 2.0, "float16": 1.5}  # (0.97, 0.95, 0.92) one rounding is at most 1
_FUNCTION = {"float32": 20.0, "float16": 1.5}  # (2.7, 5.5, 0.98) approximations within a few units
_SUMS = {"float32": 128.0, "float16": 1.5}  # (12, 34, 0.98) float32 sums of up to 6400 products
_NORMALIZES = {"float32": 64.0, "float16": 1.5}  # (15, 2.4, 0.92) means of up to 400,000 numbers
# coremltools writes x * g + b as a batch_norm of variance 1 with epsilon 1e-5: 84 u of float32.
_JOINED = {"float32": 128.0, "float16": 2.0}

_KINDS: dict[str, tuple[str, ...]] = {
    "moves": (
        "view", "reshape", "_unsafe_view", "transpose", "permute", "cat", "stack", "split", "split_with_sizes",
        "chunk", "getitem", "slice", "select", "squeeze", "unsqueeze", "expand", "clone", "contiguous",
        "flatten", "unbind", "alias", "copy", "pad", "constant_pad_nd", "index", "embedding", "gather", "roll",
        "relu", "max_pool2d", "clamp", "hardtanh", "relu6", "amax", "amin", "maximum", "minimum", "neg", "abs",
        "pixel_shuffle", "pixel_unshuffle", "upsample_nearest2d", "lift_fresh_copy", "detach_", "where", "t",
        "unfold", "repeat", "flip", "full", "ones", "zeros", "arange",
    ),
    "rounds once": ("add", "sub", "mul", "div", "rsub", "square", "sqrt", "rsqrt", "reciprocal", "_to_copy", "to"),
    "sums": (
        "conv1d", "conv2d", "conv3d", "convolution", "conv_transpose2d", "linear", "addmm", "mm", "bmm", "baddbmm",
        "matmul", "einsum", "avg_pool2d", "adaptive_avg_pool2d", "mean", "sum", "_adaptive_avg_pool2d",
        "scaled_dot_product_attention", "upsample_bilinear2d", "upsample_bicubic2d", "cumsum",
    ),
    "normalizes": (
        "layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "instance_norm", "batch_norm",
        "_native_batch_norm_legit_no_training", "var", "var_mean", "norm", "linalg_vector_norm",
    ),
}  # fmt: skip
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
_ALLOWED: dict[str, dict[str, float]] = {
    "moves": dict.fromkeys(ROUNDOFF, _MOVES),
    "rounds once": _ROUNDS_ONCE,
    "function": _FUNCTION,
    "sums": _SUMS,
    "normalizes": _NORMALIZES,
}


def kind_of(operator: str) -> str:
    """What an ATen operator does to numbers; a function, if it is none of those that are known."""
    name = operator.removeprefix("aten.").partition(".")[0]
    return _KIND_OF.get("getitem" if "getitem" in operator else name, "function")


def allowance(operators: Sequence[str], steps: int, precision: str) -> float:
    """What a group of operators may add, in u of the result's largest magnitude.

    ``steps`` are the operators of the written model that compute it: each rounds what the next one takes. These
    roundings do not all point the same way, so what they add grows with the square root of their number. A
    normalization of ten steps: measured 2.7 of 8 in float16; in float32 88 of 198, most of it joining.
    """
    kinds = [kind_of(operator) for operator in operators]
    each = [_ALLOWED[kind][precision] for kind in kinds]
    computing = sum(amount > 0 for amount in each)
    if computing > 1 and set(kinds) <= {"moves", "rounds once"}:
        return max(sum(each), _JOINED[precision])
    more = max(steps - len(operators), 0) if computing else 0
    # A normalization that is taken apart ends in x * g + b.
    joined = _JOINED[precision] if more and "normalizes" in kinds else 0.0
    return sum(each) + math.sqrt(more) * _ROUNDS_ONCE[precision] + joined
