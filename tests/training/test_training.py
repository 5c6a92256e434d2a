"""Runs: they learn, they stop and go on to the same weights, and what goes wrong costs nothing that was finished."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from digits import QUICK, write_digits
from image_folders import write_folders
from outcome import Command
from PIL import Image
from safetensors.torch import load_file
from small_variant import SMALL, known
from torch import Tensor, nn
from watch import Watch

import cloformer
from cloformer.checkpoint import load_checkpoint, read_checkpoint
from cloformer.errors import GateError, InputError, UnsupportedError, UsageError
from cloformer.export.accuracy.judged import read_judged
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.training.evaluate import evaluate
from cloformer.training.logs import read_log
from cloformer.training.loop import BEST, LAST
from cloformer.training.run import TrainRequest, recipe_of, train
from cloformer.training.teacher import open_teacher, teaching_loss

# 4 steps of 16 images an epoch, with every kind of randomness that the recipe has.
TINY = (*QUICK, "batch_size=16", "epochs=3", "warmup_epochs=1", "mixup=0.8", "cutmix=1", "drop_path=0.1",
        "erasing=0.25", "color_jitter=0.2", "flip=0.5")  # fmt: skip

SEEN = Preprocessing.imagenet(32, 32)


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """A small one, by name."""
    with known() as name:
        yield name


@pytest.fixture(scope="module")
def request_(model: str, tmp_path_factory: pytest.TempPathFactory) -> TrainRequest:
    data = write_digits(tmp_path_factory.mktemp("digits") / "digits.npz", train=70, val=30)
    return TrainRequest(data, Path(), model=model, recipe="quick", settings=TINY)


@pytest.fixture(scope="module")
def whole(request_: TrainRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(replace(request_, output=folder), Watch())
    return folder


def assert_same(one: Path, other: Path) -> None:
    """The same weights to the bit, and the same log but for its times."""
    for name in (LAST, BEST):
        first, second = (load_file(folder / name) for folder in (one, other))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
    rows = [
        [replace(row, seconds=0, images_per_second=0) for row in read_log(folder)] for folder in (one, other)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3


def test_a_run_leaves_what_it_says(whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} >= {
        "run.json",
        "log.csv",
        "state.0",
        "state.1",
        LAST,
        BEST,
    }
    assert json.loads((whole / "run.json").read_text())["recipe"]["mixup"] == 0.8
    rows = read_log(whole)
    assert [(row.epoch, row.step) for row in rows] == [(1, 4), (2, 8), (3, 12)]
    assert (
        max(row.top1 for row in rows) == json.loads(read_checkpoint(whole / BEST).metadata["scores"])["top1"]
    )
    model, checkpoint = load_checkpoint(whole / LAST)
    assert model.head.out_features == 10
    assert json.loads(checkpoint.metadata["labels"]) == [str(digit) for digit in range(10)]
    assert json.loads(checkpoint.metadata["preprocessing"])["height"] == 32
    assert cloformer.create_model(weights=whole / LAST).variant == SMALL


@pytest.mark.parametrize("stored", ["fp32", "fp16"])
def test_scores_are_those_of_the_written_weights(request_: TrainRequest, tmp_path: Path, stored: str) -> None:
    settings = (*request_.settings, "epochs=1", f"stored={stored}")
    done = train(replace(request_, output=tmp_path / "run", settings=settings), Watch())
    (found,) = evaluate([done.last], read_judged(request_.data))
    (row,) = done.rows
    # In batches of another size float32 rounds otherwise; unrounded weights would be 4e-5 away.
    assert row.val_loss == pytest.approx(found.scores.loss, abs=1e-6)
    assert (row.top1, row.top5) == (found.scores.top1, found.scores.top5)


def test_the_same_again(whole: Path, request_: TrainRequest, tmp_path: Path) -> None:
    train(replace(request_, output=tmp_path / "run", workers=1), Watch())
    assert_same(whole, tmp_path / "run")


@pytest.mark.parametrize("step", [2, 4, 9])
def test_interrupted_and_resumed(whole: Path, request_: TrainRequest, tmp_path: Path, step: int) -> None:
    """In an epoch and at its end; --resume needs nothing but the folder and the data."""
    request = replace(request_, output=tmp_path / "run")
    watch = Watch(lambda done: done == step and signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(request, watch)
    assert watch.steps in (step, step + 1)
    train(TrainRequest(request.data, request.output, resume=True), Watch())
    assert_same(whole, request.output)


@pytest.mark.parametrize("step", [3, 8])
def test_killed_and_resumed(whole: Path, request_: TrainRequest, tmp_path: Path, step: int) -> None:
    """As by SIGKILL: nothing is written any more; the epoch is done again."""

    class Killed(BaseException):
        pass

    def kill(done: int) -> None:
        if done == step:
            raise Killed

    request = replace(request_, output=tmp_path / "run")
    with pytest.raises(Killed):
        train(request, Watch(kill))
    watch = Watch()
    train(TrainRequest(request.data, request.output, resume=True), watch)
    assert watch.steps == 12 - (step - 1) // 4 * 4
    assert_same(whole, request.output)


def test_killed_between_the_state_and_what_is_made_of_it(
    whole: Path, request_: TrainRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch that counts is not lost: its weights and its row are made when the run goes on."""
    request = replace(request_, output=tmp_path / "run")

    def full(*_: object, **__: object) -> None:
        raise InputError(os.strerror(errno.ENOSPC))

    monkeypatch.setattr("cloformer.training.weights.save_checkpoint", full)
    with pytest.raises(InputError, match="No space left"):
        train(request, Watch())
    monkeypatch.undo()
    assert not (request.output / LAST).exists()
    watch = Watch()
    train(replace(request, recipe=None, settings=(), resume=True), watch)
    assert watch.epochs == [2, 3]
    assert_same(whole, request.output)


