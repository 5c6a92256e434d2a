"""What must hold of the pages, each a function that says what it found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from browser import Remote, axe_script, function, typescript

from cloformer.export.reports.view import page as page_module
from cloformer.export.reports.view.page import SCRIPTS

from .pages import NETWORKS, Network, hostile_page, made

__all__ = ["CHECKS", "Bench"]

PAINT, FRAME = 2000.0, 100.0  # milliseconds that are allowed
_TRIES = 3  # of which the best counts: the machine does other things, too
_DESKTOP = {"viewport": {"width": 1280, "height": 800}}
_PHONE = {
    "viewport": {"width": 390, "height": 844},
    "deviceScaleFactor": 2,
    "isMobile": True,
    "hasTouch": True,
}

# Times between frames, and of drawing, from now on.
_WATCH = """() => {
  const watch = (window.watch = { frames: [], last: performance.now(), isOn: true });
  const step = (now) => { watch.frames.push(now - watch.last); watch.last = now; if (watch.isOn) requestAnimationFrame(step); };
  requestAnimationFrame((now) => { watch.last = now; requestAnimationFrame(step); });
}"""
_WATCHED = "() => { window.watch.isOn = false; return window.watch.frames; }"
_PAINTED = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
  graph: performance.getEntriesByName("graph drawn")[0]?.startTime ?? null,
  operators: nodes.filter((node) => node.role === "operator").length,
})"""


@dataclass
class Bench:
    """The browser, the pages, and where pictures go."""

    browser: Remote
    folder: Path
    shots: Path | None = None
    contexts: list[Remote] = field(default_factory=list)

    @cached_property
    def made(self) -> dict[str, tuple[Path, Path]]:
        """By network the artifact and its page."""
        return {network.name: made(network, self.folder) for network in NETWORKS}

    def page(self, path: Path, **options: Any) -> tuple[Remote, Remote]:
        """A page that is open, and its context, whose log says what it asked for."""
        context = self.browser.newContext({**_DESKTOP, **options})
        page = context.newPage()
        page.goto(path.as_uri())
        for name in (
            "graph drawn",
            "first-contentful-paint",
        ):  # the second is told after it, when it is on the screen
            page.waitForFunction(function(f"() => performance.getEntriesByName('{name}').length"))
        return page, context


def _quiet(context: Remote, path: Path) -> list[dict[str, Any]]:
    """What a page's log has besides the request for the page itself."""
    return [
        entry
        for entry in context.log()
        if entry["kind"] != "request" or entry["text"].partition("#")[0] not in (path.as_uri(), "data:,")
    ]


def types(bench: Bench) -> Iterator[str]:
    """TypeScript has nothing against the page's script, by the types in its comments"""
    folder = Path(page_module.__file__).parent.resolve()
    project = bench.folder / "jsconfig.json"
    options = {
        "checkJs": True, "strict": True, "noImplicitReturns": True, "noEmit": True, "types": [],
        "target": "es2022", "lib": ["es2023", "dom", "dom.iterable"],
    }  # fmt: skip
    project.write_text(
        json.dumps({"compilerOptions": options, "files": [str(folder / f"{name}.js") for name in SCRIPTS]})
    )
    found = typescript(bench.folder)
    assert not found, "\n".join(found)
    wrong = bench.folder / "wrong.js"
    wrong.write_text(
        (folder / "camera.js").read_text("utf-8").replace("zoomAt(x, y, factor)", "zoomAt(x, y)", 1)
    )
    files = [str(wrong if name == "camera" else folder / f"{name}.js") for name in SCRIPTS]
    project.write_text(json.dumps({"compilerOptions": options, "files": files}))
    missed = typescript(bench.folder)
    assert any("TS2554" in line for line in missed), f"a call that lacks an argument is not found: {missed}"
    yield f"{len(SCRIPTS)} files"


def opens(bench: Bench) -> Iterator[str]:
    """Each page opens without a message in the console and asks for nothing; first paint, and the graph drawn, below 2 s"""
    for network in NETWORKS:
        _, path = bench.made[network.name]
        times = []
        for _ in range(_TRIES):
            page, context = bench.page(path)
            painted = page.evaluate(function(_PAINTED))
            page.waitForTimeout(200)
            assert not (said := _quiet(context, path)), said
            context.close()
            assert painted["operators"] >= network.least, (
                f"{network.name} has {painted['operators']} operators"
            )
            times.append((max(painted["paint"], painted["graph"]), painted))
        _, best = min(times, key=lambda item: item[0])
        yield (
            f"{network.name}: {best['operators']:,} operators, {path.stat().st_size / 1e6:.2f} MB; first paint {best['paint']:.0f} ms, "
            f"graph {best['graph']:.0f} ms (slowest of {_TRIES}: {max(time for time, _ in times):.0f} ms)"
        )
        assert max(best["paint"], best["graph"]) < PAINT, f"more than {PAINT:.0f} ms"


