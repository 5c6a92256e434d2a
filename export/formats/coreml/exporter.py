"""Core ML: an ML Program in a ``.mlpackage``, through coremltools.

Image inputs take the plain RGB image that an app has (the normalization is inside the graph, see
:mod:`..passes.normalize_inside`); with labels the model is a classifier.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.export import ExportedProgram

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.quiet import quiet
from cloformer.io.read import sha256_of
from cloformer.io.write import canonical_json

from ...source.roles import is_classifier
from ...source.signature import Signature, TensorSpec
from ...source.trace import origin_of
from ..exporter import GraphFigures, Lowered, Unsupported, ValueOrigin, Written, value_origins
from ..stumbled import refusal
from ..whole_numbers import end_with_32_bits
from .interface import refuse_reserved, refuse_several
from .known_operators import converts
from .suppression import program_of, with_suppression
from .texts import tell_from_names

__all__ = ["check", "unsupported", "write"]

CLASS_LABEL = "classLabel"
# ArrayFeatureType.ArrayDataType of Core ML's specification.
_ARRAY_TYPES = {0x10000 | 32: "float32", 0x10000 | 16: "float16", 0x20000 | 32: "int32"}
_MODEL_FILE = Path("Data/com.apple.CoreML/model.mlmodel")
_HANDLES_FILE = "executorch_debug_handle_mapping.json"
_DATE = "com.github.apple.coremltools.conversion_date"
# The namespace our package identifiers are derived in: the same content has the same identifier.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:cloformer:mlpackage")


def unsupported(program: ExportedProgram) -> list[Unsupported]:
    """Operators that coremltools has no conversion for."""
    return [
        Unsupported(str(node.target), origin_of(node))
        for node in program.graph.nodes
        if node.op == "call_function" and not converts(node.target)
    ]


def write(lowered: Lowered, folder: Path) -> Written:
    """Write ``NAME.mlpackage``; the bytes depend on the arguments alone."""
    with quiet("coremltools"):
        import coremltools as ct

        from . import compression  # noqa: F401 - which registers its conversions

        outputs, labels = lowered.signature.outputs, _class_labels(lowered)
        inputs = [_input_type(spec, lowered) for spec in lowered.signature.inputs]
        refuse_reserved(lowered.signature)
        tell_from_names(lowered.program.graph)
        end_with_32_bits(lowered.program)
        path = folder / f"{lowered.description.name}.mlpackage"
        # coremltools writes twice, and would leave the first until the program ends.
        with tempfile.TemporaryDirectory(prefix="cloformer-") as place:
            try:
                model = ct.convert(
                    lowered.program,
                    convert_to="mlprogram",
                    minimum_deployment_target=getattr(ct.target, lowered.options["target"]),
                    compute_precision=_compute_precision(lowered),
                    inputs=inputs,
                    # A classifier's outputs are named by its configuration.
                    outputs=[_output_type(spec) for spec in outputs] if labels is None else None,
                    classifier_config=None if labels is None else ct.ClassifierConfig(labels),
                    pass_pipeline=_pipeline(lowered),
                    skip_model_load=True,
                    package_dir=str(Path(place) / "model.mlpackage"),
                )
            except Exception as error:  # coremltools raises what it stumbles over
                raise refusal("coremltools", error, lowered.program) from error
            _describe(model, lowered)
            model.save(str(path))
    values = _values(path, lowered.program)
    _make_deterministic(path, lowered)
    return Written(path.name, _written_signature(path, lowered), values=values)


def check(path: Path) -> GraphFigures:
    """Rebuild the typed program from the saved package, which infers every type again, and count it."""
    with quiet("coremltools"):
        import coremltools as ct
        from coremltools.converters.mil.frontend.milproto.load import load

        model = ct.models.MLModel(str(path), skip_model_load=True)
        spec = program_of(model.get_spec())
        try:
            program = load(
                spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir
            )
        except Exception as error:  # coremltools raises what it stumbles over
            raise InputError(f"{path} does not load back as an ML Program: {error}") from error
    operations = program.functions[program.default_function_name].operations
    counted = [op for op in operations if op.op_type != "const" and not op.op_type.startswith("constexpr_")]
    ranks = [
        len(value.shape)
        for op in counted
        for value in op.outputs
        if getattr(value, "shape", None) is not None
    ]
    return GraphFigures.count([op.op_type for op in counted], max(ranks))


def _values(path: Path, program: ExportedProgram) -> tuple[ValueOrigin, ...]:
    """Where the values come from: coremltools carries each node's debug handle, through its own passes, to
    the operations that it became, and writes them beside the model."""
    from coremltools.proto import Model_pb2

    nodes = {node.meta["debug_handle"]: node.name for node in program.graph.nodes}
    handles = json.loads((path / _HANDLES_FILE).read_bytes())["mapping"]
    carried: dict[str, list[str]] = {}
    for handle, places in handles.items():
        for place in places:
            if handle != "null":  # what coremltools made by itself
                carried.setdefault(place[-1]["Output"], []).append(nodes[int(handle)])
    functions = Model_pb2.Model.FromString((path / _MODEL_FILE).read_bytes()).mlProgram.functions
    block = next(iter(functions["main"].block_specializations.values()))
    operators = []
    for operation in block.operations:
        if operation.type != "const":
            outputs = {output.name: _shape(output.type.tensorType) for output in operation.outputs}
            operators.append((outputs, [name for output in outputs for name in carried.get(output, ())]))
    return value_origins(program, operators)


def _shape(kind: Any) -> tuple[int, ...]:
    return tuple(dimension.constant.size for dimension in kind.dimensions)


def _pipeline(lowered: Lowered) -> Any:
    """coremltools' own passes, corrected; with what they lose in float32 put right, and what float16 ends before."""
    from .corrections import pipeline
    from .exact_affine import with_exact_affine
    from .finite_constants import with_finite_constants

    found = pipeline(lowered.precision.activations)
    if lowered.precision.activations != "float16":
        return with_exact_affine(found)
    return with_finite_constants(found, _in_half(lowered))


