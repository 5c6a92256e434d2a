"""Is an export as fast as the network that its authors merged by hand? Networks of timm, merged by our passes and by timm.

::

    PYTHONPATH=tests:tests/support python -m reparameterized [--only NAME ...] [--folder DIR] [--write]

Each network, as it is trained, is exported as ONNX with the passes and without, and a third time without passes, of what
timm's ``reparameterize_model`` makes of it. The rewritten graph and timm's network are compared in float64, and the
three files in time, in turns on one thread. Networks without branches are compared with their plain exports alone. Each row
is a line of ``rows.jsonl`` in DIR: started again, the program goes on after the last. Exit code 1 if ours is slower than
another or has more operators than timm's; ``--write`` puts the table into ``docs/other-networks.md``.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import copy
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx
import torch
from benchmarks.ablation import structure
from benchmarks.exports import X86
from benchmarks.kept import keep, kept
from benchmarks.markdown import replace_between

from cloformer.errors import CloformerError
from cloformer.export.artifact.folder import Artifact
from cloformer.export.formats import FORMATS
from cloformer.export.latency.candidates import Candidate
from cloformer.export.latency.comparison import Pair
from cloformer.export.latency.environment import Environment, environment
from cloformer.export.latency.measure import package_versions
from cloformer.export.latency.protocol import Rounds, protocol
from cloformer.export.latency.turns import compare
from cloformer.export.passes import Setting, apply_passes
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import trace

from . import networks

SIZE = 224
ROUNDS = Rounds(least=4, most=4)
SECONDS = 10.0  # of queries, for each
EXACT = 1e-9  # of the largest logit, in float64
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "other-networks.md"
BEGIN, END = "<!-- reparameterized: make reparameterized -->", "<!-- end of reparameterized -->"


@dataclass(frozen=True)
class Time:
    """Over ours: the median of turns with the ends of its interval, by processor time; the verdict on the other; and
    whether both are the same graph, but for names and the values of weights."""

    value: float
    low: float
    high: float
    verdict: str
    is_same: bool

    @classmethod
    def of(cls, pair: Pair, ours: Artifact, other: Artifact) -> Time:
        found = pair.judged
        assert found is not None
        structures = [structure(onnx.load(item.model_path)) for item in (ours, other)]
        return cls(found.value, found.low, found.high, pair.verdict, structures[0] == structures[1])

    def __str__(self) -> str:
        same = ", the same graph" if self.is_same else ""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}){same}"


@dataclass(frozen=True)
class Row:
    """Operators of the files that ours, the plain export and timm's are, and the times of the others over ours.
    ``difference`` is the largest of a logit from timm's in float64, over the largest logit."""

    network: str
    ours: int
    plain: int
    plain_time: Time
    fused: int | None = None
    fused_time: Time | None = None
    difference: float | None = None

    @property
    def failures(self) -> list[str]:
        times = {"the plain export": self.plain_time, "timm's": self.fused_time}
        found = [f"{name} is faster" for name, time in times.items() if time and time.verdict == "faster"]
        if self.fused is not None and self.difference is not None:
            found += [f"{self.ours} operators, and timm's {self.fused}"] if self.ours > self.fused else []
            found += [f"{self.difference:.1e} from timm's"] if self.difference > EXACT else []
        return [f"{self.network}: {text}" for text in found]

    def __str__(self) -> str:
        cells = (
            self.network,
            str(self.ours),
            str(self.plain),
            "" if self.fused is None else str(self.fused),
            str(self.plain_time),
            "" if self.fused_time is None else str(self.fused_time),
            "" if self.difference is None else f"{self.difference:.1e}",
        )
        return f"| {' | '.join(cells)} |"


