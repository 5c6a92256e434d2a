"""Parity on a device, with ONNX Runtime of this machine in the emulated one's place: quick, with nothing installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cloformer.errors import UnsupportedError, UsageError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.device.arm64 import Arm64Device, DeviceRun
from cloformer.export.device.arm64_parity import compare_on_device
from cloformer.export.device.runtime import KINDS
from cloformer.export.formats.onnx.runner import OnnxRuntimeRunner
from cloformer.export.formats.runners import Array
from cloformer.export.parity import yardstick
from cloformer.export.parity.verify import ParityRequest


class HostDevice(Arm64Device):
    """Counts a thousand instructions an inference. ``change`` is made to the outputs."""

    def __init__(self, change: Callable[[dict[str, Array]], dict[str, Array]] = lambda got: got) -> None:
        self.optimization, self._change, self.can_count, self.kind = None, change, True, KINDS["arm64"]

    def environment(self, artifact: Artifact) -> dict[str, str]:
        return {"device": "none", "onnxruntime": "0", "threads": "1"}

    def run(
        self,
        artifact: Artifact,
        cases: Sequence[Mapping[str, Array]],
        progress: Callable[[str], None] = lambda _: None,
    ) -> DeviceRun:
        with OnnxRuntimeRunner(artifact.model, threads=1) as runner:
            outputs = tuple(self._change(runner.run(case)) for case in cases)
        return DeviceRun(outputs, (1000,) * len(cases) if self.can_count else None)


@pytest.fixture(scope="module")
def artifact(small: Path) -> Artifact:
    return read_artifact(small)


def test_with_the_vectors_that_it_carries(artifact: Artifact) -> None:
    report, work = compare_on_device(artifact, ParityRequest(), HostDevice())
    assert report.passed and report.reference == "conformance vectors"
    assert report.runner == "emulated device (arm64, qemu-user)" and report.operators == ()
    assert [item.kind for item in report.outputs] == ["photograph", "noise"]
    assert work is not None and set(work.instructions.values()) == {1000} and work.most == 1000
    assert work.manifest_sha256 == report.manifest_sha256
    assert work.subject["inputs"] == "image 1x3x32x32 float32"


def test_with_the_model_itself(artifact: Artifact) -> None:
    seen = []
    request = ParityRequest(model="user_models:resnet")
    report, _ = compare_on_device(
        artifact, request, HostDevice(), on_case=lambda case, *_: seen.append(case.name)
    )
    assert report.passed and report.reference == "PyTorch, float64"
    assert all(item.noise_floor is not None for item in report.outputs)
    assert len(seen) == 2


@pytest.mark.parametrize("request_", [ParityRequest(), ParityRequest(model="user_models:resnet")], ids=str)
def test_what_is_off_or_missing_fails(artifact: Artifact, request_: ParityRequest) -> None:
    off = HostDevice(lambda got: {name: value * 1.001 for name, value in got.items()})
    assert len(compare_on_device(artifact, request_, off)[0].failures) == 2
    nothing = HostDevice(lambda _: {})
    report, _ = compare_on_device(artifact, request_, nothing)
    assert [item.failure for item in report.outputs] == ["the output is not there"] * 2
    flat = HostDevice(lambda got: {name: value.reshape(-1) for name, value in got.items()})
    assert not compare_on_device(artifact, request_, flat)[0].passed


def test_nothing_is_judged_by_another_model(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """The float64 reference is proved to be the model, as it is where nothing is a device."""
    monkeypatch.setattr(yardstick, "why_not_the_model", lambda *_: "the trace gives another logits")
    report, _ = compare_on_device(artifact, ParityRequest(model="user_models:resnet"), HostDevice())
    assert not report.passed
    assert report.not_compared == ("the float64 reference is not the model: the trace gives another logits",)


def test_a_device_that_cannot_count(artifact: Artifact) -> None:
    device = HostDevice()
    device.can_count = False
    report, work = compare_on_device(artifact, ParityRequest(), device)
    assert report.passed and work is None
    assert any("takes no plugins" in note for note in report.notes)


def test_images_need_the_model(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--images"):
        compare_on_device(artifact, ParityRequest(images=(tmp_path / "a.jpg",)), HostDevice())


def test_another_format_is_refused(artifact: Artifact) -> None:
    coreml = replace(artifact, manifest=replace(artifact.manifest, format="coreml"))
    with pytest.raises(UnsupportedError, match="runs ONNX and LiteRT"):
        compare_on_device(coreml, ParityRequest(), HostDevice())
