"""A float32 model with its numbers stored and computed in float16; what it takes and gives stays float32, unless asked."""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from .beyond_half import LARGEST, needs_wide
from .file import inferred
from .half_types import takes_half

__all__ = ["halved"]

_SMALLEST = float(np.finfo(np.float16).smallest_subnormal)
_SCALE, _HALVES = 0.5**0.5, 0.5
# Attributes that say which type an operator gives.
_TYPES = {"Cast": "to", "EyeLike": "dtype", "RandomNormalLike": "dtype", "RandomUniformLike": "dtype"}


def halved(model: onnx.ModelProto, kept: Container[str] = (), *, outside: bool = False) -> onnx.ModelProto:
    """A copy in which every operator computes in float16 but those that give a value of ``kept``, and operands that ONNX has
    in float32 alone, as the factors of ``Resize``.

    Inputs and outputs of float32 are cast behind the first and before the second; of an output, the value inside is called
    "NAME_in_float16". ``outside``, they are float16 themselves, and an output that is computed in float32 is cast, from
    "NAME_in_float32". Constants are rounded, and finite ones that float16 ends before become its largest number; where that
    would be another operator, its operands are cast to float32, and its result, "NAME_before_rounding", to float16. A lone number
    that float16 would make zero, as what is added before a division, becomes its smallest, unless it is but a factor.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    _Halving(half, kept, outside).run()
    return half


class _Halving:
    def __init__(self, model: onnx.ModelProto, kept: Container[str], outside: bool) -> None:
        self.graph, self.kept, self.outside = model.graph, kept, outside
        self.opset = next(entry.version for entry in model.opset_import if not entry.domain)
        kinds = inferred(model)
        self.floats = {
            info.name
            for info in (*kinds.value_info, *kinds.input, *kinds.output)
            if info.type.tensor_type.elem_type == TensorProto.FLOAT
        }
        self.constants = {
            item.name: item for item in self.graph.initializer if item.data_type == TensorProto.FLOAT
        }
        self.wide = needs_wide(self.graph, self.constants, self.floats)
        readers = [(name, node.op_type) for node in self.graph.node for name in node.input]
        self.factors = {name for name, kind in readers if kind == "Mul"} - {
            name for name, kind in readers if kind != "Mul"
        }
        self.halves: set[str] = set()  # values that are computed in float16
        self.made: dict[
            tuple[str, bool], str
        ] = {}  # the same value in the other type, by whether it is float16
        self.nodes: list[NodeProto] = []

    def run(self) -> None:
        outputs = {output.name for output in self.graph.output} & self.floats
        # What an output is called before it is cast.
        inside = self._narrow_outside(outputs) if self.outside else {}
        for node in self._nodes():
            is_kept = any(name in self.kept for name in node.output)
            takes, gives = takes_half(node, self.opset)
            is_wide = not is_kept and any(name in self.wide for name in node.output)
            node.input[:] = [inside.get(name, name) for name in node.input]
            node.input[:] = [
                self._as(name, half=can_be and not is_kept and not is_wide) if self._is_number(name) else name
                for name, can_be in zip(node.input, takes, strict=True)
            ]
            if any(gives) and not is_kept and not is_wide:
                _retype(node)
            self.nodes.append(node)
            for place, can_be in enumerate(gives):
                name, is_half = node.output[place], can_be and not is_kept
                is_other = name in outputs and is_half != self.outside
                if is_other:
                    node.output[place] = inside[name] = f"{name}_in_float{16 if is_half else 32}"
                if name in self.floats:
                    (self.halves if is_half else self.floats).add(node.output[place])
                    if is_half and is_wide:
                        self._round(node, place)
                if is_other:
                    self._cast(inside[name], name, TensorProto.FLOAT16 if self.outside else TensorProto.FLOAT)
        del self.graph.node[:], self.graph.value_info[:]
        self.graph.node.extend(self.nodes)
        read = {name for node in self.nodes for name in node.input} | {
            item.name for item in self.graph.output
        }
        unread = [item for item in self.graph.initializer if item.name not in read]
        for item in unread:
            self.graph.initializer.remove(item)

    def _round(self, node: NodeProto, place: int) -> None:
        """What the last node computes in float32, in float16; a product that it ends before, as with -1e9, is the largest number."""
        name = node.output[place]
        wide = node.output[place] = f"{name}_before_rounding"
        if node.op_type != "Mul":
            self._cast(wide, name, TensorProto.FLOAT16)
            return
        self._cast(wide, f"{wide}_cast", TensorProto.FLOAT16)
        bounds = [self._as(self._number(value), half=True) for value in (-LARGEST, LARGEST)]
        self.nodes.append(helper.make_node("Clip", [f"{wide}_cast", *bounds], [name], name=f"{wide}_clip"))

    def _narrow_outside(self, outputs: Container[str]) -> dict[str, str]:
        """Inputs and outputs in float16. Gives the names by which nodes read what is an output and a constant."""
        for info in (*self.graph.input, *self.graph.output):
            if info.name in self.floats:
                info.type.tensor_type.elem_type = TensorProto.FLOAT16
        self.halves.update(info.name for info in self.graph.input if info.name in self.floats)
        given = [item for item in self.constants.values() if item.name in outputs]
        for item in given:
            wide = self.graph.initializer.add()
            wide.CopyFrom(item)
            wide.name = f"{item.name}_in_float32"
            self.constants[wide.name] = wide
            item.CopyFrom(_rounded(item, item.name))
        return {item.name: f"{item.name}_in_float32" for item in given}

    def _nodes(self) -> Iterator[NodeProto]:
        """The graph's, with GELU written out: of the operator ONNX Runtime makes another, which its library for arm64 has no
        kernel for in float16, and does not load the file."""
        for node in self.graph.node:
            is_exact = all(item.s != b"tanh" for item in node.attribute)
            if node.op_type == "Gelu" and is_exact and not any(name in self.kept for name in node.output):
                yield from self._gelu(node)
            else:
                yield node

    def _gelu(self, node: NodeProto) -> Iterator[NodeProto]:
        """x (erf(x / sqrt 2) / 2 + 1 / 2)"""
        (x,), (y,) = node.input, node.output
        steps = ("Mul", x, _SCALE), ("Erf", None, None), ("Mul", None, _HALVES), ("Add", None, _HALVES)
        value = x
        for number, (kind, first, constant) in enumerate(steps):
            name = f"{y}_part_{number}"
            self.floats.add(name)
            read = [first or value, *([] if constant is None else [self._number(constant)])]
            yield helper.make_node(kind, read, [name], name=f"node_{name}")
            value = name
        yield helper.make_node("Mul", [x, value], [y], name=node.name)

    def _number(self, value: float) -> str:
        name = f"number_{value:.8f}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(value, np.float32), name)
        return name

    def _is_number(self, name: str) -> bool:
        return name in self.constants or name in self.floats or name in self.halves

    def _as(self, name: str, *, half: bool) -> str:
        """The value's name in float16 or in float32."""
        if half == (name in self.halves):
            return name
        if (name, half) not in self.made:
            other = f"{name}_in_float16" if half else f"{name}_in_float32"
            self.made[name, half] = other
            if name in self.constants:
                least = 0.0 if name in self.factors else _SMALLEST
                self.graph.initializer.append(_rounded(self.constants[name], other, least))
            else:
                self._cast(name, other, TensorProto.FLOAT16 if half else TensorProto.FLOAT)
        return self.made[name, half]

    def _cast(self, name: str, other: str, kind: int) -> None:
        self.nodes.append(helper.make_node("Cast", [name], [other], name=f"{other}_cast", to=kind))


def _retype(node: NodeProto) -> None:
    """Attributes of float32, in float16."""
    for attribute in node.attribute:
        if attribute.name == _TYPES.get(node.op_type) and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif attribute.type == AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_rounded(attribute.t, attribute.t.name))


def _rounded(tensor: TensorProto, name: str, least: float = 0.0) -> TensorProto:
    """``least`` is what a lone number becomes that float16 would make zero."""
    values = numpy_helper.to_array(tensor)
    finite = np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), values)
    halves = finite.astype(np.float16)
    if halves.size == 1 and not halves.any():
        halves = np.where(values == 0, halves, np.copysign(least, values)).astype(np.float16)
    return numpy_helper.from_array(halves, name)
