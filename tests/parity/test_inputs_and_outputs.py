"""Inputs that are whole numbers and truths, and outputs of every kind: what is fed, what the manifest says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from cloformer.errors import InputError, UnsupportedError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.manifest import Manifest
from cloformer.export.bundle.payload import check_artifact
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.preview import preview
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.cases import Inputs, hostile_cases, noise_case
from cloformer.export.schemas import schema
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec
from cloformer.export.source.trace import trace
from cloformer.export.source.whole_numbers import with_values

ROWS = 37
NAMES = ("cat", "dog", "owl", "fox", "hen")


class Words(nn.Module):
    """Rows of a table, those that the mask leaves, and the means of them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = nn.Embedding(ROWS, 16), nn.Linear(16, 5)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        kept = self.table(ids) * mask.unsqueeze(-1)
        return self.head(kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1))


class Picked(nn.Module):
    """Columns by their numbers, from the third on."""

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        return torch.gather(x, 1, places + 2)


def words() -> nn.Module:
    return Words()


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.animal, self.place = nn.Linear(3, 5), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        pooled = x.mean((2, 3))
        return {"animal": self.animal(pooled), "place": self.place(pooled)}


def two_heads() -> nn.Module:
    return TwoHeads()


class Steps(nn.Module):
    """Whole numbers: which of eight steps a number is on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return ((self.convolution(x) * 4).round() + 8).int()


def steps() -> nn.Module:
    return Steps()


class Counts(Steps):
    """How many numbers are above zero, which are mostly one number added up."""

    def forward(self, x: Tensor) -> Tensor:
        return (self.convolution(x) > 0).float().sum((2, 3)).int()


def counts() -> nn.Module:
    return Counts()


IDS = TensorSpec("ids", (2, 12), "int32")
MASK = TensorSpec("mask", (2, 12), "int32")
HERE = "test_inputs_and_outputs"


def test_the_numbers_that_an_input_takes_are_found() -> None:
    ids, mask = with_values(Words(), (IDS, MASK))
    assert (ids.values, mask.values) == ((0, ROWS - 1), (0, 1))
    places = with_values(Picked(), (TensorSpec("x", (1, 8)), TensorSpec("places", (1, 3), "int64")))[1]
    assert places.values == (0, 5)
    said = replace(IDS, values=(3, 4))
    assert with_values(Words(), (said, MASK))[0] is said


def test_integers_and_truths_vary_over_their_range() -> None:
    specs = (replace(IDS, shape=(40, 50), values=(2, 9)), TensorSpec("hidden", (40, 50), "bool"))
    inputs = Inputs(specs, {}, {spec.name: False for spec in specs})
    noise = noise_case(inputs).values
    assert set(np.unique(noise["ids"])) == set(range(2, 10)) and noise["ids"].dtype == np.int32
    assert 0 < noise["hidden"].mean() < 1 and noise["hidden"].dtype == bool
    for case in hostile_cases(inputs):
        assert set(np.unique(case.values["ids"])) <= {2, 9}
    assert not all(case.values["hidden"].all() for case in hostile_cases(inputs))
    unknown = Inputs((IDS,), {}, {"ids": False})
    assert (noise_case(unknown).values["ids"] == 1).all()


def test_a_row_of_a_table_that_is_wrong_is_found(tmp_path: Path) -> None:
    """Every row but the second: all that was fed before."""
    (exported,) = export(ExportRequest(model=f"{HERE}:words", spec=ModelSpec((IDS, MASK)), output=tmp_path))
    assert [spec.values for spec in exported.artifact.signature.inputs] == [(0, ROWS - 1), (0, 1)]
    request = ParityRequest(model=f"{HERE}:words")
    assert compare(exported.artifact, request).passed
    model = onnx.load(exported.artifact.model_path)
    table = next(item for item in model.graph.initializer if list(item.dims) == [ROWS, 16])
    values = onnx.numpy_helper.to_array(table).copy()
    values[[row for row in range(ROWS) if row != 1]] *= 1.001
    table.CopyFrom(onnx.numpy_helper.from_array(values, table.name))
    onnx.save(model, exported.artifact.model_path)
    report = compare(read_artifact(exported.artifact.folder, verify=False), request)
    assert report.first_divergence is not None
    assert report.first_divergence.operator == "aten.embedding.default"


@pytest.mark.parametrize("name", ["steps", "counts"])
def test_a_whole_number_that_is_one_too_small_is_found(tmp_path: Path, name: str) -> None:
    """A number that was rounded to a whole one is not at the edge of the next: all are cut off below themselves."""
    (exported,) = export(ExportRequest(model=f"{HERE}:{name}", image_size=(16, 16), output=tmp_path))
    request = ParityRequest(model=f"{HERE}:{name}")
    assert compare(exported.artifact, request).passed
    model = onnx.load(exported.artifact.model_path)
    cast = [node for node in model.graph.node if node.op_type == "Cast"][-1]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1 - 1e-6), "below"))
    model.graph.node.insert(
        list(model.graph.node).index(cast), onnx.helper.make_node("Mul", [cast.input[0], "below"], ["cut"])
    )
    cast.input[0] = "cut"
    onnx.save(model, exported.artifact.model_path)
    damaged = read_artifact(exported.artifact.folder, verify=False)
    report = compare(damaged, request)
    assert report.first_divergence is not None and "to" in report.first_divergence.operator
    assert all(not item.passed for item in [*report.outputs, *compare(damaged, ParityRequest()).outputs])


def test_core_ml_gives_whole_numbers_as_int32(tmp_path: Path) -> None:
    request = ExportRequest(
        model="hard_networks:many_outputs", formats=("coreml",), image_size=(32, 32), output=tmp_path
    )
    (exported,) = export(request)
    kinds = [spec.dtype for spec in exported.artifact.signature.outputs]
    assert kinds == ["float32"] * 4 + ["int32"] * 3
    assert exported.notes == ("output 1 of 8 is None in evaluation mode, and was left out",)


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.float() * 2


doubled = Doubled


@pytest.mark.parametrize("role", ["tensor", "image"])
def test_numbers_of_16_bits_come_in_as_such(tmp_path: Path, role: str) -> None:
    """What rounds the input is no error of a file in float32."""
    spec = ModelSpec((TensorSpec("x", (1, 3, 4, 4), "float16", role),))
    request = ExportRequest(model=f"{HERE}:doubled", spec=spec, output=tmp_path)
    (exported,) = export(request)
    assert compare(exported.artifact, ParityRequest(model=request.model, spec=spec)).passed


def test_weights_in_half_precision_are_said(tmp_path: Path) -> None:
    request = ExportRequest(model="hard_networks:half_weights", image_size=(32, 32), output=tmp_path)
    (exported,) = export(request)
    assert exported.notes == ("the weights are float16, and were exported as float32",)


@pytest.mark.parametrize("format_name", ["onnx", "coreml"])
@pytest.mark.parametrize(
    ("spec", "note"),
    [
        (ModelSpec(outputs=("animal", "place"), labels=NAMES), "animal, the first of 2 outputs"),
        (ModelSpec(labels=NAMES[:2], labels_of="place"), "place, one of 2 outputs"),
    ],
    ids=["named", "of the second"],
)
def test_of_two_outputs_the_one_with_labels_is_said(
    tmp_path: Path, format_name: str, spec: ModelSpec, note: str
) -> None:
    """In the note and in the manifest; and parity holds it against --spec."""
    model = f"{HERE}:two_heads"
    request = ExportRequest(
        model=model, formats=(format_name,), image_size=(32, 32), spec=spec, output=tmp_path
    )
    (exported,) = export(request)
    assert exported.notes == (f"labels.txt names the classes of {note}",)
    artifact = exported.artifact
    named, other = sorted(artifact.function.outputs, key=lambda item: item.labels is None)
    assert (named.spec.role, named.labels, named.spec.name) == (
        "logits",
        "labels.txt",
        note.partition(",")[0],
    )
    assert (other.spec.role, other.labels) == ("tensor", None)
    assert artifact.function.classifier is not None and artifact.function.classifier.scores == named
    document = artifact.manifest.to_json()
    jsonschema.Draft202012Validator(schema("manifest")).validate(document)
    assert Manifest.from_json(document) == artifact.manifest
    assert compare(artifact, ParityRequest(model=model)).passed
    if spec.labels_of is not None:
        untold = compare(artifact, ParityRequest(model=model, spec=replace(spec, labels_of=None)))
        assert "inputs and outputs" in [item.about for item in untold.statements if item.problem is not None]
        with pytest.raises(UnsupportedError, match="are those of place, and the apps show the first"):
            check_artifact(artifact)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ModelSpec(labels=NAMES[:2]), 'animal, the first of 2.*they fit place: labels_of = "place"'),
        (ModelSpec(labels=NAMES[:3]), "give as many labels as classes"),
        (ModelSpec(labels=NAMES, labels_of="place"), "place, number 2 of 2.*they fit animal"),
        (ModelSpec(labels=NAMES, labels_of="plase"), "labels_of is plase, .* are animal, place"),
    ],
)
def test_labels_of_another_output_are_refused_before_anything_is_written(
    tmp_path: Path, spec: ModelSpec, words: str
) -> None:
    request = ExportRequest(
        model=f"{HERE}:two_heads", image_size=(32, 32), spec=spec, output=tmp_path / "none"
    )
    for run in (preview, export):
        with pytest.raises(InputError, match=f"(?s){words}"):
            run(request)
    assert not request.output.exists()


class Counted(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return x + 1, 3


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> None:
        return None


@pytest.mark.parametrize(
    ("model", "reason"),
    [(Counted(), r"output_1 is the number 3, not a tensor"), (Nothing(), "the model returns no tensor")],
)
def test_what_is_no_tensor_is_refused_at_once(model: nn.Module, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        trace(model, [TensorSpec("x", (1, 4))])
