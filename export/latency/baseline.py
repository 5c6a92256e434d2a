"""A baseline: an artifact, and the latency report that was measured with it, kept in one folder.

Its numbers are never compared with new ones. The artifact is: it is run again beside the new one. The report
says where that was, for elsewhere the ratio of both may be another.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.read import read_json, sha256_of
from cloformer.io.staging import staged

from ..artifact.folder import MANIFEST, Artifact, read_artifact
from ..schemas import schema
from .environment import Environment
from .protocol import Protocol
from .report import LatencyReport
from .saved import write_latency

__all__ = ["Baseline", "read_baseline", "refuse_taken", "save_baseline"]

_REPORT = "latency.json"
_MAX_BYTES = 256 * 2**20
_OURS = "versions.cloformer"  # may differ: this cloformer runs both artifacts


@dataclass(frozen=True)
class Baseline:
    """``row`` and ``report`` are as in the file, which follows the schema."""

    folder: Path
    artifact: Artifact
    report: Mapping[str, Any]

    @property
    def row(self) -> Mapping[str, Any]:
        row: Mapping[str, Any] = self.report["rows"][0]
        return row

    @property
    def preset(self) -> str:
        return str(self.report["protocol"]["preset"])

    def refuse_another_environment(self, here: Environment, protocol: Protocol, runner: str) -> None:
        """:class:`UnsupportedError` that names the first field in which the baseline's environment differs."""
        asked = self.report["protocol"]
        then = _fields(self.report["environment"], asked, self.row["threads"], self.row["runner"])
        now = _fields(here.to_json(), protocol.to_json(), protocol.threads[0], runner)
        for field, value in then.items():
            if field != _OURS and value != now.get(field):
                raise UnsupportedError(
                    f"the baseline is from another environment: {field} was {value!r}, "
                    f"and here it is {now.get(field)!r}",
                    "measure as it was measured, or make it anew here: "
                    f"cloformer bench {self.artifact.folder} --save-baseline ANOTHER",
                )


def refuse_taken(folder: Path) -> None:
    """:class:`InputError` if there is something in ``folder`` already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} is there already, and a baseline is kept as it is", "name another --save-baseline"
        )


def save_baseline(folder: Path, artifact: Artifact, report: LatencyReport) -> None:
    """Keep a copy of ``artifact`` and the report of its one row. The report comes last: without it the folder is
    no baseline. Raises :class:`InputError` if the place cannot be written."""
    refuse_taken(folder)
    with staged(folder / artifact.folder.name) as place:
        shutil.copytree(artifact.folder, place, dirs_exist_ok=True)
    write_latency(report, folder / _REPORT)


def read_baseline(folder: Path) -> Baseline:
    """What :func:`save_baseline` kept; :class:`InputError` if it is not whole."""
    import jsonschema

    path = folder / _REPORT
    again = "make it again with cloformer bench ARTIFACT --save-baseline DIR"
    if not path.exists() and not path.is_symlink():
        raise InputError(f"{folder} is no baseline: it has no {_REPORT}", again)
    report: Any = read_json(path, _MAX_BYTES, again)  # the schema says what is in it
    problem = next(iter(jsonschema.Draft202012Validator(schema("latency")).iter_errors(report)), None)
    if problem is not None:
        raise InputError(
            f"{path} is no latency report: at {problem.json_path}: {problem.message[:160]}", again
        )
    if len(report["rows"]) != 1 or not report["complete"]:
        raise InputError(f"{path} is not the whole report of one artifact", again)
    row = report["rows"][0]
    if Path(row["artifact"]).name != row["artifact"] or row["artifact"] in ("", ".", ".."):
        raise InputError(
            f"{path} names a folder outside its own: {row['artifact']!r}", "do not use this baseline"
        )
    artifact = read_artifact(folder / row["artifact"])
    if sha256_of(artifact.folder / MANIFEST) != row["manifest_sha256"]:
        raise InputError(f"{artifact.folder} is not the artifact that {path} was measured with", again)
    return Baseline(folder, artifact, report)


def _fields(
    environment: Mapping[str, Any], protocol: Mapping[str, Any], threads: int, runner: str
) -> dict[str, Any]:
    """What must be the same, by the names that it is refused with."""
    versions = {f"versions.{name}": version for name, version in environment["versions"].items()}
    asked = {name: protocol[name] for name in ("preset", "min_queries", "min_seconds", "pin")}
    rest = {name: value for name, value in environment.items() if name != "versions"}
    return {"runner": runner, "threads": threads, **asked, **rest, **versions}
