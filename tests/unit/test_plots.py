"""What charts make of many samples, and plots as PNG files."""

from __future__ import annotations

import dataclasses
import string
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from latency_reports import BENCHES, COMPARISONS
from pages import HOSTILE
from PIL import Image, ImageFont

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.export.formats.profiler import Rate, Work
from cloformer.export.latency.comparison import Comparison
from cloformer.export.latency.environment import Environment, Load
from cloformer.export.latency.profile_report import OperatorTime, Profile
from cloformer.export.latency.report import LatencyReport
from cloformer.export.latency.roofline import Roofline
from cloformer.export.reports.latency import plots as module
from cloformer.export.reports.latency.comparison_page import comparison_page
from cloformer.export.reports.latency.page import latency_page
from cloformer.export.reports.latency.plots import latency_plots
from cloformer.export.reports.latency.samples import around, course, spread, together
from cloformer.export.reports.profile.plots import profile_plots
from cloformer.export.reports.shared.axis import Axis
from cloformer.export.reports.shared.markup import join
from cloformer.export.reports.shared.plots import Part, Plot, drawn, prepare, write_plots
from cloformer.export.reports.shared.style import chart_style, page_style
from cloformer.export.reports.shared.words import plain

SAMPLES = {
    "one": [3.0],
    "equal": [3.0] * 50,
    "a tail": [3.0 + place / 1000 for place in range(99)] + [300.0],
    "two modes": [1.0, 2.0] * 40,
    "below": [1e-4] + [5.0 + place / 100 for place in range(98)],
    "tiny": [2e-6 + place * 1e-9 for place in range(30)],
}
each = pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES.keys())


@each
def test_every_sample_is_in_a_bin_or_counted_outside(values: list[float]) -> None:
    bins = spread(values)
    assert sum(bins.counts) + bins.below + bins.beyond == len(values)
    assert bins.below == sum(value < bins.start for value in values)
    assert bins.beyond <= len(values) // 20 and bins.below <= len(values) // 20
    assert 1 <= len(bins.counts) <= 50


@each
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_stretches_leave_no_sample_out(values: list[float], most: int) -> None:
    found = course(values, together(len(values), most), before=10)
    assert len(found) <= most
    assert [item.first for item in found] == [11, *(item.last + 1 for item in found[:-1])]
    assert found[-1].last == 10 + len(values)
    assert min(item.low for item in found) == min(values) and max(item.high for item in found) == max(values)
    for item in found:
        assert item.low <= item.lower <= item.median <= item.upper <= item.high


@each
def test_an_axis_has_a_few_ticks_with_different_labels(values: list[float]) -> None:
    low, high = around(values)
    axis = Axis.of(low, high)
    labels = [axis.label(value) for value in axis.ticks]
    assert 1 <= len(labels) <= 7 and len(set(labels)) == len(labels)
    assert all(low - axis.step < value < high + axis.step for value in axis.ticks)
    assert axis.share(low) == 0 and axis.share(high) == 1 == axis.share(high * 2)


def test_what_is_far_out_does_not_squash_the_rest() -> None:
    low, high = around(SAMPLES["a tail"])
    assert 2.9 < low < 3.0 and 3.09 < high < 3.4


def test_without_resvg_it_is_said_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(MissingRuntimeError, match=r"pip install 'cloformer\[plots\]'") as caught:
        prepare(tmp_path / "plots")
    assert len(caught.value.lines) <= 3
    assert not (tmp_path / "plots").exists()


