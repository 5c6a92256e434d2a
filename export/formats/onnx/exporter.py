"""ONNX, through torch's own exporter and onnxsim.

Opset 20 by default: the first with GELU as one operator, and the fastest on ONNX Runtime (21's
GroupNormalization operator is expanded there into more nodes, 18 has no GELU).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import onnx
import torch
from torch.export import ExportedProgram

from cloformer.errors import UnsupportedError
from cloformer.io.quiet import quiet

from ...source.signature import Signature
from ...source.trace import lowered_name_of, origin_of
from ..exporter import GraphFigures, Lowered, Unsupported, Written, unsupported_error, value_origins
from ..stumbled import refusal
from .compression import leave_out_defaults, of_whole_numbers, translations
from .file import inferred, serialized
from .halves import halved
from .refused import ORIGIN_KEYS, not_taken
from .settled import Settled
from .simplified import absorbed_values, simplified_by_onnxsim

__all__ = ["check", "unsupported", "write"]

FILE_NAME = "model.onnx"


def unsupported(program: ExportedProgram) -> list[Unsupported]:
    """Operators with neither an ONNX function in torch's library nor a decomposition into such."""
    with quiet("torch.onnx"):
        # torch has no public way to ask which operators its exporter knows.
        from torch.onnx._internal.exporter._decomp import (
            create_onnx_friendly_decomposition_table,
            get_onnx_implemented_overloads,
        )
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        registry, ours = ONNXRegistry.from_torchlib(), translations()
        if all(target in ours or registry.is_registered(target) for target in _targets(program)):
            return []
        known = set(get_onnx_implemented_overloads(registry))
        try:
            decomposed = program.run_decompositions(create_onnx_friendly_decomposition_table(known))
        except Exception as error:  # torch, of operators that it cannot take apart
            raise refusal("torch", error, program) from error
    operators = {node.name: node for node in program.graph.nodes}
    found = [
        operators.get(lowered_name_of(node) or "", node)
        for node in decomposed.graph.nodes
        if node.users  # what only asserts is left out
        and isinstance(node.target, torch._ops.OpOverload)
        and node.target not in ours
        and not registry.is_registered(node.target)
    ]
    return [Unsupported(str(node.target), origin_of(node)) for node in dict.fromkeys(found)]


def write(lowered: Lowered, folder: Path) -> Written:
    """Write ``model.onnx`` with its weights inside; the bytes depend on the arguments alone."""
    names, opset = lowered.signature, int(lowered.options["opset"])
    exported = _exported(lowered, optimize=True)
    if _loses_constants(exported.model_proto):
        exported = _exported(lowered, optimize=False)
    model = exported.model_proto
    if {entry.domain: entry.version for entry in model.opset_import}[""] != opset:
        raise UnsupportedError(
            f"torch.onnx cannot write opset {opset} for this graph",
            "choose --opset 20 or leave it out",
        )
    leave_out_defaults(model)
    nodes = _nodes(model, exported.exported_program)
    simplified, notes = simplified_by_onnxsim(model)
    _refuse_loops(simplified, nodes, lowered.program)
    absorbed = absorbed_values(model, simplified)
    if lowered.precision.are_weights_compressed:
        simplified = of_whole_numbers(simplified)
    if lowered.precision.activations == "float16":
        kept = lowered.kept_in_float32()
        is_outside = lowered.options["io_type"] == "float16"
        simplified = halved(
            simplified, {name for name, node in nodes.items() if node in kept}, outside=is_outside
        )
        names = _halves(names) if is_outside else names
    _annotate(simplified, nodes, lowered)
    (folder / FILE_NAME).write_bytes(serialized(simplified))
    shapes = _shapes(simplified)
    operators = [
        (
            {name: shapes.get(name) for name in node.output},
            [
                nodes[value]
                for name in node.output
                for value in (name, *absorbed.get(name, ()))
                if value in nodes
            ],
        )
        for node in simplified.graph.node
    ]
    values = value_origins(lowered.program, operators)
    return Written(FILE_NAME, names, values=values, notes=notes)


def _halves(signature: Signature) -> Signature:
    """The same with the floating-point numbers in float16."""
    inputs, outputs = (
        tuple(replace(spec, dtype="float16") if spec.dtype == "float32" else spec for spec in specs)
        for specs in (signature.inputs, signature.outputs)
    )
    return Signature(inputs, outputs)


def _exported(lowered: Lowered, *, optimize: bool) -> torch.onnx.ONNXProgram:
    names = lowered.signature
    with quiet("torch.onnx"):
        try:
            exported = torch.onnx.export(
                Settled.of(lowered.program),
                (),
                dynamo=True,
                opset_version=int(lowered.options["opset"]),
                input_names=[spec.name for spec in names.inputs],
                output_names=[spec.name for spec in names.outputs],
                custom_translation_table=translations(),
                optimize=optimize,
                verbose=False,
            )
        except Exception as error:  # torch.onnx raises what its operators do
            raise refusal("torch.onnx", error, lowered.program) from error
    assert exported is not None
    return exported


