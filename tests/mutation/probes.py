"""Faults in the models that an app and its probe run, and whether the values that they write name the operator or the module.

::

    PYTHONPATH=tests:tests/support python -m mutation.probes [--only onnx|coreml] [--faults 30] [--here]

A CloFormer of one block a stage is exported as ONNX in float32 and as a Core ML program in float16 and bundled with a probe, once of every operator and once
at module borders. By each seed a fault is planted at an operator that is drawn, in the app's model and in the probe alike; the probe runs, ONNX in
ONNX Runtime's own library for Java as the app's tests run it (``--here``: in Python's), the program in the reference runtime; the
values that are written go through what `import-device-report` and `parity --device-values` do. A fault counts where it
changes the first value that the probe gives of it by a tenth of its largest at least, as reports of engines do: that is
measured on the values, and not by parity. Then single operators are made wrong by 0.2 of their largest value, and the sound
models must not be accused.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from probe_device import DEVICE, run_probe, values_file
from safetensors.numpy import load_file

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.probe import plan_probe
from cloformer.export.bundle.device_report import DeviceReport
from cloformer.export.bundle.payload import write_conformance
from cloformer.export.bundle.probe import keep_values, write_probes
from cloformer.export.formats.probe import MODES
from cloformer.export.parity.device_values import read_device_values
from cloformer.export.parity.on_values import compare_on_values
from cloformer.export.parity.report import ParityReport
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.references import References

from .faults import Fault
from .graph import Graph, Operator
from .subject import Subject

__all__ = ["COUNTS", "Outcome", "ProbeSubject", "disturbed", "run_here"]

COUNTS = 0.1  # of the largest: what a fault changes at least in the first value that the probe gives of it
DISTURBED = 1.2
_MOVING = ("cast", "concat", "expand", "reshape", "slice", "split", "squeeze", "transpose", "unsqueeze")
_BATCH = 6  # faults that lie on the disk at once
Run = Callable[[Sequence[Path]], None]


@dataclass(frozen=True)
class Outcome:
    """What parity said of one fault. ``falsely`` are the operators that it calls wrong and that the fault is not in; ``after`` are the
    compared ones behind the fault that are not called inherited."""

    subject: str
    mode: str
    fault: str
    value: str
    change: float
    first: str | None
    named: bool
    falsely: tuple[str, ...]
    after: tuple[str, ...]
    inherited: int
    not_compared: tuple[str, ...]

    @property
    def counts(self) -> bool:
        return self.change >= COUNTS

    def __str__(self) -> str:
        where = f"{self.subject}, {self.mode}: {self.fault} at {self.value}, off by {self.change:.2g} of the largest"
        if not self.counts:
            return f"{where}: does not count"
        said = "named" if self.named else f"NOT NAMED ({self.first or 'nothing is wrong'})"
        wrong = f", FALSELY {', '.join(self.falsely)}" if self.falsely else ""
        left = f", NOT COMPARED {self.not_compared[0]}" if self.not_compared else ""
        return f"{where}: {said}: {self.first}; {self.inherited} inherited{wrong}{left}"


def _scaled(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.scale_results({operator.outputs[0]: DISTURBED})
    return "its result times 1.2"


# As the Neural Engine is reported to be wrong: by 0.2 of the largest value.
OFF = Fault("off by 0.2 of the largest value", lambda *_: True, _scaled)


class ProbeSubject:
    """An artifact with its probes, and what its models give when a fault is planted."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        work: Path,
        run: Run,
        device: Mapping[str, str] = DEVICE,
        references: References | None = None,
        **model: str | Path | None,
    ) -> None:
        """``run`` writes the values of cases, as ``device``; ``model`` and ``weights`` as for ``cloformer parity``."""
        self.references = references or References()
        self.name, self.run, self.work = name, run, work
        self.subject = Subject(name, folder, work=work, references=self.references, **model)
        self.artifact = self.subject.artifact
        self._kit = work / f"{name}-kit"  # drawn once
        self._sound: dict[str, dict[str, Any]] = {}
        self.runtime = {"onnx": "onnxruntime"}.get(self.artifact.format, self.artifact.format)
        self.report = DeviceReport({"device": dict(device), "runtime": {"name": self.runtime}}, (), ())

    def case(self, folder: Path, mode: str, model: Path) -> Path:
        """What a phone would have: the manifest with ``model``, the kit, and the probe of that model."""
        payload, conformance = folder / "payload", folder / "conformance"
        shutil.copytree(self.artifact.folder, payload)
        place = payload / self.artifact.manifest.model.path
        if model.is_dir():
            shutil.rmtree(place)
            shutil.copytree(model, place)
        else:
            shutil.copyfile(model, place)
        if not self._kit.exists():
            write_conformance(self.artifact, self._kit)
        shutil.copytree(self._kit, conformance)
        write_probes(self.artifact, mode, conformance, model=model)
        return folder

    def judged(self, folder: Path) -> ParityReport:
        """The values of a case, kept as `import-device-report` does and compared as `parity --device-values` does."""
        written = folder / "device-values-cpu.safetensors"
        (kept,) = keep_values([written], self.report, self.artifact, folder / "reports" / "device.json")
        values = read_device_values(kept, self.artifact)
        return compare_on_values(self.artifact, self.subject.request, values, references=self.references)

    def sound(self, mode: str) -> tuple[dict[str, Any], ParityReport]:
        """The values of the sound models, and what is said of them."""
        folder = self.case(self.work / f"{self.name}-{mode}-sound", mode, self.artifact.model_path)
        self.run([folder])
        self._sound[mode] = load_file(folder / "device-values-cpu.safetensors")
        report = self.judged(folder)
        shutil.rmtree(folder)
        return self._sound[mode], report

    def drawn(self, seeds: range) -> Iterator[tuple[int, Fault, Operator]]:
        for seed in seeds:
            yield seed, *self.subject.draw(seed)

    def disturbable(self, seeds: range) -> Iterator[tuple[int, Fault, Operator]]:
        """Operators that compute, whose result parity compares, drawn: what only moves numbers may be read past."""
        plan = plan_probe(self.artifact, "all")
        told = {value.name for part in plan.parts for value in part.own if value.dtype.startswith("float")}
        able = [
            item
            for item in self.subject.graph.operators
            if item.outputs[0] in told and item.kind not in _MOVING
        ]
        for seed in seeds:
            yield seed, OFF, able[int(np.random.default_rng((seed, 7)).integers(len(able)))]

    def outcomes(
        self, planted: Iterator[tuple[int, Fault, Operator]], mode: str, wanted: int
    ) -> Iterator[Outcome]:
        """Of the faults in turn until so many count."""
        sound = self._sound[mode]
        found = 0
        while found < wanted:
            batch: list[tuple[Path, Fault, Operator, set[str]]] = []
            for seed, fault, operator in planted:
                mutant, _ = self.subject.plant(fault, operator, seed)
                folder = self.case(
                    self.work / f"{self.name}-{mode}-{fault.name == OFF.name}-{seed}", mode, mutant.model_path
                )
                batch.append((folder, fault, operator, set(self.subject._site(operator))))
                if len(batch) >= min(_BATCH, wanted - found):
                    break
            if not batch:
                return
            self.run([folder for folder, *_ in batch])
            for folder, fault, operator, site in batch:
                outcome = self._outcome(folder, mode, fault, operator, site, sound)
                found += outcome.counts
                shutil.rmtree(folder)
                yield outcome

    def _outcome(
        self,
        folder: Path,
        mode: str,
        fault: Fault,
        operator: Operator,
        site: set[str],
        sound: Mapping[str, Any],
    ) -> Outcome:
        given = load_file(folder / "device-values-cpu.safetensors")
        plan = plan_probe(self.artifact, mode)
        order = [value.name for part in plan.parts for value in part.own]
        change = _first_change(order, given, sound)
        report = self.judged(folder)
        wrong = [item for item in report.operators if not item.passed]
        first = report.first_divergence
        behind = _behind(report, first.node) if first is not None else []
        return Outcome(
            self.name, mode, fault.name, operator.outputs[0], change, None if first is None else str(first),
            first is not None and bool({first.node, *first.group} & site),
            tuple(str(item) for item in wrong if not {item.node, *item.group} & site),
            tuple(item.node for item in behind if item.verdict != "inherited"),
            sum(item.verdict == "inherited" for item in report.operators), report.not_compared,
        )  # fmt: skip


