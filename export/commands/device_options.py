"""Options of `parity` that run artifacts on a device, and hold what an inference takes there to limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.errors import UsageError, choose

if TYPE_CHECKING:
    from ..artifact.folder import Artifact
    from ..device.arm64 import Arm64Device
    from ..device.instructions import Gate, InstructionCounts

__all__ = [
    "Device",
    "DeviceRequest",
    "MaxInstructions",
    "MaxMore",
    "SaveWork",
    "WorkBaseline",
    "device_request",
    "refuse_with_device",
]

_DEVICES = ("arm64", "android-library", "android-library:xnnpack")
_DEFAULT_MORE = "0.5%"

Device = Annotated[
    str | None,
    typer.Option(
        help="Run on a device instead: arm64 is emulated here by qemu-user, android-library[:xnnpack] is ONNX Runtime for Android on it; instructions are counted.",
        autocompletion=lambda: list(_DEVICES),
    ),
]
MaxInstructions = Annotated[
    int | None, typer.Option(min=1, help="With --device: exit 1 if an inference takes more instructions.")
]
WorkBaseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline", help="With --device: exit 1 if an inference takes more instructions than in this file."
    ),
]
MaxMore = Annotated[
    str | None,
    typer.Option("--max-regression", help="With --baseline: how many more are allowed."),
]
SaveWork = Annotated[
    Path | None,
    typer.Option("--save-baseline", help="With --device: keep the counts in this file, for --baseline."),
]


@dataclass(frozen=True)
class DeviceRequest:
    """The device, what its counts are held to, and where they are kept."""

    device: Arm64Device
    gate: Gate
    save_to: Path | None

    def refuse_early(self, artifacts: Sequence[Artifact]) -> None:
        """Raise what can be known before anything runs: an artifact that does not fit the device, or the baseline."""
        from ..device.instructions import refuse_taken, subject_of

        if self.gate.has_limits or self.save_to is not None:
            self.device.refuse_without_counts()
        for artifact in artifacts:
            runtime = self.device.runtime_of(artifact)
            if self.device.optimization is not None and not runtime.has_levels:
                raise UsageError(
                    f"--optimization is ONNX Runtime's, and {runtime.title} has no levels", "leave it out"
                )
            if self.gate.baseline is not None:
                self.gate.baseline.refuse_another(subject_of(artifact), self.device.environment(artifact))
        if (self.save_to is not None or self.gate.baseline is not None) and len(artifacts) != 1:
            raise UsageError(
                f"a baseline is of one artifact, and here are {len(artifacts)}",
                "give one, or leave the baseline out",
            )
        if self.save_to is not None:
            refuse_taken(self.save_to)

    def keep(self, works: Sequence[InstructionCounts]) -> None:
        """Save the counts, if that was asked for."""
        from ..device.instructions import save_baseline

        if self.save_to is not None:
            save_baseline(self.save_to, works[0])


def device_request(
    name: str | None,
    optimization: str | None,
    max_instructions: int | None,
    baseline: Path | None,
    max_regression: str | None,
    save_to: Path | None,
    others: Mapping[str, object],
) -> DeviceRequest | None:
    """What is asked for; None without ``--device``.

    Raises :class:`UsageError` for options that contradict one another (``others`` are those that no device has, by
    name), and what the device and the baseline raise.
    """
    needing = {
        "--max-instructions": max_instructions,
        "--baseline": baseline,
        "--max-regression": max_regression,
        "--save-baseline": save_to,
    }
    if name is None:
        for option, value in needing.items():
            if value is not None:
                raise UsageError(f"{option} is for what a device counts", "add --device arm64")
        return None
    refuse_with_device(name, others, "outputs alone are compared")
    if max_regression is not None and baseline is None:
        raise UsageError(
            "--max-regression is more than a baseline's, and there is none", "add --baseline FILE"
        )
    from ..device.arm64 import Arm64Device
    from ..device.instructions import Gate, read_baseline
    from ..source.shares import parse_share

    gate = Gate(
        max_instructions,
        None if baseline is None else read_baseline(baseline),
        parse_share("--max-regression", max_regression or _DEFAULT_MORE),
    )
    return DeviceRequest(Arm64Device(optimization, name), gate, save_to)


def refuse_with_device(name: str, others: Mapping[str, object], why: str) -> None:
    """:class:`UsageError` for a name that is no device's, and for one of ``others`` that is given, by its option: ``why`` says
    why the device has no such thing."""
    if name.partition(":")[0] == "adb":
        raise UsageError(
            "a phone is timed, and its app proves itself", "give --device adb to `cloformer bench`"
        )
    choose("device", name, _DEVICES)
    for option, given in others.items():
        if given:
            raise UsageError(f"{option} is not there with --device: {why}", "leave one of them out")
