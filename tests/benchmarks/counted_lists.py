"""What does each list of passes take on a phone's processor? Instructions of an inference on an emulated arm64 core, exactly.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.counted_lists [--only NAME ...] [--folder DIR] [--write]

Each network as PyTorch's own exporter writes it for ONNX Runtime, by cloformer's list for x86, and by that for arm64 with as
much more weights as it stores by itself, and with up to twice the model's, in ONNX Runtime for linux/arm64; and in ONNX Runtime's library
for Android the plain one, the one for arm64, and with XNNPACK's provider the one for that. A file whose outputs are not the PyTorch
model's there is not counted, and ends the program. Each row is a line of ``rows.jsonl`` in DIR: started again, the program goes on after the
last. It needs timm, npm, and what ``make device-checks`` installs. Exit code 1 if a network takes more by the list for arm64, or with
XNNPACK by its list, than the plain file does without it, if a file is more than a tenth larger, or CloFormer-XXS takes more
than it may; ``--write`` puts the tables into the README.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cloformer.export.artifact.folder import Artifact
from cloformer.export.device.arm64 import Arm64Device
from cloformer.export.device.arm64_parity import compare_on_device
from cloformer.export.parity.verify import ParityRequest

from .exports import README, X86
from .kept import keep, kept
from .left_out import DEEPLAB, TITLES, made, torch_model
from .markdown import replace_between
from .runtimes import VARIANTS, plain_beside

NETWORKS = (*VARIANTS, "mobilenetv3_large", "efficientnet_lite0", "fastvit_t8", "convnext_atto", DEEPLAB)
PLAIN, FOR_X86, FOR_ARM64, LARGER = "plain", "--for x86", "--for arm64", "--max-growth 200%"
FOR_XNNPACK = "--for arm64-xnnpack"
ANDROID, XNNPACK = "android-library", "android-library:xnnpack"
# By device: what is counted there, and the options that it is exported with; None for the plain export.
LISTS: Mapping[str, Mapping[str, Mapping[str, str] | None]] = {
    "arm64": {PLAIN: None, FOR_X86: X86, FOR_ARM64: {}, LARGER: {"max_growth": "200%"}},
    ANDROID: {PLAIN: None, FOR_ARM64: {}},
    XNNPACK: {FOR_XNNPACK: {"processor": "arm64-xnnpack"}},
}
TABLES = {
    "ONNX Runtime 1.31.1 for linux/arm64": ("arm64",),
    "ONNX Runtime 1.29.0 for Android, and with XNNPACK": (ANDROID, XNNPACK),
}
# What CloFormer-XXS may take; as other networks, none of these more than the plain one on the device beside it.
MOST = {
    ("arm64", FOR_ARM64): ("arm64", 480e6),
    (ANDROID, FOR_ARM64): (ANDROID, 480e6),
    (XNNPACK, FOR_XNNPACK): (ANDROID, 338e6),
}
_MORE = 0.1  # of the plain file's size
_NOTHING = 1e-3  # of the instructions: where values lie in memory costs a few
BEGIN, END = "<!-- lists of passes: make counted-lists -->", "<!-- end of the lists of passes -->"


@dataclass(frozen=True)
class Row:
    """``instructions`` are those of the input that takes the most; ``error`` is the largest of an output over the largest output."""

    network: str
    device: str
    list: str
    instructions: int
    megabytes: float
    error: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=Path("build/counted-lists"))
    parser.add_argument("--write", action="store_true", help=f"put the table into {README.name}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = given.folder / "rows.jsonl"
    for name in given.only:
        known = {(row.device, row.list) for row in _read(path) if row.network == name}
        for row in counted(name, known):
            keep(path, asdict(row))
            print(row, flush=True)
    rows = _read(path)
    lines, failures = table(rows), list(_failures(rows))
    print("", *lines, "", *(f"FAIL: {text}" for text in failures), sep="\n")
    if given.write:
        replace_between(README, BEGIN, END, lines)
    sys.exit(1 if failures else 0)


def _read(path: Path) -> list[Row]:
    """The rows so far."""
    return [Row(**fields) for fields in kept(path)]


def counted(name: str, known: set[tuple[str, str]]) -> Iterator[Row]:
    """The rows of one network that are not known."""
    wanted = [
        (device, each) for device, lists in LISTS.items() for each in lists if (device, each) not in known
    ]
    with tempfile.TemporaryDirectory() as folder:
        artifacts: dict[str, Artifact] = {}
        for device, each in wanted:
            if each not in artifacts:
                options = LISTS[device][each]
                ours = made(name, "onnx", Path(folder, f"for {each}"), options or {})
                plain = options is None
                artifacts[each] = plain_beside(ours, torch_model(name), Path(folder)) if plain else ours
            yield _row(name, device, each, artifacts[each])


def _row(name: str, device: str, list_name: str, artifact: Artifact) -> Row:
    report, counts = compare_on_device(artifact, ParityRequest(), Arm64Device(kind=device))
    if counts is None or report.failures:
        sys.exit(f"error: {name} by {list_name} on {device}: not counted, or not the model there")
    errors = [
        item.figures.max_abs / item.figures.largest for item in report.outputs if item.figures is not None
    ]
    return Row(name, device, list_name, counts.most, artifact.model_path.stat().st_size / 1e6, max(errors))


def table(rows: Sequence[Row]) -> list[str]:
    """For each runtime a line for each network: millions of instructions, with the share of the plain file's, and megabytes."""
    lines: list[str] = []
    for title, devices in TABLES.items():
        columns = [(device, each) for device in devices for each in LISTS[device]]
        plain = columns[0]
        heads = [each if each == PLAIN else f"`{each}`" for _, each in columns]
        lines += [f"**{title}**", "", f"| network | {' | '.join(heads)} | largest error |"]
        lines.append(f"| --- |{' ---: |' * (len(columns) + 1)}")
        for name in NETWORKS:
            found = {
                (row.device, row.list): row for row in rows if row.network == name and row.device in devices
            }
            if found:
                cells = [_cell(found.get(column), found.get(plain)) for column in columns]
                error = max(row.error for row in found.values())
                lines.append(f"| {TITLES.get(name, name)} | {' | '.join(cells)} | {error:.0e} |")
        lines.append("")
    return lines[:-1]


def _cell(row: Row | None, plain: Row | None) -> str:
    if row is None:
        return ""
    share = f" ({row.instructions / plain.instructions:.0%})" if plain and row is not plain else ""
    return f"{row.instructions / 1e6:.1f} M{share}, {row.megabytes:.1f} MB"


def _failures(rows: Sequence[Row]) -> Iterator[str]:
    found = {(row.network, row.device, row.list): row for row in rows}
    for row in rows:
        device, most = MOST.get((row.device, row.list), ("", 0.0))
        plain = found.get((row.network, device, PLAIN))
        if plain is None:
            continue
        if row.instructions > (1 + _NOTHING) * plain.instructions:
            yield f"{row.network} takes more by {row.list} on {row.device} than the plain file"
        if row.megabytes > (1 + _MORE) * plain.megabytes:
            yield f"{row.network} by {row.list} is more than {_MORE:.0%} larger than the plain file"
        if row.network == "cloformer_xxs" and row.instructions > most:
            yield f"{row.network} takes more by {row.list} on {row.device} than {most / 1e6:.0f} million instructions"


if __name__ == "__main__":
    main()
