"""Models of torchvision, by their names there: ``torchvision:NAME[?option=value&...]``.

``?weights=DEFAULT``, or another name of the model's weights, takes what torchvision has downloaded before.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloformer.errors import InputError, UsageError, choose

from ..preprocessing import INTERPOLATIONS, Preprocessing
from ..trained import Training
from .asked import Asked
from .made import FromLibrary, called, class_names, load, refuse_options, refuse_unknown
from .package import package, version_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["torchvision_model"]

_READ = "ImageClassification"  # the one of torchvision's preparations that an artifact can say


def torchvision_model(asked: Asked, weights: Path | None, seed: int) -> FromLibrary:
    """The model with the weights of a file, those that torchvision has downloaded before, or random ones.

    Raises :class:`MissingRuntimeError` without torchvision, :class:`UsageError` for a name or an option that it does not
    have, and :class:`InputError` for weights that are not there.
    """
    torchvision = package("torchvision", asked)
    models = torchvision.models
    refuse_options(asked, ("pretrained", "pretrained_backbone", "weights_backbone"))
    refuse_unknown(asked, models.list_models(), "in Python, torchvision.models.list_models() lists the names")
    builder = models.get_model_builder(asked.name)
    options: dict[str, Any] = dict(asked.options)
    wanted = options.pop("weights", None)
    known = called(asked, seed, lambda: models.get_model_weights(asked.name))
    if wanted is not None:
        wanted = known[choose("weights", str(wanted), known.__members__, f"{asked.option} ...?weights")]
    if weights is not None and wanted is not None:
        raise UsageError(
            f"{asked.option} {asked.said} and --weights {weights} both name weights", "give one of them"
        )
    if "weights_backbone" in inspect.signature(builder).parameters:
        options["weights_backbone"] = None  # they would be downloaded
    if wanted is None:
        model = called(asked, seed, lambda: builder(weights=None, **options))
        sha256 = None if weights is None else load(model, weights)
    else:
        with _from_this_machine(asked, wanted) as sha256:
            model = called(asked, seed, lambda: builder(weights=wanted, **options))
    described = wanted or getattr(known, "DEFAULT", None)
    training, notes = _training(described, has_own_classes="num_classes" in options)
    return FromLibrary(model, training, sha256, version_of(torchvision), notes)


@contextlib.contextmanager
def _from_this_machine(asked: Asked, wanted: Any) -> Iterator[str]:
    """Within, torchvision's own function finds ``wanted`` in the file that it has downloaded before, read as every
    checkpoint is; gives the file's hash. By its own function, since some models compute otherwise with weights."""
    import torch

    from cloformer.checkpoint import read_checkpoint

    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(wanted.url).name
    if not file.is_file():
        raise InputError(
            f"{asked.option} {asked.said}: the weights {wanted} are not on this machine",
            "download them once with torchvision itself; those of --model may also be given as --weights FILE:",
            f"python -c \"from torchvision.models import get_model; get_model('{asked.name}', weights='{wanted.name}')\"",
        )
    checkpoint = read_checkpoint(file)

    def read(*_: object, **__: object) -> dict[str, Tensor]:
        return dict(checkpoint.tensors)

    kind = type(wanted)
    kind.get_state_dict = read  # in front of the one that it has from its base
    try:
        yield checkpoint.sha256
    finally:
        del kind.get_state_dict


def _training(described: Any, *, has_own_classes: bool) -> tuple[Training, tuple[str, ...]]:
    """What the weights, or those that the model has by default, say of images and classes."""
    if described is None:
        return Training(by="torchvision"), ()
    prepared = described.transforms()
    kind = type(prepared).__name__
    interpolation = getattr(getattr(prepared, "interpolation", None), "value", "")
    if kind != _READ or interpolation not in INTERPOLATIONS:
        return Training(by="torchvision"), (
            f"torchvision prepares images for this model by {kind}, which an artifact cannot say: ImageNet's is taken",
        )
    crop, resize = prepared.crop_size[0], prepared.resize_size[0]
    rule = Preprocessing(
        crop, crop, max(crop, resize), interpolation, mean=tuple(prepared.mean), std=tuple(prepared.std)
    )
    names = None if has_own_classes else class_names(described.meta.get("categories", ()))
    return Training(names, rule, by="torchvision"), ()