def _compute_precision(lowered: Lowered) -> Any:
    import coremltools as ct

    if lowered.precision.activations != "float16":
        return ct.precision.FLOAT32
    if not lowered.precision.exceptions:
        return ct.precision.FLOAT16
    return ct.transform.FP16ComputePrecision(op_selector=_in_half(lowered))


def _in_half(lowered: Lowered) -> Callable[[Any], bool]:
    """Whether an operation is computed in float16: all are but those that carry a node that is to be computed in float32."""
    from coremltools.converters.mil.mil.scope import ScopeSource

    excepted = lowered.kept_in_float32()
    if not excepted:
        return lambda _: True
    kept = {node.meta["debug_handle"] for node in lowered.program.graph.nodes if node.name in excepted}

    def in_half(operation: Any) -> bool:
        carried = operation.scopes.get(ScopeSource.EXIR_DEBUG_HANDLE) or ()
        return not kept & {
            handle
            for group in carried
            for handle in (group if isinstance(group, (list, tuple, set)) else [group])
        }

    return in_half


def _input_type(spec: TensorSpec, lowered: Lowered) -> Any:
    import coremltools as ct

    rule = lowered.preprocessing.get(spec.name)
    if rule is not None:
        refuse_several(spec, lowered.signature.inputs)
        layouts = {"RGB": ct.colorlayout.RGB, "BGR": ct.colorlayout.BGR}
        layout = ct.colorlayout.GRAYSCALE if spec.shape[1] == 1 else layouts[rule.color_order]
        return ct.ImageType(name=spec.name, shape=spec.shape, color_layout=layout)
    return ct.TensorType(name=spec.name, shape=spec.shape, dtype=np.dtype(_given(spec).dtype).type)


def _given(spec: TensorSpec) -> TensorSpec:
    """An input as Core ML takes it: truths, and whole numbers, in 32 bits."""
    if spec.dtype == "bool":
        return replace(spec, dtype="int32", values=(0, 1))
    if spec.dtype != "int64":
        return spec
    values = spec.values and tuple(max(-(2**31), min(value, 2**31 - 1)) for value in spec.values)
    return replace(spec, dtype="int32", values=values)  # type: ignore[arg-type]


def _output_type(spec: TensorSpec) -> Any:
    import coremltools as ct

    # Without a type, coremltools gives float16 outputs for float16 programs, counts too; apps expect float32 and integers.
    return ct.TensorType(name=spec.name, dtype=np.float32 if spec.dtype.startswith("float") else np.int32)


