"""Core ML: its row in the table of formats."""

from __future__ import annotations

from ...source.precision import precisions
from ..row import COMPUTE_UNITS, Format, Option, RunnerRow

__all__ = ["COREML"]

# Deployment targets by their names on the command line: coremltools' name of each.
_TARGETS = {"ios16": "iOS16", "ios17": "iOS17", "ios18": "iOS18", "ios26": "iOS26"}

COREML = Format(
    name="coreml",
    title="Core ML",
    precisions=precisions(
        fp16="float16", fp32="float32", int8="float16", int8_weights="float16", int4_weights="float16",
        palette_8="float16", palette_6="float16", palette_4="float16",
    ),
    options=(
        Option(
            "target",
            f"Core ML deployment target: {', '.join(_TARGETS)}.",
            _TARGETS, "ios16", "{}",
        ),
        Option(
            "processor", "what the list of passes is for: all-units; neural-engine, which leaves out what public reports say it computes wrong.",
            {name: name for name in COMPUTE_UNITS}, "all-units", "{}", "for {}", is_later=True, is_of_passes=True, spelling="--for",
        ),
    ),
    has_own_suppression=True,
    packages=("torch", "coremltools", "numpy"),
    runners={
        "coreml": RunnerRow(
            "Core ML", "coreml", "coreml.runner", "CoreMLRunner", "coremltools", system="darwin",
            gives_values=False, options=("threads", "compute_units"),
        ),
        "mil": RunnerRow(
            "ML Program reference runtime", "coreml", "coreml.reference_runner", "ReferenceMilRunner",
            "coremltools", is_device_runtime=False, options=("threads", "arithmetic", "max_work"),
        ),
    },
    scores_by_name=True,
    needs={
        "int8": {"target": ("ios17", "ios18", "ios26")},
        "int4-weights": {"target": ("ios18", "ios26")},
    },
    has_probe=True,
    app_systems=("ios",),
    takes_pixels=True,
    whole="int32",
)  # fmt: skip
