"""Values that a device wrote: each operator, or each module, by itself. ``make probe-faults`` plants 120 faults."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_reports import device_report
from mutation.probes import COUNTS, ProbeSubject, disturbed, run_here
from outcome import Command
from probe_device import DEVICE, run_probe, values_file
from shared import Exports

from cloformer.errors import InputError, UnsupportedError
from cloformer.export.artifact import probe
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.origins import read_origins
from cloformer.export.artifact.probe import plan_probe
from cloformer.export.bundle.probe import PROBE_INDEX, write_probes
from cloformer.export.formats.coreml import probe as coreml_probe
from cloformer.export.formats.coreml.mil import read_package
from cloformer.export.formats.probe import MODES
from cloformer.export.parity import yardstick
from cloformer.export.parity.device_values import read_device_values
from cloformer.export.parity.on_values import compare_on_values
from cloformer.export.parity.request import ParityRequest
from cloformer.export.reference.references import References
from cloformer.io.read import sha256_of

KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2" / "onnx"
RESNET = "user_models:resnet"


@dataclass(frozen=True)
class Given:
    """An artifact with its model's name, and what the models of one call made."""

    folder: Path
    model: str
    references: References

    def report(self, path: Path) -> Any:
        artifact = read_artifact(self.folder)
        return compare_on_values(
            artifact,
            ParityRequest(model=self.model),
            read_device_values(path, artifact),
            references=self.references,
        )


@pytest.fixture(scope="module")
def network(small: Path) -> Given:
    """A user's ResNet as ONNX."""
    return Given(small, RESNET, References())


@pytest.fixture(scope="module")
def program(exported: Exports) -> Given:
    """The same as a Core ML program in float16."""
    folder = exported(model=RESNET, formats=("coreml",), image_size=(32, 32))["coreml"]
    return Given(folder, RESNET, References())


@pytest.fixture(params=["network", "program"])
def given(request: pytest.FixtureRequest) -> Given:
    found: Given = request.getfixturevalue(request.param)
    return found


def _written(given: Given, mode: str, folder: Path) -> dict[str, Any]:
    """The probe in ``folder``, and what a device gives."""
    folder.mkdir()
    artifact = read_artifact(given.folder)
    write_probes(artifact, mode, folder)
    return run_probe(artifact, folder)


def test_faults_are_named_and_nothing_else(given: Given, tmp_path: Path) -> None:
    """A sound model is not accused; planted faults are named, by operator or module; of one that is off by 0.2 all that follows is
    inherited."""
    subject = ProbeSubject(
        "test", given.folder, work=tmp_path, run=run_here, references=given.references, model=given.model
    )
    for mode in MODES:
        _, report = subject.sound(mode)
        assert report.passed and report.operators and not report.not_compared, report.failures
        found = list(subject.outcomes(subject.drawn(range(20)), mode, 2))
        counted = [item for item in found if item.counts]
        assert len(counted) == 2
        assert [str(item) for item in counted if not item.named] == []
        assert [item.falsely for item in found if item.falsely] == []
        (off,) = disturbed(subject, mode, range(1))
        assert off.change >= COUNTS and off.named and not off.falsely and not off.after, off
        assert off.inherited


def test_a_probe_has_the_models_operators_and_weights(given: Given, tmp_path: Path) -> None:
    """Every value that parity compares is given by one model or another, by its own name, and what it is computed from is given with it;
    at module borders fewer are."""
    artifact = read_artifact(given.folder)
    plans = {mode: plan_probe(artifact, mode) for mode in MODES}
    told = {mode: [item.name for part in plan.parts for item in part.own] for mode, plan in plans.items()}
    assert sorted(told["all"]) == sorted(
        set(read_origins(artifact).equals.values()) - set(plans["all"].left_out)
    )
    assert set(told["modules"]) < set(told["all"])
    values = _written(given, "all", tmp_path / "all")
    assert {name.split("/", 2)[2] for name in values} >= set(told["all"])
    index = json.loads((tmp_path / "all" / PROBE_INDEX).read_bytes())
    for model in index["models"]:
        for entry in model["files"]:
            assert sha256_of(tmp_path / "all" / entry["path"]) == entry["sha256"]
    if artifact.format == "coreml":
        import coremltools as ct

        place = tmp_path / "all" / index["models"][0]["path"]
        own, other = read_package(artifact.model_path), read_package(place)
        assert str(other.program.functions["main"].operations) == str(
            own.program.functions["main"].operations
        )
        weights = "Data/com.apple.CoreML/weights/weight.bin"
        assert sha256_of(place / weights) == sha256_of(artifact.model_path / weights)
        described = ct.models.MLModel(str(place), skip_model_load=True).get_spec().description.output
        assert [item.name for item in described] == list(other.program.functions["main"].outputs)


