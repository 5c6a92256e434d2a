"""Bad input: the design's exit code, three lines at most, the next step, and nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from outcome import Command, Outcome
from reference_weights import fill

import cloformer
from cloformer.export.reference.cases import PHOTOGRAPH


def _said(outcome: Outcome) -> list[str]:
    """The lines of the error, which come after the lines of the progress."""
    lines = outcome.err.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("error: "))
    assert "Traceback" not in outcome.err + outcome.out
    return lines[start:]


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def kept(small: Path, tmp_path: Path) -> Iterator[Path]:
    """An output folder with an earlier artifact, which must be the same afterwards, and alone."""
    output = tmp_path / "kept"
    shutil.copytree(small, output / small.name)
    before = _contents(output)
    yield output
    assert _contents(output) == before
    assert [path.name for path in output.iterdir()] == [small.name]


SMALL = ["--model", "user_models:resnet", "--image-size", "32"]


class _RunsCode:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "cloformer_xxxs"], 2, "Did you mean cloformer_xxs?"),
        (["--format", "onxn"], 2, "Did you mean onnx?"),
        (["--format", "coreml", "--target", "ios177"], 2, "Did you mean ios17?"),
        (["--precision", "fp61"], 2, "Did you mean fp16?"),
        (["--opset", "7"], 2, "--opset takes"),
        (["--target", "ios17"], 2, "--target is for --format coreml"),
        (["--format", "coreml", "--opset", "20"], 2, "--opset is for --format onnx"),
        (["--precision", "palette-4"], 4, "--precision takes for it: fp32, fp16, int8, int8-weights"),
        (["--image-size", "30"], 2, "multiples of 4 from 32 on"),
        (["--image-size", "226"], 2, "multiples of 4 from 32 on"),
        (["--image-size", "big"], 2, "is not a size"),
        (["--batch", "0"], 2, "from 1 on"),
        (["--num-classes", "0"], 2, "num-classes"),
        (["--formt", "onnx"], 2, "--formt"),
        (["--model", "no.such.module:factory"], 2, "there is no module 'no'"),
        (["--model", "user_models:nosuch"], 2, "there is no 'nosuch' in user_models"),
        (["--model", "user_models:fails"], 3, "the data set is not here"),
        (["--model", "user_models:not_a_module"], 3, "not a torch.nn.Module"),
        (
            ["--model", "user_models:data_dependent", "--image-size", "32"],
            4,
            "where: the model (user_models:",
        ),
        (["--input", "image"], 2, "NAME=SIZE"),
        (["--labels", "/nowhere/labels.txt"], 3, "there is no file"),
        (["--spec", "/nowhere/model.toml"], 3, "there is no file"),
        (["--weights", "/nowhere/weights.pth"], 3, "there is no file"),
        (["--weights", "fashion-mnst"], 3, "Did you mean fashion-mnist?"),
        (["--weights", "cloformer_xs"], 3, "give it as --model cloformer_xs"),
        (["--model", "best.pth"], 2, "give it as --weights best.pth"),
        (["cloformer_xxxs"], 2, "Did you mean cloformer_xxs?"),
        (["cloformer_xs", "--model", "cloformer_s"], 2, "both name the model"),
        (["best.pth", "--weights", "last.pth"], 2, "both name the checkpoint"),
        (["/nowhere/weights.pth"], 3, "there is no file"),
        (["/nowhere/nets.py:build"], 3, "there is no file"),
        (["model.onnx"], 3, "is an ONNX model, and no PyTorch model"),
        (["--model", "user_models:resnt"], 2, "Did you mean resnet?"),
        (["--model", "user_models:GroupNormNet"], 2, "needs arguments: scale"),
        (["--model", ":"], 2, "names no module"),
        (["/"], 2, "there is no model or checkpoint '/'"),
        (["tests/support/user_models"], 2, "Did you mean tests/support/user_models.py?"),
    ],
)
def test_export_refuses(command: Command, kept: Path, arguments: list[str], code: int, words: str) -> None:
    shown = command("export", *arguments, "--output", kept)
    assert shown.code == code
    said = _said(shown)
    assert len(said) <= 3
    assert words in " ".join(said)
    assert len(said) >= 2  # what to do next


@pytest.mark.parametrize(
    "how", ["missing", "truncated", "variant", "classes", "pickle", "whole", "script", "another"]
)
def test_export_refuses_checkpoints(command: Command, kept: Path, tmp_path: Path, how: str) -> None:
    path, trap = tmp_path / "weights.pth", tmp_path / "owned"
    arguments = ["--model", "cloformer_xs"] if how == "variant" else []
    arguments += ["--num-classes", "10"] if how == "classes" else []
    if how == "pickle":
        path.write_bytes(pickle.dumps(_RunsCode(trap)))
    elif how == "whole":
        torch.save(torch.nn.Linear(2, 2), path)
    elif how == "another":
        torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    elif how == "script":
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    elif how != "missing":
        torch.save(fill(cloformer.create_model("cloformer_xxs")).state_dict(), path)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:100_000])
    shown = command("export", "--weights", path, *arguments, "--output", kept, "--json")
    assert shown.code == 3
    assert 2 <= len(_said(shown)) <= 3
    assert not trap.exists()
    error = shown.json["error"]
    assert error["exit_code"] == 3
    words = {
        "missing": "there is no file",
        "truncated": "damaged or truncated",
        "variant": "holds cloformer_xxs, not cloformer_xs",
        "classes": "has 1,000 classes, and 10 were asked for",
        "pickle": "could run code: refused",
        "whole": "could run code: refused",
        "script": "is a TorchScript model",
        "another": "holds no built-in model",
    }
    if how in ("whole", "script", "another"):
        assert "--model nets.py:build --weights" in " ".join(error["next"])
    assert words[how] in error["message"]
    if how == "variant":
        assert len(error["misshaped"]) > 100  # every key, for those who ask in JSON


@pytest.mark.parametrize("format_name", ["onnx", "coreml"])
def test_all_unsupported_operators_at_once(command: Command, kept: Path, format_name: str) -> None:
    arguments = [
        "export",
        "--model",
        "user_models:unexportable",
        "--image-size",
        "32",
        "--format",
        format_name,
    ]
    for dry in ([], ["--dry-run"]):
        shown = command(*arguments, "--output", kept, "--json", *dry)
        assert shown.code == 4
        assert len(_said(shown)) == 3
        places = shown.json["error"]["unsupported"]
        assert len(places) == 3
        for place in places:
            assert place["location"].startswith("user_models:Unexportable:")
            assert "/" not in place["location"]


def test_output_places_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        shown = command("export", *SMALL, "--output", place)
        assert shown.code == 3
        assert "--output" in " ".join(_said(shown))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("format_name", ["onnx", "coreml"])
def test_a_full_disk(
    command: Command, tmp_path: Path, format_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filesystem of 300 kB in memory: too small from the start, and, unseen by the check, on the way."""
    from cloformer.export.pipeline import export as pipeline

    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("mounting a filesystem is not permitted here")
    try:
        for patched in (False, True):
            if patched:
                monkeypatch.setattr(pipeline, "space_needed", lambda folder, size: None)
            shown = command(
                "export",
                "--model",
                "user_models:vit",
                "--format",
                format_name,
                "--image-size",
                "64",
                "--output",
                disk,
            )
            assert shown.code == 3, shown.err
            assert "no space left" in _said(shown)[0]
            assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("what", ["hash", "newer", "nothing"])
