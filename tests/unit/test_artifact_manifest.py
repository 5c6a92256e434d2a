"""The manifest: everything that can be wrong with one is found when it is read, with the field's path."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from extras import needs_litert
from outcome import Command

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.manifest import SCHEMA_VERSION, Manifest
from cloformer.export.schemas import schema
from cloformer.io.fields import FieldError

KEPT = Path(__file__).parent.parent / "data" / "artifacts"
ARTIFACTS = sorted(path for version in KEPT.iterdir() for path in version.iterdir())
NEWEST = [path for path in ARTIFACTS if path.parent.name == f"v{SCHEMA_VERSION}"]


def _document(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_bytes())


@pytest.mark.parametrize(
    "folder",
    [pytest.param(path, marks=needs_litert if path.name == "litert" else ()) for path in ARTIFACTS],
    ids=lambda path: f"{path.parent.name}-{path.name}",
)
def test_artifacts_of_every_version_are_whole_and_run(folder: Path, command: Command) -> None:
    """Kept as each version wrote them: they are read, and their models still give what they gave."""
    artifact = read_artifact(folder)
    assert artifact.labels == ("cat", "dog", "fish")
    assert artifact.manifest.request.options in (
        {"opset": "20", "io_type": "float32", "normalize": "outside", "processor": "", "max_growth": "10%"},
        {"target": "ios16", "processor": "all-units"},
        {"layout": "nhwc", "normalize": "outside"},
    )
    done = command("parity", folder, "--json")
    assert done.code == 0, done.out
    assert done.json["reports"][0]["outputs"]


@pytest.mark.parametrize("folder", ARTIFACTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_versions_differ_only_in_their_shape(folder: Path) -> None:
    manifest = Manifest.from_json(_document(folder))
    newest = Manifest.from_json(_document(KEPT / f"v{SCHEMA_VERSION}" / folder.name))
    assert manifest.functions == newest.functions
    assert manifest.request == newest.request
    assert manifest.weights == newest.weights


@pytest.mark.parametrize("folder", NEWEST, ids=lambda path: path.name)
def test_written_as_it_was_read_and_as_the_schema_says(folder: Path) -> None:
    document = _document(folder)
    assert Manifest.from_json(document).to_json() == document
    jsonschema.Draft202012Validator(schema("manifest")).validate(document)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every field and every entry of a list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _places(item, (*path, key))


WRONG = (None, True, -1, 0, 2**62, 1.5, "", "\0", "../x", [], {}, [None], {"": None}, "x" * 20_000, 2**80)


@pytest.mark.parametrize("folder", NEWEST, ids=lambda path: path.name)
def test_every_field_is_checked(folder: Path) -> None:
    """Whatever is put into any field: what the published schema refuses is refused, with a path; what is read is
    written as it was."""
    document = _document(folder)
    validator = jsonschema.Draft202012Validator(schema("manifest"))
    refused = 0
    for place in list(_places(document)):
        for wrong in WRONG:
            changed = copy.deepcopy(document)
            parent = changed
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]] = wrong
            try:
                found = Manifest.from_json(changed)
            except FieldError as error:
                refused += 1
                assert "\n" not in str(error) and len(str(error)) < 600
                continue
            assert validator.is_valid(changed), (place, wrong)
            assert found.to_json() == changed, (place, wrong)
    assert refused > 1000


@pytest.mark.parametrize("folder", NEWEST, ids=lambda path: path.name)
def test_every_field_is_needed(folder: Path) -> None:
    document = _document(folder)
    needed = 0
    for place in _places(document):
        if not isinstance(place[-1], str):
            continue
        changed = copy.deepcopy(document)
        parent = changed
        for key in place[:-1]:
            parent = parent[key]
        del parent[place[-1]]
        if {"versions", "metadata", "by_type"} & set(place[:-1]) or place[-1] in (
            "metadata", "interpolation", "crop", "color_order", "scale", "partitions", "undelegated",
        ):  # fmt: skip
            continue
        needed += 1
        with pytest.raises(FieldError, match=str(place[-1])):
            Manifest.from_json(changed)
    assert needed > 100


def _with(change: str, value: Any) -> Any:
    document = _document(NEWEST[-1])
    *parents, last = [int(key) if key.isdecimal() else key for key in change.split(".")]
    parent = document
    for key in parents:
        parent = parent[key]
    parent[last] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (
            "functions.0.inputs.0.preprocessing.std",
            [0, 1, 1],
            r"functions\[0\].inputs\[0\].preprocessing.std",
        ),
        ("functions.0.inputs.0.preprocessing.resize_size", 10**6, "resize_size"),
        ("functions.0.inputs.0.preprocessing.height", 8, "crops to 8 x 16"),
        ("functions.0.inputs.0.shape", [1, 3, 2**20, 2**20], "elements"),
        ("functions.0.inputs.0.shape", [1] * 17, "17 entries"),
        ("functions.0.inputs.0.layout", None, "layout"),
        ("functions.0.outputs.0.labels", "origins.jso", r"functions\[0\].outputs\[0\].labels is"),
        ("functions.0.outputs.0.name", "two words", "identifier"),
        ("format", "tflite", "format is 'tflite', not one of onnx, coreml"),
        ("request.options", {"opset": "20", "target": "ios16"}, "request.options.target is not a field"),
        ("request.options.opset", "99", "request.options.opset is '99'"),
        ("precision.activations", "float16", "precision.activations is not 'float32'"),
        ("files.0.path", "manifest.json", "manifest, which does not list itself"),
        ("files.0.path", "a/../b", "outside its folder"),
        ("files.0.path", "a//b", "outside its folder"),
        ("model.path", "labels.txt", "no model of that path"),
        ("schema_version", 2.0, "not a whole number"),
    ],
)
def test_what_is_said_of_a_wrong_field(place: str, value: Any, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        Manifest.from_json(_with(place, value))
