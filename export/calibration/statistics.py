"""What is known of a value's numbers over many images: the lowest, the highest, and how many lie where between them.

Two passes over the images: the first finds the ends, so that the second counts into bins that are the same whatever the order
of the images is. Each image is computed by itself, so that no number depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, fx

from cloformer.io.progress import Progress, Stage

__all__ = ["BINS", "Statistics", "collect"]

BINS = 2048
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Statistics:
    """``counts`` are of :data:`BINS` bins of one width from ``low`` to ``high``, between which zero lies."""

    low: float
    high: float
    counts: Counts

    @property
    def centers(self) -> npt.NDArray[np.float64]:
        """The middle of every bin."""
        edges = np.linspace(self.low, self.high, BINS + 1)
        return (edges[1:] + edges[:-1]) / 2


def collect(
    graph_module: fx.GraphModule,
    names: Sequence[str],
    batches: Callable[[], Iterable[Sequence[Tensor]]],
    count: int,
    progress: Progress = lambda _: None,
) -> dict[str, Statistics]:
    """The statistics of the values of those names, by name. ``batches`` gives the graph's inputs, ``count`` times, anew each
    time it is called.

    A number that is not finite is counted as none: it says nothing of a range.
    """
    ends = dict.fromkeys(names, (0.0, 0.0))
    found = {name: np.zeros(BINS, np.int64) for name in names}

    def widen(name: str, value: Tensor) -> None:
        low, high = ends[name]
        ends[name] = min(low, float(value.min())), max(high, float(value.max()))

    def add(name: str, value: Tensor) -> None:
        low, high = ends[name]
        if low < high:
            found[name] += torch.histc(value, BINS, low, high).numpy().astype(np.int64)

    for half, told in enumerate((widen, add)):
        watching = _Watching(graph_module, set(names), told)
        for number, inputs in enumerate(batches()):
            progress(Stage(f"calibrating: image {number + 1} of {count}", (half + number / count) / 2))
            with torch.no_grad():
                watching.run(*inputs)
    return {name: Statistics(*ends[name], found[name]) for name in names}


class _Watching(fx.Interpreter):
    """Runs a graph and tells the finite numbers, in float32, of each value whose name is wanted."""

    def __init__(
        self, graph_module: fx.GraphModule, names: set[str], told: Callable[[str, Tensor], None]
    ) -> None:
        super().__init__(graph_module)
        self.names, self.told = names, told

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if n.name in self.names and isinstance(value, Tensor):
            numbers = value.float().flatten()
            numbers = numbers[numbers.isfinite()]
            if numbers.numel():
                self.told(n.name, numbers)
        return value
