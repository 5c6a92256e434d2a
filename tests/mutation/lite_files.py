"""Faults in LiteRT's files: weights, whole numbers and their steps, attributes, types, and what operators read.

::

    PYTHONPATH=tests:tests/support python -m mutation.lite_files [--only FORM] [--faults N] [--write] [--json FILE]

It exports a CloFormer in the forms of :data:`SUBJECTS`, holds that parity passes them as they are, plants a fault by each seed and
prints tables in Markdown. A fault is tried in a process of its own: the runtime may end with it. Exit code 1 if fewer than 120 count,
if less than 98 % of these are caught or 95 % named, or if a sound file fails.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import sys
from dataclasses import replace
from pathlib import Path

from photographs import quarters

from cloformer.export.calibration.images import Calibration
from cloformer.export.parity.verify import ParityRequest
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

from .faults import FAULTS
from .litert_whole import WHOLE
from .planted import Say, Sound, false_alarms, report
from .subject import Subject, Trial

__all__ = ["main"]

SEEDS = range(6000, 6180)
NAMED_AT_LEAST = 0.95
CLOFORMER = ExportRequest(
    model="reference_weights:one_block_a_stage", formats=("litert",), image_size=(64, 64)
)
SUBJECTS = {"fp32": (CLOFORMER, FAULTS), "int8": (replace(CLOFORMER, precision="int8"), WHOLE)}
MARKS = "<!-- LiteRT's files: python -m mutation.lite_files --write -->\n", "<!-- end of LiteRT's files -->"


def subjects(only: str | None, folder: Path, say: Say) -> list[Sound]:
    """Each, with what parity says against it as it is."""
    made = []
    for name in [only] if only else SUBJECTS:
        request, faults = SUBJECTS[name]
        say(f"exporting {name}")
        calibration = Calibration(quarters()) if request.precision == "int8" else None
        artifact = export(replace(request, calibration=calibration, output=folder / name))[0].artifact
        subject = Subject(f"litert {name}", artifact.folder, work=folder, faults=faults, model=request.model)
        made.append((subject, false_alarms(subject, ParityRequest(model=request.model))))
    return made


def try_one(subject: Subject, seed: int) -> Trial:
    """The fault of this seed."""
    return subject.try_fault(*subject.draw(seed), seed)


def main() -> int:
    return report(__doc__, SUBJECTS, subjects, try_one, marks=MARKS, seeds=SEEDS, named=NAMED_AT_LEAST)


if __name__ == "__main__":
    sys.exit(main())
