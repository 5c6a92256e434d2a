from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, operators, rewritten, traced
from torch import Tensor, fx, nn

from cloformer.export.passes.common import common_passes
from cloformer.export.passes.fold_constants import FoldConstants
from cloformer.export.passes.split_projection import SplitProjection


class Standardized(nn.Conv2d):
    """Its weights have a mean of 0 and a variance of 1."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), keepdim=True, unbiased=False)
        return F.conv2d(x, (self.weight - mean) / torch.sqrt(variance + 1e-6), self.bias)


def _spectral() -> nn.Module:
    return nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)).eval()


def _weight_normed() -> nn.Module:
    return nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)).eval()


def _table() -> nn.Module:
    """Of sines, in float32: of so large an angle, float64 has another."""
    return Lambda(lambda _, x: x + torch.sin(torch.arange(8)[:, None] * 97.3 + torch.linspace(0, 1, 8)))


def _masked() -> nn.Module:
    return Lambda(lambda _, x: x.masked_fill(torch.ones(8, 8, dtype=torch.bool).triu(1), -1.0))


def _learned_tokens() -> nn.Module:
    """Attention of learned tokens among themselves: it could drop some, and drops none."""
    return Lambda(
        lambda self, x: x + F.scaled_dot_product_attention(self.tokens, self.tokens, self.tokens),
        tokens=torch.randn(1, 3, 8, 8),
    )


@pytest.mark.parametrize(
    "make", [lambda: Standardized(3, 4, 3), _spectral, _weight_normed, _table, _masked, _learned_tokens]
)
def test_law(make) -> None:
    """The number that PyTorch computes in the model's own types, bit for bit; one constant in the place of all."""
    torch.manual_seed(0)
    model = make()
    before = traced(model, (1, 3, 8, 8))
    after, (applied,) = rewritten(before, FoldConstants())
    assert len(applied.sites) == 1
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(after.graph_module(x)[0], model(x))
    assert set(operators(after)) <= {"conv2d", "add", "masked_fill"}
    held = {name for name, _ in [*after.graph_module.named_parameters(), *after.graph_module.named_buffers()]}
    assert all(name.startswith("folded_") or name.endswith("bias") for name in held)


def test_what_only_repeats_is_left_and_its_operand_folded() -> None:
    model = Lambda(
        lambda self, x: torch.cat([(self.token * 2).expand(2, 4, 8), x], 1), token=torch.randn(1, 1, 8)
    )
    after, (applied,) = rewritten(traced(model, (2, 3, 8)), FoldConstants())
    assert len(applied.sites) == 1 and operators(after) == ["expand", "cat"]
    x = torch.randn(2, 3, 8)
    assert torch.equal(after.graph_module(x)[0], model(x))


def test_what_would_make_the_file_much_larger_is_left() -> None:
    model = Lambda(lambda self, x: x + self.rows @ self.rows.T, rows=torch.randn(600, 1))
    after, (_applied,) = rewritten(traced(model, (1, 1)), FoldConstants())
    assert "matmul" in operators(after)
    held = after.graph_module.state_dict().values()
    assert sum(item.numel() for item in held) == 1200  # the rows, and the rows as a column


def test_what_depends_on_an_input_is_left() -> None:
    model = Lambda(lambda self, x: x * self.w + 3, w=torch.randn(3))
    after, (applied,) = rewritten(traced(model, (2, 3)), FoldConstants())
    assert not applied.sites and operators(after) == ["mul", "add"]


def test_what_is_drawn_is_left() -> None:
    graph = fx.Graph()
    drawn = graph.call_function(torch.ops.aten.rand.default, ([3],))
    even = graph.call_function(torch.ops.aten.linspace.default, (0, 1, 3))
    for node in (drawn, even):
        node.meta["val"] = torch.empty(3)
    graph.output((drawn, even))
    result = FoldConstants()(fx.GraphModule(nn.Module(), graph))
    assert [site.name for site in result.sites] == ["linspace_default"]


def test_what_another_pass_has_computed_is_taken_as_wide_as_it_is() -> None:
    """A scale folded into the weights of a layer that reads a table of positions beside the image."""

    class Waves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 4)

        def forward(self, x: Tensor) -> Tensor:
            places = torch.linspace(-1, 1, 8)
            grid = torch.stack(torch.meshgrid(places, places, indexing="ij"), -1)[None]
            joined = torch.cat([x.permute(0, 2, 3, 1), grid.expand(x.shape[0], -1, -1, -1)], -1)
            return torch.sin(30 * self.layer(joined))

    torch.manual_seed(0)
    model = Waves()
    before = traced(model, (1, 3, 8, 8))
    after, _ = rewritten(before, *common_passes(), SplitProjection(), FoldConstants())
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(after.graph_module(x)[0], model(x), rtol=1e-4, atol=1e-4)
