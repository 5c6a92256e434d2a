"""A state is whole at any moment: whatever stops a write, the other file is there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from cloformer.errors import InputError
from cloformer.training import state as writing
from cloformer.training.state import Slots, State


def state(step: int) -> State:
    return State(
        {"a": torch.full((1000,), float(step)), "n": torch.tensor(step)}, {"step": step, "loss": 0.5}
    )


def held(folder: Path) -> tuple[int, float]:
    found = Slots(folder).load()
    assert found is not None
    assert found.position["step"] == int(found.tensors["n"])
    return found.position["step"], float(found.tensors["a"].mean())


def test_the_newer_one_is_read(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    assert slots.load() is None
    slots.reserve(state(0))
    for step in (1, 2, 3):
        slots.save(state(step))
        assert held(tmp_path) == (step, step)
    assert {path.name for path in tmp_path.iterdir()} == {"state.0", "state.1"}


def test_files_keep_their_size(tmp_path: Path) -> None:
    """What has its space from the beginning needs no more of it later."""
    slots = Slots(tmp_path)
    slots.reserve(State({"a": torch.zeros(10)}, {"step": 0}))
    size = slots.paths[0].stat().st_size
    slots.save(State({"a": torch.zeros(10)}, {"step": 1, "more": "x" * 2000}))
    assert {path.stat().st_size for path in slots.paths} == {size}


@pytest.mark.parametrize("written", [0, 1, 7, 8, 9, 500, 4000, 5000])
def test_a_write_that_stops_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    """As if the process were killed after so many bytes of the file's content, and once more after the next start."""
    slots = Slots(tmp_path)
    slots.reserve(state(0))
    slots.save(state(1))
    left = [written]
    real = writing.open_in_place

    class Killed(BaseException):
        pass

    def opened(path: Path) -> object:
        file = real(path)
        write = file.write

        def some(content: bytes) -> int:
            part = content[: left[0]]
            left[0] -= len(part)
            write(part)
            if len(part) < len(content):
                file.flush()
                raise Killed
            return len(content)

        return _Wrapped(file, some)

    for _ in range(2):
        monkeypatch.setattr(writing, "open_in_place", opened)
        with pytest.raises(Killed):
            slots.save(state(2))
        monkeypatch.undo()
        left[0] = written
        assert held(tmp_path) == (1, 1)
    slots.save(state(2))
    assert held(tmp_path) == (2, 2)


class _Wrapped:
    def __init__(self, file: object, write: object) -> None:
        self._file, self.write = file, write

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def __enter__(self) -> _Wrapped:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # type: ignore[attr-defined]


def test_a_damaged_file_is_not_read(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.reserve(state(4))
    slots.save(state(5))
    newer = max(slots.paths, key=lambda path: path.stat().st_mtime_ns)
    newer.write_bytes(newer.read_bytes()[:-8])
    assert held(tmp_path) == (4, 4)
    for path in slots.paths:
        path.write_bytes(b"\xff" * 64)
    assert slots.load() is None


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = Slots(tmp_path)
    slots.reserve(state(0))

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        slots.save(state(1))
    monkeypatch.undo()
    assert held(tmp_path) == (0, 0)
