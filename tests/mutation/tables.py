"""Rows of Markdown that count faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from .subject import Trial

__all__ = ["by", "grouped", "missed", "share"]

Item = TypeVar("Item")


def by(
    what: str, counted: Sequence[Trial], key: Callable[[Trial], str], planted: Sequence[Trial]
) -> list[str]:
    """A row for each value of ``key``, and one for all."""
    rows = [
        f"| {what} | planted | counted | caught | named | caught on outputs alone |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    groups = {name: [trial for trial in counted if key(trial) == name] for name, _ in grouped(planted, key)}
    for name, of_it in {**groups, "all": counted}.items():
        numbers = [
            sum(name in (key(trial), "all") for trial in planted),
            len(of_it),
            *(
                sum(getattr(trial, part) for trial in of_it)
                for part in ("caught", "named", "caught_by_outputs")
            ),
        ]
        rows.append(f"| {name} | " + " | ".join(str(number) for number in numbers) + " |")
    return rows


def grouped(items: Iterable[Item], key: Callable[[Item], str]) -> list[tuple[str, list[Item]]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return sorted(groups.items())


def share(items: Sequence[Item], holds: Callable[[Item], bool]) -> float:
    return sum(holds(item) for item in items) / len(items) if items else 0.0


def missed(counted: Iterable[Trial]) -> list[str]:
    """A row for each fault that was not caught, or not named."""
    rows = [
        "| seed | artifact | fault | operator | what was done | change | allowed | missed |",
        "| --: | --- | --- | --- | --- | --: | --: | --- |",
    ]
    for trial in (trial for trial in counted if not (trial.caught and trial.named)):
        how = f"called {trial.first}" if trial.caught else "not caught"
        rows.append(
            f"| {trial.seed} | {trial.subject} | {trial.fault} | {trial.kind} `{trial.value}` | {trial.what} | "
            f"{trial.change:.1f} | {trial.allowed:.1f} | {how} |"
        )
    return rows