def test_killed_before_anything_was_saved(whole: Path, request_: TrainRequest, tmp_path: Path) -> None:
    output = tmp_path / "run"
    output.mkdir()
    shutil.copy(whole / "run.json", output)
    train(TrainRequest(request_.data, output, resume=True), Watch())
    assert_same(whole, output)
    for path in output.glob("state.*"):
        path.unlink()
    with pytest.raises(InputError, match="no state to go on from"):
        train(TrainRequest(request_.data, output, resume=True), Watch())


def test_two_runs_in_one_folder(request_: TrainRequest, tmp_path: Path) -> None:
    request = replace(request_, output=tmp_path / "run")

    def another(done: int) -> None:
        if done == 2:
            with pytest.raises(InputError, match="another run is at work"):
                train(replace(request, resume=True), Watch())

    assert len(train(request, Watch(another)).rows) == 3


def test_a_finished_run_is_not_done_again(whole: Path, request_: TrainRequest) -> None:
    before, watch = load_file(whole / LAST), Watch()
    result = train(replace(request_, output=whole, resume=True), watch)
    assert (watch.steps, len(result.rows)) == (0, 3)
    assert all(torch.equal(value, before[key]) for key, value in load_file(whole / LAST).items())


def test_an_image_that_breaks_later(request_: TrainRequest, tmp_path: Path) -> None:
    """It is named, and what was learned before stays."""
    data = write_folders(tmp_path / "data", each=4)
    settings = (*TINY, "batch_size=2", "mixup=0", "cutmix=0", "epochs=1")
    request = replace(request_, data=data, output=tmp_path / "run", settings=settings)
    train(replace(request, output=tmp_path / "sound"), Watch())
    originals = {path: path.read_bytes() for path in (data / "train").rglob("*.png")}

    def truncate(done: int) -> None:
        if done == 2:
            for path, content in originals.items():
                path.write_bytes(content[:40])

    with pytest.raises(InputError, match=r"image .*train.*\.png cannot be read"):
        train(request, Watch(truncate))
    for path, content in originals.items():
        path.write_bytes(content)
    watch = Watch()
    train(TrainRequest(data, tmp_path / "run", resume=True), watch)
    assert watch.steps == 4
    first, second = (load_file(tmp_path / name / LAST) for name in ("sound", "run"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_loss_that_is_no_number(request_: TrainRequest, tmp_path: Path) -> None:
    settings = (*TINY, "learning_rate=1e30", "clip=0", "warmup_epochs=0")
    with pytest.raises(GateError, match=r"epoch 1, step \d .*image \d+ of") as refused:
        train(replace(request_, output=tmp_path / "run", settings=settings), Watch())
    assert "learning_rate=3.3e+29" in str(refused.value)
    assert len(refused.value.lines) <= 3


def test_mixed_precision(
    whole: Path, request_: TrainRequest, tmp_path: Path, subprocess_environment: dict[str, str]
) -> None:
    """In a process of its own: Accelerate has one precision a process."""
    settings = (*TINY, "epochs=1", "batch_size=4", "precision=bf16")
    with pytest.raises(UnsupportedError, match="training in bf16 cannot be set up"):
        train(replace(request_, output=tmp_path / "run", settings=settings), Watch())
    command = [
        sys.executable,
        "-m",
        "small_variant",
        "train",
        "--model",
        SMALL.name,
        "--data",
        request_.data,
        "--output",
        tmp_path / "run",
    ]
    command += ["--recipe", "quick", *(part for one in settings for part in ("--set", one))]
    done = subprocess.run(command, env=subprocess_environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (row,) = read_log(tmp_path / "run")
    assert np.isfinite(row.train_loss)
    kinds = {value.dtype for value in load_file(tmp_path / "run" / LAST).values()}
    assert kinds == {torch.float32, torch.int64}


def test_accumulated_parts_add_up_to_the_batch(request_: TrainRequest, tmp_path: Path) -> None:
    """But for batch norm, which sees a part: the losses of the first step differ by that alone."""
    losses = []
    for parts in (1, 2):
        seen: list[float] = []
        watch = Watch()
        watch.step = lambda epoch, step, steps, loss, seen=seen: seen.append(loss)  # type: ignore[method-assign, misc]
        settings = (*TINY, "epochs=1", "drop_path=0", f"accumulate={parts}")
        train(replace(request_, output=tmp_path / str(parts), settings=settings), watch)
        losses.append(seen)
    assert len(losses[0]) == len(losses[1]) == 4
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0] != losses[1]


class Teacher(nn.Module):
    """Sure of the brightness of the middle."""

    def forward(self, x: Tensor) -> Tensor:
        return 9 * nn.functional.one_hot((x.mean((1, 2, 3)) > 0).long(), 10).to(x)


def three_classes() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))


