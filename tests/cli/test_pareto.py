"""`cloformer pareto`: what reports say of artifacts, known by their bytes, side by side; and what cannot stand side by side."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from evaluations import FRONTS, evaluation, report_of
from latency_reports import HERE, bench, measured
from outcome import Command
from pages import Elements

from cloformer.export.device.instructions import Gate, InstructionCounts
from cloformer.export.pareto.front import Front
from cloformer.export.reports.device.instructions import counts_json
from cloformer.export.reports.pareto.page import pareto_page
from cloformer.export.reports.pareto.plots import pareto_plots
from cloformer.export.reports.shared.plots import write_plots
from cloformer.export.schemas import schema
from cloformer.io.read import sha256_of

Places = dict[str, tuple[Path, str]]
Ask = Callable[..., Any]


@pytest.fixture
def places(small: Path, tmp_path: Path) -> Places:
    """Two artifacts of the same size, by their names, with their manifests' hashes."""
    found = {}
    for name in ("one", "two"):
        folder = Path(shutil.copytree(small, tmp_path / name))
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"name": name}))
        found[name] = folder, sha256_of(folder / "manifest.json")
    return found


@pytest.fixture
def ask(command: Command, places: Places, tmp_path: Path) -> Ask:
    def run(*reports: Any, options: tuple[str, ...] = ()) -> Any:
        words: list[str | Path] = [folder for folder, _ in places.values()]
        for number, report in enumerate(reports):
            path = tmp_path / f"report{number}.json"
            path.write_text(json.dumps(report if isinstance(report, dict) else report.to_json()))
            words += ["--report", path]
        return command("pareto", *words, *options)

    return run


def timed(places: Places, **rows: dict[str, Any]) -> Any:
    return bench(*(measured(manifest_sha256=places[name][1], **changes) for name, changes in rows.items()))


def test_figures_of_several_reports(ask: Ask, places: Places) -> None:
    """The size, what an inference takes and how good it is; of several thread counts the fewest, of PyTorch's rows none."""
    one, two = (digest for _, digest in places.values())
    judged = report_of(evaluation(None), evaluation(two, 0.91), evaluation(one, 0.9), evaluation("b" * 64))
    eager = measured(manifest_sha256=one, runner="pytorch-eager", each=99.0)
    latency = timed(places, one={"each": 3.0}, two={"each": 2.0})
    both = replace(latency, rows=(*latency.rows, replace(latency.rows[0], threads=4), eager), planned=4)
    done = ask(judged, both, options=("--json",))
    assert done.code == 0, done.err
    jsonschema.validate(done.json, schema("pareto"))
    assert [figure["name"] for figure in done.json["figures"]] == ["size", "latency", "top1"]
    rows = {Path(row["artifact"]).name: row for row in done.json["artifacts"]}
    assert (rows["one"]["is_dominated"], rows["two"]["is_dominated"]) == (True, False)
    assert rows["one"]["dominated_by"] == [str(places["two"][0])]
    assert rows["one"]["figures"]["latency"]["value"] == pytest.approx(1e3 * both.rows[0].summary.median)
    assert rows["two"]["figures"]["top1"]["value"] == 0.91
    shown = ask(judged, both)
    assert re.search(r"one +[0-9.]+ +3\.0\d +90\.00%  dominated by \d\n", shown.out)
    assert "1 of 2 artifacts is dominated" in shown.out
    assert "top-1 is of 100 images: its 95 % intervals are up to" in shown.out
    asked = ask(judged, both, options=("--figure", "size", "--figure", "snr", "--json")).json
    assert [row["dominated_by"] for row in asked["artifacts"]] == [[], []]


