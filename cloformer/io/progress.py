"""How far a long command has come: what it is at, and the share of the whole that lies behind it, where that is known."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "Stage", "done_of", "part"]


class Stage(str):
    """What a command is at. ``done`` is the share of the whole that lies behind it, from 0 to 1; None if nobody knows."""

    __slots__ = ("done",)
    done: float | None

    def __new__(cls, text: str, done: float | None = None) -> Stage:
        stage = super().__new__(cls, text)
        stage.done = done
        return stage


# What is told of each stage. Plain text is a stage of which nobody knows how far it is.
Progress = Callable[[str], None]


def done_of(stage: str) -> float | None:
    """The share that lies behind a stage; None if nobody knows."""
    return stage.done if isinstance(stage, Stage) else None


def part(progress: Progress, start: float, end: float) -> Progress:
    """``progress`` for what takes from ``start`` to ``end`` of the whole, and counts its own shares from 0 to 1."""

    def told(stage: str) -> None:
        done = done_of(stage)
        progress(Stage(stage, None if done is None else start + (end - start) * min(max(done, 0.0), 1.0)))

    return told
