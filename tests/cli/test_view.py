"""`cloformer view`: what it prints and writes, and its exit codes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from outcome import Command
from pages import Elements

from cloformer.export.formats.profiler import Profiler
from cloformer.export.latency import operator_times
from cloformer.export.latency.roofline import Roofline, measure_roofline

pytest.importorskip("fast_sugiyama")


@pytest.fixture(autouse=True)
def _measured_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def quick(profiler: Profiler, threads: int) -> Roofline:
        return measure_roofline(profiler, threads, seconds=0.001, array_bytes=2**16)

    monkeypatch.setattr(operator_times, "measure_roofline", quick)


def test_the_page_with_reports_that_the_commands_wrote(command: Command, small: Path, tmp_path: Path) -> None:
    (tmp_path / "parity.json").write_text(
        command("parity", small, "--model", "user_models:resnet", "--json").out
    )
    (tmp_path / "profile.json").write_text(command("profile", small, "--runs", "1", "--json").out)
    page = tmp_path / "new" / "graph.html"
    shown = command(
        "view",
        small,
        "--parity",
        tmp_path / "parity.json",
        "--profile",
        tmp_path / "profile.json",
        "--html",
        page,
    )
    assert (shown.code, shown.err) == (0, "")
    assert f"wrote {page}" in shown.out and "own error, share of time" in shown.out
    assert "not by" not in shown.out
    reports = json.loads((tmp_path / "parity.json").read_text())["reports"][0]
    elements = Elements(page.read_text("utf-8"))
    inside = json.loads(next(text for text in elements.text if text.startswith('{"artifact"')))
    rows = {row["value"]: row for row in reports["operators"]}
    joined = {
        value["name"]: node["error"] for node in inside["nodes"] for value in node["gives"] if node["error"]
    }
    assert joined.keys() == rows.keys() - {
        value["name"] for node in inside["nodes"] if node["role"] == "input" for value in node["gives"]
    }
    assert all(joined[name]["own"] == rows[name]["own_error"] for name in joined)
    times = json.loads((tmp_path / "profile.json").read_text())["profile"]["operators"]
    placed = sum(row["share"] for node in inside["nodes"] for row in node["taken"])
    assert placed + inside["time"]["unplaced"] == pytest.approx(sum(row["share"] for row in times))


def test_json_says_what_was_written(command: Command, small: Path, tmp_path: Path) -> None:
    page = tmp_path / "graph.html"
    shown = command("view", small, "--html", page, "--json")
    assert shown.code == 0, shown.err
    found = shown.json["view"]
    assert (found["page"], found["bytes"], found["artifact"]) == (str(page), page.stat().st_size, small.name)
    assert found["operators"] > 5 and found["connections"] >= found["operators"]
    assert [row["title"] for row in found["missing"]] == ["own error", "share of time"]
    before = page.read_bytes()
    command("view", small, "--html", page)
    assert page.read_bytes() == before  # the same artifact, the same page


def test_a_page_does_not_go_into_an_artifact(command: Command, small: Path) -> None:
    refused = command("view", small, "--html", small / "graph.html")
    assert refused.code == 3 and "is inside the artifact" in refused.err
    assert not (small / "graph.html").exists()


def test_a_report_of_another_artifact_is_refused(command: Command, small: Path, tmp_path: Path) -> None:
    report, other = tmp_path / "profile.json", Path(shutil.copytree(small, tmp_path / "other"))
    report.write_text(command("profile", small, "--runs", "1", "--json").out)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest | {"name": "other"}))
    refused = command("view", other, "--profile", report, "--html", tmp_path / "graph.html")
    assert refused.code == 3
    assert f"{report} is of another artifact than {other}" in refused.err
    assert "make it again: cloformer profile" in refused.err
    assert not (tmp_path / "graph.html").exists()


def test_a_missing_library_is_told_with_what_installs_it(
    command: Command, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fast_sugiyama", None)
    refused = command("view", small, "--html", tmp_path / "graph.html")
    assert refused.code == 5 and "pip install 'cloformer[view]'" in refused.err
    assert not (tmp_path / "graph.html").exists()
