"""How ONNX Runtime would share a model out between a provider and the processor, estimated from the file alone.

It asks a provider for the operators that it takes before it fuses anything itself, so that the file's own operators are those that are
asked about. What it inserts (changes of layout, copies) is not known here.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from cloformer.io.read import decoding

from .file import inferred, read_onnx
from .provider_operators import TAKERS, Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PartitionEstimate", "estimate_partitions", "run_order"]

_QUANTIZED = (
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
)


@dataclass(frozen=True)
class PartitionEstimate:
    """An estimate: ``taken`` of ``operators`` would run on the provider; a partition is operators that run one after another on the
    same side, the processor's too. ``left`` are the kinds that stay on the processor, most first. Without an estimate,
    ``why_not`` says why."""

    provider: str
    title: str
    source: str
    operators: int = 0
    taken: int = 0
    partitions: int = 0
    left: tuple[tuple[str, int], ...] = ()
    why_not: str | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "provider": self.provider,
            "operators": self.operators,
            "taken": self.taken,
            "partitions": self.partitions,
            "left": [{"operator": name, "count": count} for name, count in self.left],
            "source": self.source,
            "why_not": self.why_not,
        }


def estimate_partitions(path: Path, provider: str) -> PartitionEstimate:
    """For a ``provider`` of :data:`.provider_operators.TAKERS`.

    Raises :class:`InputError` for a file that is no sound ONNX model.
    """
    taker, model = TAKERS[provider], read_onnx(path)
    empty = PartitionEstimate(provider, taker.title, taker.source)
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    quantized = next((node.op_type for node in nodes if node.op_type in _QUANTIZED), None)
    if quantized is not None or not nodes:
        why = (
            "it has no operator"
            if quantized is None
            else f"it is quantized ({quantized}), and what providers take of that is not known here"
        )
        return PartitionEstimate(empty.provider, empty.title, empty.source, why_not=why)
    with decoding(f"{path} as a sound ONNX model", "export it again"):
        seen = _seen(model, nodes)
    taken = [item is not None and taker.takes(item) for item in seen]
    producer = {name: place for place, node in enumerate(nodes) for name in node.output}
    for place, item in enumerate(seen):
        before = producer.get(nodes[place].input[0]) if nodes[place].input else None
        if item is not None and before is not None and taken[before] and taker.joins(item):
            taken[place] = True
    order = run_order([[producer[name] for name in node.input if name in producer] for node in nodes])
    left = Counter(node.op_type for node, is_taken in zip(nodes, taken, strict=True) if not is_taken)
    return PartitionEstimate(
        provider,
        taker.title,
        taker.source,
        operators=len(nodes),
        taken=sum(taken),
        partitions=len(list(itertools.groupby(taken[place] for place in order))),
        left=tuple(left.most_common()),
    )


def run_order(inputs: Sequence[Sequence[int]]) -> list[int]:
    """The order in which ONNX Runtime runs operators one by one, by the places of those that each reads from: from the last ones
    backwards, first through what was written last, each after all that it needs.

    Source: ``Graph::ReverseDFSFrom`` with the order of ``GraphViewer``.
    """
    read = set(itertools.chain.from_iterable(inputs))
    waiting = [(place, False) for place in range(len(inputs)) if place not in read]
    met: set[int] = set()
    order: list[int] = []
    while waiting:
        place, is_left = waiting.pop()
        if is_left:
            order.append(place)
        elif place not in met:
            met.add(place)
            waiting.append((place, True))
            waiting += [(before, False) for before in sorted(set(inputs[place])) if before not in met]
    return order


def _seen(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> list[Seen | None]:
    """Each operator of the standard as the tables look at it; None for those of other domains."""
    graph = inferred(model)
    shapes: dict[str, tuple[int, ...] | None] = {}
    types: dict[str, int] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        types[value.name] = kind.elem_type
        known = kind.HasField("shape") and all(item.HasField("dim_value") for item in kind.shape.dim)
        shapes[value.name] = tuple(item.dim_value for item in kind.shape.dim) if known else None
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants.update((node.output[0], item.t) for item in node.attribute if item.name == "value")
    for name, tensor in constants.items():
        shapes[name], types[name] = tuple(tensor.dims), tensor.data_type
    readers = Counter(name for node in nodes for name in node.input)
    readers.update(item.name for item in model.graph.output)
    made_by = {name: node.op_type for node in nodes for name in node.output}
    opset = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 1)

    def look(node: onnx.NodeProto) -> Seen | None:
        if node.domain not in ("", "ai.onnx"):
            return None
        first = node.input[0] if node.input else ""
        return Seen(
            operator=node.op_type,
            opset=opset,
            shapes=tuple(shapes.get(name) for name in node.input),
            types=tuple(types.get(name) for name in node.input),
            constant=tuple(not name or name in constants for name in node.input),
            attributes={item.name: onnx.helper.get_attribute_value(item) for item in node.attribute},
            outputs=sum(bool(name) for name in node.output),
            behind=made_by.get(first) if readers[first] == 1 else None,
            output_shape=shapes.get(node.output[0]) if node.output else None,
            scales=_scales(node, constants),
        )

    return [look(node) for node in nodes]


def _scales(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> tuple[float, ...] | None:
    """Of a resize that says them."""
    name = node.input[2] if node.op_type == "Resize" and len(node.input) > 2 else ""
    if name not in constants:
        return None
    values = onnx.numpy_helper.to_array(constants[name]).ravel().tolist()
    return tuple(map(float, values)) or None
