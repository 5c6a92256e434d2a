"""Plots as PNG files, drawn by matplotlib: an optional package, imported when a plot is asked for."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.io.place import refuse_inside_an_artifact
from cloformer.io.quiet import quiet

from .file import write_report
from .words import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BAD", "BLUE", "GOOD", "GREY", "INK", "Plot", "figure_of", "lines", "prepare", "write_plots"]

INK, GREY, LINE, BLUE, GOOD, BAD = (
    "#1a1d21",
    "#8a929c",
    "#e2e4e6",
    "#0868a8",
    "#00694b",
    "#ad3d06",
)  # as page.css
_WIDTH = 8.0  # inches
_DOTS = 160  # an inch
_LINE = 88  # letters of a title that fit
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.titlesize": 11,
    "font.size": 9,
    "grid.color": LINE,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # a name with dollars in it is a name
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}


@dataclass(frozen=True)
class Plot:
    """A drawing and what its file is called; drawn when it is written, in the look of all plots."""

    name: str
    draw: Callable[[], Figure]


def prepare(folder: Path) -> None:
    """See that plots can be drawn, and make the folder for them.

    Raises :class:`MissingRuntimeError` without matplotlib, and :class:`InputError` for a place that is no
    folder and cannot become one.
    """
    try:
        with quiet("matplotlib"):
            import matplotlib.figure  # noqa: F401 - a package that is there and broken is found out too
    except ImportError as error:
        raise MissingRuntimeError(
            f"plots need matplotlib, which cannot be imported: {error}",
            "pip install 'cloformer[plots]', or leave --plots out",
        ) from None
    refuse_inside_an_artifact(folder, "choose another folder for --plots")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made: {error.strerror or error}", "choose another folder for --plots"
        ) from None


def write_plots(plots: Iterable[Plot], folder: Path) -> None:
    """Write every plot, each whole or not at all; :class:`InputError` if a place cannot be written."""
    import matplotlib

    # Quiet: of a name in a script that its font does not have, matplotlib would warn letter by letter.
    with quiet("matplotlib"), matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's own file says
        matplotlib.rcParams.update(_STYLE)
        for plot in plots:
            stream = io.BytesIO()
            plot.draw().savefig(stream, format="png", dpi=_DOTS)
            write_report(folder / f"{plot.name}.png", stream.getvalue())


def lines(text: str, width: int = 100) -> str:
    """In lines of so many letters. Whatever a name holds is spelt out: an odd letter stops matplotlib."""
    return textwrap.fill(plain(text), width)


def figure_of(parts: int, height: float, title: str) -> tuple[Figure, list[Axes]]:
    """So many axes one below the other, each ``height`` inches. The figure is nobody's current one: other code
    that draws in this program is not disturbed."""
    from matplotlib.figure import Figure

    figure = Figure((_WIDTH, height * parts + 0.6), layout="constrained")
    figure.suptitle(lines(title, _LINE), x=0.01, ha="left")
    return figure, [figure.add_subplot(parts, 1, place + 1) for place in range(parts)]
