"""Operators that lose a rounding of one, however small their result is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, fx

from ..passes.rewriter import arguments
from .natures import operator_name

__all__ = ["is_near_one", "lost_of_one"]

# In roundings of one: ONNX and Core ML have no log1p and expm1, and write log(1 + x) and exp(x) - 1. In float32 ONNX Runtime's
# sigmoid is one half plus a quotient, which loses up to 2.5 where it is nearly zero (at -10, over a million numbers); SiLU (2.2 |x|
# were seen) and GLU multiply that. GELU is x (1 + erf(...)) / 2 or x (1 + tanh(...)) / 2: what is lost of the one is multiplied by x
# (0.2 |x| and 2.3 |x| were seen). ELU and its kin are exp(x) - 1 below zero (1.0, and 1.8 of SELU).
_ALWAYS = dict.fromkeys(("log1p", "expm1", "softplus", "log_sigmoid"), 2.0)
# The logarithm of a sum of exponentials that is one or more: a rounding of the sum moves it by a rounding of one, and those of
# the exponentials by another.
_ALWAYS |= dict.fromkeys(("logsumexp", "logaddexp", "logaddexp2"), 2.0)
# A sine takes whole turns off first: beyond the first kernels lose about a rounding of one there (1.4 were seen, at 45,000).
# PyTorch's logit clamps to one less its epsilon, which is rounded, and what is left of one is divided by.
_IN_FLOAT32 = {
    "sigmoid": 3.0, "silu": 3.0, "glu": 3.0, "gelu": 0.5, "elu": 2.0, "celu": 2.0, "selu": 2.0, "logit": 0.5, "sin": 1.0,
    "cos": 1.0,
}  # fmt: skip
_GELU_BY_TANH = 3.0
_NO_SIGMOID = 18.0  # below its negative a sigmoid is zero there


def is_near_one(node: fx.Node, kind: str) -> bool:
    """Whether the operator loses such roundings in ``kind``, "float32" or "float16"."""
    name = operator_name(node.target)
    return name in _ALWAYS or (kind == "float32" and name in _IN_FLOAT32)


def lost_of_one(node: fx.Node, values: Mapping[fx.Node, object], kind: str) -> float:
    """How many roundings of one the operator may lose, of what it is given; ``values`` are the operands'."""
    if not is_near_one(node, kind):
        return 0.0
    name = operator_name(node.target)
    lost = _ALWAYS.get(name) or _IN_FLOAT32[name]
    if name == "logit":
        epsilon = arguments(node)["eps"]
        return lost / float(epsilon) if isinstance(epsilon, float) and epsilon > 0 else 0.0
    operand = values[node.all_input_nodes[0]]
    assert isinstance(operand, Tensor)
    if name in ("elu", "celu"):
        return lost * abs(float(arguments(node)["alpha"]))
    if name in ("sin", "cos"):
        return lost if _largest(operand.abs()) > math.pi else 0.0
    if name == "glu":
        axis = node.args[1] if len(node.args) > 1 else -1
        assert isinstance(axis, int)
        return lost * _largest(operand.chunk(2, axis)[0].abs())
    if name in (
        "silu",
        "gelu",
    ):  # of numbers above zero the result is about as large, and a rounding of it is allowed
        by_tanh = name == "gelu" and arguments(node)["approximate"] == "tanh"
        return (_GELU_BY_TANH if by_tanh else lost) * _largest((-operand).clamp(0, _NO_SIGMOID))
    return lost


def _largest(value: Tensor) -> float:
    return float(torch.nan_to_num(value, nan=0.0, posinf=0.0).max()) if value.numel() else 0.0
