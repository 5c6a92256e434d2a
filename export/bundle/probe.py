"""The probe that travels with an app's tests: further models beside the kit, and ``probe.json``, which says what they give."""

from __future__ import annotations

from pathlib import Path

from cloformer.io.read import sha256_of
from cloformer.io.write import canonical_json

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.probe import PROBED, plan_probe, probe_writer

__all__ = ["PROBE_INDEX", "write_probes"]

PROBE_INDEX = "probe.json"
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
