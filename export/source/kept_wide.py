"""What of a float16 program is computed in float32 because it is about places in an image: float16 has 2048 of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .signature import TensorSpec
from .trace import computed_from, origin_of

if TYPE_CHECKING:
    from torch import fx
    from torch.export import ExportedProgram

__all__ = ["kept_wide"]

_PLACES = ("boxes", "keypoints")
_SUPPRESSION = f"{__package__}.suppression:"
# What computes the numbers that places are made of: their own rounding is a network's, as all of it.
_LAYERS = (
    "conv",
    "linear",
    "matmul",
    "mm.",
    "bmm.",
    "addmm",
    "baddbmm",
    "lstm",
    "gru",
    "rnn",
    "scaled_dot_product",
)


def kept_wide(program: ExportedProgram, outputs: Sequence[TensorSpec]) -> list[str]:
    """The nodes of a lowered program from its last layers to boxes and keypoints, and all of a suppression, by name."""
    returned = program.graph.output_node().args[0]
    assert isinstance(returned, (list, tuple))
    nodes = [node for node, spec in zip(returned, outputs, strict=True) if spec.role in _PLACES]
    return [node.name for node in _wide(program, nodes)]


def _wide(program: ExportedProgram, places: Sequence[fx.Node]) -> Iterator[fx.Node]:
    leading = computed_from(places, past=lambda node: not _is_a_layer(node))
    for node in program.graph.nodes:
        is_suppressing = origin_of(node).location.startswith(_SUPPRESSION)
        if node.op == "call_function" and (is_suppressing or (node in leading and not _is_a_layer(node))):
            yield node


def _is_a_layer(node: fx.Node) -> bool:
    if origin_of(node).location.startswith(_SUPPRESSION):
        return False
    name = str(node.target).removeprefix("aten.")
    return node.op == "call_function" and name.startswith(_LAYERS)
