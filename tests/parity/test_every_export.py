"""Every variant as a written ONNX file, on photographs, against the float64 model. Minutes long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from reference_weights import fill

import cloformer
from cloformer.checkpoint import load_checkpoint, save_checkpoint
from cloformer.export.formats.runners import open_model
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.preprocessing import Preprocessing

PHOTOGRAPHS = ("astronaut", "cat", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina")


@pytest.mark.slow
@pytest.mark.parametrize("size", [224, 240, 256])
@pytest.mark.parametrize("name", cloformer.list_models())
def test_onnx_equals_float64_on_photographs(tmp_path: Path, name: str, size: int) -> None:
    """Within 1e-4 absolute and 1e-5 of the largest logit."""
    skimage_data = pytest.importorskip("skimage.data")
    save_checkpoint(fill(cloformer.create_model(name)), tmp_path / "weights.safetensors")
    request = ExportRequest(
        model=name, weights=tmp_path / "weights.safetensors", image_size=(size, size), output=tmp_path / "out"
    )
    artifact = export(request)[0].artifact
    model = load_checkpoint(tmp_path / "weights.safetensors")[0].double()
    rule = Preprocessing.imagenet(size, size)
    seen = 0
    with open_model(artifact.model) as runner, torch.no_grad():
        for photograph in PHOTOGRAPHS:
            try:
                pixels = getattr(skimage_data, photograph)()
            except (AttributeError, OSError, ModuleNotFoundError):
                continue  # scikit-image would have to download it
            seen += 1
            x = rule.prepare(Image.fromarray(pixels))
            got, want = runner.run({"image": x})["logits"], model(torch.from_numpy(x).double()).numpy()
            error = np.abs(got - want).max()
            assert error <= 1e-4
            assert error <= 1e-5 * np.abs(want).max()
    assert seen >= 3
