"""Multiply-adds: of a module, of its trace, and of what passes make of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, traced
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cloformer.export.artifact.manifest import Manifest
from cloformer.export.formats import FORMATS
from cloformer.export.passes import Setting, apply_passes
from cloformer.export.reports.artifact import text
from cloformer.export.schemas import schema
from cloformer.export.source.counts import MultiplyAdds, multiply_adds

STORED = Path(__file__).parent.parent / "data" / "artifacts" / "v2" / "onnx"


def _resized() -> nn.Module:
    """By a whole factor, and by others: a convolution of each channel, and products with matrices."""
    return Lambda(
        lambda self, x: self.last(
            F.interpolate(
                F.interpolate(self.first(x), scale_factor=2, mode="bicubic"),
                (9, 5),
                mode="bilinear",
                antialias=True,
            )
        ),
        first=nn.Conv2d(3, 4, 3),
        last=nn.Conv2d(4, 2, 1),
    )


def _branches() -> nn.Module:
    """Of which one convolution is made."""
    return Lambda(
        lambda self, x: self.large(x) + self.small(x),
        large=nn.Conv2d(3, 8, 3, padding=1),
        small=nn.Conv2d(3, 8, 1),
    )


def _attention() -> nn.Module:
    return Lambda(
        lambda self, x: F.scaled_dot_product_attention(self.q(x), self.q(x), x),
        q=nn.Linear(8, 8),
    )


def _counted(module: nn.Module, x: torch.Tensor) -> int:
    """As torch counts where the module runs."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(x)
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    ("make", "shape", "changes"),
    [(_resized, (1, 3, 8, 8), "coreml litert executorch"), (_branches, (1, 3, 8, 8), " ".join(FORMATS)), (_attention, (1, 2, 6, 8), "")],
)  # fmt: skip
def test_what_passes_add_is_the_difference(make: Any, shape: Any, changes: str, format_name: str) -> None:
    model, x = make().eval(), torch.randn(shape)
    before = traced(model, shape)
    own = MultiplyAdds().of(before.graph_module.graph)
    assert own == _counted(model, x) == multiply_adds(model, before.signature.inputs) > 0
    after, applied = apply_passes(before, FORMATS[format_name].passes(Setting(before.signature)))
    added = {item.name: item.added_multiply_adds for item in applied if item.added_multiply_adds}
    assert own + sum(added.values()) == _counted(after.graph_module, x)
    assert bool(added) is (format_name in changes)
    assert make is not _branches or added == {"merge_layers": -8 * 3 * 64}


@pytest.mark.parametrize(
    ("law", "shape", "expected"),
    [
        (lambda _, x: x[0] @ x[1], (2, 7), 7),
        (lambda _, x: x @ x[0], (5, 7), 35),
        (lambda _, x: torch.addmv(x[:, 0], x, x[0]), (5, 7), 35),
        (lambda _, x: torch.addbmm(x[0], x, x), (3, 5, 5), 375),
        (lambda self, x: self.layer(x)[0], (4, 1, 6), 4 * 4 * 8 * (6 + 8)),
    ],
    ids=["dot", "mv", "addmv", "addbmm", "lstm"],
)  # fmt: skip
def test_what_torch_does_not_count(law: Any, shape: tuple[int, ...], expected: int) -> None:
    model = Lambda(law, layer=nn.LSTM(6, 8)).eval()
    assert MultiplyAdds().of(traced(model, shape).graph_module.graph) == expected


def test_it_is_written_down_and_shown() -> None:
    manifest = Manifest.from_json(json.loads((STORED / "manifest.json").read_bytes()))
    first, second, *others = manifest.passes
    passes = (replace(first, added_multiply_adds=1500), replace(second, added_multiply_adds=-20), *others)
    changed = replace(manifest, passes=passes)
    assert Manifest.from_json(changed.to_json()) == changed
    jsonschema.Draft202012Validator(schema("manifest")).validate(changed.to_json())
    own = manifest.model.multiply_adds
    line = f"{own + 1480:,} multiply-adds: the model's {own:,}, and {first.name} +1,500, {second.name} -20"
    assert line in "\n".join(text.describe(changed))
    assert "multiply-adds" not in "\n".join(text.describe(manifest))
