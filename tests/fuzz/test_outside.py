"""What a run touches is seen, however it touches it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.outside import Canaries, changes, picture, write_canaries

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def test_a_canary_that_is_opened(tmp_path: Path) -> None:
    paths = write_canaries(tmp_path)
    canaries = Canaries(paths)
    try:
        list(tmp_path.iterdir())
        paths[0].stat()
        assert canaries.opened() == []
        subprocess.run(["cat", paths[0]], check=True, capture_output=True)  # by another program
        assert canaries.opened() == [f"opened {paths[0]}"]
        paths[1].unlink()
        assert f"changed {paths[1]}" in canaries.opened()
    finally:
        canaries.close()


def test_what_changes(tmp_path: Path) -> None:
    for name in ("kept", "longer", "gone", "out/mine"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a", "utf-8")
    before = picture(tmp_path)
    assert changes(before, picture(tmp_path), []) == []
    (tmp_path / "longer").write_text("ab", "utf-8")
    (tmp_path / "gone").unlink()
    (tmp_path / "new" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "out" / "mine").write_text("b", "utf-8")
    (tmp_path / os.fsdecode(b"\xff")).write_text("a", "utf-8")
    found = changes(before, picture(tmp_path), ["out"])
    assert found == ["removed gone", "made link", "changed longer", "made new", "made \udcff"]
    assert "changed out/mine" in changes(before, picture(tmp_path), [])


def test_what_python_writes_elsewhere(tmp_path: Path) -> None:
    """In a process of its own: nothing takes the watch away again."""
    code = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from fuzz.outside import watch_writes
watch_writes(Path("inside").absolute(), 1)
Path("inside/a").write_text("a"); Path("outside/b").write_text("b"); Path("outside/b").read_text()
os.rename("inside/a", "outside/c"); os.mkdir("outside/d"); os.symlink("x", "inside/e")
Path("link/f").write_text("f")
"""
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("inside")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    there = tmp_path.resolve() / "outside"
    assert done.stdout.splitlines() == [f"open {there}/b", f"os.rename {there}/c", f"os.mkdir {there}/d"]
