"""The operators a model needs of ONNX Runtime, for a build of it that has no others.

Source: ONNX Runtime, "Reduced operator config file": lines of ``domain;opset;operator,operator``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["CONFIG", "required_operators"]

CONFIG = "required_operators.config"
_HEADER = """\
# Written by `cloformer bundle android --reduced-operators`, for a smaller ONNX Runtime:
# build.sh --android ... --include_ops_by_config required_operators.config --skip_tests
# The model's own operators, and those that the optimizer makes of them when the model is loaded.
"""


def required_operators(artifact: Artifact) -> str:
    """The configuration for an ONNX artifact, as its own operators and as ONNX Runtime optimizes them here.

    Raises :class:`InputError` for a file that ONNX Runtime cannot load.
    """
    from ..formats.onnx.runner import OnnxRuntimeRunner

    found: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for model in OnnxRuntimeRunner(artifact.model).graphs():
        opsets = {entry.domain: entry.version for entry in model.opset_import}
        for node in _nodes(model.graph):
            found[node.domain or "ai.onnx", opsets[node.domain]].add(node.op_type)
    lines = [
        f"{domain};{opset};{','.join(sorted(names))}" for (domain, opset), names in sorted(found.items())
    ]
    return _HEADER + "\n".join(lines) + "\n"


def _nodes(graph: Any) -> Iterator[Any]:
    """Those inside other nodes too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _nodes(inner)
