"""A real browser for checks: Chromium without a window, driven by playwright-core in a Node.js process of its own.

`with Chromium() as browser:` gives Playwright's Browser. Methods have the names and arguments of Playwright for JavaScript:
https://playwright.dev/docs/api/class-page. Nothing of it becomes part of a bundle. `CLOFORMER_WEB_CACHE` names another folder for the
packages than ~/.cache/cloformer-web, `CLOFORMER_CHROMIUM` another browser.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from checklist import CheckError
from packages import MissingError, Part, unpacked

__all__ = [
    "BrowserError",
    "Chromium",
    "Remote",
    "axe_script",
    "browser_version",
    "call",
    "function",
    "package",
    "typescript",
]

CACHE = Path(os.environ.get("CLOFORMER_WEB_CACHE", Path.home() / ".cache" / "cloformer-web"))
PACKAGES = {
    part.name: part
    for part in (
        Part(
            "playwright-core", "1.65.1",
            "sha512-hqPpz7blSMPxWVdoeE1yiBSzXsKiVOd2k+kjCvmUywD2GPO2Dd9HfcWnq9NN0GHbNZDFgZ9JfBFr+X5/BLo0qw==",
            "npm", ("package/",), "Apache-2.0",
        ),
        Part(
            "axe-core", "4.14.1",
            "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
            "npm", ("package/axe.min.js", "package/LICENSE"), "MPL-2.0",
        ),
        Part(
            "typescript", "5.9.3",
            "sha512-jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw==",
            "npm", ("package/",), "Apache-2.0",
        ),
    )
}  # fmt: skip
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_DRIVER = Path(__file__).with_name("browser.mjs")


class BrowserError(CheckError):
    """What was asked of the browser failed; the message is Playwright's."""


@cache
def package(name: str) -> Path:
    """The folder of an npm package of :data:`PACKAGES`."""
    return unpacked(PACKAGES[name], CACHE) / "package"


def axe_script() -> str:
    """The accessibility checker, to be evaluated in a page: it defines ``axe``."""
    return (package("axe-core") / "axe.min.js").read_text("utf-8")


def typescript(project: Path) -> list[str]:
    """What TypeScript's compiler has against the files of a folder's ``jsconfig.json``, a line each; [] if nothing."""
    compiler = package("typescript") / "lib/tsc.js"
    command = [_node(), compiler, "--noEmit", "--pretty", "false", "--project", project / "jsconfig.json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    found = (done.stdout + done.stderr).splitlines()
    return found or ([] if done.returncode == 0 else [f"tsc ended with {done.returncode}"])


def browser_version() -> str:
    """The browser as it names itself."""
    done = subprocess.run([_browser(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def function(text: str) -> dict[str, str]:
    """A function of JavaScript as an argument: for ``page.evaluate``, which gives it one argument, and Playwright's waiting."""
    return {"function": text}


def call(on: Remote, method: str, *values: Any) -> dict[str, Any]:
    """A call for :meth:`Chromium.together`."""
    return {"on": on.name, "call": method, "with": [_given(value) for value in values]}


class Remote:
    """An object of Playwright's. Its methods are called as its documentation names them; ``call`` is for those of a property:
    ``page.call("keyboard.press", "Tab")``. Options are a dictionary, the last argument."""

    def __init__(self, chromium: Chromium, name: str) -> None:
        self.chromium, self.name = chromium, name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("__"):
            raise AttributeError(method)
        return lambda *values: self.call(method, *values)

    def call(self, method: str, *values: Any) -> Any:
        (value,) = self.chromium.together(call(self, method, *values))
        return value

    def log(self) -> list[dict[str, Any]]:
        """Of a BrowserContext: what was said, asked for and failed since the last call."""
        return list(self.call("log"))


class Chromium:
    """The browser's process; ``with`` gives Playwright's Browser and ends the process. Raises :class:`MissingError`."""

    def __init__(self, *flags: str) -> None:
        self.flags = flags

    def __enter__(self) -> Remote:
        command = [_node(), str(_DRIVER), str(package("playwright-core"))]
        browser = _browser()
        self._node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started = Remote(self, "chromium").launch(
            {"executablePath": browser, "args": list(self.flags), "headless": True}
        )
        assert isinstance(started, Remote)
        self.browser = started
        return started

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.browser.close()
        assert self._node.stdin is not None
        self._node.stdin.close()  # the driver ends then, and Playwright's browser with it
        try:
            self._node.wait(20)
        except subprocess.TimeoutExpired:
            self._node.kill()

    def together(self, *calls: dict[str, Any]) -> list[Any]:
        """Calls that are made at the same time, as for a download and the click that starts it; their values."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps({"calls": calls}) + "\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        if not line:
            raise BrowserError(f"the driver has ended with {self._node.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise BrowserError(answer["error"])
        return [self._remote(value) for value in answer["values"]]

    def _remote(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._remote(item) for item in value]
        return Remote(self, value["$"]) if isinstance(value, dict) and set(value) == {"$"} else value


def _given(value: Any) -> Any:
    if isinstance(value, Remote):
        return {"$": value.name}
    if isinstance(value, dict):
        return {key: _given(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_given(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _node() -> str:
    found = shutil.which("node")
    if found is None:
        raise MissingError("node is not there: install Node.js")
    return found


@cache
def _browser() -> str:
    wanted = os.environ.get("CLOFORMER_CHROMIUM")
    found = wanted or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None or not Path(found).exists():
        raise MissingError("there is no Chromium: apt-get install chromium, or set CLOFORMER_CHROMIUM")
    return found
