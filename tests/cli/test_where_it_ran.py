"""`cloformer import-device-report` says where operators ran, holds the share to a gate, and sets devices side by side."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pytest
from device_reports import device_report, with_plan
from outcome import Command, Outcome
from pages import HOSTILE, Elements

from cloformer.export.artifact.folder import MANIFEST, Artifact, read_artifact
from cloformer.export.artifact.kit import read_kit
from cloformer.export.bundle import tolerance
from cloformer.export.parity.tolerances import OutputTolerance
from cloformer.io.read import sha256_of

Import = Callable[..., Outcome]
KEPT = Path(__file__).parents[1] / "data" / "artifacts" / "v2"
FIXTURES = Path(__file__).parents[2] / "deploy" / "ios" / "CoreTests" / "Fixtures"


@pytest.fixture
def artifact(small: Path, tmp_path: Path) -> Path:
    """To be reported of beside it."""
    return Path(shutil.copytree(small, tmp_path / "artifact"))


@pytest.fixture
def imported(command: Command, artifact: Path, tmp_path: Path) -> Import:
    def run(*reports: dict[str, Any], options: tuple[str, ...] = ()) -> Outcome:
        paths = [tmp_path / f"report{place}.json" for place in range(len(reports))]
        for path, report in zip(paths, reports, strict=True):
            path.write_text(json.dumps(report))
        return command("import-device-report", *paths, "--artifact", artifact, *options)

    return run


@pytest.fixture
def names(small: Path) -> list[str]:
    """Of the operators of the file."""
    return [node.name for node in onnx.load(small / "model.onnx", load_external_data=False).graph.node]


def exact(small: Path) -> dict[str, Any]:
    """A report of version 1 of a device without an error."""
    report = device_report(small)
    for vector in report["vectors"]:
        for output in vector["outputs"].values():
            output["max_abs"] = 0.0
    return report


def planned(
    small: Path, names: list[str], away: tuple[int, int], *, asked: str = "xnnpack", cost: float | None = 2.0
) -> dict[str, Any]:
    """All on XNNPACK but those of the places ``away``; as ONNX Runtime's optimizer leaves names."""
    operators = [
        (f"{name}_token_{place}", "cpu" if away[0] <= place < away[1] else "xnnpack", cost)
        for place, name in enumerate(names)
    ]
    return with_plan(exact(small), asked, operators)


def test_where_it_left_the_accelerator_has_a_line(imported: Import, small: Path, names: list[str]) -> None:
    found = imported(planned(small, names, (2, 4)), options=("--json",))
    assert found.code == 0
    placement = found.json["placement"]
    assert placement["share_of_operators"] == pytest.approx(1 - 2 / len(names))
    assert placement["partitions"] == 3
    (boundary,) = placement["boundaries"]
    origins = json.loads((small / "origins.json").read_bytes())
    lines = {item["location"] for item in origins["nodes"].values()}
    assert boundary["left"]["operator"] == f"{names[2]}_token_2"
    assert boundary["left"]["location"] in lines
    assert boundary["back"]["location"] in lines
    assert boundary["cost"] == 4
    assert found.json["placement_gate"] is None
    text = imported(planned(small, names, (2, 4))).out
    assert boundary["left"]["location"] in text
    assert "off XNNPACK 1 time" in text
    assert text.splitlines()[-1].startswith("PASS: kept as")


@pytest.mark.parametrize(("minimum", "code"), [("50%", 0), ("0.5", 0), ("95%", 1), ("100 %", 1)])
def test_the_gate(imported: Import, small: Path, names: list[str], minimum: str, code: int) -> None:
    found = imported(planned(small, names, (0, 3)), options=("--min-on-accelerator", minimum))
    assert found.code == code, found.out
    assert ("FAIL  " in found.out) == bool(code)
    assert found.out.splitlines()[-1].startswith("FAIL" if code else "PASS")


def test_what_is_not_known_fails_the_gate(imported: Import, small: Path) -> None:
    """Of a report of version 1, of one that has none, and of one that says why."""
    first = exact(small)
    for report, words in (
        (first, "of version 1"),
        (first | {"schema_version": 2}, "does not say where operators ran"),
        (first | {"schema_version": 2, "placement": None}, "does not say where operators ran"),
        (with_plan(first, "webgpu", why_not="no adapter"), "no adapter"),
        (with_plan(first, "cpu", [("a", "cpu", 1.0)]), "no accelerator was asked for (cpu)"),
    ):
        found = imported(report, options=("--min-on-accelerator", "0%"))
        assert found.code == 1
        assert words in found.out
        told = imported(report, options=("--min-on-accelerator", "0%", "--json"))
        assert told.code == 1
        assert told.json["passed"] is True
        assert told.json["placement_gate"]["held"] is False
        assert words in told.json["placement_gate"]["reason"]


