"""A file is written whole or not at all, and nowhere else than where it was asked for."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloformer.errors import InputError
from cloformer.io import write as writer
from cloformer.io.staging import staged
from cloformer.io.write import append_text, canonical_json, open_in_place, refuse_unwritable, write_whole

_LEFT = ".cloformer-new-0123456789abcdef"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _in_a_child(work: Callable[[], None]) -> int:
    """How a process ends that does ``work``: its exit code, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out" / "deep" / "report.html"
    for content in ("one", b"two"):
        write_whole(path, content, "choose another place")
        assert path.read_text() == (content if isinstance(content, str) else content.decode())
    assert _names(path.parent) == ["report.html"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_rights_are_those_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "out" / "report", "x", "-")
        with staged(tmp_path / "artifact") as staging:
            (staging / "manifest.json").write_text("{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out" / "report").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((tmp_path / "artifact").stat().st_mode) == 0o777 & ~mask


def test_nothing_is_written_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither through one at the place, which is replaced, nor through one that somebody put in the way."""
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "report").symlink_to(mine)
    (tmp_path / ".report.new").symlink_to(mine)
    write_whole(tmp_path / "report", "new", "-")
    assert (tmp_path / "report").read_text() == "new"
    assert not (tmp_path / "report").is_symlink()
    names = iter(["taken", "free"])
    monkeypatch.setattr(writer.secrets, "token_hex", lambda _: next(names))
    (tmp_path / ".cloformer-new-taken").symlink_to(mine)
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "report", "newer", "-")
    assert mine.read_text() == "mine"
    assert (tmp_path / "report").read_text() == "new"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/null")
    for place in (tmp_path / "pipe", tmp_path / "folder", tmp_path / "link", Path("/dev/null")):
        before = place.lstat().st_mode
        with pytest.raises(InputError, match="cannot be written: it is a"):
            write_whole(place, "x", "choose another place")
        assert place.lstat().st_mode == before
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    write_whole(tmp_path / "broken", "x", "-")
    assert not (tmp_path / "nowhere").exists()


def test_odd_names(tmp_path: Path) -> None:
    long = tmp_path / ("n" * 255)
    write_whole(long, "x", "-")
    assert long.read_text() == "x"
    write_whole(tmp_path / os.fsdecode(b"caf\xe9"), "x", "-")
    for name in ("n" * 256, "zero\0byte"):
        with pytest.raises(InputError, match="cannot be written"):
            write_whole(tmp_path / name, "x", "-")
    assert len(_names(tmp_path)) == 2


def test_halves_of_characters_are_escapes(tmp_path: Path) -> None:
    write_whole(tmp_path / "report.json", json.dumps("caf\udce9", ensure_ascii=False), "-")
    assert json.loads((tmp_path / "report.json").read_bytes()) == "caf\udce9"
    assert json.loads(canonical_json(["caf\udce9", "\u00e9"]).encode()) == ["caf\udce9", "\u00e9"]


MANIFEST = {"schema_version": 1, "functions": [], "files": []}


@pytest.mark.parametrize("place", ["manifest.json", "new.html", "deep/new/page.html", "model.mlpackage/x"])
def test_never_into_an_artifact(tmp_path: Path, place: str) -> None:
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "manifest.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "link").symlink_to(artifact)
    for folder in (artifact, tmp_path / "link"):
        with pytest.raises(InputError, match="inside the artifact"):
            write_whole(folder / place, "x", "choose another place")
        with pytest.raises(InputError, match="inside the artifact"), staged(folder / place):
            pass
    assert _names(artifact) == ["manifest.json"]
    assert json.loads((artifact / "manifest.json").read_text()) == MANIFEST
    write_whole(tmp_path / "artifact-reports" / "page.html", "x", "-")


@pytest.mark.parametrize("content", ['{"name": "a web app", "icons": []}', "[1, 2]", "{", ""])
def test_a_manifest_of_another_kind_is_in_nobodys_way(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    write_whole(tmp_path / "report.html", "x", "-")
    assert (tmp_path / "report.html").read_text() == "x"


def test_what_a_killed_process_left_goes_and_nothing_else(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / _LEFT).write_text("half")
    (tmp_path / ".cloformer-new-link").symlink_to(mine)
    (tmp_path / ".cloformer-new-folder").mkdir()
    with (tmp_path / ".cloformer-new-living").open("w") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        write_whole(tmp_path / "report", "x", "-")
    assert _names(tmp_path) == [
        ".cloformer-new-folder",
        ".cloformer-new-link",
        ".cloformer-new-living",
        "mine",
        "report",
    ]


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_killed_at_every_step(tmp_path: Path, step: str) -> None:
    """The file is the old one, and the next one that is written cleans up."""
    write_whole(tmp_path / "report", "old", "-")

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        if step == "write":
            fdopen = os.fdopen
            os.fdopen = lambda *a: (fdopen(*a), die())[0]  # type: ignore[assignment,func-returns-value]
        elif step == "fsync":
            os.fsync = die  # type: ignore[assignment]
        else:
            Path.rename = die  # type: ignore[assignment,method-assign]
        write_whole(tmp_path / "report", "new", "-")

    assert _in_a_child(work) == -signal.SIGKILL
    assert (tmp_path / "report").read_text() == "old"
    write_whole(tmp_path / "other", "x", "-")
    assert _names(tmp_path) == ["other", "report"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_disk_that_is_full_or_broken(
    tmp_path: Path, number: int, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "report", "old", "-")

    def failing(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(InputError) as caught:
        write_whole(tmp_path / "report", "new", "free some space")
    monkeypatch.undo()
    assert caught.value.lines == [
        f"{tmp_path / 'report'} cannot be written: {os.strerror(number)}",
        "free some space",
    ]
    assert (tmp_path / "report").read_text() == "old"
    assert _names(tmp_path) == ["report"]


def test_a_signal_waits_for_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def interrupted(descriptor: int) -> None:
        signal.raise_signal(signal.SIGINT)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "report", "whole", "-")
    assert (tmp_path / "report").read_text() == "whole"
    assert _names(tmp_path) == ["report"]


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    def work() -> None:
        for _ in range(50):
            write_whole(tmp_path / "report", str(os.getpid()) * 1000, "-")

    children = []
    for _ in range(3):
        children.append(os.fork())
        if children[-1] == 0:
            try:
                work()
            except BaseException:
                os._exit(1)
            os._exit(0)
    seen = 0
    while children:
        done, status = os.waitpid(-1, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            children.remove(done)
        if (tmp_path / "report").exists():
            text = (tmp_path / "report").read_text()
            seen += text == text[: len(text) // 1000] * 1000 != ""
        time.sleep(0.001)
    assert seen
    assert _names(tmp_path) == ["report"]


def test_adding_to_a_file_and_writing_in_place(tmp_path: Path) -> None:
    for text in ("one\n", "caf\udce9\n"):
        append_text(tmp_path / "summary", text, "-")
    assert (tmp_path / "summary").read_text() == "one\ncaf\\udce9\n"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="cannot be written"):
        append_text(tmp_path / "pipe", "x", "-")
    with open_in_place(tmp_path / "state") as file:
        file.write(b"12345")
    with open_in_place(tmp_path / "state") as file:
        file.write(b"ab")
    assert (tmp_path / "state").read_bytes() == b"ab345"
    (tmp_path / "link").symlink_to(tmp_path / "state")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=r"levels of symbolic links|is no file"):
            open_in_place(tmp_path / name)


def test_a_path_of_many_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    deep = Path("a/" * 1500)
    write_whole(deep / "report", "x", "-")
    assert (deep / "report").read_text() == "x"
    (deep / "report").unlink()
    os.removedirs(deep)  # one after the other: what removes trees for tests goes no deeper than Python does


def test_a_place_is_refused_beforehand_as_writing_would(tmp_path: Path) -> None:
    """And nothing is left of the question, where it can be written neither."""
    (tmp_path / "file").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    for good in ("new", "not/yet/there", "file"):
        refuse_unwritable(tmp_path / good, "elsewhere")
    for bad in (".", "file/new", "file/not/yet", "n" * 300, "a\0b"):
        for ask in (refuse_unwritable, lambda path, advice: write_whole(path, "text", advice)):
            with pytest.raises(InputError, match="cannot be written") as refused:
                ask(tmp_path / bad, "elsewhere")
            assert refused.value.lines[1] == "elsewhere"
    assert sorted(tmp_path.rglob("*")) == before
