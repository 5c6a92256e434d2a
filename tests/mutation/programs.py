"""Faults in ExecuTorch's files: numbers changed where they lie, in what the delegate is given.

::

    PYTHONPATH=tests:tests/support python -m mutation.programs [--faults 120] [--json FILE]

It exports the networks of :data:`SUBJECTS`, holds that parity passes them as they are, plants a fault by each seed and prints a table
in Markdown. A fault is tried in a process of its own: the runtime may end with it. Exit code 1 if less than 98 % of those that count
are caught, or if a sound file fails.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import json
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from changed_artifact import with_model
from numpy.random import Generator
from photographs import quarters
from program_faults import KIND, Inside, Place, inside

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.formats.executorch.payload import Tensors, _schema
from cloformer.export.formats.executorch.steps import inner_name
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

from .graph import Operator
from .subject import COUNTS, Subject, Trial
from .tables import by, missed, share

__all__ = ["FAULTS", "ProgramSubject", "main"]

SEEDS = range(3000, 3120)
CAUGHT_AT_LEAST = 0.98
ONE_BLOCK, OPERATORS = "reference_weights:one_block_a_stage", "delegated:operators"
SUBJECTS = {
    "fp32": ExportRequest(model=ONE_BLOCK, formats=("executorch",), image_size=(64, 64)),
    "int8": ExportRequest(model=ONE_BLOCK, formats=("executorch",), image_size=(64, 64), precision="int8"),
    "operators": ExportRequest(model=OPERATORS, formats=("executorch",), image_size=(16, 16)),
}

Change = tuple[int, str, int | float]  # where in the file, how it is written, and what is written there
Plan = Callable[[Inside, bytes, Generator], "tuple[list[Change], str] | None"]


def _scalar(*fields: str, change: Callable[[float, Generator], float]) -> Plan:
    """Another number in one of these fields."""

    def plan(item: Inside, _data: bytes, random: Generator) -> tuple[list[Change], str] | None:
        found = [place for place in item.named(*fields) if abs(place.value) < 2**31]
        if not found:
            return None
        place = found[int(random.integers(len(found)))]
        value = change(place.value, random)
        return [(place.at, place.code, value)], f"{place.field} {value:.6g} instead of {place.value:.6g}"

    return plan


def _constant(field: str) -> Plan:
    """One number of a layer's weight or bias: in float by a tenth of the largest, of whole numbers by ten steps."""

    def plan(item: Inside, data: bytes, random: Generator) -> tuple[list[Change], str] | None:
        value = _value_of(item, field)
        kept = None if value is None else _kept(value)
        if kept is None or (at := _only_place(data, kept.tobytes())) is None:
            return None
        number = int(random.integers(kept.size))
        old = kept.reshape(-1)[number]
        if kept.dtype.kind == "f":
            new = float(old) + 0.1 * float(np.abs(kept).max() or 1.0)
        else:
            new = int(old) - 10 if old > 0 else int(old) + 10
        place = at + kept.itemsize * number
        return [(place, kept.dtype.char, new)], f"number {number} is {new:.6g} instead of {old:.6g}"

    return plan


def _scales(item: Inside, data: bytes, random: Generator) -> tuple[list[Change], str] | None:
    """One scale of a layer's weight."""
    value = _value_of(item, "filter_id")
    if value is None or value.rounded is None:
        return None
    scales = value.rounded.scales.numpy()
    at = _only_place(data, scales.tobytes())
    if at is None:
        return None
    number = int(random.integers(scales.size))
    old = float(scales.reshape(-1)[number])
    return [(at + 4 * number, "f", 1.1 * old)], f"scale {number} is {1.1 * old:.6g} instead of {old:.6g}"


def _exchanged(fields: Sequence[str], kinds: Sequence[str]) -> Plan:
    """Two fields, or two numbers of a list, exchanged."""

    def plan(item: Inside, _data: bytes, random: Generator) -> tuple[list[Change], str] | None:
        found = item.named(*fields) if item.node.kind in kinds else []
        pairs = [(a, b) for i, a in enumerate(found) for b in found[i + 1 :] if a.value != b.value]
        if not pairs:
            return None
        one, other = pairs[int(random.integers(len(pairs)))]
        changes = [(one.at, one.code, other.value), (other.at, other.code, one.value)]
        return changes, f"{one.value} and {other.value} exchanged"

    return plan


