"""The start page: what it says of photographs, beside what ONNX Runtime says in Python."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from browser import Chromium
from checklist import CheckError

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.artifact.predict import Prediction

from .hosting import file_host, loopback
from .pictures import predicted
from .project import Project
from .visit import Visit, script, visit

__all__ = ["classifies", "classifies_anywhere"]

_LIMIT = 1e-4  # of the largest output: two builds of one runtime add up in another order
_SHOWN = 5


def classifies(project: Project) -> list[str]:
    """From `cloformer serve` the page loads without a word in the console, and classifies photographs as ONNX Runtime in Python does."""
    images = project.photographs
    expected = predicted(read_artifact(project.exported), images)
    with Chromium() as browser, loopback(project.bundle) as host, visit(browser, host.address) as person:
        begin = time.monotonic()
        person.start()
        rows = {images[0].name: person.classify(images[0])}
        first = time.monotonic() - begin
        rows |= {path.name: person.classify(path) for path in images[1:]}
        off = {path.name: _difference(person, path, expected[path.name]) for path in images}
        for name, shown in rows.items():
            _check_rows(name, shown, expected[name])
        assert person.page.evaluate("crossOriginIsolated"), (
            "serve does not send the headers of several threads"
        )
        assert person.said() == [], f"the console says: {person.said()}"
    return [
        f"{len(images)} photographs: the {_SHOWN} most probable classes are Python's; outputs differ by at most {max(off.values()):.1e} of the largest",
        *(f"  {name}: {value:.1e}" for name, value in off.items()),
        f"first answer {first:.1f} s after the page was asked for, by WebAssembly in one thread",
    ]


def _difference(person: Visit, path: Path, expected: Prediction) -> float:
    """The largest difference of an output from Python's, as a share of the largest value, by the page's own modules."""
    found: dict[str, Any] = person.page.evaluate(
        script("outputs"), {"root": person.address, "image": list(path.read_bytes())}
    )
    shares = []
    for head in expected.heads:
        given, wanted = np.array(found[head.spec.name], np.float64), head.value.astype(np.float64).reshape(-1)
        assert given.shape == wanted.shape, f"{path.name}: {head.spec.name} has {given.size} values"
        shares.append(float(np.abs(given - wanted).max() / np.abs(wanted).max()))
    worst = max(shares)
    assert worst <= _LIMIT, f"{path.name}: the outputs are {worst:.1e} of the largest away from Python's"
    return worst


def _check_rows(name: str, shown: list[str], expected: Prediction) -> None:
    """Names and probabilities, as they are shown, are Python's; so is their order."""
    top = expected.top[:_SHOWN]
    assert len(shown) == len(top), f"{name}: {len(shown)} rows are shown"
    for row, guess in zip(shown, top, strict=True):
        label = guess.label or f"Class {guess.index}"
        assert row.startswith(label), f"{name}: {row!r} is shown, and Python says {label}"
        percent = float(row.removeprefix(label).strip().rstrip(" %"))
        assert math.isclose(percent, 100 * guess.probability, abs_tol=0.06), (
            f"{name}: {row!r}, and Python says {guess.probability:.4%}"
        )


def classifies_anywhere(project: Project) -> list[str]:
    """From `python -m http.server`, below a folder, it does too: its service worker gives the headers of several threads."""
    with Chromium() as browser, file_host(project.hosted.parent) as host:
        address = f"{host.address}/{project.hosted.name}/{project.bundle.name}"
        with visit(browser, address) as person:
            return [_threads_by_worker(person, project.photograph)]


def _threads_by_worker(person: Visit, photograph: Path) -> str:
    person.page.goto(f"{person.address}/index.html")
    begin = time.monotonic()
    person.wait("window.crossOriginIsolated && !document.getElementById('choose').disabled")
    seconds = time.monotonic() - begin
    person.start("provider=wasm&threads=2")
    shown = person.classify(photograph)
    if not shown:
        raise CheckError("nothing is shown")
    ran = person.page.locator("#ran-on").innerText()
    assert "2 threads" in ran, f"it ran otherwise: {ran}"
    assert person.said() == [], f"the console says: {person.said()}"
    return f"two threads {seconds:.1f} s after the page was asked for; it says {ran!r}"
