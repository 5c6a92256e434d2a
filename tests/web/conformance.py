"""The page that runs the kit: every vector holds, and each planted mistake fails the one that aims at it."""

from __future__ import annotations

import os
from typing import Any

from browser import Chromium, Remote, browser_version, function
from checklist import NotOfferedError

from .hosting import edited, file_host, loopback
from .mistakes import MISTAKES
from .project import Project
from .visit import Visit, visit

__all__ = ["conforms", "conforms_on_webgpu", "notices_mistakes"]

# Chromium on Linux offers WebGPU only when it is told to, and then by SwiftShader, which computes on the processor.
WEBGPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
_COUNT = """() => {
  const { submit } = GPUQueue.prototype;
  self.submitted = 0;
  GPUQueue.prototype.submit = function (...given) {
    self.submitted += 1;
    return submit.apply(this, given);
  };
}"""
_ADAPTER = """async () => {
  const adapter = await navigator.gpu?.requestAdapter();
  return adapter ? [adapter.info.vendor, adapter.info.architecture, adapter.info.description].filter(Boolean).join(" ") : null;
}"""


def conforms(project: Project) -> list[str]:
    """Every vector of the kit holds by WebAssembly, in one thread and in several."""
    said = []
    with Chromium() as browser, loopback(project.bundle) as host:
        for threads in (1, 2):
            with visit(browser, host.address) as person:
                report = person.conform(f"provider=wasm&threads={threads}")
                runtime = report["runtime"]
                assert (runtime["provider"], runtime["threads"]) == ("wasm", threads), f"it ran on {runtime}"
                assert person.said() == [], f"the console says: {person.said()}"
            said.append(f"{threads} thread{'s' * (threads > 1)}: {_all_hold(report)}")
    return [*said, f"{os.cpu_count()} processors here"]


def conforms_on_webgpu(project: Project) -> list[str]:
    """Every vector of the kit holds on WebGPU."""
    with (
        Chromium(*WEBGPU) as browser,
        loopback(project.bundle) as host,
        visit(browser, host.address) as person,
    ):
        adapter = _adapter(person.page, host.address)
        submitted = _submitted(person, project)
        report = person.conform("provider=webgpu")
        assert report["runtime"]["provider"] == "webgpu", f"it ran on {report['runtime']}"
        return [
            f"on {adapter}: {_all_hold(report)}",
            f"{submitted} times work was submitted to it for one photograph",
        ]


def _adapter(page: Remote, address: str) -> str:
    page.goto(f"{address}/index.html?provider=wasm&threads=1")
    found = page.evaluate(function(_ADAPTER))
    if found is None:
        raise NotOfferedError(f"{browser_version()} offers no WebGPU adapter here, with {' '.join(WEBGPU)}")
    return str(found) or "an adapter without a name"


def _submitted(person: Visit, project: Project) -> int:
    """How often the model's worker gives work to WebGPU for a photograph: a runtime that computes elsewhere gives none."""
    person.start("provider=webgpu")
    workers = person.page.workers()
    for worker in workers:
        worker.evaluate(function(_COUNT))
    person.classify(project.photograph)
    count = sum(worker.evaluate(function("() => self.submitted")) for worker in workers)
    assert count > 0, "nothing is computed by WebGPU"
    return int(count)


def notices_mistakes(project: Project) -> list[str]:
    """Each mistake planted in the page's preprocessing fails the vector that aims at it, and no other."""
    with Chromium() as browser, file_host(project.hosted) as host:
        for number, mistake in enumerate(MISTAKES):
            copy = edited(
                project.bundle,
                project.hosted / f"mistake-{number}",
                {mistake.file: (mistake.right, mistake.wrong)},
            )
            with visit(browser, f"{host.address}/{copy.name}", serviceWorkers="block") as person:
                failed = failures(person.conform())
            assert failed == [mistake.aimed], (
                f"{mistake.title}: {failed or 'no vector'} fails, and not {mistake.aimed} alone"
            )
    counts = [
        f"{aimed} {sum(item.aimed == aimed for item in MISTAKES)}"
        for aimed in dict.fromkeys(item.aimed for item in MISTAKES)
    ]
    return [f"{len(MISTAKES)} mistakes: {', '.join(counts)}"]


def failures(report: dict[str, Any]) -> list[str]:
    """The vectors that the page itself says have failed."""
    return [vector["name"] for vector in report["vectors"] if not _holds(vector)]


def _holds(vector: dict[str, Any]) -> bool:
    judged = [vector["preprocessing"]] if vector["preprocessing"] else []
    outputs = list(vector["outputs"].values())
    return bool(outputs) and all(item["passed"] for item in [*judged, *outputs])


def _all_hold(report: dict[str, Any]) -> str:
    assert failures(report) == [], f"{failures(report)} fail on {report['runtime']}"
    worst = max(
        item["max_abs"] / item["largest"]
        for vector in report["vectors"]
        for item in vector["outputs"].values()
    )
    return f"{len(report['vectors'])} vectors hold; the outputs are within {worst:.1e} of the largest"
