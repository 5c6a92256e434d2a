"""An artifact is replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from cloformer.export import store
from cloformer.export.errors import InputError
from cloformer.export.store import recover, space_needed, staged

WORKER = Path(__file__).parent / "store_worker.py"


def _put(destination: Path, text: str) -> None:
    with staged(destination) as staging:
        (staging / "manifest.json").write_text(text)
        (staging / "model.bin").write_text(text)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("exchange", [True, False])
def test_new_and_replaced(tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exchange:
        monkeypatch.setattr(store, "_exchange", lambda first, second: False)
    destination = tmp_path / "out" / "deep" / "artifact"
    for text in ("one", "two"):
        _put(destination, text)
        assert (destination / "model.bin").read_text() == text
    assert _names(destination) == ["manifest.json", "model.bin"]
    assert _names(destination.parent) == ["artifact"]
    assert destination.stat().st_mode & 0o755 == 0o755


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt(), SystemExit(143)])
def test_a_failure_leaves_the_earlier_artifact(tmp_path: Path, error: BaseException) -> None:
    _put(tmp_path / "artifact", "old")
    with pytest.raises(type(error)), staged(tmp_path / "artifact") as staging:
        (staging / "manifest.json").write_text("new")
        raise error
    assert (tmp_path / "artifact/manifest.json").read_text() == "old"
    assert _names(tmp_path) == ["artifact"]


def test_a_failed_journaled_swap_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(tmp_path / "artifact", "old")
    monkeypatch.setattr(store, "_exchange", lambda first, second: False)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "content":
            raise OSError(errno.EIO, "the disk broke")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(InputError, match="cannot be written"):
        _put(tmp_path / "artifact", "new")
    assert (tmp_path / "artifact/manifest.json").read_text() == "old"
    assert _names(tmp_path) == ["artifact"]


def test_temporary_files_stay_in_the_staging_folder(tmp_path: Path) -> None:
    before = tempfile.gettempdir()
    with staged(tmp_path / "artifact") as staging:
        (staging / "manifest.json").write_text("x")
        assert tmp_path in Path(tempfile.mkdtemp()).parents
        assert os.environ["TMPDIR"] == tempfile.gettempdir()
        assert Path(tempfile.gettempdir()) not in [staging, *staging.rglob("*")]
    assert tempfile.gettempdir() == before
    assert _names(tmp_path / "artifact") == ["manifest.json"]


def test_what_is_not_ours_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("file", "folder", "link"):
        with pytest.raises(InputError, match="in the way"):
            _put(tmp_path / name, "x")
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    _put(tmp_path / "empty", "x")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file" / "artifact", Path("/proc/nowhere/artifact"), Path("/dev/null/artifact")):
        with pytest.raises(InputError) as caught:
            _put(place, "x")
        assert caught.value.exit_code == 3
        assert len(caught.value.lines) <= 3
        assert "--output" in str(caught.value)


def test_no_space_left_is_said_whoever_meets_it(tmp_path: Path) -> None:
    _put(tmp_path / "artifact", "old")
    for error in (
        OSError(errno.ENOSPC, "x"),
        OSError(errno.EDQUOT, "x"),
        RuntimeError("write: No space left on device"),
    ):
        with pytest.raises(InputError, match="no space left"), staged(tmp_path / "artifact"):
            raise error
    assert _names(tmp_path) == ["artifact"]
    with pytest.raises(InputError, match="no space left"):
        space_needed(tmp_path, 10**18)


def test_a_dead_export_is_cleaned_up_and_a_living_one_is_not(tmp_path: Path) -> None:
    dead = tmp_path / ".cloformer-staging-dead"
    (dead / "content").mkdir(parents=True)
    with staged(tmp_path / "living") as staging:
        recover(tmp_path)
        assert not dead.exists()
        (staging / "manifest.json").write_text("x")
        _put(tmp_path / "other", "y")
    assert _names(tmp_path) == ["living", "other"]


@pytest.mark.parametrize("how", ["exchange", "journal"])
def test_thirty_kills(tmp_path: Path, python: str, how: str) -> None:
    """SIGKILL at random moments: always one whole artifact, and nothing else after the next export."""
    rng = random.Random(7)
    destination = tmp_path / "artifact"
    for _ in range(30):
        process = subprocess.Popen(
            [python, str(WORKER), str(destination), how], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "1"  # it is at work
        time.sleep(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if how == "journal":
            recover(tmp_path)  # between its two renames there is no artifact until the next command looks
        contents = {path.name: path.read_text() for path in destination.rglob("*") if path.is_file()}
        generation = contents.pop("manifest.json")
        assert contents == {"a.bin": generation * 1000, "b.bin": generation * 1000}
    recover(tmp_path)
    assert _names(tmp_path) == ["artifact"]
