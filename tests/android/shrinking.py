"""What R8 leaves of the project: as class files that run here, and as dex files for a phone."""

from __future__ import annotations

import zipfile
from pathlib import Path

from checklist import run

from .compiled import HERE
from .parts import TEMPLATE, aar, versions
from .tools import JSON, java, kotlin_annotations, kotlin_library, shrink

CONSUMER_RULES = TEMPLATE / "ort/consumer-rules.pro"
_DEFAULT_RULES = HERE / "default-rules.pro"


def jar(target: Path, *folders: Path) -> Path:
    """Class files as an archive, which R8 wants."""
    with zipfile.ZipFile(target, "w") as file:
        for folder in folders:
            for path in sorted(folder.rglob("*.class")):
                file.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix()), path.read_bytes())
    return target


def java_classes(target: Path) -> Path:
    """Java's own classes at the release that is compiled for, from the table that `javac --release` reads: a JDK's
    classes themselves have what this R8, or Android, does not know."""
    release = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[int(versions()["java"])]
    symbols = Path(java()).parents[1] / "lib/ct.sym"
    with zipfile.ZipFile(symbols) as table, zipfile.ZipFile(target, "w") as file:
        for name in table.namelist():
            releases, module, path = (*name.split("/", 2), "", "")[:3]
            is_of_release = release in releases and "-" not in releases
            is_class = path.endswith(".sig") and not path.startswith("module-info")
            if is_of_release and is_class and module in ("java.base", "java.logging"):
                file.writestr(f"{path.removesuffix('.sig')}.class", table.read(name))
    return target


def shrink_program(work: Path, folders: list[Path], stubs: Path, *, is_with_rules: bool) -> Path:
    """The program of `Shrunk.kt`, with everything that it uses, as class files."""
    name = "shrunk" if is_with_rules else "shrunk-without-rules"
    rules = [_DEFAULT_RULES, HERE / "program-rules.pro", aar() / "proguard.txt"]
    rules += [CONSUMER_RULES] if is_with_rules else []
    program = [jar(work / f"{name}-program.jar", *folders), *_libraries_inside()]
    target = work / name
    shrink(program, _libraries_around(work, stubs), rules, target, 0, is_dex=False)
    return target


def _libraries_inside() -> list[Path]:
    return [aar() / "classes.jar", kotlin_library(), kotlin_annotations()]


def _libraries_around(work: Path, stubs: Path) -> list[Path]:
    """What a phone has."""
    return [java_classes(work / "java.jar"), jar(work / "android.jar", stubs), JSON]


def run_program(classes: Path, payload: Path, conformance: Path, libraries: Path) -> str:
    return run(
        java(), f"-Donnxruntime.native.path={libraries}", "-cp", f"{classes}:{JSON}",
        "io.github.cloformer.checks.ShrunkKt", payload, conformance,
        environment={"ORT_DISABLE_TELEMETRY": "1", "LD_LIBRARY_PATH": str(libraries)}, cwd=classes.parent,
    )  # fmt: skip


def dex(work: Path, folders: list[Path], stubs: Path, rules: list[Path], minimum: int) -> Path:
    """The app as dex files, shrunk."""
    program = [jar(work / "app-program.jar", *folders), *_libraries_inside()]
    rules = [_DEFAULT_RULES, aar() / "proguard.txt", CONSUMER_RULES, *rules]
    shrink(program, _libraries_around(work, stubs), rules, work / "dex", minimum, is_dex=True)
    return work / "dex"


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
