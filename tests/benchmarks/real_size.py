"""How much memory and time a network of 88 million parameters takes: ConvNeXt-Base of timm, at 224 pixels.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.real_size [--only STEP ...] [--write]

Each step is the command line in a process of its own, with one thread: its peak memory is what the system counts for that
process, with torch and the frameworks in it. Exit code 1 if a step fails or takes 8 GiB or more. ``--write`` puts the table
into docs/real-size.md.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .markdown import replace_between

MODEL, NAME = "timm:convnext_base", "timm.convnext_base"
MOST = 8 * 2**30  # bytes
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "real-size.md"
MARKS = "<!-- real size: make real-size -->\n", "<!-- end of the real size -->"
_FORMS = {"onnx": "onnx-224-fp32", "coreml": "coreml-224-fp16"}
_COMMAND = (
    "import sys; from timm_networks.stand_in import put_in_place; put_in_place(); "
    "from cloformer.cli import main; main(sys.argv[1:])"
)


@dataclass(frozen=True)
class Row:
    """One command: its exit code, its peak of resident memory in bytes, and seconds of the clock and of the processor."""

    step: str
    code: int
    peak: int
    seconds: float
    processor: float


def steps(folder: Path) -> dict[str, list[str]]:
    """The words of every command, in the order in which they run."""
    words = {
        f"export {form}": ["export", MODEL, "--format", form, "--output", str(folder)] for form in _FORMS
    }
    return words | {
        f"parity {form}": ["parity", str(folder / f"{NAME}-{end}"), "--model", MODEL]
        for form, end in _FORMS.items()
    }


def measured(step: str, words: list[str]) -> Row:
    start = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *words, "--quiet"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    kilobytes = 1 if sys.platform == "darwin" else 1024  # what a unit of ru_maxrss is
    return Row(
        step,
        child.returncode,
        usage.ru_maxrss * kilobytes,
        time.monotonic() - start,
        usage.ru_utime + usage.ru_stime,
    )


def table(rows: list[Row]) -> list[str]:
    lines = [
        "| step | peak memory, GiB | processor time, s | by the clock, s |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.step} | {row.peak / 2**30:.2f} | {row.processor:.0f} | {row.seconds:.0f} |" for row in rows
    ]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Memory and time of ConvNeXt-Base through export and parity."
    )
    parser.add_argument(
        "--only", nargs="+", metavar="STEP", help="as they are printed, for example 'export onnx'"
    )
    parser.add_argument("--folder", type=Path, help="where the artifacts go, and are looked for")
    parser.add_argument("--write", action="store_true", help=f"write the table into {DOCUMENT.name}")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="real-size-") as temporary:
        for step, words in steps(arguments.folder or Path(temporary)).items():
            if arguments.only is None or step in arguments.only:
                rows.append(measured(step, words))
                row = rows[-1]
                print(
                    f"{step}: exit {row.code}, {row.peak / 2**30:.2f} GiB, {row.processor:.0f} s", flush=True
                )
    print("", *table(rows), sep="\n")
    if arguments.write:
        replace_between(DOCUMENT, *MARKS, table(rows))
    return 0 if all(row.code == 0 and row.peak < MOST for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
