"""The page of `cloformer view`: what is embedded is what the file says, each operator once; what reports say stands at its operator."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hostile_picture import hostile
from pages import HOSTILE, Elements

from cloformer.errors import InputError
from cloformer.export.artifact.folder import MANIFEST, read_artifact, reports_folder
from cloformer.export.reports.view.data import as_json, embedded, told
from cloformer.export.reports.view.page import picture_page
from cloformer.export.view.histogram import FEW, spread
from cloformer.export.view.measured import (
    PARITY,
    PROFILE,
    Missing,
    OwnError,
    Report,
    Taken,
    beside,
    read_measured,
)
from cloformer.export.view.picture import Picture, draw
from cloformer.io.read import sha256_of

pytest.importorskip("fast_sugiyama")


@pytest.fixture(scope="module")
def model(small: Path) -> onnx.ModelProto:
    return onnx.load(small / "model.onnx")


@pytest.fixture(scope="module")
def picture(small: Path, model: onnx.ModelProto) -> Picture:
    """With a row of each report for the first convolution, and one of each that is of no operator."""
    value = next(node.output[0] for node in model.graph.node if node.op_type == "Conv")
    errors = Report(
        "a runtime",
        "",
        (
            OwnError(value, 3e-7, 1e-5, 2e-6, "right", "noise"),
            OwnError("gone", 1.0, 1e-5, 1.0, "wrong here", "noise"),
        ),
    )
    times = Report(
        "a runtime",
        "µs",
        (
            Taken(value, 0.5, 12.0, ("Conv", "Relu")),
            Taken(None, 0.25, 6.0, ()),
            Taken(value, 0.25, 6.0, ("Conv",)),
        ),
    )
    return draw(read_artifact(small), errors, times)


@pytest.fixture(scope="module")
def document(picture: Picture) -> dict[str, Any]:
    """As the page's script reads it: out of the page."""
    page = picture_page(picture, [])
    inside = page.split('<script type="application/json" id="graph">')[1].split("</script>")[0]
    found: dict[str, Any] = json.loads(inside)
    return found


def test_every_operator_is_there_once_in_the_order_they_run(
    document: dict[str, Any], model: onnx.ModelProto
) -> None:
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    shown = [node for node in document["nodes"] if node["role"] == "operator"]
    assert [(node["native"], [value["name"] for value in node["gives"]]) for node in shown] == [
        (node.op_type, list(node.output)) for node in nodes
    ]
    stored = {item.name for item in model.graph.initializer}
    ends = Counter(node["role"] for node in document["nodes"])
    assert ends["input"] == len([item for item in model.graph.input if item.name not in stored])
    assert ends["output"] == len(model.graph.output)


def test_connections_are_the_files(document: dict[str, Any], model: onnx.ModelProto) -> None:
    makers = {item.name: item.name for item in model.graph.input}
    makers |= {name: node.output[0] for node in model.graph.node for name in node.output}
    stored = {item.name for item in model.graph.initializer}
    stored |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    wanted = {
        (makers[name], name, node.output[0])
        for node in model.graph.node
        for name in node.input
        if name and name not in stored
    } | {(makers[item.name], item.name, "out") for item in model.graph.output}
    names = [(node["gives"] or [{"name": "out"}])[0]["name"] for node in document["nodes"]]
    shown = [(names[edge["from"]], edge["value"], names[edge["to"]]) for edge in document["edges"]]
    assert set(shown) == wanted and len(shown) == len(wanted)
    for edge in document["edges"]:
        assert edge["route"][:2] == document["nodes"][edge["from"]]["at"]
        assert edge["route"][-2:] == document["nodes"][edge["to"]]["at"]


def test_stored_numbers_are_the_files(document: dict[str, Any], model: onnx.ModelProto) -> None:
    held = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    shown = {item["name"]: item for item in document["constants"] if item["name"] in held}
    read = {name for node in model.graph.node for name in node.input if name in held}
    assert shown.keys() == read
    for name, item in shown.items():
        assert (item["shape"], item["dtype"], item["bytes"]) == (
            list(held[name].shape), str(held[name].dtype), held[name].nbytes,
        )  # fmt: skip
        numbers = held[name].astype(np.float64)
        assert (item["spread"]["low"], item["spread"]["high"]) == (numbers.min(), numbers.max())
        assert sum(item["spread"]["counts"]) == numbers.size
    for node, place in zip(model.graph.node, (n for n in document["nodes"] if n["role"] == "operator")):
        assert [
            document["constants"][index]["name"]
            for index in place["constants"]
            if document["constants"][index]["name"] in held
        ] == [name for name in dict.fromkeys(node.input) if name in held]