def write_onnx(path: Path, batch: int | str) -> Path:
    """The mean of each colour: three classes."""
    shapes = [
        (name, [batch, 3, *rest]) for name, rest in (("image", [32, 32]), ("mean", [1, 1]), ("logits", []))
    ]
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes
    ]
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        onnx.helper.make_node("Flatten", ["mean"], ["logits"]),
    ]
    graph = onnx.helper.make_graph(nodes, "colours", values[:1], values[2:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def test_a_student_learns_what_its_teacher_says(request_: TrainRequest, tmp_path: Path) -> None:
    settings = (*QUICK, "epochs=4", "batch_size=16", "warmup_epochs=0", "distill=1", "ema=0", "crop_area=1")
    request = replace(request_, settings=settings, output=tmp_path / "run", teacher="test_training:Teacher")
    train(request, Watch())
    model, checkpoint = load_checkpoint(tmp_path / "run" / LAST)
    assert checkpoint.metadata["teacher"] == "test_training:Teacher"
    with np.load(request.data) as file:
        pixels = file["train_images"][:64]
    rule = Preprocessing.imagenet(32, 32)
    x = torch.from_numpy(np.concatenate([rule(Image.fromarray(one)) for one in pixels]))
    with torch.inference_mode():
        right = (model(x).argmax(1) == Teacher()(x).argmax(1)).double().mean()
    assert right > 0.9


def test_teaching_loss() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(5, 7), torch.randn(5, 7)
    for temperature in (1.0, 3.0):
        p, q = ((logits / temperature).softmax(1) for logits in (teacher, student))
        expected = temperature**2 * (p * (p / q).log()).sum(1).mean()
        assert float(teaching_loss(student, teacher, temperature)) == pytest.approx(float(expected), rel=1e-5)
    assert float(teaching_loss(teacher, teacher, 2.0)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("batch", [1, 2, "N"])
def test_a_teacher_in_an_onnx_file(tmp_path: Path, batch: int | str) -> None:
    path = write_onnx(tmp_path / "teacher.onnx", batch)
    x = torch.randn(6, 3, 32, 32)
    if batch == 2:
        with pytest.raises(InputError, match="does not take images of 32 x 32"):
            open_teacher(str(path), 3, SEEN, torch.device("cpu"))
        return
    teacher = open_teacher(str(path), 3, SEEN, torch.device("cpu"))
    assert torch.allclose(teacher(x), x.mean((2, 3)), atol=1e-6)


def test_a_teacher_is_a_checkpoint(whole: Path) -> None:
    """Of a built-in model, with what it says of the images that it was trained on."""
    x = torch.randn(2, 3, 32, 32)
    model, _ = load_checkpoint(whole / LAST)
    teacher = open_teacher(str(whole / LAST), 10, SEEN, torch.device("cpu"))
    with torch.no_grad():
        assert torch.equal(teacher(x), model.eval()(x))


def test_teachers_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    path = write_onnx(tmp_path / "teacher.onnx", 1)
    for reference, classes, size, words in [
        (str(path), 10, 32, r"gives \(1, 3\) for an image, and not \(1, 10\)"),
        (str(path), 3, 64, "does not take images of 64 x 64"),
        ("test_training:three_classes", 10, 32, r"gives \(1, 3\)"),
        ("test_training:three_classes", 3, 64, "does not take images of 64 x 64"),
        (str(tmp_path / "bad.onnx"), 3, 32, "cannot be used"),
    ]:
        with pytest.raises(InputError, match=words):
            open_teacher(reference, classes, Preprocessing.imagenet(size, size), torch.device("cpu"))
    with pytest.raises(InputError, match="has random weights, which teach nothing"):
        open_teacher("cloformer_xxs", 1000, SEEN, torch.device("cpu"))
    with pytest.raises(UsageError, match="--teacher nowhere:it: there is no module"):
        open_teacher("nowhere:it", 3, SEEN, torch.device("cpu"))


def test_a_new_head_for_other_classes(whole: Path, tmp_path: Path) -> None:
    """And a batch that the nine images fill, which is a number from then on."""
    data, watch = write_folders(tmp_path / "data"), Watch()
    settings = ("image_size=32", "batch_size=auto", "epochs=1", "warmup_epochs=0")
    request = TrainRequest(data, tmp_path / "run", recipe="finetune", settings=settings, weights=whole / LAST)
    train(request, watch)
    assert "the head is new: the weights know 10 classes, and the data have 3" in watch.said
    assert "a step takes 9 of 9 training images" in watch.said
    metadata = read_checkpoint(tmp_path / "run" / LAST).metadata
    assert json.loads(metadata["labels"]) == ["ant", "bee", "wasp"]
    assert json.loads(metadata["recipe"])["batch_size"] == 9
    (data / "train" / "ant" / "0.png").unlink()
    assert [recipe_of(replace(request, resume=resume)).batch_size for resume in (False, True)] == [8, 9]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"settings": (*TINY, "mixup=0.5")}, UsageError, "recipe.mixup 0.8, and now it is 0.5"),
        ({"model": "cloformer_xs"}, UsageError, "model cloformer_small, and now it is cloformer_xs"),
        ({"teacher": "test_training:Teacher"}, UsageError, "teacher None"),
        ({"resume": False}, InputError, "is not empty"),
        ({"output": Path("/nowhere/run")}, InputError, "no run to go on with"),
    ],
)
def test_a_run_goes_on_as_it_began(
    whole: Path, request_: TrainRequest, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    request = replace(request_, output=whole, resume=True)
    with pytest.raises(error, match=words):
        train(replace(request, **changes), Watch())  # type: ignore[arg-type]


def test_digits_from_scratch(command: Command, model: str, tmp_path: Path) -> None:
    """All 1797 of them, to 95 % of those that were not trained on, by the command that a user gives."""
    data, settings = (
        write_digits(tmp_path / "digits.npz"),
        [part for name in QUICK for part in ("--set", name)],
    )
    done = command(
        "train",
        "--model",
        model,
        "--data",
        data,
        "--output",
        tmp_path / "a run",
        "--recipe",
        "quick",
        *settings,
        "--set",
        "epochs=4",
    )
    assert done.code == 0, done.err
    assert "epoch 4 of 4: loss" in done.err
    best = tmp_path / "a run" / BEST
    assert done.out.endswith(f"\n  next: cloformer export --weights '{best}' --format onnx --format coreml\n")
    judged = command("evaluate", best, "--data", data, "--min-top1", "95%", "--json")
    assert judged.code == 0, judged.out
    (found,) = json.loads(judged.out)["subjects"]
    assert found["images"] == 360
    assert found["top1_interval"][0] < found["top1"] < found["top1_interval"][1]
    assert f"top-1 {found['top1']:.2%} after 4 epochs" in done.out
    assert command("evaluate", best, "--data", data, "--min-top1", "0.9999").code == 1
