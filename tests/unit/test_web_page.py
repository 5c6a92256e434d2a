"""The page of a web bundle, as it lies in the template: what its files say without a browser."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import cloformer
from cloformer.export.bundle.served import HEADERS

WEB = Path(cloformer.__file__).parent / "deploy" / "web"
PAGES = ("index.html", "conformance.html")
SCRIPTS = sorted(path for folder in ("app", "core") for path in (WEB / folder).glob("*.js"))
_NAMESPACES = (
    r"www\.w3\.org/2000/svg|ns\.adobe\.com/xap/1\.0/"  # names in files, which nobody asks for anything
)
_WRITTEN_BY_BUNDLE = ("runtime/", "payload/", "conformance/", "settings.json", "files.json")


class _Page(HTMLParser):
    """Every element of a page, as its name and its attributes, and what stands between the tags of scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._inside = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.inline += data.strip() if self._inside else ""

    def all(self, name: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(name)) is not None]

    @property
    def policy(self) -> str:
        (policy,) = (
            attributes["content"]
            for tag, attributes in self.elements
            if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy is not None
        return policy


def _directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in policy.split(";") if part.strip())}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_allows_its_own_files_alone(name: str) -> None:
    directives = _directives(_Page(WEB / name).policy)
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == ["'self'", "'wasm-unsafe-eval'"]
    allowed = {word for values in directives.values() for word in values}
    assert allowed <= {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:"}
    assert {place for place, words in directives.items() if "blob:" in words} <= {"img-src", "media-src"}


def test_the_worker_and_serve_give_every_file_the_policy_of_the_pages() -> None:
    source = (WEB / "sw.js").read_text("utf-8")
    header = source[
        source.index('"Content-Security-Policy"') : source.index(
            "};", source.index('"Content-Security-Policy"')
        )
    ]
    written = "".join(re.findall(r'"([^"]*)"', header.split(":", 1)[1]))
    given = _directives(written)
    assert given == _directives(HEADERS["Content-Security-Policy"])
    assert given.pop("frame-ancestors") == ["'none'"]  # which a page cannot say of itself
    assert all(given == _directives(_Page(WEB / name).policy) for name in PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_script_or_style_of_its_own(name: str) -> None:
    page = _Page(WEB / name)
    assert page.inline == ""
    assert all(tag != "style" for tag, _ in page.elements)
    attributes = {attribute for _, found in page.elements for attribute in found}
    assert not {attribute for attribute in attributes if attribute == "style" or attribute.startswith("on")}


@pytest.mark.parametrize("path", [*SCRIPTS, WEB / "sw.js"], ids=lambda path: path.name)
def test_nothing_is_made_of_text_but_text(path: Path) -> None:
    source = path.read_text("utf-8")
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setHTML"
    assert not re.findall(markup, source)
    assert not re.findall(rf"https?://(?!{_NAMESPACES})\S+", source)


@pytest.mark.parametrize("name", [*PAGES, "app.css", "app.webmanifest"])
def test_nothing_of_another_host_is_named(name: str) -> None:
    assert not re.findall(r"(?:https?:)?//[\w.]+\.\w+", (WEB / name).read_text("utf-8"))


def test_every_file_that_is_named_is_there() -> None:
    named = {WEB / place for page in PAGES for place in _Page(WEB / page).all("src")}
    named |= {WEB / place for page in PAGES for place in _Page(WEB / page).all("href") if place[0] != "#"}
    manifest = json.loads((WEB / "app.webmanifest").read_text("utf-8"))
    named |= {WEB / icon["src"] for icon in manifest["icons"]}
    named |= {module for script in SCRIPTS for module in _imports(script)}
    assert len(named) > 30
    assert [path for path in sorted(named) if not path.is_file()] == []


@pytest.mark.parametrize(
    ("page", "scripts"),
    [
        ("index.html", "main chooser offline trouble intake measuring results"),
        ("conformance.html", "conformance chooser offline trouble vectors"),
    ],
)
def test_a_page_has_what_its_scripts_look_for(page: str, scripts: str) -> None:
    ids = _Page(WEB / page).all("id")
    assert len(ids) == len(set(ids))
    looked_for = {found for name in scripts.split() for found in _ids(WEB / "app" / f"{name}.js")}
    assert len(looked_for) > 12
    assert looked_for - set(ids) == set()


def test_icons_have_the_sizes_that_are_said() -> None:
    for icon in json.loads((WEB / "app.webmanifest").read_text("utf-8"))["icons"]:
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", (WEB / icon["src"]).read_bytes()[16:24])
            assert f"{width}x{height}" == icon["sizes"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("text", "surface"), ("text", "raised"), ("text", "container"), ("text-soft", "surface"), ("text-soft", "raised"),
        ("text-soft", "container"), ("on-primary", "primary"), ("on-primary", "primary-hover"), ("on-tonal", "tonal"),
        ("on-tonal", "tonal-hover"), ("on-good", "good-container"), ("on-bad", "bad-container"), ("good", "raised"),
        ("bad", "raised"), ("primary", "surface"), ("primary", "raised"), ("good-container", "good"), ("bad-container", "bad"),
    ],
)  # fmt: skip
def test_text_can_be_read(scheme: str, text: str, ground: str) -> None:
    """By WCAG 2.2, level AA: 4.5 to 1."""
    colours = _colours(scheme)
    lighter, darker = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def _imports(path: Path) -> Iterator[Path]:
    for place in re.findall(r'(?:from|import\(|new URL\()\s*"(\.[^"]+)"', path.read_text("utf-8")):
        found = (path.parent / place).resolve()
        if not place.endswith("/") and not found.relative_to(WEB.resolve()).as_posix().startswith(
            _WRITTEN_BY_BUNDLE
        ):
            yield found


def _ids(path: Path) -> list[str]:
    return re.findall(r'\belement\("([\w-]+)"', path.read_text("utf-8"))


def _colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", (WEB / "app.css").read_text("utf-8"), re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return found if scheme == "light" else {**found, **dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))}


def _luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, by WCAG 2.2."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
