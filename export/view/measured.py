"""What reports say of single operators: how far each is off by itself, as `cloformer parity --json` has it, and what it takes of an
inference, as `cloformer profile --json` does.

An artifact is known by its manifest's hash: a report of another says nothing of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from cloformer.errors import InputError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import read_json, sha256_of

from ..artifact.folder import MANIFEST, Artifact, reports_folder
from ..schemas import schema

__all__ = [
    "PARITY",
    "PROFILE",
    "Kind",
    "Missing",
    "OwnError",
    "Report",
    "Taken",
    "beside",
    "read_measured",
]

_MAX_BYTES = 256 * 2**20
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class OwnError:
    """What an operator adds to the error, and what it may, both over the largest magnitude of its result; None is no finite
    number. ``verdict`` is parity's own word."""

    value: str
    own: float | None
    tolerance: float | None
    total: float | None
    verdict: str
    case: str

    def to_json(self) -> dict[str, object]:
        return {
            "own": self.own,
            "tolerance": self.tolerance,
            "total": self.total,
            "verdict": self.verdict,
            "case": self.case,
        }


@dataclass(frozen=True)
class Taken:
    """What an operator of the runtime takes: its share of all, and how much that is. ``value`` is None for one that computes no
    value of the file; ``stands_for`` are the types of the file's operators that became it."""

    value: str | None
    share: float
    amount: float
    stands_for: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {"share": self.share, "amount": self.amount, "stands_for": list(self.stands_for)}


@dataclass(frozen=True)
class Report(Generic[_Row]):
    """Rows of a report. ``by`` is who ran the artifact; ``unit`` what amounts are in."""

    by: str
    unit: str
    rows: tuple[_Row, ...]


@dataclass(frozen=True)
class Kind(Generic[_Row]):
    """A kind of report: what the picture calls it, in words, the command that writes it, its name in ``ARTIFACT-reports``, the schemas
    one of which it follows, and what reads the part of it that is of the manifest with a hash (None if nothing of it is)."""

    name: str
    title: str
    command: str
    file: str
    schemas: tuple[str, ...]
    read: Callable[[Fields, str], Report[_Row] | None]

    def made_by(self, folder: Path) -> str:
        """What to type so that it is there, as a shell takes it."""
        place = reports_folder(folder)
        artifact, folder_of_it, file = (shlex.quote(str(path)) for path in (folder, place, place / self.file))
        make = "" if place.is_dir() else f"mkdir {folder_of_it} && "
        return f"{make}cloformer {self.command} {artifact} --json > {file}"


@dataclass(frozen=True)
class Missing:
    """A kind of report that is not there: its ``title``, why, and the ``command`` that makes it."""

    title: str
    why: str
    command: str

    def to_json(self) -> dict[str, str]:
        return {"title": self.title, "why": self.why, "command": self.command}


def beside(kind: Kind[_Row], artifact: Artifact) -> Report[_Row] | Missing:
    """The report in ``ARTIFACT-reports``, or why there is none to be used: that is no error, for nobody asked for it."""
    path = reports_folder(artifact.folder) / kind.file
    why = "there is no report yet"
    if path.is_file():
        try:
            return read_measured(kind, path, artifact)
        except InputError as error:
            why = error.lines[0]
    return Missing(kind.title, why, kind.made_by(artifact.folder))


def read_measured(kind: Kind[_Row], path: Path, artifact: Artifact) -> Report[_Row]:
    """What the file says of the artifact; :class:`InputError` if it is no such report, or one of another artifact."""
    advice = f"give what `cloformer {kind.command} ARTIFACT --json` wrote"
    document = read_json(path, _MAX_BYTES, advice)
    if (problem := _problem(kind, document)) is not None:
        raise InputError(f"{path} is not what `cloformer {kind.command} --json` writes: {problem}", advice)
    try:
        found = kind.read(Fields(document), sha256_of(artifact.folder / MANIFEST))
    except FieldError as error:
        raise InputError(
            f"{path} is not what `cloformer {kind.command} --json` writes: {error}", advice
        ) from None
    if found is None:
        raise InputError(
            f"{path} is of another artifact than {artifact.folder}: its manifest has another hash",
            f"make it again: cloformer {kind.command} {shlex.quote(str(artifact.folder))} --json > FILE",
        )
    return found


def _problem(kind: Kind[_Row], document: object) -> str | None:
    """Why it follows none of the schemas; of the last that is tried."""
    import jsonschema

    problem = None
    for name in kind.schemas:
        error = next(iter(jsonschema.Draft202012Validator(schema(name)).iter_errors(document)), None)
        if error is None:
            return None
        problem = problem or f"at {error.json_path}: {error.message[:160]}"
    return problem


def _parity(document: Fields, sha256: str) -> Report[OwnError] | None:
    """Of the first report of the artifact that went through its operators, or else of the first."""
    found = [item for item in document.objects("reports") if item.text("manifest_sha256") == sha256]
    reports = [Report(item.text("runner"), "", tuple(_own_errors(item))) for item in found]
    return next((item for item in reports if item.rows), next(iter(reports), None))


def _own_errors(report: Fields) -> Iterator[OwnError]:
    for row in report.objects("operators"):
        yield OwnError(
            row.text("value"),
            row.optional("own_error", row.number),
            row.optional("tolerance", row.number),
            row.optional("total_error", row.number),
            row.text("verdict"),
            row.text("case"),
        )


def _profile(document: Fields, sha256: str) -> Report[Taken] | None:
    report = document.child("profile")
    if report.text("manifest_sha256") != sha256:
        return None
    rows = report.objects("operators")
    is_timed = all("microseconds" in row for row in rows)
    amount, unit = ("microseconds", "µs") if is_timed else ("instructions", "instructions")
    by = f"{report.text('runtime')} on the {report.text('measured_on')}"
    return Report(by, unit, tuple(_taken(row, amount) for row in rows))


def _taken(row: Fields, amount: str) -> Taken:
    return Taken(
        row.optional("value", row.text),
        row.number("share"),
        row.number(amount),
        row.texts("stands_for"),
    )


PARITY: Kind[OwnError] = Kind("error", "own error", "parity", "parity.json", ("parity",), _parity)
PROFILE: Kind[Taken] = Kind(
    "time", "share of time", "profile", "profile.json", ("profile", "instruction-profile"), _profile
)
