"""Models of timm, by their names there: ``timm:NAME[?option=value&...]`` is ``timm.create_model(NAME, option=value, ...)``."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloformer.errors import InputError

from ..preprocessing import INTERPOLATIONS, Preprocessing
from ..trained import Training
from .asked import Asked
from .made import FromLibrary, called, class_names, load, refuse_options, refuse_unknown
from .package import package, version_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["preparation_of", "timm_model"]

_REFUSED = ("checkpoint_path", "cache_dir", "pretrained_cfg", "pretrained_cfg_overlay")
_WEIGHTS = "model.safetensors"  # what a folder of the Hub calls them


def timm_model(asked: Asked, weights: Path | None, seed: int) -> FromLibrary:
    """The model with the weights of a file, those that timm has downloaded before (``?pretrained=true``), or random ones.

    Raises :class:`MissingRuntimeError` without timm, :class:`UsageError` for a name or an option that timm does not have, and
    :class:`InputError` for weights that are not there.
    """
    timm = package("timm", asked)
    refuse_options(asked, _REFUSED)
    options = asked.options
    is_pretrained = options.pop("pretrained", False) is True
    stem = asked.name.partition("_")[0].partition(".")[0]
    refuse_unknown(asked, timm.list_models(), f"in Python, timm.list_models('{stem}*') lists such names")
    model = called(asked, seed, lambda: timm.create_model(asked.name, pretrained=False, **options))
    if weights is None and is_pretrained:
        weights = _downloaded(asked, model)
    sha256 = None if weights is None else load(model, weights)
    rule, notes = preparation_of(timm, model, options)
    return FromLibrary(model, Training(_names(timm, model), rule, by="timm"), sha256, version_of(timm), notes)


def preparation_of(
    timm: Any, model: nn.Module, options: Mapping[str, object]
) -> tuple[Preprocessing | None, tuple[str, ...]]:
    """How timm itself prepares an image for ``model``, and what of that an artifact cannot say."""
    size = options.get("img_size")
    sides = size if isinstance(size, tuple) else (size, size)
    channels = options.get("in_chans")
    own = timm.data.resolve_model_data_config(model)
    planes = channels if channels is not None else own["input_size"][0]
    height, width = own["input_size"][1:] if size is None else sides
    if planes not in (1, 3):
        return None, (f"an image of {planes} channels: declare it with --input or --spec",)
    mean, std = (_over(own[name], planes) for name in ("mean", "std"))
    notes = []
    interpolation = own["interpolation"]
    if interpolation not in INTERPOLATIONS:
        notes.append(f"timm resizes by {interpolation}, which an artifact cannot say: bicubic is taken")
        interpolation = "bicubic"
    if own["crop_mode"] != "center":
        notes.append(
            f"timm prepares images by {own['crop_mode']}, which an artifact cannot say: the middle is cut out"
        )
    side = max(height, width)
    resize_size = max(side, floor(side / own["crop_pct"]))
    rule = Preprocessing(height, width, resize_size, interpolation, mean=mean, std=std)
    return rule, tuple(notes)


def _over(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """A number for each channel: of a grey image, what the three have on average."""
    given = tuple(float(number) for number in numbers)
    return given if len(given) == channels else (sum(given) / len(given),) * channels


def _names(timm: Any, model: nn.Module) -> tuple[str, ...] | None:
    """The classes, where timm knows a set of images with as many, and the model ends in them."""
    subset = timm.data.infer_imagenet_subset(model)
    if subset is None or not getattr(model, "num_classes", 0) or not hasattr(model, "forward_head"):
        return None
    return class_names(timm.data.ImageNetInfo(subset).label_descriptions())


def _downloaded(asked: Asked, model: nn.Module) -> Path:
    """The file that timm has downloaded for this model, found without the network."""
    from huggingface_hub import try_to_load_from_cache

    repository = (getattr(model, "pretrained_cfg", None) or {}).get("hf_hub_id")
    found = try_to_load_from_cache(repository, _WEIGHTS) if repository else None
    if isinstance(found, str):
        return Path(found)
    raise InputError(
        f"{asked.option} {asked.said}: the weights of {asked.name} are not on this machine",
        "download them once with timm itself; those of --model may also be given as --weights FILE:",
        f"python -c \"import timm; timm.create_model('{asked.name}', pretrained=True)\"",
    )