def _another_operand(item: Inside, _data: bytes, random: Generator) -> tuple[list[Change], str] | None:
    """A value of the same shape and type that is made before."""
    before: list[int] = [*item.graph.inputs]
    for node in item.graph.nodes:
        if node is item.node:
            break
        before.append(node.output)
    choices: list[tuple[Place, int]] = []
    for place in item.named("input_id", "input1_id", "input2_id"):
        own = item.graph.values[int(place.value)]
        choices += [
            (place, other)
            for other in before
            if other != place.value
            and item.graph.values[other].shape == own.shape
            and _steps(item.graph.values[other]) == _steps(own)
        ]
    if not choices:
        return None
    place, other = choices[int(random.integers(len(choices)))]
    return [(place.at, place.code, other)], f"{place.field} {other} instead of {place.value}"


def _another_kind(groups: Sequence[Sequence[str]]) -> Plan:
    """Another operator of the same fields."""

    def plan(item: Inside, _data: bytes, random: Generator) -> tuple[list[Change], str] | None:
        group = next((group for group in groups if item.node.kind in group), ())
        others = [kind for kind in group if kind != item.node.kind]
        if not others:
            return None
        other = others[int(random.integers(len(others)))]
        names = [name for name, _ in _schema().unions["XNodeUnion"]]
        (place,) = item.named(KIND)
        return [(place.at, "B", names.index(f"XNN{other}") + 1)], f"{other} instead of {item.node.kind}"

    return plan


FAULTS: dict[str, Plan] = {
    "a weight": _constant("filter_id"),
    "a bias": _constant("bias_id"),
    "a weight's scale": _scales,
    "a padding": _scalar(
        "padding_top",
        "padding_right",
        "padding_bottom",
        "padding_left",
        change=lambda value, _: max(value - 1, 0),
    ),
    "a stride or a dilation": _scalar(
        "subsampling_height", "subsampling_width", "stride_height", "stride_width", "dilation_height",
        "dilation_width", change=lambda value, _: value + 1,
    ),
    "bounds": _scalar("output_min", "output_max", change=lambda value, random: value + 0.1 + 0.2 * random.random()),
    "a slope, an alpha or a padded number": _scalar(
        "negative_slope", "alpha", "padding_value", change=lambda value, _: 1.5 * value + 0.25
    ),
    "flags": _scalar("flags", change=lambda value, _: 0 if value else 8),
    "axes exchanged": _exchanged(("item",), ("StaticTranspose",)),
    "a slice's beginning": lambda item, data, random: (
        _scalar("item", change=lambda value, _: value + 1)(item, data, random)
        if item.node.kind == "StaticSlice"
        else None
    ),
    "an axis": _scalar("axis", change=lambda value, _: value + 1),
    "operands exchanged": _exchanged(
        ("input1_id", "input2_id"), ("Subtract", "Div", "BatchMatrixMultiply", "PReLU", "Concatenate2")
    ),
    "another operand": _another_operand,
    "another operator": _another_kind(
        (
            ("Add", "Subtract", "Multiply", "Maximum", "Minimum"),
            ("Sigmoid", "Tanh", "Gelu", "Hardswish", "Abs", "Negate", "Square"),
        )
    ),
}  # fmt: skip


def _value_of(item: Inside, field: str) -> Tensors | None:
    place = item.node.fields.fields.get(field)
    return item.graph.values.get(place) if isinstance(place, int) else None


def _kept(value: Tensors) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None:
    """The constant as the file keeps it."""
    if value.constant is None:
        return None
    kept = value.constant if value.rounded is None else value.rounded.whole(value.constant)
    return np.ascontiguousarray(kept.numpy())


def _only_place(data: bytes, kept: bytes) -> int | None:
    """Where these bytes lie; None if they do in several places, of which any may be another constant's."""
    return data.index(kept) if len(kept) >= 16 and data.count(kept) == 1 else None


def _steps(value: Tensors) -> tuple[float, ...]:
    return (
        () if value.rounded is None else (*value.rounded.scales.flatten().tolist(), value.rounded.zero_point)
    )


@dataclass(frozen=True)
class _Planned:
    """A fault in the terms of :class:`.subject.Subject`."""

    name: str
    changes: tuple[Change, ...]
    what: str


