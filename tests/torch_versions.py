"""Runs a chosen part of the tests with other versions of torch than the one that `make setup` installs.

::

    make torch-versions [ARGUMENTS="[--keep FOLDER] [VERSION ...]"]

Each version gets an environment of its own, with all that the project needs, which is removed afterwards unless ``--keep``
says where it stays. Without a version: the oldest that pyproject.toml allows, the one of `make setup`, and the two newest.
Exit code 1 if a test fails, or a version cannot be installed.

On Linux torch's usual builds bring CUDA: 6 GB on disk while one is tried. pip prefers those without it where it is told of the
index of torch's CPU builds, by the environment variable PIP_EXTRA_INDEX_URL.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent

# What `cloformer doctor` calls tested, in the releases that are tried.
VERSIONS = ("2.7.0", "2.13.0", "2.14.1", "2.15.0")

# What touches the trace, the passes, lowering, the exporters and parity.
CHOSEN = (
    "tests/unit/test_source_trace.py",
    "tests/unit/test_source_lowering.py",
    "tests/unit/test_source_counts.py",
    "tests/unit/test_source_libraries.py",
    "tests/unit/test_checkpoint.py",
    "tests/unit/test_coreml_semantics.py",
    "tests/property",
    "tests/parity/test_hard_networks.py",
    "tests/parity/test_inputs_and_outputs.py",
    "tests/parity/test_precisions.py",
    "tests/cli/test_export.py",
)

# What a version does otherwise, and the project leaves so: the tests that would say it, and why.
_SLICES = "x[:, :, 0, 0] begins with slices of whole axes there, which no pass drops: the norm before it is not folded"
_GELU = (
    "torch.onnx writes opset 18 there and converts it: GELU is several nodes, and the file has more of them"
)
_QUANTILE = "torch.export does not follow `quantile` there, which asks whether its share is one: a model that takes it is refused"
_RENAMED = "torch.onnx gives an input that is returned as it is the output's name there: ONNX Runtime refuses the file"
OTHERWISE = {
    "2.7": {
        "tests/property/test_definitions.py::test_law[order]": _QUANTILE,
        "tests/property/test_definitions.py::test_left_alone": _QUANTILE,
        "tests/property/test_definitions.py::test_every_definition_was_held": _QUANTILE,
        "tests/property/test_remove_identities.py::test_the_assertion_beside_a_cast_goes_too": "it adds no such assertion",
        "tests/property/test_fold_normalization_affine.py::test_through_the_head[pool, select]": _SLICES,
        "tests/property/test_fold_normalization_affine.py::test_through_any_operators_that_commute": _SLICES,
        "tests/cli/test_export.py::test_the_onnx_file_is_self_contained_and_says_where_its_nodes_come_from": _GELU,
        "tests/cli/test_export.py::test_inspect_prints_counts_and_every_pass": _GELU,
        "tests/parity/test_hard_networks.py::test_what_is_right_passes[many_outputs]": _RENAMED,
    },
}


def tried(version: str, place: Path) -> tuple[bool, str]:
    """Whether the chosen tests pass with this version, in the environment at ``place``, and what pytest says in the end."""
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*install, f"torch=={version}", "--editable", f"{ROOT}[test]"]).returncode:
        return False, "it could not be installed"
    left_out = [f"--deselect={test}" for test in _otherwise(version)]
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *CHOSEN, *left_out],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
    counted = [line for line in done.stdout.splitlines() if " passed" in line or " failed" in line]
    return done.returncode == 0, counted[-1] if counted else "no test ran"


def _otherwise(version: str) -> Mapping[str, str]:
    return OTHERWISE.get(version.rpartition(".")[0], {})


def main() -> int:
    parser = argparse.ArgumentParser(description="A chosen part of the tests with other versions of torch.")
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="where environments are kept, and used again"
    )
    arguments = parser.parse_args()
    passed = []
    for version in arguments.versions:
        for test, why in _otherwise(version).items():
            print(f"torch {version}: without {test}: {why}")
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="torch-versions-") as temporary:
            is_right, said = tried(version, (arguments.keep or Path(temporary)) / f"torch-{version}")
        passed.append(is_right)
        print(f"torch {version}: {said} ({time.monotonic() - start:.0f} s with the installation)", flush=True)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