def test_attributes_shapes_and_places_are_the_files(
    document: dict[str, Any], model: onnx.ModelProto, small: Path
) -> None:
    origins = json.loads((small / "origins.json").read_text())
    node = next(item for item in model.graph.node if item.op_type == "Conv")
    shown = next(item for item in document["nodes"] if item["native"] == "Conv")
    strides = next(item.ints for item in node.attribute if item.name == "strides")
    assert ["strides", ", ".join(map(str, strides))] in shown["attributes"]
    (row,) = (item for item in origins["values"] if item["value"] == node.output[0])
    place = origins["nodes"][row["nodes"][-1]]
    assert (shown["module"], shown["location"], shown["step"]) == (place["module"], place["location"], False)
    assert shown["gives"][0]["dtype"] == "float32" and shown["gives"][0]["shape"][0] == 1
    assert all(
        item["module"] or item["location"] or item["step"]
        for item in document["nodes"]
        if item["role"] == "operator"
    )


def test_what_reports_say_stands_at_its_operator_and_the_rest_is_told(
    document: dict[str, Any], picture: Picture
) -> None:
    places = [node for node in document["nodes"] if node["error"] or node["taken"]]
    assert [node["native"] for node in places] == ["Conv"]
    assert places[0]["error"] == {
        "own": 3e-7,
        "tolerance": 1e-5,
        "total": 2e-6,
        "verdict": "right",
        "case": "noise",
    }
    assert [row["share"] for row in places[0]["taken"]] == [0.5, 0.25]
    assert document["error"] == {"by": "a runtime", "unplaced": 1}
    assert document["time"] == {"by": "a runtime", "unit": "µs", "unplaced": 0.25}
    page = " ".join(Elements(picture_page(picture, [])).text)
    assert "3.0e-07" in page and "75.00%" in page


def test_of_several_values_of_an_operator_the_worst_beside_its_tolerance_counts(
    small: Path, model: onnx.ModelProto
) -> None:
    value = model.graph.node[0].output[0]
    rows = (
        OwnError(value, 1e-6, 1e-5, 0.0, "right", "a"),
        OwnError(value, None, 1e-5, None, "overflows", "b"),
        OwnError(value, 2e-5, 1e-5, 0.0, "wrong here", "c"),
    )
    found = draw(read_artifact(small), Report("r", "", rows)).operators[0].error
    assert found is not None and found.case == "b"


def test_hostile_names_stay_text(picture: Picture) -> None:
    plain, changed = picture_page(picture, []), picture_page(hostile(picture), [])
    before, after = Elements(plain), Elements(changed)
    assert [name for name, _ in before.found] == [name for name, _ in after.found]
    assert not [key for _, attributes in after.found for key in attributes if key.startswith("on")]
    assert "<img" not in changed.split('id="list"')[1] and "\x1b" not in changed and "\u202e" not in changed
    shown = embedded(as_json(hostile(picture)))
    assert not set("<>&\u2028\u2029") & set(shown)
    assert json.loads(shown)["nodes"][1]["native"].startswith(told(HOSTILE.replace("\ud800", ""))[:60])


def test_the_page_lets_nothing_in_and_asks_for_nothing(picture: Picture) -> None:
    page = picture_page(picture, [Missing("own error", "none yet", "cloformer parity x --json")])
    found = Elements(page)
    policy = next(item for item in found.named("meta") if item.get("http-equiv"))["content"] or ""
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    scripts = [item for item in found.named("script") if item.get("type") != "application/json"]
    assert policy.count("'sha256-") == len(scripts) + 1
    assert not [
        item
        for _, item in found.found
        if (item.get("src") or "").strip() or (item.get("href") or "#")[0] not in "#d"
    ]
    assert not [item for _, item in found.found if "style" in item]
    assert "cloformer parity x --json" in " ".join(found.text)
    rows = [item for item in found.named("tr") if "data-node" in item]
    assert [int(item["data-node"] or -1) for item in rows] == [
        i for i, node in enumerate(picture.nodes) if node.role == "operator"
    ]


