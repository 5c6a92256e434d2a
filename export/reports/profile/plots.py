"""The plots of ``cloformer profile``: those of its page, as files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...latency.profile_report import MEASURED_ON
from ..shared.plots import BLUE, INK, Plot, figure_of
from ..shared.words import plain, tail
from .text import measured_rates, milliseconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...latency.profile_report import Profile

__all__ = ["profile_plots"]

_GROUPS = 20  # bars
_LARGEST = 300  # square points, of the operator that takes most


def profile_plots(report: Profile, depth: int) -> list[Plot]:
    """The roofline, and the time by module down to ``depth``."""
    return [
        Plot("profile-roofline", partial(_roofline, report)),
        Plot("profile-modules", partial(_modules, report, depth)),
    ]


def _name(report: Profile) -> str:
    return plain(f"{report.model} {report.format} {report.precision}; {MEASURED_ON}")


def _roofline(report: Profile) -> Figure:
    figure, (place,) = figure_of(1, 4.6, f"Roofline of {_name(report)}")
    groups = [group for _, group in report.by_operator() if group.multiply_adds and group.bytes and group.us]
    if groups:
        most = groups[0].us
        place.scatter(
            [2 * group.multiply_adds / group.bytes for group in groups],
            [group.gflops or 0.0 for group in groups],
            [_LARGEST * group.us / most for group in groups],
            color=BLUE, alpha=0.55, linewidths=0, label="an operator; the larger, the more time it takes",
        )  # fmt: skip
    peak, slope = report.roofline.product.giga_per_second, report.roofline.transfer.giga_per_second
    meet = peak / slope
    ends = [2 * group.multiply_adds / group.bytes for group in groups]
    left, right = min([meet / 10, *ends]), max([meet * 10, *ends])
    place.plot(
        [left, meet, right], [left * slope, peak, peak], color=INK, label="\n".join(measured_rates(report))
    )
    place.set_xscale("log")
    place.set_yscale("log")
    place.xaxis.set_major_formatter("{x:g}")
    place.yaxis.set_major_formatter("{x:g}")
    place.set_xlabel("FLOP for each byte moved")
    place.set_ylabel("GFLOP/s")
    place.legend(loc="lower right", markerscale=0.5)
    return figure


def _modules(report: Profile, depth: int) -> Figure:
    groups = report.by_module(depth)
    shown = groups[:_GROUPS]
    cut = f"; the first {len(shown)} of {len(groups)}" if len(groups) > len(shown) else ""
    figure, (place,) = figure_of(1, 0.8 + 0.24 * len(shown), f"Time by module of {_name(report)}{cut}")
    places = range(len(shown))
    bars = place.barh(places, [group.us / 1e3 for group in shown], color=BLUE)
    place.bar_label(
        bars, [f"{milliseconds(group.us)} ms, {group.share:.1%}" for group in shown], padding=3, fontsize=8
    )
    place.set_yticks(places, [tail(group.name, 48) for group in shown])
    place.set_ylim(len(shown) - 0.4, -0.6)
    place.margins(x=0.15)
    place.grid(visible=False, axis="y")
    place.set_xlabel("ms")
    return figure