def frames(bench: Bench) -> Iterator[str]:
    """No frame above 100 ms while zooming by the wheel from all to one operator and back, and while dragging"""
    for network in NETWORKS:
        _, path = bench.made[network.name]
        page, context = bench.page(path)
        for name, move in (("zooming", _zoom), ("moving", _drag)):
            longest = []
            for _ in range(_TRIES):
                page.evaluate(function("() => showAll()"))
                page.waitForTimeout(100)
                page.evaluate(function(_WATCH))
                move(page)
                found = page.evaluate(function(_WATCHED))
                assert len(found) > 30, "the browser gave no frames"
                longest.append(max(found))
            tries = ", ".join(f"{time:.0f}" for time in longest)
            yield f"{network.name}, {name}: longest frame {min(longest):.0f} ms (of {_TRIES} tries: {tries}), {len(found)} frames"
            assert min(longest) < FRAME, f"more than {FRAME:.0f} ms"
        context.close()


def _zoom(page: Remote) -> None:
    zooms = set()
    page.call("mouse.move", 500, 400)
    for direction in (-1, 1):
        for _ in range(40):
            page.call("mouse.wheel", 0, direction * 90)
            zooms.add(round(page.evaluate(function("() => camera.zoom")), 5))
    assert len(zooms) > 20, "the wheel does not zoom"


def _drag(page: Remote) -> None:
    page.evaluate(function("() => zoomInTheMiddle(4)"))
    before = page.evaluate(function("() => camera.x"))
    page.call("mouse.move", 700, 500)
    page.call("mouse.down")
    for step in range(60):
        page.call("mouse.move", 700 - 7 * step, 500 - 5 * step)
    page.call("mouse.up")
    assert page.evaluate(function("() => camera.x")) != before, "dragging does not move"
    assert page.evaluate(function("() => state.selected")) == -1, "dragging chooses an operator"


def names(bench: Bench) -> Iterator[str]:
    """Names that try to break out of the page stay text: no dialog, no message, no element made of them"""
    artifact, plain = bench.made["CloFormer-XXS"]
    path = bench.folder / "hostile.html"
    path.write_text(hostile_page(artifact), "utf-8")
    count = function(
        "() => document.querySelectorAll('*').length - document.querySelectorAll('#details *, #legend *').length"
    )
    counts = {}
    for which in (plain, path):
        page, context = bench.page(which)
        page.evaluate(function("() => { window.alert = () => console.error('a dialog'); }"))
        for mode in page.evaluate(function("() => Object.keys(MODES)")):
            page.selectOption("#mode", mode)
        for index in page.evaluate(
            function(
                "() => nodes.flatMap((node, index) => (node.constants.length || node.role !== 'operator' ? [index] : [])).slice(0, 40)"
            )
        ):
            page.evaluate(function(f"() => select({index}, true)"))
        page.fill("#search", "onerror")
        page.fill("#search", "")
        page.waitForTimeout(200)
        assert (
            page.evaluate(
                function("() => document.querySelectorAll('img, iframe, object, embed, base').length")
            )
            == 0
        )
        assert not (said := _quiet(context, which)), said
        counts[which] = page.evaluate(count)
        context.close()
    assert counts[plain] == counts[path], f"{counts[path]} elements, and {counts[plain]} with plain names"
    yield f"{counts[path]:,} elements, as many as with plain names"


