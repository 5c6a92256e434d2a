"""The README's proof table: every variant in every form, held to PyTorch in float64 on photographs.

``make proof-table`` writes the table into the README; half an hour on 2 cores. Exit 1 if a row fails. The
photographs are those that scikit-image carries; ``--images`` takes others.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process a core
TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "support")]

PHOTOGRAPHS = (
    "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "retina.jpg",
    "motorcycle_left.png", "ihc.png",
)  # fmt: skip
FORMS = (
    ("onnx", "fp32", None), ("coreml", "fp32", "ios16"), ("coreml", "fp32", "ios18"),
    ("coreml", "fp16", "ios16"), ("coreml", "fp16", "ios18"),
)  # fmt: skip
README = TESTS.parent / "README.md"
BEGIN, END = "<!-- proof table: make proof-table -->", "<!-- end of the proof table -->"


@dataclass(frozen=True)
class Row:
    """Errors are the worst over the photographs, over the largest logit; agreements are counts of them."""

    variant: str
    format: str
    precision: str
    megabytes: float
    error: float
    pytorch_float32: float
    top1: int
    top5: int
    photographs: int
    operators: int
    passed: bool
    failures: tuple[str, ...]

    def __str__(self) -> str:
        cells = (
            self.variant, self.format, self.precision, f"{self.megabytes:.1f}", f"{self.error:.1e}",
            f"{self.pytorch_float32:.1e}", f"{self.top1} / {self.photographs}", f"{self.top5} / {self.photographs}",
            f"{self.operators}", "pass" if self.passed else "FAIL",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"


HEADER = (
    "| variant | format | precision | MB | error | PyTorch float32 | top-1 | top-5 | operators | parity |",
    "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
)


def prove(name: str, format_name: str, precision: str, target: str | None, images: tuple[Path, ...]) -> Row:
    """Export a variant with the reference weights, and compare outputs and operators."""
    from reference_weights import fill

    import cloformer
    from cloformer.checkpoint import save_checkpoint
    from cloformer.export.parity.verify import ParityRequest, compare
    from cloformer.export.pipeline.export import export
    from cloformer.export.pipeline.request import ExportRequest

    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "weights.safetensors")
        save_checkpoint(fill(cloformer.create_model(name)), weights)
        request = ExportRequest(
            model=name, weights=weights, formats=(format_name,), precision=precision,
            options={} if target is None else {"target": target},
            output=Path(folder, "out"),
        )  # fmt: skip
        artifact = export(request)[0].artifact
        report = compare(artifact, ParityRequest(model=name, weights=weights, images=images))
        size = sum(entry.bytes for entry in artifact.manifest.model_files)
    rows = [item for item in report.outputs if item.kind == "photograph"]
    failures = tuple(str(item.failure) for item in report.outputs if item.failure is not None)
    failures += tuple(str(item) for item in report.operators if not item.passed) + report.not_compared
    return Row(
        variant=name,
        format=format_name if target is None else f"{format_name} {target}",
        precision=precision,
        megabytes=size / 1e6,
        error=max(item.figures.max_rel for item in rows),
        pytorch_float32=max(item.noise_floor.max_rel for item in rows if item.noise_floor is not None),
        top1=sum(item.top1 == 1 for item in rows),
        top5=sum(item.top5 == 1 for item in rows),
        photographs=len({item.case for item in rows}),
        operators=report.operators_total,
        passed=report.passed,
        failures=failures,
    )


def main() -> int:
    import cloformer
    from cloformer.export.source.images import collect_images

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", action="append", choices=cloformer.list_models())
    parser.add_argument("--images", type=Path, action="append", help="photographs, or folders of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    given = parser.parse_args()
    images = collect_images(given.images).images if given.images else _photographs()
    wanted = [(name, *form) for name in given.variant or cloformer.list_models() for form in FORMS]
    rows: dict[tuple[str, str, str, str | None], Row] = {}
    with ProcessPoolExecutor(given.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = {pool.submit(partial(prove, *one, images=images)): one for one in wanted}
        for job in as_completed(jobs):
            row = rows[jobs[job]] = job.result()
            print(f"{len(rows)} of {len(wanted)} {row}", *row.failures[:5], sep="\n  ", flush=True)
    table = "\n".join((*HEADER, *(str(rows[one]) for one in wanted)))
    print(f"\n{table}")
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(rows[one]) for one in wanted], indent=2), "utf-8")
    if given.write:
        _into_readme(table)
    return 0 if all(row.passed for row in rows.values()) else 1


def _photographs() -> tuple[Path, ...]:
    import skimage.data

    return tuple(Path(skimage.data.__file__).parent / name for name in PHOTOGRAPHS)


def _into_readme(table: str) -> None:
    text = README.read_text("utf-8")
    before, rest = text.split(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
