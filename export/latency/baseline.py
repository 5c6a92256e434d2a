"""A baseline: an artifact, and the latency report that was measured with it, kept in one folder.

Its numbers are never compared with new ones. The artifact is: it is run again beside the new one. The report
says where that was, for elsewhere the ratio of both may be another.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.fields import Fields
from cloformer.io.read import read_json, sha256_of
from cloformer.io.staging import space_needed, staged
from cloformer.io.write import refuse_unwritable

from ..artifact.folder import MANIFEST, Artifact, read_artifact
from ..schemas import schema
from .environment import Environment
from .protocol import Protocol
from .report import LatencyReport
from .saved import write_latency

__all__ = ["Baseline", "Conditions", "read_baseline", "refuse_place", "save_baseline"]

_REPORT = "latency.json"
_MAX_BYTES = 256 * 2**20
_REPORT_BYTES = 2**20  # that are to be free for a report
_ANOTHER = "name another place, for example --save-baseline baselines/new"
_OURS = "versions.cloformer"  # may differ: this cloformer runs both artifacts


@dataclass(frozen=True)
class Conditions:
    """How a baseline was measured: what must be the same for its ratio to mean anything. ``environment`` is what
    :class:`Environment` gives as JSON."""

    runner: str
    threads: int
    preset: str
    min_queries: int
    min_seconds: float
    pin: bool
    environment: Mapping[str, object]

    @classmethod
    def of(cls, here: Environment, protocol: Protocol, runner: str) -> Conditions:
        """Those of a measurement that is about to begin."""
        return cls(
            runner=runner,
            threads=protocol.threads[0],
            preset=protocol.preset,
            min_queries=protocol.min_queries,
            min_seconds=protocol.min_seconds,
            pin=protocol.pin,
            environment=here.to_json(),
        )

    @classmethod
    def from_json(cls, report: object) -> Conditions:
        """Those of the one row of a latency report; :class:`FieldError` where there is none."""
        document = Fields(report)
        (row,) = document.objects("rows", least=1, most=1)
        asked = document.child("protocol")
        return cls(
            runner=row.text("runner"),
            threads=row.whole("threads"),
            preset=asked.text("preset"),
            min_queries=asked.whole("min_queries"),
            min_seconds=asked.number("min_seconds"),
            pin=asked.truth("pin"),
            environment=document.child("environment").rest(),
        )

    def named(self) -> dict[str, object]:
        """All of them, by the names that a difference is reported with."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "environment"}
        versions = self.environment.get("versions")
        listed = versions.items() if isinstance(versions, Mapping) else ()
        rest = {name: value for name, value in self.environment.items() if name != "versions"}
        return {**own, **rest, **{f"versions.{name}": version for name, version in listed}}


@dataclass(frozen=True)
class Baseline:
    """The artifact that was kept, and how it was measured."""

    folder: Path
    artifact: Artifact
    conditions: Conditions

    def refuse_another_environment(self, here: Environment, protocol: Protocol, runner: str) -> None:
        """:class:`UnsupportedError` that names the first field in which the baseline's environment differs."""
        now = Conditions.of(here, protocol, runner).named()
        for field, value in self.conditions.named().items():
            if field != _OURS and value != now.get(field):
                raise UnsupportedError(
                    f"the baseline is from another environment: {field} was {value!r}, "
                    f"and here it is {now.get(field)!r}",
                    "measure as it was measured, or make it anew here: "
                    f"cloformer bench {self.artifact.folder} --save-baseline ANOTHER",
                )

    def refuse_another_list(self, artifacts: Sequence[Artifact]) -> None:
        """:class:`UnsupportedError` for an artifact whose passes are for another processor than the baseline's."""
        before = self.artifact.manifest.request.processor
        for artifact in artifacts:
            now = artifact.manifest.request.processor
            if None not in (before, now) and before != now:
                raise UnsupportedError(
                    f"the baseline's model was made for {before}, and {artifact.folder} for {now}",
                    f"export it with --for {before}, or make the baseline anew: "
                    f"cloformer bench {artifact.folder} --save-baseline ANOTHER",
                )


def refuse_place(folder: Path, artifact: Artifact) -> None:
    """:class:`InputError` for what would keep :func:`save_baseline` from keeping ``artifact`` there, before anything is
    measured for it: something in the folder, a place that cannot be written, too little space."""
    refuse_taken(folder)
    refuse_unwritable(folder / _REPORT, _ANOTHER)
    space_needed(folder, sum(entry.bytes for entry in artifact.files) + _REPORT_BYTES, "baseline", _ANOTHER)


def refuse_taken(folder: Path) -> None:
    """:class:`InputError` if there is something in ``folder`` already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already, and a baseline is kept as it is", _ANOTHER)


def save_baseline(folder: Path, artifact: Artifact, report: LatencyReport) -> None:
    """Keep a copy of ``artifact`` and the report of its one row. The report comes last: without it the folder is
    no baseline. Raises :class:`InputError` if the place cannot be written."""
    refuse_taken(folder)
    with staged(folder / artifact.folder.name, advice=_ANOTHER) as place:
        shutil.copytree(artifact.folder, place, dirs_exist_ok=True)
    write_latency(report, folder / _REPORT)


def read_baseline(folder: Path) -> Baseline:
    """What :func:`save_baseline` kept; :class:`InputError` if it is not whole."""
    import jsonschema

    path = folder / _REPORT
    again = "make it again with cloformer bench ARTIFACT --save-baseline DIR"
    if not path.exists() and not path.is_symlink():
        raise InputError(f"{folder} is no baseline: it has no {_REPORT}", again)
    report = read_json(path, _MAX_BYTES, again)
    problem = next(iter(jsonschema.Draft202012Validator(schema("latency")).iter_errors(report)), None)
    if problem is not None:
        raise InputError(
            f"{path} is no latency report: at {problem.json_path}: {problem.message[:160]}", again
        )
    document = Fields(report)
    rows = document.objects("rows")
    if len(rows) != 1 or not document.truth("complete"):
        raise InputError(f"{path} is not the whole report of one artifact", again)
    name = rows[0].text("artifact")
    if Path(name).name != name or name in ("", ".", ".."):
        raise InputError(f"{path} names a folder outside its own: {name!r}", "do not use this baseline")
    artifact = read_artifact(folder / name)
    if sha256_of(artifact.folder / MANIFEST) != rows[0].text("manifest_sha256"):
        raise InputError(f"{artifact.folder} is not the artifact that {path} was measured with", again)
    return Baseline(folder, artifact, Conditions.from_json(report))
