"""A few hostile and odd inputs of every class; ``make fuzz`` tries thousands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SEED = 20  # of these runs
RUNS = 40


@pytest.mark.skipif(sys.platform != "linux", reason="runs are watched through /proc and inotify")
def test_some_of_the_programme(subprocess_environment: dict[str, str], tmp_path: Path) -> None:
    arguments = ["--runs", str(RUNS), "--seed", str(SEED), "--workers", "1", "--work", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments], capture_output=True, text=True, env=subprocess_environment
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    counted = re.findall(r"^\| all \| (\d+) \|", done.stdout, re.MULTILINE)
    assert sum(map(int, counted)) == RUNS
    assert len(counted) == 2  # hostile ones and odd ones
