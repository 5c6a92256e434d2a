"""What an export is asked for, and the folder that it goes to."""

from __future__ import annotations

from collections.abc import Sequence

from cloformer.export.pipeline.request import ExportRequest, choose_formats, jobs_for
from cloformer.export.source.resolve import resolve
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec


def _declared(image: str, numbers: str, size: int) -> ModelSpec:
    return ModelSpec((TensorSpec(image, (1, 3, size, size), role="image"), TensorSpec(numbers, (1, 4))))


def _folders(request: ExportRequest) -> Sequence[str]:
    return [job.folder.name for job in jobs_for(request, choose_formats(request), resolve(request))]


def test_every_option_that_decides_the_bytes_has_its_own_folder() -> None:
    model, spec = "user_models:two_inputs", _declared("image", "scalars", 32)
    requests = [
        ExportRequest(model, spec=spec),
        ExportRequest(model, spec=spec, options={"opset": "18"}),
        ExportRequest(model, spec=spec, reparameterize=False),
        ExportRequest(model, spec=spec, seed=3),
        ExportRequest(model, spec=spec, formats=("coreml",)),
        ExportRequest(model, spec=spec, formats=("coreml",), precision="fp32"),
        ExportRequest(model, spec=spec, formats=("coreml",), options={"target": "ios18"}),
        ExportRequest(model, spec=_declared("image", "scalars", 64)),
        ExportRequest(model, spec=_declared("image", "numbers", 32)),
        ExportRequest(model, spec=_declared("photo", "scalars", 32)),
    ]
    folders = [folder for request in requests for folder in _folders(request)]
    assert len(set(folders)) == len(requests)
    assert _folders(ExportRequest(model, spec=spec, formats=("onnx", "coreml"))) == [folders[0], folders[4]]
