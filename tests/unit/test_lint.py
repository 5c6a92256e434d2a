"""Lint finds what was planted, with the operator and the line, and nothing else; the rewrites leave nothing to find."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import phone_traits
import pytest
from changed_artifact import with_model
from outcome import Command

from cloformer.errors import UnsupportedError, UsageError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.formats.onnx.view import read_view
from cloformer.export.formats.view import FileView, Kind, OperatorView, ValueView
from cloformer.export.lint.found_by_magnitude import logsumexp_beyond_half
from cloformer.export.lint.found_by_shape import small_epsilons
from cloformer.export.lint.graph import Graph, Magnitudes, Peak
from cloformer.export.lint.lint import Gate, LintReport, lint
from cloformer.export.lint.measure import _met
from cloformer.export.lint.rules import RULES
from cloformer.export.parity.request import ParityRequest
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reports.lint import github, text
from cloformer.export.schemas import schema

PLANTED = phone_traits.lines()
REWRITTEN = {name for name, rule in RULES.items() if "coreml" in rule.flags}
MAGNITUDES = {name for name, rule in RULES.items() if rule.measures}
# What is planted in the file itself: no export of a trace has it.
IN_FILES_ALONE = {"computed-sizes"}


def _exported(folder: Path, name: str, format_name: str = "coreml", **request: object) -> Artifact:
    asked = ExportRequest(
        model=f"phone_traits:{name}",
        image_size=phone_traits.IMAGE_SIZE,
        formats=(format_name,),
        output=folder,
        **request,
    )  # type: ignore[arg-type]
    return export(asked)[0].artifact


def _found(report: LintReport) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for item in report.findings:
        found.setdefault(item.rule.name, []).append(int(item.origin.location.rpartition(":")[2]))
    return found


def _planted(names: Sequence[str]) -> dict[str, list[int]]:
    return {name: PLANTED[name] for name in names if name in PLANTED}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traits")


@pytest.fixture(scope="module")
def large(place: Path) -> LintReport:
    """In float16, but for one operator."""
    kept = place / "map.json"
    kept.write_text(
        json.dumps({"schema_version": 1, "float32": [{"node": "sinh", "module": "", "location": ""}]})
    )
    return lint(_exported(place, "large", precision_map=kept), ParityRequest())


@pytest.fixture(scope="module")
def in_onnx(place: Path) -> Artifact:
    return _exported(place, "large", "onnx")


def test_every_rule_is_planted_and_names_its_source() -> None:
    assert set(PLANTED) | IN_FILES_ALONE == set(RULES)
    assert all(rule.source and rule.rewrite and rule.formats for rule in RULES.values())


def test_each_planted_trait_is_found_at_its_line_and_nothing_else(large: LintReport) -> None:
    """The same operators stand in other lines of the network, where no rule has anything against them."""
    assert _found(large) == _planted([name for name, rule in RULES.items() if "coreml" in rule.formats])
    kinds = {item.rule.name: item.operator for item in large.findings}
    assert kinds == {
        "softplus-above-10": "softplus", "logsumexp-without-maximum": "reduce_log_sum_exp", "product-of-2-axes": "linear",
        "width-slice-off-zero": "slice_by_index", "attention-of-3-axes": "matmul", "sum-beyond-half": "reduce_mean",
        "more-than-4-axes": "reshape", "average-in-ceil-mode": "avg_pool", "long-softmax": "softmax",
        "subnormal-epsilon": "add", "float32-island": "sinh", "index-at-the-end": "reduce_argmax",
    }  # fmt: skip
    assert not large.not_checked
    assert large.cases == ("chelsea.jpg", "noise, seed 0")


def test_the_rewrites_leave_nothing_of_theirs_to_find_and_keep_the_model(
    place: Path, command: Command
) -> None:
    artifact = _exported(place, "large", options={"processor": "neural-engine"})
    rest = {name for name, rule in RULES.items() if "coreml" in rule.formats} - REWRITTEN - {"float32-island"}
    assert _found(lint(artifact, ParityRequest())) == _planted(sorted(rest, key=list(RULES).index))
    sites = {item.name: len(item.sites) for item in artifact.manifest.passes}
    wanted = {"split_softplus": 3, "shift_logsumexp": 4, "pad_ceil_mode": 1, "products_at_rank_4": 5}
    assert {name: sites[name] for name in wanted} == wanted
    assert artifact.folder.name.endswith("-neural-engine")
    done = command("parity", artifact.folder, "--model", "phone_traits:large", "--json")
    assert done.code == 0, done.out
    (report,) = done.json["reports"]
    assert report["passed"]
    assert len(report["operators"]) > 60


def test_onnx(in_onnx: Artifact, tmp_path: Path) -> None:
    """In float32, where rules about float16 are for no operator; with a size that is computed, which no export has."""
    wanted = _planted(["more-than-4-axes", "average-in-ceil-mode", "long-softmax", "large-depthwise"])
    report = lint(in_onnx, ParityRequest())
    assert _found(report) == wanted
    assert set(report.checked) == {*wanted, "computed-sizes"}
    assert not report.cases  # no rule of these measures

    def compute_a_size(path: Path) -> None:
        model = onnx.load(path)
        (node,) = [item for item in model.graph.node if item.op_type == "AveragePool"]
        place = list(model.graph.node).index(node)
        made = [
            onnx.helper.make_node("Shape", [node.input[0]], ["size"]),
            onnx.helper.make_node("Reshape", [node.input[0], "size"], ["same"]),
        ]
        node.input[0] = "same"
        for item in reversed(made):
            model.graph.node.insert(place, item)
        onnx.save(model, path)

    changed = read_artifact(with_model(in_onnx.folder, tmp_path / "changed", compute_a_size))
    found = lint(changed, ParityRequest()).findings
    assert [(item.operator, item.value) for item in found if item.rule.name == "computed-sizes"] == [
        ("Shape", "size")
    ]
    assert Counter(item.rule.name for item in found) == Counter(
        {**dict.fromkeys(wanted, 1), "computed-sizes": 1}
    )


def _logarithm_of(*before: tuple[Kind, str], gives: float) -> Graph:
    """A chain of operators that a logarithm ends."""
    chain = [*before, (Kind.LOGARITHM, "log")]
    operators = [
        OperatorView(kind, kind.value, (chain[place - 1][1] if place else "x",), (name,))
        for place, (kind, name) in enumerate(chain)
    ]
    values = {name: ValueView((1, 8), "float16") for name in ("x", *(name for _, name in chain))}
    return Graph(
        FileView(tuple(operators), values, ("log",)), {"log": Magnitudes(gives=Peak(gives, "noise"))}
    )


@pytest.mark.parametrize(
    ("before", "gives", "finds"),
    [
        ([(Kind.EXPONENTIAL, "exp"), (Kind.SUM, "sum")], 11.08, True),
        (
            [(Kind.EXPONENTIAL, "exp"), (Kind.CAST, "cast"), (Kind.SUM, "sum"), (Kind.MOVE, "flat")],
            11.08,
            True,
        ),
        ([(Kind.EXPONENTIAL, "exp"), (Kind.SUM, "sum")], 7.6 + math.log(32), False),
        ([(Kind.ACTIVATION, "relu"), (Kind.SUM, "sum")], 11.08, False),
    ],
    ids=["exponentials", "with moves between", "as many as float16 has", "of something else"],
)
def test_a_logsumexp_that_is_written_out(before: list[tuple[Kind, str]], gives: float, finds: bool) -> None:
    found = list(logsumexp_beyond_half(_logarithm_of(*before, gives=gives)))
    assert [item.operator.value for item in found] == ["log"] * finds


def test_what_is_no_number_was_beyond_the_end_and_negative_ones_are_not_large() -> None:
    operator = OperatorView(Kind.SUM, "sum", ("x",), ("y",), {"axes": (1,)})
    found = _met(
        operator, {"x": np.array([[np.nan, 1.0]], np.float16), "y": np.array([np.nan], np.float16)}, "noise"
    )
    assert (
        found.highest.number == found.gives.number == found.largest.number == found.total.number == math.inf
    )
    found = _met(operator, {"x": np.array([[-3.0, -4.0]]), "y": np.array([-7.0])}, "noise")
    assert (found.highest.number, found.gives.number, found.largest.number, found.total.number) == (
        -3,
        -7,
        7,
        7,
    )
    assert _met(operator, {}, "noise") == Magnitudes()


def test_what_was_not_run_is_said_and_fails_its_gate(
    large: LintReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise UnsupportedError("the reference runtime does not know 1 kind of operator: fold")

    from cloformer.export.lint import measure

    monkeypatch.setattr(measure, "open_model", refuse)
    report = lint(read_artifact(Path(large.artifact)), ParityRequest())
    assert {item.rule for item in report.not_checked} == MAGNITUDES
    assert not MAGNITUDES & {item.rule.name for item in report.findings}
    assert "not checked: softplus-above-10" in " ".join("\n".join(text.lines(report, Gate())).split())
    assert len(Gate(("softplus-above-10",)).failures(report)) == 1
    jsonschema.validate({"schema_version": 1, "reports": [report.to_json()]}, schema("lint"))


def test_a_value_that_the_runtime_does_not_give(large: LintReport, monkeypatch: pytest.MonkeyPatch) -> None:
    from cloformer.export.formats.coreml.reference_runner import ReferenceMilRunner

    values = ReferenceMilRunner.values
    (softplus, *_) = [item.value for item in large.findings if item.rule.name == "softplus-above-10"]
    monkeypatch.setattr(
        ReferenceMilRunner,
        "values",
        lambda self, inputs: {
            name: value for name, value in values(self, inputs).items() if name != softplus
        },
    )
    report = lint(read_artifact(Path(large.artifact)), ParityRequest())
    assert {item.rule for item in report.not_checked} == MAGNITUDES
    assert softplus in report.not_checked[0].reason


@pytest.mark.parametrize(
    ("names", "failing"),
    [
        ((), set()),
        (("error",), {"error"}),
        (("warning",), {"error", "warning"}),
        (("note",), {"error", "warning", "note"}),
        (("any",), {"error", "warning", "note"}),
    ],
)
def test_gates(large: LintReport, names: tuple[str, ...], failing: set[str]) -> None:
    found = Gate(names).failures(large)
    assert {item.rule.severity.value for item in found} == failing  # type: ignore[union-attr]
    one = Gate(("long-softmax",)).failures(large)
    assert [item.rule.name for item in one] == ["long-softmax"]  # type: ignore[union-attr]


def test_a_gate_of_no_rule() -> None:
    with pytest.raises(UsageError, match="Did you mean long-softmax"):
        Gate(("long-sofmax",))


def test_what_people_are_told(large: LintReport) -> None:
    said = "\n".join(text.lines(large, Gate(("error",))))
    assert text.counted(large) == "5 errors, 7 warnings, 1 note"
    for item in large.findings:
        assert item.rule.name in said
        assert item.rule.source.partition(" ")[0] in said
    assert "phone_traits:Traits:" in said
    assert "`cloformer export --for neural-engine` does it" in " ".join(said.split())
    assert said.splitlines()[-1].startswith("FAIL  --fail-on error: ")


def test_github(large: LintReport, tmp_path: Path) -> None:
    """What fails is an error, the rest as severe as its rule; beside its line where the file is there."""
    (tmp_path / "phone_traits.py").write_text("")
    said = github.annotations([large], Gate(("long-softmax",)), tmp_path).splitlines()
    kinds = Counter(line.partition(" ")[0] for line in said)
    severities = Counter(item.rule.severity.value for item in large.findings)
    assert kinds == {
        "::error": severities["error"] + 1,
        "::warning": severities["warning"] - 1,
        "::notice": severities["note"],
    }
    (line,) = [line for line in said if "long-softmax" in line]
    assert f"file=phone_traits.py,line={PLANTED['long-softmax'][0]}" in line
    summary = github.step_summary([large])
    assert all(item.rule.name in summary for item in large.findings)
    assert github.report_if_there([large], Gate(), {}) is False


def test_the_command(large: LintReport, command: Command) -> None:
    done = command("lint", large.artifact, "--json")
    assert done.code == 0
    jsonschema.validate(done.json, schema("lint"))
    assert done.json["reports"] == [large.to_json()]
    failed = command("lint", large.artifact, "--fail-on", "subnormal-epsilon", "--quiet")
    assert failed.code == 1
    assert failed.out.splitlines()[-1] == "FAIL  --fail-on subnormal-epsilon: 1 finding"


def test_export_lints_what_it_wrote(tmp_path: Path, command: Command) -> None:
    given = ("export", "--model", "tiny:net", "--image-size", "16", "--output", tmp_path, "--lint")
    done = command(*given, "--json")
    assert done.code == 0
    jsonschema.validate({"schema_version": 1, "reports": done.json["lint"]}, schema("lint"))
    assert done.json["lint"][0]["artifact"] == done.json["artifacts"][0]["folder"]
    told = command(*given, "--fail-on", "any")
    assert told.code == 0
    assert f"lint {done.json['artifacts'][0]['folder']}: nothing found" in " ".join(told.out.split())


def test_a_kept_litert_file() -> None:
    report = lint(read_artifact(Path(__file__).parents[1] / "data/artifacts/v2/litert"), ParityRequest())
    assert (report.operators, report.findings) == (3, ())
    assert "large-depthwise" in report.checked


def test_the_document_has_every_rule_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "lint.md").read_text("utf-8")
    for rule in RULES.values():
        (row,) = [
            line
            for line in page.splitlines()
            if line.startswith(f"| `{rule.name}` | {rule.severity.value} |")
        ]
        cells = row.replace("\\|", "|")
        assert all(text in cells for text in (rule.sees, rule.source, rule.rewrite, *rule.flags.values()))


def test_the_same_file_gives_the_same_findings(large: LintReport) -> None:
    again = lint(read_artifact(Path(large.artifact)), ParityRequest())
    found: Mapping[str, object] = again.to_json()
    assert found == large.to_json()


@pytest.mark.parametrize(("norm", "found"), [("BatchNormalization", 0), ("InstanceNormalization", 1)])
def test_what_divides_by_a_constant_needs_no_epsilon(tmp_path: Path, norm: str, found: int) -> None:
    """A batch norm that nothing can be folded into stays in the file: its variance is known, and is not computed."""
    parameters = ("scale", "bias", "mean", "variance")[: 4 if norm == "BatchNormalization" else 2]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(norm, ["x", *parameters], ["y"], epsilon=1e-5)],
        "norm",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 3, 4, 4))],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (1, 3, 4, 4))],
        [onnx.numpy_helper.from_array(np.ones(3, np.float32), name) for name in parameters],
    )
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)]), tmp_path / "m.onnx"
    )
    assert len(list(small_epsilons(Graph(read_view(tmp_path / "m.onnx"))))) == found
