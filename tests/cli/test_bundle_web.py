"""`cloformer bundle web` and `serve`: a whole page, whose list of files is what is there, and nothing of the user's is lost."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from outcome import Command
from web_library import CONTENTS, TITLE, stand_in

import cloformer
from cloformer.export.artifact.folder import MANIFEST
from cloformer.export.bundle import npm_files
from cloformer.export.bundle.project import RECORD
from cloformer.export.bundle.served import PageServer
from cloformer.export.bundle.systems import SYSTEMS
from cloformer.io.write import canonical_json

KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2"
ROW = SYSTEMS["web"]
NAME = 'Bob\'s "𠮷" <b> & </script> // β\\'
NOT_LISTED = {
    RECORD,
    "README.md",
    "THIRD_PARTY_NOTICES.txt",
    ".gitattributes",
    "files.json",
    "jsconfig.json",
    "sw.js",
}

pytestmark = pytest.mark.usefixtures("web_library")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): _hash(path) for path in folder.rglob("*") if path.is_file()}


def _listed(folder: Path) -> dict[str, str]:
    """The list, which is of what is there."""
    text = (folder / "files.json").read_text("utf-8")
    found = json.loads(text)
    assert text == canonical_json(found)
    files: dict[str, str] = found["files"]
    assert {name: _hash(folder / name) for name in files} == files
    assert found["version"] == hashlib.sha256(canonical_json(files).encode()).hexdigest()
    return files


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory, web_library: Path) -> Path:
    """A page, to be copied before it is changed."""
    from cloformer.export.artifact.folder import read_artifact
    from cloformer.export.bundle.project import bundle

    folder = tmp_path_factory.mktemp("page") / "web"
    bundle(ROW, read_artifact(KEPT / "onnx"), folder, ROW.default)
    return folder


@pytest.fixture
def page(bundled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundled, tmp_path / "page"))


def test_a_page(command: Command, tmp_path: Path) -> None:
    folder, source = tmp_path / "a page", KEPT / "onnx"
    done = command("bundle", "web", source, "--output", folder, "--app-name", NAME, "--provider", "webgpu")
    assert done.code == 0, done.err
    assert f"Web project with {TITLE}" in done.out
    assert f"next: cloformer serve '{folder}'" in done.out
    assert {path.name: path.read_bytes() for path in (folder / "runtime").iterdir()} == CONTENTS
    assert _hash(folder / "payload" / MANIFEST) == _hash(source / MANIFEST)
    assert _hash(folder / "payload" / "model.onnx") == _hash(source / "model.onnx")
    kit = json.loads((folder / "conformance" / "conformance.json").read_bytes())
    assert kit["manifest_sha256"] == _hash(source / MANIFEST)
    assert json.loads((folder / "settings.json").read_bytes()) == {
        "app_name": NAME,
        "provider": "webgpu",
        "threads": None,
        "cloformer": cloformer.__version__,
        "manifest_sha256": _hash(source / MANIFEST),
        "runtime": {"name": "onnxruntime-web", "version": npm_files_version()},
    }
    installed = json.loads((folder / "app.webmanifest").read_bytes())
    assert (installed["name"], installed["short_name"], installed["start_url"]) == (NAME, NAME, "./")
    notices = (folder / "payload" / "THIRD_PARTY_NOTICES.txt").read_text()
    assert f"\n{TITLE}\n  Copyright (c) Microsoft Corporation" in notices
    assert "Permission is hereby granted, free of charge" in notices
    record = json.loads((folder / RECORD).read_bytes())
    assert (record["system"], record["runtime"]) == ("web", "onnxruntime-web")
    assert record["settings"] == {"app_name": NAME, "provider": "webgpu"}
    assert {**record["files"], RECORD: _hash(folder / RECORD)} == _tree(folder)
    assert _listed(folder).keys() == _tree(folder).keys() - NOT_LISTED
    assert command("bundle", "web", "--verify", folder).code == 0


def npm_files_version() -> str:
    from cloformer.export.bundle.onnxruntime_web import ONNXRUNTIME_WEB

    return ONNXRUNTIME_WEB.version


def test_the_same_bytes_again(command: Command, tmp_path: Path, bundled: Path) -> None:
    assert command("bundle", "web", KEPT / "onnx", "--output", tmp_path / "again").code == 0
    assert _tree(tmp_path / "again") == _tree(bundled)


def test_what_the_user_has_edited_stays_and_is_listed(command: Command, page: Path) -> None:
    """With another version, so that browsers take the new file; what is cloformer's own is replaced whatever it holds."""
    version = json.loads((page / "files.json").read_bytes())["version"]
    (page / "index.html").write_text("<!doctype html><title>mine</title>")
    (page / "mine.png").write_bytes(b"mine")
    for name in ("runtime/ort.wasm.min.mjs", "payload/model.onnx", "settings.json", "files.json"):
        (page / name).write_bytes(b"damaged")
    done = command("bundle", "web", KEPT / "onnx", "--output", page, "--force", "--app-name", "Zoo", "--json")
    assert done.code == 0, done.err
    assert done.json["kept"] == ["index.html"]
    assert (page / "index.html").read_text() == "<!doctype html><title>mine</title>"
    assert (page / "mine.png").read_bytes() == b"mine"
    listed = _listed(page)
    assert "mine.png" not in listed
    assert listed["index.html"] == _hash(page / "index.html")
    assert json.loads((page / "files.json").read_bytes())["version"] != version
    verified = command("bundle", "web", "--verify", page, "--json")
    assert (verified.code, verified.json["edited"]) == (0, ["index.html"])
    assert "until it is bundled again with --force" in command("bundle", "web", "--verify", page).out


