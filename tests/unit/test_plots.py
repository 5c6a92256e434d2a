"""What charts make of many samples, and plots as PNG files."""

from __future__ import annotations

import dataclasses
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from latency_reports import BENCHES, COMPARISONS

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.export.formats.profiler import Rate, Work
from cloformer.export.latency.comparison import Comparison
from cloformer.export.latency.environment import Environment, Load
from cloformer.export.latency.profile_report import OperatorTime, Profile
from cloformer.export.latency.report import LatencyReport
from cloformer.export.latency.roofline import Roofline
from cloformer.export.reports.latency import plots as module
from cloformer.export.reports.latency.plots import latency_plots
from cloformer.export.reports.latency.samples import around, course, spread, together
from cloformer.export.reports.profile.plots import profile_plots
from cloformer.export.reports.shared.axis import Axis
from cloformer.export.reports.shared.plots import prepare, write_plots

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


def test_without_matplotlib_it_is_said_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingRuntimeError, match=r"pip install 'cloformer\[plots\]'") as caught:
        prepare(tmp_path / "plots")
    assert len(caught.value.lines) <= 3
    assert not (tmp_path / "plots").exists()


def test_nothing_imports_matplotlib_before_a_plot_is_asked_for() -> None:
    code = (
        "import sys, cloformer.cli, cloformer.export.reports.shared.plots\n"
        "import cloformer.export.reports.latency.plots, cloformer.export.reports.profile.plots\n"
        "print('matplotlib' in sys.modules)"
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
    matplotlib = pytest.importorskip("matplotlib")
    before = dict(matplotlib.rcParams)
    write_plots(latency_plots(found), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        width, height = size(tmp_path / name)
        assert width == 1280 and 200 < height < 8000
    assert dict(matplotlib.rcParams) == before
    assert not recwarn.list and capfd.readouterr() == ("", "")


def test_dollars_and_other_scripts_are_letters(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = BENCHES["one row"]
    row = dataclasses.replace(found.rows[0], artifact=r"$\frac{1}$ 漢字 _^{", title="$" * 3)
    write_plots(latency_plots(dataclasses.replace(found, rows=(row,))), tmp_path)
    assert len([*tmp_path.iterdir()]) == 2


def test_many_rows_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(module, "_MOST", 2)
    found = BENCHES["one row"]
    short = dataclasses.replace(found.rows[0], wall_ns=found.rows[0].wall_ns[:40])
    write_plots(latency_plots(dataclasses.replace(found, rows=(short,) * 5, planned=5)), tmp_path)
    assert all(size(path)[1] < 1000 for path in tmp_path.iterdir())


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
    pytest.importorskip("matplotlib")
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
    pytest.importorskip("matplotlib")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another folder for --plots"):
        prepare(tmp_path / "file")
    (tmp_path / "folder" / "bench-distribution.png").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        write_plots(latency_plots(BENCHES["one row"]), tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["bench-distribution.png"]