def _loses_constants(model: onnx.ModelProto) -> bool:
    """Whether a node reads what nothing gives: torch.onnx's optimizer names the bounds of what it makes of a minimum and a
    maximum by the value that is bounded, and where several bound one value, it keeps the last of them."""
    graph = model.graph
    given = {item.name for item in (*graph.input, *graph.initializer)}
    for node in graph.node:
        if any(name and name not in given for name in node.input):
            return True
        given.update(node.output)
    return False


def check(path: Path) -> GraphFigures:
    """``onnx.checker`` with strict shape inference on the file, and the count of its nodes that compute at an inference."""
    model = onnx.load(path)
    try:
        onnx.checker.check_model(model, full_check=True)
        values = inferred(model, strict=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise not_taken("onnx", error, model) from error
    ranks = [
        len(info.type.tensor_type.shape.dim) for info in (*values.input, *values.output, *values.value_info)
    ]
    return GraphFigures.count([node.op_type for node in _computing(model)], max(ranks))


def _computing(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """The nodes that depend on an input; what constants alone make, weights that are stored small, is made at load."""
    depends = {item.name for item in model.graph.input}
    for node in model.graph.node:
        if not depends.isdisjoint(node.input):
            depends.update(node.output)
            yield node


_LOOPS = ("Loop", "Scan", "SequenceMap")


def _refuse_loops(model: onnx.ModelProto, nodes: Mapping[str, str], program: ExportedProgram) -> None:
    """:class:`UnsupportedError` for operators that torch.onnx writes as loops: how long these run, no runner can tell."""
    operators = {node.name: node for node in program.graph.nodes}
    found = [nodes.get(node.output[0]) for node in model.graph.node if node.op_type in _LOOPS]
    places = [operators[name] for name in found if name is not None]
    if found:  # onnxsim takes those apart whose length it knows
        reason = "torch.onnx writes it as a loop, which may run without end"
        raise unsupported_error(
            [Unsupported(str(node.target), origin_of(node), reason) for node in dict.fromkeys(places)], "ONNX"
        )


def _targets(program: ExportedProgram) -> set[torch._ops.OpOverload]:
    return {node.target for node in program.graph.nodes if isinstance(node.target, torch._ops.OpOverload)}


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Of every value: static, as an artifact's are."""
    graph = inferred(model)
    return {
        info.name: tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim)
        for info in (*graph.value_info, *graph.output)
    }


def _nodes(model: onnx.ModelProto, program: ExportedProgram | None) -> dict[str, str]:
    """The node of the lowered program that each value came from. torch names a node's last value after the
    graph's node and says in the metadata which node the values on the way belong to."""
    nodes = [] if program is None else [node for node in program.graph.nodes if node.op == "call_function"]
    by_name = {node.name: name for node in nodes if (name := lowered_name_of(node)) is not None}
    found = {}
    for node in model.graph.node:
        scopes = next((p.value for p in node.metadata_props if p.key == "pkg.torch.onnx.name_scopes"), "")
        scope = scopes.rpartition("'")[0].rpartition("'")[2]
        for output in node.output:
            name = by_name.get(output) or by_name.get(scope)
            if name is not None:
                found[output] = name
    return found


def _annotate(model: onnx.ModelProto, nodes: dict[str, str], lowered: Lowered) -> None:
    """Leave only metadata of ours: nothing of this machine, and the origin of every node."""
    graph = model.graph
    origins = {node.name: origin_of(node) for node in lowered.program.graph.nodes}
    for item in (
        model,
        graph,
        *graph.node,
        *graph.initializer,
        *graph.value_info,
        *graph.input,
        *graph.output,
    ):
        del item.metadata_props[:]
        item.ClearField("doc_string")
    for node in graph.node:
        if node.output[0] in nodes:
            origin = origins[nodes[node.output[0]]]
            for key, value in zip(ORIGIN_KEYS, (origin.name, origin.module, origin.location), strict=True):
                node.metadata_props.add(key=key, value=value)
    renamed = {tensor.name: tensor.name.removeprefix("graph_module.") for tensor in graph.initializer}
    for tensor in graph.initializer:
        tensor.name = renamed[tensor.name]
    for info in graph.value_info:
        info.name = renamed.get(info.name, info.name)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    graph.name = lowered.description.name
    model.producer_name, model.producer_version = "cloformer", lowered.description.version
    model.doc_string = lowered.description.summary
    fields = {"author": lowered.description.author, "license": lowered.description.license}
    for spec in lowered.signature.inputs:
        if spec.name in lowered.preprocessing:
            fields[f"preprocessing.{spec.name}"] = str(lowered.preprocessing[spec.name].to_json())
    if lowered.labels is not None:
        fields["labels"] = "\n".join(lowered.labels)
    for key, value in fields.items():
        if value:
            model.metadata_props.add(key=key, value=value)