@pytest.mark.parametrize(
    ("numbers", "counts", "zeros", "not_finite"),
    [
        ([0.0] * 9, 9, 9, 0),
        ([np.nan, np.inf, *range(8)], 8, 1, 2),
        ([2.5] * 3, 3, 0, 0),
        (np.arange(100, dtype=np.int8), 100, 1, 0),
    ],
)
def test_numbers_are_counted(numbers: Any, counts: int, zeros: int, not_finite: int) -> None:
    found = spread(np.asarray(numbers))
    assert found is not None
    assert (sum(found.counts), found.zeros, found.not_finite) == (counts, zeros, not_finite)
    assert len(found.few) == (len(numbers) if len(numbers) <= FEW else 0)


def test_numbers_that_are_none() -> None:
    assert spread(np.full(20, np.nan)) is None
    found = spread(np.array([np.inf]))
    assert found is not None and found.few == ("inf",) and found.not_finite == 1


def _parity(sha256: str) -> dict[str, Any]:
    row = {"value": "v", "node": "n", "operator": "o", "module": "m", "location": "", "group": ["n"], "reads": [], "depth": 0, "own_error": None,
           "total_error": 1e-6, "tolerance": 1e-5, "largest": 1.0, "case": "noise", "verdict": "overflows", "flips": 0, "cliff": "", "passed": True}  # fmt: skip
    texts = dict.fromkeys(
        (
            "artifact",
            "model",
            "format",
            "precision",
            "target",
            "image_size",
            "runner",
            "arithmetic",
            "reference",
        ),
        "x",
    )
    report = {"schema_version": 1, "passed": True, **texts, "is_device_runtime": True, "manifest_sha256": sha256, "outputs": [], "operators": [row],
              "operators_total": 1, "first_divergence": None, "first_loss": None, "not_compared": [], "costs": [], "operator_costs": [], "cliffs": [],
              "statements": [], "notes": [], "environment": {}}  # fmt: skip
    return {"reports": [report]}


def test_a_report_is_of_this_artifact_or_refused(small: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small, tmp_path / "net"))
    artifact, path = read_artifact(folder), tmp_path / "parity.json"
    own = sha256_of(folder / MANIFEST)
    path.write_text(json.dumps(_parity(own)))
    assert read_measured(PARITY, path, artifact).rows == (
        OwnError("v", None, 1e-5, 1e-6, "overflows", "noise"),
    )
    for document, said in (
        (_parity("0" * 64), "of another artifact"),
        ({"reports": []}, "of another artifact"),
        ({"profile": {}}, "is not what `cloformer parity --json` writes"),
        ([], "is not what"),
    ):
        path.write_text(json.dumps(document))
        with pytest.raises(InputError, match=said):
            read_measured(PARITY, path, artifact)


def test_what_lies_beside_an_artifact_is_used_if_it_is_of_it_and_else_told(
    small: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small, tmp_path / "my net"))
    artifact = read_artifact(folder)
    none = beside(PROFILE, artifact)
    assert isinstance(none, Missing) and none.command.startswith("mkdir ") and "'" in none.command
    reports_folder(folder).mkdir()
    (reports_folder(folder) / PARITY.file).write_text(json.dumps(_parity("0" * 64)))
    stale = beside(PARITY, artifact)
    assert (
        isinstance(stale, Missing)
        and "another artifact" in stale.why
        and not stale.command.startswith("mkdir")
    )
    (reports_folder(folder) / PARITY.file).write_text(json.dumps(_parity(sha256_of(folder / MANIFEST))))
    assert isinstance(beside(PARITY, artifact), Report)


@pytest.mark.parametrize("name", ["onnx", "coreml", "litert"])
def test_kept_files_of_each_format_are_drawn_with_their_weights(name: str) -> None:
    """Of :func:`tiny.net`: 112 numbers of a convolution, 15 of a linear layer."""
    if name == "litert":
        pytest.importorskip("ai_edge_litert")
    found = draw(read_artifact(Path(__file__).parent.parent / "data" / "artifacts" / "v2" / name))
    layers = [node for node in found.operators if node.kind in ("convolution", "linear layer")]
    stored = [[found.constants[index] for index in node.constants] for node in layers]
    sizes = [
        sum(item.bytes // np.dtype(item.dtype).itemsize for item in items if item.dtype.startswith("float"))
        for items in stored
    ]
    assert sizes == [112, 15]
    assert any(node.module for node in layers)
