"""The page's preprocessing beside Python's, in the browser, through its own decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from android.images import write_images, write_stages
from browser import Chromium, Remote

from cloformer.export.source.preprocessing import Preprocessing, load_image

from .hosting import file_host
from .pictures import encode_stored
from .project import Project
from .visit import script, visit

__all__ = ["preprocesses"]

_IMAGES = 50
_OTHERS = 13 * 8  # cases: each size in each orientation, in the other forms, too
_AT_ONCE = 25
_ROUNDED = 4  # of 255, where another decoder of JPEG rounds otherwise
_LIMIT = 1e-6  # of normalized values
_LOSSY = ".jpg"
_SUFFIXES = (".png", ".webp", _LOSSY)


def preprocesses(project: Project) -> list[str]:
    """Decoding, crop or border, resizing and normalization are Python's, for 50 images of odd sizes in eight orientations: the same bytes
    after resizing, 1e-6 after normalization."""
    folder = project.hosted / "cases"
    write_images(folder, _IMAGES, in_all_orientations=True)
    index = json.loads((folder / "images.json").read_text("utf-8"))
    for number, case in enumerate(index):
        _encode(folder, case, _SUFFIXES if number < _OTHERS else _SUFFIXES[:1])
    with Chromium() as browser, file_host(project.hosted) as host:
        address = f"{host.address}/{project.bundle.name}"
        with visit(browser, address, serviceWorkers="block") as person:
            person.page.goto(f"{address}/index.html")
            found = {
                suffix: _results(person.page, host.address, address, cases, suffix)
                for suffix, cases in zip(_SUFFIXES, (index, index[:_OTHERS], index[:_OTHERS]), strict=True)
            }
    borders = sum(case["preprocessing"]["crop"] == "letterbox" for case in index)
    return [
        f"{len(index)} cases, {borders} of them with a border",
        *(_judged(suffix, results) for suffix, results in found.items()),
    ]


def _encode(folder: Path, case: dict[str, Any], suffixes: tuple[str, ...]) -> None:
    """The image as a file of each form. Of JPEG, which loses something, what Python reads is another image."""
    stored = np.frombuffer((folder / f"{case['name']}.rgb").read_bytes(), np.uint8)
    for suffix in suffixes:
        path = folder / f"{case['name']}{suffix}"
        encode_stored(stored.reshape(case["height"], case["width"], 3), case["orientation"], path)
        if suffix == _LOSSY:
            write_stages(folder, path.name, load_image(path), Preprocessing.from_json(case["preprocessing"]))


def _results(
    page: Remote, host: str, address: str, index: list[dict[str, Any]], suffix: str
) -> list[dict[str, Any]]:
    cases = []
    for case in index:
        file = f"{host}/cases/{case['name']}{suffix}"
        base = file if suffix == _LOSSY else file.removesuffix(suffix)
        cases.append(
            {"name": case["name"], "file": file, "base": base, "preprocessing": case["preprocessing"]}
        )
    found: list[dict[str, Any]] = []
    for start in range(0, len(cases), _AT_ONCE):
        found += page.evaluate(
            script("preprocess"), {"core": f"{address}/core", "cases": cases[start : start + _AT_ONCE]}
        )
    return found


def _judged(suffix: str, results: list[dict[str, Any]]) -> str:
    worst = {
        stage: max(_number(item[stage]) for item in results) for stage in ("decoded", "resized", "normalized")
    }
    exact = sum(item["decoded"] == 0 and item["resized"] == 0 for item in results)
    told = f"{suffix[1:]}: {exact} of {len(results)} have the same bytes; largest differences {worst['decoded']:g} decoded, {worst['resized']:g} resized, {worst['normalized']:.1e} normalized"
    limit = _ROUNDED if suffix == _LOSSY else 0
    wrong = [item for item in results if not max(_number(item["decoded"]), _number(item["resized"])) <= limit]
    wrong += [item for item in results if not limit and not _number(item["normalized"]) <= _LIMIT]
    assert not wrong, f"{told}\n" + "\n".join(map(str, wrong[:10]))
    return told


def _number(found: float | str) -> float:
    return float("inf") if isinstance(found, str) else found
