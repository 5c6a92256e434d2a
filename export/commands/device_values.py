"""`parity --device-values`: what the tests of an app wrote on a device, in the place of a runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.errors import UsageError
from cloformer.io.progress import Progress, part

if TYPE_CHECKING:
    from ..artifact.folder import Artifact
    from ..parity.report import ParityReport
    from ..parity.request import ParityRequest
    from ..parity.verify import OnCase
    from ..reference.references import References

__all__ = ["ValuesFiles", "compare_files", "refuse_with_values"]

ValuesFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--device-values",
        help="Judge what an app's tests computed on a device, by operator or module: device-values-UNIT.safetensors of a bundle with --probe; may be given several times.",
    ),
]


def refuse_with_values(
    files: Sequence[Path], artifacts: Sequence[Path], others: Mapping[str, object]
) -> None:
    """:class:`UsageError` for what makes no sense beside ``files``: several artifacts, and each of ``others`` that is given, by its
    option."""
    if not files:
        return
    if len(artifacts) != 1:
        raise UsageError(
            f"--device-values are of one artifact, and here are {len(artifacts)}",
            "give the artifact that the app was bundled from",
        )
    for option, given in others.items():
        if given:
            raise UsageError(
                f"{option} is not there with --device-values: the device has computed already",
                "leave one of them out",
            )


def compare_files(
    artifact: Artifact,
    files: Sequence[Path],
    request: ParityRequest,
    progress: Progress,
    watching: Sequence[OnCase],
    references: References,
) -> list[ParityReport]:
    """A report for each file, which is of one unit of a device; each of ``watching`` is told of one file's cases."""
    from ..parity.device_values import read_device_values
    from ..parity.on_values import compare_on_values

    found = [read_device_values(path, artifact) for path in files]
    return [
        compare_on_values(
            artifact, request, values, part(progress, number / len(found), (number + 1) / len(found)), watch, references
        )
        for number, (values, watch) in enumerate(zip(found, watching, strict=True))
    ]  # fmt: skip