def _first_change(order: Sequence[str], given: Mapping[str, Any], sound: Mapping[str, Any]) -> float:
    """How far the first value that is not the sound model's is from it, over its largest magnitude: the largest of the vectors."""
    for name in order:
        changes = [0.0]
        for key in (key for key in sound if key.split("/", 2)[2] == name and key.split("/")[1] != "model"):
            want, got = sound[key].astype(np.float64), given[key].astype(np.float64)
            if want.shape != got.shape:
                return np.inf
            difference = np.nan_to_num(np.abs(got - want), nan=np.inf).max(initial=0)
            changes.append(float(difference / max(np.abs(want).max(initial=0), 1e-30)))
        if max(changes) > 0:
            return max(changes)
    return 0.0


def _behind(report: ParityReport, node: str) -> list[Any]:
    """The compared operators that are computed from a node."""
    reached, found = {node}, []
    for item in report.operators:
        if reached & set(item.reads):
            reached.add(item.node)
            found.append(item)
    return found


def run_here(folders: Sequence[Path]) -> None:
    """The cases by runtimes of this machine in Python."""
    for folder in folders:
        artifact = read_artifact(folder / "payload", verify=False)  # whose model may be damaged
        tensors = run_probe(artifact, folder / "conformance", model=artifact.model_path)
        runtime = "onnxruntime" if artifact.format == "onnx" else "coreml"
        values_file(
            folder / "device-values-cpu.safetensors", folder / "conformance", tensors, runtime_name=runtime
        )


