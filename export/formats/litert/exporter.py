"""LiteRT: a ``.tflite`` file, through litert-torch.

Images lie as Android's bitmaps do, channels last, unless it is asked otherwise. The function is a named signature, whose
inputs and outputs have the artifact's names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from cloformer.errors import InputError
from cloformer.io.quiet import quiet_natively

from ...source.origin import Origin
from ...source.signature import Signature, TensorSpec
from ...source.trace import computed_from, lowered_name_of, origin_of
from ..exporter import (
    GraphFigures,
    Lowered,
    Undelegated,
    Unsupported,
    ValueOrigin,
    Written,
    unsupported_error,
    value_origins,
)
from ..stumbled import refusal
from ..whole_numbers import end_with_32_bits
from .constants import keep_constants_apart, restore_infinities
from .described import name_signature, name_tensors, output_places
from .file import Operator, name_of, operators, packed, read_model, shape_of
from .metadata import add_metadata, with_labels
from .names import MARK, Step, carried, names_in, without_names
from .said import in_words
from .session import first_refused, opened, partitions
from .whole import OURS, stored_weights, write_as_float
from .whole_layers import on_whole_numbers

__all__ = ["SIGNATURE", "check", "unsupported", "write"]

FILE_NAME = "model.tflite"
SIGNATURE = "serving_default"  # what apps ask for that name none
_LOGGER = "litert_torch"
_TO_NCHW = [0, 3, 1, 2]
# Operators that only give numbers another place, which is known before: an index that is computed decides more.
_MOVING = frozenset(
    {
        "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "MIRROR_PAD", "PACK", "PAD",
        "PADV2", "RESHAPE", "REVERSE_V2", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE",
        "TRANSPOSE", "UNPACK",
    }
)  # fmt: skip


def unsupported(program: ExportedProgram) -> list[Unsupported]:
    """Operators that litert-torch does not lower, nor what they are made of."""
    with quiet_natively(_LOGGER):
        from litert_torch import fx_infra
        from litert_torch.backend import lowerings

        try:
            decomposed = fx_infra.safe_run_decompositions(
                program, fx_infra.decomp.pre_lower_decomp(), can_skip=False
            )
        except Exception as error:  # torch, of operators that it cannot take apart
            raise refusal("torch", error, program, in_words=in_words) from error
    nodes = {node.name: node for node in program.graph.nodes}
    found = [
        nodes.get(lowered_name_of(node) or "", node)
        for node in decomposed.graph.nodes
        if isinstance(node.target, torch._ops.OpOverload)
        and node.target not in OURS
        and lowerings.lookup(node.target) is None
    ]
    return [Unsupported(str(node.target), origin_of(node)) for node in dict.fromkeys(found)]


def write(lowered: Lowered, folder: Path) -> Written:
    """Write ``model.tflite`` with its weights inside; the bytes depend on the arguments alone."""
    signature = _given(lowered)
    path, weights = folder / FILE_NAME, stored_weights(lowered.program)
    end_with_32_bits(lowered.program)
    path.write_bytes(_converted(lowered, signature))
    model = _read_back(path, lowered.program)
    restore_infinities(model, lowered.program)
    _refuse_left(on_whole_numbers(model, weights), lowered.program)
    signature = name_signature(model, signature)
    values = _values(model, lowered.program)
    names = name_tensors(model, values)
    model.description = lowered.description.summary.encode()
    add_metadata(model, signature, lowered)
    path.write_bytes(with_labels(packed(model), lowered.labels))
    values = tuple(replace(item, value=names[int(item.value)]) for item in values)
    _load(path, model, lowered.program, values)
    return Written(FILE_NAME, signature, values=values)


def check(path: Path) -> GraphFigures:
    """Read the file back, hand it to the runtime, and count its operators and what its delegate takes of them."""
    model = read_model(path)
    tensors, found = model.subgraphs[0].tensors, list(operators(model))
    delegated = partitions(path, found)
    undelegated = [
        Undelegated(item.kind, Origin(name_of(tensors[item.outputs[0]]), "", ""))
        for number, item in enumerate(found)
        if not any(number in piece for piece in delegated)
    ]
    ranks = [len(shape_of(tensors[place])) for item in found for place in item.outputs]
    figures = GraphFigures.count([item.kind for item in found], max(ranks, default=0))
    return replace(figures, partitions=len(delegated), undelegated=tuple(undelegated))


def _read_back(path: Path, program: ExportedProgram) -> Any:
    """The file as it was converted; what no export has is refused with the operator that it stands for."""
    try:
        return read_model(path)
    except InputError as error:
        problem = error.lines[0].removeprefix(f"{path} ")
        told = f"the file that it makes of it {without_names(problem)}"
        raise refusal("litert-torch", error, program, names_in(problem), lambda _: told) from error


def _refuse_left(names: Sequence[str], program: ExportedProgram) -> None:
    """:class:`UnsupportedError` for layers that the converter made something else of than what rounds its input by its range."""
    places = {node.name: node for node in program.graph.nodes}
    why = "litert-torch makes no layer of it that rounds what it reads"
    found = [Unsupported(str(places[name].target), origin_of(places[name]), why) for name in names]
    if found:
        raise unsupported_error(found, "LiteRT")


def _load(path: Path, model: Any, program: ExportedProgram, values: Sequence[ValueOrigin]) -> None:
    """Hand the written file to the runtime: what converts need not load."""
    try:
        opened(path)
    except InputError as error:
        refused = list(operators(model))[first_refused(model, str(error.__cause__))]
        value = name_of(model.subgraphs[0].tensors[refused.outputs[0]])
        computed = {item.value: item.nodes[-1] for item in values if item.nodes}
        named = [computed.get(value) or value.partition("/")[0]]
        raise refusal("LiteRT", error, program, named, in_words) from error


def _given(lowered: Lowered) -> Signature:
    """The inputs as LiteRT takes them: images as they are asked to lie, whole numbers in 32 bits."""
    is_last = lowered.options["layout"] == "NHWC"
    inputs = tuple(
        replace(_narrowed(spec), channels_last=is_last and spec.name in lowered.preprocessing)
        for spec in lowered.signature.inputs
    )
    return replace(lowered.signature, inputs=inputs)


def _narrowed(spec: TensorSpec) -> TensorSpec:
    if spec.dtype != "int64":
        return spec
    values = spec.values and tuple(max(-(2**31), min(value, 2**31 - 1)) for value in spec.values)
    return replace(spec, dtype="int32", values=values)  # type: ignore[arg-type]


def _converted(lowered: Lowered, signature: Signature) -> bytes:
    """What litert-torch writes."""
    program = lowered.program
    with quiet_natively(_LOGGER) as heard:
        # litert-torch has no public way to convert a program: it traces modules.
        from litert_torch import fx_infra
        from litert_torch._convert import core, litert_converter
        from litert_torch._convert.signature import Signature as Sample

        inputs = {
            spec.name: torch.zeros(spec.written_shape, dtype=getattr(torch, spec.dtype))
            for spec in signature.inputs
        }
        sample = Sample(SIGNATURE, torch.nn.Identity(), (), inputs)
        try:
            decomposed = fx_infra.safe_run_decompositions(
                program, fx_infra.decomp.pre_convert_decomp(), can_skip=False
            )
            write_as_float(decomposed)
            keep_constants_apart(decomposed)
            _turn_images(decomposed, signature)
            decomposed.example_inputs = (tuple(inputs.values()), {})
            _tell_names(decomposed.graph)
            rewritten = core._run_convert_passes(decomposed)
            data: bytes = litert_converter.exported_programs_to_flatbuffer([rewritten], [sample]).to_bytes()
        except Exception as error:  # the converter raises what it stumbles over
            failed = error
        else:
            return data
    raise refusal("litert-torch", failed, program, names_in(f"{heard.text} {failed}"), in_words) from failed


def _turn_images(program: ExportedProgram, signature: Signature) -> None:
    """Inputs whose channels are last are turned before they are read."""
    names = program.graph_signature.user_inputs
    places = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    for name, spec in zip(names, signature.inputs, strict=True):
        if not spec.channels_last:
            continue
        node = places[str(name)]
        value = node.meta["val"]
        with program.graph.inserting_after(node):
            turned = program.graph.call_function(torch.ops.aten.permute.default, (node, _TO_NCHW))
        turned.meta["val"] = value
        node.meta["val"] = value.new_empty(spec.written_shape)
        node.meta.pop("tensor_meta", None)
        node.replace_all_uses_with(turned, delete_user_cb=lambda user, turned=turned: user is not turned)
    program.graph_module.recompile()


def _tell_names(graph: fx.Graph) -> None:
    """Every node is known to the converter by its name in the lowered program, and nothing of this machine is."""
    for node in graph.nodes:
        name = lowered_name_of(node)
        node.meta["nn_module_stack"] = {} if name is None else {"": ("", f"{MARK}{name}")}
        node.meta["stack_trace"] = None


def _values(model: Any, program: ExportedProgram) -> tuple[ValueOrigin, ...]:
    """Where the values come from; each is named by its place among the file's tensors."""
    tensors = model.subgraphs[0].tensors
    found = list(operators(model))
    shapes = {node.name: _shape(node) for node in program.graph.nodes if node.op == "call_function"}
    outputs = _output_names(model, program)
    makers = dict.fromkeys(map(int, model.subgraphs[0].inputs), -1)
    makers |= {place: number for number, item in enumerate(found) for place in item.outputs}
    steps = [_step(item, tensors, outputs, makers) for item in found]
    owned = _owned(program)
    constants = {
        node.name
        for node in program.graph.nodes
        if any(source.op == "get_attr" or source.name in owned for source in node.all_input_nodes)
    }
    names = _without_borrowed(program, found, carried(steps, shapes, constants))
    return value_origins(
        program,
        [
            ({str(place): shape_of(tensors[place]) for place in item.outputs}, nodes)
            for item, nodes in zip(found, names, strict=True)
        ],
    )


