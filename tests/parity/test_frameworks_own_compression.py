"""What coremltools' own compression makes of weights without a word, and what is made of the same weights here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import torch
from torch import nn

from cloformer.export.formats.coreml.mil import Interpreter, read_package
from cloformer.export.formats.runners import open_model
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec
from cloformer.io.quiet import quiet

SHAPE = (1, 8, 8, 8)
SPEC = ModelSpec((TensorSpec("x", SHAPE),))


def build() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(8, 40, 3, padding=1)).eval()


def naive(model: nn.Module, path: Path) -> np.ndarray:
    """The outputs of the package that coremltools makes with a scale for each channel and palettes for groups of 16 of the 40
    channels, as its own operators define them."""
    config = cto.OpPalettizerConfig(
        mode="kmeans", nbits=4, granularity="per_grouped_channel", group_size=16,
        enable_per_channel_scale=True, weight_threshold=0,
    )  # fmt: skip
    with quiet("coremltools"), np.errstate(all="ignore"):
        package = ct.convert(
            torch.jit.trace(model, torch.zeros(SHAPE)),
            inputs=[ct.TensorType(name="x", shape=SHAPE)],
            minimum_deployment_target=ct.target.iOS18,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
        cto.palettize_weights(package, cto.OptimizationConfig(config)).save(str(path))
    read = read_package(path)
    found: dict[str, Any] = Interpreter(read.program.functions[read.default_function]).run({"x": given()})
    return np.asarray(next(iter(found.values())))


def given() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def test_groups_that_do_not_divide_the_channels(tmp_path: Path) -> None:
    """coremltools divides the weights by the scales, finds that the groups do not fit, and leaves them divided."""
    with torch.no_grad():
        want = build()(torch.from_numpy(given())).numpy()

    def lost(got: np.ndarray) -> float:
        return float(np.square(got - want).sum() / np.square(want).sum())

    assert lost(naive(build(), tmp_path / "naive.mlpackage")) > 0.1
    model = "test_frameworks_own_compression:build"
    request = ExportRequest(
        model=model, spec=SPEC, formats=("coreml",), precision="palette-4", output=tmp_path
    )
    artifact = export(request)[0].artifact
    with open_model(artifact.model) as runner:
        (got,) = runner.run({"x": given()}).values()
    assert lost(got) < 0.02
    assert compare(artifact, ParityRequest(model=model, spec=SPEC)).passed
