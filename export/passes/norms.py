"""Batch norm in evaluation mode is a scale and a shift per channel."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from .rewriter import Rewriter, arguments, shape_of

__all__ = ["BatchNorm"]

aten = torch.ops.aten

_NORM, _FUNCTIONAL = aten.batch_norm.default, aten._native_batch_norm_legit_no_training.default


@dataclass(frozen=True)
class BatchNorm:
    """``node`` is scale times ``source`` plus shift, each (channels,) in float64, along axis 1. Over the images of the training
    it has ``mean`` and ``deviation`` by channel: what the norm normalized, times its gain, plus its bias."""

    node: fx.Node
    source: fx.Node
    scale: Tensor
    shift: Tensor
    mean: Tensor
    deviation: Tensor

    @classmethod
    def read(cls, rewriter: Rewriter, node: object) -> BatchNorm | None:
        """The batch norm whose normalized tensor is ``node``; None if it is none, is in training mode, or its constants are
        computed."""
        if not isinstance(node, fx.Node) or shape_of(node) is None:
            return None
        norm = node
        if node.target is operator.getitem and node.args[1] == 0:  # the functional form gives three tensors
            norm = node.all_input_nodes[0]
        if norm.target is not (_NORM if norm is node else _FUNCTIONAL):
            return None
        if norm is not node and any(user.users for user in norm.users if user is not node):
            return None
        bound = arguments(norm)
        mean, variance = rewriter.constant(bound["running_mean"]), rewriter.constant(bound["running_var"])
        if bound.get("training", False) or mean is None or variance is None:
            return None
        if rewriter.is_computed(bound["weight"]) or rewriter.is_computed(bound["bias"]):
            return None
        gain, shift = rewriter.constant(bound["weight"]), rewriter.constant(bound["bias"])
        scale = torch.rsqrt(variance + bound["eps"])
        scale = scale if gain is None else scale * gain
        shift = torch.zeros_like(mean) if shift is None else shift
        deviation = scale.abs() * variance.clamp(min=0).sqrt()
        return cls(node, bound["input"], scale, shift - mean * scale, shift, deviation)

    @classmethod
    def each(cls, rewriter: Rewriter) -> Iterator[BatchNorm]:
        """Those of the graph, in order, each as it is when those before it have been rewritten."""
        for node in rewriter.nodes(_NORM, operator.getitem):
            norm = cls.read(rewriter, node) if node.users else None
            if norm is not None:
                yield norm
