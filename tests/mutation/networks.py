"""The mutation score of six networks that are not CloFormer (tests/support/six_networks.py).

Right exports of each, drawn anew by seed, must pass; faults by the same functions as CloFormer's and by those of
:mod:`.more` must be caught and named; the largest fault that passes is measured; and a value that float16 ends before must
be named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from six_networks import IMAGE_SIZE, NETWORKS, overflows_in

from cloformer.errors import GateError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.references import References
from cloformer.export.reports.parity.text import render_bisect

from .faults import FAULTS, MORE
from .graded import Largest, largest_that_pass
from .preprocessing import lying_photograph
from .subject import Subject, Trial
from .tables import by, grouped, missed, share

__all__ = ["NetworkScore", "measure"]

FORMS = {
    "onnx fp32": ExportRequest(formats=("onnx",)),
    "coreml fp16": ExportRequest(formats=("coreml",), precision="fp16"),
    "coreml fp32": ExportRequest(formats=("coreml",), precision="fp32"),
}
SUBJECTS = [(network, form) for network in NETWORKS for form in FORMS]
# Of each subject; the first were worked with, the second run when all was settled.
TUNING_SEEDS = range(4000, 4000 + 19 * len(SUBJECTS))
REPORTED_SEEDS = range(5000, 5000 + 19 * len(SUBJECTS))
DRAWN = {
    "onnx fp32": 4,
    "coreml fp16": 4,
    "coreml fp32": 2,
}  # networks by the seed of their weights: 60 artifacts in all

FAULTS_AT_LEAST = 300
CAUGHT_AT_LEAST = 0.99
NAMED_AT_LEAST = 0.98
BY_OUTPUTS_AT_LEAST = 0.98  # of the faults that change an output by more than its bound
SOUND_AT_LEAST = 60
PASSES_AT_MOST = 1.5  # times what is allowed

Say = Callable[[str], None]


@dataclass(frozen=True)
class NetworkScore:
    """What was planted, what passed, and what parity said of ``sound`` artifacts and of values that float16 ends before
    (nothing, if all is well)."""

    trials: tuple[Trial, ...]
    largest: tuple[Largest, ...]
    sound: int
    false_alarms: tuple[str, ...]
    overflows: int
    unnamed_overflows: tuple[str, ...]

    @property
    def counted(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.counts]

    @property
    def exceeding(self) -> list[Trial]:
        """The counted faults that change an output by more than its bound."""
        return [trial for trial in self.counted if trial.excess > 1]

    @property
    def failures(self) -> list[str]:
        """The bounds that are not kept."""
        counted = self.counted
        caught, named = share(counted, lambda t: t.caught), share(counted, lambda t: t.named)
        by_outputs = share(self.exceeding, lambda t: t.caught_by_outputs)
        ratio = max((item.ratio for item in self.largest), default=math.inf)
        bounds = {
            f"{len(counted)} faults counted": len(counted) >= FAULTS_AT_LEAST,
            f"{caught:.1%} caught": caught >= CAUGHT_AT_LEAST,
            f"{named:.1%} named": named >= NAMED_AT_LEAST,
            f"{by_outputs:.1%} of those beyond an output's bound caught by outputs": by_outputs
            >= BY_OUTPUTS_AT_LEAST,
            f"{self.sound} sound artifacts": self.sound >= SOUND_AT_LEAST,
            f"sound artifacts: {len(self.false_alarms)} false alarms": not self.false_alarms,
            f"a fault passes that is {ratio:.2f} times what is allowed": ratio <= PASSES_AT_MOST,
            f"{self.overflows} overflows planted": self.overflows >= len(NETWORKS),
            f"{len(self.unnamed_overflows)} overflows not named": not self.unnamed_overflows,
        }
        return [words for words, kept in bounds.items() if not kept]

    def tables(self) -> str:
        """The result in Markdown."""
        counted = self.counted
        refused = sum(trial.refused is not None for trial in self.trials)
        lines = [
            f"{len(self.trials)} faults planted in six networks; {len(counted)} count, {refused} made files that no "
            "runtime loads.",
            "",
            *by("network", counted, lambda trial: trial.subject.partition(" ")[0], self.trials),
            "",
            *by("format", counted, _form, self.trials),
            "",
            *by("fault", counted, lambda trial: trial.fault, self.trials),
            "",
            *self._by_outputs(),
            "",
            *self._by_kind(),
            "",
            *missed(counted),
        ]
        lines += [
            "",
            f"caught: {share(counted, lambda t: t.caught):.1%} of {len(counted)}",
            f"named: {share(counted, lambda t: t.named):.1%}",
            f"sound artifacts: {self.sound}, false alarms: {len(self.false_alarms)}",
            *(f"  {alarm}" for alarm in self.false_alarms),
            f"overflows planted in {len(NETWORKS)} networks: {self.overflows}, not named: {len(self.unnamed_overflows)}",
            *(f"  {alarm}" for alarm in self.unnamed_overflows),
        ]
        return "\n".join(lines)

    def _by_outputs(self) -> Iterator[str]:
        """What outputs alone see, by format."""
        yield "| format | counted | change an output beyond its bound | of these caught by outputs | of all caught by outputs |"
        yield "| --- | --: | --: | --: | --: |"
        groups = dict(grouped(self.counted, _form)) | {"all": self.counted}
        for form, trials in groups.items():
            beyond = [trial for trial in trials if trial.excess > 1]
            seen = share(beyond, lambda t: t.caught_by_outputs)
            alone = share(trials, lambda t: t.caught_by_outputs)
            yield f"| {form} | {len(trials)} | {len(beyond)} | {seen:.1%} | {alone:.1%} |"

    def _by_kind(self) -> Iterator[str]:
        """The largest fault that passes, by what an operator does to numbers."""
        yield "| what the operator does | format | values | roundings allowed, median to most | largest fault that passes | over what is allowed there |"
        yield "| --- | --- | --: | --: | --: | --: |"
        for place, items in grouped(
            self.largest, lambda item: f"{item.kind} | {item.subject.partition(' ')[2]}"
        ):
            allowed = sorted(item.allowed for item in items)
            worst = max(items, key=lambda item: item.ratio)
            yield (
                f"| {place} | {len(items)} | {allowed[len(items) // 2]:.1f} to {allowed[-1]:.1f} | "
                f"{max(item.passed for item in items)} | {worst.ratio:.2f} |"
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "passed": not self.failures,
            "counted": len(self.counted),
            "sound": self.sound,
            "false_alarms": list(self.false_alarms),
            "unnamed_overflows": list(self.unnamed_overflows),
            "faults": [
                {key: _finite(value) for key, value in asdict(trial).items()}
                | {"counts": trial.counts, "caught": trial.caught}
                for trial in self.trials
            ],
            "largest": [asdict(item) for item in self.largest],
        }


def measure(*, tuning: bool, folder: Path, say: Say, names: Sequence[str] = tuple(NETWORKS)) -> NetworkScore:
    """Export, hold the sound artifacts, plant faults and overflows, one network after the other."""
    seeds = TUNING_SEEDS if tuning else REPORTED_SEEDS
    alarms: list[str] = []
    trials: list[Trial] = []
    largest: list[Largest] = []
    sound = 0
    photographs = tuple(lying_photograph(folder / f"sound-{tag}.jpg", tag) for tag in (1, 3, 6))
    for network in names:
        for drawn in range(max(DRAWN.values())):
            model, references = f"six_networks:{network}_{drawn}", References()
            forms = [form for form, count in DRAWN.items() if drawn < count]
            for form, artifact in _exported(model, forms, folder, say):
                name = f"{network} {form}"
                say(f"parity of {name}, seed {drawn}, as it is")
                if artifact is None:
                    alarms.append(f"{name}, seed {drawn}: not exported")
                    continue
                sound += 1
                found = _false_alarms(artifact, model, photographs, references)
                alarms += [f"{name}, seed {drawn}: {item}" for item in found]
                if drawn:
                    continue
                subject = Subject(
                    name,
                    artifact.folder,
                    work=folder,
                    faults=FAULTS | MORE,
                    references=references,
                    model=model,
                )
                alarms += [f"{name}: {item}" for item in subject.false_alarms(range(1, 6))]
                for seed in (seed for seed in seeds if SUBJECTS[seed % len(SUBJECTS)] == (network, form)):
                    trials.append(subject.try_fault(*subject.draw(seed), seed))
                    say(f"fault {len(trials)} of {len(seeds)}: {trials[-1].fault}, {name}")
                say(f"the largest fault that passes in {name}")
                largest += largest_that_pass(subject)
    unnamed = [item for network in names for item in _unnamed_overflow(network, folder / "overflow", say)]
    return NetworkScore(tuple(trials), tuple(largest), sound, tuple(alarms), 2 * len(names), tuple(unnamed))


def _exported(
    model: str, forms: Sequence[str], folder: Path, say: Say
) -> Iterator[tuple[str, Artifact | None]]:
    for form in forms:
        say(f"exporting {model} as {form}")
        request = replace(FORMS[form], model=model, image_size=IMAGE_SIZE, output=folder / "sound")
        try:
            yield form, read_artifact(export(request)[0].artifact.folder)
        except GateError as error:
            say(f"{model} as {form}: {error.lines[0]}")
            yield form, None


def _false_alarms(
    artifact: Artifact, model: str, photographs: tuple[Path, ...], references: References
) -> list[str]:
    """All that parity says, with the photograph in the box and with others, and what ``--bisect`` says."""
    found = []
    for images in ((), photographs):
        report = compare(artifact, ParityRequest(model=model, images=images), references=references)
        found += [str(item) for item in report.failures] + list(report.not_compared)
        found += [] if report.operators else ["no operator was compared"]
        bisected = render_bisect(report)
        found += [] if "none of" in bisected else [bisected]
    return found


def _unnamed_overflow(network: str, folder: Path, say: Say) -> Iterator[str]:
    """What is wrong where float16 ends inside the network: the export must fail and keep the file, and parity must name the
    operator, however sums are kept."""
    model = f"six_networks:overflow_in_{network}"
    say(f"an overflow in {network}")
    request = replace(
        FORMS["coreml fp16"], model=model, image_size=IMAGE_SIZE, output=folder / network, keep_failed=True
    )
    try:
        export(request)
        yield f"{network}: exported"
    except GateError as error:
        if not any("overflows the number format" in line for line in error.lines):
            yield f"{network}: {error.lines[0]}"
    kept = list((folder / network).glob("*-failed"))
    if not kept:
        yield f"{network}: nothing was kept"
        return
    references = References()
    for arithmetic in ("wide", "narrow"):
        asked = ParityRequest(model=model, options=RunnerOptions(arithmetic=arithmetic))
        report = compare(read_artifact(kept[0]), asked, references=references)
        first = report.first_divergence
        named = first is not None and first.verdict == "overflows" and first.module in overflows_in(network)
        if report.passed or not named:
            verdict = "nothing" if first is None else f"{first}, {first.verdict}"
            yield f"{network}, {arithmetic}: {verdict}"


def _form(trial: Trial) -> str:
    return trial.subject.partition(" ")[2]


def _finite(value: Any) -> Any:
    """JSON has no infinity: None stands for it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
