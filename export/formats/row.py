"""A row of the table of formats: everything that is a format's own.

A format is a folder beside this file. Its ``__init__`` holds the row, which is light: `cloformer --help` reads it. The
folder's ``exporter`` writes the model, ``passes`` lists its passes, and each runner has a file; these are imported when
they are used, and with them the format's framework.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from cloformer.errors import InputError, MissingRuntimeError, UnsupportedError, UsageError, choose
from cloformer.io.read import decoding
from cloformer.io.words import bounded

from ..source.labels import first_repeated
from ..source.precision import Precision
from ..source.quantization import Quantization
from ..source.roles import is_classifier
from ..source.shares import parse_share
from ..source.signature import TensorSpec

if TYPE_CHECKING:
    from ..passes import Pass, Setting
    from .contents import Contents, ReadsContents
    from .exporter import Exporter
    from .probe import ProbeWriter
    from .profiler import Profiler
    from .view import FileView, ReadsView

__all__ = ["COMPUTE_UNITS", "NORMALIZE", "Format", "Option", "RunnerRow"]


@dataclass(frozen=True)
class Option:
    """An option of the command line that is a format's own. ``choices`` are the words that people type, with the
    framework's own for each; ``suffix`` is what a choice other than the default adds to the folder's name, with
    ``{}`` for the choice. ``words`` say a choice that is no word by itself, with ``{}`` for it. ``is_later``: manifests that were
    written before there was the option do not name it, and mean the default. ``is_of_passes``: it decides the list of passes, and
    nothing of what the exporter makes of the graph that they leave. ``spelling`` is the flag where it is not the name; ``before`` is
    what manifests without the option have where that is not the default; none that is written has it. ``most`` is for an option that takes any share up to it,
    and has no choices. ``with_choice`` is another option's name and the one choice of it that this option is for."""

    name: str
    help: str
    choices: Mapping[str, str]
    default: str
    suffix: str
    words: str = "{}"
    is_later: bool = False
    is_of_passes: bool = False
    spelling: str = ""
    before: str | None = None
    most: float | None = None
    with_choice: tuple[str, str] | None = None

    @property
    def flag(self) -> str:
        return self.spelling or f"--{self.name.replace('_', '-')}"

    def read(self, text: str) -> str:
        """The choice that ``text`` is; a share in percent. :class:`UsageError` for anything else."""
        if self.most is None:
            return choose(self.name.replace("_", "-"), text, self.choices, self.flag)
        return f"{100 * parse_share(self.flag, text, most=self.most):g}%"

    def spelt(self, choice: str) -> str:
        """The framework's own word for it."""
        return self.choices.get(choice, choice)

    def suffix_of(self, choice: str) -> str:
        return self.suffix.format(choice.removesuffix("%"))

    def worded(self, choice: str) -> str:
        """The choice as reports name it."""
        return self.words.format(choice)

    def is_told(self, choice: str) -> bool:
        """Whether manifests and reports name the choice: what was the only way before there was the option needs no words."""
        if self.before is not None:
            return choice != self.before
        return not (self.is_later and choice == self.default)


# Where an image's pixels become what the model was trained on. Each format that leaves the choice has it in its row.
NORMALIZE = Option(
    "normalize",
    "Where an image is scaled and normalized: outside, by the app, or inside, so that the file takes pixels of 0 to 255, as Core ML's always do.",
    {name: name for name in ("outside", "inside")},
    "outside",
    "normalize-{}",
    "normalized {}",
    is_later=True,
    is_of_passes=True,
)

# What a list of passes can be for besides a processor: all that a device may compute by, or one of them.
COMPUTE_UNITS = ("all-units", "neural-engine")


