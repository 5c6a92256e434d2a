"""A mixture of precisions: what is measured of each group, the fewest in float that reach a goal, and a choice that is replayed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from extras import needs_executorch, needs_litert_torch
from photographs import quarters
from torch import Tensor, nn

from cloformer.errors import GateError, UnsupportedError, UsageError
from cloformer.export.accuracy.paired import Drop
from cloformer.export.calibration.calibrate import Calibrated, calibrated
from cloformer.export.calibration.goal import SENSITIVITIES, Goal
from cloformer.export.calibration.images import Calibration
from cloformer.export.calibration.labelled import Accuracy
from cloformer.export.calibration.sensitivity import Choice, chosen
from cloformer.export.formats import FORMATS
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest, Job, choose_formats, jobs_for
from cloformer.export.pipeline.steps import make_source, trace_source
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

RULE = Preprocessing(16, 16, 16, mean=(0.5,) * 3, std=(0.5,) * 3)
SPEC = ModelSpec((TensorSpec("image", (1, 3, 16, 16), "float32", "image"),), {"image": RULE}, ("logits",))
PHOTOGRAPHS = Calibration(quarters())


class Block(nn.Module):
    """Two layers; a channel of the first is ``wide`` times as large as the rest, and taken back by the second."""

    def __init__(self, wide: float) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        with torch.no_grad():
            self.one.weight[0] *= wide
            self.other.weight[:, 0] /= wide

    def forward(self, x: Tensor) -> Tensor:
        return x + self.other(self.one(x).relu())


class Blocks(nn.Module):
    """The second of three blocks has values that 256 steps hardly represent."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList([Block(1.0), Block(300.0), Block(1.0)])
        self.head = nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))


def build() -> nn.Module:
    torch.manual_seed(0)
    return Blocks().eval()


MODEL = "test_sensitivity:build"


