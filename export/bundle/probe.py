"""The probe that travels with an app's tests: further models beside the kit, and ``probe.json``, which says what they give; and the
files of values that come back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cloformer.errors import InputError
from cloformer.io.read import read_bytes, sha256_of
from cloformer.io.write import canonical_json, write_whole

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.probe import PROBED, plan_probe, probe_writer
from ..parity.device_values import DEVICE, MAX_BYTES, read_device_values
from .device_report import DeviceReport

__all__ = ["PROBE_INDEX", "keep_values", "probe_writer", "values_beside", "write_probes"]

PROBE_INDEX = "probe.json"
_VALUES = "device-values-*.safetensors"  # as the apps' tests name them
_SCHEMA_VERSION = 1


def write_probes(artifact: Artifact, mode: str, folder: Path, *, model: Path | None = None) -> int:
    """Write the models of ``mode`` and their index into ``folder``, which has the kit; returns how many models. ``model`` is the file
    that they are made of, where that is not the artifact's own, with the same operators in the same order.

    Raises :class:`UnsupportedError` for a format without probes.
    """
    writer, plan = probe_writer(artifact), plan_probe(artifact, mode)
    source = model or artifact.model_path
    models = []
    for number, part in enumerate(plan.parts):
        target = folder / f"probe-{number}{source.suffix}"
        writer.write_probe(source, part.values, target)
        files = [target] if target.is_file() else sorted(path for path in target.rglob("*") if path.is_file())
        models.append({
            "path": target.name,
            "files": [
                {"path": path.relative_to(folder).as_posix(), "sha256": sha256_of(path), "bytes": path.stat().st_size}
                for path in files
            ],
            "values": [{"value": item.name, "output": item.output} for item in part.values],
        })  # fmt: skip
    index = {
        "schema_version": _SCHEMA_VERSION,
        "manifest_sha256": sha256_of(artifact.folder / MANIFEST),
        "mode": mode,
        "plan_sha256": plan.sha256,
        "optimization": writer.optimization(source),
        "vectors": list(PROBED),
        "models": models,
    }
    (folder / PROBE_INDEX).write_text(canonical_json(index), "utf-8")
    return len(models)


def values_beside(report: Path) -> list[Path]:
    """The files of values that the tests wrote into the folder of their report."""
    return sorted(report.parent.glob(_VALUES))


def keep_values(files: Sequence[Path], report: DeviceReport, artifact: Artifact, kept: Path) -> list[Path]:
    """Keep each file beside ``kept``, the report that it belongs to, by the report's name and the file's unit.

    Raises :class:`InputError` for a file that is damaged, of another artifact or probe, or of another device than the report, and then
    keeps none.
    """
    found = [read_device_values(path, artifact) for path in files]
    for values in found:
        other = next(
            (name for name in DEVICE if values.device[name] != report.document["device"][name]), None
        )
        if other is not None or values.runtime["name"] != report.document["runtime"]["name"]:
            raise InputError(
                f"{values.path} is of {values.title}, and the report of {report.device}",
                "give the files that one run of the app's tests wrote, or name them with --values",
            )
    units = [values.unit for values in found]
    twice = next((unit for unit in units if units.count(unit) > 1), None)
    if twice is not None:
        raise InputError(f"two of the files have values of {twice}", "give one of them")
    places = []
    for values in found:
        place = kept.with_name(f"{kept.stem}-values-{values.unit}.safetensors")
        write_whole(place, read_bytes(values.path, MAX_BYTES, "pull it again"), "free some space")
        places.append(place)
    return places
