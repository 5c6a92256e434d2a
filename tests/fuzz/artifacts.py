"""Artifacts that were changed: their hashes made right again, and the commands that read one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .case import Place, write_json
from .sound import MODEL

__all__ = ["MANIFEST", "READERS", "Reader", "any_reader", "copied", "manifest_of", "model_of", "rehash"]

MANIFEST = "manifest.json"
_BOTH = ("onnx", "coreml")
_EXTRAS = ("litert", "executorch")
_SYSTEMS = {"onnx": "android", "coreml": "ios", "litert": "android", "executorch": "android"}


def manifest_of(artifact: Path) -> Any:
    """As the file has it."""
    return json.loads((artifact / MANIFEST).read_bytes())


def model_of(artifact: Path) -> Path:
    """The file or the folder that its runtime takes."""
    return artifact / str(manifest_of(artifact)["model"]["path"])


def copied(place: Place, format_name: str) -> Path:
    """A copy of the sound artifact of a format, in a folder of a plain name."""
    return place.copy(place.sound.artifacts[format_name], "artifact")


def rehash(artifact: Path) -> Path:
    """The manifest names the files as they now are, as if they had been exported so: sizes, hashes, one that is gone
    and one that is new."""
    manifest = manifest_of(artifact)
    roles = {entry["path"]: entry["role"] for entry in manifest["files"]}
    model = manifest["model"]["path"]
    files = []
    for path in sorted(path for path in artifact.rglob("*") if path.is_file() and path.name != MANIFEST):
        name = path.relative_to(artifact).as_posix()
        data = path.read_bytes()
        role = roles.get(name, "model" if name.startswith(f"{model}/") else "labels")
        files.append(
            {"path": name, "role": role, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        )
    manifest["files"] = files
    (artifact / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return artifact


@dataclass(frozen=True)
class Reader:
    """A command that reads artifacts: how often it is drawn, the formats that it is for, its arguments."""

    name: str
    weight: float
    formats: tuple[str, ...]
    arguments: Callable[[Place, str, str], tuple[str, ...]]

    @property
    def reads(self) -> tuple[str, ...]:
        """Those whose packages are an extra too: what reads both others reads these."""
        return (*_BOTH, *_EXTRAS) if self.formats == _BOTH else self.formats


_BRIEFLY = ("--preset", "rapid", "--runs", "1", "--min-seconds", "0.01", "--time-limit", "20")


def _with_model(place: Place) -> tuple[str, ...]:
    return ("--model", MODEL, "--weights", str(place.sound.weights))


def _report_of(place: Place, path: str) -> str:
    """A device's report that is of this artifact, whatever is in it."""
    report = json.loads(place.sound.report.read_bytes())
    for field, name in (("manifest_sha256", MANIFEST), ("model_sha256", "model.onnx")):
        file = place.folder / path / name
        if file.is_file():
            report[field] = hashlib.sha256(file.read_bytes()).hexdigest()
    return write_json(place.folder / "device-report.json", report).name


READERS: dict[str, Reader] = {
    row.name: row
    for row in (
        Reader("inspect", 3, _BOTH, lambda place, path, kind: ("inspect", path)),
        Reader("inspect --json", 1, _BOTH, lambda place, path, kind: ("inspect", path, "--json")),
        Reader("predict", 3, _BOTH, lambda place, path, kind: ("predict", path, str(place.sound.image))),
        Reader("predict --json", 2, _BOTH, lambda place, path, kind: ("predict", path, "--json", "--top", "3")),
        Reader("parity", 2, _BOTH, lambda place, path, kind: ("parity", path)),
        Reader("parity --json", 1, _BOTH, lambda place, path, kind: ("parity", path, "--json", "--html", "out/p.html")),
        Reader("parity of operators", 1, _BOTH, lambda place, path, kind: (
            "parity", path, *_with_model(place), "--bisect", "--junit", "out/p.xml")),
        Reader("headroom", 0.5, ("coreml",), lambda place, path, kind: (
            "parity", path, *_with_model(place), "--headroom", "--precision-map", "out/map.json")),
        Reader("evaluate", 2, _BOTH, lambda place, path, kind: (
            "evaluate", path, "--data", str(place.sound.data["arrays.npz"]), "--labels", str(place.sound.labels),
            "--limit", "2")),
        Reader("bundle", 2, _BOTH, lambda place, path, kind: (
            "bundle", _SYSTEMS[kind], path, "--output", "out/app")),
        Reader("bundle with operators", 0.5, ("onnx",), lambda place, path, kind: (
            "bundle", "android", path, "--output", "out/app", "--reduced-operators", "--json")),
        Reader("import", 1, ("onnx",), lambda place, path, kind: (
            "import-device-report", _report_of(place, path), "--artifact", path)),
        Reader("profile", 0.5, ("onnx",), lambda place, path, kind: (
            "profile", path, "--runs", "1", "--html", "out/profile.html")),
        Reader("bench", 0.3, ("onnx",), lambda place, path, kind: ("bench", path, *_BRIEFLY)),
        Reader("bench of an extra", 0.3, _EXTRAS, lambda place, path, kind: ("bench", path, *_BRIEFLY)),
        Reader("profile of LiteRT", 0.3, ("litert",), lambda place, path, kind: ("profile", path, "--runs", "1")),
        Reader("compare", 0.1, ("onnx",), lambda place, path, kind: (
            "compare", str(place.sound.onnx), path, *_BRIEFLY)),
    )
}  # fmt: skip


# What passes for any sound model: the others hold it to the module that it was exported from, or to the clock.
_BY_ITSELF = (
    "inspect",
    "inspect --json",
    "predict",
    "predict --json",
    "parity",
    "evaluate",
    "bundle",
    "profile",
)


def any_reader(place: Place, artifact: Path, format_name: str, *, by_itself: bool = False) -> tuple[str, ...]:
    """The arguments of one of them, drawn by the run's seed."""
    rows = [row for row in READERS.values() if format_name in row.reads]
    rows = [row for row in rows if row.name in _BY_ITSELF] if by_itself else rows
    weights = [row.weight for row in rows]
    chosen = rows[int(place.random.choice(len(rows), p=[weight / sum(weights) for weight in weights]))]
    return chosen.arguments(place, place.at(artifact), format_name)
