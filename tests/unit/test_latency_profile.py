"""Where the time goes: every operator accounted for, its module, what is read of the profiler, the reports."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import user_models
from shared import Exports
from torch.utils.flop_counter import FlopCounterMode

from cloformer.errors import MissingRuntimeError, UnsupportedError, UsageError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.formats import FORMATS
from cloformer.export.formats.onnx import profiler as onnx_profiler
from cloformer.export.formats.onnx.fused import name_nodes, regions
from cloformer.export.formats.onnx.graph_work import graph_work
from cloformer.export.formats.onnx.profile_events import WARM_UP, Span, read_events
from cloformer.export.formats.profiler import Rate, Work, median_seconds
from cloformer.export.latency.environment import Load
from cloformer.export.latency.operator_times import profile
from cloformer.export.latency.placed import UNMAPPED, WHOLE_MODEL
from cloformer.export.latency.profile_report import OperatorTime, Profile
from cloformer.export.latency.roofline import Roofline, measure_roofline
from cloformer.export.reports.profile.page import profile_page
from cloformer.export.reports.profile.text import render

ROOFLINE = Roofline(1, (Rate("slow", 1, 40.0), Rate("product", 9, 80.0)), (Rate("copy", 5, 10.0),))


@pytest.fixture(scope="module")
def transformer(exported: Exports) -> Path:
    return exported(model="user_models:vit", image_size=(64, 64))["onnx"]


@pytest.fixture(scope="module", params=["resnet", "resnet, no layout", "transformer"])
def found(request: pytest.FixtureRequest, small: Path, transformer: Path) -> tuple[Artifact, Profile]:
    artifact = read_artifact(transformer if request.param == "transformer" else small)
    return artifact, profile(artifact, runs=3, layout="no layout" not in request.param, roofline=ROOFLINE)


def test_every_multiply_add_is_there(found: tuple[Artifact, Profile]) -> None:
    artifact, report = found
    by_torch = artifact.manifest.model.multiply_adds
    assert sum(work.multiply_adds or 0 for work in graph_work(onnx.load(artifact.model_path))) == by_torch
    assert report.total.multiply_adds == by_torch > 1e5


def test_every_operator_is_accounted_for(found: tuple[Artifact, Profile]) -> None:
    _, report = found
    assert len({row.name for row in report.rows}) == len(report.rows) > 10
    for groups in (report.by_module(1), report.by_module(3), report.by_type()):
        assert sum(group.operators for group in groups) == len(report.rows)
        assert sum(group.share for group in groups) == pytest.approx(1)
        assert sum(group.us for group in groups) == pytest.approx(report.total.us)
        assert sum(group.multiply_adds for group in groups) == report.total.multiply_adds
    assert sum(group.share for _, group in report.by_operator()) == pytest.approx(1)
    assert not [row for row in report.rows if row.value is None]


def test_every_operator_of_the_file_became_one(small: Path, transformer: Path, tmp_path: Path) -> None:
    """Each at most once; what is left over was computed from constants, and multiplies nothing here."""
    import onnxruntime

    for folder in (small, transformer):
        model = onnx.load(folder / "model.onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        optimized = onnx.load(tmp_path / "optimized.onnx")
        owned = [place for region in regions(model, optimized).values() for place in region.nodes]
        assert len(owned) == len(set(owned))
        constants = {tensor.name for tensor in model.graph.initializer}
        for place, node in enumerate(model.graph.node):
            if place not in owned:
                assert set(node.input) <= constants
                constants |= set(node.output)


def test_the_modules_are_those_that_torch_counts(small: Path) -> None:
    """Also where a convolution was fused with a sum and an activation of the module around it."""
    model = user_models.resnet()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 32, 32))
    by_torch = {
        name.removeprefix("ResNet."): sum(counts.values()) // 2
        for name, counts in counter.get_flop_counts().items()
    }
    report = profile(read_artifact(small), runs=1, roofline=ROOFLINE)
    groups = {group.name: group.multiply_adds for group in report.by_module(2) if group.multiply_adds}
    assert groups == {name: by_torch[name] for name in groups}
    assert {"stem.0", "blocks.0", "blocks.1", "blocks.2", "fc"} == set(groups)
    sums = [row for row in report.rows if {"Conv", "Add", "Relu"} <= set(row.stands_for)]
    assert [row.stands_for for row in sums] == [("Conv", "Add", "Relu")] * 3
    assert all(row.location and "user_models" in row.location for row in sums)


def test_nothing_stays_on_the_disk(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UsageError, match="takes up to"):
        profile(read_artifact(small), runs=10**6, roofline=ROOFLINE)
    profile(read_artifact(small), runs=1, roofline=ROOFLINE)
    assert not list(tmp_path.iterdir())


def _event(name: str, us: Any = 7, **details: Any) -> dict[str, Any]:
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "ts": 40,
        "dur": us,
        "args": {"op_name": "Conv", **details},
    }


def test_reading_events() -> None:
    shapes = [{"float": [2, 3]}, {"unknown": [4]}, {"float": "long"}, 5, {"float": [True]}]
    times = [100] * WARM_UP + [3, 5]
    events: list[Any] = [_event("a", us, input_type_shape=shapes, output_type_shape=3) for us in times]
    events += [_event("inner") for _ in range(99)]
    events += [{"cat": "Session", "name": "model_run", "ts": 40, "dur": us} for us in times]
    events += [None, 3, {}, {"name": 5}, {"cat": "Node", "name": "a_fence_before", "dur": "x"}]
    timed, whole = read_events(json.dumps(events), {"inner"}, 2)
    assert whole == (Span(40, 3), Span(40, 5)) and [item.end for item in whole] == [43, 45]
    assert timed.keys() == {"a"}
    assert timed["a"].spans == whole
    assert [(item.shape, item.bytes) for item in timed["a"].inputs] == [((2, 3), 24), ((4,), 0)]
    assert timed["a"].outputs == ()


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[" * 100_000, "{}", "[]", "[1, null]", b"\xff\xfe", '"text"',
        json.dumps([_event("a")] * WARM_UP),
        json.dumps([_event("a")] * (WARM_UP + 2)),
        *(json.dumps([_event("a", us)] * (WARM_UP + 1)) for us in (-1, 1.5, "7", None, True, 10**400)),
        json.dumps([_event("a", float("nan"))] * (WARM_UP + 1)),
        json.dumps([_event("a")] * (WARM_UP + 1)).replace("_kernel_time", ""),
    ],
)  # fmt: skip
def test_what_the_profiler_cannot_have_written(text: str | bytes) -> None:
    with pytest.raises(UnsupportedError, match="not understood"):
        read_events(text, set(), 1)


def test_an_operator_without_a_time_is_an_error(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = read_events

    def without_the_first(*arguments: Any) -> Any:
        timed, whole = real(*arguments)
        return dict(list(timed.items())[1:]), whole

    monkeypatch.setattr(onnx_profiler, "read_events", without_the_first)
    with pytest.raises(UnsupportedError, match=r"1 of .* operators without a time"):
        profile(read_artifact(small), runs=1, roofline=ROOFLINE)


def test_what_is_not_in_the_optimized_model_is_listed(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = read_events

    def with_another(*arguments: Any) -> Any:
        timed, whole = real(*arguments)
        return timed | {"new": dataclasses.replace(next(iter(timed.values())), operator="New")}, whole

    monkeypatch.setattr(onnx_profiler, "read_events", with_another)
    report = profile(read_artifact(small), runs=1, roofline=ROOFLINE)
    assert [row.module for row in report.rows if row.name == "new"] == [None]
    assert UNMAPPED in {group.name for group in report.by_module(2)}
    assert any("not traced" in note and "New" in note for note in report.notes)
    assert UNMAPPED in render(report, depth=2, top=3)


def test_other_formats(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = read_artifact(small)
    other = dataclasses.replace(artifact, manifest=dataclasses.replace(artifact.manifest, format="coreml"))
    for system, kind in (("linux", MissingRuntimeError), ("darwin", UnsupportedError)):
        monkeypatch.setattr(sys, "platform", system)
        with pytest.raises(kind, match="--format onnx"):
            profile(other)


def test_nodes_without_names_get_one() -> None:
    nodes = [onnx.helper.make_node("Relu", ["x"], ["x"], name=name) for name in ("", "a", "a", "")]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], []))
    name_nodes(model)
    assert [node.name for node in model.graph.node] == ["Relu#0", "a", "a#2", "Relu#3"]


def test_the_roofline_is_measured() -> None:
    profiler = FORMATS["onnx"].profiler()
    assert profiler is not None
    roofline = measure_roofline(profiler, 1, seconds=0.001, array_bytes=2**16)
    assert roofline.product in roofline.products
    assert all(
        rate.giga_per_second > 0 and rate.calls >= 5 for rate in (*roofline.products, *roofline.transfers)
    )
    assert "MatMul" in roofline.product.name
    faster = Roofline(1, (Rate("product", 9, 1e6),), roofline.transfers)
    assert roofline.and_again(faster).product.giga_per_second == 1e6
    assert faster.and_again(roofline).product.giga_per_second == 1e6


def test_a_busy_machine_costs_one_thread_no_rate() -> None:
    """While it waits for a processor, its own time stands still."""
    _, alone = median_seconds(lambda: time.sleep(0.002), 0.0, 1)
    _, among_others = median_seconds(lambda: time.sleep(0.002), 0.0, 2)
    assert alone < 0.001 < 0.002 <= among_others


def test_bounds() -> None:
    """80 GFLOP/s and 10 GB/s: a million multiply-adds take 25 us, ten thousand bytes 1 us."""
    assert ROOFLINE.compute_us(Work(10**6, 0)) == pytest.approx(25)
    assert ROOFLINE.memory_us(Work(None, 10_000)) == pytest.approx(1)
    assert ROOFLINE.bound_us(Work(10**6, 10_000)) == pytest.approx(25)
    assert ROOFLINE.bound_us(Work(None, 10_000)) == pytest.approx(1)


def _rows(*rows: tuple[str, float, Work, str | None]) -> list[OperatorTime]:
    return [OperatorTime(name, "Conv", work, name, ("Conv",), name, module, "m:C:1", (1,), us) for name, us, work, module in rows]  # fmt: skip


@pytest.fixture(scope="module")
def drawn(small: Path) -> Profile:
    return profile(read_artifact(small), runs=1, roofline=ROOFLINE)


def test_groups(drawn: Profile) -> None:
    rows = _rows(
        ("a", 50.0, Work(10**6, 10_000), "x.y.z"), ("b", 4.0, Work(0, 20_000), "x.y.w"),
        ("c", 46.0, Work(None, 0), ""), ("d", 0.0, Work(0, 8), None),
    )  # fmt: skip
    report = dataclasses.replace(drawn, rows=tuple(rows))
    first, second, third = report.by_module(2)
    assert (first.name, second.name, third.name) == ("x.y", WHOLE_MODEL, UNMAPPED)
    assert (first.us, first.share, first.operators) == (54.0, 0.54, 2)
    assert first.bound_us == pytest.approx(27)
    assert first.of_roofline == pytest.approx(0.5)
    assert first.of_compute == pytest.approx(25 / 54)
    assert first.gflops == pytest.approx(2e6 / 54e3)
    assert third.of_roofline is None
    assert render(report, depth=2, top=1)
    assert profile_page(report, 2)


def test_more_than_the_roofline(drawn: Profile) -> None:
    """Is no number to rely on, and every cause is told that there is."""
    rows = _rows(
        ("cached", 5.0, Work(0, 190_000), "a"), ("conv", 20.0, Work(10**6, 8), "b"), ("short", 3.5, Work(0, 40_000), "c"),
        ("slow", 100.0, Work(10**6, 8), "d"), ("exact", 19.0, Work(0, 190_000), "e"),
    )  # fmt: skip
    report = dataclasses.replace(drawn, rows=tuple(rows), disturbed=())
    assert report.above_roofline == (
        "1 operator moved values that were still in a cache, which is faster than memory",
        "1 operator multiplied faster than the matrix products that were measured",
        "1 operator may owe it to the profiler, which leaves out parts of microseconds",
    )
    text = render(report, depth=1, top=9)
    shown = {
        line.split()[0]: line.split()[-1]
        for line in text.split("type of operator")[0].splitlines()
        if " x1 " in line
    }
    assert shown == {"a": ">100%", "b": ">100%", "c": ">100%", "d": "25%", "e": "100%"}
    assert (
        "380%" not in text and "  >100%       faster than the measured rates allow: 1 operator moved" in text
    )
    page = html.unescape(profile_page(report, 1))
    assert ">100% is faster than the measured rates allow: 1 operator moved" in page and "380%" not in page
    assert max(row["of_roofline"] for row in report.to_json()["operators"]) == pytest.approx(3.8)
    busy = dataclasses.replace(report, disturbed=("load average 3.0 on 2 processors when it began",))
    assert busy.above_roofline[-1] == "the machine was busy, and the measured rates may be too low"
    within = dataclasses.replace(busy, rows=tuple(rows[3:]))
    assert within.above_roofline == () and "faster than the measured" not in render(within, depth=1, top=9)
    whole = dataclasses.replace(report, rows=tuple(rows[:1]))
    assert "faster than its measured rates allow" in profile_page(whole, 1)


def test_the_verdict_is_bench_s(drawn: Profile) -> None:
    load, busy = Load(0.5, 100, 1000), ("load average 3.0 on 2 processors when it began",)
    steady = dataclasses.replace(drawn, runs_us=(4000,) * 50, load_before=load, load_after=load, disturbed=())
    for changes, word, reason in [
        ({}, "stable", ""),
        ({"disturbed": busy}, "unstable", busy[0]),
        ({"runs_us": (4000,) * 30 + (9000,)}, "unstable", "coefficient of variation"),
        ({"runs_us": (4000,)}, "unstable", "1 run cannot tell: 20 are needed"),
    ]:
        report = dataclasses.replace(steady, **changes)
        assert report.verdict.word == report.to_json()["verdict"]["word"] == word
        text = " ".join(render(report, depth=1, top=1).split())
        assert (
            "load average 0.50, then 0.50" in text
            and f"verdict {word}{': ' if reason else ''}{reason}" in text
        )
        page = profile_page(report, 1)
        assert f"{word}." in page and (f"<li>{reason}" in page or not reason) and "0.50, then 0.50" in page


@pytest.mark.parametrize("rows", [[], _rows(("a", 0.0, Work(0, 0), None))])
def test_nothing_measured_is_still_a_report(drawn: Profile, rows: list[OperatorTime]) -> None:
    report = dataclasses.replace(drawn, rows=tuple(rows), runs_us=(), whole_us=None)
    assert "total, " in render(report, depth=1, top=1)
    assert "Roofline" in profile_page(report, 1)
    json.dumps(report.to_json(), allow_nan=False)


def test_hostile_names_stay_text(drawn: Profile) -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e'&"
    text_fields = dict.fromkeys(("name", "operator", "value", "node", "module", "location"), evil)
    row = dataclasses.replace(drawn.rows[0], stands_for=(evil,), **text_fields)  # type: ignore[arg-type]
    row = dataclasses.replace(row, us=5.0, work=Work(10**6, 10**3))
    report = dataclasses.replace(
        drawn, rows=(row,), artifact=evil, model=evil, precision=evil, runtime=evil, notes=(evil,)
    )
    page = profile_page(report, 1)
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    shown = render(report, depth=1, top=1)
    assert all(char.isprintable() or char == "\n" for char in shown)


def test_labels_have_room_on_a_phone(drawn: Profile) -> None:
    """What ends at a share of the width that is small there would begin outside of the chart."""
    texts = re.findall(r"<text ([^>]*)>", profile_page(drawn, 2))
    assert len(texts) > 8
    ending = [text for text in texts if 'text-anchor="end"' in text]
    shares = [float(share) for text in ending for share in re.findall(r' ?\bx="([0-9.]+)%"', text)]
    assert shares and min(shares) > 50


def test_the_page_needs_nothing_else(drawn: Profile) -> None:
    page = profile_page(drawn, 2)
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)", page)
    assert "default-src 'none'" in html.unescape(page)
    assert "host CPU" in page
    ids = set(re.findall(r' id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids
    assert len(ids) == len(drawn.rows)


def test_the_table_fits_a_terminal(drawn: Profile) -> None:
    lines = render(drawn, depth=3, top=5).splitlines()
    assert max(map(len, lines)) <= 110
    assert any(f"and {len(drawn.rows) - 5} operators more" in line for line in lines)
