"""Artifacts that many tests read, exported once a session; and the command line, called in this process."""

from __future__ import annotations

import os
import signal

# One thread a process: the tests run in two processes, and threads that wait for one another on
# two cores make a convolution in float64 take a minute. Set before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Memory of large tensors is kept for the next ones: the system takes its time to give it anew.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**30))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))

# A shell that starts them in the background lets them ignore Ctrl-C, which tests raise.
signal.signal(signal.SIGINT, signal.default_int_handler)

import copy
import functools
import gc
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from outcome import Command, Outcome
from shared import Exports, Shared

pytest_plugins = ("slowest_files",)
TESTS = Path(__file__).parent


def pytest_collection_finish() -> None:
    """What is there by now, torch and coremltools above all, is looked through for garbage no more: each conversion to
    Core ML collects all garbage, and that was a fifth of the tests' time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The same for what a file's tests imported."""
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _torchlib_is_listed_once() -> None:
    """Every ``torch.onnx.export`` lists the operators that it can write, for a third of a second; the first list does for
    all, each with its own copy."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    made = functools.cache(ONNXRegistry.from_torchlib)

    def copied(**version: int) -> ONNXRegistry:
        registry = copy.copy(made(**version))
        registry.functions = {target: list(found) for target, found in registry.functions.items()}
        return registry

    ONNXRegistry.from_torchlib = staticmethod(copied)


@pytest.fixture(autouse=True)
def _what_a_test_imports_is_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A network that a test wrote into a folder of its own, and that folder, are found by no other test: many are named
    nets.py, and the first that was imported would come in place of the others."""
    folders, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = folders
    made = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - modules:
        found = vars(sys.modules[name])  # some modules give something for any name
        inside = found.get("__path__")
        places = [found.get("__file__"), *(inside if isinstance(inside, Iterable) else ())]
        if any(str(place).startswith(made) for place in places):
            del sys.modules[name]


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
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Folders that are made once for all processes of this run."""
    own = tmp_path_factory.getbasetemp()
    return Shared((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared")


@pytest.fixture(scope="session")
def exported(shared: Shared) -> Exports:
    """``exported(model=..., ...)`` are artifacts by format, to be read: the same request is exported once."""
    return Exports(shared)


@pytest.fixture(scope="session")
def checkpoint(shared: Shared) -> Path:
    """CloFormer-XXS with the reference weights, as safetensors."""

    def make(folder: Path) -> None:
        from reference_weights import fill

        import cloformer
        from cloformer.checkpoint import save_checkpoint

        save_checkpoint(fill(cloformer.create_model("cloformer_xxs")), folder / "xxs.safetensors")

    return shared.folder("checkpoint", make) / "xxs.safetensors"


@pytest.fixture(scope="session")
def artifacts(exported: Exports, checkpoint: Path) -> dict[str, Path]:
    """CloFormer-XXS with the reference weights, by format, for images of 96 pixels."""
    return exported(weights=checkpoint, formats=("onnx", "coreml"), image_size=(96, 96))


@pytest.fixture(scope="session")
def small(exported: Exports) -> Path:
    """The folder of a small ONNX artifact of a user's module."""
    return exported(model="user_models:resnet", image_size=(32, 32))["onnx"]


@pytest.fixture(scope="session")
def subprocess_environment() -> dict[str, str]:
    """For commands in a process of their own: the tests' modules can be imported there too."""
    places = [str(TESTS), str(TESTS / "support"), os.environ.get("PYTHONPATH")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}


@pytest.fixture(scope="session")
def python() -> str:
    return sys.executable
