"""Options that count what an inference takes, and hold it to limits."""

from __future__ import annotations

from typing import Annotated

import typer

from ..latency.protocol import AUTO, COUNTERS, Counting

__all__ = [
    "Count",
    "CountOnly",
    "Counter",
    "MaxInstructions",
    "MaxMultiplyAdds",
    "MaxOperators",
    "counting",
]

Count = Annotated[
    bool,
    typer.Option("--count", help="Also count operators, multiply-adds and instructions of an inference."),
]
CountOnly = Annotated[
    bool, typer.Option("--count-only", help="Count, and time nothing: what a busy machine can do.")
]
Counter = Annotated[
    str,
    typer.Option(
        help=f"What counts instructions: {', '.join(COUNTERS)}; {AUTO} takes the first that is there.",
        autocompletion=lambda: [AUTO, *COUNTERS],
    ),
]
MaxInstructions = Annotated[
    int | None, typer.Option(min=1, help="Exit 1 if an inference takes more instructions; implies --count.")
]
MaxOperators = Annotated[
    int | None, typer.Option(min=1, help="Exit 1 if the runtime runs more operators; implies --count.")
]
MaxMultiplyAdds = Annotated[
    int | None, typer.Option(min=1, help="Exit 1 if an inference takes more multiply-adds; implies --count.")
]


def counting(
    count: bool, only: bool, operators: int | None, multiply_adds: int | None, instructions: int | None
) -> Counting | None:
    """What is asked for; None if nothing is to be counted."""
    asked = Counting(
        only=only,
        max_operators=operators,
        max_multiply_adds=multiply_adds,
        max_instructions=instructions,
    )
    return asked if count or only or asked.has_limits else None
