"""Which operators take an inference's instructions on the emulated arm64 device."""

from __future__ import annotations

from cloformer.errors import UnsupportedError
from cloformer.io.progress import Progress
from cloformer.io.read import sha256_of

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.origins import read_origins
from ..formats.onnx.counted import counted_operators, named_model
from ..formats.onnx.file import serialized
from ..formats.onnx.graph_work import UNCOUNTED
from ..latency.placed import PlacedOperator, left_out
from ..reference.cases import Inputs, noise_case
from .arm64 import Arm64Device
from .operator_counts import CountedOperator, InstructionProfile

__all__ = ["profile_on_device"]


def profile_on_device(
    artifact: Artifact, device: Arm64Device, progress: Progress = lambda _: None
) -> InstructionProfile:
    """Run the artifact on noise, twice without the runtime's profiler and twice with it; the second inference of each counts.

    Raises :class:`UnsupportedError` for a format whose runtime there has no profiler that can be read, and what
    :meth:`.arm64.Arm64Device.run` and :meth:`~.arm64.Arm64Device.record` raise.
    """
    runtime = device.runtime_of(artifact)
    if runtime.account is None:
        raise UnsupportedError(
            f"{artifact.folder} is {artifact.format}, and {runtime.title} has no profiler that can be read on the {device.title}",
            "`cloformer parity --device arm64` counts its whole inference; `cloformer profile` times its operators here",
        )
    device.refuse_without_counts()
    origins = read_origins(artifact)
    inputs = Inputs.of(artifact.function)
    case = noise_case(inputs).for_candidate(inputs)
    whole = device.run(artifact, (case, case), progress).instructions
    assert whole is not None  # as the device counts
    file = named_model(artifact.model_path)
    recorded = device.record(artifact, serialized(file), case, progress)
    operators, notes = counted_operators(
        file, recorded.optimized, recorded.events, recorded.readings, runtime.account.of
    )
    rows = tuple(
        CountedOperator(**vars(PlacedOperator.of(operator, origins)), instructions=operator.taken[0])
        for operator in operators
    )
    notes = [*left_out(rows, UNCOUNTED, "there are too few in its row"), *notes]
    environment = device.environment(artifact)
    return InstructionProfile(
        artifact=artifact.folder.name,
        model=artifact.manifest.name,
        format=artifact.format,
        precision=artifact.manifest.precision.name,
        made_for=artifact.manifest.request.processor,
        manifest_sha256=sha256_of(artifact.folder / MANIFEST),
        runtime=f"{runtime.title} {runtime.version}",
        rows=rows,
        instructions=whole[-1],
        notes=tuple(notes),
        environment=environment,
    )
