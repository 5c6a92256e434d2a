"""What resizing and sampling lose, by the places and the weights that they compute."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, fx

from .natures import operator_name

__all__ = ["lost_by_places", "lost_by_weights", "resizes"]

_ZEROS = 0  # the padding mode of grid_sampler in which what is beyond the edge is zero
_RESIZES = {
    "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bilinear2d_aa",
    "_upsample_bicubic2d_aa", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d",
}  # fmt: skip
_OF_CUBICS = 3.0  # roundings of an axis's weights; 15 of two together is the largest seen (ONNX Runtime), by a margin of 4
_CUBIC = 2  # torch's number for it
_WHOLE = 2.0**12  # a scale that is a whole number of such parts has places that float32 holds exactly


def resizes(node: fx.Node) -> bool:
    """Whether the node takes weighted means between neighbours, by places that it computes."""
    return operator_name(node.target) in _RESIZES


def lost_by_weights(node: fx.Node) -> float:
    """What a resizing's weights lose, in roundings of the result: each is a cubic in the place between two pixels, and so many
    of an axis are one together but for what their products and sums round."""
    name = operator_name(node.target)
    is_cubic = "bicubic" in name or ("grid" in name and node.args[2] == _CUBIC)
    return 2 * _OF_CUBICS if is_cubic else 0.0


def lost_by_places(node: fx.Node, values: Mapping[fx.Node, object]) -> float:
    """What a resizing changes where a place is off by a rounding of the side's length, over the roundoff: the step between
    neighbours times that length, the most of any axis. None is off where the scale is such that float32 holds every place."""
    value, result = values[node.all_input_nodes[0]], node.meta["val"]
    assert isinstance(value, Tensor)
    samples = "grid" in operator_name(node.target)  # at places that are given, on a side from -1 to 1
    if samples and node.args[3] == _ZEROS:
        value = F.pad(value, [1, 1] * (value.ndim - 2))  # over the edge there is a step, too
    corners = int(bool(node.args[2]))
    found = 0.0
    for axis in range(2, value.ndim):
        before, after = int(value.shape[axis]), int(result.shape[axis])
        scale = (before - corners) / max(after - corners, 1)
        if (samples or scale * _WHOLE % 1) and before > 1:
            found = max(found, before * float(value.diff(dim=axis).abs().nan_to_num(posinf=0).max()))
    return found
