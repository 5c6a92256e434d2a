"""Right exports of hard networks pass, operator by operator, and what is wrong with others is named."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import hard_networks
import numpy as np
import onnx
import pytest
from outcome import Command

from cloformer.errors import GateError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.references import References
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

OVERFLOWING = ("overflow", "overflow_in_a_product", "overflow_in_a_weight", "overflow_to_no_number")
# Float16 makes a zero of a small number, and its reciprocal is infinite: no operator is wrong in itself.
UNDERFLOWING = ("infinite_where_zero",)
LOSSY = ("cancellation",)
# What one of the formats has no operator for, or takes long for: tests/parity/test_conversions.py has its like in Core ML.
OF_ONE_FORMAT = {
    "recurrent": "onnx",
    "activations_of_small_results": "onnx",
    "at_other_places": "onnx",
    "product_of_many": "coreml",
}
NETWORKS = [name for name, made in vars(hard_networks).items() if name[0].islower() and callable(made)]


def _request(name: str, output: Path, *formats: str, **options: object) -> ExportRequest:
    return ExportRequest(
        model=f"hard_networks:{name}", formats=formats, image_size=(32, 32), output=output, **options
    )  # type: ignore[arg-type]


def _said(report: ParityReport) -> list[str]:
    failing = [f"{item.name} on {item.case}: {item.reason}" for item in report.outputs if not item.passed]
    return failing + [str(item) for item in report.operators if not item.passed] + list(report.not_compared)


def _assert_sound(artifact: Artifact, name: str, references: References) -> ParityReport:
    report = compare(artifact, ParityRequest(model=f"hard_networks:{name}"), references=references)
    assert report.passed, _said(report)
    assert {item.verdict for item in report.operators} <= {"right", "overflows", "inherited"}
    alone = compare(artifact, ParityRequest())
    assert alone.passed, _said(alone)
    return report


@pytest.mark.parametrize(
    "name", [name for name in NETWORKS if name not in OVERFLOWING + UNDERFLOWING + LOSSY]
)
def test_what_is_right_passes(name: str, tmp_path: Path) -> None:
    """ONNX in float32 and Core ML in float16, with the model and by the vectors alone."""
    references = References()
    formats = (OF_ONE_FORMAT[name],) if name in OF_ONE_FORMAT else ("onnx", "coreml")
    for exported in export(_request(name, tmp_path, *formats)):
        report = _assert_sound(exported.artifact, name, references)
        assert len(report.operators) >= 2


@pytest.mark.parametrize("opset", ["18", "20"])
def test_what_onnx_has_in_float32_alone_passes_in_float16(opset: str, tmp_path: Path) -> None:
    request = _request("float32_on_the_way", tmp_path, "onnx", precision="fp16", options={"opset": opset})
    (exported,) = export(request)
    _assert_sound(exported.artifact, "float32_on_the_way", References())


@pytest.mark.parametrize("name", OVERFLOWING + UNDERFLOWING + LOSSY)
def test_float32_does_not_end_there(name: str, tmp_path: Path) -> None:
    references = References()
    for exported in export(_request(name, tmp_path, "onnx", "coreml", precision="fp32")):
        _assert_sound(exported.artifact, name, references)


@pytest.mark.parametrize("name", OVERFLOWING)
def test_an_overflow_is_named_by_the_export_and_by_parity(
    name: str, tmp_path: Path, command: Command
) -> None:
    with pytest.raises(GateError, match="overflows the number format") as refused:
        export(_request(name, tmp_path, "coreml", keep_failed=True))
    (kept,) = tmp_path.glob("*-failed")
    assert str(kept) in str(refused.value) and len(refused.value.lines) == 3
    for arithmetic in ("wide", "narrow"):
        options = ("--model", f"hard_networks:{name}", "--arithmetic", arithmetic, "--bisect", "--json")
        done = command("parity", kept, *options)
        assert done.code == 1, done.err
        report = done.json["reports"][0]
        assert report["first_divergence"]["verdict"] == "overflows"
        assert report["first_divergence"]["node"] in str(refused.value)
        assert {item["failure"] for item in report["outputs"]} == {None}
        assert any(item["too_lossy"] for item in report["outputs"])
        assert json.dumps(report, allow_nan=False)


def test_where_too_much_is_lost_is_named_by_the_export_and_by_parity(
    tmp_path: Path, command: Command
) -> None:
    """No operator is wrong in itself, and none overflows."""
    with pytest.raises(GateError, match=r"fp16 costs .* is the most \(--max-loss\)") as refused:
        export(_request(*LOSSY, tmp_path, "coreml", keep_failed=True))
    _, where, way_out = refused.value.lines
    assert "first lost inside: " in where and "aten.sub.Tensor" in where and "hard_networks:After" in where
    assert way_out.startswith("--precision fp32 loses nothing; kept as ")
    (kept,) = tmp_path.glob("*-failed")
    done = command("parity", kept, "--model", f"hard_networks:{LOSSY[0]}", "--bisect", "--json")
    assert done.code == 1, done.err
    report = done.json["reports"][0]
    assert report["first_divergence"] is None
    assert report["first_loss"]["operator"] == "aten.sub.Tensor"
    shown = " ".join(command("parity", kept, "--model", f"hard_networks:{LOSSY[0]}", "--bisect").out.split())
    assert "is the most (--max-loss); first lost inside: " in shown
    assert "is wrong in itself; first lost inside: " in shown


def test_what_a_runtime_makes_of_no_number_is_no_operators_fault(tmp_path: Path) -> None:
    """Infinity less infinity, and then a bound: one runtime keeps what is no number, and another makes it zero."""
    with pytest.raises(GateError):
        export(_request("overflow_to_no_number", tmp_path, "coreml", keep_failed=True))
    (kept,) = tmp_path.glob("*-failed")
    report = compare(read_artifact(kept), ParityRequest(model="hard_networks:overflow_to_no_number"))
    verdicts = {item.operator: item.verdict for item in report.operators}
    assert verdicts["aten.pow.Tensor_Scalar"] == "overflows"
    assert verdicts["aten.hardswish.default"] == "inherited"
    assert "wrong here" not in verdicts.values()


def test_a_zero_that_float16_makes_is_the_formats_and_no_operators(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="fp16 gives an infinite value, or none, where the model's is finite"):
        export(_request(UNDERFLOWING[0], tmp_path, "coreml"))


@pytest.mark.parametrize("fault", ["small", "scaled"])
def test_a_wrong_mask_is_named(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask of -200; and a factor of 1e6 that is taken for one, so that 1e-4 times it is 7."""
    from cloformer.export.formats.coreml import finite_constants

    if fault == "small":
        monkeypatch.setattr(finite_constants, "_LARGEST", 200.0)
    else:
        monkeypatch.setattr(finite_constants, "_is_whole", lambda _: True)
    with suppress(GateError):
        export(_request("masks_of_large_numbers", tmp_path, "coreml", keep_failed=True))
    (written,) = tmp_path.iterdir()
    report = compare(read_artifact(written), ParityRequest(model="hard_networks:masks_of_large_numbers"))
    first = report.first_divergence
    assert first is not None and first.verdict == "wrong here"
    assert first.operator == ("aten.where.self" if fault == "small" else "aten.mul.Tensor")


