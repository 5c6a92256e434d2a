"""Ranges of values: what each method takes, that the order of the images changes nothing, and what is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import weighty
from torch import nn

from cloformer.errors import InputError, UsageError
from cloformer.export.calibration import calibrate
from cloformer.export.calibration.calibrate import calibrated
from cloformer.export.calibration.images import Calibration
from cloformer.export.calibration.methods import METHODS
from cloformer.export.calibration.ranges import range_of
from cloformer.export.calibration.statistics import BINS, Statistics
from cloformer.export.pipeline.request import ExportRequest, choose_formats, jobs_for
from cloformer.export.pipeline.steps import make_source, trace_source
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.quantization import Quantization, Steps
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

RULE = Preprocessing(16, 16, 16, mean=(0.5,) * 3, std=(0.5,) * 3)
SPEC = ModelSpec((TensorSpec("image", weighty.SHAPE, "float32", "image"),), {"image": RULE})
DRAWN = {
    "normal": lambda drawn: drawn.standard_normal(200_000),
    "rectified": lambda drawn: np.maximum(drawn.standard_normal(200_000), 0),
    "far tails": lambda drawn: drawn.standard_t(2, 200_000),
    "negative": lambda drawn: -drawn.exponential(1.0, 200_000),
}


def statistics_of(values: np.ndarray) -> Statistics:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    return Statistics(low, high, np.histogram(values, BINS, (low, high))[0])


def error(values: np.ndarray, low: float, high: float) -> float:
    """The mean squared one of PyTorch's own quantization."""
    steps, wide = Steps.of(low, high, "float32"), torch.from_numpy(values)
    found = torch.fake_quantize_per_tensor_affine(wide.float(), steps.scale, steps.zero_point, -128, 127)
    return float((wide - found).square().mean())


@pytest.mark.parametrize("name", DRAWN)
def test_methods_keep_their_word(name: str) -> None:
    values = DRAWN[name](np.random.default_rng(0))
    found = statistics_of(values)
    ranges = {method: range_of(found, method) for method in METHODS}
    for low, high in ranges.values():
        assert found.low <= low <= 0 <= high <= found.high
    assert ranges["min-max"] == (found.low, found.high)
    low, high = ranges["percentile"]
    beyond = ((values < low) | (values > high)).mean()
    assert beyond <= 1.01e-4
    best = error(values, *ranges["mse"])
    assert all(best <= 1.01 * error(values, *ends) for ends in ranges.values())
    assert error(values, *ranges["entropy"]) < 40 * best


def test_entropy_leaves_out_what_few_numbers_reach() -> None:
    """Of a thousand numbers in 1,000,000 that lie ten times as far out as the rest, the steps of the rest are worth more."""
    drawn = np.random.default_rng(1)
    values = np.concatenate([drawn.standard_normal(1_000_000), [60.0, -60.0]])
    low, high = range_of(statistics_of(values), "entropy")
    assert -30 < low < -2 and 2 < high < 30


@pytest.mark.parametrize("name", ["constant zero", "one number"])
def test_a_value_without_a_range_has_steps(name: str) -> None:
    end = 0.0 if name == "constant zero" else 4.0
    counts = np.zeros(BINS, np.int64)
    counts[-1] = 9 if end else 0
    for method in METHODS:
        steps = Steps.of(*range_of(Statistics(0.0, end, counts), method), "float32")
        assert steps.scale > 0 and abs(steps.high - end) < 0.01


@pytest.mark.parametrize("stored", ["float16", "float32"])
def test_zero_is_a_step_and_ends_are_within_one(stored: str) -> None:
    for low, high in ((-1.0, 2.0), (0.0, 6.0), (-3.7, 0.0), (-0.1, 1e-5), (2.0, 5.0), (-70000.0, 1.0)):
        steps = Steps.of(low, high, stored)
        assert np.dtype(stored).type(steps.scale) == steps.scale
        assert -128 <= steps.zero_point <= 127
        assert abs(steps.low - min(low, 0)) <= steps.scale and abs(steps.high - max(high, 0)) <= steps.scale


