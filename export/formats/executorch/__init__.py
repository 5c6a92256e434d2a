"""ExecuTorch: its row in the table of formats."""

from __future__ import annotations

from ...source.precision import precisions
from ..row import NORMALIZE, Format, RunnerRow

__all__ = ["EXECUTORCH"]

EXECUTORCH = Format(
    name="executorch",
    title="ExecuTorch",
    precisions=precisions(fp32="float32", int8="float32"),
    options=(NORMALIZE,),
    packages=("torch", "executorch", "numpy"),
    runners={
        "executorch": RunnerRow(
            "ExecuTorch", "executorch", "executorch.runner", "ExecuTorchRunner", "executorch",
            options=("threads", "max_work"),
        ),
    },
    are_biases_whole=True,
    app_systems=("android",),
    extra="executorch",
    has_delegates=True,
    has_profiler=True,
    adds_in_order=True,  # as XNNPACK's kernels do
)  # fmt: skip
