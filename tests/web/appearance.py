"""What people who do not see or do not point have of the pages, and how the pages look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from browser import Chromium, Remote, axe_script, call, function
from checklist import CheckError

from .hosting import Host, edited, file_host
from .mistakes import MISTAKES
from .project import Project
from .visit import Visit, visit

__all__ = ["is_accessible", "works_by_keyboard"]

WIDTHS = {390: 844, 1280: 900}
SCHEMES = ("light", "dark")
_SERIOUS = ("serious", "critical")
_AXE = """async () => {
  const { violations, passes } = await axe.run(document, { resultTypes: ["violations"] });
  const of = ({ id, impact, help, nodes }) => ({ id, impact, help, places: nodes.slice(0, 3).map((node) => node.target.join(" ") + ": " + node.failureSummary) });
  return { violations: violations.map(of), rules: violations.length + passes.length };
}"""
_FOCUS = """() => {
  const { activeElement: element } = document;
  const style = getComputedStyle(element);
  const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return { id: element.id, tag: element.tagName, href: element.getAttribute("href"), shown: shown || style.boxShadow !== "none" };
}"""
_MOST_STEPS = 40
_QUERY = "provider=wasm&threads=1"


def _start(person: Visit, _: Project) -> None:
    person.start()


def _result(person: Visit, project: Project) -> None:
    person.start()
    person.classify(project.photograph)


def _error(person: Visit, project: Project) -> None:
    person.start()
    person.page.setInputFiles("#file-gallery", project.work / "broken.png")
    person.page.waitForSelector("#trouble:visible")


def _kit_ready(person: Visit, _: Project) -> None:
    person.page.goto(f"{person.address}/conformance.html?{_QUERY}")
    person.wait("!document.getElementById('run').disabled")


def _kit_running(person: Visit, project: Project) -> None:
    _kit_ready(person, project)
    person.page.click("#run")
    person.page.waitForSelector("#progress:visible")


def _kit_done(person: Visit, project: Project) -> None:
    _kit_ready(person, project)
    person.run_kit()


# A state's bundle, and how a person comes to it.
STATES: dict[str, tuple[str, Callable[[Visit, Project], None]]] = {
    "start": ("sound", _start),
    "result": ("sound", _result),
    "error": ("sound", _error),
    "check-ready": ("sound", _kit_ready),
    "check-running": ("slow", _kit_running),
    "check-passed": ("sound", _kit_done),
    "check-failed": ("wrong", _kit_done),
}


def is_accessible(project: Project) -> list[str]:
    """axe finds nothing serious on both pages, in every state, light and dark, at 390 and 1280 pixels; nothing is wider than the screen."""
    (project.work / "broken.png").write_bytes(b"no image")
    bundles = _bundles(project)
    said, lesser = [], set()
    with Chromium() as browser, file_host(project.hosted) as host:
        for name, width, scheme, person in _visits(project, browser, host, bundles):
            found = _axe(person.page)
            serious = [item for item in found["violations"] if item["impact"] in _SERIOUS]
            assert not serious, f"{name}, {width}, {scheme}: " + "\n".join(map(str, serious))
            lesser |= {item["id"] for item in found["violations"]}
            wide = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{name}, {width}, {scheme}: the page is {wide} pixels wider than the screen"
            said.append(found["rules"])
        planted = _planted(browser, f"{host.address}/sound")
    return [
        f"{len(said)} times {min(said)} to {max(said)} rules; {', '.join(sorted(lesser)) or 'nothing'} of less weight",
        f"a planted button without a name is {planted}",
    ]


def _bundles(project: Project) -> dict[str, Path]:
    """One that is right, one with a mistake, and one whose kit takes long enough to be looked at."""
    mistake = MISTAKES[0]
    wrong = edited(project.bundle, project.hosted / "wrong", {mistake.file: (mistake.right, mistake.wrong)})
    waits = (
        "export async function judge(kit, vector, manifest, subject) {\n",
        "export async function judge(kit, vector, manifest, subject) {\n  await new Promise((resolve) => setTimeout(resolve, 3000));\n",
    )
    slow = edited(project.bundle, project.hosted / "slow", {"core/judge.js": waits})
    return {"sound": project.bundle, "wrong": wrong, "slow": slow}


def _visits(
    project: Project, browser: Remote, host: Host, bundles: dict[str, Path]
) -> Iterator[tuple[str, int, str, Visit]]:
    for name, (bundle, come) in STATES.items():
        for width, height in WIDTHS.items():
            with visit(
                browser,
                f"{host.address}/{bundles[bundle].name}",
                serviceWorkers="block",
                viewport={"width": width, "height": height},
            ) as person:
                come(person, project)
                for scheme in SCHEMES:
                    person.page.emulateMedia({"colorScheme": scheme, "reducedMotion": "reduce"})
                    person.page.waitForTimeout(100)
                    project.take_screenshot(person.page, f"{name}-{width}-{scheme}")
                    yield name, width, scheme, person


def _axe(page: Remote) -> dict[str, Any]:
    page.evaluate(axe_script())
    found: dict[str, Any] = page.evaluate(function(_AXE))
    return found


def _planted(browser: Remote, address: str) -> str:
    with visit(browser, address, serviceWorkers="block") as person:
        person.start()
        person.page.evaluate("document.getElementById('main').append(document.createElement('button'))")
        impacts = [item["impact"] for item in _axe(person.page)["violations"] if item["id"] == "button-name"]
    assert impacts and impacts[0] in _SERIOUS, f"a button without a name is {impacts}"
    return str(impacts[0])


def works_by_keyboard(project: Project) -> list[str]:
    """By keyboard alone, from the start page to an answer, to the kit's page and to its report; what has the focus shows it."""
    with (
        Chromium() as browser,
        file_host(project.hosted) as host,
        visit(browser, f"{host.address}/{project.bundle.name}", serviceWorkers="block") as person,
    ):
        page = person.page
        person.start()
        first = _tab_to(page, "#choose")
        page.on("filechooser", function("() => {}"))  # from now on the browser tells of them
        page.waitForTimeout(300)
        chosen, _ = page.chromium.together(
            call(page, "waitForEvent", "filechooser"), call(page, "keyboard.press", "Enter")
        )
        chosen.setFiles(project.photograph)
        person.wait("performance.getEntriesByName('cloformer answer').length > 0")
        back = _tab_to(page, "#to-conformance", "Shift+Tab")
        page.call("keyboard.press", "Enter")
        person.wait("document.getElementById('run') && !document.getElementById('run').disabled")
        run = _tab_to(page, "#run")
        page.call("keyboard.press", "Enter")
        person.wait("!document.getElementById('download').hidden", 60_000)
        report = _tab_to(page, "#download")
        page.chromium.together(call(page, "waitForEvent", "download"), call(page, "keyboard.press", "Enter"))
    return [
        f"Tab {first} times to the photograph, {back} back to the other page, {run} to its button, {report} to the report"
    ]


def _tab_to(page: Remote, target: str, key: str = "Tab") -> int:
    """Presses until the element has the focus; how often."""
    for count in range(1, _MOST_STEPS):
        page.call("keyboard.press", key)
        focus = page.evaluate(function(_FOCUS))
        assert focus["shown"] or focus["tag"] == "BODY", f"nothing shows that {focus} has the focus"
        if page.evaluate(function("(target) => document.activeElement.matches(target)"), target):
            return count
    raise CheckError(f"{target} is not reached in {_MOST_STEPS} steps")
