"""The Gradle files, which no Gradle reads here: what can be said of them by reading."""

from __future__ import annotations

import re
from pathlib import Path

from checklist import CheckError

from cloformer.export.bundle.runtimes import RUNTIMES

from .compiled import NAMESPACES, merged_manifest, read_xml
from .parts import TEMPLATE, settings, versions
from .parts import catalog as read_catalog
from .tools import kotlin

_LITERAL = re.compile(r"""["']\d+(?:\.\d+)+[\w.-]*["']|\b(?:compileSdk|minSdk|targetSdk) = \d""")
_ACCESSOR = re.compile(r"\blibs\.([a-z][\w.]*?)(?=\.get\(|[),\s])")
_ALLOWED_LITERALS = {'"1.0"'}  # the app's own version


def problems_of_versions() -> list[str]:
    """Versions that stand elsewhere than in the one file, names that it has not, and entries that nothing uses."""
    catalog = read_catalog()
    scripts = {path: path.read_text("utf-8") for path in sorted(TEMPLATE.rglob("*.gradle.kts"))}
    known = {
        **{f"versions.{name.replace('-', '.')}": name for name in catalog["versions"]},
        **{f"plugins.{name.replace('-', '.')}": name for name in catalog["plugins"]},
        **{name.replace("-", "."): name for name in catalog["libraries"]},
    }
    used, problems = set(), []
    for path, text in scripts.items():
        name = path.relative_to(TEMPLATE)
        code = re.sub(r"//.*", "", text)
        problems += [
            f"{name} has {item} of its own"
            for item in _LITERAL.findall(code)
            if item not in _ALLOWED_LITERALS
        ]
        for accessor in _ACCESSOR.findall(code):
            used.add(accessor)
            if accessor not in known:
                problems.append(f"{name} names libs.{accessor}, which libs.versions.toml has not")
    referred = {
        entry["version"]["ref"] for kind in ("libraries", "plugins") for entry in catalog[kind].values()
    }
    problems += [f"no version called {name}" for name in sorted(referred - set(catalog["versions"]))]
    used |= {f"versions.{name.replace('-', '.')}" for name in referred} | {"versions.gradle"}  # the README's
    problems += [f"nothing uses {name}" for accessor, name in known.items() if accessor not in used]
    if f"gradle wrapper --gradle-version {versions()['gradle']}" not in (TEMPLATE / "README.md").read_text(
        "utf-8"
    ):
        problems.append("the README names another Gradle")
    return problems


def problems_of_build() -> list[str]:
    """What the app's build must not lose."""
    app = (TEMPLATE / "app/build.gradle.kts").read_text("utf-8")
    settings_script = (TEMPLATE / "settings.gradle.kts").read_text("utf-8")
    wanted = {
        'noCompress += listOf("onnx", "tflite", "pte")': app,
        "useLegacyPackaging = false": app,
        "isMinifyEnabled = true": app,
        'rootProject.file("bundle.properties")': app,
        '":" + bundle.getProperty("runtime")': settings_script,
    }
    ort = (TEMPLATE / "ort/build.gradle.kts").read_text("utf-8")
    wanted |= {f'bundle.getProperty("{name}"': ort if name == "provider" else app for name in settings()}
    problems = [f"no {text}" for text, script in wanted.items() if text not in script]
    runtimes = [row.module for row in RUNTIMES.values() if row.module is not None]
    for name in runtimes:
        script = (TEMPLATE / name / "build.gradle.kts").read_text("utf-8")
        if 'consumerProguardFiles("consumer-rules.pro")' not in script:
            problems.append(f"{name} brings no rules")
    modules = [*re.findall(r'":(\w+)"', settings_script), *runtimes]
    problems += [
        f"no module {name}" for name in modules if not (TEMPLATE / name / "build.gradle.kts").exists()
    ]
    return problems


def syntax_errors(work: Path) -> list[str]:
    """What the Kotlin compiler's parser says of the scripts. The names in them are Gradle's, and not known here."""
    found = []
    for path in sorted(TEMPLATE.rglob("*.gradle.kts")):
        lines = path.read_text("utf-8").splitlines()
        imports = [line for line in lines if line.startswith("import ")]
        body = [line for line in lines if not line.startswith("import ")]
        name = path.relative_to(TEMPLATE).as_posix().replace("/", "-").removesuffix(".gradle.kts")
        script = work / "scripts" / f"{name}.kt"
        script.parent.mkdir(exist_ok=True)
        script.write_text("\n".join([*imports, "fun script() {", *body, "}"]), "utf-8")
        try:
            kotlin([script], [], work / "scripts" / name, name)
        except CheckError as error:
            found += [f"{name}: {line}" for line in str(error).splitlines() if "yntax error" in line]
    return found


def permissions() -> set[str]:
    name = f"{{{NAMESPACES['android']}}}name"
    return {element.get(name, "") for element in merged_manifest().iter("uses-permission")}


def removed() -> set[str]:
    """What the app takes out of the manifests of libraries."""
    name, node = f"{{{NAMESPACES['android']}}}name", f"{{{NAMESPACES['tools']}}}node"
    root = read_xml(TEMPLATE / "app/src/main/AndroidManifest.xml")
    return {element.get(name, "") for element in root.iter() if element.get(node) == "remove"}


def images_without_description() -> list[str]:
    """Views of the layouts that show a picture or a bar, and that a screen reader would be silent about."""
    android = f"{{{NAMESPACES['android']}}}"
    found = []
    for path in sorted((TEMPLATE / "app/src/main/res/layout").glob("*.xml")):
        for element in read_xml(path).iter():
            is_mute = element.tag in ("ImageView", "ImageButton", "ProgressBar")
            is_said = element.get(f"{android}contentDescription") or element.get(
                f"{android}importantForAccessibility"
            )
            if is_mute and not is_said:
                found.append(f"{path.name}: {element.tag} {element.get(f'{android}id')}")
    return found


def texts_outside_of_strings() -> list[str]:
    """Words in a layout, which could not be translated."""
    android = f"{{{NAMESPACES['android']}}}"
    return [
        f"{path.name}: {value}"
        for path in sorted((TEMPLATE / "app/src/main/res/layout").glob("*.xml"))
        for element in read_xml(path).iter()
        for key in ("text", "contentDescription", "hint")
        if (value := element.get(f"{android}{key}")) is not None and not value.startswith("@string/")
    ]
