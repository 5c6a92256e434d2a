"""The operators that ONNX Runtime needs for a model: the model's own, and those that its optimizer makes of them."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from ..runner import ModelFile
from .runner import OnnxRuntimeRunner

__all__ = ["required_operators"]


def required_operators(model: ModelFile) -> dict[tuple[str, int], set[str]]:
    """Types of operators by their domain and its version, as ONNX Runtime optimizes the model on this machine.

    Raises :class:`InputError` for a file that ONNX Runtime cannot load.
    """
    found: dict[tuple[str, int], set[str]] = {}
    for graph_model in OnnxRuntimeRunner(model).graphs():
        versions = {entry.domain: entry.version for entry in graph_model.opset_import}
        for node in _nodes(graph_model.graph):
            key = (node.domain or "ai.onnx", versions[node.domain])
            found.setdefault(key, set()).add(node.op_type)
    return found


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Those inside other nodes too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _nodes(inner)
