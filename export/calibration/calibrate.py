"""From a folder of images to the steps of a model's values, for one format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.cache import cache_folder, placed
from cloformer.io.progress import Progress
from cloformer.io.tensors import read_tensors, tensors_as_bytes
from cloformer.io.words import count

from ..passes.quantize_layers import quantizable, values_of
from ..passes.rewriter import Rewriter
from ..reference.cases import Inputs, image_cases
from ..reference.written import Asked, written_trace
from ..source.images import Unreadable
from ..source.quantization import Quantization, Steps
from .images import Calibration
from .ranges import range_of
from .statistics import Statistics, collect

if TYPE_CHECKING:
    from ..source.resolve import Source
    from ..source.trace import Trace

__all__ = ["Calibrated", "calibrated", "scores_of"]

_FEWEST = 2  # images: the range of one is its own
_MOST_UNREADABLE = 0.1  # of the images that were asked for
_FILE = "statistics.safetensors"
_MAX_BYTES = 2**30
_VERSION = 1  # of what is kept


@dataclass(frozen=True)
class Calibrated:
    """``quantization`` of every layer of ``traced``, the graph before anything is quantized; ``batches`` gives what that takes
    for each of the ``images``, anew each time it is called. ``scores`` is the place of the output that class names are of. ``notes`` are for people."""

    quantization: Quantization
    traced: Trace
    images: tuple[Path, ...]
    batches: Callable[[], Iterator[Sequence[Tensor]]]
    scores: int = 0
    notes: tuple[str, ...] = ()


def calibrated(
    calibration: Calibration,
    source: Source,
    traced: Trace,
    asked: Asked,
    progress: Progress = lambda _: None,
) -> Calibrated:
    """The steps of every value that a layer reads or gives in the graph that ``asked``'s format is written of.

    Raises :class:`InputError` for a folder without images, or of which too many cannot be read, and
    :class:`UnsupportedError` for a model that takes no images, or has no layer.
    """
    own = Inputs.of_source(source)
    if not own.are_all_images:
        raise UnsupportedError(
            "ranges are taken from images, and the model takes other inputs, too",
            "choose a --precision that needs none: int8-weights",
        )
    drawn = calibration.images
    images = list(drawn.values())
    photographs = image_cases(own, images)
    notes = _left_out(photographs.unreadable, images)
    if len(photographs.cases) < _FEWEST:
        raise InputError(
            f"{count(photographs.cases, 'image')} in {calibration.folder} is too few to take ranges from",
            "give a folder with 32 images or more, like those that the app will see",
        )
    rewritten, pixels = written_trace(traced, source, asked, asked.precision, is_compressed=False)
    layers = list(quantizable(Rewriter(rewritten.graph_module)))
    if not layers:
        raise UnsupportedError(
            "the model has no layer that could compute in 8 bits: no convolution or linear layer in float32 with constant weights",
            "choose another --precision: fp16",
        )
    names = list(dict.fromkeys(value.name for layer in layers for value in values_of(layer)))

    def batches() -> Iterator[Sequence[Tensor]]:
        for case in photographs.cases:
            fed = {
                name: pixels[name].pixels(value) if name in pixels else value
                for name, value in case.for_reference(own).items()
            }
            yield [torch.from_numpy(fed[spec.name]).to(torch.float32) for spec in rewritten.signature.inputs]

    digests = list(drawn)
    statistics = _kept(
        _key(rewritten, source, digests, names),
        lambda: collect(rewritten.graph_module, names, batches, len(photographs.cases), progress),
    )
    stored = asked.precision.constants
    steps = {
        name: Steps.of(*range_of(found, calibration.method), stored) for name, found in statistics.items()
    }
    together = hashlib.sha256("".join(digests).encode()).hexdigest()
    quantization = Quantization(steps, (), calibration.method, len(photographs.cases), together)
    unread = {item.image for item in photographs.unreadable}
    were_read = tuple(path for path in images if str(path) not in unread)
    return Calibrated(quantization, rewritten, were_read, batches, scores_of(source, traced), notes)


def scores_of(source: Source, traced: Trace) -> int:
    """The place of the output that class names are of; the first where nobody says."""
    names = [spec.name for spec in traced.signature.outputs]
    return 0 if source.labels_of is None else names.index(source.labels_of)


def _left_out(unreadable: Sequence[Unreadable], images: Sequence[Path]) -> tuple[str, ...]:
    """The images that cannot be read, by name; :class:`InputError` where they are many."""
    if not unreadable:
        return ()
    said = f"{count(unreadable, 'image')} of {len(images)}"
    if len(unreadable) > _MOST_UNREADABLE * len(images):
        raise InputError(
            f"{said} cannot be read: {unreadable[0].reason}",
            f"more than {_MOST_UNREADABLE:.0%} are too many to calibrate on: remove them, or give a folder of whole photographs",
            details={"unreadable": [item.to_json() for item in unreadable]},
        )
    named = "; ".join(item.reason for item in unreadable)
    return (f"calibrated without {said}, not read: {named}",)


def _kept(key: str, collect_them: Callable[[], dict[str, Statistics]]) -> Mapping[str, Statistics]:
    """What was collected before under that key, or now, and is kept for the next time."""
    folder = cache_folder() / "calibration" / key
    if (folder / _FILE).is_file():
        return _read(folder / _FILE)
    found = collect_them()
    with placed(folder) as place:
        (place / _FILE).write_bytes(_as_bytes(found))
    return found


def _as_bytes(found: Mapping[str, Statistics]) -> bytes:
    arrays = {}
    for name, statistics in found.items():
        arrays[f"{name}/ends"] = np.array([statistics.low, statistics.high])
        arrays[f"{name}/counts"] = statistics.counts
    return tensors_as_bytes(arrays, {})


def _read(path: Path) -> dict[str, Statistics]:
    arrays, _ = read_tensors(path, _MAX_BYTES, f"remove {path.parent}")
    names = [key.removesuffix("/ends") for key in arrays if key.endswith("/ends")]
    ends = {name: arrays[f"{name}/ends"].tolist() for name in names}
    return {name: Statistics(low, high, arrays[f"{name}/counts"]) for name, (low, high) in ends.items()}


def _key(rewritten: Trace, source: Source, images: Sequence[str], names: Sequence[str]) -> str:
    """A hash of all that the statistics depend on: the graph with its weights, how it is fed, and the images' contents."""
    found = hashlib.sha256()
    rules = {name: rule.to_json() for name, rule in source.preprocessing.items()}
    told = [_VERSION, torch.__version__, rules, images, names, str(rewritten.graph_module.graph)]
    found.update(json.dumps(told, sort_keys=True).encode())
    for tensor in [*rewritten.graph_module.parameters(), *rewritten.graph_module.buffers()]:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(np.ascontiguousarray(tensor.detach().numpy()).tobytes())
    return found.hexdigest()