@dataclass(frozen=True)
class RunnerRow:
    """``format`` is what it runs, ``package`` brings the runtime, ``system`` is the only one it exists on.

    ``format`` is None for what runs the graph before it is written. ``is_device_runtime`` is False for what only
    computes what the format's specification says; ``gives_values`` says whether it can give every value on the way.
    ``options`` are the fields of :class:`~.runner.RunnerOptions` that it takes.
    """

    title: str
    format: str | None
    module: str
    class_name: str
    package: str
    system: str | None = None
    is_device_runtime: bool = True
    gives_values: bool = True
    options: tuple[str, ...] = ("threads",)

    @property
    def exists_here(self) -> bool:
        """Whether there is such a runtime on this system; it may still not be installed."""
        return self.system in (None, sys.platform)


@dataclass(frozen=True)
class Format:
    """``precisions`` are by name and begin with the default. ``packages`` are those whose versions decide the bytes. ``runners`` stand
    in order of preference. ``scores_by_name``: a classifier's scores are a dictionary by the names of its classes, so that no two may be the same.
    ``needs`` are the precisions that only some choices of an option can hold: by the precision, and by the option's name, those.
    ``extra``: what its packages are installed by, where cloformer itself does not bring them: `pip install cloformer[EXTRA]`.
    ``has_delegates``: its runtime hands pieces of the graph to another, which may leave some.
    ``are_biases_whole``: a layer in 8 bits has a bias in 32. ``app_systems`` are the systems whose apps carry the format, as `cloformer bundle` names them, first the one to begin with; ``has_profiler`` says whether
    the folder has a profiler of its runtime, ``has_probe`` whether it writes models that give the values inside, for devices. ``takes_pixels``: its files normalize images inside, all of them. ``adds_in_order``: its
    runtime adds the terms of a sum one after the other, so that more is lost than where partial sums are kept side by side.
    ``whole``: the widest whole numbers that its files have. ``has_own_suppression``: boxes can be suppressed by a stage of its own.
    """

    name: str
    title: str
    precisions: Mapping[str, Precision]
    options: tuple[Option, ...]
    packages: tuple[str, ...]
    runners: Mapping[str, RunnerRow]
    scores_by_name: bool = False
    are_biases_whole: bool = False
    app_systems: tuple[str, ...] = ()
    has_profiler: bool = False
    has_probe: bool = False
    needs: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    extra: str | None = None
    has_delegates: bool = False
    takes_pixels: bool = False
    adds_in_order: bool = False
    whole: str = "int64"
    has_own_suppression: bool = False

    @property
    def missing(self) -> list[str]:
        """Those of its packages that are not installed."""
        return [name for name in self.packages if not _is_installed(name)]

    def refuse_missing(self) -> None:
        """:class:`MissingRuntimeError` where a package that writes the format is not installed."""
        if self.missing:
            raise MissingRuntimeError(
                f"{self.title} is written by {', '.join(self.missing)}, which cloformer installs only if it is asked",
                f"pip install 'cloformer[{self.extra}]'",
            )

    @property
    def default_precision(self) -> str:
        return next(iter(self.precisions))

    def normalizes_inside(self, options: Mapping[str, str]) -> bool:
        """Whether a file that is written by these options scales and normalizes its images itself."""
        return self.takes_pixels or options.get(NORMALIZE.name) == "inside"

    def holds(self, precision: str, option: Option) -> tuple[str, ...]:
        """The choices of an option that can hold the precision; the first is what is advised."""
        return self.needs.get(precision, {}).get(option.name, tuple(option.choices))

    def refuse_idle(self, given: Mapping[str, str], options: Mapping[str, str]) -> None:
        """:class:`UsageError` for an option that was ``given`` and does nothing beside the chosen ``options``."""
        for option in self.options:
            name, choice = option.with_choice or ("", "")
            if option.name in given and name and options[name] != choice:
                flag = next(other.flag for other in self.options if other.name == name)
                raise UsageError(
                    f"{option.flag} is for {flag} {choice}", f"add {flag} {choice} or leave {option.flag} out"
                )

    def refuse_choices(self, precision: str, options: Mapping[str, str]) -> None:
        """:class:`UnsupportedError` for a precision that a file written by these options cannot hold."""
        for option in (each for each in self.options if each.choices):
            choice, holding = options[option.name], self.holds(precision, option)
            if choice in holding:
                continue
            others = [name for name in self.precisions if choice in self.holds(name, option)]
            raise UnsupportedError(
                f"{self.title} for {option.worded(choice)} cannot hold {precision}",
                f"add {option.flag} {holding[0]}, or choose another --precision: {', '.join(others)}",
            )

    def refuse_repeated_names(self, labels: Sequence[str] | None, outputs: Sequence[TensorSpec]) -> None:
        """:class:`InputError` for class names that a model with such outputs cannot have in this format: of one that is no
        classifier the names are in the artifact alone."""
        found = first_repeated(labels or ()) if self.scores_by_name and is_classifier(outputs) else None
        if found is not None:
            name, first, second = found
            raise InputError(
                f"the labels have {bounded(name, 80)!r} on line {first} and on line {second}, and {self.title} gives a "
                "classifier's scores by name",
                f"make the names differ, as in '{bounded(name, 40)} ({second})', or choose a --format that numbers them: onnx",
            )

    def exporter(self) -> Exporter:
        """The module that writes it; imports the format's framework."""
        return cast("Exporter", self._module("exporter"))

    def profiler(self) -> Profiler | None:
        """The module that times operators by the format's runtime; None if no profiler of it can be read."""
        return cast("Profiler", self._module("profiler")) if self.has_profiler else None

    def probe(self) -> ProbeWriter | None:
        """The module that writes a model with values inside it as outputs; None where that is not offered."""
        return cast("ProbeWriter", self._module("probe")) if self.has_probe else None

    def passes(
        self, setting: Setting, precision: Precision | None = None, *, reparameterize: bool = True
    ) -> Sequence[Pass]:
        """Its list of passes in order, and last those that store weights in fewer bits as ``precision`` says; without
        ``reparameterize``, only what the format's interface needs."""
        module = self._module("passes")
        make: Callable[[Setting], Sequence[Pass]] = module.passes if reparameterize else module.plain_passes
        if precision is not None:
            setting = replace(setting, weights=precision.weights)
        if precision is None or not precision.are_weights_compressed:
            return list(make(setting))
        from ..passes.note_means import NoteMeans

        known = replace(setting, on_whole_numbers=precision.are_layers_quantized)
        # Before batch norms are folded, which know the means.
        return [NoteMeans(), *make(known), *self.compression(precision)]

    def compression(self, precision: Precision) -> list[Pass]:
        """The last of them, which store and compute in fewer bits. What a comment says was measured is from docs/precision.md."""
        from ..passes.compress_weights import CompressWeights
        from ..passes.correct_bias import CorrectBias
        from ..passes.quantize_biases import QuantizeBiases
        from ..passes.quantize_layers import QuantizeLayers
        from ..passes.round_by_range import RoundByRange

        quantization = precision.quantization or Quantization({})  # of which the pass says what is missing
        is_whole = precision.are_layers_quantized
        stored = precision.constants
        return [
            *([QuantizeLayers(quantization, stored)] if is_whole else []),
            CompressWeights(precision.weights, precision.granularity, stored, quantization.in_float),
            CorrectBias(),  # 4 to 7 dB
            *([RoundByRange()] if precision.are_layers_dynamic else []),
            *([QuantizeBiases()] if is_whole and self.are_biases_whole else []),
        ]

    def contents(self, path: Path) -> Contents:
        """What is inside a written model; :class:`InputError` if it cannot be read."""
        return cast("ReadsContents", self._module("contents")).read_contents(path)

    def view(self, path: Path) -> FileView:
        """The operators of a written model in common words; :class:`InputError` if it cannot be read."""
        read = cast("ReadsView", self._module("view")).read_view
        with decoding(
            f"{path} as a model of {self.title}", "export it again"
        ):  # whose parts may contradict one another
            return read(path)

    def _module(self, name: str) -> ModuleType:
        try:
            return importlib.import_module(f".{self.name}.{name}", __package__)
        except ImportError:
            self.refuse_missing()
            raise


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