def test_nothing_imports_resvg_before_a_plot_is_asked_for() -> None:
    code = (
        "import sys, cloformer.cli, cloformer.export.reports.shared.plots\n"
        "import cloformer.export.reports.latency.plots, cloformer.export.reports.profile.plots\n"
        "print('resvg_py' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and data[-8:-4] == b"IEND"
    return struct.unpack(">II", data[16:24])


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["bench-distribution.png", "bench-over-the-run.png"], BENCHES["all kinds"]),
        (["bench-distribution.png", "bench-over-the-run.png"], BENCHES["nothing yet"]),
        (["bench-distribution.png", "bench-over-the-run.png"], BENCHES["hostile"]),
        (["compare-ratio.png", "compare-turns.png"], COMPARISONS["all kinds"]),
        (["compare-ratio.png", "compare-turns.png"], COMPARISONS["nothing yet"]),
        (["compare-ratio.png", "compare-turns.png"], COMPARISONS["hostile"]),
        (["compare-ratio.png", "compare-turns.png"], COMPARISONS["limit"]),
    ],
)
def test_plots_of_latency(
    names: list[str],
    found: LatencyReport | Comparison,
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("resvg_py")
    write_plots(latency_plots(found), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        width, height = size(tmp_path / name)
        assert width == 1280 and 100 < height < 8000
    assert not recwarn.list and capfd.readouterr() == ("", "")


LATENCY = {**{f"bench, {name}": found for name, found in BENCHES.items()}, **COMPARISONS}


@pytest.mark.parametrize("found", LATENCY.values(), ids=LATENCY.keys())
def test_a_plot_has_the_marks_of_the_page_and_is_sound_svg(found: LatencyReport | Comparison) -> None:
    page = comparison_page(found) if isinstance(found, Comparison) else latency_page(found)
    for plot in latency_plots(found):
        shown = [part.drawing for part in plot.parts if part.drawing is not None]
        assert all(join(drawing.plot) in page and join(drawing.plot) in drawn(plot) for drawing in shown)
        root = ElementTree.fromstring(drawn(plot))  # noqa: S314 - our own
        assert {element.tag.partition("}")[2] for element in root.iter()} <= {
            "a", "circle", "line", "path", "rect", "svg", "text", "title",
        }  # fmt: skip


def test_words_of_a_plot_are_wrapped_and_none_is_lost() -> None:
    """Up to a bound: what is written by others can be endless."""
    for text in ("one two three " * 60, HOSTILE, "x" * 500):
        root = ElementTree.fromstring(drawn(Plot("name", "", [Part(above=text)])))  # noqa: S314 - our own
        lines = [element.text or "" for element in root.iter() if element.tag.endswith("text")]
        assert "".join("".join(lines).split()) == "".join(plain(text).split())
        assert max(map(len, lines)) < 110
    endless = drawn(Plot("name", "x" * 10**6, []))
    assert len(endless) < 10_000


@pytest.mark.parametrize("has_font", [True, False])
def test_letters_are_drawn_where_the_system_has_no_font(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_font: bool
) -> None:
    """Without any font resvg leaves them all out, in silence; with one, a box stands where it has no letter."""
    resvg = pytest.importorskip("resvg_py")
    changes = {"skip_system_fonts": True} | ({} if has_font else {"font_files": []})
    draw = resvg.svg_to_bytes
    monkeypatch.setattr(resvg, "svg_to_bytes", lambda **options: draw(**options | changes))
    signs = string.ascii_letters + string.digits + string.punctuation + "\u6f22"
    plot = Plot("letters", "", [Part(above=sign) for sign in signs])
    write_plots([plot], tmp_path)
    with Image.open(tmp_path / "letters.png") as image:
        dark = np.asarray(image.convert("L")) < 128
    lines = [element for element in ElementTree.fromstring(drawn(plot)) if element.tag.endswith("text")]  # noqa: S314 - our own
    places = [2 * int(element.attrib["y"]) for element in lines]
    assert [dark[place - 24 : place + 8].any() for place in places] == [has_font] * len(signs)


def test_without_a_font_it_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(ImageFont, "load_default", lambda _: ImageFont.ImageFont())
    with pytest.raises(MissingRuntimeError, match="Pillow's font"):
        prepare(tmp_path / "plots")
    assert not (tmp_path / "plots").exists()


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    for folder in ("one", "other"):
        write_plots(latency_plots(BENCHES["all kinds"]), tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_every_mark_has_a_colour_without_variables() -> None:
    """What a page takes from the colours of light and dark, a picture takes from those of light."""
    style = chart_style(sans="'A Font'")
    assert "var(" not in style and "@" not in style and "font-family: 'A Font';" in style
    light = page_style().partition("@media")[0]
    assert f"fill: {light.partition('--blue: ')[2].partition(';')[0]};" in style


def test_dollars_and_other_scripts_are_letters(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    found = BENCHES["one row"]
    row = dataclasses.replace(found.rows[0], artifact=r"$\frac{1}$ 漢字 _^{", title="$" * 3)
    write_plots(latency_plots(dataclasses.replace(found, rows=(row,))), tmp_path)
    assert len([*tmp_path.iterdir()]) == 2


def test_many_rows_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    found = BENCHES["one row"]
    short = dataclasses.replace(found.rows[0], wall_ns=found.rows[0].wall_ns[:40])
    for plot in latency_plots(dataclasses.replace(found, rows=(short,) * 5, planned=5)):
        assert [part.drawing is not None for part in plot.parts] == [True, True, False]
        assert plot.parts[-1].above == "These are the first 2 of 5 rows."


def profile(*rows: OperatorTime) -> Profile:
    here = Environment("A 3000", "x86_64", 8, 4, (0, 1), "Linux 6", "3.11.0", {"cloformer": "0.1.0"})
    roofline = Roofline(1, (Rate("MatMul", 5, 80.0),), (Rate("Add", 5, 10.0),))
    load = Load(0.5, 1, 100)
    return Profile(
        "nets",
        "nets",
        "onnx",
        "fp32",
        "a" * 64,
        "onnxruntime 1.23.0",
        1,
        True,
        5,
        2,
        rows,
        (),
        None,
        roofline,
        (),
        here,
        load,
        load,
    )


def test_plots_of_a_profile(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    rows = [
        OperatorTime(
            f"conv_{place}",
            "Conv",
            Work(10**6, 10_000),
            None,
            (),
            None,
            f"a.b{place}$",
            None,
            None,
            float(place),
        )
        for place in range(40)
    ]
    for operators in (rows, []):
        write_plots(profile_plots(profile(*operators), 2), tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "profile-modules.png",
            "profile-roofline.png",
        ]
        assert all(size(path)[0] == 1280 for path in tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another folder for --plots"):
        prepare(tmp_path / "file")
    (tmp_path / "folder" / "bench-distribution.png").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        write_plots(latency_plots(BENCHES["one row"]), tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["bench-distribution.png"]