def asked(**changes: object) -> ExportRequest:
    request = ExportRequest(model=MODEL, spec=SPEC, precision="int8", calibration=PHOTOGRAPHS)
    return replace(request, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found() -> tuple[Calibrated, Job]:
    request = asked()
    source = make_source(request, lambda _: None)
    (job,) = jobs_for(request, choose_formats(request), source)
    return calibrated(PHOTOGRAPHS, source, trace_source(source, lambda _: None), job.record), job


def choose(found: tuple[Calibrated, Job], goal: Goal) -> Choice:
    return chosen(found[0], FORMATS["onnx"], found[1].record.precision, goal, lambda _: 20_000)


def test_the_group_that_loses_the_most_is_first_and_alone_in_float(found: tuple[Calibrated, Job]) -> None:
    whole = choose(found, Goal(min_snr=0.0))
    assert not whole.in_float
    choice = choose(found, Goal(min_snr=whole.snr + 3))
    first, *others = choice.groups
    assert first.group.name == "blocks.1" and len(first.group.layers) == 2
    assert {item.group.name for item in others} == {"stem", "blocks.0", "blocks.2", "head"}
    assert first.own > 10 * max(item.own for item in others if item.group.name.startswith("blocks"))
    assert first.final > 2 * max(item.final for item in others)
    assert choice.in_float == ("blocks.1",) and choice.snr >= whole.snr + 3
    assert set(choice.quantization.in_float) == set(first.group.layers)


@pytest.mark.parametrize("sensitivity", SENSITIVITIES)
def test_none_in_float_is_there_without_need(found: tuple[Calibrated, Job], sensitivity: str) -> None:
    goal = Goal(min_snr=45.0, sensitivity=sensitivity)
    choice = choose(found, goal)
    assert choice.snr >= 45
    from cloformer.export.calibration.sensitivity import _Study

    study = _Study(found[0], FORMATS["onnx"], found[1].record.precision, lambda _: 0)
    kept = [item for item in choice.groups if item.group.name in choice.in_float]
    for item in kept:
        assert study.result(study.leaving([other for other in kept if other is not item]))[0] < 45


def test_a_goal_that_does_not_fit_the_size(found: tuple[Calibrated, Job]) -> None:
    with pytest.raises(GateError, match="in float reach the goal, with about"):
        choose(found, Goal(min_snr=60.0, max_bytes=1000))


def test_as_many_stay_in_float_as_a_size_allows(tmp_path: Path) -> None:
    uniform = export(asked(precision="int8", output=tmp_path / "one"))[0].artifact.manifest.model_bytes
    kept = []
    for more in (0, 1200):
        most = uniform + more
        goal = Goal(max_bytes=most)
        made = export(asked(precision="auto", goal=goal, max_bytes=most, output=tmp_path / f"{more}"))[0]
        assert made.artifact.manifest.model_bytes <= most
        kept.append(made.artifact.manifest.request.precision.quantization.in_float)  # type: ignore[union-attr]
    assert len(kept[0]) < len(kept[1]) < 8


@pytest.mark.parametrize("goal", [Goal(max_bytes=10**6), Goal(min_snr=200.0)])
def test_a_goal_that_leaves_nothing_in_8_bits(tmp_path: Path, goal: Goal) -> None:
    with pytest.raises(UnsupportedError, match="every layer stays in float"):
        export(asked(precision="auto", goal=goal, output=tmp_path))


def test_too_few_images_to_leave_any_in_8_bits(
    found: tuple[Calibrated, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is in 8 bits loses one of the four, which more images might show to be no more than is allowed."""
    lost = Drop(1, 0, 4)
    monkeypatch.setattr(Accuracy, "drop", lambda *_: lost)
    labels = dict.fromkeys(found[0].images, 0)
    needed = lost.images_needed(0.5)
    with pytest.raises(GateError, match=f"if as large a share of them differs, {needed} are needed"):
        chosen(
            found[0],
            FORMATS["onnx"],
            found[1].record.precision,
            Goal(max_accuracy_drop=0.5),
            lambda _: 0,
            labels=labels,
        )


def test_the_choice_is_in_the_manifest_and_is_replayed(tmp_path: Path) -> None:
    goal = Goal(min_snr=45.0)
    first = export(asked(precision="auto", goal=goal, output=tmp_path / "one"))[0]
    record = first.artifact.manifest.request.precision
    assert record.name == "int8" and record.quantization is not None and record.quantization.in_float
    assert any(note.startswith("in float stay ") and "blocks.1" in note for note in first.notes)
    told = [item.to_json() for item in first.sensitivities]
    assert len(told) == 5 and told[0]["group"] == "blocks.1" and told[0]["final_noise"] > 0  # type: ignore[operator]
    manifest = first.artifact.folder / "manifest.json"
    again = export(asked(precision_map=manifest, output=tmp_path / "other"))[0]
    assert again.artifact.model_path.read_bytes() == first.artifact.model_path.read_bytes()
    assert json.loads(manifest.read_text("utf-8"))["request"]["quantization"]["in_float"]


@pytest.mark.parametrize(
    "form",
    [pytest.param("litert", marks=needs_litert_torch), pytest.param("executorch", marks=needs_executorch)],
)
def test_files_for_xnnpack_hold_the_mixture(tmp_path: Path, form: str) -> None:
    """Each operator is what was meant, nothing more is outside the delegate, and the file has the decibels that were asked for."""
    goal = Goal(min_snr=45.0)
    made = export(asked(precision="auto", goal=goal, formats=(form,), output=tmp_path / "one"))[0].artifact
    kept = made.manifest.request.precision.quantization
    assert kept is not None and 0 < len(kept.in_float) < 8
    images = tuple(sorted(quarters().iterdir()))
    report = compare(made, ParityRequest(model=MODEL, spec=SPEC, images=images))
    assert report.passed, [str(item) for item in (*report.failures, *report.not_compared)]
    assert all(item.figures.snr_db >= 45 for item in report.costs) and report.costs
    whole = export(asked(precision="int8", formats=(form,), output=tmp_path / "other"))[0].artifact
    graphs = [item.manifest.graph for item in (made, whole)]
    assert graphs[0].partitions == graphs[1].partitions and graphs[0].undelegated == graphs[1].undelegated


def test_a_map_of_another_model_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "map.json"
    other.write_text(json.dumps({"schema_version": 1, "float32": [{"node": "conv2d_77"}]}))
    with pytest.raises(UnsupportedError, match="the precision map names 'conv2d_77'"):
        export(asked(precision_map=other, output=tmp_path / "out"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"precision": "auto"}, "--precision auto leaves in float what a goal needs, and has none"),
        ({"goal": Goal(min_snr=3.0)}, "are what --precision auto goes by"),
        ({"precision": "auto", "goal": Goal(min_snr=3.0), "precision_map": Path("x")}, "chooses what --precision-map says"),
        ({"precision": "auto", "goal": Goal(min_snr=3.0), "calibration": None}, "--precision auto takes the range"),
    ],
)  # fmt: skip
def test_goals_and_mixtures_go_together(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose_formats(asked(**changes))
