"""The operators a model needs of ONNX Runtime, for a build of it that has no others.

Source: ONNX Runtime, "Reduced operator config file": lines of ``domain;opset;operator,operator``.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

__all__ = ["CONFIG", "required_operators"]

CONFIG = "required_operators.config"
_HEADER = """\
# Written by `cloformer bundle android --reduced-operators`, for a smaller ONNX Runtime:
# build.sh --android ... --include_ops_by_config required_operators.config --skip_tests
# The model's own operators, and those that the optimizer makes of them when the model is loaded.
"""


def required_operators(model: Path) -> str:
    """The configuration for an ONNX file, as its own operators and as ONNX Runtime optimizes them here."""
    import onnx
    import onnxruntime

    found: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(optimized)
        options.log_severity_level = 3  # it warns that the file is for this processor alone
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for path in (model, optimized):
            loaded = onnx.load(path, load_external_data=False)
            opsets = {entry.domain: entry.version for entry in loaded.opset_import}
            for node in _nodes(loaded.graph):
                found[node.domain or "ai.onnx", opsets[node.domain]].add(node.op_type)
    lines = [
        f"{domain};{opset};{','.join(sorted(names))}" for (domain, opset), names in sorted(found.items())
    ]
    return _HEADER + "\n".join(lines) + "\n"


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Those inside other nodes too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _nodes(inner)
