"""What stands in a format's way is told with the operator, the module and the line, of all formats at once, and is never a
bug of ours."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import helper
from outcome import Command
from torch import Tensor, nn

from cloformer.errors import CloformerError, GateError, InputError, UnsupportedError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.origins import read_origins
from cloformer.export.formats import FORMATS
from cloformer.export.formats import row as rows
from cloformer.export.formats.coreml.mil import interpreter
from cloformer.export.formats.onnx.refused import ORIGIN_KEYS, not_taken
from cloformer.export.passes.remove_identities import RemoveIdentities
from cloformer.export.pipeline.export import _not_run
from cloformer.export.pipeline.refused import of_each
from cloformer.io.causes import causes

HERE = "test_refusals"


@torch.library.custom_op("cloformer_tests::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return x * 2


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Stem(nn.Module):
    """A convolution, and what comes behind it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head = nn.Conv2d(3, 4, 3, padding=1), type(self).Head()

    class Head(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stem(x))


class NoConversion(Stem):
    class Head(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.special.bessel_j0(x)


class OfTheUsers(Stem):
    class Head(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return twice(x)


class AValueThatIsRefused(Stem):
    """torch.onnx's converter raises on these bounds; coremltools has none."""

    class Head(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.histc(x, 4, 1, 1)


class SevenAxes(Stem):
    """One axis more than Core ML's programs have, which coremltools finds long after the conversion of the operator."""

    class Head(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(1, 2, 2, 2, 8, 4, 4).permute(0, 2, 1, 4, 3, 6, 5).relu()


class TakenApartInALoop(Stem):
    class Head(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat(torch.atleast_1d([x.sum(), x.mean()]))


class Rectified(Stem):
    class Head(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu() * 2


rectified = Rectified
no_conversion, of_the_users, a_value = NoConversion, OfTheUsers, AValueThatIsRefused
seven_axes, in_a_loop = SevenAxes, TakenApartInALoop

# The formats that refuse it, and the operator that they name.
REFUSED = {
    "no_conversion": (("onnx", "coreml"), "special_bessel_j0"),
    "of_the_users": (("onnx", "coreml"), "cloformer_tests.twice"),
    "a_value": (("onnx", "coreml"), "aten.histc"),
    "in_a_loop": (("onnx",), "aten.atleast_1d"),
    "seven_axes": (("coreml",), "aten."),
}


@pytest.mark.parametrize("dry", [False, True], ids=["export", "dry run"])
@pytest.mark.parametrize("name", REFUSED)
def test_the_operator_is_named_with_its_module_and_line(
    command: Command, tmp_path: Path, name: str, dry: bool
) -> None:
    formats, operator = REFUSED[name]
    words = ["--image-size", "16", "--output", tmp_path, "--json", *(["--dry-run"] if dry else [])]
    words += [word for each in formats for word in ("--format", each)]
    shown = command("export", "--model", f"{HERE}:{name}", *words)
    assert shown.code == 4, shown.err
    assert "Traceback" not in shown.err and not list(tmp_path.iterdir())
    error = shown.json["error"]
    each = error["formats"] if len(formats) > 1 else {formats[0]: error}
    assert list(each) == list(formats)
    for told in each.values():
        (place,) = {(item["operator"], item["module"], item["location"]) for item in told["unsupported"]}
        assert operator in place[0] and place[1] == "head"
        assert place[2].startswith(f"{HERE}.{globals()[name].__name__}:Head:")
    lines = [line for line in shown.err.splitlines() if "head (" in line]
    assert len(lines) == len(formats)  # to people too, in a line for each format


class Chosen(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, 1.0, 2.0)


chosen = Chosen


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["chosen", "--input", "state=1x4"], "--input state_in=1x4"),
        (
            ["rectified", "--batch", "2", "--image-size", "16"],
            "--input images=2x3x16x16",
        ),
    ],
)
def test_an_input_that_core_ml_does_not_take(
    command: Command, tmp_path: Path, given: list[str], words: str
) -> None:
    """ONNX takes each."""
    both = ["--format", "coreml", "--format", "onnx", "--output", tmp_path]
    shown = command("export", "--model", f"{HERE}:{given[0]}", *given[1:], *both)
    assert shown.code == 4 and words in shown.err
    assert [path.name.split("-")[1] for path in tmp_path.iterdir()] == ["onnx"]


class OfTexts(nn.Module):
    """Of texts, of which it asks how many there are: a tensor has as many rows, and none of its numbers is read."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 3))

    def forward(self, texts: list[str]) -> Tensor:
        return self.table[[len(str(type(text))) % 4 for text in texts]]


class OfAShape(nn.Module):
    """Of a tensor, of which it reads the shape alone."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x, 2).cumsum(1)


def test_a_model_that_reads_a_shape_alone_is_refused(command: Command, tmp_path: Path) -> None:
    shown = command("export", "--model", f"{HERE}:OfAShape", "--input", "x=2x4", "--output", tmp_path)
    assert shown.code == 4 and "no output depends on an input (x)" in shown.err
    assert f"{HERE}:OfAShape" in shown.err


class OfComputedWeights(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.conv_transpose2d(x, x[:, :, :3, :3].transpose(0, 1))


@pytest.mark.parametrize("dry", [False, True], ids=["export", "dry run"])
def test_a_refusal_names_the_target_that_takes_it(command: Command, tmp_path: Path, *, dry: bool) -> None:
    words = ["export", "--model", f"{HERE}:OfComputedWeights", "--input", "x=1x2x5x5", "--format", "coreml"]
    shown = command(*words, "--output", tmp_path, *(["--dry-run"] if dry else []))
    assert shown.code == 4 and "choose --target ios17, with which it converts" in shown.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dry", [False, True], ids=["export", "dry run"])
def test_a_model_that_reads_no_input_is_refused(command: Command, tmp_path: Path, *, dry: bool) -> None:
    options = [
        "--input",
        "texts=2x4",
        "--format",
        "onnx",
        "--output",
        tmp_path,
        *(["--dry-run"] if dry else []),
    ]
    shown = command("export", "--model", f"{HERE}:OfTexts", *options)
    assert shown.code == 4 and "no output depends on an input (texts)" in shown.err
    assert not list(tmp_path.iterdir())


def test_one_format_that_is_refused_does_not_end_the_others(command: Command, tmp_path: Path) -> None:
    words = ["export", "--model", f"{HERE}:seven_axes", "--image-size", "16", "--output", tmp_path]
    shown = command(*words, "--format", "coreml", "--format", "onnx")
    (written,) = tmp_path.iterdir()
    assert shown.code == 4 and f"{written} is written" in shown.err
    assert command("parity", written, "--model", f"{HERE}:seven_axes").code == 0
    assert "ONNX goes through" in command(*words, "--format", "coreml", "--format", "onnx", "--dry-run").err


def test_a_pass_that_fails_is_a_bug_of_ours_with_its_name_and_place(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rewrite(_self: object, rewriter: object) -> None:
        for node in rewriter.nodes(torch.ops.aten.conv2d.default):  # type: ignore[attr-defined]
            raise IndexError(f"nobody foresaw {node.op}")

    monkeypatch.setattr(RemoveIdentities, "rewrite", rewrite)
    shown = command("export", "--model", f"{HERE}:no_conversion", "--image-size", "16", "--output", tmp_path)
    assert shown.code == 70
    assert "the pass remove_identities fails at aten.conv2d.default, stem" in shown.err
    assert "IndexError: nobody foresaw call_function" in shown.err and "--no-reparameterize" in shown.err


def test_what_no_runner_computes_is_told_by_its_place_too(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is exported and when it is compared."""
    words = [
        "export",
        "--model",
        f"{HERE}:rectified",
        "--image-size",
        "16",
        "--output",
        tmp_path,
        "--format",
        "coreml",
    ]
    assert command(*words).code == 0
    (written,) = tmp_path.iterdir()
    monkeypatch.setattr(interpreter, "KNOWN", set(interpreter.KNOWN) - {"relu"})
    for shown in (command(*words), command("parity", written, "--model", f"{HERE}:rectified")):
        assert shown.code == 4 and "does not know 1 kind of operator: relu" in shown.err
    assert f"where: head ({HERE}.Rectified:Head:" in command(*words).err


def test_what_onnx_runtime_does_not_load_is_told_by_its_place(artifacts: dict[str, Path]) -> None:
    artifact = read_artifact(artifacts["onnx"])
    name, place = next(iter(read_origins(artifact).places.items()))
    told = _not_run(InputError(f"it does not load: no kernel of Conv(1) with name 'node_{name}'"), artifact)
    assert told.exit_code == 4 and told.lines[1] == f"where: {place}"


class _Job:
    def __init__(self, name: str) -> None:
        self.format = type("Row", (), {"name": name, "title": name.upper()})


def _make(refusals: dict[str, CloformerError]):  # type: ignore[no-untyped-def]
    def make(_number: int, job: _Job) -> str:
        if job.format.name in refusals:
            raise refusals[job.format.name]
        return job.format.name

    return make


def test_each_format_is_tried_and_one_error_tells_of_all() -> None:
    jobs = [_Job(name) for name in ("one", "two", "three")]
    assert of_each(jobs, _make({}), str) == ["one", "two", "three"]  # type: ignore[arg-type]
    first, second = (
        GateError("it is wrong", "here", "keep it"),
        UnsupportedError("TWO cannot", "there", "rewrite it"),
    )
    with pytest.raises(GateError) as alone:
        of_each(jobs[:1], _make({"one": first}), str)  # type: ignore[arg-type]
    assert alone.value is first
    with pytest.raises(UnsupportedError) as single:
        of_each(jobs, _make({"two": second}), lambda made: f"{made} is written")  # type: ignore[arg-type]
    assert single.value.lines == ["TWO cannot", "there", "rewrite it; one is written; three is written"]
    alike = [UnsupportedError("a number is made", "there", "compute with tensors") for _ in jobs]
    with pytest.raises(UnsupportedError) as once:
        of_each(jobs, _make(dict(zip(("one", "two", "three"), alike))), str)  # type: ignore[arg-type]
    assert once.value.lines == ["a number is made", "there", "compute with tensors"]
    with pytest.raises(GateError) as both:
        of_each(jobs, _make({"one": first, "two": second}), lambda made: f"{made} is written")  # type: ignore[arg-type]
    assert both.value.lines[:2] == ["ONE: it is wrong; here", "TWO cannot; there"]
    assert both.value.lines[2].endswith("three is written")
    assert {name: told["exit_code"] for name, told in both.value.details["formats"].items()} == {
        "one": 1,
        "two": 4,
    }  # type: ignore[attr-defined]


def test_what_onnx_does_not_take_is_told_by_the_place_that_its_node_comes_from() -> None:
    node = helper.make_node("MaxPool", ["x"], ["y"], name="node_max_pool2d")
    for key, value in zip(ORIGIN_KEYS, ("max_pool2d", "stem.pool", "nets:Stem:12"), strict=True):
        node.metadata_props.add(key=key, value=value)
    model = onnx.ModelProto(graph=helper.make_graph([node], "it", [], []))
    told = not_taken(
        "onnx", ValueError("(op_type:MaxPool, node name: node_max_pool2d): shapes differ"), model
    )
    assert "MaxPool" in told.lines[0] and told.lines[1] == "where: stem.pool (nets:Stem:12)"
    assert "--opset" in not_taken("onnx", ValueError("something else"), model).lines[1]


def test_errors_that_come_from_one_another_in_a_circle_are_each_met_once() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    assert list(causes(one)) == [one, other]
    assert list(causes(one, said=True)) == [one]


@pytest.mark.parametrize("name", [row.name for row in FORMATS.values() if row.extra is not None])
def test_a_format_whose_packages_are_not_installed(
    name: str, monkeypatch: pytest.MonkeyPatch, command: Command, tmp_path: Path
) -> None:
    """Told before a model is made, with what to type; also where only what would be written is asked for."""
    row = FORMATS[name]
    monkeypatch.setattr(rows, "_is_installed", lambda package: package in ("torch", "numpy"))
    for more in ((), ("--dry-run",)):
        shown = command("export", "--format", name, "--output", tmp_path / "out", *more)
        assert shown.code == 5
        assert (
            f"{row.title} is written by " in shown.err
            and f"pip install 'cloformer[{row.extra}]'" in shown.err
        )
    assert not (tmp_path / "out").exists()
