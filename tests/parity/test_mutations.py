"""Parity is able to fail: a few planted faults in each format. ``make mutation-score`` plants hundreds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mutation.faults import Fault
from mutation.graded import Largest
from mutation.graph import Graph, Operator
from mutation.networks import NetworkScore
from mutation.preprocessing import (
    PROGRAM,
    PreprocessingTrial,
    lying_photograph,
    places,
    try_preprocessing_fault,
)
from mutation.score import Score
from mutation.subject import Subject, Trial
from numpy.random import Generator
from shared import Exports

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.parity import verify as run
from cloformer.export.parity.verify import ParityRequest, compare

SEEDS = range(5)
RESNET, ONE_BLOCK = "user_models:resnet", "reference_weights:one_block_a_stage"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, exported: Exports) -> Subject:
    """A CloFormer of one block a stage as a Core ML program in float16."""
    folder = exported(model=ONE_BLOCK, formats=("coreml",), image_size=(64, 64))["coreml"]
    return Subject("coreml fp16", folder, work=tmp_path_factory.mktemp("program"), model=ONE_BLOCK)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, small: Path) -> Subject:
    """A user's ResNet as ONNX."""
    return Subject("onnx fp32", small, work=tmp_path_factory.mktemp("network"), model=RESNET)


@pytest.fixture(params=["program", "network"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    return request.getfixturevalue(request.param)


def test_a_sound_artifact_passes(subject: Subject, tmp_path: Path) -> None:
    """However a photograph lies, on other noise, and where a fault changes nothing."""
    photographs = tuple(lying_photograph(tmp_path / f"{tag}.jpg", tag) for tag in (1, 3, 6))
    request = ParityRequest(model=subject.request.model, images=photographs, operators=False)
    report = compare(subject.artifact, request)
    assert report.passed, [item.failure for item in report.outputs if item.failure]
    assert subject.false_alarms(range(1, 3)) == []
    nothing = subject.try_fault(
        Fault("nothing", lambda *_: True, lambda *_: ""), subject.graph.operators[-1], 0
    )
    assert nothing.change == 0 and not nothing.caught


def test_planted_faults_are_caught_and_named(subject: Subject) -> None:
    trials = [subject.try_fault(*subject.draw(seed), seed) for seed in SEEDS]
    counted = [trial for trial in trials if trial.counts]
    assert len(counted) >= 4
    assert [trial for trial in counted if not (trial.caught and trial.named)] == []
    assert len({trial.fault for trial in counted}) >= 3


def _by_identity(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.become(operator, "identity")
    return "replaced by the identity"


def test_a_tanh_lost_is_seen_by_the_operator_check_alone(
    program: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the logits stays a small part of what float16 may cost; the operator is named."""
    fault = Fault(
        "tanh replaced by the identity", lambda _graph, operator: operator.kind == "tanh", _by_identity
    )
    site = program.places(fault)[1]  # of the four, one whose argument is neither tiny nor what all depends on
    trial = program.try_fault(fault, site, 0)
    mutant, _ = program.plant(fault, site, 0)

    monkeypatch.setattr(run, "lowered_program", lambda *_: program.program)  # traced already
    report = compare(mutant, ParityRequest(model=ONE_BLOCK))
    assert all(item.passed and item.figures.max_abs < 0.5 * item.allowed for item in report.outputs)
    first = report.first_divergence
    assert not report.passed and first is not None
    assert (first.value, first.operator) == (site.outputs[0], "aten.tanh.default")
    assert first.own_error > 10 * first.tolerance
    assert [item.verdict for item in report.operators].count("wrong here") == 1

    # The suite judges as the command does.
    assert trial.first == str(first) and trial.named and not trial.caught_by_outputs


def test_every_preprocessing_fault_is_caught(small: Path, tmp_path: Path) -> None:
    artifact = read_artifact(small)
    for seed, fault in enumerate(places(artifact)):
        trial = try_preprocessing_fault("onnx", artifact, fault, ParityRequest(model=RESNET), seed, tmp_path)
        assert trial.caught, trial
        assert trial.caught_by_outputs, trial  # the artifact leaves normalizing to whoever feeds it


@pytest.mark.parametrize("fault", PROGRAM)
def test_preprocessing_faults_of_a_program_are_caught(program: Subject, tmp_path: Path, fault: str) -> None:
    request = ParityRequest(model=ONE_BLOCK)
    trial = try_preprocessing_fault("coreml", program.artifact, fault, request, 0, tmp_path)
    assert trial.caught, trial


def _trial(
    seed: int, *, change: float = 100.0, caught: bool = True, named: bool = True, excess: float = 0.0
) -> Trial:
    return Trial(
        subject="onnx fp32" if seed % 2 else "coreml fp16", seed=seed, fault="", kind="", value="", what="",
        change=change, caught_by_operators=caught, caught_by_outputs=False, site=(), first=None, named=named,
        own_error=np.nan, allowed=np.nan, excess=excess, refused=None, seconds=0.0,
    )  # fmt: skip


def test_the_score_keeps_its_bounds() -> None:
    good = [_trial(seed) for seed in range(200)]
    small = [_trial(seed, change=3.9, caught=False, named=False) for seed in range(50)]
    missed = [_trial(seed, caught=False, named=False) for seed in range(5)]
    misnamed = [_trial(seed, named=False) for seed in range(11)]
    bgr = (PreprocessingTrial("", 0, "", "", caught=True, caught_by_outputs=True, first=None),)
    assert Score((*good, *small, *missed[:4]), bgr, ()).failures == []
    for trials, words in (
        ((*good[1:], *small), "199 faults counted"),
        (good[::2] * 2, "1 formats"),
        ((*good, *missed), "97.6% caught"),
        ((*good, *misnamed), "94.8% named"),
    ):
        (failure,) = Score(tuple(trials), bgr, ()).failures
        assert words in failure
    assert Score(tuple(good), bgr, ("onnx fp32: logits",)).failures == ["sound artifacts: 1 false alarms"]
    assert Score(tuple(good), (), ()).failures == ["preprocessing: 0.0% caught"]


def test_the_score_of_other_networks_keeps_its_bounds() -> None:
    good = [_trial(seed) for seed in range(400)]
    seen = [replace(_trial(seed, excess=2.0), caught_by_outputs=True) for seed in range(100)]
    passes = (Largest("residual onnx fp32", "conv2d", "sums", 16, 12.0),)
    best = NetworkScore((*good, *seen), passes, 60, (), 12, ())
    assert best.failures == []
    unseen = [_trial(seed, excess=2.0) for seed in range(3)]
    missed = [_trial(seed, caught=False, named=False) for seed in range(6)]
    for change, words in (
        ({"trials": (*good[:199], *seen)}, "299 faults counted"),
        ({"trials": (*good, *seen, *missed)}, "98.8% caught"),
        ({"trials": (*good, *seen, *[replace(item, caught_by_operators=True) for item in missed * 2])}, "97.7% named"),
        ({"trials": (*good, *seen, *unseen)}, "97.1% of those beyond an output's bound"),
        ({"largest": (replace(passes[0], passed=20),)}, "1.67 times what is allowed"),
        ({"largest": ()}, "inf times"),
        ({"sound": 59}, "59 sound artifacts"),
        ({"false_alarms": ("u_net coreml fp32: output",)}, "1 false alarms"),
        ({"overflows": 5}, "5 overflows planted"),
        ({"unnamed_overflows": ("detector",)}, "1 overflows not named"),
    ):  # fmt: skip
        (failure,) = replace(best, **change).failures
        assert words in failure
