"""From an artifact to a project that opens in Android Studio or Xcode, or a page that any file host serves.

The record at the project's root lists every file that was written, with its hash. With it a second bundle into the
same folder replaces what the first one wrote and nothing else: what the user has edited or added is the user's.
"""

from __future__ import annotations

import importlib.resources
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import cloformer
from cloformer.errors import InputError, UsageError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.progress import Progress
from cloformer.io.read import read_json, sha256_of
from cloformer.io.staging import refuse_early, refuse_what_is_there, staged
from cloformer.io.write import canonical_json

from ..artifact.folder import MANIFEST, Artifact, read_artifact
from .carry import keep_edited
from .operators import CONFIG, operators_config
from .page import files_list, name_it
from .payload import NOTICES, check_artifact, write_conformance, write_payload
from .probe import probe_writer, write_probes
from .providers import estimate_of
from .runtimes import RUNTIMES, Runtime, check_provider, choose_runtime
from .settings import Settings
from .systems import SYSTEMS, System

if TYPE_CHECKING:
    from ..formats.onnx.partition_estimate import PartitionEstimate

__all__ = ["RECORD", "Bundled", "bundle", "verify_bundle"]

RECORD = "cloformer-bundle.json"
_SCHEMA_VERSION = 1
_MAX_RECORD_BYTES = 2**22
_ESTIMATED = "onnxruntime"  # the runtime whose providers' operators are known
# Not part of a project: what editors, builds and checks leave in a checkout.
_NOT_COPIED = {"build", ".gradle", ".idea", ".build", ".swiftpm", "DerivedData", "__pycache__", ".DS_Store"}


@dataclass(frozen=True)
class Bundled:
    """A project that was written: how many files, bytes and vectors; ``kept`` are files of an earlier bundle that
    the user has edited since and that stay as they are. ``probes`` are the models that give values inside. ``provider`` is what was
    asked for, and ``estimate`` how it would share the model out; None where nothing is shared."""

    folder: Path
    system: System
    runtime: Runtime
    files: int
    bytes: int
    vectors: int
    kept: tuple[str, ...]
    probes: int = 0
    provider: str | None = None
    estimate: PartitionEstimate | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "folder": str(self.folder),
            "system": self.system.name,
            "runtime": self.runtime.name,
            "files": self.files,
            "bytes": self.bytes,
            "vectors": self.vectors,
            "probes": self.probes,
            "kept": list(self.kept),
            "provider": self.provider,
            "estimate": None if self.estimate is None else self.estimate.to_json(),
        }


def bundle(
    system: System,
    artifact: Artifact,
    folder: Path,
    settings: Settings,
    *,
    runtime: str | None = None,
    force: bool = False,
    reduced_operators: bool = False,
    provider: str | None = None,
    probe: str | None = None,
    progress: Progress = lambda _: None,
) -> Bundled:
    """Write the project into ``folder``, which is new or empty unless ``force``; ``reduced_operators`` adds what a
    smaller build of ONNX Runtime is configured by, ``probe`` the models that give values inside, to its tests. What runs the model
    follows from its format; ``runtime`` may say it, too. ``provider`` is the one of ONNX Runtime that the app runs it with, instead of
    the one that the model was made for. ``progress`` is told of what takes long, a download.

    Raises :class:`UsageError` for settings that a store would refuse and for a runtime that does not run the format,
    :class:`UnsupportedError` for an artifact that is no image classifier in a format of the system's, and :class:`InputError` for one that is not whole, or a place that
    cannot be written. What was there then stays.
    """
    system.check(settings)
    row = choose_runtime(system, artifact, runtime)
    _refuse_what_it_has_not(system, row, reduced_operators, probe)
    check_provider(row, provider)
    check_artifact(artifact)
    estimate = estimate_of(artifact, provider) if row.name == _ESTIMATED else None
    if probe is not None:
        probe_writer(artifact)
    # With --force through a link to the project, if it is one.
    folder = Path(os.path.realpath(folder)) if force else folder.absolute()
    check = _refuse_no_folder if force else _refuse_what_is_there
    if row.files is not None:
        refuse_early(folder, check)  # before anything is downloaded
        row.files.kept(progress)
    with staged(folder, check) as staging:
        vectors = _write(system, row, artifact, staging, settings, provider)
        probes = 0
        if probe is not None:
            probes = write_probes(artifact, probe, staging / system.conformance)
        elif system.probe_test is not None:
            (staging / system.probe_test).unlink()
        if reduced_operators:
            (staging / CONFIG).write_text(operators_config(artifact), "utf-8")
        written = _hashes(staging)
        kept = _keep(staging, folder, written, system) if force and folder.exists() else ()
        if system.list_file is not None:
            _list_files(staging, written, system.list_file)
        (staging / RECORD).write_text(
            canonical_json(_record(row, artifact, settings, written, provider)), "utf-8"
        )
    size = sum((folder / path).stat().st_size for path in written)
    return Bundled(folder, system, row, len(written) + 1, size, vectors, kept, probes, provider, estimate)


