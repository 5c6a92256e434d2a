"""Instructions by operator on the emulated device, as one page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...latency.placed import OPERATORS_RUN
from ..shared.file import write_report
from ..shared.markup import Markup, tag
from ..shared.page import page
from ..shared.parts import environment, fact_list
from ..shared.words import count, plain
from .counts import EXACT, made_for, mega, per_multiply_add, versions, whole
from .listing import millions
from .tables import Tables

if TYPE_CHECKING:
    from ...device.operator_counts import InstructionGroup, InstructionProfile

__all__ = ["counts_page", "write_page"]

_CHEAP = 1.0  # instructions for a multiply-add


def _figures(group: InstructionGroup) -> tuple[str, ...]:
    return (
        mega(group.instructions),
        f"{group.share:.1%}",
        millions(group.multiply_adds),
        per_multiply_add(group),
    )


_TABLES = Tables(
    ("M instructions", "Share", "M mult-adds", "Per mult-add"),
    _figures,
    "the instructions",
    lambda group: f"{mega(group.instructions)} M",
    "op",
    f"more than {_CHEAP:g} for a multiply-add only",
    lambda group: (group.per_multiply_add or 2 * _CHEAP) <= _CHEAP,
)


def write_page(path: Path, report: InstructionProfile, depth: int) -> None:
    """Write the page, whole or not at all; :class:`InputError` if the place cannot be written."""
    write_report(path, counts_page(report, depth))


def counts_page(report: InstructionProfile, depth: int) -> str:
    """The page, with modules down to ``depth``."""
    name, device = plain(f"{report.model} {report.format} {report.precision}"), report.environment["device"]
    modules = f"PyTorch modules, to depth {depth}."
    section = tag(
        "section",
        _facts(report),
        _TABLES.groups("Instructions by module", modules, "Module", report.by_module(depth)),
        _TABLES.groups(
            "Instructions by type of operator", f"Operators {OPERATORS_RUN}.", "Type", report.by_type()
        ),
        _TABLES.operators("The dearest first", report.rows, report.by_operator()),
        *_remarks(report),
        class_="report",
    )
    return page(f"Profile: {name}, {device}", _header(report, name), [section], f"It is {EXACT}.")


def _header(report: InstructionProfile, name: str) -> list[Markup]:
    said = (
        f"An inference takes {mega(report.instructions)} million instructions on the {report.environment['device']}, "
        f"in {count(report.rows, 'operator')}."
    )
    return [tag("p", "cloformer profile", class_="eyebrow"), tag("h1", name), tag("p", said, class_="lede")]


def _facts(report: InstructionProfile) -> Markup:
    total = report.total
    return fact_list(
        {
            "Artifact": tag("code", report.artifact + made_for(report)),
            "Run by": versions(report),
            "Inference": f"{mega(report.instructions)} M instructions",
            "Operators": f"{mega(total.instructions)} M instructions",
            "Multiply-adds": f"{millions(total.multiply_adds)} M, {per_multiply_add(total)} instructions each",
        }.items()
    )


def _remarks(report: InstructionProfile) -> list[Markup]:
    notes = [f"{whole(report)}.", *report.notes]
    return [
        tag("section", tag("h3", "Notes"), tag("ul", *(tag("li", note) for note in notes))),
        environment(report.environment, {}),
    ]