def test_a_report_of_version_1_is_told_as_ever(imported: Import, small: Path) -> None:
    found = imported(exact(small))
    assert found.code == 0
    assert "where it ran" not in found.out
    assert imported(exact(small), options=("--json",)).json.keys() == {
        "kept",
        "passed",
        "missing",
        "vectors",
        "report",
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.update(operators=[]),
        lambda plan: plan.update(why_not="why"),
        lambda plan: plan.pop("asked"),
        lambda plan: plan.update(cost="joules"),
        lambda plan: plan["operators"][0].update(cost=-1),
        lambda plan: plan["operators"][0].update(device=""),
        lambda plan: plan["operators"][0].pop("name"),
    ],
)
def test_a_plan_that_is_none(
    imported: Import, small: Path, names: list[str], change: Callable[[Any], object]
) -> None:
    report = planned(small, names, (0, 1))
    change(report["placement"])
    found = imported(report)
    assert found.code == 3
    assert "is no device report" in found.err


def test_devices_side_by_side(imported: Import, small: Path, names: list[str], tmp_path: Path) -> None:
    good, cut = planned(small, names, (0, 0)), planned(small, names, (1, 3))
    cut["device"] = cut["device"] | {"model": "Two"}
    cut["vectors"] = cut["vectors"][1:]
    old = exact(small)
    page = tmp_path / "phones.html"
    found = imported(good, cut, old, options=("--html", str(page)))
    assert found.code == 1
    rows = {line[:26].strip(): line[26:].split() for line in found.out.splitlines()}
    assert rows["partitions"] == ["1", "3", "-"]
    assert rows["median, ms"] == ["31.00"] * 3
    assert "not run" in found.out
    assert found.out.splitlines()[-1] == "FAIL: 2 of 3 reports hold"
    elements = Elements(page.read_text("utf-8"))
    text = " ".join(elements.text)
    for words in ("Example Two", "31.00", "of version 1", "not run", "2 of 3 reports hold"):
        assert words in text
    assert (
        len([box for box in elements.named("rect") if box.get("height") == "22"]) == 4
    )  # one stretch, and three
    told = imported(good, cut, options=("--json",))
    assert [item["passed"] for item in told.json["reports"]] == [True, False]


def test_names_from_outside_stay_text(
    imported: Import, small: Path, names: list[str], tmp_path: Path
) -> None:
    hostile = HOSTILE.replace("\ud800", "")
    report = planned(small, names, (1, 2))
    report["device"]["model"] = hostile
    report["placement"]["asked"] = hostile
    report["placement"]["operators"][1] |= {"name": hostile, "kind": hostile, "device": hostile}
    other = planned(small, names, (1, 2))
    other["placement"]["operators"][1] |= {"name": hostile, "kind": hostile, "device": hostile}
    page = tmp_path / "phones.html"
    for reports in ((report,), (report, other)):
        found = imported(*reports, options=("--html", str(page)))
        assert found.code == 0, found.err
        assert "\x1b" not in found.out
        assert "\u202e" not in found.out
        elements = Elements(page.read_text("utf-8"))
        assert elements.named("img") == []
        assert len(elements.named("script")) == 1


def test_a_file_of_version_1_stays_readable() -> None:
    """As an app of an earlier bundle wrote it."""
    import jsonschema

    from cloformer.export.bundle.compute_plan import plan_of
    from cloformer.export.schemas import schema

    document = json.loads((FIXTURES / "report-version-1.json").read_bytes())
    assert document["schema_version"] == 1
    jsonschema.Draft202012Validator(schema("device-report")).validate(document)
    assert "of version 1" in (plan_of(document).why_no_share or "")


