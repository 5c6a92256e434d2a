"""The two systems that apps are made for. A third is a template, a row here, and its settings file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..formats import FORMATS
from .settings import Settings, check_android, check_ios

__all__ = ["SYSTEMS", "System"]


@dataclass(frozen=True)
class System:
    """``payload`` and ``conformance`` are where the app and its tests look for the model and the kit;
    ``settings_file`` is what the build reads the app's name and identifier from."""

    name: str
    title: str
    payload: str
    conformance: str
    settings_file: str
    settings: Callable[[Settings], str]
    check: Callable[[Settings], None]
    default: Settings

    @property
    def format(self) -> str:
        """The format whose row says that these apps carry it."""
        return next(row.name for row in FORMATS.values() if row.app_system == self.name)


def _properties(settings: Settings) -> str:
    """Gradle's: read as ISO 8859-1, so other letters are written by number."""
    name = "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in settings.app_name)
    return (
        "# Written by `cloformer bundle`; read by app/build.gradle.kts.\n"
        f"applicationId={settings.identifier}\n"
        f"appName={name}\n"
        f"minSdk={settings.minimum_os}\n"
    )


def _xcconfig(settings: Settings) -> str:
    return (
        "// Written by `cloformer bundle`; read by the Xcode project.\n"
        f"PRODUCT_BUNDLE_IDENTIFIER = {settings.identifier}\n"
        f"INFOPLIST_KEY_CFBundleDisplayName = {settings.app_name}\n"
        f"IPHONEOS_DEPLOYMENT_TARGET = {settings.minimum_os}\n"
    )


SYSTEMS = {
    row.name: row
    for row in (
        System(
            "android", "Android",
            "app/src/main/assets/cloformer", "app/src/androidTest/assets/conformance",
            "bundle.properties", _properties, check_android,
            Settings("com.example.cloformer", "CloFormer", "24"),
        ),
        System(
            "ios", "iOS",
            "App/Payload", "Tests/Conformance",
            "Bundle.xcconfig", _xcconfig, check_ios,
            Settings("com.example.cloformer", "CloFormer", "16.0"),
        ),
    )
}  # fmt: skip
