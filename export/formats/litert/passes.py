"""The passes that a LiteRT model is made with, in order."""

from __future__ import annotations

from ...passes import Pass, Setting
from ...passes.add_layers_in_turn import AddLayersInTurn
from ...passes.common import common_passes
from ...passes.fix_sizes import FixSizes
from ...passes.fold_constants import FoldConstants
from ...passes.remove_identities import RemoveIdentities
from ...passes.separate_chunks import SeparateChunks
from ...passes.split_projection import SplitProjection

__all__ = ["passes", "plain_passes"]


def passes(setting: Setting) -> list[Pass]:
    """All of them."""
    return [
        FixSizes(setting.signature.inputs),
        *common_passes(),
        SeparateChunks(),
        SplitProjection(),
        AddLayersInTurn(),
        *_device(),
        RemoveIdentities(),
    ]


def _device() -> list[Pass]:
    """What LiteRT computes in another way than PyTorch, and what litert-torch writes wrong or not at all."""
    return [FoldConstants()]  # also where nothing is re-parameterized


def plain_passes(setting: Setting) -> list[Pass]:
    """What any LiteRT model needs."""
    return [FixSizes(setting.signature.inputs), *_device()]
