"""What artifacts say of themselves, made wrong (tests/support/lies.py): labels, preprocessing, roles, precision, kit, vectors.

A lie is drawn by each seed and told of a right export of a classifier; parity, which is given the model, the names of its
classes and its preprocessing, must call that statement wrong.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from lies import LIES
from six_networks import IMAGE_SIZE

from cloformer.errors import CloformerError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.references import References
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

from .tables import grouped

__all__ = ["StatementScore", "measure"]

FORMS = {
    "onnx fp32": ExportRequest(formats=("onnx",)),
    "coreml fp16": ExportRequest(formats=("coreml",), precision="fp16"),
    "coreml fp32": ExportRequest(formats=("coreml",), precision="fp32"),
}
CLASSIFIERS = {"residual": 10, "mobile": 10}  # and how many classes each has
TUNING_SEEDS = range(7000, 7060)
REPORTED_SEEDS = range(8000, 8060)


@dataclass(frozen=True)
class StatementTrial:
    """A lie that was told of an artifact, and the statements that parity called wrong."""

    subject: str
    seed: int
    lie: str
    about: str
    wrong: tuple[str, ...]

    @property
    def caught(self) -> bool:
        return self.about in self.wrong


@dataclass(frozen=True)
class StatementScore:
    """All lies, and what was called wrong of artifacts that tell none (nothing, if all is well)."""

    trials: tuple[StatementTrial, ...]
    false_alarms: tuple[str, ...]

    @property
    def failures(self) -> list[str]:
        """The bounds that are not kept."""
        missed = [trial for trial in self.trials if not trial.caught]
        found = [f"{item.lie} of {item.subject}, seed {item.seed}, is not caught" for item in missed]
        return found + [f"false alarm: {item}" for item in self.false_alarms]

    def tables(self) -> str:
        """The result in Markdown."""
        rows = ["| statement made wrong | told | caught |", "| --- | --: | --: |"]
        for lie, trials in (*grouped(self.trials, lambda trial: trial.lie), ("all", list(self.trials))):
            rows.append(f"| {lie} | {len(trials)} | {sum(trial.caught for trial in trials)} |")
        return "\n".join(rows)

    def to_json(self) -> dict[str, Any]:
        return {
            "passed": not self.failures,
            "false_alarms": list(self.false_alarms),
            "lies": [asdict(trial) | {"caught": trial.caught} for trial in self.trials],
        }


def measure(*, tuning: bool, folder: Path, say: Callable[[str], None]) -> StatementScore:
    """Export the classifiers, hold that nothing is wrong with them, and tell a lie by each seed."""
    references, alarms = References(), []
    subjects: dict[str, tuple[Artifact, ParityRequest]] = {}
    for network, count in CLASSIFIERS.items():
        image = TensorSpec("image", (1, 3, *IMAGE_SIZE), "float32", "image")
        spec = ModelSpec((image,), labels=tuple(f"class {number}" for number in range(count)))
        for form, request in FORMS.items():
            say(f"exporting {network} {form}")
            model = f"six_networks:{network}"
            made = export(replace(request, model=model, spec=spec, output=folder / "sound"))
            asked = ParityRequest(model=model, spec=spec, operators=False, require_all=True)
            subjects[f"{network} {form}"] = made[0].artifact, asked
    for name, (artifact, asked) in subjects.items():
        report = compare(artifact, asked, references=references)
        alarms += [f"{name}: {item}" for item in (*report.false_statements, *report.failures)]
    trials = []
    for seed in TUNING_SEEDS if tuning else REPORTED_SEEDS:
        generator = np.random.default_rng(seed)
        lie = list(LIES)[generator.integers(len(LIES))]
        able = [name for name, (artifact, _) in subjects.items() if LIES[lie].fits(artifact)]
        name = able[generator.integers(len(able))]
        artifact, asked = subjects[name]
        copy = folder / "lying"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(artifact.folder, copy)
        LIES[lie].tell(generator, read_artifact(copy))
        trials.append(StatementTrial(name, seed, lie, LIES[lie].about, _wrong(copy, asked, references)))
        say(f"lie {len(trials)}: {lie}, {name}")
    return StatementScore(tuple(trials), tuple(alarms))


def _wrong(folder: Path, asked: ParityRequest, references: References) -> tuple[str, ...]:
    try:
        report = compare(read_artifact(folder, verify=False), asked, references=references)
    except CloformerError as error:  # refused before anything was compared
        return (f"refused: {error.lines[0]}",)
    return tuple(item.about for item in report.statements if item.verdict == "wrong")
