"""``cloformer profile``: what it prints and writes, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from outcome import Command

from cloformer.export.formats.profiler import Profiler
from cloformer.export.latency import operator_times
from cloformer.export.latency.roofline import Roofline, measure_roofline

SCHEMA: Any = json.loads((Path(operator_times.__file__).parent.parent / "schemas/profile.schema.json").read_text("utf-8"))  # fmt: skip


@pytest.fixture(autouse=True)
def _measured_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def quick(profiler: Profiler, threads: int) -> Roofline:
        return measure_roofline(profiler, threads, seconds=0.001, array_bytes=2**16)

    monkeypatch.setattr(operator_times, "measure_roofline", quick)


def test_json_follows_its_schema(command: Command, small: Path) -> None:
    shown = command(
        "profile", small, "--runs", "2", "--depth", "1", "--threads", "2", "--no-layout", "--json"
    )
    assert shown.code == 0, shown.err
    assert shown.err == ""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    document = shown.json
    validator.validate(document)
    report = document["profile"]
    assert (report["runs"], report["threads"], report["depth"], report["layout"]) == (2, 2, 1, False)
    assert report["roofline"]["threads"] == 2
    assert len(report["roofline"]["products"]) == 2 * len(
        {row["name"] for row in report["roofline"]["products"]}
    )
    assert len(report["run_microseconds"]) == 2 and report["verdict"]["word"] == "unstable"
    assert report["load_before"].keys() == report["load_after"].keys() == {"average", "stolen", "total"}
    assert sum(row["share"] for row in report["operators"]) == pytest.approx(1)
    assert {row["name"] for row in report["by_module"]} >= {"stem", "blocks", "fc"}
    for change in (
        {**report, "measured_on": "phone"},
        {**report, "operators": [{**report["operators"][0], "more": 1}]},
        {**report, "total": {**report["total"], "share": None}},
    ):
        assert not validator.is_valid({"profile": change})


def test_the_table_and_the_page(command: Command, small: Path, tmp_path: Path) -> None:
    page = tmp_path / "reports" / "profile.html"
    shown = command("profile", small, "--runs", "1", "--top", "3", "--html", page)
    assert shown.code == 0, shown.err
    for words in (
        "host CPU",
        "GFLOP/s, measured",
        "GB/s, measured",
        "the roofline is achieved",
        "blocks.0",
        "slowest",
    ):
        assert words in " ".join(shown.out.split())
    assert "Roofline" in page.read_text("utf-8")
    assert [path.name for path in page.parent.iterdir()] == ["profile.html"]


def test_plots(command: Command, small: Path, tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    shown = command("profile", small, "--runs", "1", "--plots", tmp_path / "plots", "--json")
    assert shown.code == 0 and shown.err == ""
    found = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert found == ["profile-modules.png", "profile-roofline.png"]


def test_exit_codes(command: Command, small: Path, tmp_path: Path) -> None:
    assert command("profile", small, "--runs", "0").code == 2
    assert command("profile", small, "--runs", "999999").code == 2
    assert command("profile", tmp_path).code == 3
    (tmp_path / "file").touch()
    assert command("profile", small, "--runs", "1", "--html", tmp_path / "file" / "page.html").code == 3


def test_an_artifact_without_origins(command: Command, small: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(small, damaged)
    (damaged / "origins.json").unlink()
    assert command("profile", damaged).code == 3
