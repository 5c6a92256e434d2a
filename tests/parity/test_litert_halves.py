"""LiteRT with weights in float16: the file holds them so, the delegate takes all of it, and a step in one is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from changed_artifact import with_model
from extras import needs_litert_torch

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

pytestmark = needs_litert_torch
MODEL = "user_models:resnet"


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    request = ExportRequest(
        model=MODEL,
        image_size=(32, 32),
        formats=("litert",),
        precision="fp16",
        output=tmp_path_factory.mktemp("halves"),
    )
    return export(request)[0].artifact


def test_large_weights_are_stored_in_half(halves: Artifact) -> None:
    from cloformer.export.formats.litert.contents import read_contents

    report = compare(halves, ParityRequest(model=MODEL))
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]
    assert all(item.figures.snr_db > 50 for item in report.costs) and report.costs
    weights = read_contents(halves.model_path).weights
    assert weights["float16"] > 10 * weights["float32"]
    assert halves.manifest.graph.partitions == 1 and not halves.manifest.graph.undelegated


def test_the_next_half_is_found(halves: Artifact, tmp_path: Path) -> None:
    from cloformer.export.formats.litert.file import dtype_of, operators, packed, read_model

    def change(path: Path) -> None:
        model = read_model(path)
        tensors = model.subgraphs[0].tensors
        widened = next(item for item in operators(model) if item.kind == "DEQUANTIZE")
        stored = tensors[widened.inputs[0]]
        assert dtype_of(stored) == "float16"
        numbers = np.array(model.buffers[stored.buffer].data).view(np.uint16).copy()
        numbers[int(np.abs(numbers.view(np.float16)).argmax())] += 1
        model.buffers[stored.buffer].data = numbers.view(np.uint8)
        path.write_bytes(packed(model))

    changed = read_artifact(with_model(halves.folder, tmp_path / "changed", change))
    report = compare(changed, ParityRequest(model=MODEL))
    assert not report.passed and report.first_divergence is not None
    assert "conv" in " ".join((report.first_divergence.operator, *report.first_divergence.group))
