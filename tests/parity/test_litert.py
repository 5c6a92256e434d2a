"""LiteRT: files are written, held to PyTorch operator by operator, and found wrong where they are."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import conversions
import pytest
import torch
from extras import needs_litert_torch
from outcome import Command
from shared import Exports
from torch import Tensor, nn

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

pytestmark = needs_litert_torch
ONE_BLOCK = "reference_weights:one_block_a_stage"
HERE = "test_litert"


class Volumes(nn.Module):
    """Transposed in three axes, for which the converter writes an operator that no runtime has."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(2, 2, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(x.relu())


class Rotated(nn.Module):
    """Complex numbers, which LiteRT has not."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("angles", torch.polar(torch.ones(4), torch.arange(4.0)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (4, 2))) * self.angles)


class Tables(nn.Module):
    """Tables of one shape whose numbers do not lie in order, as of relative positions, and a mask."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        for name in ("first", "second", "third"):
            generator = torch.Generator().manual_seed(len(name))
            self.register_buffer(name, (len(name) + torch.randn(6, 40, generator=generator)).T)
        self.register_buffer("mask", torch.full((6, 6), -torch.inf).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sub(x * self.first, self.second, alpha=self.alpha) * self.third
        return torch.softmax(x.T @ x + self.mask, -1)


volumes, rotated, tables = Volumes, Rotated, Tables


class Counted(conversions.Large):
    """Whole numbers of all sizes, and as many radians."""

    def forward(self, ids: Tensor) -> list[Tensor]:
        turns = (5000 * ids).float()
        return [*super().forward(ids), turns.sin(), turns.cos()]


counted = Counted


def halved() -> nn.Module:
    return Tables(alpha=0.5)


@pytest.fixture(scope="module")
def folder(exported: Exports) -> Path:
    """A CloFormer of one block a stage."""
    return exported(model=ONE_BLOCK, formats=("litert",), image_size=(64, 64))["litert"]


def _compared(folder: Path, **request: Any) -> ParityReport:
    return compare(read_artifact(folder, verify=False), ParityRequest(model=ONE_BLOCK, **request))


def test_wide_layers_in_parts_are_in_the_partition(exported: Exports) -> None:
    """Which takes five values together at most."""
    made = exported(model=ONE_BLOCK, formats=("litert",), image_size=(128, 128))["litert"]
    manifest = read_artifact(made).manifest
    wide = next(item for item in manifest.passes if item.name.startswith("split_channels"))
    assert len(wide.sites) == 3
    assert (manifest.graph.partitions, manifest.graph.undelegated) == (1, ())


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


def test_tables_of_one_shape_a_mask_and_what_is_scaled_before_it_is_taken_away(exported: Exports) -> None:
    """Each is the model's, and an ``alpha`` that a file has lost is told with its operator."""
    spec = ModelSpec(declared=(TensorSpec("x", (40, 6)),))
    folder = exported(model=f"{HERE}:halved", formats=("litert",), spec=spec)["litert"]
    assert compare(read_artifact(folder), ParityRequest(model=f"{HERE}:halved", spec=spec)).passed
    report = compare(read_artifact(folder), ParityRequest(model=f"{HERE}:tables", spec=spec))
    assert not report.passed
    first = report.first_divergence
    assert first is not None and "sub" in first.operator


def test_whole_numbers_of_64_bits_end_with_32(exported: Exports) -> None:
    spec = ModelSpec((TensorSpec("ids", (2, 5), "int64", values=(0, 9)),))
    artifact = read_artifact(exported(model=f"{HERE}:counted", formats=("litert",), spec=spec)["litert"])
    report = compare(artifact, ParityRequest(model=f"{HERE}:counted", spec=spec))
    assert report.passed, [str(item) for item in (*report.outputs, *report.operators) if not item.passed]
    assert "overflows" in {item.verdict for item in report.operators}


def test_negative_whole_numbers(exported: Exports) -> None:
    spec, model = ModelSpec((TensorSpec("ids", (2, 5), "int64", values=(0, 9)),)), "delegated:whole_numbers"
    artifact = read_artifact(exported(model=model, formats=("litert",), spec=spec)["litert"])
    report = compare(artifact, ParityRequest(model=model, spec=spec))
    assert report.passed, [str(item) for item in (*report.outputs, *report.operators) if not item.passed]


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("volumes", "1x2x3x3x3", "aten.conv_transpose3d.input: the runtime has no convolution"),
        ("rotated", "3x8", "LiteRT has no complex numbers"),
    ],
)
def test_what_is_not_taken_is_told_with_its_place(
    command: Command, tmp_path: Path, name: str, shape: str, words: str
) -> None:
    """Of the first, the file is converted, and does not load."""
    model = ("--model", f"{HERE}:{name}", "--input", f"x={shape}")
    shown = command("export", *model, "--format", "litert", "--output", tmp_path)
    assert shown.code == 4 and not list(tmp_path.iterdir())
    what, where, _advice = shown.err.strip().splitlines()[-3:]
    assert what.startswith("error: ") and what.endswith(words)
    assert f"{HERE}:{name.title()}:" in where or f"{HERE}.{name.title()}:" in where


def test_the_time_of_operators_inside_the_delegate(folder: Path, command: Command) -> None:
    """Each of the file's operators has its time, or is a part of one that has, with the model's module; zeros around an image are a part of
    the convolution that reads them."""
    shown = command("profile", folder, "--runs", "3", "--json")
    assert shown.code == 0, shown.err
    report = shown.json["profile"]
    assert report["format"] == "litert" and report["runtime"].startswith("LiteRT ")
    graph = read_artifact(folder).manifest.graph
    rows = report["operators"]
    kinds = [kind for row in rows for kind in row["stands_for"]]
    assert {kind: kinds.count(kind) for kind in graph.by_type} == graph.by_type
    assert all(row["module"] is not None for row in rows if row["multiply_adds"])
    layers = {row["operator"] for row in rows if row["multiply_adds"]}
    assert layers == {"BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    refused = command("profile", folder, "--no-layout")
    assert (refused.code, "leave --no-layout out" in refused.err) == (2, True)


def test_operators_of_another_delegate_are_not_taken_for_the_file_s(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloformer.export.formats.litert import profiler

    plain = profiler.timed_runs

    def other(*given: Any, **options: Any) -> Any:
        runs = plain(*given, **options)
        return [(whole, (*events[5:], *events[:5])) for whole, events in runs]

    monkeypatch.setattr(profiler, "timed_runs", other)
    shown = command("profile", folder, "--runs", "1")
    assert shown.code == 4 and "what LiteRT's profiler says is not understood" in shown.err
