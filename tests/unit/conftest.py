"""A saved ML Program, a copy for each test: tests damage it."""

from __future__ import annotations

import shutil
from pathlib import Path

import mil_package
import pytest


@pytest.fixture(scope="session")
def sound_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mil_package.make(tmp_path_factory.mktemp("sound") / "model.mlpackage")


@pytest.fixture
def package(sound_package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound_package, tmp_path / "model.mlpackage"))
