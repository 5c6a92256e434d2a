"""How fast is the export? Against the plain one, the one most people make, and what the processor can do at best.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.exports [--preset quick] [--rounds 6] [--write]

For each variant, in one interleaved run on one thread: cloformer's export, PyTorch's own exporter as it comes
("naive"), opset 17 through onnxsim ("newcomer", by the exporter that most tutorials use and by today's default
one), and a file of matrix products alone with as many multiply-adds, whose time over an export's is the
export's share of the measured product rate. Every logit is compared with PyTorch in float64. The weights are the
tests' reference weights. Exit code 1 if a bound below is not kept; ``--write`` puts the table into the README.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from changed_artifact import with_model
from reference_weights import fill

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.formats.runners import RunnerOptions, open_model
from cloformer.export.latency.candidates import Candidate
from cloformer.export.latency.comparison import Comparison, Pair
from cloformer.export.latency.protocol import Rounds, protocol
from cloformer.export.latency.turns import compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

from .markdown import replace_between
from .products import products_instead

# How many times as fast as the naive export, and as both newcomers', cloformer's must be.
OVER_NAIVE = {"cloformer_xxs": 1.05, "cloformer_xs": 1.04, "cloformer_s": 1.035}
OVER_NEWCOMER = 1.12
LOGITS = 1e-4  # from float64, at most
X86 = {"processor": "x86"}  # what is timed here is made for here
README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- exports: make compare-exports -->", "<!-- end of the exports -->"
HEADER = (
    "| variant | export | nodes | cloformer's is as fast, times | by wall time | of the product rate | logits from float64 |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
)


@dataclass(frozen=True)
class Row:
    """``over`` and ``wall`` are None for cloformer's own export."""

    variant: str
    export: str
    nodes: int
    over: tuple[float, float, float] | None
    wall: float | None
    share: float
    error: float

    def __str__(self) -> str:
        over = "" if self.over is None else "{:.3f} ({:.3f} to {:.3f})".format(*self.over)
        wall = "" if self.wall is None else f"{self.wall:.3f}"
        cells = (
            self.variant,
            self.export,
            str(self.nodes),
            over,
            wall,
            f"{self.share:.0%}",
            f"{self.error:.1e}",
        )
        return f"| {' | '.join(cells)} |"

    @property
    def failures(self) -> list[str]:
        found = [] if self.error <= LOGITS else [f"{self.error:.1e} from float64"]
        if self.over is not None:
            naive = self.export == "naive"
            least = OVER_NAIVE[self.variant] if naive else OVER_NEWCOMER
            value, low, _ = self.over
            found += [] if value >= least else [f"{value:.3f} is below {least}"]
            found += [] if low > 1 else [f"the interval begins at {low:.3f}"]
        return [f"{self.variant}, {self.export}: {text}" for text in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--variant", action="append", choices=list(OVER_NAIVE))
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    given = parser.parse_args()
    rows: list[Row] = []
    for name in given.variant or OVER_NAIVE:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(name, Path(folder), given.preset, given.rounds)
    lines = [*HEADER, *map(str, rows)]
    print("\n".join(lines))
    failures = [text for row in rows for text in row.failures]
    for text in failures:
        print(f"FAIL: {text}")
    if given.write:
        replace_between(README, BEGIN, END, lines)
    sys.exit(1 if failures else 0)


def measure(name: str, folder: Path, preset: str, rounds: int) -> list[Row]:
    """All exports of one variant, in one run."""
    model = fill(cloformer.create_model(name)).eval()
    artifacts = make_exports(name, model, folder)
    errors = {kind: error(artifact, model) for kind, artifact in artifacts.items()}
    products, share_of_work = products_instead(artifacts["cloformer"].folder, folder / "products")
    candidates = [
        Candidate(artifact, "onnxruntime", 1) for artifact in (*artifacts.values(), read_artifact(products))
    ]
    settings = Rounds(least=rounds, most=rounds)
    found = compare(
        candidates, protocol(preset), settings, lambda stage: print(f"{name}: {stage}", file=sys.stderr)
    )
    if found.failed:
        sys.exit(f"error: {name}: {found.failed[0].artifact}: {found.failed[0].failure}")
    return [
        Row(
            name,
            kind,
            nodes(artifact),
            *ratios(found, place),
            share(found, place) / share_of_work,
            errors[kind],
        )
        for place, (kind, artifact) in enumerate(artifacts.items())
    ]


def make_exports(name: str, model: torch.nn.Module, folder: Path) -> dict[str, Artifact]:
    """By kind, cloformer's first. The others are its artifact with another file in it."""
    weights = folder / "weights.safetensors"
    save_checkpoint(model, weights)
    ours = export(ExportRequest(model=name, weights=weights, options=X86, output=folder))[0].artifact
    writers: dict[str, Callable[[Path], None]] = {
        "naive": lambda path: export_as_is(model, path, dynamo=True),
        "newcomer": lambda path: _simplify(
            lambda: export_as_is(model, path, dynamo=False, opset_version=17), path
        ),
        "newcomer, today's exporter": lambda path: _simplify(
            lambda: export_as_is(model, path, dynamo=True, opset_version=17), path
        ),
    }
    others = {
        kind: read_artifact(with_model(ours.folder, folder / f"other-{place}", write))
        for place, (kind, write) in enumerate(writers.items())
    }
    return {"cloformer": ours, **others}


def export_as_is(
    model: torch.nn.Module,
    path: Path,
    *,
    outputs: Sequence[str] = ("logits",),
    shape: Sequence[int] = (1, 3, 224, 224),
    name: str = "image",
    **options: object,
) -> None:
    """The file of PyTorch's own exporter, for an image of that shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (torch.zeros(*shape),), path, input_names=[name], output_names=list(outputs),
            verbose=False, external_data=False, **options,
        )  # fmt: skip


def _simplify(write: Callable[[], None], path: Path) -> None:
    import onnxsim

    write()
    simplified, holds = onnxsim.simplify(onnx.load(path))
    assert holds
    onnx.save(simplified, path)


def error(artifact: Artifact, model: torch.nn.Module) -> float:
    """The largest difference of a logit from PyTorch's in float64, over four seeded inputs."""
    import copy

    exact = copy.deepcopy(model).double()
    worst = 0.0
    with open_model(artifact.model, "onnxruntime", RunnerOptions(threads=1)) as runner:
        for seed in range(4):
            image = np.random.default_rng(seed).standard_normal((1, 3, 224, 224)).astype(np.float32)
            with torch.no_grad():
                wanted = exact(torch.from_numpy(image).double()).numpy()
            worst = max(worst, float(np.abs(runner.run({"image": image})["logits"] - wanted).max()))
    return worst


def nodes(artifact: Artifact) -> int:
    return len(onnx.load(artifact.model_path, load_external_data=False).graph.node)


def ratios(found: Comparison, place: int) -> tuple[tuple[float, float, float] | None, float | None]:
    """How many times as long as the first it takes: processor time with its interval, and wall time."""
    pair = _pair(found, place)
    if pair is None:
        return None, None
    assert pair.cpu is not None and pair.wall is not None
    return (pair.cpu.value, pair.cpu.low, pair.cpu.high), pair.wall.value


def share(found: Comparison, place: int) -> float:
    """The products' processor time over that of the export, turn by turn, both over the first's."""
    products, own = _pair(found, len(found.rows) - 1), _pair(found, place)
    assert products is not None and products.cpu is not None
    return products.cpu.value / (own.cpu.value if own is not None and own.cpu is not None else 1.0)


def _pair(found: Comparison, place: int) -> Pair | None:
    return next((pair for pair in found.pairs if pair.row == place), None)


if __name__ == "__main__":
    main()