def _refuse_what_it_has_not(
    system: System, runtime: Runtime, reduced_operators: bool, probe: str | None
) -> None:
    if reduced_operators and runtime.module != "ort":
        raise UsageError(
            f"--reduced-operators is for ONNX Runtime, and {runtime.title} runs this model", "leave it out"
        )
    if probe is not None and system.probe_test is None:
        raise UsageError(
            "--probe gives an app's tests the values inside, and a web page has no such test",
            "leave --probe out, or bundle for Android: `cloformer bundle android`",
        )


def verify_bundle(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Check a project against its record: the record, and the template's files that were edited since, which is
    the user's right.

    Raises :class:`InputError` that names the first file of the model or the kit that is missing, changed or new.
    """
    record = _read_record(folder)
    system = SYSTEMS[record["system"]]
    hashes: dict[str, str] = record["files"]
    ours = {path for path in hashes if _is_payload(path, system)}
    found = {
        path.relative_to(folder).as_posix()
        for place in system.own_folders
        for path in (folder / place).rglob("*")
        if not path.is_dir()
    }
    for name in sorted(ours | found):
        path = folder / name
        if name not in ours:
            raise InputError(
                f"{path} is not in the bundle's record", "remove it, or bundle again with --force"
            )
        if name not in found or _is_behind_a_link(folder, name) or sha256_of(path) != hashes[name]:
            state = "missing" if name not in found else "not the file that was bundled"
            raise InputError(f"{path} is {state}", "bundle the artifact again with --force")
    manifest = read_artifact(folder / system.payload, verify=False).folder / MANIFEST
    if record["manifest_sha256"] != sha256_of(manifest):
        raise InputError(f"{manifest} is of another export", "bundle again with --force")
    edited = [
        name
        for name, digest in sorted(hashes.items())
        if name not in ours
        and (
            _is_behind_a_link(folder, name)
            or not (folder / name).is_file()
            or sha256_of(folder / name) != digest
        )
    ]
    return record, edited


def _is_behind_a_link(folder: Path, name: str) -> bool:
    """Whether the file, or a folder on the way to it, is a link, which could lead anywhere."""
    path = folder / name
    return any(
        part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(folder) and part != folder
    )


def _write(
    system: System,
    runtime: Runtime,
    artifact: Artifact,
    staging: Path,
    settings: Settings,
    provider: str | None,
) -> int:
    template = importlib.resources.files("cloformer") / "deploy" / system.name
    with importlib.resources.as_file(template) as source:
        others = {row.module for row in RUNTIMES.values() if row.module is not None} - {runtime.module}
        _copy_template(source, staging, _NOT_COPIED | others)
        own = [source / runtime.module / NOTICES] if runtime.module is not None else []
        write_payload(artifact, staging / system.payload, [*own, source / NOTICES])
    added = {
        "cloformer": cloformer.__version__,
        "manifest_sha256": sha256_of(artifact.folder / MANIFEST),
        **runtime.settings(provider),
    }
    (staging / system.settings_file).write_text(system.settings(settings, added), "utf-8")
    if runtime.files is not None and system.library is not None:
        runtime.files.copy_to(staging / system.library)
        name_it(staging, settings.app_name)
    if system.list_file is not None:  # its place is taken; what stays of the user's is in it afterwards
        (staging / system.list_file).touch()
    return write_conformance(artifact, staging / system.conformance)


def _list_files(staging: Path, written: dict[str, str], list_file: str) -> None:
    """The list of what is there by now, with what the user has edited; nothing of the user's is written to."""
    (staging / list_file).write_text(files_list(staging, written, list_file), "utf-8")
    written[list_file] = sha256_of(staging / list_file)


def _copy_template(source: Path, folder: Path, left_out: Collection[str]) -> None:
    """With the rights that new files have here: an installed package may be read-only. Below the topmost folder, only what
    is part of no project is left out: packages are named after runtimes, too."""
    for path in sorted(source.iterdir()):
        if path.name in left_out:
            continue
        if path.is_dir():
            (folder / path.name).mkdir()
            _copy_template(path, folder / path.name, _NOT_COPIED)
        else:
            shutil.copyfile(path, folder / path.name)


def _record(
    runtime: Runtime,
    artifact: Artifact,
    settings: Settings,
    hashes: Mapping[str, str],
    provider: str | None,
) -> dict[str, Any]:
    return {
        "schema_version": _SCHEMA_VERSION,
        "system": runtime.system,
        "runtime": runtime.name,
        "cloformer": cloformer.__version__,
        "artifact": artifact.manifest.name,
        "manifest_sha256": sha256_of(artifact.folder / MANIFEST),
        "settings": settings.to_json() | ({} if provider is None else {"provider": provider}),
        "files": dict(hashes),
    }


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _is_payload(path: str, system: System) -> bool:
    return path.startswith(tuple(f"{name}/" for name in system.own_folders))


def _refuse_what_is_there(folder: Path) -> None:
    refuse_what_is_there(
        folder, "give a new folder, or --force to replace what an earlier bundle wrote there and nothing else"
    )


def _refuse_no_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "give another --output")


