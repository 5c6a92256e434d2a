"""Charts as PNG files: those of the pages, one below the other, with words. What makes pixels of SVG is resvg, an optional
package, imported when a plot is asked for."""

from __future__ import annotations

import io
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.io.place import refuse_inside_an_artifact
from cloformer.io.write import write_whole

from .charts import MARKS, Drawing
from .file import write_report
from .markup import Markup, tag
from .style import chart_style
from .words import plain

__all__ = ["Part", "Plot", "prepare", "write_plots"]

_WIDTH, _MARGIN = 640, 20  # pixels of a page, about as wide as its charts
_ZOOM = 2  # pixels of the file for one of them
_LETTER = 0.5  # of the size of letters: how wide they are on average
_LONGEST = 1200  # letters
_SIZES = {"title": 15, "above": 12, "below": 11}
_STYLE = ".paper { fill: #fff; }" + "".join(
    f"svg .{kind} {{ font-size: {size}px; }}" for kind, size in _SIZES.items()
)


@dataclass(frozen=True)
class Part:
    """A drawing, with words above and below it. Without one there are words alone."""

    above: str = ""
    drawing: Drawing | None = None
    below: str = ""


@dataclass(frozen=True)
class Plot:
    """What a file shows, and what it is called."""

    name: str
    title: str
    parts: Sequence[Part]


def prepare(folder: Path) -> None:
    """See that plots can be drawn, and make the folder for them.

    Raises :class:`MissingRuntimeError` without resvg or a font, and :class:`InputError` for a place that is no folder and
    cannot become one.
    """
    try:
        import resvg_py  # noqa: F401 - a package that is there and broken is found out too
    except ImportError as error:
        raise MissingRuntimeError(
            f"plots need resvg_py, which cannot be imported: {error}",
            "pip install 'cloformer[plots]', or leave --plots out",
        ) from None
    _letters()
    refuse_inside_an_artifact(folder, "choose another folder for --plots")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made: {error.strerror or error}", "choose another folder for --plots"
        ) from None


def write_plots(plots: Iterable[Plot], folder: Path) -> None:
    """Write every plot, each whole or not at all; :class:`InputError` if a place cannot be written."""
    import resvg_py

    family, content = _letters()
    with tempfile.TemporaryDirectory(prefix="cloformer-plots-") as own:
        font = Path(own) / "font.ttf"
        write_whole(font, content, "free some room for temporary files")
        style = chart_style(sans=f"'{family}'") + _STYLE
        for plot in plots:
            png = resvg_py.svg_to_bytes(
                svg_string=drawn(plot), style_sheet=style, font_files=[str(font)], zoom=_ZOOM
            )
            write_report(folder / f"{plot.name}.png", png)


def _letters() -> tuple[str, bytes]:
    """A font's family and its file: Pillow's own, which has the letters of ASCII. Without a font resvg draws no letter and says
    nothing, and a machine may have none; where it has some, they have the other letters."""
    from PIL import ImageFont

    font = ImageFont.load_default(10)
    if not isinstance(font, ImageFont.FreeTypeFont) or not isinstance(font.path, io.BytesIO):
        raise MissingRuntimeError(
            "plots need Pillow's font, which is not there", "pip install --force-reinstall pillow"
        )
    return str(font.getname()[0]), font.path.getvalue()


def drawn(plot: Plot) -> Markup:
    """The whole plot as SVG, which takes its look from :func:`chart_style`."""
    sheet = _Sheet()
    sheet.words(plot.title, "title")
    for part in plot.parts:
        sheet.words(part.above, "above")
        if part.drawing is not None:
            sheet.drawing(part.drawing)
        sheet.words(part.below, "below")
    return sheet.svg()


@dataclass
class _Sheet:
    """What stands one below the other, down to ``bottom``."""

    bottom: float = 12
    marks: list[Markup] = field(default_factory=list)

    def words(self, text: str, kind: str) -> None:
        size = _SIZES[kind]
        self.bottom += size if text else 0
        for line in textwrap.wrap(plain(text[:_LONGEST]), int((_WIDTH - 2 * _MARGIN) / (_LETTER * size))):
            self.bottom += 1.4 * size
            self.marks.append(tag("text", line, x=_MARGIN, y=round(self.bottom), class_=f"said {kind}"))
        self.bottom += size / 2 if text else 0

    def drawing(self, found: Drawing) -> None:
        left, room = _MARGIN + found.left, _WIDTH - 2 * _MARGIN - found.left
        place = {"y": self.bottom, "height": found.height}
        self.marks.append(tag("svg", *found.beside, x=_MARGIN, width=found.left or 1, **place))
        self.marks.append(tag("svg", *found.plot, x=left, width=room, **place))
        self.bottom += found.height
        self.legend(found.marks)

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        x = _MARGIN
        for kind, words in entries:
            width = round(40 + _LETTER * _SIZES["below"] * len(plain(words)))
            if x > _MARGIN and x + width > _WIDTH - _MARGIN:
                x, self.bottom = _MARGIN, self.bottom + 20
            self.marks.append(tag("svg", MARKS[kind], x=x, y=self.bottom + 4, width=14, height=14))
            self.marks.append(tag("text", words, x=x + 20, y=self.bottom + 15))
            x += width
        self.bottom += 26 if entries else 0

    def svg(self) -> Markup:
        ground = tag("rect", width="100%", height="100%", class_="paper")
        return tag(
            "svg",
            ground,
            *self.marks,
            xmlns="http://www.w3.org/2000/svg",
            width=_WIDTH,
            height=round(self.bottom + _MARGIN),
        )