def _class_labels(lowered: Lowered) -> list[str] | None:
    """The names inside the model, if it is a classifier: one with several outputs is none, or with one that has another role, and
    its names are in the artifact alone."""
    named = lowered.labels is not None and is_classifier(lowered.signature.outputs)
    return list(lowered.labels or ()) if named else None


def _describe(model: Any, lowered: Lowered) -> None:
    about = lowered.description
    model.short_description, model.author = about.summary, about.author
    model.license, model.version = about.license, about.version
    for spec in lowered.signature.inputs:
        rule = lowered.preprocessing.get(spec.name)
        model.input_description[spec.name] = (
            f"{rule.color_order} image, {spec.shape[3]} x {spec.shape[2]} pixels, upright and cropped; "
            "scaled and normalized inside the model"
            if rule is not None
            else f"{spec.dtype} {list(spec.shape)}"
        )
    if _class_labels(lowered) is not None:
        model.output_description[CLASS_LABEL] = "The most probable class"
        model.output_description[f"{CLASS_LABEL}_probs"] = "The probability of each class"
        model.user_defined_metadata["com.apple.coreml.model.preview.type"] = "imageClassifier"
    else:
        for spec in lowered.signature.outputs:
            model.output_description[spec.name] = f"{spec.role} {list(spec.shape)}"


def _make_deterministic(path: Path, lowered: Lowered) -> None:
    """No date, no random identifiers, no debug files; map fields in one order. With Core ML's own suppression behind it, where that is
    asked for."""
    from coremltools.proto import Model_pb2

    for entry in path.iterdir():
        if entry.name not in ("Data", "Manifest.json"):
            entry.unlink()  # coremltools leaves a map of debug handles beside the model
    model_file = path / _MODEL_FILE
    spec = Model_pb2.Model.FromString(model_file.read_bytes())
    spec.description.metadata.userDefined.pop(_DATE, None)
    if lowered.pipeline is not None:
        boxes, scores = (
            next(item for item in lowered.signature.outputs if item.role == role)
            for role in ("boxes", "box_scores")
        )
        spec = with_suppression(spec, boxes, scores, lowered.pipeline, lowered.labels)
    model_file.write_bytes(spec.SerializeToString(deterministic=True))
    listing = json.loads((path / "Manifest.json").read_bytes())
    identifiers = {}
    for old, item in listing["itemInfoEntries"].items():
        content = path / "Data" / item["path"]
        files = (
            sorted(file for file in content.rglob("*") if file.is_file()) if content.is_dir() else [content]
        )
        digest = " ".join(sha256_of(file) for file in files)
        identifiers[old] = str(uuid.uuid5(_NAMESPACE, f"{item['path']} {digest}"))
    listing["itemInfoEntries"] = {identifiers[old]: item for old, item in listing["itemInfoEntries"].items()}
    listing["rootModelIdentifier"] = identifiers[listing["rootModelIdentifier"]]
    (path / "Manifest.json").write_text(canonical_json(listing), "utf-8")
    for file in path.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)  # coremltools makes some readable by the owner alone


def _written_signature(path: Path, lowered: Lowered) -> Signature:
    """The outputs as the package declares them, in its types: integers and truths are int32 there."""
    from coremltools.proto import Model_pb2

    declared = program_of(Model_pb2.Model.FromString((path / _MODEL_FILE).read_bytes())).description.output
    inputs = tuple(_given(spec) for spec in lowered.signature.inputs)
    if _class_labels(lowered) is not None:
        first = lowered.signature.outputs[0]
        probabilities = next(item.name for item in declared if item.name != CLASS_LABEL)
        return Signature(inputs, (TensorSpec(probabilities, first.shape, "float32", "probabilities"),))
    types = {item.name: _ARRAY_TYPES.get(item.type.multiArrayType.dataType) for item in declared}
    outputs = []
    for spec in lowered.signature.outputs:
        kind = types.get(spec.name)
        if kind is None:
            raise UnsupportedError(f"coremltools did not write the output {spec.name} as an array")
        outputs.append(replace(spec, dtype=kind))
    return Signature(inputs, tuple(outputs))