def folder_of(path: Path, names: list[str], photographs: list[Path]) -> Path:
    path.mkdir()
    for name, photograph in zip(names, photographs, strict=True):
        shutil.copy(photograph, path / name)
    return path


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    from PIL import Image

    drawn = np.random.default_rng(2)
    paths = [tmp_path / f"drawn{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.fromarray(drawn.integers(0, 60 * (number + 1), (40, 40, 3), np.uint8)).save(path)
    return paths


def ranges_of(calibration: Calibration) -> tuple[Quantization, tuple[str, ...]]:
    request = ExportRequest(model="weighty:build", spec=SPEC, precision="int8", calibration=calibration)
    source = make_source(request, lambda _: None)
    (job,) = jobs_for(request, choose_formats(request), source)
    found = calibrated(calibration, source, trace_source(source, lambda _: None), job.record)
    return found.quantization, found.notes


def test_order_changes_nothing_and_statistics_are_kept(
    photographs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one = folder_of(tmp_path / "one", ["a.png", "b.png", "c.png", "d.png"], photographs)
    other = folder_of(tmp_path / "other", ["d.png", "c.png", "b.png", "a.png"], photographs)
    first, notes = ranges_of(Calibration(one, method="min-max"))
    assert first.images == 4 and not notes

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another cache"))
    assert ranges_of(Calibration(other, method="min-max"))[0] == first

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the statistics were there")

    monkeypatch.setattr(calibrate, "collect", never)
    again, _ = ranges_of(Calibration(one, method="mse"))
    assert again.steps.keys() == first.steps.keys() and again.steps != first.steps
    with pytest.raises(AssertionError):
        ranges_of(Calibration(one, samples=3))  # of other images


def test_a_sample_is_drawn_by_seed(photographs: list[Path], tmp_path: Path) -> None:
    names = ["a.png", "b.png", "c.png", "d.png"]
    one, other = (folder_of(tmp_path / name, names, photographs) for name in ("one", "other"))
    drawn = [
        [path.name for path in Calibration(folder, samples=2).images.values()] for folder in (one, other)
    ]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 2
    draws = {tuple(path.name for path in Calibration(one, 2, seed=seed).images.values()) for seed in range(8)}
    assert len(draws) > 1


def test_images_that_cannot_be_read(photographs: list[Path], tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "some", ["a.png", "b.png", "c.png", "d.png"], photographs)
    (folder / "broken.png").write_bytes(photographs[0].read_bytes()[:90])
    with pytest.raises(InputError, match=r"1 image of 5 cannot be read: image .*broken\.png") as caught:
        ranges_of(Calibration(folder))
    assert "10% are too many" in caught.value.lines[1]
    for number in range(8):
        (folder / f"more{number}.png").write_bytes(
            photographs[0].read_bytes() + bytes(number)
        )  # the first is there
    _, notes = ranges_of(Calibration(folder))
    assert notes[0].startswith("calibrated without 1 image of 12") and "broken.png" in notes[0]
    alone = folder_of(tmp_path / "alone", ["a.png"], photographs[:1])
    shutil.copy(alone / "a.png", alone / "again.png")  # the same content is one image
    with pytest.raises(InputError, match=r"1 image in .*alone is too few to take ranges from"):
        ranges_of(Calibration(alone))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="there is no image in"):
        ranges_of(Calibration(empty))


def test_a_method_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown range method"):
        Calibration(tmp_path, method="minmax")


def test_a_number_that_is_none_says_nothing_of_a_range() -> None:
    from proof import traced

    from cloformer.export.calibration.statistics import collect

    graph_module = traced(nn.Sequential(nn.ReLU()), (1, 4)).graph_module
    names = [node.name for node in graph_module.graph.nodes if node.op == "placeholder"]
    given = [torch.tensor([[-1.0, float("inf"), float("nan"), 2.0]])]
    found = collect(graph_module, names, lambda: [given], 1)[names[0]]
    assert (found.low, found.high, found.counts.sum()) == (-1.0, 2.0, 2)
