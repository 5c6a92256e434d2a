"""A person's visit to a bundle's pages, step by step."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from browser import BrowserError, Remote, call, function
from checklist import CheckError

__all__ = ["PHONE", "SCRIPTS", "Visit", "script", "visit"]

SCRIPTS = Path(__file__).with_name("scripts")
PHONE = {"width": 390, "height": 844}
# Milliseconds, on a machine that is busy with other things, too; by SwiftShader a model takes minutes there.
_SOON, _LATE = 180_000, 600_000
# Chromium's own words, when a page asks whether there is WebGPU and there is none.
_OF_THE_BROWSER = "No available adapters."
_LEFT = "net::ERR_ABORTED"  # a request of a page that was left for the next one
_UNTIL = """(id) => {
  const trouble = document.getElementById("trouble");
  return (trouble && !trouble.hidden) || READY;
}"""


def script(name: str) -> dict[str, str]:
    """The function that a file of ``scripts/`` exports, for ``page.evaluate``."""
    text = (SCRIPTS / f"{name}.js").read_text("utf-8")
    _, mark, body = text.partition("export default ")
    assert mark, f"{name}.js exports nothing"
    return function(body.strip().removesuffix(";"))


@contextlib.contextmanager
def visit(browser: Remote, address: str, **options: Any) -> Iterator[Visit]:
    """A new person's browser, with nothing kept from before; ``options`` are those of Playwright's newContext."""
    context = browser.newContext({"viewport": PHONE, "acceptDownloads": True, **options})
    try:
        yield Visit(context, context.newPage(), address)
    finally:
        context.close()


class Visit:
    """``address`` is the bundle's folder, without a slash at its end."""

    def __init__(self, context: Remote, page: Remote, address: str) -> None:
        self.context, self.page, self.address = context, page, address
        self.messages: list[dict[str, Any]] = []

    def start(self, query: str = "provider=wasm&threads=1") -> None:
        """The start page, until the model is ready. :class:`CheckError` with what the page says that is wrong."""
        self.page.goto(f"{self.address}/index.html?{query}".rstrip("?"))
        self.wait("!document.getElementById('choose').disabled")

    def classify(self, photograph: Path) -> list[str]:
        """The rows that are shown for a photograph from the gallery."""
        self.page.evaluate("performance.clearMarks('cloformer answer')")
        self.page.setInputFiles("#file-gallery", photograph)
        self.wait("performance.getEntriesByName('cloformer answer').length > 0")
        return [" ".join(row.split()) for row in self.page.locator("#rows > li").allInnerTexts()]

    def conform(
        self, query: str = "provider=wasm&threads=1", *, with_latency: bool = False
    ) -> dict[str, Any]:
        """The device report of the page that runs the kit, as it is downloaded."""
        self.page.goto(f"{self.address}/conformance.html?{query}".rstrip("?"))
        if with_latency:
            self.page.check("#with-latency")
        self.run_kit()
        return self.download()

    def run_kit(self) -> None:
        """On the page that runs the kit; a fault that it reports is no failure of it."""
        self.wait("!document.getElementById('run').disabled")
        self.page.click("#run")
        self.wait("!document.getElementById('download').hidden", _LATE)

    def download(self) -> dict[str, Any]:
        waiting, click = call(self.page, "waitForEvent", "download"), call(self.page, "click", "#download")
        download, _ = self.page.chromium.together(waiting, click)
        found: dict[str, Any] = json.loads(Path(download.path()).read_text("utf-8"))
        return found

    def wait(self, ready: str, milliseconds: int = _SOON) -> None:
        """Until an expression of JavaScript is true. :class:`CheckError` with the page's own words when it reports a fault first."""
        until = function(_UNTIL.replace("READY", ready))
        try:
            self.page.waitForFunction(until, None, {"timeout": milliseconds})
        except BrowserError as error:
            shown = self.page.locator("body").innerText()[:2000]
            raise CheckError(f"{error}\nwaiting for {ready}; the page shows: {shown}") from None
        if wrong := self.trouble():
            raise CheckError(f"the page says: {wrong}")

    def trouble(self) -> str:
        """What the page says that is wrong; "" if nothing."""
        box = self.page.locator("#trouble")
        return str(box.innerText()).replace("\n", " ") if box.isVisible() else ""

    def said(self) -> list[str]:
        """What the console, errors that nothing met and requests that failed have said since the last call."""
        self.messages += self.context.log()
        return [
            f"{item['kind']} {item['type']}: {item['text']} {item.get('why', '')}".strip()
            for item in self.messages
            if item["kind"] in ("console", "error", "failed")
            and item["text"] != _OF_THE_BROWSER
            and item.get("why") != _LEFT
        ]

    def requests(self) -> list[dict[str, Any]]:
        """Everything that pages and workers have asked for since the visit began."""
        self.messages += self.context.log()
        return [item for item in self.messages if item["kind"] == "request"]
