"""Every variant through every format's passes, in float64, with weights that prove something."""

from __future__ import annotations

import copy

import pytest
import torch
from proof import operators
from reference_weights import fill

import cloformer
from cloformer.export.formats import FORMATS
from cloformer.export.passes import Setting, apply_passes
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import Trace, trace


def _traced(name: str, size: tuple[int, int]) -> tuple[torch.nn.Module, Trace]:
    model = fill(cloformer.create_model(name))
    spec = TensorSpec("image", (1, 3, *size), "float32", "image")
    return copy.deepcopy(model).double(), trace(model, [spec], ["logits"])


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, (224, 224)) for name in cloformer.list_models()), ("cloformer_xxs", (200, 96))],
)
def test_rewritten_graph_is_the_model(name: str, size: tuple[int, int]) -> None:
    """Within 1e-10 of the largest logit; and every normalization that can be folded is."""
    reference, traced = _traced(name, size)
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        expected = reference(x)
        for format_name, row in FORMATS.items():
            rewritten, applied = apply_passes(traced, row.passes(Setting(traced.signature)), cast=False)
            got = copy.deepcopy(rewritten.graph_module).double()(x)[0]
            assert (got - expected).abs().max() <= 1e-10 * expected.abs().max(), format_name
            sites = {item.name.partition("[")[0]: len(item.sites) for item in applied if item.sites}
            assert sites["fold_batch_norm"] == 7
            assert sites["fold_normalization_affine"] == 25  # all but the stem's, which a residual reads
            assert not {"batch_norm", "group_norm", "unbind", "permute"} & set(operators(rewritten))


def test_constants_are_rounded_once() -> None:
    """Every folded constant is its float64 value rounded to float32, and not a rounding of roundings."""
    _, traced = _traced("cloformer_xxs", (64, 64))
    passes = FORMATS["onnx"].passes(Setting(traced.signature))
    wide, _ = apply_passes(traced, passes, cast=False)
    single, _ = apply_passes(traced, passes)
    wide_state, state = wide.graph_module.state_dict(), single.graph_module.state_dict()
    assert wide_state.keys() == state.keys()
    folded = [key for key, value in wide_state.items() if value.dtype == torch.float64]
    assert len(folded) > 100
    for key, value in wide_state.items():
        assert torch.equal(value.to(state[key].dtype), state[key])
        assert state[key].dtype != torch.float64
