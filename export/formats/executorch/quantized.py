"""Layers on whole numbers, as ExecuTorch's delegate takes them.

XNNPACK computes a layer on whole numbers where its input and its weight come from ``dequantize``, and where ``quantize`` alone
reads what it gives, or a clip that it takes into itself does. Each such layer reads a ``dequantize`` of its own: what the delegate
makes a part of one layer is no number any more for another reader. All other weights are given to it as the numbers that they stand
for, since it would compute them again at every inference, or leave them outside.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram

from ...passes.layers import LAYERS, TRANSPOSED
from ...passes.rewriter import arguments
from ...passes.stored import dequantize, quantize, rounded_value

__all__ = ["as_the_delegate_has_it"]

_aten = torch.ops.aten
_LAYERS = (_aten.conv2d.default, _aten.conv2d.padding, _aten.linear.default)
_PRODUCTS = (_aten.addmm.default, _aten.bmm.default, _aten.matmul.default, _aten.mm.default)
_RANGE = (-128, 127, torch.int8)
_MOST_STEPS = 256.0  # of the result that one of the products may be: XNNPACK does not load what is more


def as_the_delegate_has_it(program: ExportedProgram) -> ExportedProgram:
    """The program with ExecuTorch's operators in the place of ours, and with weights that nothing but layers reads; itself, where it
    is that already."""
    if any(node.target in (dequantize, quantize) for node in program.graph.nodes):
        program = _with_its_operators(program)
    if not any(map(_is_read_by_others, program.graph.nodes)):
        return program
    writing = _Writing.of(program)
    for weight in [
        node for node in writing.program.graph.nodes if writing.is_constant(node) and _is_read_by_others(node)
    ]:
        writing.give_own(weight)
    writing.program.graph_module.recompile()
    return writing.program


def _is_read_by_others(node: fx.Node) -> bool:
    """Whether it is a constant of a layer or of a product that something else reads too: the delegate packs what these read and then
    gives it up, so that what else reads it ends the process."""
    is_layer = [_is_layer_of(reader, node) for reader in node.users]
    is_packed = any(is_layer) or any(reader.target in _PRODUCTS for reader in node.users)
    return node.op == "placeholder" and is_packed and len(is_layer) > 1 and not all(is_layer)


def _is_layer_of(reader: fx.Node, constant: fx.Node) -> bool:
    if reader.target not in (*LAYERS, *TRANSPOSED):
        return False
    given = arguments(reader)
    return constant in (given.get("weight"), given.get("bias")) and constant is not given.get("input")


def _with_its_operators(program: ExportedProgram) -> ExportedProgram:
    import torch.ao.quantization.fx._decomposed  # noqa: F401 - which defines its operators

    writing = _Writing.of(program)
    for node in [node for node in writing.program.graph.nodes if node.target in _LAYERS]:
        if writing.is_on_whole_numbers(node):
            writing.write_layer(node)
    for node in [node for node in writing.program.graph.nodes if node.target in (quantize, dequantize)]:
        writing.write(node)
    writing.leave_out_unread()
    return writing.program


@dataclass(frozen=True)
class _Writing:
    """A copy of a program under change; its tensors are those of the program that it was made of."""

    program: ExportedProgram
    library: Any

    @classmethod
    def of(cls, program: ExportedProgram) -> _Writing:
        graph = copy.deepcopy(program.graph)
        made = ExportedProgram(
            root=fx.GraphModule(program.graph_module, graph),
            graph=graph,
            graph_signature=copy.deepcopy(program.graph_signature),
            state_dict=dict(program.state_dict),
            range_constraints=program.range_constraints,
            module_call_graph=copy.deepcopy(program.module_call_graph),
            example_inputs=program.example_inputs,
            constants=dict(program.constants),
            verifiers=program.verifiers,
        )
        return cls(made, torch.ops.quantized_decomposed)

    def is_on_whole_numbers(self, layer: fx.Node) -> bool:
        """Whether the delegate can take the layer's input, weight and result as whole numbers."""
        given = arguments(layer)
        value, weight, bias = (given.get(name) for name in ("input", "weight", "bias"))
        made = _rounded(layer)
        if made is None or not isinstance(value, fx.Node) or rounded_value(value) is None:
            return False
        if not isinstance(weight, fx.Node) or not self._is_stored(weight):
            return False
        if bias is not None and not self._is_stored(bias):
            return False
        scales = self._constant(weight.all_input_nodes[1]).double() * float(self._constant(value.args[1]))
        return float(scales.max()) < _MOST_STEPS * float(self._constant(made.args[1]))

    def write_layer(self, layer: fx.Node) -> None:
        """Give the layer operands of its own, as the delegate takes them."""
        given = arguments(layer)
        value, weight, bias = given["input"], given["weight"], given.get("bias")
        data, scales = (self._constant(item) for item in weight.all_input_nodes)
        flat = scales.flatten().contiguous()
        with self.program.graph.inserting_before(layer):
            own = self._call(self.library.dequantize_per_tensor.default, value, *self._steps(value))
        kept = [
            self._new(weight, f"{layer.name}_{name}", tensor)
            for name, tensor in (("data", data), ("scales", flat), ("zeros", torch.zeros_like(flat).long()))
        ]
        with self.program.graph.inserting_before(layer):
            stored = self._call(self.library.dequantize_per_channel.default, weight, *kept, 0, *_RANGE)
        layer.update_arg(0, own)
        layer.update_arg(1, stored)
        if bias is not None:
            layer.update_arg(2, self._new(bias, f"{layer.name}_bias", self._number(bias)))

    def write(self, node: fx.Node) -> None:
        """What no layer on whole numbers has taken."""
        if not node.users:
            return
        if self._is_stored(node):
            made = self._new(node, f"{node.name}_number", self._number(node))
        else:
            kind = (
                self.library.quantize_per_tensor
                if node.target is quantize
                else self.library.dequantize_per_tensor
            )
            with self.program.graph.inserting_before(node):
                made = self._call(kind.default, node, *self._steps(node))
        readers = list(node.users)
        for reader in readers:
            # The delegate turns the axes of what is an output, and forgets that another reads them as they were.
            is_own = reader.op == "output" and len(readers) > 1 and node.target is dequantize
            reader.replace_input_with(node, self._copied(made) if is_own else made)

    def _copied(self, node: fx.Node) -> fx.Node:
        with self.program.graph.inserting_after(node):
            return self._call(node.target, node, *node.args)

    def give_own(self, weight: fx.Node) -> None:
        """Let each that is no layer read a constant of its own in the place of this one. The file has equal ones once."""
        for reader in [item for item in weight.users if not _is_layer_of(item, weight)]:
            own = self._new(weight, f"{weight.name}_of_{reader.name}", self._constant(weight).clone())
            reader.replace_input_with(weight, own)

    def leave_out_unread(self) -> None:
        """Nodes of ours, and constants, that nothing reads any more."""
        from executorch.backends.transforms.utils import delete_constant_placeholder

        graph = self.program.graph
        for node in reversed(list(graph.nodes)):
            if not node.users and node.target in (dequantize, quantize):
                graph.erase_node(node)
        for node in [node for node in graph.nodes if node.op == "placeholder" and not node.users]:
            if self.is_constant(node):
                delete_constant_placeholder(self.program, node)
        self.program.graph_module.recompile()

    def _call(self, operator: Any, like: fx.Node, *given: Any) -> fx.Node:
        made: fx.Node = self.program.graph.call_function(operator, given)
        made.meta.update(like.meta)
        return made

    def _steps(self, node: fx.Node) -> tuple[Any, ...]:
        """What is rounded, or made a number again, and by which steps."""
        source, scale, *zero = node.args
        return source, float(self._constant(scale)), zero[0] if zero else 0, *_RANGE

    def _new(self, like: fx.Node, name: str, value: Tensor) -> fx.Node:
        from executorch.backends.transforms.utils import create_constant_placeholder
        from torch.export.graph_signature import InputKind

        first = next(iter(self.program.graph.nodes))
        with self.program.graph.inserting_before(first):
            made: fx.Node = create_constant_placeholder(
                self.program, self.program.graph, name, InputKind.CONSTANT_TENSOR, value
            )
        made.meta["custom"] = like.meta.get("custom") or {}
        return made

    def _number(self, node: fx.Node) -> Tensor:
        """What a stored constant stands for."""
        found: Tensor = dequantize(*(self._constant(item) for item in node.all_input_nodes))
        return found.float().contiguous()

    def _is_stored(self, node: object) -> bool:
        return (
            isinstance(node, fx.Node)
            and node.target is dequantize
            and all(map(self.is_constant, node.all_input_nodes))
        )

    def is_constant(self, node: fx.Node) -> bool:
        from torch._export.utils import is_buffer, is_lifted_tensor_constant, is_param

        return any(is_it(self.program, node) for is_it in (is_param, is_buffer, is_lifted_tensor_constant))

    def _constant(self, node: Any) -> Tensor:
        from executorch.backends.transforms.utils import get_param_tensor

        found = get_param_tensor(self.program, node)
        assert isinstance(found, Tensor)
        return found.detach()


def _rounded(layer: fx.Node) -> fx.Node | None:
    """What alone rounds the layer's result; None if it has other readers, or a clip that the delegate does not take with it."""
    last = layer
    for _ in range(2):
        if len(last.users) != 1:
            return None
        (reader,) = last.users
        if reader.target is quantize:
            return reader
        if last is not layer or not _is_taken(reader):
            return None
        last = reader
    return None


def _is_taken(node: fx.Node) -> bool:
    return node.target in (_aten.relu.default, _aten.hardtanh.default, _aten.relu6.default)
