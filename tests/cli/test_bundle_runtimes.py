"""`cloformer bundle android`: the runtime that an app carries is the one of the artifact's format, and the kit that travels
with it holds on that runtime, by the files of the bundle alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from extras import needs_executorch, needs_litert, needs_litert_torch
from outcome import Command
from shared import Exports

from cloformer.export.artifact.folder import MANIFEST, read_artifact
from cloformer.export.bundle.project import RECORD
from cloformer.export.bundle.runtimes import RUNTIMES, runtimes_of
from cloformer.export.bundle.systems import SYSTEMS
from cloformer.export.formats.runners import RunnerOptions, open_model
from cloformer.export.source.spec import ModelSpec
from cloformer.io.write import canonical_json

ANDROID = SYSTEMS["android"]
KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2"
MODULES = {row.module for row in runtimes_of(ANDROID)}


def _of_format(name: str, tmp_path: Path) -> Path:
    """The kept artifact of a format; where none is kept, another one that says that it is."""
    if (KEPT / name).is_dir():
        return KEPT / name
    folder = Path(shutil.copytree(KEPT / "onnx", tmp_path / name))
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["format"] = manifest["request"]["format"] = name
    manifest["request"]["options"] = {}
    (folder / MANIFEST).write_text(canonical_json(manifest))
    return folder


@pytest.mark.parametrize("runtime", [row.name for row in runtimes_of(ANDROID)])
def test_the_runtime_is_the_format_s_own(command: Command, tmp_path: Path, runtime: str) -> None:
    """Its module alone is there, the build is told of it, and its makers' notices are among the app's."""
    row, folder = RUNTIMES[runtime], tmp_path / "app"
    done = command("bundle", "android", _of_format(row.format, tmp_path), "--output", folder, "--json")
    assert (done.code, done.json["runtime"]) == (0, runtime), done.err
    assert json.loads((folder / RECORD).read_bytes())["runtime"] == runtime
    assert {path.name for path in folder.iterdir()} & MODULES == {row.module}
    settings = (folder / ANDROID.settings_file).read_text().splitlines()
    assert f"runtime={row.module}" in settings
    assert f"abis={','.join(row.processors)}" in settings
    notices = (folder / ANDROID.payload / "THIRD_PARTY_NOTICES.txt").read_text()
    assert [other.title for other in runtimes_of(ANDROID) if f"\n{other.title}\n" in notices] == [row.title]
    assert "Kotlin standard library" in notices
    assert command("bundle", "android", "--verify", folder).code == 0


def test_another_runtime_in_the_place_of_the_first(command: Command, tmp_path: Path) -> None:
    """Nothing of the first one's module stays, but for what was edited."""
    folder = tmp_path / "app"
    assert command("bundle", "android", KEPT / "onnx", "--output", folder).code == 0
    (folder / "ort" / "README.md").write_text("my own words")
    done = command("bundle", "android", KEPT / "litert", "--output", folder, "--force", "--json")
    assert (done.code, done.json["kept"]) == (0, ["ort/README.md"]), done.err
    assert [path.name for path in (folder / "ort").rglob("*") if path.is_file()] == ["README.md"]
    assert "runtime=litert" in (folder / ANDROID.settings_file).read_text()


@pytest.mark.parametrize(
    ("system", "form", "runtime", "code", "words"),
    [
        ("android", "litert", "litert", 0, ""),
        ("android", "litert", "executorch", 2, "`cloformer export --format executorch`"),
        ("android", "onnx", "coreml", 2, "`cloformer bundle ios`"),
        ("ios", "coreml", "litert", 2, "`cloformer bundle android`"),
        ("ios", "litert", None, 4, "`cloformer export --format coreml`"),
        ("android", "coreml", None, 4, "Android apps carry onnx, litert or executorch"),
        ("android", "coreml", "litert", 4, "`cloformer export --format litert`"),
    ],
)
def test_a_runtime_that_was_asked_for(
    command: Command, tmp_path: Path, system: str, form: str, runtime: str | None, code: int, words: str
) -> None:
    asked = ("--runtime", runtime) if runtime is not None else ()
    done = command("bundle", system, KEPT / form, "--output", tmp_path / "app", *asked)
    assert (done.code, words in done.err) == (code, True), done.err
    assert (tmp_path / "app").exists() == (code == 0)


def test_operators_are_left_out_of_onnx_runtime_alone(command: Command, tmp_path: Path) -> None:
    refused = command(
        "bundle", "android", KEPT / "litert", "--output", tmp_path / "app", "--reduced-operators"
    )
    assert (refused.code, "LiteRT runs this model" in refused.err) == (2, True)


def _kit_holds(app: Path) -> None:
    """What the tests on a phone do with the kit and the model, on the runtime of this machine."""
    payload, conformance = app / ANDROID.payload, app / ANDROID.conformance
    # As the app reads it: by the manifest among the assets, which lists more than an app carries.
    artifact = read_artifact(payload, verify=False)
    stored = re.search(r"noCompress \+= listOf\((.+)\)", (app / "app" / "build.gradle.kts").read_text())
    assert stored is not None and f'"{artifact.model_path.suffix[1:]}"' in stored[1].split(", ")
    kit = json.loads((conformance / "conformance.json").read_bytes())
    assert kit["model_sha256"] == artifact.manifest.model_files[0].sha256
    (spec,) = artifact.signature.inputs
    with open_model(artifact.model, None, RunnerOptions(threads=1)) as runner:
        for vector in kit["vectors"]:
            given = np.fromfile(conformance / vector["input"], "<f4").reshape(spec.shape)
            outputs = runner.run({spec.name: given})
            assert outputs.keys() == vector["outputs"].keys()
            for name, wanted in vector["outputs"].items():
                expected = np.fromfile(conformance / wanted["file"], "<f4")
                found, bound = outputs[name].ravel(), wanted["max_rel"] * abs(expected).max()
                assert abs(found - expected).max() <= bound
                assert abs(runner.run({spec.name: given * 1.01})[name].ravel() - expected).max() > bound


@pytest.mark.parametrize("form", ["onnx", pytest.param("litert", marks=needs_litert)])
def test_the_kit_of_a_kept_artifact(command: Command, tmp_path: Path, form: str) -> None:
    assert command("bundle", "android", KEPT / form, "--output", tmp_path / "app").code == 0
    _kit_holds(tmp_path / "app")


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("onnx", {"normalize": "inside"}),
        pytest.param("litert", {"layout": "nhwc", "normalize": "inside"}, marks=needs_litert_torch),
        pytest.param("litert", {"layout": "nchw"}, marks=needs_litert_torch),
        pytest.param("executorch", {}, marks=needs_executorch),
        pytest.param("executorch", {"normalize": "inside"}, marks=needs_executorch),
    ],
)
def test_the_kit_of_a_new_artifact(
    command: Command, exported: Exports, tmp_path: Path, form: str, options: dict[str, str]
) -> None:
    """Of two outputs, the second of which is no scores; an image goes in as the manifest says."""
    spec = ModelSpec(outputs=("scores", "features"), labels=("crane", "maillot", "heron"))
    folder = exported(
        model="user_models:two_heads", formats=(form,), image_size=(32, 32), spec=spec, options=options
    )[form]
    assert command("bundle", "android", folder, "--output", tmp_path / "app").code == 0
    (image,) = json.loads((tmp_path / "app" / ANDROID.payload / MANIFEST).read_bytes())["functions"][0][
        "inputs"
    ]
    assert (image["layout"] == "NHWC") == (options.get("layout") == "nhwc")
    assert image["preprocessing_inside"] == ("normalize" in options)
    _kit_holds(tmp_path / "app")
