"""Which groups of layers cost the most in 8 bits, and the few of them that have to stay in float.

Each group is quantized alone, everything else in float, on the
images of the calibration: what it adds to its own last value, and what arrives at the outputs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, fx

from cloformer.errors import CloformerError, GateError, UnsupportedError
from cloformer.io.progress import Progress, Stage
from cloformer.io.words import count

from ..accuracy.paired import Drop
from ..formats.row import Format
from ..passes import apply_passes
from ..passes.quantize_layers import quantizable, values_of
from ..passes.rewriter import Rewriter
from ..passes.stored import rounded_value
from ..source.precision import Precision
from ..source.quantization import Quantization
from .calibrate import Calibrated
from .goal import Goal
from .groups import Group, Sensitivity, for_their_bytes, groups_of
from .labelled import Accuracy, refuse_too_few
from .relevance import relevances

__all__ = ["Choice", "chosen"]

Weighed = Callable[[Quantization], int]  # the bytes of the file that is written with it
_BYTES_OF_AN_OPERATOR = 300  # of a file, with names; about
_IMAGES = 32  # of the calibration, at most: of each, every group is computed once


@dataclass(frozen=True)
class Choice:
    """What stays in float, and what that gives on the images. ``images_for_less`` would show, if they differ as those here do, that
    nothing has to stay in float for the accuracy asked for; None where nothing stays, or no number would do."""

    quantization: Quantization
    groups: tuple[Sensitivity, ...]
    in_float: tuple[str, ...]
    snr: float
    agreement: float | None
    drop: Drop | None = None
    images_for_less: int | None = None

    @property
    def note(self) -> str:
        agreed = "" if self.agreement is None else f", the first class the same on {self.agreement:.1%}"
        dropped = "" if self.drop is None else f", a drop of top-1 of {self.drop}"
        more = (
            ""
            if self.images_for_less is None
            else f"; with {self.images_for_less:,} labelled images, none may have to"
        )
        kept = ", ".join(self.in_float) or "none"
        return (
            f"in float stay {count(self.in_float, 'group')} of {len(self.groups)} ({kept}): "
            f"{self.snr:.1f} dB on the images of the calibration{agreed}{dropped}{more}"
        )


def chosen(
    found: Calibrated,
    written_as: Format,
    precision: Precision,
    goal: Goal,
    weighed: Weighed,
    progress: Progress = lambda _: None,
    labels: Mapping[Path, int] | None = None,
) -> Choice:
    """Few groups in float with which ``goal`` is reached: the most sensitive first, or those that cost the most for the bytes
    that they spare, whichever gives the smaller file. With a size alone, as many as it allows. ``weighed`` is asked only where a size
    is part of the goal; ``labels`` are the classes of the images, which a goal of accuracy needs. :class:`GateError` where no choice
    reaches it."""
    if goal.max_accuracy_drop is not None:
        refuse_too_few(len(found.images), goal.max_accuracy_drop)
    study = _Study(found, written_as, precision, weighed, labels)
    ranked = sorted(study.sensitivities(goal, progress), key=lambda item: item.rank, reverse=True)
    if not goal.asks_for_quality:
        kept = study.within(goal.max_bytes or 0, ranked)
    else:
        orders = (ranked, for_their_bytes(ranked))
        tried = [study.fewest(goal, order, progress) for order in orders]
        kept = min(tried, key=lambda groups: sum(item.group.numbers for item in groups))
    if len(kept) == len(study.groups):
        raise _nothing_in_8_bits(study.images_for_less(goal, kept))
    quantization = study.leaving(kept)
    snr, agreement = study.result(quantization)
    return Choice(
        quantization, tuple(ranked), tuple(item.group.name for item in kept), snr, agreement,
        study.drop(quantization), study.images_for_less(goal, kept),
    )  # fmt: skip


def _nothing_in_8_bits(images: int | None) -> CloformerError:
    """For a goal that takes every group in float; with so many labelled ``images`` it might be shown to take none."""
    if images is not None:
        return GateError(
            "too few images to show of any layer in 8 bits that top-1 drops by no more: if as large a share of them differs, "
            f"{images:,} are needed",
            f"a --calibration folder with as many, and --samples {images}; or ask for less by --max-accuracy-drop",
        )
    return UnsupportedError(
        "every layer stays in float with that goal, and nothing would be in 8 bits",
        "export it in float: --precision fp32 or fp16; or ask for less by --min-snr, --min-agreement, --max-accuracy-drop or --max-size",
    )


class _Study:
    """The graph with some groups in 8 bits, on the images of its calibration."""

    def __init__(
        self,
        found: Calibrated,
        written_as: Format,
        precision: Precision,
        weighed: Weighed,
        labels: Mapping[Path, int] | None = None,
    ) -> None:
        self.weighed, self.labels = weighed, labels
        self.found, self.format, self.precision = found, written_as, precision
        self.layers = {layer.node.name: layer for layer in quantizable(Rewriter(found.traced.graph_module))}
        self.groups = groups_of(self.layers)
        self.images = [list(each) for each in itertools.islice(found.batches(), _IMAGES)]

    @cached_property
    def wanted(self) -> list[list[Tensor]]:
        """The outputs in float, by image."""
        return _outputs(self.found.traced.graph_module, self.images)

    @cached_property
    def accuracy(self) -> Accuracy | None:
        """Of all images, and not of some: what it tells depends on their number. None without labels."""
        if self.labels is None:
            return None
        numbers = [self.labels[path] for path in self.found.images]
        return Accuracy(self.found, numbers)

    def leaving(self, kept: Sequence[Sensitivity]) -> Quantization:
        return self._in_float([name for item in kept for name in item.group.layers])

    def _in_float(self, names: Sequence[str]) -> Quantization:
        return replace(self.found.quantization, in_float=tuple(sorted(names)))

    def result(self, quantization: Quantization) -> tuple[float, float | None]:
        """Decibels of all floating-point outputs together, and of a classifier the share of images with the same class."""
        got = _outputs(self._graph(quantization), self.images)
        noise, power, same, rows = 0.0, 0.0, 0, 0
        for gives, wants in zip(got, self.wanted, strict=True):
            for one, want in zip(gives, wants, strict=True):
                if want.is_floating_point():
                    noise += float((one - want).square().sum())
                    power += float(want.square().sum())
            scores, wanted = gives[self.found.scores], wants[self.found.scores]
            if wanted.ndim == 2 and wanted.is_floating_point():
                same += int((scores.argmax(1) == wanted.argmax(1)).sum())
                rows += wanted.shape[0]
        return _decibels(noise, power), same / rows if rows else None

    def drop(self, quantization: Quantization) -> Drop | None:
        return None if self.accuracy is None else self.accuracy.drop(self._graph(quantization))

    def images_for_less(self, goal: Goal, kept: Sequence[Sensitivity]) -> int | None:
        drop = self.drop(self.leaving([])) if kept else None
        most = goal.max_accuracy_drop
        return None if drop is None or most is None or drop.is_within(most) else drop.images_needed(most)

    def sensitivities(self, goal: Goal, progress: Progress) -> list[Sensitivity]:
        relevance: Mapping[str, float] | None = None
        if goal.sensitivity == "relevance":
            relevance = relevances(
                self.found.traced.graph_module,
                list(self.layers),
                lambda: iter(self.images),
                len(self.images),
                progress,
            ).shares
        found = []
        for number, group in enumerate(self.groups):
            progress(
                Stage(
                    f"measuring {group.name}, group {number + 1} of {len(self.groups)}",
                    number / len(self.groups),
                )
            )
            if relevance is not None:
                own, final = math.nan, math.nan
                found.append(
                    Sensitivity(group, own, final, max(relevance.get(name, 0.0) for name in group.layers))
                )
                continue
            found.append(self._alone(group))
        return found

    def _alone(self, group: Group) -> Sensitivity:
        others = [name for name in self.layers if name not in group.layers]
        graph_module = self._graph(self._in_float(others))
        last = values_of(self.layers[group.layers[-1]])[1]
        rounded = [node for node in graph_module.graph.nodes if rounded_value(node) is not None][-1]
        own, final = _Noise(), _Noise()
        for inputs, wants in zip(self.images, self.wanted, strict=True):
            before = _Keeping(self.found.traced.graph_module, last)
            after = _Keeping(graph_module, rounded)
            with torch.no_grad():
                before.run(*inputs)
                outputs = after.run(*inputs)
            own.add(after.value, before.value)
            for one, want in zip(outputs, wants, strict=True):
                final.add(one, want)
        return Sensitivity(group, own.share, final.share)

    def fewest(self, goal: Goal, ranked: Sequence[Sensitivity], progress: Progress) -> list[Sensitivity]:
        """The first of ``ranked`` that are enough, by halves; then each of them back in 8 bits that is not needed."""
        few, enough = -1, len(ranked)
        while enough - few > 1:
            middle = (few + enough) // 2
            progress(f"trying {count(ranked[:middle], 'group')} in float")
            few, enough = (few, middle) if self._reaches(goal, ranked[:middle]) else (middle, enough)
        kept = list(ranked[:enough])
        for item in reversed(ranked[:enough]):
            others = [other for other in kept if other is not item]
            progress(f"trying {item.group.name} in 8 bits")
            if self._reaches(goal, others):
                kept = others
        if goal.max_bytes is not None and self._bytes(kept) > goal.max_bytes:
            raise GateError(
                f"{count(kept, 'group')} in float reach the goal, with about {self._bytes(kept) / 1e6:.1f} MB of the "
                f"{goal.max_bytes / 1e6:.1f} MB that are allowed",
                "ask for less by --min-snr, --min-agreement or --max-accuracy-drop, or allow more by --max-size",
            )
        return kept

    def _reaches(self, goal: Goal, kept: Sequence[Sensitivity]) -> bool:
        quantization = self.leaving(kept)
        snr, agreement = self.result(quantization)
        if goal.min_snr is not None and snr < goal.min_snr:
            return False
        if goal.min_agreement is not None and (agreement is None or agreement < goal.min_agreement):
            return False
        drop = self.drop(quantization)
        return drop is None or goal.max_accuracy_drop is None or drop.is_within(goal.max_accuracy_drop)

    def within(self, most: int, ranked: Sequence[Sensitivity]) -> list[Sensitivity]:
        """Those that spare the most noise for their bytes, while there is room."""
        kept: list[Sensitivity] = []
        for item in for_their_bytes(ranked):
            if self._bytes([*kept, item]) <= most:
                kept.append(item)
        if len(kept) == len(self.groups):
            return kept
        while kept and self.weighed(self.leaving(kept)) > most:
            kept.pop()
        return kept

    @cached_property
    def _least_bytes(self) -> int:
        """Of the file with every layer in 8 bits."""
        return self.weighed(self.leaving([]))

    def _bytes(self, kept: Sequence[Sensitivity]) -> int:
        """About what the file will have: that in 8 bits is written, and what float adds to it is counted."""
        of_biases = 2 if self.format.are_biases_whole else 1  # theirs are stored, too
        wider = self.precision.constant_bits - self.precision.bits
        numbers = sum(item.group.numbers for item in kept)
        scales = of_biases * sum(item.group.outputs for item in kept)
        operators = of_biases * sum(len(item.group.layers) for item in kept)
        return (
            self._least_bytes
            + (numbers * wider - scales * self.precision.constant_bits) // 8
            - _BYTES_OF_AN_OPERATOR * operators
        )

    def _graph(self, quantization: Quantization) -> fx.GraphModule:
        if len(quantization.in_float) == len(self.layers):
            return self.found.traced.graph_module
        precision = replace(self.precision, quantization=quantization)
        written, _ = apply_passes(self.found.traced, self.format.compression(precision))
        return written.graph_module


class _Noise:
    """A power ratio that is added up."""

    def __init__(self) -> None:
        self.noise = self.power = 0.0

    def add(self, got: Tensor, want: Tensor) -> None:
        if want.is_floating_point():
            self.noise += float((got - want).square().sum())
            self.power += float(want.square().sum())

    @property
    def share(self) -> float:
        return self.noise / self.power if self.power else 0.0


class _Keeping(fx.Interpreter):
    """Runs a graph and keeps the value of one node."""

    def __init__(self, graph_module: fx.GraphModule, kept: fx.Node) -> None:
        super().__init__(graph_module)
        self.kept = kept
        self.value = torch.empty(0)

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if n is self.kept:
            assert isinstance(value, Tensor)
            self.value = value
        return value


def _outputs(graph_module: fx.GraphModule, images: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
    graph_module.recompile()
    with torch.no_grad():
        return [list(graph_module(*inputs)) for inputs in images]


def _decibels(noise: float, power: float) -> float:
    return math.inf if not noise else 10 * math.log10(max(power, 1e-300) / noise)
