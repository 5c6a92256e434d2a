"""How fast is a model in each runtime? The plain ONNX file, and cloformer's for ONNX Runtime, LiteRT and ExecuTorch.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.runtimes [--only NAME ...] [--folder DIR] [--write]

Each network in one interleaved run on one thread of this machine: PyTorch's own ONNX exporter as it comes is the first, and the
others are as many times as fast. With it what an app carries and waits for: the file's size, its first load, the pieces that
its delegate takes of the graph, and the largest error of an output over the largest output on the inputs that every export is
held to. Each row is a line of ``rows.jsonl`` in DIR: started again, the program goes on after the last. It needs the extras
``litert`` and ``executorch``, and timm. Exit code 1 if a bound below is not kept; ``--write`` puts the tables into
``docs/runtimes.md``.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from changed_artifact import with_model
from reference_weights import fill
from reparameterized import networks

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.formats import FORMATS
from cloformer.export.latency.candidates import Candidate
from cloformer.export.latency.comparison import Comparison
from cloformer.export.latency.measure import package_versions
from cloformer.export.latency.protocol import Rounds, protocol
from cloformer.export.latency.turns import compare
from cloformer.export.pipeline.export import Exported, export
from cloformer.export.pipeline.request import ExportRequest

from .exports import X86, export_as_is
from .kept import keep, kept
from .markdown import replace_between

SIZE = 224
ROUNDS = Rounds(least=6, most=6)
SECONDS = 10.0  # of queries, for each
VARIANTS = ("cloformer_xxs", "cloformer_xs", "cloformer_s")
NETWORKS = (*VARIANTS, "mobilenetv3_large", "efficientnet_lite0")
RUNNERS = {"onnx": "onnxruntime", "litert": "litert", "executorch": "executorch"}
# How many times as fast as the naive file the interval must begin at, for CloFormer-XXS; and the largest error of the three.
LEAST = {"litert": 1.03, "executorch": 1.0}
LARGEST_ERROR = 1e-5
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "runtimes.md"
BEGIN, END = "<!-- runtimes: make runtimes -->", "<!-- end of the runtimes -->"
HEADER = (
    "| network | runtime | as fast as the plain ONNX file, times | by wall time | size, MB | load, ms | partitions | operators outside | largest error |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)


@dataclass(frozen=True)
class Row:
    """``speed`` is the plain file's processor time over this one's, the median of turns with the 99 % interval, ``wall`` by the
    clock; ``error`` the largest over the largest output. Without a delegate there are no ``partitions``."""

    network: str
    format: str
    speed: tuple[float, float, float]
    wall: float
    megabytes: float
    load_ms: float
    partitions: int | None
    outside: int | None
    error: float

    @property
    def failures(self) -> list[str]:
        is_off = self.network in VARIANTS and self.error > LARGEST_ERROR
        found = [f"{self.error:.1e} of the largest output"] if is_off else []
        least = LEAST.get(self.format) if self.network == VARIANTS[0] else None
        if least is not None and self.speed[1] < least:
            found.append(f"the interval begins at {self.speed[1]:.3f}, below {least}")
        return [f"{self.network} in {self.format}: {text}" for text in found]

    def __str__(self) -> str:
        cells = (
            self.network,
            FORMATS[self.format].title,
            "{:.3f} ({:.3f} to {:.3f})".format(*self.speed),
            f"{self.wall:.3f}",
            f"{self.megabytes:.2f}",
            f"{self.load_ms:.0f}",
            "" if self.partitions is None else str(self.partitions),
            "" if self.outside is None else str(self.outside),
            f"{self.error:.1e}",
        )
        return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=Path("build/runtimes"))
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = given.folder / "rows.jsonl"
    known = {row.network for row, _ in _read(path)}
    for name in (name for name in given.only if name not in known):
        with tempfile.TemporaryDirectory() as folder:
            rows, where = measure(name, Path(folder))
        for row in rows:
            keep(path, asdict(row) | {"where": where})
        print(*rows, sep="\n", flush=True)
    found = sorted(_read(path), key=lambda each: NETWORKS.index(each[0].network))
    lines = [*HEADER, *(str(row) for row, _ in found), "", *sorted({where for _, where in found})]
    failures = [text for row, _ in found for text in row.failures]
    print("", *lines, "", *(f"FAIL: {text}" for text in failures), sep="\n")
    if given.write:
        replace_between(PAGE, BEGIN, END, lines)
    sys.exit(1 if failures else 0)


def measure(name: str, folder: Path) -> tuple[list[Row], str]:
    """The rows of one network, and where they were measured."""
    made = {
        format: exported(name, format, folder, options=X86 if format == "onnx" else {}) for format in RUNNERS
    }
    model = model_of(name)
    plain = plain_beside(made["onnx"].artifact, model, folder)
    candidates = [
        Candidate(plain, "onnxruntime", 1),
        *(Candidate(each.artifact, RUNNERS[format], 1) for format, each in made.items()),
    ]
    found = compare(
        candidates,
        protocol("quick", min_seconds=SECONDS),
        ROUNDS,
        lambda stage: print(f"{name}: {stage}", file=sys.stderr) if isinstance(stage, str) else None,
    )
    if found.failed:
        sys.exit(f"error: {name}: {found.failed[0].artifact}: {found.failed[0].failure}")
    rows = [
        _row(name, format, each, found, place) for place, (format, each) in enumerate(made.items(), start=1)
    ]
    return rows, _where(candidates, found)


def _row(name: str, format: str, exported: Exported, found: Comparison, place: int) -> Row:
    pair = next(pair for pair in found.pairs if pair.row == place)
    assert pair.cpu is not None and pair.wall is not None
    graph, load_ns = exported.artifact.manifest.graph, found.rows[place].load_ns
    assert load_ns is not None
    return Row(
        name,
        format,
        (1 / pair.cpu.value, 1 / pair.cpu.high, 1 / pair.cpu.low),
        1 / pair.wall.value,
        exported.artifact.model_path.stat().st_size / 1e6,
        load_ns / 1e6,
        graph.partitions,
        len(graph.undelegated) if FORMATS[format].has_delegates else None,
        exported.difference.max_abs / exported.difference.largest,
    )


def plain_beside(ours: Artifact, model: torch.nn.Module, folder: Path) -> Artifact:
    """The artifact with the file of PyTorch's own exporter in the place of its own."""
    (image,), outputs = ours.signature.inputs, [spec.name for spec in ours.signature.outputs]
    return read_artifact(
        with_model(
            ours.folder,
            folder / "plain",
            lambda path: export_as_is(
                model, path, outputs=outputs, shape=image.shape, name=image.name, dynamo=True
            ),
        )
    )