def disturbed(subject: ProbeSubject, mode: str, seeds: range) -> list[Outcome]:
    """Single operators off by 0.2 of their largest value."""
    return list(subject.outcomes(subject.disturbable(seeds), mode, len(seeds)))


MODEL, IMAGE_SIZE = (
    "reference_weights:one_block_a_stage",
    (64, 64),
)  # every kind of operator that CloFormer-XXS has
FORMS = {
    "onnx": ExportRequest(formats=("onnx",), precision="fp32"),
    "coreml": ExportRequest(formats=("coreml",), precision="fp16"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=list(FORMS), help="one format alone")
    parser.add_argument("--faults", type=int, default=30, help="of each format and mode (%(default)s)")
    parser.add_argument(
        "--off", type=int, default=5, help="operators made wrong by 0.2, of each (%(default)s)"
    )
    parser.add_argument("--here", action="store_true", help="ONNX in Python's ONNX Runtime, not in Java's")
    given = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="probes-") as temporary:
        work = Path(temporary)
        for name in [given.only] if given.only else FORMS:
            run, device = run_here, DEVICE
            if name == "onnx" and not given.here:
                from android.probes import JAVA, run_in_java

                run, device = run_in_java(work / "java"), JAVA
            labels = work / "labels.txt"  # without which the apps do not show what it gives
            labels.write_text("".join(f"class {number}\n" for number in range(7)), "utf-8")
            request = replace(
                FORMS[name], model=MODEL, image_size=IMAGE_SIZE, labels=labels, output=work / "artifacts"
            )
            (made,) = export(request)
            subject = ProbeSubject(name, made.artifact.folder, work=work, run=run, device=device, model=MODEL)
            for mode in MODES:
                problems += _tried(subject, mode, given.faults, given.off)
    print(f"{(time.monotonic() - start) / 60:.0f} minutes")
    for problem in problems:
        print(f"FAIL {problem}")
    return int(bool(problems))


def _tried(subject: ProbeSubject, mode: str, faults: int, off: int) -> list[str]:
    """Prints each fault and a summary; what is not as it must be."""
    _, report = subject.sound(mode)
    print(
        f"{subject.name}, {mode}: sound: {len(report.operators)} compared, {len(report.failures)} wrong",
        flush=True,
    )
    problems = [] if report.passed else [f"{subject.name}, {mode}: sound models are accused"]
    found: list[Outcome] = []
    for outcome in subject.outcomes(subject.drawn(range(10 * faults)), mode, faults):
        print(outcome, flush=True)
        found.append(outcome)
    wrongs = disturbed(subject, mode, range(off))
    for outcome in wrongs:
        print(outcome, flush=True)
    counted = [item for item in found if item.counts]
    named = sum(item.named for item in counted)
    falsely = sum(bool(item.falsely) for item in (*found, *wrongs))
    right = sum(item.named and not item.after for item in wrongs)
    print(
        f"{subject.name}, {mode}: {named} of {len(counted)} faults named, {falsely} times falsely; {right} of {len(wrongs)} operators off by "
        f"0.2 named with all after them inherited; {len(found) - len(counted)} faults did not count",
        flush=True,
    )
    if named < faults or falsely or right < len(wrongs):
        problems.append(f"{subject.name}, {mode}: not all are named, or some falsely")
    return problems


if __name__ == "__main__":
    sys.exit(main())