def test_instructions_are_the_first_choice(ask: Ask, places: Places) -> None:
    """Those of `bench`, or those of an emulated device, of the input that takes the most; never of both."""
    here = timed(
        places,
        one={"instructions": 3_000_000, "counted_by": "valgrind"},
        two={"instructions": 2_500_000, "counted_by": "valgrind"},
    )
    counts = [
        InstructionCounts(name, digest, {"noise": most // 2, "photo": most}, {}, {"qemu": "8"})
        for (name, (_, digest)), most in zip(places.items(), (8_000_000, 9_000_000), strict=True)
    ]
    there = {"reports": [], "work": [counts_json(item, Gate()) for item in counts]}
    for report, expected, worse in ((here, [3.0, 2.5], "one"), (there, [8.0, 9.0], "two")):
        done = ask(report, options=("--json",))
        assert [figure["name"] for figure in done.json["figures"]] == ["size", "instructions"]
        rows = {Path(row["artifact"]).name: row for row in done.json["artifacts"]}
        assert [rows[name]["figures"]["instructions"]["value"] for name in places] == expected
        assert [name for name in places if rows[name]["is_dominated"]] == [worse]
    assert ask(here, there).code == 3


def test_what_has_no_noise_is_best(ask: Ask, places: Places) -> None:
    one, two = (digest for _, digest in places.values())
    judged = report_of(evaluation(one, None, snr=float("inf")), evaluation(two, None, snr=float("-inf")))
    done = ask(judged, options=("--figure", "snr", "--json")).json
    values = {Path(row["artifact"]).name: row["figures"]["snr"]["value"] for row in done["artifacts"]}
    assert values == {"one": "exact", "two": "none"}
    assert [Path(row["artifact"]).name for row in done["artifacts"] if row["is_dominated"]] == ["two"]


def test_what_cannot_stand_side_by_side(ask: Ask, places: Places) -> None:
    one, two = (digest for _, digest in places.values())
    both = report_of(evaluation(one), evaluation(two))
    elsewhere = replace(timed(places, two={}), environment=replace(HERE, processor="B 4000"))
    broken = report_of(evaluation(one)).to_json()
    broken["subjects"][0]["top1_interval"] = None  # type: ignore[index]
    cases: list[tuple[tuple[Any, ...], tuple[str, ...], int, str]] = [
        ((), (), 2, "nothing but the size of these artifacts is known"),
        ((both,), ("--figure", "siz"), 2, "unknown figure 'siz'. Did you mean size?"),
        ((report_of(evaluation(one)),), (), 3, "no report says the top-1 of .*two, as it is now"),
        ((both, report_of(evaluation(one))), (), 3, "the top-1 of one artifact is twice in"),
        ((timed(places, one={}), elsewhere), (), 4, "processor is 'A 3000' and 'B 4000'"),
        ((timed(places, one={}, two={"threads": 2}),), (), 4, "threads is 1 and 2"),
        ((timed(places, one={"complete": False}, two={}),), (), 3, "no report says the latency of .*one"),
        (
            (report_of(evaluation(one)), report_of(evaluation(two), data="others")),
            (), 4, "data is 'photos' and 'others'",
        ),
        (({"rows": []},), (), 3, "report0.json is not what cloformer bench writes: at "),
        (({"subjects": 3},), (), 3, "report0.json is not what cloformer evaluate writes: at "),
        ((broken,), (), 3, "report0.json is not what cloformer evaluate writes: subjects.0..top1_interval is null, not a list"),
        (({},), (), 3, "report0.json is no report that figures can be read of"),
        ((both,), ("--weights", "fashion-mnist"), 2, "--weights is for the images of --data"),
    ]  # fmt: skip
    for reports, options, code, words in cases:
        done = ask(*reports, options=options)
        assert (done.code, done.out) == (code, ""), words
        assert re.search(words, done.err), done.err
        assert len(done.err.strip().splitlines()) <= 3


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS.keys())
def test_pages_and_plots(front: Front, tmp_path: Path) -> None:
    """Every artifact is in the table with its verdict, and a point of every chart; nothing breaks out."""
    page = Elements(pareto_page(front))
    words = " ".join(" ".join(page.text).split())
    charts = len(front.figures) - 1
    places = [item for item in page.named("circle") if "%" in str(item["cx"])]  # the others are the legends'
    assert len(places) == charts * len(front.candidates)
    assert words.count("not dominated") >= len(front.undominated)
    assert not page.named("img") and len(page.named("script")) == 1
    for item in places:
        assert 0 <= float(str(item["cx"])[:-1]) <= 100 and 0 <= float(str(item["cy"])) <= 300
    drawn = pareto_plots(front)
    assert [plot.name for plot in drawn] == ["pareto"] * (charts > 0)
    write_plots(drawn, tmp_path)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
