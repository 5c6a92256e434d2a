"""``models``, ``doctor``, help, JSON and completion."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from outcome import Command

import cloformer


def test_models_counts(command: Command) -> None:
    rows = command("models", "--json").json["models"]
    assert [row["name"] for row in rows] == cloformer.list_models()
    first = rows[0]
    assert first["parameters"] == 4_166_728
    # The paper says 0.6 G; counted by hand for the stem's first convolution: 16 * 27 * 112 * 112.
    assert 0.6e9 < first["multiply_adds"] < 0.7e9
    assert first["feature_shapes"]["stem"] == [32, 56, 56]
    assert first["feature_shapes"]["stage4"] == [256, 7, 7]
    small = command("models", "--image-size", "64x128", "--num-classes", "10", "--json").json["models"][0]
    assert small["feature_shapes"]["stage1"] == [64, 8, 16]
    assert small["parameters"] == 4_166_728 - 990 * 257
    assert "4,166,728" in command("models").out


def test_dense_models_counts(command: Command) -> None:
    """At what they are published for; what they add to the backbone is the head's layers, and at twice the side four times as much."""
    rows = {row["name"]: row for row in command("models", "--json").json["dense"]}
    assert list(rows) == cloformer.list_dense_models()
    for name in ("cloformer_xxs_fpn", "cloformer_xxs_retinanet"):
        model = cloformer.create_dense_model(name)
        assert rows[name]["parameters"] == sum(value.numel() for value in model.parameters())
    # Two branches of 4 convolutions of 3x3 and what each ends in (9 anchors of 80 classes and 4 sides), at strides 8 to 128 of 512.
    branches = 9 * 256 * (8 * 256 + 9 * 84) * sum((512 // stride) ** 2 for stride in (8, 16, 32, 64, 128))
    assert branches < rows["cloformer_xxs_retinanet"]["multiply_adds"] < 1.4 * branches
    assert "at 512x512: RetinaNet: boxes with classes, 80 classes" in command("models").out


def test_multiply_adds_are_counted() -> None:
    import torch

    from cloformer.export.source.counts import multiply_adds
    from cloformer.export.source.signature import TensorSpec

    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2, 1, groups=1), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 5)
    ).eval()
    assert multiply_adds(model, [TensorSpec("x", (1, 3, 8, 8))]) == 8 * 27 * 16 + 8 * 16 * 5


def test_models_refuses_a_size(command: Command) -> None:
    assert command("models", "--image-size", "30").code == 2


def test_doctor(command: Command) -> None:
    shown = command("doctor", "--json")
    assert shown.code == 0
    assert shown.json["healthy"]
    assert shown.json["versions"]["coremltools"] == "9.0"
    text = command("doctor").out
    assert "torch" in text
    assert "ok:" in text


def test_doctor_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    from cloformer.export.formats import doctor

    versions = {"torch": "2.16.0", "coremltools": "8.3", "onnxsim": None, "numpy": "2.4.1"}
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: versions[name] if name in versions else real(name))
    shown = command("doctor", "--json")
    assert shown.code == 5
    problems = " ".join(
        finding["text"] for finding in shown.json["findings"] if finding["level"] == "problem"
    )
    assert "2.16.0" in problems
    assert "coremltools 8.3" in problems
    assert "onnxsim is not installed" in problems


def test_doctor_says_which_formats_are_written_here(
    monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """Those whose packages are an extra: how to install them, or that one of them does not load."""
    from cloformer.export.formats import FORMATS, row

    extras = [item for item in FORMATS.values() if item.extra is not None]
    assert extras
    monkeypatch.setattr(row, "_is_installed", lambda name: name in ("torch", "numpy"))
    shown = command("doctor").out
    for item in extras:
        assert re.search(f"note: +{item.title} is not written here", shown)
        assert f"pip install 'cloformer[{item.extra}]'" in shown
    monkeypatch.setattr(row, "_is_installed", lambda _: True)
    monkeypatch.setattr(row.Format, "exporter", lambda _: 1 / 0)
    shown = command("doctor")
    assert shown.code == 5
    assert all(re.search(f"problem: +{item.title} is not written here: ", shown.out) for item in extras)


def test_every_place_speaks_of_the_same_torch() -> None:
    """What pyproject.toml allows, what `make setup` installs, what `make torch-versions` tries and what `doctor` calls tested."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from torch_versions import OTHERWISE, ROOT, VERSIONS

    from cloformer.export.formats import doctor
    from cloformer.export.source.spec import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (allowed,) = (each for each in map(Requirement, project["dependencies"]) if each.name == "torch")
    (held,) = (
        line
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    )
    tested = [version.rpartition(".")[0] for version in VERSIONS]
    assert set(tested) == {doctor.TESTED_WHOLE, *doctor.TESTED_IN_PART} >= set(OTHERWISE)
    assert held.startswith(f"torch=={doctor.TESTED_WHOLE}.")
    first, end = (f"{major}.{minor}" for major, minor in doctor.ALLOWED)
    assert allowed.specifier == SpecifierSet(f">={first},<{end}")
    assert VERSIONS[0] == f"{first}.0" and all(version in allowed.specifier for version in VERSIONS)


@pytest.mark.parametrize("name", ["models", "export", "inspect", "predict", "doctor"])
def test_every_command_explains_itself(command: Command, name: str) -> None:
    shown = command(name, "--help")
    assert shown.code == 0
    assert "--json" in shown.out
    assert name in command("--help").out


def test_version(command: Command) -> None:
    assert command("--version").out.strip() == f"cloformer {cloformer.__version__}"


def test_json_is_the_only_thing_on_standard_output(python: str) -> None:
    arguments = [python, "-m", "cloformer", "doctor", "--json"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    json.loads(done.stdout)
    assert done.stderr == ""