def _without_borrowed(
    program: ExportedProgram, found: Sequence[Operator], names: Iterable[Sequence[str]]
) -> list[list[str]]:
    """The nodes that each operator carries, without those that an operator before it has and that what it reads is computed from:
    where the converter exchanges a transpose with what it follows, as in one block after another, it may call the result in the second
    as that in the first."""
    nodes = {node.name: node for node in program.graph.nodes}
    kept: list[list[str]] = []
    carried_by: dict[int, str] = {}  # the last node of each tensor
    seen: set[str] = set()
    for item, carries in zip(found, names, strict=True):
        again = [name for name in carries if name in seen]
        read = {nodes[carried_by[place]] for place in item.inputs if place in carried_by} if again else set()
        earlier = computed_from(read) - read
        kept.append([name for name in carries if name not in again or nodes[name] not in earlier])
        seen.update(kept[-1])
        if kept[-1]:
            carried_by |= dict.fromkeys(item.outputs, kept[-1][-1])
    return kept


def _output_names(model: Any, program: ExportedProgram) -> dict[int, str]:
    """The outputs' tensors have the function's names: here each that of its node, as all others have."""
    (returned,) = program.graph.output_node().args
    places = output_places(model)
    return {place: f"{MARK}{node.name}" for place, node in zip(places, returned, strict=True)}


def _owned(program: ExportedProgram) -> set[str]:
    """The placeholders of what is no input: weights and constants."""
    signature = program.graph_signature
    return {
        *signature.inputs_to_parameters,
        *signature.inputs_to_buffers,
        *signature.inputs_to_lifted_tensor_constants,
    }


def _step(
    operator: Operator, tensors: Sequence[Any], outputs: Mapping[int, str], makers: Mapping[int, int]
) -> Step:
    """``makers`` are the operators by the places of what they give; of the function's inputs -1."""
    place = operator.outputs[0]
    name = outputs.get(place) or name_of(tensors[place])
    reads = tuple(makers[each] for each in operator.inputs if makers.get(each, -1) >= 0)
    has_constants = any(each >= 0 and each not in makers for each in operator.inputs)
    return Step(name, shape_of(tensors[place]), operator.kind in _MOVING, has_constants, reads)


def _shape(node: fx.Node) -> tuple[int, ...] | None:
    value = node.meta.get("val")
    return tuple(map(int, value.shape)) if isinstance(value, torch.Tensor) else None
