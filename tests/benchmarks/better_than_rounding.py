"""What gains on rounding weights to the nearest, and what does not: on EfficientNet-Lite0 and on the checkpoint in the box.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.better_than_rounding --photos FOLDER [--write]

FOLDER is that of ``benchmarks.precisions``. Every precision of compressed weights is made in each way of ``WAYS`` and run in
PyTorch in float32, on the photographs and, for the checkpoint in the box, on 200 of Fashion-MNIST's test images, beside the
model as it was trained. ``--write`` puts the tables into docs/precision.md.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cloformer.export.formats import FORMATS
from cloformer.export.parity.metrics import figures
from cloformer.export.passes import Exactness, Pass, Setting, apply_passes
from cloformer.export.passes.compress_weights import CompressWeights
from cloformer.export.passes.correct_bias import CorrectBias
from cloformer.export.passes.fold_normalization_affine import (
    FoldNormalizationAffine,
    input_affine_folded,
    layers_behind,
)
from cloformer.export.passes.rewriter import Rewriter, arguments
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.origin import Origin
from cloformer.export.source.precision import Precision
from cloformer.export.source.resolve import Source, resolve
from cloformer.export.source.trace import Trace, origin_of, trace

from .equalize_layers import EqualizeLayers
from .markdown import replace_between
from .precisions import DOCUMENT, MODEL, SPEC

MARKS = "<!-- better than rounding: make better-than-rounding -->\n", "<!-- end of better than rounding -->"
IMAGES = Path(__file__).parents[1] / "data" / "fashion-mnist-some.npz"
BATCH = 25
aten = torch.ops.aten


@dataclass(frozen=True)
class LeastSquares(CompressWeights):
    """Scales, each the largest magnitude times the one of ``SHARES`` that leaves the least squared error; the rest is clipped."""

    SHARES: ClassVar[Sequence[float]] = [1 - 0.02 * step for step in range(26)]

    def _whole(self, weight: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        largest = 2 ** (int(self.weights[3:]) - 1) - 1
        best, least = scales, torch.full_like(scales, torch.inf)
        for share in self.SHARES:
            wide = _spread(scales * share, weight)
            lost = (torch.round(weight / wide).clamp(-largest, largest) * wide - weight).square()
            error = _summed(lost, scales)
            best, least = torch.where(error < least, scales * share, best), torch.minimum(error, least)
        return torch.round(weight / _spread(best, weight)).clamp(-largest, largest).to(torch.int8), best


def _spread(scales: Tensor, weight: Tensor) -> Tensor:
    for axis, (blocks, size) in enumerate(zip(scales.shape, weight.shape, strict=True)):
        scales = scales.repeat_interleave(size // blocks, axis)
    return scales


def _summed(values: Tensor, scales: Tensor) -> Tensor:
    for axis, blocks in enumerate(scales.shape):
        values = values.reshape(*values.shape[:axis], blocks, -1, *values.shape[axis + 1 :]).sum(axis + 1)
    return values


@dataclass(frozen=True)
class BalanceNorms(Pass):
    """A normalization's gain takes what makes the largest weights of each channel behind it alike."""

    law: ClassVar[str] = "W n = (W diag s) (n / s)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.group_norm.default):
            readers = layers_behind(rewriter, node, 1)
            if not readers:
                continue
            largest = torch.stack(
                [item.weight.abs().transpose(0, 1).flatten(1).amax(1) for item in readers]
            ).amax(0)
            factor = largest.log().mean().exp() / largest
            for item in readers:
                item.rewritten(rewriter, *input_affine_folded(item, factor, None))
            with rewriter.at(node):
                gain = rewriter.new_constant(1 / factor, node)
                none = rewriter.new_constant(torch.zeros_like(factor), node)
                scaled = rewriter.call(node.target, *node.args[:2], gain, none, arguments(node)["eps"])
            sites.append(origin_of(node))
            rewriter.replace(node, scaled, is_same_value=False)
        return sites


def _behind(kind: type[Pass], new: Pass) -> Callable[[Sequence[Pass]], list[Pass]]:
    def inserted(passes: Sequence[Pass]) -> list[Pass]:
        found = list(passes)
        place = next(index for index, item in enumerate(found) if isinstance(item, kind))
        return [*found[: place + 1], new, *found[place + 1 :]]

    return inserted


