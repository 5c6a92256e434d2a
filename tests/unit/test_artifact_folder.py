"""Reading artifacts: whole, or refused with a next step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloformer.errors import InputError
from cloformer.export.artifact.folder import is_artifact, read_artifact
from cloformer.export.artifact.manifest import SCHEMA_VERSION
from cloformer.export.schemas import schema

KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2"


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
    (tmp_path / "model.onnx").write_bytes(b"model")
    for place, words in (
        (tmp_path, "it has no manifest.json"),
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "nowhere.onnx", "does not exist"),
        (tmp_path / "model.onnx", "there is no manifest.json beside it"),
    ):
        assert not is_artifact(place)
        with pytest.raises(InputError, match=words) as refused:
            read_artifact(place)
        assert refused.value.lines[1] == "give the folder that `cloformer export` printed"


@pytest.mark.parametrize("form", ["onnx", "coreml"])
def test_a_file_in_it_in_its_place(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's stands for its folder, by whatever path; any other is a mistake."""
    whole = read_artifact(KEPT / form)
    for path in (whole.model_path, whole.folder / ".." / form / whole.model_path.name):
        assert is_artifact(path)
        assert read_artifact(path).manifest == whole.manifest
    with pytest.raises(InputError, match=r"labels.txt is not the model of the artifact .*, which is "):
        read_artifact(whole.folder / "labels.txt")
    monkeypatch.chdir(whole.folder)
    assert read_artifact(Path(whole.model_path.name)).manifest == whole.manifest


def test_class_names_that_a_format_cannot_tell_apart(tmp_path: Path) -> None:
    for form in ("onnx", "coreml"):
        folder = Path(shutil.copytree(KEPT / form, tmp_path / form))
        names = (folder / "labels.txt").read_text().split("\n")
        (folder / "labels.txt").write_text("\n".join([names[0], names[0], *names[2:]]))
    assert read_artifact(tmp_path / "onnx", verify=False).labels == ("cat", "cat", "fish")
    with pytest.raises(InputError, match="'cat' on line 1 and on line 2"):
        read_artifact(tmp_path / "coreml", verify=False)