def test_a_file_of_the_user_s_with_the_list_s_name_is_not_written_to(
    command: Command, tmp_path: Path
) -> None:
    """Files that stay are the same files under a second name: writing to one would write to the user's."""
    (tmp_path / "files.json").write_text("mine")
    refused = command("bundle", "web", KEPT / "onnx", "--output", tmp_path, "--force")
    assert (refused.code, "files.json is in the way" in refused.err) == (3, True)
    assert (tmp_path / "files.json").read_text() == "mine"


def test_the_earlier_bundle_stays_as_it_was_where_it_has_another_name(command: Command, page: Path) -> None:
    """A copy by hard links, as backups are."""
    kept = {name: page.parent / f"{place}" for place, name in enumerate(_tree(page))}
    before = _tree(page)
    for name, other in kept.items():
        os.link(page / name, other)
    assert command("bundle", "web", KEPT / "onnx", "--output", page, "--force", "--app-name", "Zoo").code == 0
    assert {name: _hash(other) for name, other in kept.items()} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda folder: (folder / "runtime" / "ort.wasm.min.mjs").write_bytes(b"x"),
            "not the file that was bundled",
        ),
        (lambda folder: (folder / "runtime" / "ort.wasm.min.mjs").unlink(), "missing"),
        (lambda folder: (folder / "runtime" / "more.mjs").write_bytes(b"x"), "not in the bundle's record"),
        (
            lambda folder: (folder / "payload" / "model.onnx").write_bytes(b"x"),
            "not the file that was bundled",
        ),
        (lambda folder: (folder / RECORD).unlink(), f"has no {RECORD}"),
    ],
    ids=["runtime", "runtime missing", "runtime new", "model", "record"],
)
def test_neither_verified_nor_served(
    command: Command, page: Path, change: Callable[[Path], object], said: str
) -> None:
    change(page)
    for words in (("bundle", "web", "--verify", page), ("serve", page, "--port", "0")):
        refused = command(*words)
        assert (refused.code, said in refused.err) == (3, True), refused.err


@pytest.mark.parametrize("form", ["coreml", "litert"])
def test_other_formats(command: Command, tmp_path: Path, form: str) -> None:
    refused = command("bundle", "web", KEPT / form, "--output", tmp_path / "app")
    assert refused.code == 4
    assert f"is {form}, and web pages carry onnx" in refused.err
    assert "`cloformer export --format onnx`" in refused.err


def test_nothing_is_downloaded_for_a_place_that_is_taken(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, tmp_path / "cache", package=b"none")
    monkeypatch.setattr(npm_files, "downloaded", lambda *_: pytest.fail("npm was asked"))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "notes.txt").write_text("mine")
    refused = command("bundle", "web", KEPT / "onnx", "--output", tmp_path / "app")
    assert (refused.code, "is not empty" in refused.err) == (3, True)


def test_where_there_is_no_npm(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, tmp_path / "cache", package=b"none")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    refused = command("bundle", "web", KEPT / "onnx", "--output", tmp_path / "app")
    assert refused.code == 5
    told = refused.err[refused.err.index("error: ") :].splitlines()
    assert len(told) == 3
    assert f"{TITLE} {npm_files_version()} is downloaded by npm, which is not there" in refused.err
    assert f"npm pack onnxruntime-web@{npm_files_version()}" in refused.err
    assert not list(tmp_path.iterdir())


def test_a_project_for_another_system_is_not_served(command: Command, tmp_path: Path) -> None:
    assert command("bundle", "android", KEPT / "onnx", "--output", tmp_path / "app").code == 0
    refused = command("serve", tmp_path / "app")
    assert refused.code == 3
    assert "is a project for android, and `serve` shows pages" in refused.err
    assert f"cloformer bundle web ARTIFACT --output {tmp_path / 'web'}" in refused.err


def test_a_port_that_is_taken(command: Command, page: Path) -> None:
    with PageServer(page, 0) as taken:
        refused = command("serve", page, "--port", str(taken.server_port))
    assert (refused.code, "--port 0" in refused.err) == (3, True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_page_is_served_until_a_signal(
    page: Path, subprocess_environment: dict[str, str], number: int, code: int
) -> None:
    """The address is told when it can be called, in one document; nothing else is printed."""
    words = [sys.executable, "-m", "cloformer", "serve", str(page), "--port", "0", "--json"]
    environment = subprocess_environment | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as served:
        assert served.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = served.stdout.readline()
            assert line, served.communicate()[1]
            text += line
        said = json.loads(text)
        assert said == {"address": said["address"], "folder": str(page), "artifact": "tiny.net", "edited": []}
        connection = http.client.HTTPConnection(said["address"].split("/")[2], timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().read() == (page / "index.html").read_bytes()
        connection.close()
        served.send_signal(number)
        assert served.communicate(timeout=10) == ("", "")
    assert served.returncode == code
