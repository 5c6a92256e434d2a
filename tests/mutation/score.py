"""The mutation score: plants faults in exported models and counts what parity finds.

::

    PYTHONPATH=tests:tests/support python -m mutation.score [--only clo|networks|statements] [--json FILE]

It exports CloFormer-XXS in the forms of :data:`SUBJECTS`, holds that parity passes them as they are, plants a
fault by each seed and prints tables in Markdown; then the same with six other networks (:mod:`.networks`), and with what
artifacts say of themselves (:mod:`.statements`). Exit code 1 if a bound below or there is not kept.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reference_weights import fill

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

from . import networks, statements
from .preprocessing import PreprocessingTrial, lying_photograph, places, try_preprocessing_fault
from .subject import COUNTS, Subject, Trial
from .tables import by, grouped, missed, share

# Faults, sites and tolerances were worked on with the first; the second were run when all was settled.
TUNING_SEEDS = range(0, 300)
REPORTED_SEEDS = range(1000, 1300)
PREPROCESSING_SEEDS = {True: range(500, 548), False: range(2000, 2048)}  # for tuning, and reported

FAULTS_AT_LEAST = 200
CAUGHT_AT_LEAST = 0.98
NAMED_AT_LEAST = 0.95

IMAGE_SIZE = (64, 64)
SUBJECTS = {
    "onnx fp32": ExportRequest(formats=("onnx",)),
    "onnx fp32 for arm64-xnnpack": ExportRequest(formats=("onnx",), options={"processor": "arm64-xnnpack"}),
    "onnx fp32 for x86": ExportRequest(formats=("onnx",), options={"processor": "x86"}),
    "coreml fp16": ExportRequest(formats=("coreml",), precision="fp16"),
    "coreml fp32": ExportRequest(formats=("coreml",), precision="fp32", options={"target": "ios18"}),
    # As coremltools writes it by itself: normalizations taken apart, and joined with their gains.
    "coreml fp16 plain": ExportRequest(formats=("coreml",), precision="fp16", reparameterize=False),
}
# One seed after the other: half of the faults in each format.
TURNS = (
    "onnx fp32",
    "coreml fp16",
    "onnx fp32 for arm64-xnnpack",
    "coreml fp32",
    "onnx fp32 for x86",
    "coreml fp16 plain",
)


@dataclass(frozen=True)
class Score:
    """Everything that was planted, and what parity said of the sound artifacts (nothing, if all is well)."""

    trials: tuple[Trial, ...]
    preprocessing: tuple[PreprocessingTrial, ...]
    false_alarms: tuple[str, ...]

    @property
    def counted(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.counts]

    @property
    def failures(self) -> list[str]:
        """The bounds that are not kept."""
        counted = self.counted
        formats = {trial.format for trial in counted}
        caught, named = share(counted, lambda t: t.caught), share(counted, lambda t: t.named)
        bounds = {
            f"{len(counted)} faults counted in {len(formats)} formats": len(counted) >= FAULTS_AT_LEAST
            and len(formats) == 2,
            f"{caught:.1%} caught": caught >= CAUGHT_AT_LEAST,
            f"{named:.1%} named": named >= NAMED_AT_LEAST,
            f"preprocessing: {share(self.preprocessing, lambda t: t.caught):.1%} caught": bool(
                self.preprocessing
            )
            and all(trial.caught for trial in self.preprocessing),
            f"sound artifacts: {len(self.false_alarms)} false alarms": not self.false_alarms,
        }
        return [words for words, kept in bounds.items() if not kept]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "passed": not self.failures,
            "counted": len(self.counted),
            "caught": share(self.counted, lambda trial: trial.caught),
            "named": share(self.counted, lambda trial: trial.named),
            "false_alarms": list(self.false_alarms),
            "faults": [
                {key: _finite(value) for key, value in asdict(trial).items()}
                | {"counts": trial.counts, "caught": trial.caught}
                for trial in self.trials
            ],
            "preprocessing": [asdict(trial) for trial in self.preprocessing],
        }


def export_subjects(folder: Path, say: Callable[[str], None]) -> tuple[Path, dict[str, Artifact]]:
    """The checkpoint with the reference weights, and the sound artifacts by name."""
    weights = folder / "xxs.safetensors"
    save_checkpoint(fill(cloformer.create_model("cloformer_xxs")), weights)
    artifacts = {}
    for name, subject in SUBJECTS.items():
        say(f"exporting {name}")
        request = replace(subject, weights=weights, image_size=IMAGE_SIZE, output=folder / "sound")
        artifacts[name] = read_artifact(export(request)[0].artifact.folder)
    return weights, artifacts


def find_false_alarms(name: str, artifact: Artifact, weights: Path, folder: Path) -> list[str]:
    """The whole of parity on the sound artifact, with photographs of every orientation."""
    photographs = tuple(lying_photograph(folder / f"sound-{tag}.jpg", tag) for tag in range(1, 9))
    report = compare(artifact, ParityRequest(weights=weights, images=photographs))
    found = [str(item) for item in report.failures] + list(report.not_compared)
    found += [] if report.operators else ["no operator was compared"]
    return [f"{name}: {item}" for item in found]


def measure(count: int, *, tuning: bool, folder: Path, say: Callable[[str], None]) -> Score:
    """Export, hold the sound artifacts, plant ``count`` faults and those of the preprocessing."""
    weights, artifacts = export_subjects(folder, say)
    alarms: list[str] = []
    for name, artifact in artifacts.items():
        say(f"parity of {name} as it is")
        alarms += find_false_alarms(name, artifact, weights, folder)
    trials = []
    subjects = {
        name: Subject(name, artifact.folder, work=folder, weights=weights)
        for name, artifact in artifacts.items()
    }
    for name, subject in subjects.items():
        say(f"parity of {name} on other noise")
        alarms += [f"{name}: {item}" for item in subject.false_alarms(range(1, 21))]
    for alarm in alarms:
        say(f"false alarm: {alarm}\n")
    for number, seed in enumerate((TUNING_SEEDS if tuning else REPORTED_SEEDS)[:count], start=1):
        subject = subjects[TURNS[seed % len(TURNS)]]
        trials.append(subject.try_fault(*subject.draw(seed), seed))
        say(f"fault {number} of {count}: {trials[-1].fault}, {subject.name}")
    seeds = PREPROCESSING_SEEDS[tuning]
    made = []
    for number, seed in enumerate(seeds, start=1):
        name = list(SUBJECTS)[seed % len(SUBJECTS)]
        faults = places(artifacts[name])
        fault = faults[int(np.random.default_rng((seed, 0)).integers(len(faults)))]
        request = ParityRequest(weights=weights)
        made.append(
            try_preprocessing_fault(name, artifacts[name], fault, request, seed, folder / "preprocessing")
        )
        say(f"preprocessing fault {number} of {len(seeds)}: {fault}, {name}")
    return Score(tuple(trials), tuple(made), tuple(alarms))


def tables(score: Score) -> str:
    """The result in Markdown."""
    counted = score.counted
    refused = sum(trial.refused is not None for trial in score.trials)
    lines = [
        f"{len(score.trials)} faults planted; {len(counted)} count, {refused} made files that no runtime loads,",
        f"{len(score.trials) - len(counted) - refused} changed their operator by less than {COUNTS:g} roundings.",
        "",
        *by("artifact", counted, lambda trial: trial.subject, score.trials),
        "",
        *by("fault", counted, lambda trial: trial.fault, score.trials),
        "",
        "| preprocessing fault | planted | caught | seen in the outputs too |",
        "| --- | --: | --: | --: |",
    ]
    for fault, of_it in grouped(score.preprocessing, lambda trial: trial.fault):
        seen = sum(trial.caught_by_outputs for trial in of_it)
        lines.append(f"| {fault} | {len(of_it)} | {sum(trial.caught for trial in of_it)} | {seen} |")
    lines += [
        "",
        *missed(counted),
    ]
    lines += [
        f"| {trial.seed} | {trial.subject} | {trial.fault} | | {trial.what} | | | not caught |"
        for trial in score.preprocessing
        if not trial.caught
    ]
    return "\n".join(lines)


def _finite(value: Any) -> Any:
    """JSON has no infinity: None stands for it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _say(text: str) -> None:
    is_terminal = sys.stderr.isatty()
    sys.stderr.write(f"\r\033[K{text}" if is_terminal else f"{text}\n")
    sys.stderr.flush()


