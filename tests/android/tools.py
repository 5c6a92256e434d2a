"""The compilers and build tools, each as a function."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from checklist import run

from .parts import DEBIAN, build_tools, part, r8, versions

JUNIT = (Path("/usr/share/java/junit4.jar"), Path("/usr/share/java/hamcrest-core.jar"))
JSON = DEBIAN["libandroid-json-java"]


def java(program: str = "java") -> str:
    """A program of the JDK that Debian's package installs, whatever else there is."""
    return str(DEBIAN["openjdk-17-jdk-headless"].with_name(program))


def classpath(parts: Iterable[Path]) -> str:
    return os.pathsep.join(str(part) for part in parts)


@cache
def kotlin_library() -> Path:
    return part("kotlin-compiler") / "package/lib/kotlin-stdlib.jar"


@cache
def kotlin_annotations() -> Path:
    (found,) = (part("kotlin-compiler") / "package/lib").glob("annotations-*.jar")
    return found


def sources(*folders: Path, suffix: str = ".kt") -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob(f"*{suffix}"))


def kotlin(files: Sequence[Path], classes: Sequence[Path], target: Path, module: str) -> None:
    """Compile; a warning is an error."""
    jar = part("kotlin-compiler") / "package/lib/kotlin-compiler.jar"
    run(
        java(), "-Xmx1500m", "-cp", jar, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        "-no-stdlib", "-no-reflect", "-Werror", "-module-name", module, "-jvm-target", versions()["java"],
        "-cp", classpath([kotlin_library(), *classes]), "-d", target, *files,
    )  # fmt: skip


def javac(files: Sequence[Path], classes: Sequence[Path], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    listing = target.parent / f"{target.name}.sources"
    listing.write_text("\n".join(map(str, files)), "utf-8")
    run(
        java("javac"), "-nowarn", "-Xlint:none", "-encoding", "utf-8", "--release", versions()["java"],
        "-cp", classpath(classes), "-d", target, f"@{listing}",
    )  # fmt: skip


def junit(
    classes: Sequence[Path], tests: Sequence[str], properties: Mapping[str, object], libraries: Path
) -> str:
    """Run JUnit's tests in a JVM that finds native libraries in ``libraries``."""
    given = [f"-D{name}={value}" for name, value in {**properties, "java.library.path": libraries}.items()]
    return run(
        java(), "-Xmx1g", *given, "-cp", classpath([kotlin_library(), JSON, *JUNIT, *classes]),
        "org.junit.runner.JUnitCore", *tests,
        environment={"ORT_DISABLE_TELEMETRY": "1", "LD_LIBRARY_PATH": str(libraries)},
    )  # fmt: skip


def shrink(program: Sequence[Path], libraries: Sequence[Path], rules: Sequence[Path], target: Path, minimum: int,
           *, is_dex: bool) -> None:  # fmt: skip
    """R8: into dex files for Android, or into class files."""
    target.mkdir(parents=True, exist_ok=True)
    options = ["--min-api", minimum] if is_dex else ["--classfile"]
    run(
        java(), "-Xmx1500m", "-cp", r8(), "com.android.tools.r8.R8", "--release", *options,
        *(item for library in libraries for item in ("--lib", library)),
        *(item for rule in rules for item in ("--pg-conf", rule)),
        "--output", target, *program,
    )  # fmt: skip


def aapt2(*arguments: object) -> str:
    return run(build_tools() / "aapt2", *arguments)
