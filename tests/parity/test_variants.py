"""Every variant through every format's passes, in float64, with weights that prove something."""

from __future__ import annotations

import copy

import pytest
import torch
from lists import LISTS
from proof import operators
from reference_weights import fill

import cloformer
from cloformer.export.formats import FORMATS
from cloformer.export.passes import Setting, apply_passes
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import Trace, trace


def _traced(name: str) -> tuple[torch.nn.Module, Trace]:
    model = fill(cloformer.create_model(name))
    spec = TensorSpec("image", (1, 3, 224, 224), "float32", "image")
    return copy.deepcopy(model).double(), trace(model, [spec], ["logits"])


@pytest.mark.parametrize("name", cloformer.list_models())
def test_rewritten_graph_is_the_model(name: str) -> None:
    """Within 1e-10 of the largest logit; and every normalization that can be folded is."""
    reference, traced = _traced(name)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        expected = reference(x)
        for list_name, (format_name, options) in LISTS.items():
            row, setting = FORMATS[format_name], Setting(traced.signature, options=options)
            rewritten, applied = apply_passes(traced, row.passes(setting), cast=False)
            got = copy.deepcopy(rewritten.graph_module).double()(x)[0]
            assert (got - expected).abs().max() <= 1e-10 * expected.abs().max(), list_name
            sites = {item.name.partition("[")[0]: len(item.sites) for item in applied if item.sites}
            assert sites["fold_batch_norm"] == 7
            assert sites["fold_normalization_affine"] == 25  # all but the stem's, which a residual reads
            gone = {"batch_norm", "group_norm", "unbind"} | (
                {"permute"} if list_name in ("onnx for x86", "coreml") else set()
            )
            assert not gone & set(operators(rewritten)), list_name