def _read_record(folder: Path) -> dict[str, Any]:
    """Raises :class:`InputError` unless it is a record of ours whose paths stay inside the folder."""
    path, advice = folder / RECORD, "bundle the artifact into a new folder"
    if not path.exists() and not path.is_symlink():
        raise InputError(f"{folder} has no {RECORD}", "`cloformer bundle` writes a project that has one")
    record = read_json(path, _MAX_RECORD_BYTES, advice, follow_links=False)
    try:
        fields = Fields(record)
        fields.whole("schema_version", 1, _SCHEMA_VERSION)
        fields.choice("system", SYSTEMS)
        fields.sha256("manifest_sha256")
        fields.text("artifact")
        for name in fields.table("files"):
            pure = PurePosixPath(name)
            if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
                raise fields.error("files", f"has the path {name[:80]!r}, which leaves the folder")
    except FieldError as error:
        raise InputError(f"{path} is no record of a bundle: {error}", advice) from None
    assert isinstance(record, dict)  # or it had no fields
    return record


def _keep(staging: Path, folder: Path, written: Mapping[str, str], system: System) -> tuple[str, ...]:
    """Take what is the user's in ``folder`` into the new project; the files of the template among it."""
    earlier: dict[str, str] = _read_record(folder)["files"] if (folder / RECORD).exists() else {}
    settled = (system.settings_file, system.list_file)
    ours = {name for name in {*written, *earlier} if _is_payload(name, system) or name in settled}
    return keep_edited(folder, staging, written, earlier, ours, RECORD)
