"""From a request to artifacts: resolve, trace, rewrite, write, load back, run, put in place."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloformer
from cloformer.errors import GateError, InputError, UnsupportedError
from cloformer.io.staging import space_needed, staged
from cloformer.io.write import canonical_json

from ..artifact.folder import MANIFEST, ORIGINS, SCHEMA_VERSION, Artifact, list_files, read_artifact
from ..artifact.kit import KIT, Kit, make_kit, write_kit
from ..artifact.vectors import CONFORMANCE, Vectors, make_vectors, write_vectors
from ..formats import Description, Lowered, Written, refuse_unsupported
from ..source.counts import multiply_adds, parameter_count
from ..source.resolve import Source, resolve
from .check import Difference, check_against_reference
from .request import ExportRequest, FormatRequest, folder_name, plan, resolved

__all__ = ["Exported", "export", "export_plain", "preview"]

Progress = Callable[[str], None]

_PACKAGES = {
    "onnx": ("torch", "onnx", "onnxscript", "onnxsim", "numpy"),
    "coreml": ("torch", "coremltools", "numpy"),
}
_LABELS = "labels.txt"
_ROLES = {_LABELS: "labels", ORIGINS: "origins", CONFORMANCE: "conformance", KIT: "conformance"}


@dataclass(frozen=True)
class Exported:
    """An artifact that was written, and how far it is from the PyTorch model."""

    artifact: Artifact
    difference: Difference


def export(request: ExportRequest, progress: Progress = lambda _: None) -> list[Exported]:
    """Write one artifact per format.

    Each is loaded back, run and compared with the PyTorch model before it replaces an earlier one. Raises the
    errors of :mod:`.errors`; what was there then stays.
    """
    planned, source = _prepare(request, progress)
    return _export(request, planned, source, progress)


def export_plain(
    artifact: Artifact, source: Source, output: Path, progress: Progress = lambda _: None
) -> Artifact:
    """What ``artifact`` would be without passes: ``source``'s model in the same format, written to a folder of
    ``output``. Raises as :func:`export` does."""
    asked = artifact.manifest["request"]
    request = ExportRequest(
        model=source.source,
        formats=(artifact.format,),
        precision=asked["precision"],
        num_classes=asked["num_classes"],
        opset=asked.get("opset"),
        target=asked.get("target"),
        reparameterize=False,
        output=output,
    )
    return _export(request, plan(request), source, progress)[0].artifact


def _export(
    request: ExportRequest, planned: Sequence[FormatRequest], source: Source, progress: Progress
) -> list[Exported]:
    folders = [request.output / folder_name(request, part, source) for part in planned]
    weights_bytes = 4 * sum(tensor.numel() for tensor in source.model.state_dict().values())
    from ..source.trace import trace

    progress(f"tracing {source.name}")
    traced = trace(source.model, source.inputs, source.output_names)
    progress("running the PyTorch model in float64")
    vectors = make_vectors(source, traced.signature)
    kit = make_kit(source, traced.signature)
    exported = []
    for part, folder in zip(planned, folders, strict=True):
        with staged(folder) as staging:
            # The model, its float32 copies on the way, and the package it is converted in.
            space_needed(staging, 4 * weights_bytes)
            _write(request, part, source, traced, vectors, kit, staging, progress)
            artifact = read_artifact(staging)
            try:
                difference = check_against_reference(artifact, vectors, progress)
            except GateError as error:
                raise _failed(error, staging, folder, is_kept=request.keep_failed) from None
        exported.append(Exported(read_artifact(folder, verify=False), difference))
    return exported


def _failed(error: GateError, staging: Path, folder: Path, *, is_kept: bool) -> GateError:
    """The error that says how to find the operator; with the artifact beside its place, if it is kept."""
    if not is_kept:
        return GateError(
            error.lines[0],
            "nothing was replaced; with --keep-failed, `cloformer parity --bisect` can name the operator",
        )
    kept = folder.with_name(f"{folder.name}-failed")
    with staged(kept) as place:
        shutil.copytree(staging, place, dirs_exist_ok=True)
    return GateError(
        error.lines[0], f"kept as {kept}; `cloformer parity --bisect` and --headroom can name the operator"
    )


def preview(request: ExportRequest, progress: Progress = lambda _: None) -> list[dict[str, Any]]:
    """What :func:`export` would do, without writing: folder, passes with their sites, resolved request.

    Raises :class:`UnsupportedError` with all operators that a format cannot take.
    """
    from ..passes import apply_passes
    from ..source.trace import lower, trace

    planned, source = _prepare(request, progress)
    progress(f"tracing {source.name}")
    traced = trace(source.model, source.inputs, source.output_names)
    previews = []
    for part in planned:
        progress(f"{part.format.title}: rewriting and checking operators")
        rewritten, applied = apply_passes(traced, _passes(part, source, traced))
        exporter = part.format.exporter()
        refuse_unsupported(exporter.unsupported(lower(rewritten), part.option), part.format.title)
        previews.append(
            {
                "folder": folder_name(request, part, source),
                "format": part.format.name,
                "passes": [{"name": item.name, "sites": len(item.sites)} for item in applied],
                "request": resolved(request, part, source),
            }
        )
    return previews


def _prepare(request: ExportRequest, progress: Progress) -> tuple[list[FormatRequest], Source]:
    planned = plan(request)
    progress(f"making {request.model or 'the model'}")
    source = resolve(request)
    return planned, source


def _passes(part: FormatRequest, source: Source, traced: Any) -> list[Any]:
    from ..passes import PASSES, PLAIN, Setting

    setting = Setting(traced.signature, source.preprocessing, is_classifier=source.labels is not None)
    return (PASSES if part.reparameterize else PLAIN)[part.format.name](setting)


def _write(
    request: ExportRequest,
    part: FormatRequest,
    source: Source,
    traced: Any,
    vectors: Vectors,
    kit: Kit | None,
    folder: Path,
    progress: Progress,
) -> None:
    from ..passes import apply_passes
    from ..source.trace import lower

    title = part.format.title
    progress(f"{title}: rewriting the graph")
    rewritten, applied = apply_passes(traced, _passes(part, source, traced))
    program = lower(rewritten)
    exporter = part.format.exporter()
    progress(f"{title}: writing")
    _check_labels(source, traced)
    lowered = Lowered(
        program,
        _with_roles(traced.signature, source),
        source.preprocessing,
        source.labels,
        part.precision,
        part.format.options[part.option],
        Description(
            source.name,
            source.summary,
            source.metadata.get("author", ""),
            source.metadata.get("license", ""),
            cloformer.__version__,
        ),
    )
    try:
        written = exporter.write(lowered, folder)
    except UnsupportedError:
        # The framework names the first operator it stumbles over; a person wants all of them.
        refuse_unsupported(exporter.unsupported(program, part.option), title)
        raise
    progress(f"{title}: loading it back")
    figures = exporter.check(folder / written.path)
    if source.labels is not None:
        (folder / _LABELS).write_text("\n".join(source.labels) + "\n", "utf-8")
    write_vectors(folder / CONFORMANCE, vectors, written.signature)
    if kit is not None:
        write_kit(folder / KIT, kit, written.signature)
    (folder / ORIGINS).write_text(canonical_json(_origins(program, written)), "utf-8")
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": source.name,
        "format": part.format.name,
        "model": {
            "source": source.source,
            "path": written.path,
            "parameters": parameter_count(source.model),
            "multiply_adds": multiply_adds(source.model, source.inputs),
        },
        "weights": source.weights.to_json(),
        "functions": [_function(source, written)],
        "precision": part.precision.to_json(),
        "passes": [
            {
                "name": item.name,
                "law": item.law,
                "exactness": item.exactness.value,
                "sites": [
                    {"name": site.name, "module": site.module, "location": site.location}
                    for site in item.sites
                ],
            }
            for item in applied
        ],
        "graph": figures.to_json(),
        "files": [entry.to_json() for entry in list_files(folder, {written.path: "model"} | _ROLES)],
        "versions": {"cloformer": cloformer.__version__}
        | {name: importlib.metadata.version(name) for name in _PACKAGES[part.format.name]},
        "request": resolved(request, part, source),
    }
    (folder / MANIFEST).write_text(canonical_json(manifest), "utf-8")


def _origins(program: Any, written: Written) -> Mapping[str, Any]:
    """``values``: each value of the written model, the nodes of the trace it was made for, and the one it
    equals (null: a step on the way). ``nodes``: the module and line of each node that is named there."""
    from ..source.trace import origin_of

    named = {name for item in written.values for name in (*item.nodes, item.equals)}
    return {
        "nodes": {
            node.name: {"module": origin_of(node).module, "location": origin_of(node).location}
            for node in program.graph.nodes
            if node.name in named
        },
        "values": [
            {"value": item.value, "nodes": list(item.nodes), "equals": item.equals} for item in written.values
        ],
    }


def _check_labels(source: Source, traced: Any) -> None:
    if source.labels is None:
        return
    classes = traced.signature.outputs[0].shape[-1]
    if classes != len(source.labels):
        raise InputError(
            f"there are {len(source.labels)} labels and the model has {classes} classes",
            "give as many labels as classes, in the order of the model's outputs",
        )


def _with_roles(signature: Any, source: Source) -> Any:
    first, *others = signature.outputs
    return replace(signature, outputs=(replace(first, role=source.output_role), *others))


def _function(source: Source, written: Written) -> Mapping[str, Any]:
    inputs = []
    for spec in written.signature.inputs:
        rule = source.preprocessing.get(spec.name)
        inputs.append(
            spec.to_json()
            | {
                "layout": "NCHW" if rule is not None else None,
                "preprocessing": None if rule is None else rule.to_json(),
                "preprocessing_inside": rule is not None and written.preprocessing_inside,
            }
        )
    outputs = []
    for spec in written.signature.outputs:
        is_class = spec.role in ("logits", "probabilities")
        outputs.append(
            spec.to_json()
            | {
                "axes": ["batch", "class"] if is_class and len(spec.shape) == 2 else None,
                "labels": _LABELS if is_class and source.labels is not None else None,
                "postprocessing": "softmax" if spec.role == "logits" else None,
            }
        )
    return {"name": "main", "inputs": inputs, "outputs": outputs}
