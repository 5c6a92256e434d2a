"""Twenty times SIGKILL, wherever it hits: the run ends as if there had been none."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from digits import QUICK, write_digits
from safetensors.torch import load_file

from cloformer.training.logs import read_log
from cloformer.training.loop import BEST, LAST
from cloformer.training.state import Slots

KILLS = 20
SETTINGS = (*QUICK, "epochs=40", "batch_size=32", "drop_path=0.1", "mixup=0.8", "flip=0.5")


def start(data: Path, output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cloformer", "train", "--data", str(data), "--output", str(output)]
    if (output / "run.json").exists():
        command.append("--resume")
    else:
        command += ["--recipe", "quick", *(part for one in SETTINGS for part in ("--set", one))]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    data = write_digits(tmp_path / "digits.npz", train=160, val=60)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    assert start(data, whole).wait() == 0
    length = time.monotonic() - began
    draw, ended, finished, kills = random.Random(0), False, 0, 0
    while not ended:
        run = start(data, killed)
        # From before anything is written to beyond where a twentieth of the run has been done.
        pause = draw.uniform(0.3, 7 + length / KILLS) if kills < KILLS else 1000
        try:
            ended = run.wait(pause) == 0
            assert ended, "a resumed run failed"
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            kills += 1
            state = Slots(killed).load()
            assert state is not None or finished == 0, "a state was whole, and is not"
            epochs = 0 if state is None else state.position["epoch"]
            assert epochs >= finished, "a finished epoch is lost"
            finished = epochs
            for path in (killed / BEST, killed / LAST):
                assert not path.exists() or load_file(path)
    assert kills == KILLS, f"the run ended after {kills} kills"
    for name in (LAST, BEST):
        one, other = load_file(whole / name), load_file(killed / name)
        assert all(torch.equal(one[key], other[key]) for key in one)
    rows = [
        [replace(row, seconds=0, images_per_second=0) for row in read_log(each)] for each in (whole, killed)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 40
