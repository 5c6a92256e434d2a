"""The wheel works without the checkout, also beside a user's own ``export/`` and ``cli.py``."""

from __future__ import annotations

import os
import shlex
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from photographs import turned_heic, write_photographs
from PIL import Image

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, python: str) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    arguments = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*arguments, str(folder), str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def test_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"cloformer"}
    for name in (
        "cli.py",
        "export/pipeline/export.py",
        "export/schemas/manifest.schema.json",
        "export/schemas/parity.schema.json",
        "export/schemas/comparison.schema.json",
        "export/schemas/instruction-profile.schema.json",
        "export/schemas/latency.schema.json",
        "export/schemas/profile.schema.json",
        "export/schemas/device-report.schema.json",
        "deploy/android/.gitattributes",
        "deploy/android/settings.gradle.kts",
        "deploy/ios/.gitattributes",
        "deploy/ios/Package.swift",
        "deploy/web/.gitattributes",
        "deploy/web/index.html",
        "deploy/web/core/preprocessing.js",
        "export/reports/shared/page.css",
        "export/reports/shared/chart.css",
        "export/reports/shared/page.js",
        "export/reports/view/view.css",
        "export/reports/view/main.js",
        "export/commands/parity.py",
        "export/formats/coreml/mil/operators/linear.py",
        "export/data/chelsea.jpg",
        "weights/fashion-mnist.safetensors",
        "weights/fashion-mnist.md",
        "weights/fashion-mnist-LICENSE",
        "py.typed",
    ):
        assert f"cloformer/{name}" in names
    for path in (ROOT / "deploy").rglob("*"):
        if path.is_file() and not {"build", ".gradle", "node_modules"} & set(path.parts):
            assert f"cloformer/{path.relative_to(ROOT)}" in names
    assert not [name for name in names if "__pycache__" in name]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("launcher", ["module", "script"])
def test_in_a_project_with_the_same_names(wheel: Path, tmp_path: Path, python: str, launcher: str) -> None:
    site, project = tmp_path / "site", tmp_path / "project"
    zipfile.ZipFile(wheel).extractall(site)
    (project / "export").mkdir(parents=True)
    (project / "cli.py").write_text("raise RuntimeError('the user has a cli.py')\n")
    (project / "export" / "__init__.py").write_text("WIDTH = 4\n")
    (project / "export" / "nets.py").write_text(
        "import torch\nfrom export import WIDTH\n"
        "def build():\n    return torch.nn.Sequential(torch.nn.Conv2d(3, WIDTH, 3), torch.nn.ReLU())\n"
    )
    # What the console script does, which has its own folder in front of the path and not the current one.
    script = tmp_path / "bin" / "cloformer"
    script.parent.mkdir()
    # The tests' environment has this checkout on its path, which a user's has not.
    away = f"sys.path = [entry for entry in sys.path if entry != {str(ROOT)!r}]"
    script.write_text(f"import sys\n{away}\nfrom cloformer.__main__ import run\nsys.exit(run())\n")
    start = [python, "-m", "cloformer"] if launcher == "module" else [python, str(script)]
    environment = os.environ | {"PYTHONPATH": str(site)}
    arguments = ["export", "--model", "export.nets:build", "--image-size", "32", "--output", "out"]
    done = subprocess.run([*start, *arguments], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder = project / "out" / "export.nets.build-onnx-32-fp32"
    shown = subprocess.run(
        [*start, "inspect", str(folder)], cwd=project, env=environment, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    where = subprocess.run(
        [python, "-c", "import cloformer.export, cloformer.cli; print(cloformer.export.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(site))


@pytest.mark.parametrize(("system", "format_name"), [("android", "onnx"), ("ios", "coreml")])
def test_a_bundle_without_the_checkout(
    wheel: Path, tmp_path: Path, python: str, artifacts: dict[str, Path], system: str, format_name: str
) -> None:
    """The same project as from the checkout: nothing of the template is left out of the wheel."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    script = tmp_path / "bundle.py"
    away = f"sys.path = [entry for entry in sys.path if entry != {str(ROOT)!r}]"
    script.write_text(f"import sys\n{away}\nfrom cloformer.__main__ import run\nsys.exit(run())\n")
    environment = os.environ | {"PYTHONPATH": str(site)}
    for name, start in (("wheel", [python, str(script)]), ("checkout", [python, "-m", "cloformer"])):
        arguments = ["bundle", system, str(artifacts[format_name]), "--output", str(tmp_path / name)]
        place = {"cwd": tmp_path, "env": environment} if name == "wheel" else {"cwd": ROOT}
        done = subprocess.run([*start, *arguments], capture_output=True, text=True, **place)
        assert done.returncode == 0, done.stderr
    record = "cloformer-bundle.json"
    assert (tmp_path / "wheel" / record).read_bytes() == (tmp_path / "checkout" / record).read_bytes()


_TWO_HEADS = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, 2)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        features = torch.relu(self.stem(x)).mean((2, 3))
        return self.head(features), features

def build():
    return Two()
"""


def test_a_walk_from_ones_own_model_to_an_app(wheel: Path, tmp_path: Path, python: str) -> None:
    """Each command is the one that the command before printed, to which the photographs are added where it takes some."""
    site, project = tmp_path / "site", tmp_path / "my apps"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*install, str(site), str(wheel)], check=True)
    (project / "export").mkdir(parents=True)
    (project / "export" / "__init__.py").write_text("raise RuntimeError('the user has an export')\n")
    (project / "cli.py").write_text("raise RuntimeError('the user has a cli.py')\n")
    (project / "nets.py").write_text(_TWO_HEADS)
    (project / "labels.txt").write_bytes("\ufeffcat\r\ndog\r\nfish\r\n".encode())
    for name in ("cat", "dog", "fish"):
        (project / "photos" / name).mkdir(parents=True)
        for path in write_photographs(tmp_path / name):
            path.rename(project / "photos" / name / path.name)
        turned_heic(project / "photos" / name / "turned.heic", 6)
        sixteen = Image.fromarray(np.arange(48 * 36, dtype=np.uint16).reshape(36, 48) * 30)
        sixteen.save(project / "photos" / name / "sixteen.png")
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}

    def run(line: str, *more: str) -> str:
        words = [*shlex.split(line), *more]
        assert words[0] == "cloformer"
        done = subprocess.run(
            [site / "bin" / "cloformer", *words[1:]],
            cwd=project, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return next(
            text.partition("next: ")[2] for text in done.stdout.splitlines() if text.startswith("  next: ")
        )

    line = run("cloformer export nets.py:build --image-size 32 --labels labels.txt")
    assert line.startswith("cloformer parity build/nets.build-onnx-32-fp32-labels-")
    line = run(line, "--images", "photos")
    assert line.startswith("cloformer evaluate build/nets.build-onnx-32-")
    assert line.endswith(" --data photos")
    line = run(line)
    assert line.startswith("cloformer bundle android build/nets.build-onnx-32-")
    line = run(line)
    assert "apps/android" in line
    assert (project / "apps" / "android" / "settings.gradle.kts").is_file()
