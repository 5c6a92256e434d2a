"""Paths that the system does not take, wherever a command takes one: bad input, and never waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from outcome import Command

NPZ = Path(__file__).parent.parent / "data" / "fashion-mnist-some.npz"


@pytest.fixture(params=["too long", "a circle of links", "a pipe", "a device", "a process's memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "a circle of links":
        (tmp_path / "circle").symlink_to(tmp_path / "circle")
        return tmp_path / "circle"
    if request.param == "a pipe":
        os.mkfifo(tmp_path / "pipe")
        return tmp_path / "pipe"
    return {"too long": tmp_path / ("n" * 300), "a device": Path("/dev/zero")}.get(
        request.param, Path("/proc/self/mem")
    )


@pytest.mark.parametrize(
    "before",
    [
        ["inspect"],
        ["predict"],
        ["parity"],
        ["profile"],
        ["view", "--html", "never.html"],
        ["bundle", "android", "--verify"],
        ["evaluate", "fashion-mnist", "--data"],
        ["evaluate", "fashion-mnist", "--data", NPZ, "--labels"],
        ["hub", "fashion-mnist", "--output"],
        ["hub", "--output", "never", "--"],
        ["train", "--output", "never", "--data"],
        ["train", "--data", NPZ, "--resume", "--output"],
        ["export", "--dry-run", "--weights"],
        ["export", "--dry-run", "--model", "user_models:resnet", "--image-size", "32", "--labels"],
        ["export", "--dry-run", "--model", "user_models:resnet", "--spec"],
        ["export", "--dry-run", "--format", "coreml", "--precision-map"],
    ],
    ids=lambda before: " ".join(map(str, before))[:40],
)
def test_places_that_are_none(
    command: Command, place: Path, before: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = command(*before, place)
    assert refused.code == 3, refused.err
    lines = refused.err[refused.err.index("error: ") :].splitlines()
    assert 2 <= len(lines) <= 3
    assert all(len(line) <= 310 for line in lines)
    assert {path.name for path in tmp_path.iterdir()} <= {"circle", "pipe"}
