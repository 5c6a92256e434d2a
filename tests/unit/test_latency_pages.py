"""The pages of measured latency: they say what the JSON says, and need nothing but a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from latency_reports import BENCHES, COMPARISONS, CPU, HERE, measured
from pages import HOSTILE, Elements

from cloformer.errors import InputError
from cloformer.export.latency.comparison import Comparison
from cloformer.export.latency.protocol import Counting, protocol
from cloformer.export.latency.report import LatencyReport
from cloformer.export.reports.latency.comparison_page import comparison_page
from cloformer.export.reports.latency.comparison_text import ratio, verdict_line
from cloformer.export.reports.latency.page import latency_page
from cloformer.export.reports.latency.page_file import write_latency_page
from cloformer.export.reports.latency.text import milliseconds
from cloformer.export.reports.shared.words import plain

PAGES = [*(f"bench, {name}" for name in BENCHES), *(f"compare, {name}" for name in COMPARISONS)]
each_page = pytest.mark.parametrize("name", PAGES)
each_bench = pytest.mark.parametrize("found", BENCHES.values(), ids=BENCHES.keys())
each_comparison = pytest.mark.parametrize("found", COMPARISONS.values(), ids=COMPARISONS.keys())


@cache
def page_of(name: str) -> str:
    command, _, kind = name.partition(", ")
    return latency_page(BENCHES[kind]) if command == "bench" else comparison_page(COMPARISONS[kind])


def said(page: Elements) -> str:
    """All that is to be read, on one line."""
    return " ".join(" ".join(part for part in page.text if not part.startswith((":root", "// "))).split())


@each_page
def test_nothing_breaks_out_and_nothing_is_asked_for(name: str) -> None:
    text = page_of(name)
    page = Elements(text)
    text.encode("utf-8")
    for _, attributes in page.found:
        assert not [key for key in attributes if key.startswith("on") or key in ("style", "src")]
        assert (attributes.get("href") or "#")[0] == "#" or attributes["href"] == "data:,"
    assert not page.named("img") and not re.search(r"@import|url\(", text)
    assert len(page.named("script")) == len(page.named("style")) == 1
    policy = next(str(item["content"]) for item in page.named("meta") if "http-equiv" in item)
    assert policy.startswith("default-src 'none';")
    for kind in ("script", "style"):
        content = text.partition(f"<{kind}>")[2].partition(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    ids = [str(attributes["id"]) for _, attributes in page.found if "id" in attributes]
    links = [str(link["href"])[1:] for link in page.named("a")]
    assert len(ids) == len(set(ids)) and set(links) <= set(ids)


@each_page
def test_it_says_where_and_draws_within_the_width(name: str) -> None:
    page = Elements(page_of(name))
    words = said(page)
    assert CPU in words or name in ("bench, hostile", "compare, hostile", "bench, nothing yet")
    assert "phone" not in words.lower()
    assert not re.search(r"\b(nan|inf|None)\b", words)
    for _, attributes in page.found:
        for key in ("x", "cx", "x1", "x2", "width"):
            share = str(attributes.get(key) or "")
            assert not share.endswith("%") or -0.5 <= float(share[:-1]) <= 100.5, (key, share)


@each_bench
def test_the_numbers_of_a_bench_are_those_of_its_json(found: LatencyReport) -> None:
    text = latency_page(found)
    words = said(Elements(text))
    rows = json.loads(json.dumps(found.to_json()))["rows"]
    cells = text_of_cells(text) if rows else []
    assert len(cells) == len(rows)
    for shown, row in zip(cells, rows):
        assert shown["n"] == f"{len(row['wall_ns']):,}"
        assert row["verdict"]["word"] == shown["Verdict"]
        for reason in (*row["verdict"]["reasons"], *row["notes"]):
            assert " ".join(plain(reason).split()) in words
        for name in ("median", "p90", "min", "mean", "std", "p95", "p99"):
            value = row["summary"] and row["summary"][name]
            assert shown[name if name[0] == "p" else name.capitalize()] == milliseconds(value)


def text_of_cells(text: str) -> list[dict[str, str]]:
    """Of every row of every table, by label."""
    return [
        {label: re.sub("<[^>]*>", "", cell) for label, cell in re.findall(r'<td data-label="([^"]*)"[^>]*>(.*?)</td>', row)}
        for row in re.findall(r"<tbody>(.*?)</tbody>", text)[0].split("</tr>")[:-1]
    ]  # fmt: skip


@each_comparison
def test_the_numbers_of_a_comparison_are_those_of_its_json(found: Comparison) -> None:
    text = comparison_page(found)
    words = said(Elements(text))
    document = json.loads(json.dumps(found.to_json()))
    cells = text_of_cells(text)
    assert len(cells) == len(document["rows"])
    for shown, row in zip(cells, document["rows"]):
        assert shown["Median, ms"] == milliseconds(row["summary"] and row["summary"]["median"])
        assert shown["p90, ms"] == milliseconds(row["summary"] and row["summary"]["p90"])
        assert shown["n"] == f"{len(row['wall_ns']):,}"
    for pair, shown in zip(document["pairs"], cells[1:]):
        for clock, name in (("cpu", "Processor time"), ("wall", "Wall time")):
            wanted = pair[clock] and [f"{pair[clock][end]:.3f}" for end in ("value", "low", "high")]
            assert shown[name] == ("{} ({} to {})".format(*wanted) if wanted else "-")
    for pair in found.pairs:
        assert verdict_line(found, pair)[1:] in words and ratio(pair.judged) in words


def test_what_failed_or_was_stopped_is_seen() -> None:
    words = said(Elements(latency_page(BENCHES["all kinds"])))
    for part in (
        "Latency, INCOMPLETE", "Incomplete interrupted at 4 rows of 6", "1 of 6 rows could not be measured",
        "Failed running: it crashed with SIGSEGV", "Incomplete it was stopped before its end", "Drifting", "the last tenth is",
        "No query was timed.", "1 thread, pinned", "the host took 3.0% of the processor time",
    ):  # fmt: skip
        assert part in words, part
    assert "not finished: 0 rows of 2 so far" in said(Elements(page_of("bench, nothing yet")))
    assert "INCOMPLETE" not in page_of("bench, one row")
    several = said(Elements(page_of("compare, all kinds")))
    assert "1 faster, 1 slower, 1 no verdict, 1 failed" in several
    assert "1 of 5 candidates could not be measured" in several
    assert "E against A: no verdict: one of both could not be measured" in several
    assert "Comparison, INCOMPLETE" in page_of("compare, stopped")
    assert "terminated in round 3" in said(Elements(page_of("compare, stopped")))
    assert "PASS: no candidate takes 5.0% longer than the first" in said(Elements(page_of("compare, limit")))
    assert "FAIL: " in page_of("compare, far apart")


def test_counts_and_their_limits_are_seen() -> None:
    asked = replace(protocol("normal"), counting=Counting(max_operators=300))
    row = measured(operators=402, multiply_adds=10**9, exceeded=("402 operators, and 300 are allowed",))
    words = said(Elements(latency_page(LatencyReport(asked, HERE, (row,), 1))))
    assert "an inference takes 402 operators, 1,000,000,000 multiply-adds" in words
    assert "operators are counted as the runtime runs them" in words
    assert (
        "FAILED: 1 of 1 row not within the limits" in words and "402 operators, and 300 are allowed" in words
    )
    counted = measured(0, timed=False, operators=12)
    words = said(Elements(latency_page(LatencyReport(asked, HERE, (counted,), 1))))
    assert "counted: no query was timed." in words and "1 row within the limits" in words


def test_hostile_names_are_shown_as_they_are() -> None:
    for name in ("bench, hostile", "compare, hostile"):
        shown = [part for part in Elements(page_of(name)).text if plain(HOSTILE) in part]
        assert len(shown) >= 8


@each_bench
def test_every_query_is_in_the_charts(found: LatencyReport) -> None:
    text = latency_page(found)
    words = said(Elements(text))
    bars = [
        int(amount.replace(",", ""))
        for amount in re.findall(r"<title>([\d,]+) quer(?:y|ies) (?:from|below|beyond)", text)
    ]
    assert sum(bars) == sum(len(row.wall_ns) for row in found.rows)
    lasts = re.findall(r"<title>(?:query|queries [\d,]+ to) ([\d,]+): ", text)
    assert sum(
        int(last.replace(",", "")) in (len(row.wall_ns) for row in found.rows) for last in lasts
    ) >= sum(bool(row.wall_ns) for row in found.rows)
    for row in found.rows:
        if len(row.wall_ns) > 1000:
            assert re.search(r"[\d,]+ queries, from the fastest to the slowest", words)
            assert "took longer than" in words


@each_comparison
def test_every_turn_is_in_the_chart_of_its_round(found: Comparison) -> None:
    text = comparison_page(found)
    for pair in found.pairs:
        turns = len(found.turn_ratios(pair.row))
        assert turns == 0 or f"The ratio in each of {turns:,} turns" in text
    places = re.findall(r"<title>round (\d+), turns? ([\d,]+)(?: to ([\d,]+))?: ", text)
    rounds = [turn.round for turn in found.turns]
    for number, first, last in places:
        assert set(rounds[int(first) - 1 : int(last or first)]) == {int(number)}
    if found.pairs[0].judged is not None:
        assert f"{len(found.turns)}" in {last or first for _, first, last in places}


def test_a_turn_far_off_is_on_the_rail() -> None:
    words = said(Elements(page_of("compare, one turn far off")))
    assert "beyond" in words and "off the chart" in words
    assert "off the chart" not in page_of("compare, faster")


def test_the_page_is_written_whole_or_refused(tmp_path: Path) -> None:
    page = tmp_path / "new" / "latency.html"
    write_latency_page(BENCHES["one row"], page)
    assert page.read_text("utf-8") == page_of("bench, one row")
    write_latency_page(COMPARISONS["faster"], page)
    assert page.read_text("utf-8") == page_of("compare, faster")
    assert [path.name for path in page.parent.iterdir()] == [page.name]
    for place in (page / "below.html", page.parent):
        with pytest.raises(InputError, match="cannot be written"):
            write_latency_page(BENCHES["one row"], place)


BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)


def opened(page: Path, folder: Path) -> tuple[str, list[str]]:
    """What a browser makes of a page, and what its console says."""
    assert BROWSER is not None
    options = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--window-size=390,844",
    )
    done = subprocess.run(
        [BROWSER, *options, f"--user-data-dir={folder}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium in PATH")
@pytest.mark.parametrize(
    "name", ["bench, all kinds", "bench, hostile", "compare, all kinds", "compare, nothing yet"]
)
def test_a_browser_has_nothing_to_complain_of(name: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(page_of(name), "utf-8")
    dom, console = opened(page, tmp_path / "profile")
    assert console == []
    shown = Elements(dom)
    assert shown.named("html")[0]["class"] == "js"  # the script ran
    assert said(shown) == said(Elements(page_of(name)))
    page.write_text(page_of(name).replace("</body>", "<script>alert(1)</script></body>"), "utf-8")
    _, console = opened(page, tmp_path / "profile")
    assert "Content Security Policy" in "".join(console)
