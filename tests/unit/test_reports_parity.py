"""What people, CI and programs are told of a comparison; hostile names stay text everywhere."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from pages import HOSTILE, Elements

from cloformer.errors import InputError
from cloformer.export.formats.coreml.cliffs import SOFTPLUS, CliffMet
from cloformer.export.parity.cliffs import FoundCliff
from cloformer.export.parity.metrics import Figures
from cloformer.export.parity.report import OperatorResult, OutputResult, ParityReport
from cloformer.export.parity.tolerances import OutputTolerance
from cloformer.export.reports.parity import github
from cloformer.export.reports.parity import text as table
from cloformer.export.reports.parity.files import write_reports
from cloformer.export.reports.parity.junit import junit_xml
from cloformer.export.reports.parity.page import Image, Pictures, html_page
from cloformer.export.reports.parity.pictures import BINS_PER_DECADE, histogram
from cloformer.export.reports.parity.words import reasons
from cloformer.export.reports.shared.charts import Scale
from cloformer.export.reports.shared.github import source_of
from cloformer.export.reports.shared.words import number, plain
from cloformer.export.schemas import schema

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BOUND = OutputTolerance(1e-5, 0.9999999, "ten times what float32 costs")


def output(
    case: str = "cat.jpg", error: float = 2e-6, failure: str | None = None, **changes: Any
) -> OutputResult:
    found = Figures(error, error / 2, 2.0, 120.0, 0.99999999)
    result = OutputResult(
        "logits",
        case,
        "photograph",
        found,
        Figures(1e-6, 5e-7, 2.0, 125.0, 1.0),
        BOUND,
        2e-5,
        1.0,
        0.8,
        None,
        failure,
    )
    return dataclasses.replace(result, **changes)


def operator(depth: int, verdict: str = "right", **changes: Any) -> OperatorResult:
    own = 3e-3 if verdict == "wrong here" else 1e-7
    result = OperatorResult(
        f"value_{depth}", f"gelu_{depth}", "aten.gelu.default", f"stages.{depth // 3}.blocks.0.act", "nets:Block:12",
        (f"gelu_{depth}",), (f"gelu_{depth - 1}",) if depth else (), depth, own, own * 2, 1e-6, 0.5, "cat.jpg", verdict,
    )  # fmt: skip
    return dataclasses.replace(result, **changes)


def report(**changes: Any) -> ParityReport:
    result = ParityReport(
        "nets-onnx-32-fp32", "nets", "onnx", "fp32", "opset 20", "32 x 32", "ONNX Runtime", True, "", "PyTorch, float64",
        (output(), output("noise, seed 0", 1e-6, kind="noise")), tuple(operator(depth) for depth in range(6)), 8, (), (),
        {"system": "Linux", "torch": "2.13"}, "a" * 64,
    )  # fmt: skip
    return dataclasses.replace(result, **changes)


PASSING = report()
WRONG = report(
    precision="fp16",
    runner="ML Program reference runtime",
    is_device_runtime=False,
    operators=(
        operator(0),
        operator(1),
        operator(2, "wrong here", group=("mul_1", "gelu_2")),
        operator(3, "inherited"),
        operator(4, "inherited"),
        operator(5, "wrong here", module="head"),
    ),
)
BAD_OUTPUT = report(
    outputs=(
        output(),
        output("dog.jpg", 0.5, "off by 0.5, and 2e-05 is allowed", top1=0.0, flipped_margin=0.4),
    )
)
NOT_COMPARED = report(not_compared=("value_7 (relu_7) on cat.jpg",), notes=("only two inputs",))
NO_OUTPUT = report(outputs=())
NO_OPERATORS = report(operators=(), operators_total=0)
NOT_FINITE = report(
    outputs=(
        output(
            figures=Figures(math.inf, math.inf, math.nan, -math.inf, 0.0), noise_floor=None, top1=None, top5=None,
            failure="off by inf, and 2e-05 is allowed",
        ),
        output("exact", figures=Figures(0.0, 0.0, 2.0, math.inf, 1.0)),
    ),
    operators=(
        operator(0, tolerance=0.0, own_error=0.0, total_error=0.0),
        operator(1, "wrong here", own_error=math.inf, total_error=math.nan),
        operator(2, "wrong here", own_error=math.nan, total_error=math.inf, tolerance=0.0, largest=math.inf),
    ),
)  # fmt: skip
EVIL = report(
    artifact=HOSTILE, model=HOSTILE, format=HOSTILE, precision=HOSTILE, target=HOSTILE, image_size=HOSTILE,
    runner=HOSTILE, is_device_runtime=False, arithmetic=HOSTILE, reference=HOSTILE, not_compared=(HOSTILE,), notes=(HOSTILE,),
    outputs=(output(HOSTILE, 1.0, HOSTILE, name=HOSTILE, kind=HOSTILE, tolerance=OutputTolerance(1e-5, 0.9, HOSTILE)),),
    operators=(
        operator(0, module=HOSTILE, location=HOSTILE, node=HOSTILE, operator=HOSTILE, value=HOSTILE, case=HOSTILE),
        operator(
            1, "wrong here", module=HOSTILE, location=HOSTILE, node=HOSTILE + "2", operator=HOSTILE, value=HOSTILE,
            case=HOSTILE, group=(HOSTILE, HOSTILE), reads=(HOSTILE, HOSTILE + "3"),
        ),
    ),
    environment={HOSTILE: HOSTILE},
    cliffs=(FoundCliff(CliffMet(SOFTPLUS, HOSTILE, HOSTILE, (HOSTILE,), 3, 9, math.inf), HOSTILE, HOSTILE, HOSTILE),),
)  # fmt: skip
CLIFF = report(
    runner="ML Program reference runtime",
    is_device_runtime=False,
    arithmetic="arithmetic neural-engine",
    operators=(operator(0), operator(1, "wrong here", cliff=str(SOFTPLUS)), operator(2, "inherited")),
    cliffs=(
        FoundCliff(
            CliffMet(SOFTPLUS, "softplus_1", "softplus", (), 12, 96, 12.3), "softplus", "act", "nets:Net:12"
        ),
    )
    * 9,
)
REPORTS = {
    "passing": PASSING,
    "wrong operator": WRONG,
    "bad output": BAD_OUTPUT,
    "not compared": NOT_COMPARED,
    "no output": NO_OUTPUT,
    "no operators": NO_OPERATORS,
    "not finite": NOT_FINITE,
    "hostile": EVIL,
    "published cliff": CLIFF,
}
each = pytest.mark.parametrize("found", REPORTS.values(), ids=REPORTS.keys())


@each
def test_reasons_exactly_if_it_fails(found: ParityReport) -> None:
    assert bool(reasons(found)) is not found.passed


def test_words() -> None:
    assert plain(HOSTILE).isprintable()
    assert plain("añb 漢 é") == "añb 漢 é"
    assert plain("a\nb\x1b") == r"a\nb\x1b"
    assert [number(value) for value in (0.0, 1.24e-6, math.inf, -math.inf, math.nan)] == [
        "0", "1.2e-06", "infinite", "-infinite", "no number",
    ]  # fmt: skip
    assert source_of("my.nets:Block:12") == ("my/nets.py", 12)
    for location in ("", "my.nets:Block", "../up:Block:1", "my.nets:Block:²", "/etc/passwd:1", "a b:C:1"):
        assert source_of(location) is None


@each
def test_table(found: ParityReport) -> None:
    text = table.render(found)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 110
    assert all(line.isprintable() for line in text.split("\n"))
    verdict = "PASS" if found.passed else "FAIL"
    assert lines[0].startswith(f"{verdict}  ")
    assert next(line for line in lines if re.match(r"(PASS|FAIL):", line)).startswith(verdict)
    assert ("lower bound" in " ".join(text.split())) is not found.is_device_runtime


def test_table_says_what_failed_and_what_was_compared() -> None:
    text = table.render(WRONG)
    assert "8 results of operators compared (2 with the one that they are fused into): 2 wrong here" in text
    assert "2 wrong here, 2 right but on inputs already off, 2 right" in " ".join(text.split())
    first = text[text.index("FIRST DIVERGENCE") :]
    assert "gelu_2 at stages.0.blocks.0.act (nets:Block:12), fused with mul_1" in " ".join(first.split())
    assert "and 1 operator after it, wrong in itself" in text
    assert re.search(r"logits +cat.jpg +2.0e-06 +1.0e-06 +2.0e-05 +1.0e-06 +120 dB +1.0000000 +same", text)
    failing = table.render(BAD_OUTPUT)
    assert failing.index("dog.jpg") < failing.index("cat.jpg")
    assert "FAIL  off by 0.5, and 2e-05 is allowed" in failing
    assert "  - not compared: value_7 (relu_7) on cat.jpg" in table.render(NOT_COMPARED)
    assert "operators were not compared" in table.render(NO_OPERATORS)
    assert "no output was compared" in table.render(NO_OUTPUT)
    assert "infinite" in table.render(NOT_FINITE)


def test_a_published_cliff_is_told_everywhere() -> None:
    """Of the operator that is wrong, and as a list; what a terminal leaves out is counted."""
    met = "softplus softplus_1 at act (nets:Net:12) would give 0 there: 12 of 96 values, inputs up to 12.3 (coremltools #2687)"
    known = "a published cliff of the Neural Engine gives 0 for inputs above 10.394 (coremltools #2687)"
    said = " ".join(table.render(CLIFF).split())
    assert known in said and said.count(met) == 8 and "and 1 more (--json and --html have them all)" in said
    assert "where it meets a cliff that it emulates, its error is an estimate" in said
    assert (
        known.removeprefix("a ") in " ".join(html_page([CLIFF]).split())
        and html_page([CLIFF]).count(met) == 9
    )
    assert known in junit_xml([CLIFF]) and junit_xml([CLIFF]).count(met) == 9
    assert known.replace("#", r"\#") in github.step_summary([CLIFF])
    assert "Neural Engine" not in table.render(PASSING) + html_page([PASSING]) + junit_xml([PASSING])


def test_a_format_whose_options_are_the_usual_ones_has_no_target() -> None:
    usual = report(target="")
    assert table.render(usual).splitlines()[0] == "PASS  nets onnx fp32 32 x 32"
    assert "Target" in html_page([PASSING]) and "Target" not in html_page([usual])


def test_a_long_table_is_cut_and_counted_with_the_failures_first() -> None:
    outputs = [output(f"{index}.jpg", 1e-6 * (index + 1)) for index in range(40)]
    outputs[7] = output("7.jpg", 1e-9, "cosine 0.5, and 0.9999999 is the least")
    text = table.render(
        report(outputs=tuple(outputs), not_compared=tuple(f"value_{index}" for index in range(30)))
    )
    assert re.search(r"logits +7.jpg", text)
    assert "and 28 more inputs, all further within tolerance" in text
    assert "FAIL: 31 failures" in text
    assert "and 21 more" in text


@each
def test_bisect(found: ParityReport) -> None:
    text = table.render_bisect(found)
    assert max(map(len, text.splitlines())) <= 110
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.startswith("first divergence") is (found.first_divergence is not None)


def test_bisect_says_where_the_error_comes_from() -> None:
    text = table.render_bisect(WRONG)
    assert "3 of 6 compared results" in text
    assert "3,000 times as much" in text
    assert "right: aten.gelu.default gelu_1" in text
    assert "on inputs that are right" in text
    assert "2 operators right on inputs already off, 1 wrong" in text
    later = [item for item in WRONG.operators if item.depth != 2]
    assert "on inputs that were already off" in table.render_bisect(report(operators=tuple(later)))
    assert "none of 8 results of operators compared" in table.render_bisect(PASSING)
    assert "not compared" in table.render_bisect(NO_OPERATORS)


def junit(reports: list[ParityReport]) -> ElementTree.Element:
    """The document, with every count checked against what is counted."""
    root = ElementTree.fromstring(junit_xml(reports))  # noqa: S314 - our own
    assert root.tag == "testsuites"
    for element in (root, *root):
        assert element is root or element.tag == "testsuite"
        assert int(element.get("tests", "")) == len(list(element.iter("testcase"))) > 0
        assert int(element.get("failures", "")) == sum(
            case.find("failure") is not None for case in element.iter("testcase")
        )
        assert element.get("errors") == element.get("skipped") == "0"
    for suite in root:
        assert suite.get("name")
        assert [child.tag for child in suite] == ["properties"] + ["testcase"] * (len(suite) - 1)
        keys = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
        assert all(all(key) for key in keys) and len(set(keys)) == len(keys)
        for failure in suite.iter("failure"):
            assert failure.get("message") and failure.text and failure.get("type")
    return root


@each
def test_junit(found: ParityReport) -> None:
    root = junit([found])
    assert (root.get("failures") == "0") is found.passed
    properties = {item.get("name"): item.get("value") for item in root.iter("property")}
    assert properties["manifest_sha256"] == "a" * 64
    assert ("lower_bound" in properties) is not found.is_device_runtime


def test_junit_has_a_case_per_output_and_group() -> None:
    root = junit([PASSING, WRONG, NOT_COMPARED])
    assert len(root) == 3
    wrong = {case.get("name"): case for case in root[1].iter("testcase")}
    assert list(wrong) == ["logits", "stages.0", "stages.1", "head"]
    assert {name for name, case in wrong.items() if case.find("failure") is not None} == {"stages.0", "head"}
    message = wrong["stages.0"].find("failure").get("message")  # type: ignore[union-attr]
    assert message == plain(f"{WRONG.operators[2]} adds 3.0e-03 of the value's largest magnitude, and 1.0e-06 is allowed; "
                            "6.0e-03 from the reference in all, on cat.jpg")  # fmt: skip
    assert wrong["logits"].get("classname") == "parity.onnx.fp16.ML Program reference runtime.outputs"
    failing = [case.get("name") for case in root[2].iter("testcase") if case.find("failure") is not None]
    assert failing == ["value_7 (relu_7) on cat.jpg"]
    values = {item.get("name"): item.get("value") for item in root[0].iter("property")}
    assert values["environment.torch"] == "2.13"
    assert (
        values["operators_compared"]
        == "8 results of operators compared (2 with the one that they are fused into)"
    )


@pytest.mark.parametrize("write", [junit_xml, html_page, github.annotations, github.step_summary])
def test_nothing_compared_is_a_failure(write: Callable[[list[ParityReport]], str]) -> None:
    text = write([])
    assert re.search(r'failures="1"|Parity fails|::error |FAILS', text)
    assert not re.search("holds|::notice", text.replace(".holds", ""))


@each
def test_the_document_follows_its_schema(found: ParityReport) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = json.dumps({"reports": [dataclasses.replace(found, outputs=tuple(
        dataclasses.replace(item, kind="noise") for item in found.outputs
    )).to_json()]})  # fmt: skip
    document = json.loads(text, parse_constant=refuse)
    jsonschema.Draft202012Validator(schema("parity")).validate(document)
    assert document["reports"][0]["passed"] is found.passed


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(more=1),
        lambda d: d.pop("reports"),
        lambda d: d["reports"][0].update(more=1),
        lambda d: d["reports"][0].pop("notes"),
        lambda d: d["reports"][0].update(manifest_sha256="b"),
        lambda d: d["reports"][0].update(schema_version=2),
        lambda d: d["reports"][0]["outputs"][0].update(more=1),
        lambda d: d["reports"][0]["outputs"][0].update(kind="other"),
        lambda d: d["reports"][0]["outputs"][0]["figures"].pop("cosine"),
        lambda d: d["reports"][0]["outputs"][0]["tolerance"].update(because=""),
        lambda d: d["reports"][0]["operators"][0].update(verdict="maybe"),
        lambda d: d["reports"][0]["operators"][0].update(more=1),
        lambda d: d["reports"][0]["environment"].update(torch=2),
    ],
)
def test_the_schema_is_strict(change: Callable[[Any], Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema("parity"))
    document = json.loads(json.dumps({"reports": [PASSING.to_json()]}))
    validator = jsonschema.Draft202012Validator(schema("parity"))
    validator.validate(document)
    change(document)
    assert not validator.is_valid(document)


@each
def test_annotations(found: ParityReport) -> None:
    lines = github.annotations([found]).split("\n")
    assert lines.pop() == ""
    kind = "notice" if found.passed else "error"
    for line in lines:
        command = re.fullmatch(rf"::{kind} title=([^:,]*)::(.*)", line)
        assert command and line.isprintable()
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", line)


def test_annotations_stand_beside_the_line_and_are_few(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("")
    beside = github.annotations([WRONG], root=tmp_path).splitlines()
    assert beside[0].startswith(
        "::error title=parity fails%3A nets onnx fp16 32 x 32,file=nets.py,line=12::first divergence: "
    )
    assert "file=" not in github.annotations([WRONG], root=tmp_path / "elsewhere")
    many = report(not_compared=tuple(f"100%, value: {index}" for index in range(30)))
    lines = github.annotations([many]).splitlines()
    assert len(lines) == 10
    assert lines[0].endswith("::not compared: 100%25, value: 0")
    assert lines[-1].endswith("::and 21 more failures")


@each
def test_step_summary(found: ParityReport) -> None:
    from markdown_it import MarkdownIt

    text = github.step_summary([found])
    page = Elements(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    assert not {tag for tag, _ in page.found} - {
        "h2",
        "h3",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "strong",
        "em",
    }
    assert ("FAIL" in text) is not found.passed
    columns = {
        len(re.findall(r"<t[hd]", row))
        for row in re.findall(
            r"<tr>.*?</tr>", MarkdownIt("commonmark").enable("table").render(text), re.DOTALL
        )
    }
    assert columns <= {5, 9}
    if found is EVIL:
        shown = "".join(page.text)
        assert shown.count(plain(HOSTILE)) >= 10


def test_step_summary_is_appended_and_never_too_long(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text("before\n")
    github.write_step_summary([PASSING], path)
    github.write_step_summary([WRONG], path)
    text = path.read_text("utf-8")
    assert text == "before\n" + github.step_summary([PASSING]) + github.step_summary([WRONG])
    endless = report(
        notes=(), outputs=tuple(output(f"{index}", failure="x" * 100_000) for index in range(30))
    )
    assert len(github.step_summary([endless]).encode()) < 2**20


def test_only_inside_github(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = tmp_path / "summary"
    assert not github.report_if_there([WRONG], {"GITHUB_STEP_SUMMARY": str(summary)})
    assert capsys.readouterr() == ("", "")
    assert not summary.exists()
    assert github.report_if_there([WRONG], {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
    captured = capsys.readouterr()
    assert captured.out == ""  # which is one JSON document under --json
    assert captured.err == github.annotations([WRONG], root=Path.cwd())
    assert summary.read_text("utf-8") == github.step_summary([WRONG])


def pictures() -> Pictures:
    spread = histogram(
        HOSTILE, HOSTILE, np.array([1.0, 2.0, np.inf, 4.001]), np.array([1.0, 2.1, 3.0, 4.0]), 0.01
    )
    return Pictures((Image(HOSTILE, PNG, output().figures, HOSTILE),), (spread,))


@each
def test_page(found: ParityReport) -> None:
    text = html_page([found], [pictures()])
    page = Elements(text)
    assert ("Parity holds" in text) is found.passed
    text.encode("utf-8")
    _nothing_breaks_out(page, text)
    links = [link["href"] for link in page.named("a")]
    ids = {attributes.get("id") for _, attributes in page.found}
    assert all(link is not None and link[1:] in ids for link in links)
    assert len(page.named("rect")) >= len(found.operators)
    rows = [row for row in page.named("tr") if row.get("id")]
    assert len(rows) == len(found.operators)


def _nothing_breaks_out(page: Elements, text: str) -> None:
    """Whatever the names say, the page has the elements, attributes and addresses that it always has."""
    assert {tag for tag, _ in page.found} <= {
        "html", "head", "meta", "title", "link", "style", "script", "body", "header", "main", "section", "footer", "div",
        "span", "p", "h1", "h2", "h3", "h4", "ul", "li", "dl", "dt", "dd", "code", "small", "a", "img", "figure",
        "figcaption", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "label", "input", "svg", "g", "path",
        "circle", "line", "rect", "text",
    }  # fmt: skip
    for _, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert attributes.get("href", "#")[:1] == "#" or attributes["href"] == "data:,"  # type: ignore[index]
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
    assert len(page.named("script")) == len(page.named("style")) == 1
    assert not re.search(r"@import|url\(", text)
    policy = next(
        item["content"] for item in page.named("meta") if item.get("http-equiv") == "Content-Security-Policy"
    )
    for kind in ("script", "style"):
        content = text.partition(f"<{kind}>")[2].partition(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none';")


def test_page_of_several() -> None:
    text = html_page(list(REPORTS.values()))
    page = Elements(text)
    assert len([item for item in page.named("section") if item.get("class") == "report"]) == len(REPORTS)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert f"{sum(not item.passed for item in REPORTS.values())} of {len(REPORTS)} artifacts" in text


def test_the_largest_error_is_the_largest_of_all() -> None:
    """Of the second output, on its last input, where the most is allowed: nowhere is it the nearest to failing."""
    found = report(
        outputs=(
            output(error=1e-6, allowed=1e-6),
            output("noise, seed 0", 2e-6, allowed=2e-5),
            output(error=3e-6, allowed=1e-3, name="boxes"),
            output("noise, seed 0", 7.5e-4, allowed=1e-2, name="boxes"),
        )
    )
    said = "2 outputs within tolerance, the largest error 7.5e-04, at most 1 times what is allowed"
    assert said in github.annotations([found])
    assert said in github.step_summary([found])
    cells = Elements(html_page([found, report()])).text
    heads = ["Artifact", "Run by", "Largest error", "Of allowed", "Operators", "Verdict"]
    start = cells.index("Artifact")
    assert cells[start : start + 6] == heads
    assert cells[start + 8 : start + 10] == ["7.5e-04", "1"]


def test_page_shows_hostile_names_as_they_are() -> None:
    page = Elements(html_page([EVIL], [pictures()]))
    shown = [text for text in page.text if plain(HOSTILE) in text]
    assert len(shown) > 20
    assert {item["alt"] for item in page.named("img")} == {plain(HOSTILE)}


def test_page_takes_pictures_for_all_reports_or_none() -> None:
    with pytest.raises(ValueError, match="1 picture given for 2 reports"):
        html_page([PASSING, WRONG], [Pictures()])
    with pytest.raises(ValueError, match="is no PNG"):
        html_page([PASSING], [Pictures((Image("x", b"<svg onload=alert(1)>", output().figures),))])


def test_scale_holds_what_it_is_given() -> None:
    scale = Scale.of([2e-7, 3e-3, 0.0, math.inf, math.nan])
    assert (scale.low, scale.high) == (-7, -2)
    assert (
        scale.share(1e-7) == 0.0 and scale.share(1e-2) == 1.0 and scale.share(10**-4.5) == pytest.approx(0.5)
    )
    assert scale.share(0.0) == scale.share(1e-30) == 0.0
    assert scale.share(math.inf) == scale.share(math.nan) == scale.share(1e9) == 1.0
    assert Scale.of([1e-300, 1.0]).low > -20
    assert Scale.of([]) == Scale(-8, 0)


def test_histogram_counts_every_value() -> None:
    want = np.array([8.0, 0.0, 0.0, 0.0, 1.0, np.inf])[:5]
    spread = histogram("logits", "cat.jpg", np.array([8.0, 8e-3, 8.1e-3, 1e-30, np.nan]), want, 0.08)
    assert (spread.exact, spread.not_finite, spread.values) == (1, 1, 5)
    assert spread.allowed == pytest.approx(0.01)
    assert spread.first == -16 * BINS_PER_DECADE  # what is smaller counts in the lowest
    assert spread.counts[0] == 1
    assert sum(spread.counts[-2:]) == 2 and spread.first + len(spread.counts) - 1 in (-13, -12)
    assert histogram("x", "y", want, want).counts == ()
    with pytest.raises(ValueError, match="is compared with"):
        histogram("x", "y", want, want[:2])


def test_reports_are_written_whole_or_refused(tmp_path: Path) -> None:
    junit_path, page = tmp_path / "new" / "parity.xml", tmp_path / "parity.html"
    write_reports([EVIL, WRONG], junit=junit_path, html=page)
    assert junit_path.read_text("utf-8") == junit_xml([EVIL, WRONG])
    assert page.read_text("utf-8") == html_page([EVIL, WRONG])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "parity.html", "parity.xml"]
    write_reports([PASSING])
    for place in (page / "below.xml", tmp_path / "new"):
        with pytest.raises(InputError, match="cannot be written"):
            write_reports([PASSING], junit=place)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "parity.html", "parity.xml"]