def test_core_ml_s_operators_have_lines_by_their_outputs(command: Command, tmp_path: Path) -> None:
    """The names are the program's own, as Core ML's plan has them."""
    from coremltools.proto import Model_pb2

    artifact = Path(shutil.copytree(KEPT / "coreml", tmp_path / "artifact"))
    (path,) = artifact.rglob("*.mlmodel")
    model = Model_pb2.Model()
    model.ParseFromString(path.read_bytes())
    function = model.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    names = [item.outputs[0].name for item in block.operations if not item.type.startswith("const")]
    assert len(names) > 3
    away = len(names) // 2
    devices = ["cpu" if place == away else "neural_engine" for place in range(len(names))]
    report = json.loads((FIXTURES / "report.json").read_bytes())
    kit = [vector.image for vector in read_kit(read_artifact(artifact))]
    good = {"passed": True, "max_abs": 0.0, "largest": 2.5, "cosine": 1.0}
    outputs = {item.spec.name: good for item in read_artifact(artifact).function.outputs}
    report |= {
        "manifest_sha256": sha256_of(artifact / MANIFEST),
        "vectors": [
            {"name": item.name, "preprocessing": {"passed": True, "max_abs": 0}, "outputs": outputs}
            for item in kit
        ],
    }
    report["placement"]["operators"] = [
        {
            "name": name,
            "kind": "ios16.conv",
            "device": device,
            "supported": ["cpu", device],
            "cost": 1 / len(names),
        }
        for name, device in zip(names, devices, strict=True)
    ]
    given = tmp_path / "device-report.json"
    given.write_text(json.dumps(report))
    arguments = ("import-device-report", given, "--artifact", artifact, "--min-on-accelerator")
    found = command(*arguments, "99%", "--json")
    assert (found.code, found.json["passed"]) == (1, True), found.err
    (boundary,) = found.json["placement"]["boundaries"]
    assert boundary["left"]["operator"] == names[away]
    assert boundary["left"]["location"]
    assert boundary["back"]["location"]
    assert found.json["placement"]["share_of_operators"] == pytest.approx(1 - 1 / len(names))
    told = command(*arguments, "10%")
    assert told.code == 0
    assert "of the cost that Core ML estimates" in told.out


def _of_a_browser(small: Path) -> dict[str, Any]:
    report = exact(small) | {"schema_version": 2, "placement": None}
    report["device"] |= {
        "manufacturer": "unknown",
        "model": "Android device",
        "os": "Android 15.0.0, Chrome 140",
        "cpu": "unknown",
    }
    report["runtime"] = {"name": "onnxruntime-web", "version": "1.30.0", "provider": "webgpu", "threads": 4}
    return report


def test_a_browser_is_judged_as_a_phone_is(imported: Import, small: Path) -> None:
    """It does not know the device's maker, and does not say where operators ran: what nobody knows fails a gate."""
    report = _of_a_browser(small)
    found = imported(report)
    assert found.code == 0
    assert found.out.splitlines()[0] == (
        "Android device, Android 15.0.0, Chrome 140: onnxruntime-web 1.30.0, webgpu"
    )
    assert "asked for webgpu: a browser does not say where operators ran" in found.out
    for provider, words in (("webgpu", "a browser does not say"), ("wasm", "a browser does not say")):
        report["runtime"]["provider"] = provider
        refused = imported(report, options=("--min-on-accelerator", "50%"))
        assert refused.code == 1
        assert (
            f"FAIL  how much is on the accelerator is not known: {words} where operators ran" in refused.out
        )
    report["vectors"][0]["preprocessing"]["passed"] = False
    assert imported(report).code == 1


def test_outputs_that_narrow_sums_could_change_to_anything_are_held_to_wide_ones(
    imported: Import, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Named in the terminal for one device and for several, and for programs, infinity included; what is beyond the bound fails."""
    of_photographs = tolerance._of_photographs

    def one_cost(artifact: Artifact, *, narrow_sums: bool, loss: float) -> dict[str, OutputTolerance]:
        bounds = of_photographs(artifact, narrow_sums=False)
        if not narrow_sums:
            return bounds
        return {
            name: replace(bound, max_rel=4 * loss, loss=loss, judges=False) for name, bound in bounds.items()
        }

    for loss, words in ((1.47, "147% of its largest value"), (math.inf, "any finite value")):
        monkeypatch.setattr(tolerance, "_of_photographs", partial(one_cost, loss=loss))
        report = _of_a_browser(small)
        for reports in ((report,), (report, report)):
            found = imported(*reports, options=("--html", str(tmp_path / "page.html")))
            assert found.code == 0
            for text in (found.out, (tmp_path / "page.html").read_text()):
                said = " ".join(text.split())
                assert (
                    f"sums as narrow as the number format may cost {words}, which would let a wrong" in said
                )
                assert "unknown Android" not in said
        names = [item.spec.name for item in read_artifact(small).function.outputs]
        expected = {name: loss if math.isfinite(loss) else None for name in names}
        assert imported(report, options=("--json",)).json["too_coarse"] == expected
        output = report["vectors"][0]["outputs"][names[0]]
        output["max_abs"] = 0.02 * output["largest"]
        assert imported(report).code == 1
    monkeypatch.undo()
    assert "  note  " not in imported(_of_a_browser(small)).out