def _equalized(passes: Sequence[Pass]) -> list[Pass]:
    return [*passes[:-2], EqualizeLayers(), *passes[-2:]]


def _least_squares(passes: Sequence[Pass]) -> list[Pass]:
    small = passes[-2]
    assert isinstance(small, CompressWeights)
    if small.weights.startswith("uint"):  # a palette is what leaves the least already
        return [*passes]
    return [*passes[:-2], LeastSquares(small.weights, small.granularity, small.stored), passes[-1]]


# From the format's list, which ends with the compressed weights and the corrected biases.
WAYS: Mapping[str, Callable[[Sequence[Pass]], list[Pass]]] = {
    "rounded to the nearest": lambda passes: [item for item in passes if not isinstance(item, CorrectBias)],
    "**biases corrected**": list,
    "and layers equalized": _equalized,
    "and normalizations balanced": _behind(FoldNormalizationAffine, BalanceNorms()),
    "and scales of the least squared error": _least_squares,
}


@dataclass(frozen=True)
class Subject:
    """A traced model, ``images`` as it takes them, normalized, and what it gives for them."""

    source: Source
    traced: Trace
    images: Tensor
    want: Tensor

    @classmethod
    def of(cls, request: ExportRequest, images: Sequence[Image.Image]) -> Subject:
        source = resolve(request)
        (spec,) = source.inputs
        rule = source.preprocessing[spec.name]
        cropped = np.stack([rule.crop_image(image) for image in images]).astype(np.float64)
        normalized = (cropped * rule.scale - np.array(rule.mean)) / np.array(rule.std)
        inputs = torch.from_numpy(normalized.transpose(0, 3, 1, 2)).float()
        traced = trace(source.model, [replace(spec, shape=(BATCH, *spec.shape[1:]))])
        return cls(source, traced, inputs, _run(source.model, inputs))

    def row(self, format_name: str, precision: Precision) -> str:
        setting = Setting(self.traced.signature)
        passes = FORMATS[format_name].passes(setting, precision)
        cells = [format_name, precision.name]
        for way in WAYS.values():
            made, _ = apply_passes(self.traced, way(passes))
            got = _run(lambda batch, module=made.graph_module: module(batch)[0], self.images)
            agreed = int((got.argmax(1) == self.want.argmax(1)).sum())
            cells.append(f"{figures(got.numpy(), self.want.numpy()).snr_db:.1f} dB, {agreed}")
        return f"| {' | '.join(cells)} |"


def _run(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(batch) for batch in images.split(BATCH)])


def _tables(photos: Path) -> list[str]:
    paths = sorted(photos.glob("*.jpg"))
    paths = paths[: len(paths) // BATCH * BATCH]
    subjects = {
        f"EfficientNet-Lite0, {len(paths)} photographs": (
            ExportRequest(model=MODEL, spec=SPEC),
            [Image.open(path).convert("RGB") for path in paths],
        ),
        "CloFormer-XXS of the box, 200 images of Fashion-MNIST": (
            ExportRequest(weights=Path("fashion-mnist")),
            [Image.fromarray(item).convert("RGB") for item in np.load(IMAGES)["val_images"]],
        ),
    }
    lines: list[str] = []
    for title, (request, images) in subjects.items():
        subject = Subject.of(request, images)
        head = f"| {title} | precision | {' | '.join(WAYS)} |"
        rows = [
            subject.row(name, precision)
            for name, row in FORMATS.items()
            for precision in row.precisions.values()
            if precision.are_weights_compressed and not precision.are_layers_quantized
        ]
        lines += [head, f"| --- | --- |{' ---: |' * len(WAYS)}", *rows, ""]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="What gains on rounding weights to the nearest.")
    parser.add_argument("--photos", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    given = parser.parse_args()
    lines = _tables(given.photos)
    print("\n".join(lines))
    if given.write:
        replace_between(DOCUMENT, *MARKS, ["", *lines])
    return 0


if __name__ == "__main__":
    sys.exit(main())
