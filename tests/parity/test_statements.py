"""Nothing that an artifact says of itself is the yardstick: each kind of lie is found, and what nobody knows is listed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_variant
import torch
from outcome import Command
from safetensors.numpy import load_file, save_file

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.references import References
from cloformer.export.source.preprocessing import Preprocessing
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


Edit = Callable[[Artifact], None]


def _report(
    artifact: Artifact, references: References, edit: Edit, folder: Path, **request: object
) -> ParityReport:
    copy = folder / "copy"
    shutil.copytree(artifact.folder, copy)
    edit(read_artifact(copy))
    asked = ParityRequest(model=MODEL, operators=False, **request)  # type: ignore[arg-type]
    return compare(read_artifact(copy, verify=False), asked, references=references)


def _manifest(change: Callable[[dict[str, object]], object]) -> Edit:
    def edit(artifact: Artifact) -> None:
        path = artifact.folder / "manifest.json"
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(json.dumps(document))

    return edit


def _rotated(artifact: Artifact) -> None:
    path = artifact.folder / "labels.txt"
    names = path.read_text().split()
    path.write_text("\n".join([*names[1:], names[0]]) + "\n")


def _rotated_inside(artifact: Artifact) -> None:
    """Inside the Core ML program alone."""
    from coremltools.proto import Model_pb2

    path = artifact.model_path / "Data/com.apple.CoreML/model.mlmodel"
    spec = Model_pb2.Model.FromString(path.read_bytes())
    for block in spec.mlProgram.functions["main"].block_specializations.values():
        for operation in block.operations:
            if operation.type == "classify":
                (names,) = operation.inputs["classes"].arguments
                values = [item.immediateValue.tensor.strings.values for item in _names(names, block)]
                assert [list(value) for value in values] == [[name] for name in LABELS]
                for value, name in zip(values, [*LABELS[1:], LABELS[0]], strict=True):
                    value[0] = name
    path.write_bytes(spec.SerializeToString())


def _names(argument: object, block: object) -> object:
    """The list that an argument is, or that the constant of its name holds."""
    if argument.HasField("value"):  # type: ignore[attr-defined]
        return argument.value.immediateValue.list.values  # type: ignore[attr-defined]
    (value,) = (
        item.attributes["val"]
        for item in block.operations  # type: ignore[attr-defined]
        if item.type == "const" and item.outputs[0].name == argument.name  # type: ignore[attr-defined]
    )
    return value.immediateValue.list.values


def _mean(document: dict[str, object]) -> None:
    """In both places."""
    mean = [0.5, 0.5, 0.5]
    document["request"]["preprocessing"]["image"]["mean"] = mean  # type: ignore[index]
    document["functions"][0]["inputs"][0]["preprocessing"]["mean"] = mean  # type: ignore[index]


def _float16(document: dict[str, object]) -> None:
    said = {"name": "fp16", "weights": "float16", "activations": "float16"}
    document["precision"].update(said)  # type: ignore[attr-defined]
    document["request"]["precision"] = "fp16"  # type: ignore[index]


def _tensors(name: str, change: Callable[[str, np.ndarray], np.ndarray]) -> Edit:
    def edit(artifact: Artifact) -> None:
        path = artifact.folder / name
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            metadata = json.loads(file.read(size)).get("__metadata__")
        save_file({key: change(key, value) for key, value in load_file(path).items()}, path, metadata)

    return edit


def _more(key: str, value: np.ndarray) -> np.ndarray:
    return value * np.float32(1.01) if value.dtype == np.float32 and "/input/" not in key else value


def _looser(key: str, value: np.ndarray) -> np.ndarray:
    return value * np.float32(30) if "loss in" in key else value


def _no_photograph(artifact: Artifact) -> None:
    path = artifact.folder / "conformance.safetensors"
    kept = {key: value for key, value in load_file(path).items() if key.startswith("noise")}
    save_file(kept, path, {"reference": "float64"})


def _model_and_vectors(artifact: Artifact) -> None:
    model = onnx.load(artifact.model_path)
    bias = next(item for item in model.graph.initializer if list(item.dims) == [len(LABELS)])
    changed = onnx.numpy_helper.to_array(bias) + np.float32(0.25)
    bias.CopyFrom(onnx.numpy_helper.from_array(changed, bias.name))
    onnx.save(model, artifact.model_path)
    for name in ("conformance.safetensors", "kit.safetensors"):
        _tensors(
            name, lambda key, value: value + np.float32(0.25) if "output" in key or "logits" in key else value
        )(artifact)


LIES: dict[str, tuple[str, Edit, str, str]] = {
    "labels": ("onnx", _rotated, "labels", "5 of 5 differ: class 0 is 'dog', and should be 'cat'"),
    "labels inside": ("coreml", _rotated_inside, "labels inside the model", "5 of 5 differ"),
    "mean": ("onnx", _manifest(_mean), "preprocessing", r"mean of image is \[0.5, 0.5, 0.5\]"),
    "precision": ("coreml fp32", _manifest(_float16), "precision", "float16, and most are float32"),
    "role": (
        "onnx",
        _manifest(lambda document: document["functions"][0]["outputs"][0].update(postprocessing=None)),  # type: ignore[index]
        "inputs and outputs",
        "postprocessing of the output",
    ),
    "kit": ("onnx", _tensors("kit.safetensors", _more), "kit", "off by"),
    "vectors": ("onnx", _tensors("conformance.safetensors", _more), "vectors", "off by"),
    "bounds": ("onnx", _tensors("conformance.safetensors", _looser), "vectors", "rounding may cost"),
    "cases": ("onnx", _no_photograph, "vectors", "they have no photograph"),
    "model and vectors": ("onnx", _model_and_vectors, "vectors", "off by"),
}


@pytest.fixture
def spec_of_the_export() -> Iterator[ModelSpec]:
    from cloformer.export.source.signature import TensorSpec

    image = TensorSpec("image", (1, 3, 32, 32), "float32", "image")
    yield replace(SPEC, declared=(image,))


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found(
    lie: str,
    exported: dict[str, Artifact],
    references: References,
    spec_of_the_export: ModelSpec,
    tmp_path: Path,
) -> None:
    format_name, edit, about, problem = LIES[lie]
    report = _report(exported[format_name], references, edit, tmp_path, spec=spec_of_the_export)
    assert not report.passed
    (found,) = [item for item in report.statements if item.verdict == "wrong" and item.about == about]
    assert found.problem is not None
    assert re.search(problem, found.problem), found.problem


@pytest.mark.parametrize("format_name", ["onnx", "coreml"])
def test_what_is_right_is_said_by_whom(
    format_name: str,
    exported: dict[str, Artifact],
    references: References,
    spec_of_the_export: ModelSpec,
    tmp_path: Path,
) -> None:
    report = _report(
        exported[format_name], references, lambda _: None, tmp_path, spec=spec_of_the_export, require_all=True
    )
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
        _manifest(_mean)(exported.artifact)
        report = compare(read_artifact(exported.artifact.folder, verify=False), request)
        assert [item.about for item in report.false_statements] == ["preprocessing"]
