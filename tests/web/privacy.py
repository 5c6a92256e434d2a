"""What leaves the page: nothing, by the browser's own records of its network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from browser import Chromium, Remote, function
from checklist import CheckError

from .hosting import edited, file_host, loopback
from .project import Project
from .visit import visit

__all__ = ["asks_nobody"]

PAGES = ("index.html", "conformance.html")
_QUERIES = 128  # of the protocol
_ELSEWHERE = "http://127.0.0.1:9/elsewhere"
_ASK = f'fetch("{_ELSEWHERE}", {{ mode: "no-cors" }}).catch(() => {{}});\n'
_POLICY = re.compile(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"')
# What a policy may say at most, by directive.
_ALLOWED = {
    "default-src": {"'none'"}, "script-src": {"'self'", "'wasm-unsafe-eval'"}, "worker-src": {"'self'"}, "connect-src": {"'self'"},
    "style-src": {"'self'"}, "img-src": {"'self'", "blob:"}, "media-src": {"blob:"}, "manifest-src": {"'self'"}, "base-uri": {"'none'"},
    "form-action": {"'none'"},
}  # fmt: skip
# No name leads anywhere, so that what Chromium itself asks its maker for is no connection.
_NO_NAMES = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
_INLINE = """() => new Promise((resolve) => {
  document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective), { once: true });
  const script = document.createElement("script");
  script.textContent = "window.ranInline = true";
  document.head.append(script);
  setTimeout(() => resolve(window.ranInline ? "it ran" : "nothing happened"), 2000);
})"""


def asks_nobody(project: Project) -> list[str]:
    """No request leaves the page, by the browser's record of all its connections, while it loads, classifies, measures, runs the kit and
    gives its report; its policy forbids all others."""
    record = project.work / "net-log.json"
    photograph = project.photograph
    with Chromium(f"--log-net-log={record}", _NO_NAMES) as browser, loopback(project.bundle) as host:
        with visit(browser, host.address) as person:
            person.start()
            person.classify(photograph)
            latency = person.conform(with_latency=True)["latency"]
            assert len(latency["samples_ns"]) >= _QUERIES, (
                f"only {len(latency['samples_ns'])} inferences were timed"
            )
            asked = person.requests()
            strange = [
                item
                for item in asked
                if not item["text"].startswith((f"{host.address}/", f"blob:{host.address}/", "data:"))
            ]
            assert not strange, f"the page asked for {strange}"
            sent = [item for item in asked if item["method"] != "GET" or item["sent"]]
            assert not sent, f"the page sent {sent}"
            policies = [_policy(person.page, host.address, name) for name in PAGES]
        own = urlsplit(host.address).netloc
    hosts, reached, of_its_own = _recorded(record, own)
    assert hosts == {own}, f"by the browser's record the page has asked {sorted(hosts)}"
    assert reached == {own}, f"the browser has connected to {sorted(reached)}"
    return [
        f"{len(asked)} requests, all of them to the page's own host and none with a body; every connection is to it "
        f"({of_its_own} times Chromium asks its maker for itself, which leads nowhere here)",
        f"policy of {len(policies)} pages: nothing beyond {', '.join(_ALLOWED)}; a script in the text of the page is blocked",
        _planted(project),
    ]


def _recorded(record: Path, own: str) -> tuple[set[str], set[str], int]:
    """By the NetLog of the browser's network stack: the hosts that pages of ``own`` asked, in whatever way; the addresses that
    anything has tried to connect to; and how often the browser asked its maker's services for itself."""
    text = record.read_text("utf-8")
    log = json.loads(text if text.rstrip().endswith("}") else text.rstrip().rstrip(",") + "]}")
    kinds = {number: name for name, number in log["constants"]["logEventTypes"].items()}
    asked, reached, of_its_own = set(), set(), 0
    for event in log["events"]:
        kind, said = kinds[event["type"]], event.get("params", {})
        if kind == "TCP_CONNECT_ATTEMPT" and "address" in said:
            reached.add(said["address"])
        if kind == "URL_REQUEST_START_JOB" and "url" in said:
            is_the_page = said["initiator"] == f"http://{own}" or "127.0.0.1" in said["network_isolation_key"]
            of_its_own += not is_the_page
            asked |= {urlsplit(said["url"]).netloc} if is_the_page else set()
    return asked, reached, of_its_own


def _policy(page: Remote, address: str, name: str) -> str:
    """The policy of a page, held to what it may say, and tried."""
    page.goto(f"{address}/{name}?provider=wasm&threads=1")
    found = _POLICY.search(page.content())
    if found is None:
        raise CheckError(f"{name} has no policy")
    said = {words[0]: set(words[1:]) for words in (part.split() for part in found[1].split(";")) if words}
    assert said.get("default-src") == {"'none'"}, f"{name} does not begin with nothing: {found[1]}"
    wide = {key: sources for key, sources in said.items() if not sources <= _ALLOWED.get(key, set())}
    assert not wide, f"{name} allows {wide}"
    blocked = page.evaluate(function(_INLINE))
    assert blocked.startswith("script-src"), f"{name}: a script in the page's text: {blocked}"
    return found[1]


def _planted(project: Project) -> str:
    """A page that asks somewhere else: its policy holds it back, and without the policy the check sees it."""
    source = (project.bundle / "app/main.js").read_text("utf-8")
    first = source.splitlines()[0]
    asks = {"app/main.js": (f"{first}\n", f"{first}\n{_ASK}")}
    policy = _POLICY.search((project.bundle / "index.html").read_text("utf-8"))
    assert policy is not None
    held = edited(project.bundle, project.hosted / "asking", asks)
    free = edited(
        project.bundle,
        project.hosted / "asking-freely",
        {**asks, "index.html": (policy[1], "script-src * 'unsafe-eval' blob:")},
    )
    with Chromium() as browser, file_host(project.hosted) as host:
        outcomes = []
        for copy in (held, free):
            with visit(browser, f"{host.address}/{copy.name}", serviceWorkers="block") as person:
                person.start()
                outcomes.append(
                    (any(item["text"] == _ELSEWHERE for item in person.requests()), " ".join(person.said()))
                )
    (held_asked, held_said), (free_asked, _) = outcomes
    assert not held_asked, "a planted request goes out"
    assert "Content Security Policy" in held_said, (
        f"the policy says nothing of a planted request: {held_said}"
    )
    assert free_asked, "a planted request of a page without a policy is not seen"
    return "a request planted in the page's code is held back by the policy, and is seen without it"
