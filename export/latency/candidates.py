"""What can be timed: a row each. A candidate is an artifact, one of these rows, and a thread count."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import MissingRuntimeError, UnsupportedError, UsageError, choose
from cloformer.io.words import count
from cloformer.variants import is_built_in

from ..formats.runners import RUNNERS
from .environment import usable_processors
from .messages import Task
from .protocol import Protocol

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["CANDIDATES", "Candidate", "CandidateRow", "plan"]

_CPU = "host CPU, single stream"


@dataclass(frozen=True)
class CandidateRow:
    """``runner`` is the row of ``RUNNERS`` that runs the artifact; None for the model that it was exported
    from. ``options`` are the runner's. ``measured_on`` goes with every number. ``obeys_threads`` is False for
    what decides by itself."""

    title: str
    runner: str | None
    package: str
    options: Mapping[str, str] = field(default_factory=dict)
    measured_on: str = _CPU
    obeys_threads: bool = True

    @property
    def format(self) -> str | None:
        return None if self.runner is None else RUNNERS[self.runner].format

    @property
    def exists_here(self) -> bool:
        return self.runner is None or RUNNERS[self.runner].system in (None, sys.platform)

    @property
    def has_a_start(self) -> bool:
        """Whether its load and its first inference are timed: of PyTorch's model, which is no file that a runtime loads, they
        are times of the Python that makes it, and it runs before it is timed, to see what it takes and returns."""
        return self.runner is not None


def _core_ml(units: str, words: str) -> CandidateRow:
    return CandidateRow(
        f"Core ML, {words}",
        "coreml",
        "coremltools",
        {"compute_units": units},
        f"host Mac, Core ML allowed {words}, single stream",
        obeys_threads=False,
    )


# The first row for a format is the one that times it if none is named. Phones differ in whether ONNX Runtime
# reorders memory for them: its optimization above "extended" is layouts alone, so that level leaves it out.
CANDIDATES: dict[str, CandidateRow] = {
    "onnxruntime": CandidateRow("ONNX Runtime", "onnxruntime", "onnxruntime"),
    "onnxruntime-no-layout": CandidateRow(
        "ONNX Runtime, layout optimization off", "onnxruntime", "onnxruntime", {"optimization": "extended"}
    ),
    "litert": CandidateRow("LiteRT", "litert", "ai-edge-litert"),
    "executorch": CandidateRow("ExecuTorch", "executorch", "executorch"),
    "coreml": _core_ml("ALL", "all compute units"),
    "coreml-cpu": _core_ml("CPU_ONLY", "the CPU"),
    "coreml-gpu": _core_ml("CPU_AND_GPU", "CPU and GPU"),
    "coreml-ane": _core_ml("CPU_AND_NE", "CPU and Neural Engine"),
    "pytorch-eager": CandidateRow("PyTorch eager, the untouched model", None, "torch"),
}


@dataclass(frozen=True)
class Candidate:
    """One row of a report. ``runner`` is a name in ``CANDIDATES``; ``pinned_to`` are processors, or None.
    ``model`` and ``weights`` say which model the artifact was exported from."""

    artifact: Artifact
    runner: str
    threads: int
    pinned_to: tuple[int, ...] | None = None
    model: str | None = None
    weights: Path | None = None

    @property
    def row(self) -> CandidateRow:
        return CANDIDATES[self.runner]

    def task(self, protocol: Protocol, *, check: bool = False, forget: bool = False) -> Task:
        """What a worker is told of it."""
        return Task(
            folder=str(self.artifact.folder),
            runner=self.runner,
            threads=self.threads,
            pinned_to=self.pinned_to,
            model=self.model,
            weights=None if self.weights is None else str(self.weights),
            seed=protocol.seed,
            inputs=protocol.inputs,
            check=check,
            forget=forget,
        )


def plan(
    artifacts: Sequence[Artifact],
    runners: Sequence[str],
    protocol: Protocol,
    *,
    model: str | None = None,
    weights: Path | None = None,
) -> list[Candidate]:
    """Every candidate in the order it is measured; nothing is loaded yet.

    Each artifact meets every runner that runs its format. Raises :class:`UsageError` for a runner or an
    artifact that meets none, :class:`MissingRuntimeError` if one cannot run here,
    :class:`UnsupportedError` if processors cannot be pinned, or files not be cold, as asked.
    """
    if protocol.cold and sys.platform != "linux":
        raise UnsupportedError(
            f"{sys.platform} does not drop files from its cache when it is asked", "leave --cold out"
        )
    names = [_known(name) for name in dict.fromkeys(runners)]
    formats = {artifact.format for artifact in artifacts}
    for name in names:
        row = CANDIDATES[name]
        if row.format is not None and row.format not in formats:
            raise UsageError(
                f"--runner {name} ({row.title}) does not run {' or '.join(sorted(formats))}",
                f"--runner takes: {', '.join(_able(formats))}",
            )
    found = []
    for artifact in artifacts:
        able = _able({artifact.format})
        chosen = [name for name in names if name in able] if names else able[:1]
        if not chosen:
            raise UsageError(
                f"no --runner runs {artifact.folder.name}, which is {artifact.format}",
                f"add one of: {', '.join(able)}",
            )
        for name in chosen:
            _require(name, artifact, model, weights)
            found += [
                Candidate(artifact, name, threads, _pinned(threads, protocol), model, weights)
                for threads in protocol.threads
            ]
    return found


def _known(name: str) -> str:
    if name in RUNNERS and name not in CANDIDATES:
        raise UsageError(
            f"{RUNNERS[name].title} is there to compare values: its time is no runtime's",
            f"--runner takes: {', '.join(CANDIDATES)}",
        )
    return choose("runner", name, CANDIDATES, repeats=True)


def _able(formats: set[str]) -> list[str]:
    return [name for name, row in CANDIDATES.items() if row.format is None or row.format in formats]


def _require(name: str, artifact: Artifact, model: str | None, weights: Path | None) -> None:
    row = CANDIDATES[name]
    if not row.exists_here:
        raise MissingRuntimeError(
            f"{artifact.folder.name} cannot be timed here: Core ML exists on macOS only",
            "run this command on a Mac; the reference runtime that parity uses here says nothing about time",
        )
    if row.runner is None and model is None:
        request, record = artifact.manifest.request, artifact.manifest.weights
        if not is_built_in(request.model) or (weights is None and record.origin != "random"):
            raise UsageError(
                f"{row.title} is made from the model of {artifact.folder.name}, and it is not given",
                "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
            )


def _pinned(threads: int, protocol: Protocol) -> tuple[int, ...] | None:
    if not protocol.pin:
        return None
    if sys.platform != "linux":
        raise UnsupportedError(f"{sys.platform} does not pin a process to processors", "leave --pin out")
    usable = usable_processors()
    if threads > len(usable):
        raise UnsupportedError(
            f"{count(threads, 'thread')} cannot be pinned to {count(usable, 'processor')}",
            "lower --threads, or leave --pin out",
        )
    return usable[:threads]
