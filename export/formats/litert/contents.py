"""What is inside a LiteRT model."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from ..contents import Contents
from .file import dtype_of, name_of, operators, read_model, shape_of
from .metadata import read_labels

__all__ = ["read_contents"]


def read_contents(path: Path) -> Contents:
    """Raises as :func:`.file.read_model` does."""
    model = read_model(path)
    tensors = model.subgraphs[0].tensors
    computed = {place for item in operators(model) if item.kind != "CAST" for place in item.outputs}
    results = {
        name_of(tensors[place]): kind
        for place in computed
        if (kind := dtype_of(tensors[place])).startswith("float")
    }
    weights: Counter[str] = Counter()
    for tensor in tensors:
        data, kind = model.buffers[tensor.buffer].data, dtype_of(tensor)
        if data is not None and len(data) and kind.startswith("float"):
            weights[kind] += math.prod(shape_of(tensor))
    return Contents(results, dict(weights), read_labels(path))
