"""What a project is called and which systems it runs on, checked as the stores check it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloformer.errors import UsageError
from cloformer.io.numbers import whole

__all__ = ["DEFAULT_IDENTIFIER", "Settings", "check_android", "check_ios", "check_web"]

DEFAULT_IDENTIFIER = "com.example.cloformer"  # of an app, if nobody gives another
MIN_SDK = 24  # of ONNX Runtime's and LiteRT's libraries for Android
MAX_SDK = 99
MIN_IOS = 16

_ANDROID_ID = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(\.[a-zA-Z][a-zA-Z0-9_]*)+")
_IOS_ID = re.compile(r"[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+")
_LONGEST_ID = 155  # of a bundle identifier; a longer name serves nobody on Android either
_LONGEST_NAME = 50
_JOINERS = dict.fromkeys(
    map(ord, "\u200c\u200d")
)  # seen by what they do: to letters of Persian, and to emoji
# No part of an application ID may be one of Java's own words.
_JAVA_WORDS = frozenset(
    (
        "abstract", "assert", "boolean", "break", "byte", "case", "catch", "char", "class", "const", "continue",
        "default", "do", "double", "else", "enum", "extends", "false", "final", "finally", "float", "for", "goto",
        "if", "implements", "import", "instanceof", "int", "interface", "long", "native", "new", "null", "package",
        "private", "protected", "public", "return", "short", "static", "strictfp", "super", "switch",
        "synchronized", "this", "throw", "throws", "transient", "true", "try", "void", "volatile", "while",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """``identifier`` is the application ID on Android and the bundle identifier on iOS; ``minimum_os`` an API
    level (24) or an iOS version (16.0). A web page has neither."""

    identifier: str | None
    app_name: str
    minimum_os: str | None

    def to_json(self) -> dict[str, str]:
        said = {"identifier": self.identifier, "app_name": self.app_name, "minimum_os": self.minimum_os}
        return {name: value for name, value in said.items() if value is not None}


def check_android(settings: Settings) -> None:
    """Raises :class:`UsageError`, which names the option to change."""
    _check_identifier(
        settings.identifier,
        _ANDROID_ID,
        "two or more words joined by dots, each a letter, then letters, digits, _",
    )
    reserved = sorted(set((settings.identifier or "").split(".")) & _JAVA_WORDS)
    if reserved:
        raise UsageError(
            f"--package {settings.identifier}: {reserved[0]!r} is a word of Java's own", "use another"
        )
    _check_name(settings.app_name)
    try:
        whole(settings.minimum_os or "", MIN_SDK, MAX_SDK)
    except ValueError:
        raise UsageError(
            f"--min-os {settings.minimum_os} is not an API level from {MIN_SDK} to {MAX_SDK}",
            f"the app and its runtime need {MIN_SDK} (Android 7); for Android 8 on: --min-os 26",
        ) from None


def check_ios(settings: Settings) -> None:
    """Raises :class:`UsageError`, which names the option to change."""
    _check_identifier(
        settings.identifier, _IOS_ID, "two or more words of letters, digits and -, joined by dots"
    )
    _check_name(settings.app_name)
    version = re.fullmatch(r"([0-9]{1,2})(\.[0-9]{1,2})?", settings.minimum_os or "")
    if version is None or int(version[1]) < MIN_IOS:
        raise UsageError(
            f"--min-os {settings.minimum_os} is not an iOS version from {MIN_IOS}.0 to 99.99",
            f"the Core ML programs that are exported, and the app, need iOS {MIN_IOS}; for a later one: --min-os 16.4",
        )


def check_web(settings: Settings) -> None:
    """Raises :class:`UsageError`, which names the option to change."""
    if settings.identifier is not None:
        raise UsageError("--package is an app's identifier, and a web page has none", "leave --package out")
    if settings.minimum_os is not None:
        raise UsageError(
            "--min-os is of an app, and a web page runs where its browser runs", "leave --min-os out"
        )
    _check_name(settings.app_name)


def _check_identifier(given: str | None, form: re.Pattern[str], words: str) -> None:
    text = given or ""
    if len(text) > _LONGEST_ID or form.fullmatch(text) is None:
        raise UsageError(
            f"--package {text[:80]!r} is not an identifier", f"it takes {words}: com.example.app"
        )


def _check_name(text: str) -> None:
    """Whatever can be shown is a name: :mod:`.systems` writes it so that quotes and their like mean themselves."""
    shown = text.translate(_JOINERS)
    if not shown or not shown.isprintable() or text != text.strip() or len(text) > _LONGEST_NAME:
        raise UsageError(
            f"--app-name {text[:80]!r} is not a name for an app",
            f"it takes 1 to {_LONGEST_NAME} characters that can be seen, and no blank at either end: "
            "--app-name 'Bird Finder'",
        )