def _score_cloformer(arguments: argparse.Namespace, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """The bounds that are not kept, and everything for a file; prints the tables."""
    score = measure(arguments.faults, tuning=arguments.tuning, folder=folder, say=_say)
    print(f"\n{tables(score)}\n")
    counted = score.counted
    print(f"caught: {share(counted, lambda t: t.caught):.1%} of {len(counted)}")
    print(f"named: {share(counted, lambda t: t.named):.1%}")
    print(
        f"preprocessing, caught: {share(score.preprocessing, lambda t: t.caught):.1%} of {len(score.preprocessing)}"
    )
    print(f"false alarms: {len(score.false_alarms)}", *score.false_alarms, sep="\n  ")
    return score.failures, score.to_json()


def _score_networks(arguments: argparse.Namespace, folder: Path) -> tuple[list[str], dict[str, Any]]:
    found = networks.measure(tuning=arguments.tuning, folder=folder, say=_say)
    print(f"\n{found.tables()}\n")
    return found.failures, found.to_json()


def _score_statements(arguments: argparse.Namespace, folder: Path) -> tuple[list[str], dict[str, Any]]:
    found = statements.measure(tuning=arguments.tuning, folder=folder, say=_say)
    print(f"\n{found.tables()}\n")
    return found.failures, found.to_json()


_PARTS = {"clo": _score_cloformer, "networks": _score_networks, "statements": _score_statements}


def main() -> int:
    parser = argparse.ArgumentParser(description="The share of planted faults that parity finds and names.")
    parser.add_argument(
        "--only",
        choices=_PARTS,
        help="CloFormer alone, the six other networks, or what artifacts say of themselves",
    )
    parser.add_argument(
        "--faults", type=int, default=len(REPORTED_SEEDS), help="how many in CloFormer, at most (%(default)s)"
    )
    parser.add_argument("--tuning", action="store_true", help="the seeds to work with, not those reported")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything that was planted and found")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    failures, found = [], {}
    for part in [arguments.only] if arguments.only else _PARTS:
        with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
            unkept, found[part] = _PARTS[part](arguments, Path(folder))
        failures += [f"{part}: {failure}" for failure in unkept]
    print(f"{(time.monotonic() - start) / 60:.0f} minutes")
    for failure in failures:
        print(f"FAIL {failure}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", "utf-8")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
