"""The plots of ``cloformer profile``: the charts of its page, as files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...latency.profile_report import MEASURED_ON
from ..shared.plots import Part, Plot
from .chart import roofline_drawing, share_bar
from .text import measured_rates, milliseconds

if TYPE_CHECKING:
    from ...latency.profile_report import Profile

__all__ = ["profile_plots"]

_MOST = 20  # modules


def profile_plots(report: Profile, depth: int) -> list[Plot]:
    """The roofline, and the time by module down to ``depth``."""
    name = f"{report.model} {report.format} {report.precision}; {MEASURED_ON}"
    rates = f"The line: {'; '.join(measured_rates(report))}."
    said = "GFLOP/s over FLOP for each byte moved; an operator is the larger, the more time it takes."
    return [
        Plot("profile-roofline", f"Roofline of {name}", [Part(said, roofline_drawing(report, ""), rates)]),
        Plot("profile-modules", f"Time by module of {name}", [*_modules(report, depth)]),
    ]


def _modules(report: Profile, depth: int) -> Iterator[Part]:
    groups = report.by_module(depth)
    for group in groups[:_MOST]:
        said = f"{milliseconds(group.us)} ms, {group.share:.1%}"
        yield Part(f"{group.name}: {said}", share_bar(group.share / (groups[0].share or 1.0), said))
    if len(groups) > _MOST:
        yield Part(f"These are the first {_MOST} of {len(groups)} modules.")