def use(bench: Bench) -> Iterator[str]:
    """A click, keys, a finger and the search choose operators, and what is shown of them is the file's"""
    _, path = bench.made["CloFormer-XXS"]
    page, context = bench.page(path)
    place = page.evaluate(
        function(
            "() => { const i = nodes.findIndex((n) => n.constants.length); showNode(i); return [i, ...nodes[i].at.map((v, k) => (v - [camera.x, camera.y][k]) * camera.zoom)]; }"
        )
    )
    box = page.locator("#canvas").boundingBox()
    page.call("mouse.click", box["x"] + place[1], box["y"] + place[2])
    assert page.evaluate(function("() => state.selected")) == place[0], (
        "a click chooses the operator under it"
    )
    shown = page.locator("#details").innerText()
    stored = page.evaluate(function(f"() => picture.constants[nodes[{place[0]}].constants[0]].name"))
    assert stored in shown and "Module" in shown and "Line" in shown, shown
    page.focus("#canvas")
    page.call("keyboard.press", "ArrowDown")
    below = page.evaluate(function("() => state.selected"))
    assert page.evaluate(
        function(f"() => picture.edges.some((edge) => edge.from === {place[0]} && edge.to === {below})")
    ), "the key goes along a connection"
    page.call("keyboard.press", "/")
    page.call("keyboard.type", "layers.2.blocks.1 conv")
    found = page.evaluate(function("() => [...state.found].length"))
    rows = page.evaluate(function("() => rows.filter((row) => !row.hidden).length"))
    assert 0 < rows == found < page.evaluate(function("() => nodes.length")), (rows, found)
    page.call("keyboard.press", "Enter")
    assert page.evaluate(function("() => state.found.has(state.selected)")), (
        "Enter goes to one that was found"
    )
    assert not (said := _quiet(context, path)), said
    context.close()
    yield f"searched: {found} operators of one block"
    page, context = bench.page(path, **_PHONE)
    assert page.evaluate(function("() => document.documentElement.scrollWidth")) <= 390, (
        "the page is wider than a phone"
    )
    page.evaluate(function(f"() => showNode({place[0]})"))
    page.waitForTimeout(100)
    spot = page.evaluate(
        function(
            f"() => {{ const box = canvas.getBoundingClientRect(), [x, y] = nodes[{place[0]}].at; return [box.x + (x - camera.x) * camera.zoom, box.y + (y - camera.y) * camera.zoom]; }}"
        )
    )
    page.call("touchscreen.tap", *spot)
    assert page.evaluate(function("() => state.selected")) == place[0], "a finger chooses"
    context.close()
    yield from _pinched(bench, path)


def _pinched(bench: Bench, path: Path) -> Iterator[str]:
    """Two fingers that move apart."""
    page, context = bench.page(path, **_PHONE)
    before = page.evaluate(function("() => camera.zoom"))
    session = context.newCDPSession(page)
    box = page.locator("#canvas").boundingBox()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, gap in (
        ("touchStart", 20),
        *(("touchMove", gap) for gap in range(30, 130, 10)),
        ("touchEnd", 0),
    ):
        points = (
            [{"x": x - gap, "y": y, "id": 0}, {"x": x + gap, "y": y, "id": 1}] if kind != "touchEnd" else []
        )
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.waitForTimeout(100)
    after = page.evaluate(function("() => camera.zoom"))
    assert after > 2 * before, f"two fingers zoom from {before:.3f} to {after:.3f}"
    context.close()
    yield f"two fingers zoom {after / before:.1f} times"


def accessible(bench: Bench) -> Iterator[str]:
    """axe finds nothing, on a desktop and on a phone, light and dark, with an operator chosen and a search"""
    _, path = bench.made["CloFormer-XXS"]
    for options in ({}, {"colorScheme": "dark"}, _PHONE):
        page, context = bench.page(path, bypassCSP=True, **options)
        page.evaluate(function("() => select(nodes.findIndex((node) => node.constants.length), true)"))
        page.fill("#search", "conv")
        page.evaluate(axe_script())
        found = page.evaluate(
            function(
                "async () => (await axe.run()).violations.map((v) => `${v.impact} ${v.id}: ${v.nodes[0].html.slice(0, 200)}`)"
            )
        )
        assert not found, "\n".join(found)
        context.close()
    yield "no violation"


def without_script(bench: Bench) -> Iterator[str]:
    """Without scripts the table is there, with every operator"""
    _, path = bench.made["EfficientNet-Lite0"]
    context = bench.browser.newContext({**_DESKTOP, "javaScriptEnabled": False})
    page = context.newPage()
    page.goto(path.as_uri())
    rows = page.locator("#list tbody tr").count()
    assert rows >= _network("EfficientNet-Lite0").least and page.locator("#list tbody tr").first().isVisible()
    assert not page.locator("#canvas").isVisible()
    context.close()
    yield f"{rows} rows"


def _network(name: str) -> Network:
    return next(network for network in NETWORKS if network.name == name)


def pictures(bench: Bench) -> Iterator[str]:
    """Pictures for the documentation, where --shots asks for them"""
    if bench.shots is None:
        yield "not asked"
        return
    from .shots import take

    yield from take(bench, bench.shots)


CHECKS = (types, opens, frames, names, use, accessible, without_script, pictures)
