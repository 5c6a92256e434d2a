"""`cloformer bundle` and `import-device-report`: whole projects, nothing of the user's lost, hostile input refused."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from app_names import android_label, java_properties, xcode_display_name
from device_reports import device_report
from outcome import Command

from cloformer.export.artifact.files import list_files
from cloformer.export.artifact.folder import MANIFEST, read_artifact
from cloformer.export.artifact.kit import read_kit
from cloformer.export.bundle.device_report import share_of
from cloformer.export.bundle.project import RECORD, bundle
from cloformer.export.bundle.systems import SYSTEMS
from cloformer.io.write import canonical_json

FORMATS = {"android": "onnx", "ios": "coreml"}
NAME = 'Bob\'s "𠮷" <b> & $(HOME) // β\\'


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): _hash(path) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def android(artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundled Android project, to be copied before it is changed."""
    row = SYSTEMS["android"]
    folder = tmp_path_factory.mktemp("bundle") / "app"
    bundle(row, read_artifact(artifacts["onnx"]), folder, row.default)
    return folder


@pytest.fixture
def copy(android: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(android, tmp_path / "app"))


@pytest.mark.parametrize("system", FORMATS)
def test_a_project(command: Command, artifacts: dict[str, Path], tmp_path: Path, system: str) -> None:
    """The model arrives to the byte, the kit's hashes hold, and what the build reads says what was asked."""
    folder, row, source = tmp_path / "an app", SYSTEMS[system], artifacts[FORMATS[system]]
    done = command(
        "bundle",
        system,
        source,
        "--output",
        folder,
        "--package",
        "org.example.birds",
        "--app-name",
        NAME,
    )
    assert done.code == 0, done.err
    assert "7 conformance vectors" in done.out
    (last,) = (line for line in done.out.splitlines() if line.startswith("  next: "))
    assert shlex.split(last)[2] == str(folder if system == "android" else folder / "CloFormer.xcodeproj")
    if system == "ios":
        assert (folder / "CloFormer.xcodeproj").is_dir()
    payload = folder / row.payload
    assert (payload / MANIFEST).read_bytes() == (source / MANIFEST).read_bytes()
    for entry in read_artifact(source).files:
        assert (payload / entry.path).exists() == (entry.role in ("model", "labels"))
        assert entry.role != "model" or _hash(payload / entry.path) == entry.sha256
    kit = json.loads((folder / row.conformance / "conformance.json").read_bytes())
    assert kit["manifest_sha256"] == _hash(source / MANIFEST)
    for entry in kit["files"]:
        assert _hash(folder / row.conformance / entry["path"]) == entry["sha256"]
    settings = (folder / row.settings_file).read_text("latin-1" if system == "android" else "utf-8")
    assert "org.example.birds" in settings
    shown = (
        android_label(java_properties(settings)["appName"])
        if system == "android"
        else xcode_display_name(settings)
    )
    assert shown == NAME == json.loads((folder / RECORD).read_bytes())["settings"]["app_name"]
    assert command("bundle", system, "--verify", folder).code == 0


@pytest.mark.parametrize("system", FORMATS)
def test_the_same_bytes_again(
    command: Command, artifacts: dict[str, Path], tmp_path: Path, system: str
) -> None:
    for name in ("first", "second"):
        assert command("bundle", system, artifacts[FORMATS[system]], "--output", tmp_path / name).code == 0
    assert _tree(tmp_path / "first") == _tree(tmp_path / "second")


def test_the_kit_is_the_artifact_s(android: Path, artifacts: dict[str, Path]) -> None:
    folder = android / SYSTEMS["android"].conformance
    kit = json.loads((folder / "conformance.json").read_bytes())
    vectors = {vector.image.name: vector for vector in read_kit(read_artifact(artifacts["onnx"]))}
    assert [entry["name"] for entry in kit["vectors"]] == list(vectors)
    for entry in kit["vectors"]:
        vector = vectors[entry["name"]]
        given = np.fromfile(folder / entry["input"], "<f4").reshape(vector.input.shape)
        assert np.array_equal(given, vector.input)
        wanted = entry["outputs"]["logits"]
        assert np.array_equal(np.fromfile(folder / wanted["file"], "<f4"), vector.outputs["logits"][0])
        assert 1e-6 < wanted["max_rel"] < 2e-5
        assert "emulated" in wanted["because"]


