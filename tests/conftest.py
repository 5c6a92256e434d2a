"""Artifacts that many tests read, exported once a session; and the command line, called in this process."""

from __future__ import annotations

import os

# One thread a process: the tests run in two processes, and threads that wait for one another on
# two cores make a convolution in float64 take a minute. Set before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from pathlib import Path

import pytest
from outcome import Command, Outcome
from reference_weights import fill

import cloformer
from cloformer.checkpoint import save_checkpoint

TESTS = Path(__file__).parent


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """``command("export", ...)`` runs the command line in this process."""
    from cloformer.cli import main

    def run(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Outcome(int(caught.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CloFormer-XXS with the reference weights, as safetensors."""
    path = tmp_path_factory.mktemp("checkpoint") / "xxs.safetensors"
    save_checkpoint(fill(cloformer.create_model("cloformer_xxs")), path)
    return path


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> dict[str, Path]:
    """CloFormer-XXS with the reference weights, by format."""
    from cloformer.export.pipeline.export import export
    from cloformer.export.pipeline.request import ExportRequest

    output = tmp_path_factory.mktemp("artifacts")
    exported = export(ExportRequest(weights=checkpoint, formats=("onnx", "coreml"), output=output))
    return {item.artifact.format: item.artifact.folder for item in exported}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small ONNX artifact of a user's module."""
    from cloformer.export.pipeline.export import export
    from cloformer.export.pipeline.request import ExportRequest

    output = tmp_path_factory.mktemp("small")
    request = ExportRequest(model="user_models:resnet", image_size=(32, 32), output=output)
    return export(request)[0].artifact.folder


@pytest.fixture(scope="session")
def subprocess_environment() -> dict[str, str]:
    """For commands in a process of their own: the tests' modules can be imported there too."""
    places = [str(TESTS), str(TESTS / "support"), os.environ.get("PYTHONPATH")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}


@pytest.fixture(scope="session")
def python() -> str:
    return sys.executable
