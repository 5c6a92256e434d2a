"""`cloformer bundle --force`: whatever happens on the way, the app is the old one or the new one, and what is the
user's is there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloformer.errors import InputError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.bundle.project import RECORD, bundle, verify_bundle
from cloformer.export.bundle.runtimes import runtimes_of
from cloformer.export.bundle.settings import Settings
from cloformer.export.bundle.systems import SYSTEMS
from cloformer.io import staging

ROW = SYSTEMS["android"]
NEW = Settings("org.example.later", "Later", "24")


def _tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): (
            f"-> {path.readlink()}" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture(scope="module")
def source(artifacts: dict[str, Path]) -> Path:
    return artifacts["onnx"]


@pytest.fixture(scope="module")
def bundled(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "app"
    bundle(ROW, read_artifact(source), folder, ROW.default)
    return folder


@pytest.fixture
def app(bundled: Path, tmp_path: Path) -> Path:
    """A project with files of the user's: added, edited, linked, closed to writing, and of git."""
    app = Path(shutil.copytree(bundled, tmp_path / "here" / "app"))
    (app / "README.md").write_text("my own words")
    own = {"app/src/main/Mine.kt": "mine", ".git/objects/pack/a.pack": "pack", "notes/deep/todo.txt": "todo"}
    for name, text in own.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text)
    (app / "link").symlink_to("notes/deep")
    (app / "dangling").symlink_to("/nowhere/at/all")
    (app / "empty").mkdir()
    (app / "notes" / "deep").chmod(0o555)
    return app


def _again(source: Path, app: Path) -> None:
    bundle(ROW, read_artifact(source), app, NEW, force=True)


def _is_new(app: Path) -> bool:
    identifier: str = json.loads((app / RECORD).read_bytes())["settings"]["identifier"]
    return identifier == NEW.identifier


def test_what_is_the_users_stays_as_it_is(source: Path, app: Path) -> None:
    """The same files, not copies of them: an open editor goes on writing where it wrote."""
    names = ["README.md", "app/src/main/Mine.kt", ".git/objects/pack/a.pack", "notes/deep/todo.txt"]
    before = {name: (app / name).stat() for name in names}
    links = {name: (app / name).readlink() for name in ("link", "dangling")}
    _again(source, app)
    for name in names:
        after = (app / name).stat()
        assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (
            before[name].st_ino,
            before[name].st_mtime_ns,
            before[name].st_mode,
        )
        assert after.st_nlink == 1  # the other name is gone with the old folder
    assert {name: (app / name).readlink() for name in links} == links
    assert (app / "empty").is_dir()
    assert stat.S_IMODE((app / "notes" / "deep").stat().st_mode) == 0o555
    assert _is_new(app)
    assert verify_bundle(app)[1] == ["README.md"]
    assert [path.name for path in app.parent.iterdir()] == ["app"]


def test_where_nothing_can_be_linked_it_is_copied(
    source: Path, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    before = _tree(app)
    monkeypatch.setattr(os, "link", link)
    _again(source, app)
    after = _tree(app)
    assert {name for name in before if before[name] != after.get(name)} == {"bundle.properties", RECORD}


def test_through_a_link_to_the_project(source: Path, app: Path) -> None:
    link = app.parent / "link-to-app"
    link.symlink_to(app)
    _again(source, link)
    assert link.is_symlink()
    assert _is_new(app)


_MOVES: list[tuple[Any, str]] = [
    (os, "link"),
    (Path, "rename"),
    (staging, "_exchange"),
    (staging, "_sync"),
    (shutil, "rmtree"),
]


@pytest.mark.parametrize("exchange", [True, False])
def test_killed_after_every_move(
    source: Path, app: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old or new, each whole, and with it all that is the user's; where folders cannot be exchanged, once the next
    run has looked at it."""
    if not exchange:
        monkeypatch.setattr(staging, "_exchange", lambda first, second: False)
    artifact = read_artifact(source)
    old, mine = _tree(app), {"README.md", "link", "dangling", ".git/objects/pack/a.pack"}
    deaths = new = 0
    while (code := _killed_at(deaths + 1, lambda: bundle(ROW, artifact, app, NEW, force=True))) != 0:
        assert code == -signal.SIGKILL
        deaths += 1
        if not exchange:
            staging.recover(app.parent)
        found = _tree(app)
        assert {name: found.get(name) for name in mine} == {name: old[name] for name in mine}
        verify_bundle(app)
        if _is_new(app):
            new += 1
        else:
            assert found == old
        staging.recover(app.parent)
        assert [path.name for path in app.parent.iterdir()] == ["app"]
        if _is_new(app):
            bundle(ROW, artifact, app, ROW.default, force=True)
            assert _tree(app) == old
    assert deaths > 8
    assert 0 < new < deaths


def _killed_at(number: int, work: Callable[[], object]) -> int:
    """How a child ends that is killed after so many moves of files."""
    child = os.fork()
    if child == 0:
        try:
            count = 0

            def counted(call: Callable[..., Any]) -> Callable[..., Any]:
                def wrapper(*arguments: Any, **options: Any) -> Any:
                    nonlocal count
                    result = call(*arguments, **options)
                    count += 1
                    if count == number:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return result

                return wrapper

            for owner, name in _MOVES:
                setattr(owner, name, counted(getattr(owner, name)))
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("place", ["app/src/main", "notes", ""])
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_folder_without_rights(source: Path, app: Path, place: str, mode: int) -> None:
    """Done or refused, by somebody who is no superuser; the app is wholly the old one or the new one."""
    old = _tree(app)
    root = os.geteuid() == 0
    for path in [app.parent, *app.parent.rglob("*")] if root else []:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    (app / place).chmod(mode)
    artifact = read_artifact(source)
    try:
        if root:
            os.seteuid(65534)
        bundle(ROW, artifact, app, NEW, force=True)
        done = True
    except InputError:
        done = False
    finally:
        if root:
            os.seteuid(0)
    assert done or stat.S_IMODE((app / place).stat().st_mode) == mode
    (app / place).chmod(0o755)
    assert _is_new(app) == done
    if not done:
        assert _tree(app) == old
    assert [path.name for path in app.parent.iterdir()] == ["app"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_git_keeps_its_bytes_on_windows(
    artifacts: dict[str, Path], tmp_path: Path, web_library: Path, system: str
) -> None:
    """Committed and checked out where git turns line ends round."""
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    row = SYSTEMS[system]
    bundle(row, read_artifact(artifacts[runtimes_of(row)[0].format]), tmp_path / "app", row.default)

    def git(*arguments: str) -> None:
        command = ["git", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", "-c", "core.safecrlf=false"]
        command += ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run([*command, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("-C", "app", "init", "--quiet")
    git("-C", "app", "add", "--all")
    git("-C", "app", "commit", "--quiet", "--message", "The app")
    git("clone", "--quiet", "app", "clone")
    assert verify_bundle(tmp_path / "clone")[1] == []
    kept, cloned = (
        {name: digest for name, digest in _tree(tmp_path / folder).items() if not name.startswith(".git/")}
        for folder in ("app", "clone")
    )
    assert kept == cloned