def test_a_folder_with_something_in_it(command: Command, artifacts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    refused = command("bundle", "android", artifacts["onnx"], "--output", tmp_path)
    assert refused.code == 3
    assert "--force" in refused.err
    assert _tree(tmp_path).keys() == {"notes.txt"}


def test_force_replaces_what_it_owns(command: Command, artifacts: dict[str, Path], copy: Path) -> None:
    """Edited and new files stay, a damaged model is replaced, a file of the earlier bundle alone goes."""
    row = SYSTEMS["android"]
    model, edited, own = copy / row.payload / "model.onnx", copy / "README.md", copy / "app" / "mine.txt"
    model.write_bytes(b"damaged")
    edited.write_text("my own words")
    own.write_text("mine")
    stale = copy / row.payload / "stale.bin"
    stale.write_bytes(b"of an earlier bundle")
    record = json.loads((copy / RECORD).read_bytes())
    record["files"][stale.relative_to(copy).as_posix()] = _hash(stale)
    (copy / RECORD).write_text(json.dumps(record))
    done = command("bundle", "android", artifacts["onnx"], "--output", copy, "--force", "--json")
    assert done.code == 0, done.err
    assert done.json["kept"] == ["README.md"]
    assert (edited.read_text(), own.read_text(), stale.exists()) == ("my own words", "mine", False)
    assert _hash(model) == _hash(artifacts["onnx"] / "model.onnx")
    verified = command("bundle", "android", "--verify", copy, "--json")
    assert (verified.code, verified.json["edited"]) == (0, ["README.md"])


def test_force_does_not_take_a_file_that_was_never_ours(
    command: Command, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("mine")
    refused = command("bundle", "android", artifacts["onnx"], "--output", tmp_path, "--force")
    assert refused.code == 3
    assert "in the way" in refused.err
    assert _tree(tmp_path).keys() == {"README.md"}


def test_a_record_that_names_other_people_s_files(
    command: Command, artifacts: dict[str, Path], copy: Path
) -> None:
    """Neither verified nor obeyed."""
    outside = copy.parent / "precious.txt"
    outside.write_text("precious")
    record = json.loads((copy / RECORD).read_bytes())
    record["files"]["../precious.txt"] = _hash(outside)
    (copy / RECORD).write_text(json.dumps(record))
    for arguments in (("--verify", copy), (artifacts["onnx"], "--output", copy, "--force")):
        refused = command("bundle", "android", *arguments)
        assert refused.code == 3
        assert "leaves the folder" in refused.err
    assert outside.read_text() == "precious"


@pytest.mark.parametrize("name", ["", "."])
def test_a_record_that_names_the_folder_itself(
    command: Command, artifacts: dict[str, Path], copy: Path, name: str
) -> None:
    record = json.loads((copy / RECORD).read_bytes())
    record["files"][name] = "0" * 64
    (copy / RECORD).write_text(json.dumps(record))
    for arguments in (("--verify", copy), (artifacts["onnx"], "--output", copy, "--force")):
        assert command("bundle", "android", *arguments).code == 3


def test_nothing_is_left_beside_a_project(
    command: Command, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    """Neither of this bundle nor of one that was killed; and the folder can be read by others."""
    killed = tmp_path / ".cloformer-staging-killed" / "content"
    killed.mkdir(parents=True)
    for options in ((), ("--force",)):
        done = command("bundle", "android", artifacts["onnx"], "--output", tmp_path / "app", *options)
        assert done.code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["app"]
    assert (tmp_path / "app").stat().st_mode & 0o777 == 0o755


def test_a_link_that_leads_out_of_the_folder(
    command: Command, artifacts: dict[str, Path], copy: Path
) -> None:
    outside = copy.parent / "outside"
    shutil.move(copy / "app", outside)
    (copy / "app").symlink_to(outside)
    before = _tree(outside)
    refused = command("bundle", "android", artifacts["onnx"], "--output", copy, "--force")
    assert refused.code == 3
    assert "is a link" in refused.err
    assert _tree(outside) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"another"), "not the file that was bundled"),
        (lambda folder: (folder / "model.onnx").unlink(), "missing"),
        (lambda folder: (folder / "extra.onnx").write_bytes(b"new"), "not in the bundle's record"),
    ],
    ids=["tampered", "missing", "new"],
)
def test_verify_finds(command: Command, copy: Path, change: Callable[[Path], object], words: str) -> None:
    change(copy / SYSTEMS["android"].payload)
    found = command("bundle", "android", "--verify", copy)
    assert (found.code, words in found.err) == (3, True)


