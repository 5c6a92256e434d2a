"""Networks that meet a published cliff of the Neural Engine: wide arithmetic finds nothing, the engine's names the operator and
the cliff, and headroom foresees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cliff_networks import IMAGE_SIZE, MET
from outcome import Command
from shared import Exports

from cloformer.errors import GateError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.formats.coreml import cliffs
from cloformer.export.formats.coreml.reference_runner import ReferenceMilRunner
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.parity.headroom import Headroom, measure_headroom
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.cases import Inputs, noise_case

GAINS = (1.0, 4.0)
ZEROS = ("softplus", "log_sum_exp", "flat_product")  # the three that are published as what users met


def exported_network(exported: Exports, name: str) -> Artifact:
    request = {"formats": ("coreml",), "image_size": IMAGE_SIZE}
    return read_artifact(exported(model=f"cliff_networks:{name}", **request)["coreml"])


def compared(artifact: Artifact, name: str, arithmetic: str) -> ParityReport:
    options = RunnerOptions(arithmetic=arithmetic)
    return compare(artifact, ParityRequest(model=f"cliff_networks:{name}", options=options))


def foreseen(artifact: Artifact) -> Headroom:
    return measure_headroom(artifact, [noise_case(Inputs.of(artifact.function))], GAINS)


@pytest.mark.parametrize("name", ["softplus", "log_sum_exp", "flat_product", "slice", "product"])
def test_a_cliff_is_named_by_parity_and_foreseen_by_headroom(exported: Exports, name: str) -> None:
    artifact, met = exported_network(exported, name), MET[name]
    assert compared(artifact, name, "wide").passed
    report = compared(artifact, name, "neural-engine")
    first = report.first_divergence
    assert not report.passed and first is not None
    assert (first.operator, first.verdict) == (met.operator, met.verdict)
    assert first.location.startswith("cliff_networks:") and first.own_error > 4 * first.tolerance
    cliff = next(item for item in report.cliffs if item.cliff.name == met.cliff)
    assert first.cliff == str(cliff.cliff) and cliff.node in first.group and cliff.location == first.location
    after = [item for item in report.operators if item.depth > first.depth]
    assert any(item.verdict == "inherited" for item in after)
    assert all(item.passed or item.cliff for item in after)  # nothing else is accused
    room = foreseen(artifact)
    (known,) = (item for item in room.cliffs if item.cliff.name == met.cliff)
    assert known.gain == 1.0 and known.node == cliff.node and known.met.count
    assert any("Neural Engine" in line for line in report.notes)


@pytest.mark.parametrize("name", [f"{name}_right" for name in ZEROS])
def test_the_same_in_another_form_meets_none(exported: Exports, name: str) -> None:
    artifact = exported_network(exported, name)
    report = compared(artifact, name, "neural-engine")
    assert report.passed and not report.cliffs
    assert not [item for item in foreseen(artifact).cliffs if item.gain == 1.0]


def test_the_published_share_is_what_outputs_are_off_by(exported: Exports) -> None:
    """Of a head as MobileNetV3's, without a last bias: by 3.92 % in the 2-norm, as reported of the engine beside the GPU."""
    artifact = exported_network(exported, "flat_product")
    inputs = Inputs.of(artifact.function)
    fed = noise_case(inputs).for_candidate(inputs)
    found = []
    for arithmetic in ("neural-engine", "wide"):
        with ReferenceMilRunner(artifact.model, arithmetic=arithmetic) as runner:
            (output,) = runner.run(fed).values()
            found.append(output.astype(np.float64))
    off = np.linalg.norm(found[0] - found[1]) / np.linalg.norm(found[1])
    assert off == pytest.approx(cliffs.FLAT_PRODUCT_OFF, rel=0.02)


def test_networks_without_a_trait_are_wide_to_the_bit(exported: Exports, artifacts: dict[str, Path]) -> None:
    """Every value inside CloFormer and of a network with normalizations taken apart."""
    plain = {"formats": ("coreml",), "image_size": (64, 64), "reparameterize": False}
    for folder in (artifacts["coreml"], exported(model="user_models:group_norm", **plain)["coreml"]):
        artifact = read_artifact(folder)
        inputs = Inputs.of(artifact.function)
        fed = noise_case(inputs).for_candidate(inputs)
        with ReferenceMilRunner(artifact.model, arithmetic="wide") as runner:
            wide = runner.values(fed)
        with ReferenceMilRunner(artifact.model, arithmetic="neural-engine") as runner:
            engine = runner.values(fed)
            assert not runner.cliffs_met
        assert wide.keys() == engine.keys() and len(wide) > 20
        assert all(np.array_equal(wide[name], engine[name], equal_nan=True) for name in wide)


def test_the_command_line_says_what_is_met(exported: Exports, command: Command) -> None:
    folder = exported_network(exported, "softplus").folder
    options = (
        "--model",
        "cliff_networks:softplus",
        "--arithmetic",
        "neural-engine",
        "--headroom",
        "--bisect",
    )
    done = command("parity", folder, *options)
    said = " ".join(done.out.split())
    assert done.code == 1
    assert "FIRST DIVERGENCE aten.softplus.default" in said
    assert (
        "a published cliff of the Neural Engine gives 0 for inputs above 10.394 (coremltools #2687)" in said
    )
    assert "cliff published of the Neural Engine: gives 0 for inputs above 10.394" in said
    assert "from 1 times the input: softplus softplus_cast_fp16 at the model (cliff_networks:Network" in said
    assert "is an estimate of a device's" in said
    document = command("parity", folder, *options, "--json").json
    (report,), (room,) = document["reports"], document["headroom"]
    assert report["first_divergence"]["cliff"] == "0 for inputs above 10.394 (coremltools #2687)"
    for cliff in (report["cliffs"][0], room["cliffs"][0]):
        assert cliff["cliff"] == "softplus" and cliff["node"] == "softplus" and cliff["gain"] == 1
        assert cliff["largest"] > 10.394 and 0 < cliff["values_met"] < cliff["values"]


def test_a_misspelt_arithmetic_is_answered(exported: Exports, command: Command) -> None:
    folder = exported_network(exported, "softplus").folder
    done = command("parity", folder, "--model", "cliff_networks:softplus", "--arithmetic", "neural engine")
    assert done.code == 2
    assert "unknown arithmetic 'neural engine'. Did you mean neural-engine?" in done.err
    assert "--arithmetic takes: wide, narrow, neural-engine, exact" in done.err


def test_a_logarithm_of_a_sum_that_ends_is_named(tmp_path: Path) -> None:
    """Written out, the sum itself overflows, which wide arithmetic and the export name, too; the engine's logarithm of it is 0."""
    model = "cliff_networks:exponentials"
    request = ExportRequest(
        model=model, formats=("coreml",), image_size=IMAGE_SIZE, output=tmp_path, keep_failed=True
    )
    with pytest.raises(GateError):
        export(request)
    (kept,) = tmp_path.glob("*-failed")
    report = compared(read_artifact(kept), "exponentials", "neural-engine")
    first, met = report.first_divergence, MET["exponentials"]
    assert first is not None and (first.operator, first.verdict) == (met.operator, met.verdict)
    (cliff,) = report.cliffs
    assert cliff.cliff is cliffs.EXPONENTIALS and first.cliff == str(cliffs.EXPONENTIALS)
    assert cliff.met.kind == "log" and first.value in cliff.met.also
