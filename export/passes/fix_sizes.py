"""Every size a Python integer: the graph for the signature's shapes and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from cloformer.errors import UnsupportedError
from cloformer.io.words import reason_of

from ..source.origin import Origin
from ..source.signature import TensorSpec
from ..source.stopped import IN_TENSORS
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .rewriter import Rewriter, read_constant

__all__ = ["FixSizes", "fix_sizes"]


@dataclass(frozen=True)
class FixSizes(Pass):
    """Replace every size and number that the graph computes by its value for the given input shapes.

    Formats whose compilers plan memory ahead (Core ML's Neural Engine, ONNX Runtime's arena) want this.
    """

    law: ClassVar[str] = (
        "for inputs of the given shapes, each number in the graph equals the constant put there"
    )
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    inputs: tuple[TensorSpec, ...] = ()

    @property
    def name(self) -> str:
        return "fix_sizes"

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return fix_sizes(rewriter.graph_module, self.inputs)


def fix_sizes(graph_module: fx.GraphModule, inputs: Sequence[TensorSpec]) -> list[Origin]:
    """Run the graph on tensors without data; write each node's value to ``meta["val"]``."""
    specs = iter(inputs)
    sites: list[Origin] = []
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    for node in list(graph_module.graph.nodes):
        constant = read_constant(graph_module, node)  # outside: the mode would make another of it on the way
        with mode:
            value = _value(graph_module, node, constant, specs)
        node.meta["val"] = value
        node.meta.pop("tensor_meta", None)
        if node.op == "call_function" and isinstance(value, (bool, int, float)):
            if node.users:
                sites.append(origin_of(node))
            for user in list(node.users):
                _substitute(user, node, value)
    return sites


def _value(
    graph_module: fx.GraphModule, node: fx.Node, constant: Tensor | None, specs: Iterator[TensorSpec]
) -> Any:
    if node.op == "placeholder":
        spec = next(specs)
        return torch.empty(spec.shape, dtype=getattr(torch, spec.dtype))
    if node.op == "get_attr":
        if constant is None:  # the body of a branch, or of a `with torch.no_grad()`
            return graph_module.get_submodule(str(node.target))
        return torch.empty_like(constant, device="cpu")
    if node.op == "output":
        return None
    args, kwargs = pytree.tree_map_only(fx.Node, lambda item: item.meta["val"], (node.args, node.kwargs))
    try:
        return node.target(*args, **kwargs)  # type: ignore[operator]
    except Exception as error:  # an operator of torch, on tensors that hold no values, raises what it likes
        raise _not_known(node, error) from error


# What torch says of operators that give a number, or a size, which no shape says.
_BY_VALUES = {
    torch.Tag.data_dependent_output: "it makes a number of a tensor's values",
    torch.Tag.dynamic_output_shape: "how many values it gives depends on a tensor's values",
}


def _not_known(node: fx.Node, error: Exception) -> UnsupportedError:
    tags = getattr(node.target, "tags", ())
    reason = next((words for tag, words in _BY_VALUES.items() if tag in tags), reason_of(error))
    return UnsupportedError(
        f"{node.target} cannot be planned ahead: {reason}", f"where: {origin_of(node)}", IN_TENSORS
    )


def _substitute(user: fx.Node, node: fx.Node, value: bool | int | float) -> None:
    user.args, user.kwargs = fx.node.map_arg(
        (user.args, user.kwargs), lambda item: value if item is node else item
    )
