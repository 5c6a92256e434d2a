"""What is inside an ExecuTorch program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch

from cloformer.io.read import decoding

from ..contents import Contents
from .file import Constant, Kernel, Program, Value, read_program
from .steps import graph_of, inner_name, outer_name, results_of

__all__ = ["read_contents"]


def read_contents(path: Path) -> Contents:
    """Raises as :func:`.file.read_program` does."""
    program = read_program(path)
    results: dict[str, str] = {}
    weights: Counter[str] = Counter()
    with decoding(f"{path} as an ExecuTorch program", "export it again"):
        for number, step in program.steps.items():
            if isinstance(step, Kernel):
                results |= _results(program, step)
                continue
            graph = graph_of(program, step)
            for node in graph.nodes:
                results[inner_name(number, node.output)] = _name(graph.values[node.output].dtype)
            weights.update(_counted(item.constant for item in graph.values.values() if item.rounded is None))
    weights.update(_counted(item.tensor for item in program.values if isinstance(item, Constant)))
    return Contents({name: kind for name, kind in results.items() if kind.startswith("float")}, dict(weights))


def _results(program: Program, step: Kernel) -> dict[str, str]:
    entries = {place: program.values[place] for place in results_of(program, step)}
    return {
        outer_name(place): _name(item.dtype) for place, item in entries.items() if isinstance(item, Value)
    }


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _counted(tensors: Iterable[torch.Tensor | None]) -> Counter[str]:
    found: Counter[str] = Counter()
    for tensor in tensors:
        if tensor is not None and tensor.is_floating_point():
            found[_name(tensor.dtype)] += tensor.numel()
    return found
