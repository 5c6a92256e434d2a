"""Names from outside that would be markup or scripts, if the page took them for more than text."""

from __future__ import annotations

from pathlib import Path

from app_names import NAMES
from browser import Chromium, Remote
from changed_artifact import with_model
from checklist import run

from cloformer.export.artifact.folder import LABELS

from .hosting import file_host
from .project import CLOFORMER, Project
from .visit import visit

__all__ = ["keeps_names_text"]

_LABELS = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    '"\' onmouseover=alert(1) x="',
    "&lt;b&gt; &amp; ${1} `x`",
    "a name as long as a sentence, " * 12,
    "\u202egnp.exe",
)
_APP = "<b>Birds</b> & more"
_ELEMENTS = "[...document.querySelectorAll('img, script, b')].filter((one) => !['icon.svg', 'app/main.js'].includes(one.getAttribute('src'))).length"


def keeps_names_text(project: Project) -> list[str]:
    """Labels and an app's name that are markup or scripts are shown as text, in every row and in the title, and run nothing."""
    assert _APP in NAMES
    artifact = with_model(project.exported, project.work / "hostile", _relabel)
    folder = project.hosted / "hostile"
    run(*CLOFORMER, "bundle", "web", artifact, "--output", folder, "--app-name", _APP)
    labels = (artifact / LABELS).read_text("utf-8").splitlines()
    with Chromium() as browser, file_host(project.hosted) as host:
        shown = _names_shown(browser, f"{host.address}/{folder.name}", project)
    strange = [name for name in shown if name not in [" ".join(label.split()) for label in labels]]
    assert not strange, f"no label as it is: {strange}"
    assert len(shown) == 5, f"{len(shown)} rows are shown"
    return [f"{len(set(labels))} names as labels, {len(set(shown))} of them among the rows"]


def _relabel(model: Path) -> None:
    """Other labels beside the model."""
    path = model.with_name(LABELS)
    count = len(path.read_text("utf-8").splitlines())
    path.write_text("".join(f"{_LABELS[at % len(_LABELS)].strip()}\n" for at in range(count)), "utf-8")


def _names_shown(browser: Remote, address: str, project: Project) -> list[str]:
    with visit(browser, address, serviceWorkers="block") as person:
        person.start()
        person.classify(project.photograph)
        assert person.page.title() == _APP, f"the title is {person.page.title()!r}"
        assert person.page.locator("#title").innerText() == _APP
        more = person.page.evaluate(_ELEMENTS)
        assert more == 0, f"{more} elements are made of names"
        wide = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"a long name makes the page {wide} pixels wider than the screen"
        said = person.said()
        assert said == ["console warning: Service Worker registration blocked by Playwright"], (
            f"the console says: {said}"
        )
        names = person.page.locator("#rows .row-name").allInnerTexts()
    return [" ".join(name.split()) for name in names]
