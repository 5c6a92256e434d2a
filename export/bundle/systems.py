"""The systems that apps are made for, of which the browser is one. Another is a template, a row here, and its settings file."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cloformer.io.write import canonical_json

from .settings import DEFAULT_IDENTIFIER, Settings, check_android, check_ios, check_web

__all__ = ["SYSTEMS", "System"]


@dataclass(frozen=True)
class System:
    """``product`` is what a user gets. ``payload`` and ``conformance`` are where the app and its tests look for the model and the kit, ``library`` where the
    runtime's own files go if the project carries them; ``settings_file`` is what the build or the page reads the app's name and
    the like from, out of the settings and what :mod:`.project` adds to them. ``probe_test`` is the test that only a bundle with a
    probe has, ``list_file`` the list of the files that a page loads, for what keeps them in the browser; None where there is no
    such thing."""

    name: str
    title: str
    product: str
    payload: str
    conformance: str
    settings_file: str
    settings: Callable[[Settings, Mapping[str, object]], str]
    check: Callable[[Settings], None]
    default: Settings
    probe_test: str | None = None
    library: str | None = None
    list_file: str | None = None

    @property
    def own_folders(self) -> tuple[str, ...]:
        """What is in these is cloformer's alone: it is not edited, and a second bundle replaces it."""
        return tuple(name for name in (self.payload, self.conformance, self.library) if name is not None)


# What means something to a manifest of Android (@ ? ' " \), to Gradle's placeholders in it (${}) or to XML, by number.
_BY_NUMBER = {ord(char): f"\\u{ord(char):04x}" for char in string.punctuation if char not in ".,()+-_"}
_NOTHING = "$(CLOFORMER_NOTHING)"  # an empty setting of Xcode's


def _properties(settings: Settings, added: Mapping[str, object]) -> str:
    """Gradle's, which puts the name into the app's manifest. Read as ISO 8859-1, so other letters are written by
    number, as in JSON: those beyond 16 bits by the two that stand for them."""
    name = settings.app_name.translate(_BY_NUMBER).replace("\\", r"\\")
    name = "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in name)
    return (
        "# Written by `cloformer bundle`; read by settings.gradle.kts and app/build.gradle.kts.\n"
        f"applicationId={settings.identifier}\n"
        f"appName={name}\n"
        f"minSdk={settings.minimum_os}\n"
    ) + "".join(f"{key}={added[key]}\n" for key in ("runtime", "abis", "provider") if key in added)


def _xcconfig(settings: Settings, added: Mapping[str, object]) -> str:  # noqa: ARG001 - Xcode builds nothing by it
    """Xcode's, which takes the rest of a line as it is, but for // and what ends it (; or a backslash), and evaluates the
    name twice: as a setting, and as a value of the property list that it goes into. $$ stands for $ each time."""
    name = re.sub(r"(?<=/)(?=/)|(?<=[;\\])$", _NOTHING, settings.app_name.replace("$", "$$$$"))
    nothing = f"{_NOTHING[2:-1]} =\n" if _NOTHING in name else ""
    return (
        "// Written by `cloformer bundle`; read by the Xcode project.\n"
        f"PRODUCT_BUNDLE_IDENTIFIER = {settings.identifier}\n"
        f"INFOPLIST_KEY_CFBundleDisplayName = {name}\n"
        f"IPHONEOS_DEPLOYMENT_TARGET = {settings.minimum_os}\n{nothing}"
    )


def _page(settings: Settings, added: Mapping[str, object]) -> str:
    """The page's, which shows the name as text."""
    return canonical_json({"app_name": settings.app_name, **added})


SYSTEMS = {
    row.name: row
    for row in (
        System(
            "android", "Android", "Android app",
            "app/src/main/assets/cloformer", "app/src/androidTest/assets/conformance",
            "bundle.properties", _properties, check_android,
            Settings(DEFAULT_IDENTIFIER, "CloFormer", "24"),
            "app/src/androidTest/kotlin/io/github/cloformer/app/ProbeTest.kt",
        ),
        System(
            "ios", "iOS", "iOS app",
            "App/Payload", "Tests/Conformance",
            "Bundle.xcconfig", _xcconfig, check_ios,
            Settings(DEFAULT_IDENTIFIER, "CloFormer", "16.0"),
            "Tests/Sources/ProbeTests.swift",
        ),
        System(
            "web", "Web", "web page",
            "payload", "conformance",
            "settings.json", _page, check_web,
            Settings(None, "CloFormer", None),
            library="runtime", list_file="files.json",
        ),
    )
}  # fmt: skip
