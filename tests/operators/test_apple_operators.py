"""One in 23 of Apple's operator tests on the reference runtime; ``make operator-tests`` runs all of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SUITE = Path(__file__).with_name("apple.py")


def test_one_case_in_23(python: str) -> None:
    # A process of its own: the suite takes coremltools' predictions over. 23 shares no factor with the
    # lists of parameters that the cases are made of, so that it meets all of them.
    options = ["-n", "0", "--every", "23", "--compared-at-least", "150"]
    done = subprocess.run([python, str(SUITE), *options], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "compared: " in done.stdout
