"""Networks exported by a format's whole list of passes, and by the list without one of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import nn
from zoo.networks import make, networks, reference_of

from cloformer.errors import CloformerError
from cloformer.export.artifact.folder import Artifact
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.spec import ModelSpec

from .ablation import labels, without
from .runtimes import exported, model_of

__all__ = [
    "CACHED",
    "DEEPLAB",
    "NETWORKS",
    "TITLES",
    "WHOLE",
    "LeftOut",
    "made",
    "torch_model",
    "without_each",
]

WHOLE = "nothing"
DEEPLAB = "atrous_pyramid"
NETWORKS = ("cloformer_xxs", "mobilenetv3_large", "efficientnet_lite0", "fastvit_t8", "swin_tiny", DEEPLAB)
# The passes that take more instructions, and less time: what is read is in the first cache.
CACHED = ("split_channels",)
TITLES = {DEEPLAB: "a DeepLab of 32 pixels"}


@dataclass(frozen=True)
class LeftOut:
    """An export without the pass ``off``, which rewrites ``sites`` in the whole list; without an ``artifact``, ``words`` say why."""

    off: str
    sites: int
    artifact: Artifact | None
    words: str = ""


def made(name: str, format: str, folder: Path, options: Mapping[str, str] = {}) -> Artifact:
    """One of ``NETWORKS`` in a format."""
    if name != DEEPLAB:
        return exported(name, format, folder, options=options).artifact
    spec = ModelSpec(declared=networks()[name].inputs)
    request = ExportRequest(
        model=reference_of(name), formats=(format,), spec=spec, options=options, output=folder
    )
    return export(request)[0].artifact


def torch_model(name: str) -> nn.Module:
    """What :func:`made` exports."""
    return make(name) if name == DEEPLAB else model_of(name)


@contextmanager
def without_each(name: str, format: str, whole: Artifact, known: set[str]) -> Iterator[Iterator[LeftOut]]:
    """The network without each pass that rewrites anything in it, but those that are ``known``. The files are there until the
    end of the ``with``."""
    with tempfile.TemporaryDirectory() as folder:
        yield _without_each(name, format, whole, known, Path(folder))


def _without_each(
    name: str, format: str, whole: Artifact, known: set[str], folder: Path
) -> Iterator[LeftOut]:
    passes = labels(format, {})
    sites = [len(item.sites) for item in whole.manifest.passes]
    for place, (off, count) in enumerate(zip(passes, sites, strict=True)):
        if off in known or not count:
            continue
        try:
            with without(format, place):
                found = LeftOut(off, count, made(name, format, folder / str(place)))
        except CloformerError as error:
            found = LeftOut(off, count, None, error.lines[0])
        yield found