class ProgramSubject(Subject):
    """An ExecuTorch artifact, in whose file bytes are changed."""

    def draw_change(self, seed: int) -> tuple[_Planned, Operator] | None:
        """A fault by its seed: every kind that the file has a place for is as likely, and then every place."""
        random = np.random.default_rng((seed, 0))
        data = self.artifact.model_path.read_bytes()
        names = list(FAULTS)
        random.shuffle(names)
        items = list(inside(self.artifact.model_path))
        for name in names:
            for number in random.permutation(len(items)):
                planned = FAULTS[name](items[number], data, random)
                if planned is not None and any(
                    struct.pack(f"<{code}", value) != data[at : at + struct.calcsize(code)]
                    for at, code, value in planned[0]
                ):
                    return _Planned(name, tuple(planned[0]), planned[1]), _operator(items[number])
        return None

    def plant(self, fault: object, operator: Operator, seed: int) -> tuple[Artifact, str]:
        assert isinstance(fault, _Planned)
        shutil.rmtree(self.work, ignore_errors=True)
        with_model(self.artifact.folder, self.work, lambda path: _write(path, fault.changes))
        return read_artifact(self.work, verify=False), fault.what

    def _site(self, operator: Operator) -> tuple[str, ...]:
        return tuple(node for value in operator.outputs for node in self._nodes.get(value, ()))


def _operator(item: Inside) -> Operator:
    return Operator(0, item.node.kind, (inner_name(item.step, item.node.output),), {}, {})


def _write(path: Path, changes: Sequence[Change]) -> None:
    data = bytearray(path.read_bytes())
    for at, code, value in changes:
        struct.pack_into(f"<{code}", data, at, value)
    path.write_bytes(data)


def alone(work: Callable[[], Trial]) -> Trial | None:
    """What ``work`` gives in a process of its own; None if that ended without it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            os.write(writing, json.dumps(asdict(work())).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        data = told.read()
    os.waitpid(child, 0)
    if not data:
        return None
    found = json.loads(data)
    return Trial(**{**found, "site": tuple(found["site"])})


def subjects(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[ProgramSubject, list[str]]]:
    """Each, with what parity says against it as it is."""
    for name, request in SUBJECTS.items():
        say(f"exporting {name}")
        if request.precision == "int8":
            request = replace(request, calibration=Calibration(quarters()))
        artifact = export(replace(request, output=folder / name))[0].artifact
        report = compare(artifact, ParityRequest(model=request.model))
        alarms = [f"{name}: {item}" for item in (*report.failures, *report.not_compared)]
        subject = ProgramSubject(f"executorch {name}", artifact.folder, work=folder, model=request.model)
        yield subject, alarms + [f"{name}: {item}" for item in subject.false_alarms(range(1, 6))]


def measure(count: int, folder: Path, say: Callable[[str], None]) -> tuple[list[Trial], int, list[str]]:
    """The trials, how many ended the process that tried them, and what was found where nothing is."""
    made, alarms = [], []
    for subject, found in subjects(folder, say):
        made.append(subject)
        alarms += found
        for alarm in found:
            say(f"false alarm: {alarm}")
    trials: list[Trial] = []
    ended = 0
    for number, seed in enumerate(SEEDS[:count], start=1):
        subject = made[seed % len(made)]
        drawn = subject.draw_change(seed)
        assert drawn is not None, "no fault fits this file"
        trial = alone(lambda: subject.try_fault(*drawn, seed))  # type: ignore[arg-type]  # noqa: B023 - used at once
        if trial is None:
            ended += 1
            say(f"fault {number} of {count}: {drawn[0].name}: {drawn[0].what}: the process ended")
            continue
        trials.append(trial)
        say(
            f"fault {number} of {count}: {trial.fault} ({trial.what}): caught {trial.caught}, named {trial.named}"
        )
    return trials, ended, alarms


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", type=int, default=len(SEEDS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything that was planted and found")
    given = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        trials, ended, alarms = measure(given.faults, Path(folder), _say)
    counted = [trial for trial in trials if trial.counts]
    refused = sum(trial.refused is not None for trial in trials)
    print(
        f"{len(trials) + ended} faults planted; {len(counted)} count, {refused + ended} made files that are not run,\n"
        f"{len(trials) - len(counted) - refused} changed their operator by less than {COUNTS:g} roundings.\n"
    )
    print("\n".join([*by("artifact", counted, lambda t: t.subject, trials), ""]))
    print("\n".join([*by("fault", counted, lambda t: t.fault, trials), "", *missed(counted), ""]))
    caught = share(counted, lambda trial: trial.caught)
    print(f"caught: {caught:.1%} of {len(counted)}\nnamed: {share(counted, lambda t: t.named):.1%}")
    print(f"false alarms: {len(alarms)}", *alarms, sep="\n  ")
    print(f"{(time.monotonic() - start) / 60:.0f} minutes")
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(trial) for trial in trials], indent=2) + "\n", "utf-8")
    return int(caught < CAUGHT_AT_LEAST or bool(alarms))


if __name__ == "__main__":
    sys.exit(main())
