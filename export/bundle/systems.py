"""The two systems that apps are made for. A third is a template, a row here, and its settings file."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable
from dataclasses import dataclass

from .settings import Settings, check_android, check_ios

__all__ = ["SYSTEMS", "System"]


@dataclass(frozen=True)
class System:
    """``payload`` and ``conformance`` are where the app and its tests look for the model and the kit;
    ``settings_file`` is what the build reads the app's name and identifier from, ``probe_test`` the test that only a bundle with a
    probe has."""

    name: str
    title: str
    payload: str
    conformance: str
    settings_file: str
    settings: Callable[[Settings], str]
    check: Callable[[Settings], None]
    default: Settings
    probe_test: str


# What means something to a manifest of Android (@ ? ' " \), to Gradle's placeholders in it (${}) or to XML, by number.
_BY_NUMBER = {ord(char): f"\\u{ord(char):04x}" for char in string.punctuation if char not in ".,()+-_"}
_NOTHING = "$(CLOFORMER_NOTHING)"  # an empty setting of Xcode's


def _properties(settings: Settings) -> str:
    """Gradle's, which puts the name into the app's manifest. Read as ISO 8859-1, so other letters are written by
    number, as in JSON: those beyond 16 bits by the two that stand for them."""
    name = settings.app_name.translate(_BY_NUMBER).replace("\\", r"\\")
    name = "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in name)
    return (
        "# Written by `cloformer bundle`; read by settings.gradle.kts and app/build.gradle.kts.\n"
        f"applicationId={settings.identifier}\n"
        f"appName={name}\n"
        f"minSdk={settings.minimum_os}\n"
    )


def _xcconfig(settings: Settings) -> str:
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


SYSTEMS = {
    row.name: row
    for row in (
        System(
            "android", "Android",
            "app/src/main/assets/cloformer", "app/src/androidTest/assets/conformance",
            "bundle.properties", _properties, check_android,
            Settings("com.example.cloformer", "CloFormer", "24"),
            "app/src/androidTest/kotlin/io/github/cloformer/app/ProbeTest.kt",
        ),
        System(
            "ios", "iOS",
            "App/Payload", "Tests/Conformance",
            "Bundle.xcconfig", _xcconfig, check_ios,
            Settings("com.example.cloformer", "CloFormer", "16.0"),
            "Tests/Sources/ProbeTests.swift",
        ),
    )
}  # fmt: skip
