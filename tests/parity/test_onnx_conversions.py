"""What torch.onnx refuses or writes wrong is written out before it: right at the oldest, the usual and the newest opset."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cloformer.export.formats import FORMATS
from cloformer.export.formats.exporter import Description, Lowered
from cloformer.export.formats.onnx import exporter
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.passes import Setting, apply_passes
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.resolve import resolve
from cloformer.export.source.trace import lower, trace

HERE = "test_onnx_conversions"
OPSETS = list(FORMATS["onnx"].options[0].choices)
attend = F.scaled_dot_product_attention


class Each(nn.Module):
    """A convolution of an image of 16 pixels a side, and each of the laws of what it gives."""

    def __init__(self, laws: list[Callable[[Tensor, nn.Module], object]]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.laws = nn.Conv2d(3, 8, 3, padding=1), laws
        is_seen = torch.ones(16, 16, dtype=torch.bool).tril()
        is_seen[3] = False  # a row that is masked whole
        self.register_buffer("is_seen", is_seen)
        self.register_buffer("infinities", torch.zeros(16, 16).masked_fill(~is_seen, -math.inf))
        self.register_buffer("often", torch.tensor([1, 0, 2, 1, 1, 1, 1, 1]))
        self.bias = nn.Parameter(torch.randn(8, 16, 16))
        self.lstm = nn.LSTM(16, 6, proj_size=3, batch_first=True)

    def forward(self, x: Tensor) -> list[object]:
        y = self.stem(x)
        return [law(y, self) for law in self.laws]


ATTENTION: list[Callable[[Tensor, nn.Module], object]] = [
    lambda x, m: attend(x[0], x[0], x[0]),
    lambda x, m: attend(x[0], x[0], x[0], is_causal=True),
    lambda x, m: attend(x[None], x[None], x[None], m.bias),
    lambda x, m: attend(x, x, x, m.bias[None]).transpose(1, 2).reshape(1, 16, 128),
    lambda x, m: attend(x, x, x, m.is_seen),
    lambda x, m: attend(x, x, x, m.infinities),
    lambda x, m: attend(x, x, x, x[:, :1, :1] > 0.5),
    lambda x, m: attend(x, x, x, (x > 0.5)[:, :, :, :1] & (x > 0)[:, :, :1]),
    lambda x, m: attend(x, x[:, :2], x[:, 2:4], enable_gqa=True),
    lambda x, m: attend(x[:, :, :5], x, x, is_causal=True),
]
POOLING: list[Callable[[Tensor, nn.Module], object]] = [
    lambda x, m: F.max_pool2d(x, 4, 3, 2, ceil_mode=True),
    lambda x, m: F.max_pool2d(x, (4, 3), (3, 2), (2, 1), ceil_mode=True),
    lambda x, m: F.avg_pool2d(x, 4, 3, 2, True),
    lambda x, m: F.avg_pool2d(x, 4, 3, 2, True, False),
    lambda x, m: F.avg_pool2d(x, 3, 2, divisor_override=5),
    lambda x, m: F.max_pool1d(x[:, :, 0], 4, 3, 2, ceil_mode=True),
    lambda x, m: F.avg_pool3d(x[:, None], (2, 4, 4), (2, 3, 3), (0, 2, 2), True),
    lambda x, m: F.adaptive_max_pool2d(x, (5, 3)),
    lambda x, m: F.adaptive_max_pool1d(x[:, :, 0], 7),
]
THE_REST: list[Callable[[Tensor, nn.Module], object]] = [
    lambda x, m: torch.cdist(x[0, :2], x[0, 2:4]),
    lambda x, m: torch.cdist(x[0, :, :2].flatten(1).T, x[0, :, :2].flatten(1).T),
    lambda x, m: torch.cdist(x[0, :2], x[0, 2:4], 1),
    lambda x, m: (1 + x[:, :, :3] / 8).flatten(2).cumprod(2),
    lambda x, m: torch.stack([x.median(), x.amax(), x.amin()]),
    lambda x, m: torch.cat([x.median(1, keepdim=True).values, x.kthvalue(3, 1, keepdim=True).values]),
    lambda x, m: torch.fmax(x, x.flip(3)) + torch.hypot(x, x.flip(2)) + x.abs().copysign(x.flip(2)),
    lambda x, m: torch.searchsorted(m.bias[0, 0, :3].detach().sort().values, x),
    lambda x, m: x.repeat_interleave(m.often, 1, output_size=8),
    lambda x, m: F.rrelu(x) + torch.native_channel_shuffle(x, 4),
    lambda x, m: x.scatter_reduce(3, x.argsort(3), x.exp(), "mean"),
    lambda x, m: torch.sort(x.round(), stable=True, dim=1)[1],
    lambda x, m: m.lstm(x[0, :, :3])[0],
    lambda x, m: F.adaptive_avg_pool3d(x, (3, 5, 7)),
    lambda x, m: x * 0 / (x * 0 + 1e-8) + x / (1e-12 + x.abs()),
]
# Of one value, whose bounds torch.onnx's optimizer would call by one name.
BOUNDS: list[Callable[[Tensor, nn.Module], object]] = [
    lambda x, m: x.clamp(x.new_tensor(-0.5), x.new_tensor(0.5)),
    lambda x, m: x.minimum(x.new_tensor(0.25)).maximum(x.new_tensor(-2.0)),
    lambda x, m: x.clamp(-1, 1).clamp(-0.75, 2),
    lambda x, m: x.relu().clamp(max=0.125),
]
attention, pooling, the_rest, bounds = (
    functools.partial(Each, laws) for laws in (ATTENTION, POOLING, THE_REST, BOUNDS)
)


@pytest.mark.parametrize("name", ["attention", "pooling", "the_rest", "bounds"])
def test_the_file_is_the_model(tmp_path: Path, name: str) -> None:
    """By parity, and at every end of the opsets by what eager PyTorch gives in float32."""
    request = ExportRequest(model=f"{HERE}:{name}", image_size=(16, 16), output=tmp_path)
    (exported,) = export(request)
    report = compare(exported.artifact, ParityRequest(model=f"{HERE}:{name}"))
    assert report.passed, [str(item) for item in report.failures]
    _assert_same(exported.artifact.model_path, name)
    source = resolve(request)
    traced = trace(source.model, source.inputs)
    rewritten, _ = apply_passes(traced, FORMATS["onnx"].passes(Setting(traced.signature)))
    program = lower(rewritten)
    for opset in (OPSETS[0], OPSETS[-1]):
        lowered = Lowered(
            program,
            traced.signature,
            {},
            None,
            FORMATS["onnx"].precisions["fp32"],
            {"opset": opset},
            Description("it", "it"),
        )
        _assert_same(tmp_path / exporter.write(lowered, tmp_path).path, name)


def _assert_same(path: Path, name: str) -> None:
    session = onnxruntime.InferenceSession(path)
    (image,) = session.get_inputs()
    x, model = torch.randn(image.shape, generator=torch.Generator().manual_seed(1)), globals()[name]().eval()
    with torch.no_grad():
        for got, want in zip(session.run(None, {image.name: x.numpy()}), model(x), strict=True):
            assert got.dtype == want.numpy().dtype
            # Of many rows torch takes distances by products, which leaves near ones half of their digits.
            near = 2e-3 if want.shape == (32, 32) else 2e-6
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=near)
