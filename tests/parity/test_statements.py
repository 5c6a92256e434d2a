"""Nothing that an artifact says of itself is the yardstick: each kind of lie is found, and what nobody knows is listed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_variant
import torch
from lies import LIES
from outcome import Command

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.statements import _off
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.references import References
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

LABELS = ("cat", "dog", "owl", "fox", "hen")
RULE = Preprocessing.imagenet(32, 32)


class Classes(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head = torch.nn.Conv2d(3, 8, 3, 2), torch.nn.Linear(8, len(LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.stem(x).relu().mean((2, 3)))


def classes() -> torch.nn.Module:
    return Classes()


class Counted(torch.nn.Module):
    """Numbers that float16 ends before, which coremltools keeps in float32, and hardly others."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [(1e6 * x).int(), (2e6 * x).int() // 7, (9 * x).int()]


counted = Counted
MODEL = "test_statements:classes"
SPEC = ModelSpec(labels=LABELS)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    request = ExportRequest(
        model=MODEL,
        formats=("onnx", "coreml"),
        image_size=(32, 32),
        spec=SPEC,
        output=tmp_path_factory.mktemp("statements"),
    )
    found = {item.artifact.format: item.artifact for item in export(request)}
    (wide,) = export(replace(request, formats=("coreml",), precision="fp32"))
    return found | {"coreml fp32": wide.artifact}


@pytest.fixture(scope="module")
def references() -> References:
    return References()


def _report(artifact: Artifact, references: References, **request: object) -> ParityReport:
    asked = ParityRequest(model=MODEL, operators=False, **request)  # type: ignore[arg-type]
    return compare(artifact, asked, references=references)


@pytest.fixture
def spec_of_the_export() -> Iterator[ModelSpec]:
    from cloformer.export.source.signature import TensorSpec

    image = TensorSpec("image", (1, 3, 32, 32), "float32", "image")
    yield replace(SPEC, declared=(image,))


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found(
    name: str,
    exported: dict[str, Artifact],
    references: References,
    spec_of_the_export: ModelSpec,
    tmp_path: Path,
) -> None:
    lie = LIES[name]
    sound = next(artifact for artifact in exported.values() if lie.fits(artifact))
    shutil.copytree(sound.folder, tmp_path / "copy")
    lie.tell(np.random.default_rng(1), read_artifact(tmp_path / "copy"))
    report = _report(read_artifact(tmp_path / "copy", verify=False), references, spec=spec_of_the_export)
    assert not report.passed
    assert lie.about in [item.about for item in report.statements if item.verdict == "wrong"]


@pytest.mark.parametrize("format_name", ["onnx", "coreml"])
def test_what_is_right_is_said_by_whom(
    format_name: str,
    exported: dict[str, Artifact],
    references: References,
    spec_of_the_export: ModelSpec,
) -> None:
    report = _report(exported[format_name], references, spec=spec_of_the_export, require_all=True)
    assert report.passed, report.false_statements
    by = {item.about: item.against for item in report.statements}
    assert by["labels"] == by["preprocessing"] == "--spec"
    assert ("labels inside the model" in by) == (format_name == "coreml")
    assert {"precision", "inputs and outputs", "vectors", "kit"} <= by.keys()


def test_what_nobody_knows_is_listed_and_fails_where_all_is_asked(
    exported: dict[str, Artifact], command: Command, tmp_path: Path
) -> None:
    folder = exported["onnx"].folder
    options = ("parity", folder, "--model", MODEL, "--no-operators")
    done = command(*options)
    assert done.code == 0, done.err
    assert "not checked: labels" in done.out and "not checked: preprocessing" in done.out
    assert "--labels FILE would" in done.out
    strict = command(*options, "--require-all")
    assert strict.code == 1
    assert "--require-all asks for all" in strict.out
    names = tmp_path / "names.txt"
    names.write_text("\n".join(LABELS))
    assert "labels (by --labels)" in command(*options, "--labels", names).out
    names.write_text("\n".join(reversed(LABELS)))
    wrong = command(*options, "--labels", names)
    assert wrong.code == 1 and "4 of 5 differ" in wrong.out
    other = tmp_path / "spec.toml"
    other.write_text('[[inputs]]\nname = "image"\nshape = [1, 3, 64, 64]\nrole = "image"\n')
    refused = command(*options, "--spec", other)
    assert refused.code == 3 and "give the --spec of the export" in refused.err
    alone = command("parity", folder, "--json")
    unknown = {item["about"] for item in alone.json["reports"][0]["statements"] if item["against"] is None}
    assert unknown == {"inputs and outputs", "vectors", "kit", "labels", "preprocessing"}


def test_the_checkpoint_says_how_it_was_trained(tmp_path: Path) -> None:
    """A mean that is changed in both places of the manifest, though the checkpoint says another."""
    weights = tmp_path / "model.safetensors"
    metadata = {
        "cloformer": "1",
        "labels": json.dumps(list(LABELS)),
        "preprocessing": json.dumps(Preprocessing.imagenet(32, 32).to_json()),
    }
    with small_variant.known(small_variant.TINY) as name:
        save_checkpoint(cloformer.create_model(name, num_classes=len(LABELS)), weights, metadata)
        (exported,) = export(ExportRequest(model=name, weights=weights, output=tmp_path / "build"))
        request = ParityRequest(weights=weights, operators=False, require_all=True)
        report = compare(exported.artifact, request)
        assert report.passed, report.false_statements
        assert {item.against for item in report.statements} == {"the file", "the model", "the checkpoint"}
        LIES["preprocessing changed"].tell(np.random.default_rng(0), exported.artifact)
        report = compare(read_artifact(exported.artifact.folder, verify=False), request)
        assert "preprocessing" in [item.about for item in report.false_statements]


def test_what_float32_has_no_number_for_is_stored_as_zero() -> None:
    """A product of many probabilities, say."""
    want = np.array([3.9e-47, 0.0])
    assert _off(np.zeros(2, np.float32), want) is None
    assert _off(np.array([1e-44, 0], np.float32), want) == "off by 9.8e-45 from what the model gives"


def test_what_float16_has_no_number_for_says_nothing_of_the_rest(tmp_path: Path) -> None:
    model = "test_statements:counted"
    spec = ModelSpec((TensorSpec("x", (2, 4, 5)),))
    (written,) = export(ExportRequest(model=model, formats=("coreml",), spec=spec, output=tmp_path))
    report = compare(written.artifact, ParityRequest(model=model, spec=spec))
    assert not report.false_statements and report.passed, report.false_statements