def test_an_overflow_is_named_where_no_input_is_an_image(tmp_path: Path) -> None:
    spec = ModelSpec((TensorSpec("x", (1, 3, 8, 8)),))
    with pytest.raises(GateError, match="overflows the number format"):
        export(ExportRequest(model="hard_networks:overflow", spec=spec, formats=("coreml",), output=tmp_path))


def test_the_loss_that_is_allowed_is_the_users_to_say(tmp_path: Path, command: Command) -> None:
    """The file is the model, and float16 costs it more than a tenth of a per cent."""
    (exported,) = export(_request("attention", tmp_path, "coreml"))
    done = command(
        "parity", exported.artifact.folder, "--model", "hard_networks:attention", "--max-loss", "1e-4"
    )
    assert done.code == 1
    assert "fp16 costs" in done.out and "--max-loss" in done.out and "wrong here" not in done.out


def test_a_score_is_held_to_its_own_scale(tmp_path: Path) -> None:
    """Boxes to 640 stand beside it: an error of 0.14 is two in ten thousand of those."""
    (exported,) = export(_request("detector", tmp_path, "onnx"))
    path = exported.artifact.model_path
    model = onnx.load(path)
    bias = next(item for item in model.graph.initializer if item.name.endswith("score.bias"))
    changed = onnx.numpy_helper.to_array(bias) + np.array([0, 0, 0.6, 0, 0, 0], np.float32)
    bias.CopyFrom(onnx.numpy_helper.from_array(changed, bias.name))
    onnx.save(model, path)
    damaged = read_artifact(exported.artifact.folder, verify=False)
    report = compare(damaged, ParityRequest(model="hard_networks:detector", operators=False))
    assert not report.passed and "allowed" in str(report.outputs[0].failure)
    assert not compare(damaged, ParityRequest()).passed


def test_places_that_stand_as_high_are_counted(tmp_path: Path) -> None:
    (exported,) = export(_request("largest_of_ties", tmp_path, "onnx"))
    report = compare(exported.artifact, ParityRequest(model="hard_networks:largest_of_ties"))
    assert report.passed, _said(report)
    assert sum(item.flips for item in report.outputs) > 0
    exact = compare(
        exported.artifact,
        ParityRequest(
            model="hard_networks:largest_of_ties", options=RunnerOptions(), seed=3, operators=False
        ),
    )
    assert exact.passed, _said(exact)