def test_several_models_say_what_one_does(
    program: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where outputs are limited, each model gives what its values are computed from; a value that another model rounds otherwise is no
    fault of what reads it."""
    whole = program.report(
        values_file(tmp_path / "one", tmp_path / "1", _written(program, "all", tmp_path / "1"))
    )
    monkeypatch.setattr(coreml_probe, "MOST_OUTPUTS", 5)
    plan = plan_probe(read_artifact(program.folder), "all")
    assert len(plan.parts) > 5 and all(len(part.values) <= 5 for part in plan.parts)
    given = _written(program, "all", tmp_path / "2")
    number, moved = next(
        (number, part.own[-1].name)  # which nothing in its own model reads
        for number, part in enumerate(plan.parts)
        if part.own[-1].name.startswith("conv") and part is not plan.parts[-1]
    )
    for key in [key for key in given if key.split("/", 1)[1] == f"{number}/{moved}"]:
        given[key] = np.nextafter(given[key], np.float16(np.inf))  # by a rounding, in its own model alone
    report = program.report(values_file(tmp_path / "several", tmp_path / "2", given))
    assert report.passed, [*map(str, report.failures), *report.not_compared]
    assert [item.node for item in report.operators] == [item.node for item in whole.operators]
    assert [item.depth for item in report.operators] == sorted(item.depth for item in report.operators)


def _other_outputs(given: dict[str, Any]) -> None:
    for key in [key for key in given if "/model/" in key]:
        given[key] = given[key] + 0.2 * np.abs(given[key]).max()


def _no_outputs(given: dict[str, Any]) -> None:
    for key in [key for key in given if "/model/" in key]:
        del given[key]


def _no_value(given: dict[str, Any]) -> None:
    del given["photograph/0/relu"]


def _no_vector(given: dict[str, Any]) -> None:
    for key in [key for key in given if key.startswith("channel-order/")]:
        del given[key]


def _of_another_shape(given: dict[str, Any]) -> None:
    given["photograph/0/relu"] = given["photograph/0/relu"].reshape(-1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_outputs, "says nothing of the app's model"),
        (_no_outputs, "the output is not there"),
        (_no_value, "relu (relu) on photograph"),
        (_no_vector, "on channel-order"),
        (_of_another_shape, "relu (relu) on photograph"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_absence_is_failure(
    network: Given, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    """What a probe does not say, or says of another computation than the app's, is told and fails."""
    given = _written(network, "modules", tmp_path / "probe")
    change(given)
    report = network.report(values_file(tmp_path / "values", tmp_path / "probe", given))
    told = [*report.not_compared, *(item.reason or "" for item in report.outputs)]
    assert not report.passed
    assert any(words in line for line in told), told
    assert [item for item in report.operators if not item.passed] == []


def test_nothing_is_judged_by_another_model(
    network: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The float64 reference is proved to be the model, as it is where this machine runs the file."""
    given = _written(network, "modules", tmp_path / "probe")
    monkeypatch.setattr(yardstick, "why_not_the_model", lambda *_: "the trace gives another logits")
    report = network.report(values_file(tmp_path / "values", tmp_path / "probe", given))
    assert not report.passed
    assert report.not_compared == ("the float64 reference is not the model: the trace gives another logits",)


def _values(given: Given, folder: Path, **changes: str) -> Path:
    return values_file(
        folder / "device-values-cpu.safetensors", folder, _written(given, "modules", folder), **changes
    )


REFUSED: Mapping[str, tuple[dict[str, str], str]] = {
    "of another artifact": ({"manifest_sha256": "0" * 64}, "is of another artifact"),
    "of another probe": ({"plan_sha256": "0" * 64}, "is of another probe"),
    "in no mode": ({"mode": "some"}, "is of another probe"),
    "of another kind": ({"kind": "others"}, "holds no values of a device"),
    "of a later version": ({"schema_version": "2"}, "holds no values of a device"),
    "of no device": ({"device_model": ""}, "does not say what device"),
    "of a unit that is a path": ({"runtime_provider": "../cpu"}, "does not say what device"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_of_something_else_are_refused(network: Given, tmp_path: Path, name: str) -> None:
    changes, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        read_device_values(_values(network, tmp_path / "probe", **changes), read_artifact(network.folder))


def test_changed_and_unknown_numbers_are_refused(network: Given, tmp_path: Path) -> None:
    artifact = read_artifact(network.folder)
    path = _values(network, tmp_path / "probe")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="their hash is another"):
        read_device_values(path, artifact)
    for name in ("photograph/7/relu", "elsewhere/0/relu", "relu"):
        values_file(path, tmp_path / "probe", {name: np.zeros(1, np.float32)})
        with pytest.raises(InputError, match="unknown entry"):
            read_device_values(path, artifact)


def test_formats_without_probes_say_so(command: Command, tmp_path: Path) -> None:
    refused = command("bundle", "android", KEPT.with_name("litert"), "--output", tmp_path / "app", "--probe")
    assert refused.code == 4 and "export it as ONNX or Core ML" in refused.err
    artifact = read_artifact(KEPT.with_name("litert"))
    with pytest.raises(UnsupportedError, match="LiteRT"):
        probe.plan_probe(artifact, "all")


def test_from_the_phone_to_the_report(command: Command, tmp_path: Path) -> None:
    """Bundled, run, pulled, imported and judged by the commands that the documentation names."""
    app = tmp_path / "app"
    assert command("bundle", "android", KEPT, "--output", app, "--probe").code == 0
    conformance = app / "app/src/androidTest/assets/conformance"
    assert (app / "app/src/androidTest/kotlin/io/github/cloformer/app/ProbeTest.kt").is_file()
    assert json.loads((conformance / PROBE_INDEX).read_bytes())["mode"] == "modules"
    assert command("bundle", "android", "--verify", app).code == 0
    pulled, artifact = (
        tmp_path / "pulled",
        read_artifact(Path(shutil.copytree(KEPT, tmp_path / "artifact"))),
    )
    pulled.mkdir()
    values_file(pulled / "device-values-cpu.safetensors", conformance, run_probe(artifact, conformance))
    report = pulled / "device-report.json"
    report.write_text(json.dumps(device_report(KEPT)), "utf-8")
    imported = command("import-device-report", report, "--artifact", artifact.folder, "--json")
    assert imported.code == 0, imported.err
    (kept,) = imported.json["values"]
    assert Path(kept).parent == artifact.folder.with_name("artifact-reports") and Path(kept).name.endswith(
        "-values-cpu.safetensors"
    )
    done = command(
        "parity",
        artifact.folder,
        "--model",
        "tiny:net",
        "--device-values",
        kept,
        "--json",
        "--junit",
        tmp_path / "junit.xml",
    )
    assert done.code == 0, done.err
    (found,) = done.json["reports"]
    assert found["runner"] == "onnxruntime 1.29.0, cpu, on Example One, Android 15 (API 35)"
    assert {item["case"] for item in found["outputs"]} == {"photograph", "channel-order"}
    assert "cpu" in (tmp_path / "junit.xml").read_text("utf-8")
    told = command("import-device-report", report, "--artifact", artifact.folder)
    assert f"next: cloformer parity {artifact.folder}" in told.out
    # Of another device than the report.
    values_file(
        pulled / "device-values-cpu.safetensors",
        conformance,
        run_probe(artifact, conformance),
        device=DEVICE | {"model": "Two"},
    )
    refused = command("import-device-report", report, "--artifact", artifact.folder)
    assert refused.code == 3 and "Example Two" in refused.err
    without = command("parity", artifact.folder, "--device-values", kept)
    assert without.code == 2 and "add --weights CHECKPOINT, or --model" in without.err


def test_what_is_not_there_with_device_values(network: Given, command: Command, tmp_path: Path) -> None:
    for options in (
        ["--runner", "pytorch"],
        ["--images", str(tmp_path)],
        ["--min-snr", "20"],
        [str(network.folder)],
    ):
        refused = command("parity", network.folder, "--device-values", tmp_path / "none", *options)
        assert refused.code == 2 and "--device-values" in refused.err
    missing = command("parity", network.folder, "--device-values", tmp_path / "none", "--model", RESNET)
    assert missing.code == 3


def test_float16_in_onnx_is_not_accused(exported: Exports, tmp_path: Path) -> None:
    folder = exported(model=RESNET, precision="fp16", image_size=(32, 32))["onnx"]
    given = Given(folder, RESNET, References())
    for mode in MODES:
        values = _written(given, mode, tmp_path / mode)
        assert json.loads((tmp_path / mode / PROBE_INDEX).read_bytes())["optimization"] == "off"
        report = given.report(values_file(tmp_path / f"{mode}.file", tmp_path / mode, values))
        assert report.passed, [*map(str, report.failures), *report.not_compared]
