"""Instructions by operator on the emulated device, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...latency.placed import OPERATORS_RUN
from ..shared.table import Column
from ..shared.words import count, plain, wrapped
from .listing import Listing, millions

if TYPE_CHECKING:
    from ...device.operator_counts import InstructionGroup, InstructionProfile

__all__ = ["EXACT", "made_for", "mega", "per_multiply_add", "render", "versions", "whole"]

EXACT = "an emulated core's work, exact; no phone's, and no time"
_COLUMNS = (
    Column("M instr", 10, 0), Column("share", 8, 0), Column("M mult-adds", 13, 1), Column("per mult-add", 14, 2),
)  # fmt: skip


def render(report: InstructionProfile, *, depth: int, top: int) -> str:
    """Modules down to ``depth``, types of operators, and the ``top`` dearest operators; what is cut is counted."""
    return "\n".join(
        [
            *_head(report),
            "",
            *_LISTING.groups(f"module, to depth {depth}", report.by_module(depth)),
            "",
            *_LISTING.groups("type of operator", report.by_type()),
            "",
            *_LISTING.operators("dearest operators", report.by_operator(), top, _together),
            "",
            *_end(report),
        ]
    )


def mega(instructions: int) -> str:
    """Instructions in millions."""
    return f"{instructions / 1e6:,.3f}"


def per_multiply_add(group: InstructionGroup) -> str:
    """Nothing where nothing is multiplied."""
    value = group.per_multiply_add
    return "-" if value is None else f"{value:,.2f}"


def made_for(report: InstructionProfile) -> str:
    """The processor that the artifact's passes are for; nothing if its format has no such choice."""
    return f", made for {report.made_for}" if report.made_for else ""


def versions(report: InstructionProfile) -> str:
    """What the counts are of, besides the model."""
    found = ", ".join(
        f"{name} {value}" for name, value in report.environment.items() if name not in ("device", "threads")
    )
    return f"{found}, {count(int(report.environment['threads']), 'thread')}"


def whole(report: InstructionProfile) -> str:
    """The whole inference, beside the sum of its operators."""
    return (
        f"{mega(report.instructions)} M instructions without the profiler, exact; the operators' sum is {report.excess:+.2%} "
        "from it, for the profiler's own work in each is taken off to within 1,600 instructions"
    )


def _figures(group: InstructionGroup) -> dict[str, str]:
    return {
        "M instr": mega(group.instructions),
        "share": f"{group.share:.1%}",
        "M mult-adds": millions(group.multiply_adds),
        "per mult-add": per_multiply_add(group),
    }


_LISTING = Listing(_COLUMNS, _figures)


def _together(groups: Sequence[InstructionGroup]) -> str:
    return f"{mega(sum(group.instructions for group in groups))} M instructions"


def _head(report: InstructionProfile) -> Iterator[str]:
    yield plain(f"profile  {report.model} {report.format} {report.precision}, {report.environment['device']}")
    yield from _field(
        "artifact", f"{report.artifact}, manifest {report.manifest_sha256[:16]}{made_for(report)}"
    )
    yield from _field("run by", versions(report))
    yield from _field("counted", EXACT)


def _end(report: InstructionProfile) -> Iterator[str]:
    yield _LISTING.total(report.total)
    for said in _LISTING.left_out:
        yield from _field("columns", f"{said} (--json and --html have them)")
    yield from _field("operators", OPERATORS_RUN)
    yield from _field("inference", whole(report))
    for note in report.notes:
        yield from _field("note", note)


def _field(name: str, text: str) -> Iterator[str]:
    yield from wrapped(f"  {name:<10}  {plain(text)}", indent=14)
