"""Names that an app may have, and how the build tools read what carries one."""

from __future__ import annotations

import re

__all__ = ["NAMES", "android_label", "java_properties", "xcode_display_name"]

# What each is about: quoting of XML, of Android's resources, of Gradle's placeholders, of Xcode's settings, and letters.
NAMES = (
    "CloFormer",
    "Bird (β), v1.2 + more_-",
    "Käfer.Été",
    "昆虫",
    "𠮷野家",  # beyond 16 bits
    "🐦 Birds 👩\u200d🔬",  # joined by what is not seen
    "کتاب\u200cها",  # noqa: RUF001 - right to left, with a joiner
    "שלום",
    "Bob's Birds",
    '"Birds"',
    "<b>Birds</b> & more",
    "]]> &amp; &#39;",
    "@string/app_name",
    "?attr/label",
    r"C:\new\u0041\\",
    "${HOME} $(HOME) $HOME $$HOME $",
    "${appName}",
    "http:///birds//",
    "a // b; c;",
    "\\",
    ";",
    "#!=: x=y:z",
    "a  b",
    "`id` %s {0} ~*|^",
    "24",
    "true",
)


def java_properties(text: str) -> dict[str, str]:
    """As ``java.util.Properties.load`` reads a file whose lines are whole. The text is ISO 8859-1, two escapes make a
    letter beyond 16 bits."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, _, value = line.partition("=")
        value = re.sub(
            r"\\(u([0-9a-f]{4})|.)", lambda match: chr(int(match[2], 16)) if match[2] else match[1], value
        )
        found[name] = value.encode("utf-16", "surrogatepass").decode("utf-16")
    return found


def android_label(value: str) -> str:
    """As aapt2 reads an attribute that may be a reference or text."""
    if value.startswith(("@", "?")):
        raise ValueError(f"{value} refers to a resource")
    if "${" in value:
        raise ValueError(f"{value} holds a placeholder of Gradle's")
    return re.sub(
        r"\\(u([0-9a-f]{4})|.)", lambda match: chr(int(match[2], 16)) if match[2] else match[1], value
    )


def xcode_display_name(text: str) -> str:
    """As Xcode reads a configuration file (comments, the last semicolon), evaluates the setting, and evaluates the
    property list that its value stands in. A line that goes on in the next one is none of ours."""
    settings = {}
    for line in text.splitlines():
        name, _, value = line.partition("//")[0].partition("=")
        value = value.strip(" \t").removesuffix(";").rstrip(" \t")
        if value.endswith("\\"):
            raise ValueError(f"{line} goes on in the next line")
        settings[name.strip()] = value
    return _evaluated(_evaluated(settings["INFOPLIST_KEY_CFBundleDisplayName"], settings), settings)


def _evaluated(value: str, settings: dict[str, str]) -> str:
    return re.sub(
        r"\$(?:(\$)|\((\w+)\)|[({\[](.*?)[)}\]]|([A-Za-z_]\w*)|$)",
        lambda match: "$" if match[1] else settings[match[2]],
        value,
    )
