"""An x86 processor without VNNI computes layers in 8 bits as no phone does: every command that runs such a file says so, and no other."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from image_spec import image_spec
from outcome import Command
from photographs import quarters
from torch import nn

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.formats.onnx.processor import stops_at_16_bits
from cloformer.export.latency.candidates import plan
from cloformer.export.latency.measure import describe, package_versions
from cloformer.export.latency.protocol import protocol

SPEC = image_spec(16)
MODEL = ("test_processor_notes:build", "--spec", "model.toml")
# A machine, and its processor's flags.
PROCESSORS = {
    ("x86_64", "sse4_2", "avx2", "fma"): True,
    ("x86_64", "sse4_2", "avx2", "fma", "avx_vnni"): False,
    ("aarch64", "fp", "asimd"): False,
}
SAID = "this processor adds up products of 8 bits in 16"


def build() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()


@pytest.fixture
def folders(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Of artifacts, by precision."""
    monkeypatch.chdir(tmp_path)
    Path("labels.txt").write_text("ant\nbee\ncat\ndog\n")
    Path("model.toml").write_text(SPEC)
    found = {}
    for precision in ("int8", "fp32"):
        images = ("--calibration", quarters()) if precision == "int8" else ()
        made = command("export", *MODEL, "--precision", precision, *images, "-q", "--json")
        found[precision] = made.json["artifacts"][0]["folder"]
    return found


def test_where_a_file_in_8_bits_runs_as_on_no_phone(
    command: Command, folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = (*folders.values(), "--data", quarters(), "--model", *MODEL, "-q")
    for (machine, *flags), is_said in PROCESSORS.items():
        asked = partial(stops_at_16_bits, machine, flags)
        monkeypatch.setattr("cloformer.export.formats.onnx.runner.stops_at_16_bits", asked)
        judged = command("evaluate", *held, "--json").json["subjects"]
        notes = {item["precision"]: item["notes"] for item in judged}
        assert not notes["fp32"] and [SAID in note for note in notes["int8"]] == [True] * is_said
        for name in ("evaluate", "pareto"):
            told = " ".join(command(name, *held).out.split())
            assert (f"note, of {folders['int8']}: {SAID}" in told) == is_said
        for precision, folder in folders.items():
            is_meant = is_said and precision == "int8"
            assert (SAID in " ".join(command("predict", folder).out.split())) == is_meant
            assert bool(command("predict", folder, "--json").json["notes"]) == is_meant
            candidates = plan([read_artifact(Path(folder))], [], protocol("rapid"))
            row = describe(candidates[0], package_versions(candidates))
            told = [f"says nothing of its time on a phone: {SAID}" in note for note in row.notes]
            assert any(told) == is_meant
