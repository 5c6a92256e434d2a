"""Without a network, and with files that are not the ones that were bundled."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from browser import Chromium, Remote, function
from checklist import CheckError, run

from .conformance import failures
from .hosting import Host, file_host, loopback, rewrite
from .project import CLOFORMER, Project
from .visit import Visit, visit

__all__ = ["refuses_changes", "takes_new_versions", "works_offline"]

_NEWER = "Newer"
_KEPT = "document.getElementById('offline').textContent.includes('is kept')"


def works_offline(project: Project) -> list[str]:
    """With the host gone after the first visit, both pages load, photographs are classified and the kit passes, in several threads."""
    photograph = project.photograph
    with Chromium() as browser, loopback(project.bundle) as host, visit(browser, host.address) as person:
        person.start()
        before = person.classify(photograph)
        person.wait(_KEPT)
        person.said()
        host.stop()
        _check_gone(host)
        person.start("provider=wasm&threads=2")
        after = person.classify(photograph)
        assert after == before, f"with the host gone it says {after}, and before {before}"
        report = person.conform("provider=wasm&threads=2")
        assert failures(report) == [], f"{failures(report)} fail with the host gone"
        kept = person.page.evaluate(
            "caches.keys().then((names) => Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).length)))"
        )
    return [f"the service worker keeps {sum(kept)} files"]


def _check_gone(host: Host) -> None:
    """:class:`CheckError` where something still listens at its address."""
    place = urlsplit(host.address)
    with (
        contextlib.suppress(ConnectionRefusedError),
        socket.create_connection((place.hostname, place.port), timeout=5),
    ):
        raise CheckError("the host still answers")


@dataclass(frozen=True)
class Change:
    """``file`` is changed by exchanging ``was``, bytes of it; ``said`` is in the words of the refusal."""

    file: str
    was: bytes | None
    becomes: bytes
    said: str


CHANGES = {
    "one bit of the model": Change(
        "payload/model.onnx", None, b"", "model.onnx is not the file that was exported"
    ),
    "a class name": Change("payload/labels.txt", None, b"", "labels.txt is not the file that was exported"),
    "the manifest's mean": Change("payload/manifest.json", b'"mean"', b'"mean" ', "not the"),
}


def refuses_changes(project: Project) -> list[str]:
    """A changed model, class name, manifest or script is refused with words that say so; what was kept before goes on."""
    with Chromium() as browser, file_host(project.hosted) as host:
        said = [_refused(project, browser, host.address, name, change) for name, change in CHANGES.items()]
        said.append(_changed_script(project, browser, host.address))
        said.append(_changed_later(project, browser, host.address))
    return said


def _copy(project: Project, name: str) -> Path:
    copy = project.hosted / name
    shutil.copytree(project.bundle, copy, copy_function=os.link)
    return copy


def _flip(path: Path) -> None:
    """One bit in the middle of the file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    rewrite(path, bytes(content))


def _refused(project: Project, browser: Remote, address: str, name: str, change: Change) -> str:
    copy = _copy(project, f"changed-{Path(change.file).stem}")
    path = copy / change.file
    if change.was is None:
        _flip(path)
    else:
        content = path.read_bytes()
        assert change.was in content, f"{change.file} has no {change.was!r}"
        rewrite(path, content.replace(change.was, change.becomes, 1))
    said = []
    for page in ("index.html", "conformance.html"):
        with visit(browser, f"{address}/{copy.name}") as person:
            person.page.goto(f"{person.address}/{page}?provider=wasm&threads=1")
            said.append(_words(person))
            button = "choose" if page == "index.html" else "run"
            assert person.page.locator(f"#{button}").isDisabled(), f"{name}: {page} can be used all the same"
    for words in said:
        assert change.said in words, f"{name}: the page says {words!r}"
    return f"{name}: {said[0]}"


def _words(person: Visit) -> str:
    person.page.waitForSelector("#trouble:visible", {"timeout": 30_000})
    return person.trouble()


def _changed_script(project: Project, browser: Remote, address: str) -> str:
    """A script that is not the one in files.json: the page is not kept, and says so."""
    copy = _copy(project, "changed-script")
    path = copy / "core/classes.js"
    rewrite(path, path.read_bytes() + b"\n")
    with visit(browser, f"{address}/{copy.name}") as person:
        person.page.goto(f"{person.address}/index.html?provider=wasm&threads=1")
        person.page.waitForSelector("#offline:has-text('classes.js')", {"timeout": 60_000})
        shown = str(person.page.locator("#offline").innerText())
        kept = person.page.evaluate("caches.keys()")
    assert "could not be kept" in shown, f"a changed script: the page says {shown!r}"
    assert kept == [], f"something of a changed page is kept: {kept}"
    return f"a script: {shown}"


def _changed_later(project: Project, browser: Remote, address: str) -> str:
    """A model changed on the host after the first visit, with a new list of files that does not fit it."""
    copy = _copy(project, "changed-later")
    photograph = project.photograph
    with visit(browser, f"{address}/{copy.name}") as person:
        person.start()
        before = person.classify(photograph)
        person.wait(_KEPT)
        _flip(copy / "payload/model.onnx")
        listing = copy / "files.json"
        rewrite(listing, json.dumps({**json.loads(listing.read_text("utf-8")), "version": "0" * 64}))
        person.start()
        after = person.classify(photograph)
        person.page.waitForSelector(
            "#offline:has-text('A new version could not be kept')", {"timeout": 60_000}
        )
    assert after == before, f"the page says {after} with a changed model, and before {before}"
    return "a model changed on the host after the first visit: the page goes on with the one that it has kept, and says so"


def takes_new_versions(project: Project) -> list[str]:
    """A page that was kept offers a new bundle at its address, and changes to it in one step when it is asked to."""
    place, other = _copy(project, "renewed"), project.hosted / "newer"
    run(*CLOFORMER, "bundle", "web", project.exported, "--output", other, "--app-name", _NEWER)
    with (
        Chromium() as browser,
        file_host(project.hosted) as host,
        visit(browser, f"{host.address}/{place.name}") as person,
    ):
        person.start()
        person.wait(_KEPT)
        person.start()
        before = person.page.title()
        shutil.rmtree(place)
        other.rename(place)
        person.start()
        meanwhile = person.page.title()
        person.page.waitForSelector("#use-update:visible", {"timeout": 60_000})
        person.page.click("#use-update")
        person.page.waitForFunction(
            function("(title) => document.title === title"), _NEWER, {"timeout": 60_000}
        )
        names = person.page.evaluate("caches.keys()")
    assert meanwhile == before != _NEWER, f"before it is asked to, the page is {meanwhile!r}"
    assert len(names) == 1, f"of two versions, {len(names)} are kept"
    return [f"{before!r} becomes {_NEWER!r}, and nothing of the old one is kept"]