def test_artifacts_that_do_not_hold(command: Command, small: Path, tmp_path: Path, what: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(small, broken)
    manifest = json.loads((broken / "manifest.json").read_text())
    if what == "newer":
        manifest["schema_version"] = 99
    if what == "hash":
        manifest["files"][0]["sha256"] = "0" * 64
    (broken / "manifest.json").write_text(json.dumps(manifest))
    if what == "nothing":
        shutil.rmtree(broken)
    words = {"hash": "hash does not match", "newer": "schema_version is 99", "nothing": "not an artifact"}[
        what
    ]
    for arguments in (["inspect", broken], ["predict", broken, PHOTOGRAPH]):
        shown = command(*arguments)
        assert shown.code == 3
        assert words in _said(shown)[0]
        assert 2 <= len(_said(shown)) <= 3


@pytest.mark.parametrize(
    ("fault", "precision", "words"),
    [
        ("scaled", "fp32", "is not the PyTorch model"),
        ("not a number", "fp32", "is not the PyTorch model"),
        ("scaled", "int8-weights", "is not the model: the passes give another"),
    ],
)
def test_an_export_that_is_not_the_model_fails(
    command: Command, kept: Path, monkeypatch: pytest.MonkeyPatch, fault: str, precision: str, words: str
) -> None:
    """A pass that breaks its promise is found by running the written file, and by running what is written with other weights than the
    model's before these are changed: exit 1, and nothing is replaced."""
    from cloformer.export import passes
    from cloformer.export.formats.onnx import passes as onnx_passes

    @dataclass(frozen=True)
    class Lying(passes.Pass):
        law = "f(x) = f(x)"
        exactness = passes.Exactness.REAL

        def rewrite(self, rewriter: Any) -> list[Any]:
            relu = rewriter.nodes(torch.ops.aten.relu.default)[0]
            with rewriter.at(relu.next):
                factor = 1.01 if fault == "scaled" else float("nan")
                wrong = rewriter.call(torch.ops.aten.mul.Tensor, relu, factor)
            relu.replace_all_uses_with(wrong)
            wrong.args = (relu, factor)
            return []

    honest = onnx_passes.passes
    monkeypatch.setattr(onnx_passes, "passes", lambda setting: [*honest(setting), Lying()])
    shown = command("export", *SMALL, "--precision", precision, "--output", kept)
    assert shown.code == 1
    assert words in _said(shown)[0]


class OtherWhenTraced(torch.nn.Module):
    """What is traced, and so all that is made of the trace, is another model."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (1.0 if torch.compiler.is_exporting() else 1.001)


def test_a_trace_that_is_not_the_model_fails(command: Command, kept: Path) -> None:
    """The file gives what its vectors say, and both are of another model."""
    shown = command("export", "--model", f"{__name__}:OtherWhenTraced", "--input", "x=1x4", "--output", kept)
    assert shown.code == 1
    assert "the trace gives another" in _said(shown)[0] and len(_said(shown)) <= 3


def test_labels_must_fit(command: Command, kept: Path, tmp_path: Path) -> None:
    for content, words in (
        ("a\nb\n", "2 labels, and the model has 10"),
        ("a\n\nb\n", "empty line"),
    ):
        (tmp_path / "labels.txt").write_text(content)
        shown = command("export", *SMALL, "--labels", tmp_path / "labels.txt", "--output", kept)
        assert shown.code == 3
        assert words in " ".join(_said(shown))


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["export", "dry run"])
def test_two_classes_of_one_name(command: Command, tmp_path: Path, more: tuple[str, ...]) -> None:
    """Numbers tell them apart in ONNX; Core ML gives scores by name, and so nothing is written for either."""
    (tmp_path / "labels.txt").write_text("crane\nmaillot\ncrane\n")
    asked = (
        "export",
        "--model",
        "tiny:net",
        "--image-size",
        "16",
        "--labels",
        tmp_path / "labels.txt",
        *more,
    )
    done = command(*asked, "--output", tmp_path / "onnx")
    assert done.code == 0, done.err
    both = command(*asked, "--format", "onnx", "--format", "coreml", "--output", tmp_path / "both")
    assert both.code == 3
    said = " ".join(_said(both))
    assert "'crane' on line 1 and on line 3, and Core ML gives a classifier's scores by name" in said
    assert "make the names differ" in said
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("inputs = 3", "model.toml"),
        ("[[inputs]]\nname = 'x'", "inputs[0].shape is missing"),
        ("[[inputs]]\nname = 'x'\nshape = [1, 0]", "inputs[0].shape[1] is 0, not from 1"),
        ("[[inputs]]\nname = 'x'\nshape = [1, 2]\ndtype = 'float99'", "float99"),
        (
            "[[inputs]]\nname = 'x'\nshape = [1, 3, 8, 8]\nrole = 'image'\n[inputs.preprocessing]\nmeen = 1",
            "meen",
        ),
        (
            "[[inputs]]\nname = 'x'\nshape = [1, 3]\nrole = 'logits'",
            "inputs[0].role is 'logits', not one of image, tensor",
        ),
        ("colour = 'red'", "colour is not a field"),
        (
            "label = 'labels.txt'",
            "Did you mean labels? Known are: inputs, metadata, outputs, labels, labels_of",
        ),
        (
            "[[inputs]]\nnmae = 'x'\nshape = [1, 2]",
            "inputs[0].nmae is not a field that is known here. Did you mean name?",
        ),
        (
            "[[inputs]]\nname = 'x'\nshape = [1, 3, 8, 8]\n[inputs.preprocessing]\nresize = 9",
            "inputs[0].preprocessing.resize is not a field that is known here. Did you mean resize_size?",
        ),
        (
            "[[inputs]]\nname = 'x'\nshape = [1, 3, 8, 8]\n[inputs.preprocessing]\nheight = 9\nresize_size = 9",
            "height and width are not those of the shape",
        ),
        (
            "[[inputs]]\nname = 'x'\nshape = [1, 1, 8, 8]\n[inputs.preprocessing]\nmean = [0, 0, 0]\nstd = [1, 1, 1]",
            "preprocessing.mean has 3 numbers, and x one channel",
        ),
        ("outputs = ['a']\nlabels_of = 'b'", "labels_of is 'b', not one of outputs: a"),
        ("= 1", "cannot be read: Invalid statement (at line 1"),
    ],
)
def test_specifications_that_mean_nothing(
    command: Command, kept: Path, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "model.toml").write_text(content)
    shown = command(
        "export", "--model", "user_models:vit", "--spec", tmp_path / "model.toml", "--output", kept
    )
    assert shown.code == 3
    assert words in " ".join(_said(shown))
    assert 2 <= len(_said(shown)) <= 3
    assert "`cloformer spec`" in _said(shown)[-1]
    assert command("spec", tmp_path / "model.toml").err == shown.err  # told without a model too


def test_a_bug_of_ours(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from cloformer.export.formats import doctor

    def broken() -> None:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr(doctor, "examine", broken)
    shown = command("doctor")
    assert shown.code == 70
    assert len(_said(shown)) == 2
    assert "Traceback" in command("doctor", "--debug").err


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_without_memory(command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    from cloformer.export.formats import doctor

    def broken() -> None:
        raise error

    monkeypatch.setattr(doctor, "examine", broken)
    shown = command("doctor")
    assert (shown.code, len(_said(shown))) == (4, 2)
    assert "memory" in _said(shown)[0]


def test_a_command_that_does_not_exist(command: Command) -> None:
    shown = command("exprot")
    assert shown.code == 2
    assert "export" in " ".join(_said(shown))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted(
    kept: Path, python: str, subprocess_environment: dict[str, str], number: signal.Signals, code: int
) -> None:
    process = _start_export(python, kept, subprocess_environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if "writing" in line:
            break
    process.send_signal(number)
    rest = process.stderr.read()
    assert process.wait() == code
    assert "nothing half-written is left" in rest
    process.stderr.close()


def _start_export(
    python: str, output: Path, environment: dict[str, str], **options: Any
) -> subprocess.Popen[str]:
    arguments = [python, "-m", "cloformer", "export", *SMALL, "--seed", "0", "--output", str(output)]
    return subprocess.Popen(arguments, env=environment, text=True, **options)


def _kill_exports(
    small: Path, output: Path, python: str, environment: dict[str, str], delays: list[float]
) -> None:
    """Kill exports over an existing artifact; there is one whole artifact after each, one alone at the end."""
    from cloformer.export.artifact.folder import read_artifact

    shutil.copytree(small, output / small.name)
    for delay in delays:
        process = _start_export(
            python, output, environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=delay)
        process.kill()
        process.wait()
        read_artifact(output / small.name)  # hashes and all
    assert _start_export(python, output, environment, stderr=subprocess.DEVNULL).wait() == 0
    assert [path.name for path in output.iterdir()] == [small.name]
    assert _contents(output / small.name) == _contents(small)


def test_killed_exports(
    small: Path, tmp_path: Path, python: str, subprocess_environment: dict[str, str]
) -> None:
    _kill_exports(small, tmp_path / "out", python, subprocess_environment, [3.0, 5.0])


@pytest.mark.slow
def test_fifty_killed_exports(
    small: Path, tmp_path: Path, python: str, subprocess_environment: dict[str, str]
) -> None:
    """Fifty SIGKILLs, spread at random over the time that one export takes, denser near its end."""
    import random

    started = time.monotonic()
    process = _start_export(python, tmp_path / "timed", subprocess_environment, stderr=subprocess.DEVNULL)
    assert process.wait() == 0
    whole = time.monotonic() - started
    rng = random.Random(0)
    delays = [whole * (rng.uniform(0.2, 1.0) if index % 2 else rng.uniform(0.8, 1.05)) for index in range(50)]
    _kill_exports(small, tmp_path / "out", python, subprocess_environment, delays)
