"""What the pages about latency have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..shared.markup import Markup, tag
from ..shared.parts import fact_list, folded
from ..shared.words import count, loads
from .text import megabytes, milliseconds

if TYPE_CHECKING:
    from ...latency.protocol import Protocol
    from ...latency.report import Measurement

__all__ = ["footer", "incomplete", "protocol", "queries", "row_facts", "threads"]


def queries(number: int) -> str:
    """``1,024 queries``."""
    return count(number, "query")


def threads(row: Measurement) -> str:
    """``1 thread``, and where it was kept."""
    return count(row.threads, "thread") + ("" if row.pinned_to is None else ", pinned")


def incomplete(reasons: Sequence[str], so_far: str) -> Markup:
    """What is missing, where it cannot be overlooked; ``so_far`` if nothing says why."""
    lines = [
        tag("p", line.removeprefix("INCOMPLETE: ")) for line in reasons or [f"not finished: {so_far} so far"]
    ]
    return tag("section", tag("h3", "Incomplete"), *lines, class_="divergence", role="alert")


def row_facts(row: Measurement) -> Markup:
    """What was run, and the numbers that are no samples."""
    facts = {
        "Model": f"{row.model} {row.format} {row.precision}, {row.image_size}",
        "Run by": f"{row.title} ({row.runtime})",
        "Options": ", ".join(f"{name} {value}" for name, value in row.options.items()),
        "Load": _unit(row.load_ns),
        "First inference": _unit(row.first_ns),
        "Thrown away": f"{count(row.warm_up_queries, 'query')} to warm up",
        "Peak memory": "" if row.peak_bytes is None else megabytes(row.peak_bytes),
        "Load average": _loads(row),
        "Manifest": tag("code", row.manifest_sha256[:16], title=row.manifest_sha256),
    }
    return fact_list((name, text) for name, text in facts.items() if text)


def protocol(rules: Protocol) -> Markup:
    """By which rules it was measured, folded."""
    facts = [(name.replace("_", " "), _value(value)) for name, value in rules.to_json().items()]
    return folded("Protocol", fact_list(facts))


def footer(rows: Sequence[Measurement]) -> str:
    """What the numbers are of, and what they are not."""
    measured_on = " and ".join(sorted({row.measured_on for row in rows})) or "Nothing"
    return f"Measured on: {measured_on}. The times are this machine's, and hold for no other device; see Environment."


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _unit(time_ns: int | None) -> str:
    return "" if time_ns is None else f"{milliseconds(time_ns / 1e9)} ms"


def _loads(row: Measurement) -> str:
    before, after = (None if load is None else load.average for load in (row.load_before, row.load_after))
    return loads(before, after)
