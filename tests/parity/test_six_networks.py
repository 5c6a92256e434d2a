"""What was wrong with right exports of whole networks. ``make mutation-score`` holds many more of them, and plants faults."""

from __future__ import annotations

from pathlib import Path

import six_networks
from mutation.mil_graph import MilGraph

from cloformer.export.artifact.folder import Artifact
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.tolerances import ROUNDOFF
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest


def _compared(name: str, output: Path, form: str) -> tuple[Artifact, ParityReport]:
    model = f"six_networks:{name}"
    request = ExportRequest(
        model, image_size=six_networks.IMAGE_SIZE, formats=(form,), precision="fp32", output=output
    )
    (exported,) = export(request)
    report = compare(exported.artifact, ParityRequest(model=model))
    assert report.passed, [*map(str, report.failures), *report.not_compared]
    return exported.artifact, report


def test_attention_is_compared_with_its_operators(tmp_path: Path) -> None:
    """``nn.MultiheadAttention`` has a kernel of its own for the whole module, which rounds otherwise and no trace sees."""
    _, report = _compared("attention_module", tmp_path, "onnx")
    assert any("scaled_dot_product_attention" in item.operator for item in report.operators)


def test_a_gain_and_a_shift_are_joined_without_an_epsilon(tmp_path: Path) -> None:
    """coremltools joins them into a batch_norm and leaves its epsilon at 1e-5, which is 84 roundings of float32."""
    artifact, report = _compared("u_net", tmp_path, "coreml")
    joined = [operator for operator in MilGraph(artifact).operators if operator.kind == "batch_norm"]
    assert len(joined) == 14 and {operator.number("epsilon") for operator in joined} == {0.0}
    shifts = [item for item in report.operators if item.operator == "aten.add.Tensor"]
    assert max(item.own_error for item in shifts) < 4 * ROUNDOFF["float32"]
