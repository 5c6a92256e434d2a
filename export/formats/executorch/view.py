"""The operators of an ExecuTorch program in common words: those of the runtime, and those that its delegate is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from torch import Tensor

from cloformer.io.read import decoding

from ...source.arrays import Array
from ..view import ConstantView, FileView, Kind, OperatorView, ValueView
from .file import Constant, Kernel, Program, Value, read_program
from .operators import operands
from .payload import Graph, Node
from .steps import graph_of, inner_name, outer_name, results_of

__all__ = ["read_view"]

# Of XNNPACK, and of torch's operators by their names without overloads.
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("Conv2d", "DepthwiseConv2d", "aten::convolution"), Kind.CONVOLUTION),
    **dict.fromkeys(("BatchMatrixMultiply", "aten::bmm", "aten::mm"), Kind.PRODUCT),
    **dict.fromkeys(("Softmax", "aten::_softmax"), Kind.SOFTMAX),
    **dict.fromkeys(
        ("StaticReshape", "StaticTranspose", "StaticConstantPad", "aten::permute_copy", "aten::view_copy"),
        Kind.MOVE,
    ),
    **dict.fromkeys(("aten::argmax", "ArgMaxPooling2d"), Kind.ARGMAX),
    **dict.fromkeys(("aten::index_select", "aten::embedding", "aten::gather"), Kind.GATHER),
    "FullyConnected": Kind.LAYER,
    "aten::topk": Kind.TOPK,
}
_DEPTHWISE = "DepthwiseConv2d"


def read_view(path: Path) -> FileView:
    """Raises as :func:`.file.read_program` does."""
    program = read_program(path)
    operators: list[OperatorView] = []
    values: dict[str, ValueView] = {}
    with decoding(f"{path} as an ExecuTorch program", "export it again"):
        for place, entry in enumerate(program.values):
            if isinstance(entry, Value):
                values[outer_name(place)] = ValueView(tuple(entry.shape), _name(entry.dtype))
        for number, step in program.steps.items():
            if isinstance(step, Kernel):
                operators.append(_of_kernel(program, step, values))
                continue
            graph = graph_of(program, step)
            for place, item in graph.values.items():
                if item.constant is None:
                    values[inner_name(number, place)] = ValueView(item.shape, _name(item.dtype))
            operators += _of_delegate(graph, number, values)
    return FileView(tuple(operators), values, tuple(map(outer_name, program.outputs)))


def _of_kernel(program: Program, step: Kernel, values: Mapping[str, ValueView]) -> OperatorView:
    name, made = step.name.partition(".")[0], tuple(map(outer_name, results_of(program, step)))
    given = tuple(outer_name(place) for place in step.arguments if outer_name(place) in values)
    held = ((place, program.values[place]) for place in step.arguments)
    return OperatorView(
        _KINDS.get(name, Kind.OTHER),
        step.name,
        tuple(item for item in given if item not in made),
        made,
        constants=tuple(
            _stored(outer_name(place), item.tensor) for place, item in held if isinstance(item, Constant)
        ),
    )


def _of_delegate(graph: Graph, number: int, values: Mapping[str, ValueView]) -> Iterator[OperatorView]:
    for node in graph.nodes:
        places = operands(node)
        given = (inner_name(number, place) for place in places)
        held = ((place, graph.values[place]) for place in places if place in graph.values)
        yield OperatorView(
            _KINDS.get(node.kind, Kind.OTHER),
            node.kind,
            tuple(name for name in given if name in values),
            (inner_name(number, node.output),),
            _sizes(graph, node),
            words=frozenset({"depthwise"} if node.kind == _DEPTHWISE else ()),
            constants=tuple(
                _stored(
                    inner_name(number, place),
                    item.constant if item.rounded is None else item.rounded.whole(item.constant),
                )
                for place, item in held
                if item.constant is not None
            ),
        )


def _stored(name: str, tensor: Tensor) -> ConstantView:
    size = tensor.numel() * tensor.element_size()
    return ConstantView(name, name, tuple(tensor.shape), _name(tensor.dtype), size, partial(_array, tensor))


def _array(tensor: Tensor) -> Array:
    return tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy()


def _sizes(graph: Graph, node: Node) -> dict[str, tuple[int, ...]]:
    """Of a convolution, the rows and columns of its filter, which stand between its outer axes."""
    if _KINDS.get(node.kind) is not Kind.CONVOLUTION:
        return {}
    return {"kernel": graph.values[node.fields.whole("filter_id")].shape[1:-1]}


def _name(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")
