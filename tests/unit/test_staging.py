"""An artifact is replaced whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import inspect
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloformer.errors import GateError, InputError
from cloformer.io import staging as store
from cloformer.io.staging import recover, space_needed, staged

WORKER = Path(__file__).parents[1] / "support" / "staging_worker.py"


def of_files_alone(descriptor: int, operation: int, flock: Callable[[int, int], None] = fcntl.flock) -> None:
    """``flock`` as network filesystems know it."""
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    flock(descriptor, operation)


# The worker where folders can be neither exchanged nor locked, as on a network filesystem.
NETWORK_WORKER = f"""
from __future__ import annotations
import errno, fcntl, os, stat, sys
from pathlib import Path
{inspect.getsource(of_files_alone)}
fcntl.flock = of_files_alone
sys.path.insert(0, {str(WORKER.parent)!r})
import staging_worker
staging_worker.main(Path(sys.argv[1]), "journal")
"""


def _put(destination: Path, text: str) -> None:
    with staged(destination) as staging:
        (staging / "manifest.json").write_text(text)
        (staging / "model.bin").write_text(text)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _worker(python: str, destination: Path, how: str) -> subprocess.Popen[str]:
    """A process that replaces ``destination`` for ever; it has done so once when this returns."""
    program = ["-c", NETWORK_WORKER] if how == "network" else [str(WORKER)]
    command = [python, *program, str(destination), how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "1"
    return process


def _kill(process: subprocess.Popen[str]) -> str:
    """What the process had to complain of until it was killed."""
    process.send_signal(signal.SIGKILL)
    return process.communicate()[1]


def _is_whole(destination: Path) -> bool:
    contents = {path.name: path.read_text() for path in destination.rglob("*") if path.is_file()}
    generation = contents.pop("manifest.json")
    return contents == {"a.bin": generation * 1000, "b.bin": generation * 1000}


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
        if self.name == "content" and (self.parent / "old").exists():
            assert not target.exists()
            raise OSError(errno.EIO, "the disk broke")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(InputError, match="cannot be written"):
        _put(tmp_path / "artifact", "new")
    assert (tmp_path / "artifact/manifest.json").read_text() == "old"
    assert _names(tmp_path) == ["artifact"]


def test_temporary_files_stay_in_the_staging_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    before = tempfile.gettempdir()
    with staged(tmp_path / "artifact") as staging:
        (staging / "manifest.json").write_text("x")
        assert tmp_path in Path(tempfile.mkdtemp()).parents
        assert os.environ["TMPDIR"] == tempfile.gettempdir()
        assert Path(tempfile.gettempdir()) not in [staging, *staging.rglob("*")]
    assert tempfile.gettempdir() == before
    assert "TMPDIR" not in os.environ
    assert _names(tmp_path / "artifact") == ["manifest.json"]
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "artifact"):
        raise ZeroDivisionError
    assert os.environ["TMPDIR"] == "/elsewhere"


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


def _cannot_say_why() -> None:
    try:
        raise OSError(errno.ENOSPC, "x")
    except OSError as error:
        raise RuntimeError("the package was not saved") from error


def test_no_space_left_is_said_whoever_meets_it(tmp_path: Path) -> None:
    _put(tmp_path / "artifact", "old")
    for error in (
        OSError(errno.ENOSPC, "x"),
        OSError(errno.EDQUOT, "x"),
        OSError(errno.EFBIG, "x"),
        RuntimeError("write: No space left on device"),
    ):
        with pytest.raises(InputError, match="no space left") as caught, staged(tmp_path / "artifact"):
            raise error
        assert 2 <= len(caught.value.lines) <= 3
    with pytest.raises(InputError, match="no space left"), staged(tmp_path / "artifact"):
        _cannot_say_why()
    assert _names(tmp_path) == ["artifact"]
    space_needed(tmp_path / "not" / "yet", 1)
    with pytest.raises(InputError, match="no space left"):
        space_needed(tmp_path / "not" / "yet", 10**18)
    with pytest.raises(InputError, match=r"for the baseline(.|\n)*free some space, or wait"):
        space_needed(tmp_path, 10**18, "baseline", "wait")


def test_a_full_disk_excuses_no_failed_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(GateError), staged(tmp_path / "artifact"):
        raise GateError("outputs differ")
    with pytest.raises(InputError, match="no space left"), staged(tmp_path / "artifact"):
        raise RuntimeError("file write failed")


@pytest.mark.parametrize("step", ["staging", "write", "sync", "journal"])
def test_no_space_at_any_step(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own calls fail; the earlier artifact stays, and nothing else does."""
    _put(tmp_path / "artifact", "old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if step == "staging":
        mkdir = Path.mkdir
        monkeypatch.setattr(Path, "mkdir", lambda self, **o: mkdir(self, **o) if o else full())
    if step == "sync":
        monkeypatch.setattr(os, "fsync", full)
    if step == "journal":
        monkeypatch.setattr(store, "_exchange", lambda first, second: False)
        monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="no space left"), staged(tmp_path / "artifact") as staging:
        try:
            if step == "write":
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
            (staging / "manifest.json").write_text("x" * 2000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    monkeypatch.undo()
    assert (tmp_path / "artifact" / "manifest.json").read_text() == "old"
    assert _names(tmp_path) == ["artifact"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 1 MB in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("mount") or sys.platform != "linux":
        pytest.skip("a filesystem in memory is mounted on Linux alone")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a filesystem is not permitted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_fills_up(small_disk: Path) -> None:
    _put(small_disk / "artifact", "old")
    with pytest.raises(InputError, match="no space left"):
        _put(small_disk / "artifact", "x" * 600_000)
    assert (small_disk / "artifact" / "model.bin").read_text() == "old"
    assert _names(small_disk) == ["artifact"]


@pytest.fixture
def no_rights(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing may be made: its mode says so, and nobody is a superuser."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o700)


def test_a_place_without_the_right_to_write(no_rights: Path) -> None:
    for destination in (no_rights / "artifact", no_rights / "deep" / "artifact"):
        with pytest.raises(
            InputError, match=r"cannot be written: Permission denied\nchoose another --output"
        ):
            _put(destination, "x")
    recover(no_rights)


def test_a_dead_export_is_cleaned_up_and_a_living_one_is_not(tmp_path: Path) -> None:
    dead = tmp_path / ".cloformer-staging-dead"
    (dead / "content").mkdir(parents=True)
    with staged(tmp_path / "living") as staging:
        recover(tmp_path)
        assert not dead.exists()
        (staging / "manifest.json").write_text("x")
        _put(tmp_path / "other", "y")
    assert _names(tmp_path) == ["living", "other"]


@pytest.mark.parametrize(("how", "kills"), [("exchange", 30), ("journal", 30), ("network", 10)])
def test_kills(tmp_path: Path, python: str, how: str, kills: int) -> None:
    """SIGKILL at random moments: always one whole artifact, and nothing else once somebody has looked."""
    rng = random.Random(7)
    destination = tmp_path / "artifact"
    for _ in range(kills):
        process = _worker(python, destination, how)
        time.sleep(rng.uniform(0, 0.02))
        assert _kill(process) == ""
        if how == "exchange":
            assert _is_whole(destination)  # without anybody's help
        recover(tmp_path)
        assert _is_whole(destination)
        assert _names(tmp_path) == ["artifact"]


@pytest.mark.parametrize("how", ["exchange", "journal", "network"])
def test_exports_to_one_place_at_once(
    tmp_path: Path, python: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither they nor a kill of one of them disturb the others."""
    if how == "network":
        monkeypatch.setattr(fcntl, "flock", of_files_alone)
    destination = tmp_path / "artifact"
    processes = [_worker(python, destination, how) for _ in range(3)]
    complaints = []
    for process in processes:
        for _ in range(40):
            recover(tmp_path)
            time.sleep(0.01)
        complaints.append(_kill(process))
    assert complaints == ["", "", ""]
    recover(tmp_path)
    assert _is_whole(destination)
    assert _names(tmp_path) == ["artifact"]


@pytest.mark.parametrize(
    ("left", "found"),
    [
        ({"replaces": "artifact", "old": "1", "content": "2"}, "1"),  # between the two renames
        ({"replaces": "artifact", "content": "2"}, None),  # before the first, of an artifact gone since
        ({"replaces": "artifact", "old": "1"}, None),  # after the second, and then the artifact was removed
        ({"old": "1", "content": "2"}, None),  # half removed, perhaps
        (
            {"replaces": "artifact", "old": "1", "content": "2", "..": "3"},
            "3",
        ),  # another export has been there
    ],
)
def test_what_a_kill_can_leave(tmp_path: Path, left: dict[str, str], found: str | None) -> None:
    staging = tmp_path / ".cloformer-staging-dead"
    for name, text in left.items():
        folder = tmp_path / "artifact" if name == ".." else staging / name
        if name == "replaces":
            staging.mkdir()
            folder.write_text(text)
            continue
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(text)
    recover(tmp_path)
    assert _names(tmp_path) == (["artifact"] if found else [])
    if found:
        assert (tmp_path / "artifact" / "manifest.json").read_text() == found


def test_recovery_touches_nothing_else(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("mine")
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / ".cloformer-staging-link").symlink_to(elsewhere)
    (parent / ".cloformer-staging-file").write_text("mine")
    recover(parent)
    recover(tmp_path / "nowhere")
    assert _names(elsewhere) == ["thesis.txt"]
    assert len(_names(parent)) == 2


@pytest.mark.parametrize("exchange", [True, False])
def test_another_export_is_quicker(tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place is taken, or given up, between looking and renaming: the one that comes last stays."""
    destination = tmp_path / "artifact"
    if not exchange:
        monkeypatch.setattr(store, "_exchange", lambda first, second: False)
    move, swap = store._move, store._exchange
    others = []

    def moved(folder: Path, target: Path) -> bool:
        if not target.exists() and not others:
            others.append(target)
            target.mkdir()
            (target / "manifest.json").write_text("other")
        return move(folder, target)

    def exchanged(first: Path, second: Path) -> bool:
        if len(others) == 1:
            others.append(second)
            shutil.rmtree(second)
        return swap(first, second)

    monkeypatch.setattr(store, "_move", moved)
    monkeypatch.setattr(store, "_exchange", exchanged)
    _put(destination, "ours")
    assert len(others) == 2
    assert (destination / "manifest.json").read_text() == "ours"
    assert _names(tmp_path) == ["artifact"]


def test_a_folder_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    destination = tmp_path / "artifact"
    with pytest.raises(InputError, match="in the way"), staged(destination) as staging:
        (staging / "manifest.json").write_text("x")
        destination.mkdir()
        (destination / "thesis.txt").write_text("mine")
    assert _names(destination) == ["thesis.txt"]
    assert _names(tmp_path) == ["artifact"]


def test_a_lock_on_a_folder_that_is_gone_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another export removes the new folder between making and locking it; a second one is made."""
    flock, removed = fcntl.flock, []

    def late(descriptor: int, operation: int) -> None:
        if not removed:
            removed.extend(tmp_path.glob(".cloformer-staging-*"))
            shutil.rmtree(removed[0])
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    _put(tmp_path / "artifact", "x")
    assert len(removed) == 1
    assert _names(tmp_path) == ["artifact"]


def test_a_filesystem_without_any_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlocked(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unlocked)
    with pytest.raises(InputError, match="cannot be written"):
        _put(tmp_path / "artifact", "x")
    assert _names(tmp_path) == []


@pytest.mark.parametrize("exchange", [True, False])
def test_names_and_current_folders(tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not UTF-8, in a folder given relative to one that is left meanwhile."""
    if not exchange:
        monkeypatch.setattr(store, "_exchange", lambda first, second: False)
    name = "caf\u00e9" if sys.platform == "darwin" else os.fsdecode(b"caf\xe9")  # macOS takes UTF-8 alone
    for text in ("one", "two"):
        monkeypatch.chdir(tmp_path)
        with staged(Path(name)) as staging:
            monkeypatch.chdir("/")
            (staging / "manifest.json").write_text(text)
            tempfile.mkdtemp()
        assert (tmp_path / name / "manifest.json").read_text() == text
        assert len(_names(tmp_path)) == 1
