"""The project's modules, compiled as Gradle would: each against those below it, warnings as errors."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from .declarations import Symbol, read_declarations
from .parts import TEMPLATE, aar, build_tools, part, settings, versions
from .stubs import Stubs
from .tools import JSON, JUNIT, aapt2, javac, kotlin, kotlin_annotations, sources

# Sources of the tests that run on this machine, and stand-ins for the libraries that only tests on phones use.
HERE = Path(__file__).parent
CORE, CLASSIFIER, ORT, APP = (
    TEMPLATE / module / "src/main/kotlin" for module in ("core", "classifier", "ort", "app")
)
# Modules of runtimes whose libraries no registry here carries: what stands in their place is written in `runtimes`.
SIGNED = {name: TEMPLATE / name / "src/main/kotlin" for name in ("litert", "executorch")}
ON_PHONES = TEMPLATE / "app/src/androidTest/kotlin"
NAMESPACE = "io.github.cloformer.app"
NAMESPACES = {
    "android": "http://schemas.android.com/apk/res/android",
    "tools": "http://schemas.android.com/tools",
}
_IMPORT = re.compile(r"^import (android\.[\w.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Compiled:
    """Folders of class files; ``stand_ins`` has what stands in the place of LiteRT's and ExecuTorch's libraries, ``resources`` is the app's package with its manifest and resources alone."""

    core: Path
    classifier: Path
    ort: Path
    litert: Path
    executorch: Path
    stand_ins: Path
    app: Path
    on_phones: Path
    stubs: Path
    resources: Path
    r_class: Path


def compile_modules(work: Path) -> Compiled:
    stubs = _stubs(work)
    runtime, annotations = aar() / "classes.jar", kotlin_annotations()
    found = Compiled(
        work / "core",
        work / "classifier",
        work / "ort",
        work / "litert",
        work / "executorch",
        work / "stand-ins",
        work / "app",
        work / "on-phones",
        stubs,
        work / "resources.apk",
        work / "r",
    )
    kotlin(sources(CORE), [JSON], found.core, "core")
    android = [found.core, stubs, annotations]
    kotlin(sources(CLASSIFIER), android, found.classifier, "classifier")
    android.append(found.classifier)
    javac([_build_config("ort", "PROVIDER", "", work)], [], found.ort)
    kotlin(sources(ORT), [*android, runtime, found.ort], work / "ort-kotlin", "ort")
    shutil.copytree(work / "ort-kotlin", found.ort, dirs_exist_ok=True)
    for name, folder in SIGNED.items():
        kotlin(sources(HERE / "runtimes" / name), [stubs], found.stand_ins, f"{name}-library")
        javac([_build_config(name, "RUNTIME_VERSION", versions()[name], work)], [], work / name)
        kotlin(sources(folder), [*android, found.stand_ins, work / name], work / name, name)
    link_resources(work, found.resources)
    javac(sources(work / "generated", suffix=".java"), [], found.r_class)
    kotlin(sources(APP), [*android, found.ort, found.r_class], found.app, "app")
    javac(sources(HERE / "androidx", suffix=".java"), [stubs, *JUNIT], work / "androidx")
    kotlin(
        sources(ON_PHONES),
        [*android, found.ort, found.app, work / "androidx", *JUNIT], found.on_phones, "test",
    )  # fmt: skip
    return found


@cache
def declarations() -> dict[str, Symbol]:
    return read_declarations(
        part("@nativescript/types-android") / "package/lib/android/android-platform-37.d.ts"
    )


def android_classes() -> set[str]:
    """The top-level classes of Android that the project's sources import."""
    imports = {
        name
        for path in sources(CLASSIFIER, ORT, *SIGNED.values(), APP, ON_PHONES)
        for name in _IMPORT.findall(path.read_text("utf-8"))
    }
    imports.add("android.app.Instrumentation")  # what the stand-in for AndroidX's tests gives
    return {re.match(r"((?:[a-z]\w*\.)+[A-Z]\w*)", name)[1] for name in imports}  # type: ignore[index]


def _build_config(name: str, field: str, value: str, work: Path) -> Path:
    """The class that Gradle makes of a module's `buildConfigField`."""
    source = work / f"{name}-sources" / "BuildConfig.java"
    source.parent.mkdir(parents=True)
    source.write_text(
        f"package io.github.cloformer.{name};\n\npublic final class BuildConfig {{\n"
        f'    public static final String {field} = "{value}";\n}}\n',
        "utf-8",
    )
    return source


def _stubs(work: Path) -> Path:
    written = Stubs(part("chaquopy-stubs-android"), declarations()).write(
        android_classes(), work / "stub-sources"
    )
    javac(written, [kotlin_annotations()], work / "stubs")
    return work / "stubs"


def merged_manifest() -> ElementTree.ElementTree:
    """The app's manifest with what Gradle puts in and takes out. The libraries' own have nothing to add to it."""
    for prefix, address in NAMESPACES.items():
        ElementTree.register_namespace(prefix, address)
    root = read_xml(TEMPLATE / "app/src/main/AndroidManifest.xml")
    root.set("package", NAMESPACE)
    android = f"{{{NAMESPACES['android']}}}"
    for application in root.iter("application"):
        application.set(f"{android}label", settings()["appName"])
        application.set(f"{android}extractNativeLibs", "false")  # what `useLegacyPackaging = false` comes to
    for parent in list(root.iter()):
        for element in list(parent):
            if element.get(f"{{{NAMESPACES['tools']}}}node") == "remove":
                parent.remove(element)
    return ElementTree.ElementTree(root)


def read_xml(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314 - files of our own


def link_resources(work: Path, target: Path) -> None:
    """Check and pack manifest and resources; writes the app's R class as a Java source too."""
    package = TEMPLATE / "app/src/main"
    compiled = work / "resources.zip"
    aapt2("compile", "--dir", package / "res", "-o", compiled)
    manifest = work / "AndroidManifest.xml"
    merged_manifest().write(manifest, "utf-8", xml_declaration=True)
    aapt2(
        "link", "-o", target, "-I", build_tools() / "android.jar", "--manifest", manifest, "--java", work / "generated",
        "--proguard", work / "resources.pro",
        "--min-sdk-version", settings()["minSdk"], "--target-sdk-version", versions()["target-sdk"],
        "--version-code", 1, "--version-name", "1.0", "--rename-manifest-package", settings()["applicationId"],
        compiled,
    )  # fmt: skip