def _changed(source: Path, tmp_path: Path, change: Callable[[Path, dict[str, Any]], object]) -> Path:
    """A copy of the artifact whose manifest is right about its files, unless ``change`` makes it wrong."""
    folder = Path(shutil.copytree(source, tmp_path / "changed"))
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(folder, manifest)
    (folder / MANIFEST).write_text(canonical_json(manifest))
    return folder


def _with_labels(count: int) -> Callable[[Path, dict[str, Any]], None]:
    def change(folder: Path, manifest: dict[str, Any]) -> None:
        (folder / "labels.txt").write_text("".join(f"class {k}\n" for k in range(count)))
        roles = {entry["path"]: entry["role"] for entry in manifest["files"]} | {"labels.txt": "labels"}
        (folder / MANIFEST).unlink()
        manifest["files"] = [entry.to_json() for entry in list_files(folder, roles)]
        manifest["functions"][0]["outputs"][0]["labels"] = "labels.txt"

    return change


def _leaves(folder: Path, manifest: dict[str, Any]) -> None:
    manifest["files"][0]["path"] = "../../outside.bin"


def _tampered(folder: Path, _manifest: dict[str, Any]) -> None:
    content = bytearray((folder / "model.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "model.onnx").write_bytes(content)


@pytest.mark.parametrize(
    "change", [_tampered, _leaves, _with_labels(999)], ids=["model", "path", "label file"]
)
def test_a_bad_artifact(
    command: Command,
    artifacts: dict[str, Path],
    tmp_path: Path,
    change: Callable[[Path, dict[str, Any]], object],
) -> None:
    artifact = _changed(artifacts["onnx"], tmp_path, change)
    refused = command("bundle", "android", artifact, "--output", tmp_path / "app")
    assert refused.code == 3
    assert len(refused.err.splitlines()) <= 3
    assert not (tmp_path / "app").exists()


def test_labels_travel(command: Command, artifacts: dict[str, Path], tmp_path: Path) -> None:
    artifact = _changed(artifacts["onnx"], tmp_path, _with_labels(1000))
    assert command("bundle", "android", artifact, "--output", tmp_path / "app").code == 0
    assert (tmp_path / "app" / SYSTEMS["android"].payload / "labels.txt").exists()


def test_the_other_format(command: Command, artifacts: dict[str, Path], tmp_path: Path) -> None:
    for system, other in (("android", "coreml"), ("ios", "onnx")):
        refused = command("bundle", system, artifacts[other], "--output", tmp_path / "app")
        assert refused.code == 4
        assert f"--format {FORMATS[system]}" in refused.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("android", "--package", "birds"),
        ("android", "--package", "org.example.class"),
        ("android", "--package", "org.1example"),
        ("ios", "--package", "org.example.bi rds"),
        ("ios", "--app-name", "Bi\trds"),
        ("android", "--app-name", " "),
        ("android", "--min-os", "21"),
        ("android", "--min-os", "7.0"),
        ("ios", "--min-os", "15.4"),
        ("windows",),
        ("androd",),
    ],
    ids="_".join,
)
def test_wrong_usage(
    command: Command, artifacts: dict[str, Path], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    system, *options = arguments
    artifact = artifacts[FORMATS.get(system, "onnx")]
    refused = command("bundle", system, artifact, "--output", tmp_path / "app", *options)
    assert refused.code == 2, refused.err
    assert not (tmp_path / "app").exists()


def test_reduced_operators(command: Command, artifacts: dict[str, Path], tmp_path: Path) -> None:
    """ONNX Runtime's own reader of such files finds every operator of the model in it."""
    from onnxruntime.tools.reduced_build_config_parser import parse_config

    arguments = ("--output", tmp_path / "app", "--reduced-operators")
    assert command("bundle", "android", artifacts["onnx"], *arguments).code == 0
    required, _ = parse_config(str(tmp_path / "app" / "required_operators.config"))
    model = onnx.load(artifacts["onnx"] / "model.onnx", load_external_data=False)
    assert {node.op_type for node in model.graph.node} <= required["ai.onnx"][20]
    assert "FusedMatMul" in required["com.microsoft"][1]
    assert command("bundle", "ios", artifacts["coreml"], *arguments).code == 2


def test_reduced_operators_of_what_is_no_model(
    command: Command, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    """Its hash is right, and nothing in it is."""

    def change(folder: Path, manifest: dict[str, Any]) -> None:
        (folder / "model.onnx").write_bytes(b"no model")
        roles = {entry["path"]: entry["role"] for entry in manifest["files"]}
        (folder / MANIFEST).unlink()
        manifest["files"] = [entry.to_json() for entry in list_files(folder, roles)]

    artifact = _changed(artifacts["onnx"], tmp_path, change)
    refused = command("bundle", "android", artifact, "--output", tmp_path / "app", "--reduced-operators")
    assert refused.code == 3, refused.err
    assert not (tmp_path / "app").exists()


def _worse(report: dict[str, Any]) -> None:
    # The device says that it passed; the artifact's tolerance says otherwise.
    report["vectors"][0]["outputs"]["logits"]["max_abs"] = 1e-2


def test_a_device_s_name_does_not_steer_the_terminal(
    command: Command, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    artifact = Path(shutil.copytree(artifacts["onnx"], tmp_path / "artifact"))
    report, path = device_report(artifact), tmp_path / "device-report.json"
    report["device"]["model"] = "One\x1b[2J"
    path.write_text(json.dumps(report))
    judged = command("import-device-report", path, "--artifact", artifact)
    assert judged.code == 0
    assert "\x1b" not in judged.out
    assert "One\\x1b[2J" in judged.out


def _no_number(report: dict[str, Any]) -> None:
    report["vectors"][0]["outputs"]["logits"] |= {
        "max_abs": math.nan,
        "largest": math.inf,
        "cosine": -math.inf,
    }


def _other_pixels(report: dict[str, Any]) -> None:
    report["vectors"][2]["preprocessing"]["passed"] = False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda report: None, "31.00 ms, median of 3"),
        (_worse, "FAIL  channel-order"),
        (_no_number, "FAIL  channel-order: inf of the largest output"),
        (_other_pixels, "FAIL  resize-filter"),
        (lambda report: report["vectors"][3].update(preprocessing=None), "FAIL  crop"),
        (lambda report: report["vectors"].pop(), "FAIL  photograph: not run"),
        (lambda report: report["vectors"][1].update(outputs={}), "FAIL  normalization: not compared"),
    ],
    ids=["all is well", "an error", "no number", "pixels", "pixels left out", "not run", "no outputs"],
)
def test_a_device_report(
    command: Command,
    artifacts: dict[str, Path],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], object],
    words: str,
) -> None:
    artifact = Path(shutil.copytree(artifacts["onnx"], tmp_path / "artifact"))
    report, path = device_report(artifact), tmp_path / "device-report.json"
    change(report)
    path.write_text(json.dumps(report))
    judged = command("import-device-report", path, "--artifact", artifact)
    assert words in judged.out
    assert judged.code == (1 if "FAIL" in words else 0)
    kept = list((tmp_path / "artifact-reports").iterdir())
    assert len(kept) == 1
    assert json.loads(kept[0].read_bytes())["passed"] == (judged.code == 0)


@pytest.mark.parametrize(
    ("error", "largest", "share"), [(0.5, 2.0, 0.25), (0.0, 0.0, 0.0), (1e-7, 0.0, math.inf)]
)
def test_the_error_of_outputs_that_are_zero(error: float, largest: float, share: float) -> None:
    assert share_of(error, largest) == share


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.update(manifest_sha256="0" * 64),
        lambda report: report.update(model_sha256="0" * 64),
        lambda report: report.update(schema_version=3),
        lambda report: report.pop("device"),
        lambda report: report["vectors"].append(report["vectors"][0]),
        lambda report: report["vectors"][0].update(name="another"),
        lambda report: report["vectors"][0]["outputs"]["logits"].update(max_abs=-1),
    ],
    ids=["another manifest", "another model", "version", "no device", "twice", "unknown", "negative"],
)
def test_a_report_that_is_none(
    command: Command, artifacts: dict[str, Path], tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    report, path = device_report(artifacts["onnx"]), tmp_path / "device-report.json"
    change(report)
    path.write_text(json.dumps(report))
    refused = command("import-device-report", path, "--artifact", artifacts["onnx"])
    assert refused.code == 3
    assert len(refused.err.splitlines()) <= 3
