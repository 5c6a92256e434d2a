"""Two processes train what one does; and when one is killed, the run goes on to the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from digits import QUICK, write_digits
from processes import processes, wait_for
from small_variant import SMALL

from cloformer.errors import UsageError
from cloformer.training.logs import read_log
from cloformer.training.state import Slots

# 40 steps in float64, with mixing and every augmentation; what is dropped by chance is a process's own, so nothing is.
SETTINGS = (*QUICK, "epochs=4", "batch_size=8", "precision=fp64", "drop_path=0", "mixup=0.8", "cutmix=1", "flip=0.5",
            "rand_augment=9", "erasing=0.25", "color_jitter=0.4", "crop_area=0.3")  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("digits") / "digits.npz", train=85, val=11)


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def start(data: Path, subprocess_environment: dict[str, str]) -> Start:
    """``start(count, output, ...)`` is a training run, or one that goes on, in so many processes."""
    return partial(_start, subprocess_environment, data)


def _start(
    environment: dict[str, str], data: Path, count: int, output: Path, *more: str, mark: str = ""
) -> subprocess.Popen[str]:
    arguments = ["--data", str(data), "--output", str(output), *more]
    if "--resume" not in more:
        arguments += ["--model", SMALL.name, "--recipe", "quick"]
        arguments += [part for one in SETTINGS for part in ("--set", one)]
    spread = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    command = [sys.executable, *(spread if count > 1 else []), "-m", "small_variant", "train", *arguments]
    environment = environment | {"OMP_NUM_THREADS": "1", "CLOFORMER_TEST": mark}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(run: subprocess.Popen[str]) -> str:
    out, errors = run.communicate(timeout=400)
    assert run.returncode == 0, errors[-3000:]
    return out


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = Slots(folder).load()
    assert found is not None
    assert found.position["step"] == 40
    return {name: value for name, value in found.tensors.items() if value.is_floating_point()}


@pytest.fixture(scope="module")
def two(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("two") / "run"
    out = finished(start(2, output))
    assert out.count("top-1") == 1, "one process speaks for both"
    return output


def test_two_processes_are_one(start: Start, two: Path, tmp_path: Path) -> None:
    finished(start(1, tmp_path / "run"))
    one, other = weights(tmp_path / "run"), weights(two)
    assert one.keys() == other.keys()
    assert sum(name.startswith("model.") for name in one) > 200
    apart = {name: float((one[name] - other[name]).abs().max()) for name in one}
    assert max(apart.values()) < 1e-6, max(apart, key=lambda name: apart[name])
    first, second = read_log(tmp_path / "run"), read_log(two)
    assert [row.top1 for row in first] == [row.top1 for row in second]
    assert [row.train_loss for row in first] == pytest.approx([row.train_loss for row in second], abs=1e-9)


def test_told_to_stop_and_killed(start: Start, two: Path, tmp_path: Path) -> None:
    """SIGTERM to what started them stops both after the same step; SIGKILL to one ends both; and the run goes on."""
    output, mark = tmp_path / "run", str(tmp_path)
    run = start(2, output, mark=mark)
    wait_for(lambda: len(read_log(output)) >= 1)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=120)
    assert "go on with --resume" in errors, errors[-2000:]
    run = start(2, output, "--resume", mark=mark)
    wait_for(lambda: len(read_log(output)) >= 2)
    os.kill(processes(mark)[-1], signal.SIGKILL)
    _, errors = run.communicate(timeout=120)
    assert run.returncode != 0
    assert 2 <= len(read_log(output)) < 4, errors[-2000:]
    finished(start(2, output, "--resume"))
    one, other = weights(output), weights(two)
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_batch_that_two_cannot_share(data: Path, tmp_path: Path) -> None:
    from cloformer.training.batches import Order
    from cloformer.training.recipe import RECIPES

    with pytest.raises(UsageError, match="cannot be divided into 2"):
        Order(RECIPES["quick"].changed(["batch_size=17"]), 85, 2)
