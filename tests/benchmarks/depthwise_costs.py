"""Does each form of a depthwise convolution take what `cloformer/export/passes/depthwise/costs.py` says?

::

    PYTHONPATH=tests:tests/support python -m benchmarks.depthwise_costs [--write]

Single layers, as they are and in every form, exported and counted on an emulated arm64 core. By these costs `lower_depthwise`
chooses; exit code 1 if one is more than a quarter off, or if another form than the one that it chooses takes a tenth fewer
instructions. ``--write`` puts the table into ``docs/passes.md``. It needs what ``make device-checks`` installs.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from cloformer.export.device.arm64 import Arm64Device
from cloformer.export.device.arm64_parity import compare_on_device
from cloformer.export.parity.verify import ParityRequest
from cloformer.export.passes import lower_depthwise
from cloformer.export.passes.depthwise import FORMS
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

from .ablation import PAGE
from .markdown import replace_between

# Channels, the map's side, taps, and stride.
LAYERS = (
    (128, 56, 3, 1), (128, 56, 3, 2), (128, 56, 5, 1), (128, 56, 5, 2), (256, 28, 5, 1), (256, 28, 5, 2),
    (32, 28, 5, 1), (512, 14, 5, 1), (512, 14, 5, 2), (512, 14, 3, 1), (192, 14, 7, 1), (1024, 7, 5, 1), (192, 7, 9, 1), (96, 56, 7, 1),
)  # fmt: skip
AS_IT_IS = "as it is"
_OFF, _WORSE = 0.25, 0.1
BEGIN, END = "<!-- forms of depthwise convolutions: make depthwise-costs -->", "<!-- end of the forms -->"


@dataclass(frozen=True)
class Form:
    """One form of a layer: what it is said to take and what it takes, in instructions for a number of the result, and how many times
    the weights it stores."""

    name: str
    said: float
    counted: float
    growth: float


def layer(channels: int, side: int, taps: int, stride: int) -> nn.Module:
    torch.manual_seed(0)
    del side
    return nn.Conv2d(channels, channels, taps, stride, taps // 2, groups=channels)


def __getattr__(name: str) -> Callable[[], nn.Module]:
    """``layer_128_56_5_2``: what ``--model`` takes."""
    found = re.fullmatch("layer((?:_[0-9]+){4})", name)
    if found is None:
        raise AttributeError(name)
    return partial(layer, *map(int, found[1].split("_")[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for each in LAYERS:
        found[each] = list(forms(*each))
        print(*(line for line in _lines(each, found[each])), sep="\n", flush=True)
    failures = [text for each, several in found.items() for text in _failures(each, several)]
    print(*(f"FAIL: {text}" for text in failures), sep="\n")
    if given.write:
        lines = [
            "| channels, map, taps, stride | form | weights, times | instructions for a number, as said | counted |",
            "| --- | --- | ---: | ---: | ---: |",
            *(line for each, several in found.items() for line in _lines(each, several)),
        ]
        replace_between(PAGE, BEGIN, END, lines)
    sys.exit(1 if failures else 0)


def forms(channels: int, side: int, taps: int, stride: int) -> Iterator[Form]:
    """The layer as it is, and in each form; of products the smallest matrices and the largest."""
    numbers = channels * math.ceil(side / stride) ** 2
    offered: list[lower_depthwise._Choice] = []

    def choose(choices: Sequence[lower_depthwise._Choice], _budget: float, name: str, place: int) -> None:
        offered[:] = choices
        (choice,) = choices
        offers = list(FORMS[name](choice.site)) if name in FORMS else []
        choice.chosen = offers[place] if offers else None

    for name, place in ((AS_IT_IS, 0), ("tiles", 0), ("phases", 0), ("products", 0), ("products", -1)):
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(lower_depthwise, "_choose", partial(choose, name=name, place=place)),
        ):
            request = ExportRequest(
                model=f"{__name__}:layer_{channels}_{side}_{taps}_{stride}",
                spec=ModelSpec(declared=(TensorSpec("x", (1, channels, side, side)),)), output=Path(folder),
            )  # fmt: skip
            artifact = export(request)[0].artifact
            (choice,) = offered
            if name != AS_IT_IS and choice.chosen is None:
                continue
            counts = compare_on_device(artifact, ParityRequest(), Arm64Device())[1]
            if counts is None:
                sys.exit("error: QEMU here does not count")
            stored = choice.site.numbers if choice.chosen is None else choice.chosen.numbers
            growth = stored / choice.site.numbers
            yield Form(name, choice.instructions / numbers, counts.most / numbers, growth)


def _lines(each: tuple[int, int, int, int], found: Sequence[Form]) -> Iterator[str]:
    channels, side, taps, stride = each
    for form in found:
        where = f"{channels}, {side} x {side}, {taps} x {taps}, {stride}"
        yield f"| {where} | {form.name} | {form.growth:.1f} | {form.said:.1f} | {form.counted:.1f} |"


def _failures(each: tuple[int, int, int, int], found: Sequence[Form]) -> Iterator[str]:
    best, chosen = min(found, key=lambda form: form.counted), min(found, key=lambda form: form.said)
    if chosen.counted > (1 + _WORSE) * best.counted:
        yield f"{each}: {chosen.name} is chosen, and {best.name} takes fewer"
    for form in found:
        if abs(form.said / form.counted - 1) > _OFF:
            yield f"{each}: {form.name} is said to take {form.said:.1f}, and takes {form.counted:.1f}"


if __name__ == "__main__":
    main()