def exported(
    name: str,
    format: str,
    folder: Path,
    precision: str = "fp32",
    calibration: Calibration | None = None,
    options: Mapping[str, str] = {},
) -> Exported:
    """One of the networks in a format."""
    model, weights = f"reparameterized.networks:{name}", None
    if name in VARIANTS:
        model, weights = name, folder / "weights.safetensors"
        save_checkpoint(model_of(name), weights)
    request = ExportRequest(
        model=model, weights=weights, formats=(format,), precision=precision, calibration=calibration,
        options=options, image_size=(SIZE, SIZE), output=folder / format,
    )  # fmt: skip
    return export(request)[0]


def model_of(name: str) -> torch.nn.Module:
    """The network, with weights that are drawn by seed."""
    if name in VARIANTS:
        return fill(cloformer.create_model(name)).eval()
    made: torch.nn.Module = getattr(networks, name)()
    return made


def _read(path: Path) -> list[tuple[Row, str]]:
    """The rows so far, and where each was measured."""
    found = []
    for fields in kept(path):
        where = fields.pop("where")
        found.append((Row(**fields | {"speed": tuple(fields["speed"])}), where))
    return found


def _where(candidates: list[Candidate], found: Comparison) -> str:
    here, versions = found.environment, package_versions(candidates)
    named = ", ".join(f"{package} {versions[package]}" for package in sorted(versions))
    return (
        f"{here.processor}, {here.system.partition(' ')[0]}, {named}; one thread, {SIZE} x {SIZE}; {ROUNDS.least} rounds of "
        f"fresh processes."
    )


if __name__ == "__main__":
    main()
