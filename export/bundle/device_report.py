"""What the tests on a device found, judged against the artifact that the app carries."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cloformer.errors import InputError
from cloformer.io.read import read_json, sha256_of
from cloformer.io.write import canonical_json, write_whole

from ..artifact.folder import MANIFEST, Artifact, reports_folder
from ..artifact.kit import KitImage, read_kit
from ..schemas import schema
from .compute_plan import ComputePlan, plan_of
from .tolerance import KitBound, kit_bounds

__all__ = ["DeviceReport", "VectorResult", "read_device_report", "save_device_report", "share_of"]

_MAX_BYTES = 16 * 2**20
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class VectorResult:
    """One vector on the device: whether its preprocessing held, where it is judged at all; the largest error of an
    output as a share of the largest expected magnitude, infinite for what is no number, None where the device does not
    say; the share allowed."""

    name: str
    preprocessing: bool
    error: float | None
    allowed: float

    @property
    def passed(self) -> bool:
        return self.preprocessing and self.error is not None and self.error <= self.allowed


@dataclass(frozen=True)
class DeviceReport:
    """``missing`` are vectors of the artifact's kit that the device did not run, which is a failure. ``too_coarse`` are the bounds of
    outputs that cannot tell a right model from a wrong one by what sums as narrow as the number format may cost."""

    document: Mapping[str, Any]
    vectors: tuple[VectorResult, ...]
    missing: tuple[str, ...]
    too_coarse: Mapping[str, KitBound] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.missing and all(vector.passed for vector in self.vectors)

    @property
    def name(self) -> str:
        """Maker and model, as the device names itself; a browser does not know every maker."""
        about = self.document["device"]
        maker = about["manufacturer"]
        return f"{'' if maker == _UNKNOWN else f'{maker} '}{about['model']}"

    @property
    def device(self) -> str:
        """Maker, model and system."""
        return f"{self.name}, {self.document['device']['os']}"

    @cached_property
    def plan(self) -> ComputePlan:
        """Where the device ran the model's operators."""
        return plan_of(self.document)

    def to_json(self) -> dict[str, Any]:
        coarse = {name: _finite(bound.too_coarse) for name, bound in self.too_coarse.items()}
        return {
            "passed": self.passed,
            "missing": list(self.missing),
            **({"too_coarse": coarse} if coarse else {}),
            "vectors": [
                {
                    "name": vector.name,
                    "preprocessing": vector.preprocessing,
                    "error": _finite(vector.error),
                    "allowed": vector.allowed,
                    "passed": vector.passed,
                }
                for vector in self.vectors
            ],
            "report": self.document,
        }


def read_device_report(path: Path, artifact: Artifact) -> DeviceReport:
    """Judge ``path`` by the artifact's own tolerances, not by what the device says of itself.

    Raises :class:`InputError` if it is no report, or of another artifact.
    """
    document = _read(path)
    _check_hash(path, "manifest", document["manifest_sha256"], sha256_of(artifact.folder / MANIFEST))
    models = [entry.sha256 for entry in artifact.files if entry.role == "model"]
    if len(models) == 1:
        _check_hash(path, "model", document["model_sha256"], models[0])
    expected = {vector.image.name: vector for vector in read_kit(artifact)}
    bounds = kit_bounds(artifact)
    maps = {item.spec.name for item in artifact.function.outputs if item.spec.role == "class_map"}
    found = []
    for entry in document["vectors"]:
        if entry["name"] not in expected:
            raise InputError(
                f"{path} has an unknown vector {entry['name'][:80]!r}", "bundle the artifact again"
            )
        vector = expected.pop(entry["name"])
        # Of a map, the device says the share of its places that are of another class.
        errors = [
            (share_of(_error(entry["outputs"][name]), 1.0 if name in maps else float(abs(value).max())),
             bounds[name].max_rel)
            for name, value in vector.outputs.items()
            if name in entry["outputs"]
        ]  # fmt: skip
        is_complete = len(errors) == len(vector.outputs)
        error, allowed = max(errors, key=_nearness) if errors else (None, 0.0)
        held = _held(entry["preprocessing"], vector.image)
        found.append(VectorResult(entry["name"], held, error if is_complete else None, allowed))
    too_coarse = {name: bound for name, bound in bounds.items() if bound.too_coarse is not None}
    return DeviceReport(document, tuple(found), tuple(expected), too_coarse)


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None


def save_device_report(report: DeviceReport, artifact: Artifact) -> Path:
    """Keep it beside the artifact, where a new export does not touch it; the same report is kept once."""
    text = canonical_json(report.to_json())
    path = reports_folder(artifact.folder) / f"device-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    write_whole(path, text, "free some space, or move the artifact")
    return path


def _read(path: Path) -> dict[str, Any]:
    import jsonschema

    advice = "give the device-report.json of the tests"
    document: Any = read_json(path, _MAX_BYTES, advice, nan_is_null=True)  # the schema says what is in it
    problem = next(iter(jsonschema.Draft202012Validator(schema("device-report")).iter_errors(document)), None)
    if problem is not None:
        place = "/".join(map(str, problem.absolute_path)) or "the document"
        raise InputError(f"{path} is no device report: {place}: {problem.message[:200]}", "pull it again")
    return dict(document)


def _error(output: Mapping[str, Any]) -> float | None:
    """The output's largest error; None if anything that the device says of it is no number."""
    numbers = [output[name] for name in ("max_abs", "largest", "cosine")]
    return None if None in numbers else float(numbers[0])


def share_of(error: float | None, largest: float) -> float:
    """An error over the largest expected magnitude. Of one that is zero, anything but zero is infinitely far off, and so
    is None, which is no number."""
    if error is None:
        return math.inf
    return error / largest if largest else 0.0 if error == 0 else math.inf


def _nearness(pair: tuple[float, float]) -> float:
    """How near an error is to what is allowed, and how far beyond."""
    error, allowed = pair
    return error / allowed if allowed else math.inf if error else 0.0


def _held(preprocessing: Mapping[str, Any] | None, image: KitImage) -> bool:
    """Only a vector for the model alone may say nothing of it."""
    return image.compares == "outputs" if preprocessing is None else bool(preprocessing["passed"])


def _check_hash(path: Path, what: str, found: object, wanted: str) -> None:
    if found != wanted:
        raise InputError(
            f"{path} is of another artifact: the {what}'s hash is {str(found)[:12]}, and not {wanted[:12]}",
            "give the artifact that the app was bundled from",
        )
