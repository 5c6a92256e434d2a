"""Faults in ExecuTorch's files: numbers changed where they lie, in what the delegate is given.

::

    PYTHONPATH=tests:tests/support python -m mutation.programs [--only NETWORK] [--faults N] [--write] [--json FILE]

It exports the networks of :data:`SUBJECTS`, holds that parity passes them as they are, plants a fault by each seed and prints tables
in Markdown. A fault is tried in a process of its own: the runtime may end with it. Exit code 1 if fewer than 120 count, if less than
98 % of these are caught, or if a sound file fails.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import shutil
import struct
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from changed_artifact import with_model
from numpy.random import Generator
from photographs import quarters
from program_faults import Inside, inside

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.formats.executorch.steps import inner_name, whole_name
from cloformer.export.formats.runners import Runner
from cloformer.export.parity.verify import ParityRequest
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

from .faults import Fault
from .graph import Graph, Operator
from .planted import Say, Sound, false_alarms, report
from .program_plans import CONSTANTS, FAULTS, Change, Planned, numbers_of, scales_of
from .subject import Subject, Trial

__all__ = ["ProgramSubject", "main"]

SEEDS = range(3000, 3270)
CLOFORMER = ExportRequest(
    model="reference_weights:one_block_a_stage", formats=("executorch",), image_size=(64, 64)
)
SUBJECTS = {
    "fp32": CLOFORMER,
    "int8": replace(CLOFORMER, precision="int8"),
    "operators": ExportRequest(model="delegated:operators", formats=("executorch",), image_size=(16, 16)),
}
MARKS = (
    "<!-- ExecuTorch's files: python -m mutation.programs --write -->\n",
    "<!-- end of ExecuTorch's files -->",
)


class ProgramSubject(Subject):
    """An ExecuTorch artifact, in whose file bytes are changed."""

    @cached_property
    def _items(self) -> list[Inside]:
        return list(inside(self.artifact.model_path))

    def draw_change(self, seed: int) -> tuple[str, Planned, Operator]:
        """A fault by its seed, and where it is: every kind that the file has a place for is as likely, and then every place."""
        random = np.random.default_rng((seed, 0))
        data = self.artifact.model_path.read_bytes()
        for name in random.permutation(list(FAULTS)):
            for number in random.permutation(len(self._items)):
                item = self._items[number]
                planned = FAULTS[name](item, data, random)
                if planned is not None and _written(data, planned.changes) != data:
                    damaged = [item] if planned.kept is None else self._reading(planned.kept)
                    return name, planned, _together(item, damaged)
        raise ValueError("no fault fits this file")

    def _reading(self, kept: bytes) -> list[Inside]:
        """The operators that read the constant of these bytes: the file has it once."""
        return [
            item
            for item in self._items
            for field in CONSTANTS
            for numbers in (numbers_of(item, field), scales_of(item, field))
            if numbers is not None and numbers.tobytes() == kept
        ]

    def try_change(self, seed: int) -> Trial:
        """The fault of this seed."""
        name, planned, operator = self.draw_change(seed)
        self._planned = planned
        return self.try_fault(Fault(name, _where_it_is_drawn, _by_this_class), operator, seed)

    def plant(self, fault: Fault, operator: Operator, seed: int) -> tuple[Artifact, str]:
        shutil.rmtree(self.work, ignore_errors=True)
        with_model(self.artifact.folder, self.work, self._damage)
        return read_artifact(self.work, verify=False), self._planned.what

    def _damage(self, path: Path) -> None:
        path.write_bytes(_written(path.read_bytes(), self._planned.changes))

    def _change(self, operator: Operator, runner: Runner) -> float:
        """What the runtime gives besides: it may heed what is not read here."""
        outputs = [item.name for item in self.artifact.signature.outputs]
        return super()._change(replace(operator, outputs=(*operator.outputs, *outputs)), runner)

    def _site(self, operator: Operator) -> tuple[str, ...]:
        """And those that make numbers of the constants that it reads."""
        values = (*operator.outputs, *operator.constants)
        found = dict.fromkeys(node for value in values for node in self._nodes.get(value, ()))
        return tuple(found) or super()._site(operator)

    @cached_property
    def graph(self) -> Any:
        """As far as it says which operators read what another gives."""
        return SimpleNamespace(operators=[_together(item, [item]) for item in self._items])


def _where_it_is_drawn(_graph: Graph, _operator: Operator) -> bool:
    return True


def _by_this_class(_graph: Graph, _operator: Operator, _random: Generator) -> str:
    raise NotImplementedError


def _together(item: Inside, damaged: Sequence[Inside]) -> Operator:
    """The operator ``item``, with the results and the constants of all that are ``damaged``."""
    outputs, constants, reads = [], {}, {}
    for each in damaged:
        is_rounded = each.graph.values[each.node.output].rounded is not None
        names = (inner_name, whole_name) if is_rounded else (inner_name,)
        outputs += [name(each.step, each.node.output) for name in names]
        places = {field: each.node.fields.fields.get(field) for field in (*CONSTANTS, "input_id")}
        for field, place in places.items():
            numbers = numbers_of(each, field)
            if numbers is not None:
                constants[inner_name(each.step, place)] = numbers
            elif isinstance(place, int):
                reads[field] = inner_name(each.step, place)
    return Operator(0, item.node.kind, tuple(outputs), reads, constants)


def _written(data: bytes, changes: Sequence[Change]) -> bytes:
    made = bytearray(data)
    for at, code, value in changes:
        struct.pack_into(f"<{code}", made, at, value)
    return bytes(made)


def subjects(only: str | None, folder: Path, say: Say) -> list[Sound]:
    """Each, with what parity says against it as it is."""
    made: list[Sound] = []
    for name in [only] if only else SUBJECTS:
        request = SUBJECTS[name]
        say(f"exporting {name}")
        calibration = Calibration(quarters()) if request.precision == "int8" else None
        artifact = export(replace(request, calibration=calibration, output=folder / name))[0].artifact
        subject = ProgramSubject(f"executorch {name}", artifact.folder, work=folder, model=request.model)
        made.append((subject, false_alarms(subject, ParityRequest(model=request.model))))
    return made


def main() -> int:
    return report(__doc__, SUBJECTS, subjects, ProgramSubject.try_change, marks=MARKS, seeds=SEEDS, named=0.0)


if __name__ == "__main__":
    sys.exit(main())
