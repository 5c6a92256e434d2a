"""The cases that the page's code is held to in Node.js, in a browser."""

from __future__ import annotations

from browser import Chromium, function
from checklist import CheckError

from .core.fixtures import write_fixtures
from .hosting import file_host
from .project import REPOSITORY, Project
from .visit import visit

__all__ = ["holds_laws"]

_SHARED = "deploy/ios/CoreTests/Fixtures/shared.json"
_CHECK = """async ({ shared }) => {
  const { check } = await import("/tests/web/core/cases.mjs");
  const read = async (path) => {
    const found = await fetch(path === "shared.json" ? `/${shared}` : `/fixtures/${path}`);
    if (!found.ok) throw new Error(`${path}: ${found.status}`);
    return new Uint8Array(await found.arrayBuffer());
  };
  return check(read, { isBrowser: true });
}"""


def holds_laws(project: Project) -> list[str]:
    """The laws of the page's code hold in the browser: what tests/web/core says of decoders, preprocessing, outputs, kit and report."""
    root = project.work / "laws"
    root.mkdir()
    for name in ("deploy", "tests"):
        (root / name).symlink_to(REPOSITORY / name, target_is_directory=True)
    (root / "index.html").write_text("<!doctype html><title>Laws</title>", "utf-8")
    write_fixtures(root / "fixtures")
    with Chromium() as browser, file_host(root) as host, visit(browser, host.address) as person:
        person.page.goto(f"{host.address}/index.html")
        found = person.page.evaluate(function(_CHECK), {"shared": _SHARED})
    if not found["passed"]:
        raise CheckError("\n".join(line for line in found["lines"] if not line.startswith("ok")))
    return [line.removeprefix("ok").strip() for line in found["lines"]]
