"""What the user asked for, and the folder it goes to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloformer.errors import UnsupportedError, UsageError, choose

from ..formats import FORMATS, Format
from ..source.precision import PRECISIONS, Precision, read_precision_map, with_exceptions
from ..source.resolve import Source, SourceRequest
from ..source.spec import ModelSpec

__all__ = ["ExportRequest", "FormatRequest", "plan"]


@dataclass(frozen=True)
class ExportRequest(SourceRequest):
    """Every option of ``cloformer export``, as it was given: which model, and how it is to be written."""

    formats: tuple[str, ...] = ("onnx",)
    precision: str | None = None
    precision_map: Path | None = None
    opset: str | None = None
    target: str | None = None
    reparameterize: bool = True
    keep_failed: bool = False
    output: Path = Path("build")


@dataclass(frozen=True)
class FormatRequest:
    """One format of a request, every default filled in."""

    format: Format
    precision: Precision
    option: str
    reparameterize: bool


def plan(request: ExportRequest) -> list[FormatRequest]:
    """What is to be written, one entry per format.

    Raises :class:`UsageError` for names that do not exist or do not go together, and
    :class:`UnsupportedError` for a precision that a format does not have.
    """
    names = list(dict.fromkeys(choose("format", name, FORMATS) for name in request.formats))
    if request.precision is not None:
        choose("precision", request.precision, PRECISIONS)
    if request.batch < 1:
        raise UsageError(f"--batch {request.batch} is below 1", "give the number of images per inference")
    given = {"--opset": request.opset, "--target": request.target}
    for flag, value in given.items():
        owners = [row for row in FORMATS.values() if row.option == flag]
        if value is not None and not any(row.name in names for row in owners):
            raise UsageError(
                f"{flag} is for --format {owners[0].name}",
                f"add --format {owners[0].name} or leave {flag} out",
            )
    planned = []
    for row in (FORMATS[name] for name in names):
        precision = request.precision or row.default_precision
        if precision not in row.precisions:
            raise UnsupportedError(
                f"{row.title} cannot be written in {precision}",
                f"--precision takes for it: {', '.join(row.precisions)}",
            )
        option = choose(row.option.removeprefix("--"), given[row.option] or row.default_option, row.options)
        chosen = PRECISIONS[precision]
        if request.precision_map is not None:
            chosen = with_exceptions(chosen, read_precision_map(request.precision_map))
        planned.append(FormatRequest(row, chosen, option, request.reparameterize))
    return planned


def resolved(request: ExportRequest, part: FormatRequest, source: Source) -> dict[str, Any]:
    """Every option that decides the bytes, without a path of this machine: the manifest's ``request``."""
    return {
        "model": source.source,
        "format": part.format.name,
        "precision": part.precision.name,
        "precision_map": dict(part.precision.exceptions),
        part.format.option.removeprefix("--"): part.option,
        "reparameterize": part.reparameterize,
        "inputs": [spec.to_json() for spec in source.inputs],
        "preprocessing": {name: rule.to_json() for name, rule in source.preprocessing.items()},
        "outputs": list(source.output_names),
        "num_classes": request.num_classes,
        "labels_sha256": _digest(source.labels) if source.labels is not None else None,
        "weights_sha256": source.weights.file_sha256,
        "seed": source.weights.seed,
        "metadata": dict(source.metadata),
    }


def folder_name(request: ExportRequest, part: FormatRequest, source: Source) -> str:
    """``NAME-FORMAT-SIZE-PRECISION``, and whatever else differs from the default.

    What a few letters can say is said; what only a file can say is there by the first digits of its hash. The hash of
    the weights stands for the labels and the rest that a checkpoint says of itself.
    """
    shape = source.inputs[0].shape
    size = "x".join(str(n) for n in (shape[2:] if source.inputs[0].role == "image" else shape))
    if source.inputs[0].role == "image" and shape[2] == shape[3]:
        size = str(shape[2])
    option = part.option if part.format.option == "--target" else f"opset{part.option}"
    declared = (
        (source.preprocessing, source.inputs, source.output_names) if request.spec != ModelSpec() else None
    )
    parts = {
        option: part.option != part.format.default_option,
        "plain": not part.reparameterize,
        f"map-{_digest(dict(part.precision.exceptions))[:8]}": bool(part.precision.exceptions),
        f"batch{shape[0] if shape else 1}": bool(shape) and shape[0] != 1,
        f"classes{request.num_classes}": request.num_classes is not None and request.weights is None,
        f"seed{request.seed}": request.seed != 0 and source.weights.seed is not None,
        f"weights-{(source.weights.file_sha256 or '')[:8]}": source.weights.file_sha256 is not None,
        f"labels-{_digest(source.labels)[:8]}": (request.labels or request.spec.labels) is not None,
        f"spec-{_digest(_plain(declared))[:8]}": declared is not None,
        f"about-{_digest(dict(source.metadata))[:8]}": bool(request.spec.metadata),
    }
    suffixes = [name for name, differs in parts.items() if differs]
    return "-".join([source.name, part.format.name, size, part.precision.name, *suffixes])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.to_json() if hasattr(value, "to_json") else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
