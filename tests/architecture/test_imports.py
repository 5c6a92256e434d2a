"""Who may import whom: cli -> export -> cloformer, never back; the folders of formats each on their own."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXPORT = ROOT / "export"
# Which format's folder may import a framework; nothing else may.
OWNERS = {
    "onnx": "onnx", "onnxsim": "onnx", "onnxruntime": "onnx", "coremltools": "coreml",
    "litert_torch": "litert", "ai_edge_litert": "litert", "flatbuffers": "litert",
    "executorch": "executorch",
}  # fmt: skip
FRAMEWORKS = OWNERS.keys()


def imports(path: Path, package: str) -> set[str]:
    """Absolute names of all modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            found |= {prefix, *(f"{prefix}.{alias.name}" for alias in node.names)}
    return found


def package_of(path: Path) -> str:
    return ".".join(["cloformer", *path.relative_to(ROOT).parent.parts])


MODEL_FILES = [
    path for path in sorted((ROOT / "cloformer").glob("*.py")) if path.name not in ("cli.py", "__main__.py")
]
EXPORT_FILES = sorted(EXPORT.rglob("*.py"))
TRAINING_FILES = sorted((ROOT / "cloformer" / "training").rglob("*.py"))


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.name)
def test_the_model_knows_nothing_of_the_toolchain(path: Path) -> None:
    names = imports(path, "cloformer")
    assert not [
        name for name in names if name.startswith(("cloformer.export", "cloformer.cli", "export", "cli"))
    ]
    allowed = {"torch", "safetensors", "cloformer"} | sys.stdlib_module_names
    assert {name.partition(".")[0] for name in names} <= allowed
    assert not [name for name in names if name.startswith("cloformer.training")]


TOOLCHAIN_FILES = [path for path in EXPORT_FILES if path.parent.name != "commands"]
COMMAND_LINE = ("cloformer.cli", "cli", "cloformer.export.commands", "typer", "rich", "click")


@pytest.mark.parametrize("path", TOOLCHAIN_FILES, ids=lambda path: path.relative_to(EXPORT).as_posix())
def test_the_toolchain_knows_nothing_of_the_command_line(path: Path) -> None:
    """The commands that have a file of their own are the command line's, not the toolchain's."""
    assert not [name for name in imports(path, package_of(path)) if name.startswith(COMMAND_LINE)]
    assert not [name for name in imports(path, package_of(path)) if name.startswith("cloformer.training")]


@pytest.mark.parametrize("path", TRAINING_FILES, ids=lambda path: path.name)
def test_training_stands_on_the_toolchain(path: Path) -> None:
    """It reads images and writes files as the toolchain does, and knows nothing of the command line or of formats."""
    names = imports(path, package_of(path))
    assert not [name for name in names if name.startswith(COMMAND_LINE)]
    assert not {name.partition(".")[0] for name in names} & FRAMEWORKS
    assert "torchvision" not in {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", EXPORT_FILES, ids=lambda path: path.relative_to(EXPORT).as_posix())
def test_a_framework_is_imported_in_its_formats_folder_alone(path: Path) -> None:
    used = {module.partition(".")[0] for module in imports(path, package_of(path))} & FRAMEWORKS
    folder = path.relative_to(EXPORT).parts[:2]
    assert all(folder == ("formats", OWNERS[framework]) for framework in used)


FORMAT_FOLDERS = sorted({*OWNERS.values()})


@pytest.mark.parametrize("folder", FORMAT_FOLDERS)
def test_the_folders_of_formats_never_import_one_another(folder: str) -> None:
    others = tuple(f"cloformer.export.formats.{other}" for other in FORMAT_FOLDERS if other != folder)
    files = sorted((EXPORT / "formats" / folder).rglob("*.py"))
    assert files
    for path in files:
        assert not [name for name in imports(path, package_of(path)) if name.startswith(others)]


REPORTS = EXPORT / "reports"
SUBJECTS = sorted(path.name for path in REPORTS.iterdir() if (path / "__init__.py").is_file())


@pytest.mark.parametrize("subject", SUBJECTS)
def test_reports_on_a_subject_import_no_other_subjects(subject: str) -> None:
    """What several subjects use is in ``shared``, which knows none of them."""
    allowed = {subject, "shared"}
    prefix = "cloformer.export.reports."
    for path in sorted((REPORTS / subject).rglob("*.py")):
        names = [name for name in imports(path, package_of(path)) if name.startswith(prefix)]
        assert {name.removeprefix(prefix).partition(".")[0] for name in names} <= allowed, path
    assert set(SUBJECTS) > allowed


def test_what_reports_share_knows_no_subject() -> None:
    """It is given names, numbers and lines, and reads no type of the toolchain."""
    for path in sorted((REPORTS / "shared").glob("*.py")):
        names = [name for name in imports(path, package_of(path)) if name.startswith("cloformer.export.")]
        assert not [name for name in names if not name.startswith("cloformer.export.reports.shared")], path


def test_passes_know_no_class_of_the_network() -> None:
    for path in (EXPORT / "passes").glob("*.py"):
        assert not [name for name in imports(path, package_of(path)) if name.startswith("cloformer.model")]


def test_a_row_owns_all_that_is_its_formats() -> None:
    import tomllib

    from cloformer.export.bundle.runtimes import RUNTIMES
    from cloformer.export.formats import FORMATS

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    for name, row in FORMATS.items():
        folder = EXPORT / "formats" / name
        assert row.name == name == folder.name
        assert {"__init__.py", "exporter.py", "passes.py"} <= {path.name for path in folder.iterdir()}
        assert row.extra in (None, *extras)
        assert row.missing == [] or row.extra is not None
        assert row.runners and all(runner.format == name for runner in row.runners.values())
        systems = [runtime.system for runtime in RUNTIMES.values() if runtime.format == name]
        assert systems == list(row.app_systems)
        for runner in row.runners.values():
            assert (EXPORT / "formats" / runner.module.replace(".", "/")).with_suffix(".py").is_file()


def test_formats_are_named_in_their_own_folders_alone() -> None:
    """Adding a format touches its folder and its row: the command line and the pipeline know none by name."""
    for folder in ("pipeline", "artifact", "source", "parity"):
        for path in (EXPORT / folder).rglob("*.py"):
            names = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if _is_text(node)}
            allowed = (
                {"onnx"} if path.name == "request.py" else {"coreml"} if path.name == "headroom.py" else set()
            )
            assert not names & {"onnx", "coreml", "mil", "opset"} - allowed, path


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_help_loads_no_framework() -> None:
    code = (
        "import sys; sys.argv = ['cloformer', '--help']\n"
        "from cloformer.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'coremltools', 'onnx', 'onnxruntime', 'rich', 'PIL'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_onnxruntime_sends_no_telemetry() -> None:
    code = "import os, cloformer.export.formats.onnx.runner; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "1"