HEADER = (
    "| network | operators | plain | timm's | time of the plain over ours | of timm's over ours | from timm's in float64 |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=networks.NETWORKS, default=list(networks.NETWORKS), metavar="NAME"
    )
    parser.add_argument("--folder", type=Path, default=Path("build/reparameterized"))
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = given.folder / "rows.jsonl"
    rows = _read(path)
    refused = []
    for name in (name for name in given.only if name not in rows):
        try:
            row, here = measure(name, given.folder)
        except CloformerError as error:
            refused.append(f"{name}: {error.lines[0]}")
            continue
        keep(path, asdict(row) | {"where": _where(here)})
        rows = _read(path)
        print(row, flush=True)
    found = [rows[name] for name in networks.NETWORKS if name in rows]
    lines = [*HEADER, *(str(row) for row, _ in found), "", *sorted({where for _, where in found})]
    print("", *lines, "", sep="\n")
    failures = [*refused, *(text for row, _ in found for text in row.failures)]
    for text in failures:
        print(f"FAIL: {text}")
    if given.write:
        replace_between(PAGE, BEGIN, END, lines)
    sys.exit(1 if failures else 0)


def measure(name: str, folder: Path) -> tuple[Row, Environment]:
    """The row of one network, and where it was measured."""
    is_branched = name in networks.BRANCHED
    ours, plain = (_exported(name, folder, reparameterize=own) for own in (True, False))
    fused = _exported(f"{name}_fused", folder, reparameterize=False) if is_branched else None
    candidates = [Candidate(item, "onnxruntime", 1) for item in (ours, plain, fused) if item is not None]
    found = compare(
        candidates,
        protocol("quick", min_seconds=SECONDS),
        ROUNDS,
        lambda stage: print(f"{name}: {stage}", file=sys.stderr) if isinstance(stage, str) else None,
    )
    if found.failed:
        sys.exit(f"error: {name}: {found.failed[0].artifact}: {found.failed[0].failure}")
    others = [item.artifact for item in candidates[1:]]
    times = [Time.of(pair, ours, other) for pair, other in zip(found.pairs, others, strict=True)]
    here = environment(package_versions(candidates))
    if fused is None:
        return Row(name, _operators(ours), _operators(plain), times[0]), here
    counts = _operators(ours), _operators(plain)
    return Row(name, *counts, times[0], _operators(fused), times[1], difference(name)), here


def _exported(name: str, folder: Path, *, reparameterize: bool) -> Artifact:
    request = ExportRequest(
        model=f"reparameterized.networks:{name}",
        formats=("onnx",),
        options=X86,
        image_size=(SIZE, SIZE),
        output=folder,
        reparameterize=reparameterize,
    )
    return export(request)[0].artifact


def _operators(artifact: Artifact) -> int:
    return int(artifact.manifest.graph.operators)


@torch.no_grad()
def difference(name: str) -> float:
    """How far the rewritten graph is from what timm merges in float64: the largest difference of a logit, of one image of
    noise, over the largest logit."""
    traced = trace(getattr(networks, name)(), [TensorSpec("image", (1, 3, SIZE, SIZE), role="image")])
    rewritten, _ = apply_passes(
        traced, FORMATS["onnx"].passes(Setting(traced.signature, options=X86)), cast=False
    )
    image = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = networks.fused(name, torch.float64)(image)
    got = copy.deepcopy(rewritten.graph_module).double()(image)[0]
    return float((got - wanted).abs().max() / wanted.abs().max())


def _read(path: Path) -> dict[str, tuple[Row, str]]:
    """The rows so far by network, and where each was measured."""
    found = {}
    for fields in kept(path):
        where = fields.pop("where")
        times = {key: Time(**value) for key, value in fields.items() if key.endswith("_time") and value}
        row = Row(**(fields | times))
        found[row.network] = row, where
    return found


def _where(here: Environment) -> str:
    return (
        f"{here.processor}, {here.system.partition(' ')[0]}, ONNX Runtime {here.versions['onnxruntime']}, one thread, "
        f"{SIZE} x {SIZE}; {ROUNDS.least} rounds of fresh processes."
    )


if __name__ == "__main__":
    main()
