"""What is stored or computed in whole numbers, as litert-torch is given it: weights as the numbers that they stand for, and its own
operators where values are rounded. It writes ``QUANTIZE`` and ``DEQUANTIZE`` there, and layers in float between them, which
:mod:`.whole_layers` makes layers on whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from ...passes.rewriter import arguments
from ...passes.stored import dequantize, quantize, round_by_range

__all__ = ["OURS", "Stored", "stored_weights", "write_as_float"]

OURS = (dequantize, quantize, round_by_range)  # which litert-torch is given others for
_LEAST, _MOST = -128, 127


@dataclass(frozen=True)
class Stored:
    """The ``scales`` of a weight that is stored in whole numbers, one for each output or one for all; and of a bias that is, its
    whole numbers. ``is_half``: the weight is stored in float16, and the scale is 1. ``by_range``: what the layer reads is
    rounded by its range at each inference, as this kind of operator does it; empty where it is not."""

    scales: Tensor
    bias: Tensor | None = None
    is_half: bool = False
    by_range: str = ""


def stored_weights(program: ExportedProgram) -> dict[str, Stored]:
    """What is stored of each layer, by its name in the program."""
    constants = _constants(program)
    found = {}
    for node in program.graph.nodes:
        given = arguments(node) if isinstance(node.target, torch._ops.OpOverload) else {}
        bias = _stored(given.pop("bias", None), constants)
        weights = [_stored(value, constants) for value in given.values()]
        weight = next((item for item in weights if item is not None), None)
        if weight is not None and node.target not in OURS:
            found[node.name] = Stored(
                weight[1].flatten(),
                None if bias is None else bias[0],
                weight[0].dtype is torch.float16,
                _by_range(node),
            )
    return found


def _by_range(layer: fx.Node) -> str:
    if not any(source.target is round_by_range for source in layer.all_input_nodes):
        return ""
    return "FULLY_CONNECTED" if layer.target is torch.ops.aten.linear.default else "CONV_2D"


def _stored(value: object, constants: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    """The whole numbers and the scales that a constant is made of; None if it is not."""
    if not isinstance(value, fx.Node) or value.target is not dequantize:
        return None
    data, scales = (constants.get(source.name) for source in value.all_input_nodes)
    return None if data is None or scales is None else (data, scales)


def write_as_float(program: ExportedProgram) -> None:
    """Put what litert-torch knows in the place of our operators: of constants the numbers that they stand for, and of what is
    computed torch's own operators."""
    import torch.ao.quantization.fx._decomposed  # which defines them

    library = torch.ops.quantized_decomposed
    constants = _constants(program)
    for node in [node for node in program.graph.nodes if node.target in OURS]:
        if node.target is round_by_range:  # which is a part of the layer in the file
            node.replace_all_uses_with(node.args[0])
            program.graph.erase_node(node)
            continue
        source, scale, *rest = node.args
        if source.name in constants:
            value = dequantize(constants[source.name], constants[scale.name], *rest).float()
            _replace_constant(program, source, value)
            node.replace_all_uses_with(source)
            program.graph.erase_node(node)
            continue
        packet = library.quantize_per_tensor if node.target is quantize else library.dequantize_per_tensor
        steps = float(constants[scale.name]), rest[0] if rest else 0, _LEAST, _MOST, torch.int8
        # Each reader of numbers has its own: litert-torch lays out one for one reader, and stumbles over others.
        for readers in [list(node.users)] if node.target is quantize else [[user] for user in node.users]:
            with program.graph.inserting_before(node):
                made = program.graph.call_function(packet.default, (source, *steps))
            made.meta.update(node.meta)
            for reader in readers:
                reader.replace_input_with(node, made)
        program.graph.erase_node(node)
    program.graph_module.recompile()


def _constants(program: ExportedProgram) -> dict[str, Tensor]:
    """The program's constants by their placeholders."""
    kept: Mapping[str, Any] = {**program.constants, **program.state_dict}
    kinds = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
    specs = [item for item in program.graph_signature.input_specs if item.kind in kinds]
    return {str(item.arg.name): kept[str(item.target)] for item in specs}


def _replace_constant(program: ExportedProgram, place: fx.Node, value: Tensor) -> None:
    (spec,) = (item for item in program.graph_signature.input_specs if item.arg.name == place.name)
    name = str(spec.target)
    if name in program.state_dict:
        program.state_dict[name] = torch.nn.Parameter(value, requires_grad=False)
    else:
        program.constants[name] = value
    place.meta["val"] = place.meta["val"].new_empty(value.shape, dtype=value.dtype)
    place.meta.pop("tensor_meta", None)
