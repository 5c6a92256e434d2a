"""What an inference takes on the emulated device, counted, and held to a limit or to a baseline.

A count is exact, and of its own conditions alone: so a baseline keeps them, and is refused where one differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import read_json
from cloformer.io.write import canonical_json, write_whole

from ..artifact.folder import Artifact

__all__ = [
    "Gate",
    "InstructionBaseline",
    "InstructionCounts",
    "read_baseline",
    "refuse_taken",
    "save_baseline",
    "subject_of",
]

_KIND = "cloformer-instructions"
_MAX_BYTES = 2**20
_AGAIN = "make it anew: cloformer parity ARTIFACT --device arm64 --save-baseline FILE"


@dataclass(frozen=True)
class InstructionCounts:
    """Instructions of one inference by the input's name, in the order they ran; exact.

    ``subject`` says what kind of model it is and ``environment`` where it ran: counts are compared where both are
    the same. ``manifest_sha256`` is the artifact's, which may differ: a changed model is what a gate is for.
    """

    artifact: str
    manifest_sha256: str
    instructions: Mapping[str, int]
    subject: Mapping[str, str]
    environment: Mapping[str, str]

    @property
    def most(self) -> int:
        """Of the input that takes the most: what a limit holds for."""
        return max(self.instructions.values())

    def to_json(self) -> dict[str, object]:
        return {
            "schema_version": 1,
            "kind": _KIND,
            "artifact": self.artifact,
            "manifest_sha256": self.manifest_sha256,
            "instructions": dict(self.instructions),
            "subject": dict(self.subject),
            "environment": dict(self.environment),
        }


def subject_of(artifact: Artifact) -> dict[str, str]:
    """What must be the same of two models for their counts to be compared."""
    manifest = artifact.manifest
    return {
        "model": manifest.name,
        "precision": manifest.precision.name,
        **({} if manifest.request.processor is None else {"made for": manifest.request.processor}),
        "inputs": ", ".join(
            f"{spec.name} {'x'.join(map(str, spec.shape))} {spec.dtype}" for spec in artifact.signature.inputs
        ),
    }


@dataclass(frozen=True)
class InstructionBaseline:
    """The counts of an earlier run, as :func:`save_baseline` kept them."""

    path: Path
    work: InstructionCounts

    def refuse_another(self, subject: Mapping[str, str], environment: Mapping[str, str]) -> None:
        """:class:`UnsupportedError` that names the first field in which the baseline's conditions differ."""
        for part, then, now in (
            ("model", self.work.subject, subject),
            ("environment", self.work.environment, environment),
        ):
            for field in sorted({*then, *now}):
                if then.get(field) != now.get(field):
                    raise UnsupportedError(
                        f"{self.path} is of another {part}: {field} was {then.get(field)!r}, "
                        f"and here it is {now.get(field)!r}",
                        _AGAIN,
                    )


@dataclass(frozen=True)
class Gate:
    """What holds for the counts: a most, and the share by which they may exceed a baseline's."""

    max_instructions: int | None = None
    baseline: InstructionBaseline | None = None
    max_regression: float = 0.005

    @property
    def has_limits(self) -> bool:
        return self.max_instructions is not None or self.baseline is not None

    def exceeded(self, work: InstructionCounts) -> tuple[str, ...]:
        """The limits that are not kept, a line each; an input that the baseline has and the run has not, too."""
        lines = []
        limit = self.max_instructions
        if limit is not None and work.most > limit:
            lines.append(
                f"{work.most:,} instructions, and the most allowed is {limit:,} ({work.most / limit - 1:+.2%})"
            )
        before = {} if self.baseline is None else self.baseline.work.instructions
        for name in sorted({*before, *work.instructions} if before else ()):
            if name not in before or name not in work.instructions:
                where = "run" if name in before else "baseline"
                lines.append(f"{name} is not in the {where}, so its instructions cannot be compared")
            elif work.instructions[name] - before[name] > self.max_regression * before[name]:
                more = work.instructions[name] / before[name] - 1
                lines.append(
                    f"{name}: {work.instructions[name]:,} instructions, {more:+.2%} from the baseline's "
                    f"{before[name]:,}, and {self.max_regression:+.2%} is allowed"
                )
        return tuple(lines)


def refuse_taken(path: Path) -> None:
    """:class:`InputError` if there is something at ``path`` already."""
    if path.exists() or path.is_symlink():
        raise InputError(
            f"{path} is there already, and a baseline is kept as it is",
            "name another --save-baseline, or remove it",
        )


def save_baseline(path: Path, work: InstructionCounts) -> None:
    """Keep the counts with their conditions; :class:`InputError` if the place cannot be written."""
    refuse_taken(path)
    write_whole(path, canonical_json(work.to_json()), "choose another place")


def read_baseline(path: Path) -> InstructionBaseline:
    """What :func:`save_baseline` kept; :class:`InputError` if it is something else."""
    found = read_json(path, _MAX_BYTES, _AGAIN)
    fields = Fields(found) if isinstance(found, dict) else Fields({})
    try:
        fields.choice("kind", [_KIND])
        fields.whole("schema_version", 1, 1)
        counts = fields.counts("instructions")
        if not counts:
            raise fields.error("instructions", "is empty")
        work = InstructionCounts(
            fields.text("artifact"),
            fields.text("manifest_sha256"),
            counts,
            fields.table("subject"),
            fields.table("environment"),
        )
    except FieldError as error:
        raise InputError(f"{path} is no baseline of instructions: {error}", _AGAIN) from None
    return InstructionBaseline(path, work)
