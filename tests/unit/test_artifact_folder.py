"""Reading artifacts: whole, or refused with a next step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloformer.errors import InputError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.manifest import SCHEMA_VERSION
from cloformer.export.schemas import schema


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Path:
    shutil.copytree(small, tmp_path / "artifact")
    return tmp_path / "artifact"


def _edit(folder: Path, change: Callable[[Any], None]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_whole_artifact(small: Path) -> None:
    artifact = read_artifact(small)
    assert read_artifact(small / "manifest.json").manifest == artifact.manifest
    assert artifact.model_path.is_file()
    assert artifact.signature.inputs[0].name == "image"


def test_the_schema_is_itself_valid() -> None:
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(schema("manifest"))


def _nested_outside(manifest: Any) -> None:
    manifest["files"][0]["path"] = "../../etc/passwd"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.update(schema_version=SCHEMA_VERSION + 1),
            "schema_version is 3, and this cloformer knows up to 2",
        ),
        (lambda m: m.update(schema_version="1"), "schema_version is the text"),
        (lambda m: m.pop("functions"), "functions is missing"),
        (lambda m: m.update(surprise=1), "surprise is not a field"),
        (lambda m: m["files"][0].update(sha256="0" * 64), "hash does not match"),
        (lambda m: m["files"][0].update(bytes=1), "hash does not match"),
        (lambda m: m["files"].append({**m["files"][0], "path": "gone.bin"}), "is missing"),
        (_nested_outside, "outside its folder"),
        (lambda m: m["model"].update(path="/etc/passwd"), "model.path is"),
        (
            lambda m: m["functions"][0]["outputs"][0].update(labels="../labels.txt"),
            r"functions\[0\].outputs\[0\].labels",
        ),
    ],
)
def test_manifests_that_do_not_hold(copied: Path, change: Callable[[Any], None], message: str) -> None:
    _edit(copied, change)
    with pytest.raises(InputError, match=message) as caught:
        read_artifact(copied)
    assert 1 <= len(caught.value.lines) <= 3


def test_files_that_do_not_hold(copied: Path, tmp_path: Path) -> None:
    (copied / "extra.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="not in the manifest"):
        read_artifact(copied)
    (copied / "extra.bin").unlink()
    model = copied / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="hash does not match"):
        read_artifact(copied)
    model.unlink()
    (tmp_path / "elsewhere").write_bytes(content)
    model.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="not a plain file"):
        read_artifact(copied)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": 1}'])
def test_broken_manifests(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError):
        read_artifact(tmp_path)


def test_no_artifact_at_all(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="not an artifact"):
            read_artifact(place)
