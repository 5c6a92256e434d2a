"""LiteRT: files are written, held to PyTorch operator by operator, and found wrong where they are."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from extras import needs_litert_torch
from outcome import Command
from shared import Exports

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare

pytestmark = needs_litert_torch
ONE_BLOCK = "reference_weights:one_block_a_stage"


@pytest.fixture(scope="module")
def folder(exported: Exports) -> Path:
    """A CloFormer of one block a stage."""
    return exported(model=ONE_BLOCK, formats=("litert",), image_size=(64, 64))["litert"]


def _compared(folder: Path, **request: Any) -> ParityReport:
    return compare(read_artifact(folder, verify=False), ParityRequest(model=ONE_BLOCK, **request))


def test_one_partition_and_every_operator_is_right(folder: Path) -> None:
    artifact = read_artifact(folder)
    assert (artifact.manifest.graph.partitions, artifact.manifest.graph.undelegated) == (1, ())
    assert artifact.signature.inputs[0].written_shape == (1, 64, 64, 3)
    report = _compared(folder)
    assert report.passed, [item.failure for item in report.outputs if item.failure]
    assert report.not_compared == ()
    # Each of the trace's operators, by itself or with the one that it is fused into.
    told = {name for item in report.operators for name in item.group}
    assert len(report.operators) > 150 and {"conv2d", "softmax", "gelu", "linear"} <= told


def test_the_same_bytes_in_another_process(
    folder: Path, tmp_path: Path, python: str, subprocess_environment: dict[str, str]
) -> None:
    arguments = (
        "export",
        "--model",
        ONE_BLOCK,
        "--image-size",
        "64",
        "--format",
        "litert",
        "--quiet",
        "--json",
    )
    done = subprocess.run(
        [python, "-m", "cloformer", *arguments, "--output", tmp_path],
        capture_output=True, text=True, env=subprocess_environment | {"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)  # what the converter says of itself is not there
    (made,) = tmp_path.iterdir()
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in made.iterdir())
    assert [name for name in names if (folder / name).read_bytes() != (made / name).read_bytes()] == []


def test_an_input_in_the_wrong_layout_is_told(folder: Path, tmp_path: Path, command: Command) -> None:
    """The manifest says that the image's channels are first, and the file takes them last."""
    shutil.copytree(folder, tmp_path / "turned")
    path = tmp_path / "turned" / "manifest.json"
    document = json.loads(path.read_bytes())
    document["functions"][0]["inputs"][0] |= {"layout": "NCHW", "shape": [1, 3, 64, 64]}
    path.write_text(json.dumps(document))
    shown = command("parity", tmp_path / "turned", "--model", ONE_BLOCK)
    assert shown.code == 3
    assert "does not take the inputs" in shown.err


def test_planted_faults_are_caught_and_named(folder: Path, tmp_path: Path) -> None:
    """Those that change something; the sound file is found sound on other noise."""
    from mutation.subject import Subject

    subject = Subject("litert fp32", folder, work=tmp_path, model=ONE_BLOCK)
    assert subject.false_alarms(range(1, 2)) == []
    tried = [subject.try_fault(*subject.draw(seed), seed) for seed in range(8)]
    counted = [trial for trial in tried if trial.counts]
    assert len(counted) >= 4
    assert all(trial.caught and trial.named for trial in counted), [trial.what for trial in counted]


def test_channels_first(tmp_path: Path, command: Command) -> None:
    arguments = ("--format", "litert", "--layout", "nchw", "--output", tmp_path)
    done = command("export", "--model", "user_models:resnet", "--image-size", "32", *arguments, "--json")
    (artifact,) = done.json["artifacts"]
    assert artifact["folder"].endswith("-litert-32-fp32-nchw")
    (image,) = artifact["manifest"]["functions"][0]["inputs"]
    assert (image["layout"], image["shape"]) == ("NCHW", [1, 3, 32, 32])
    assert artifact["manifest"]["graph"]["partitions"] == 1
    shown = command("parity", artifact["folder"], "--model", "user_models:resnet")
    assert shown.code == 0, shown.out
