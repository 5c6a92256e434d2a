"""Looking on while a run trains."""

from __future__ import annotations

from collections.abc import Callable

from cloformer.training.logs import Epoch

__all__ = ["Watch"]


class Watch:
    """Calls ``then`` with the number of each finished step, from 1 on."""

    def __init__(self, then: Callable[[int], object] = lambda _: None) -> None:
        self.then, self.steps, self.said, self.epochs = then, 0, [], []  # type: ignore[var-annotated]

    def say(self, words: str) -> None:
        self.said.append(words)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self.steps += 1
        self.then(self.steps)

    def epoch(self, row: Epoch, epochs: int) -> None:
        self.epochs.append(row.epoch)
