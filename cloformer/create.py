"""Built-in networks by name: classifiers, their maps for other heads, and dense networks; with fresh weights or a checkpoint's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Literal, overload

import torch
from torch import Tensor

from cloformer.io.words import count

from .checkpoint import STEM, build, load_into, named_variant
from .checkpoint_file import Checkpoint, read_checkpoint
from .dense import DenseNetwork, classes_of
from .errors import CheckpointError
from .features import STRIDES, CloFormerFeatures
from .model import CloFormer
from .variants import Variant, list_dense_models, variant_and_head

__all__ = ["create_dense_model", "create_model", "identify_dense"]

# A classifier's last norm is the last map's; its head is nothing that maps have, and a dense network's head has the same name.
_CLASSIFIERS_NORM, _LAST_NORM, _OWN_NORM = "norm.", f"norms.{len(STRIDES) - 1}.", "norms.0.weight"
_CLASSIFIER = "head."
_STEM_RANK = 4


@overload
def create_model(
    name: str | None = ...,
    *,
    num_classes: int | None = ...,
    in_chans: int | None = ...,
    drop_path_rate: float | None = ...,
    weights: str | os.PathLike[str] | None = ...,
    features_only: Literal[False] = ...,
) -> CloFormer: ...


@overload
def create_model(
    name: str | None = ...,
    *,
    num_classes: int | None = ...,
    in_chans: int | None = ...,
    drop_path_rate: float | None = ...,
    weights: str | os.PathLike[str] | None = ...,
    features_only: Literal[True],
) -> CloFormerFeatures: ...


def create_model(
    name: str | None = None,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    drop_path_rate: float | None = None,
    weights: str | os.PathLike[str] | None = None,
    features_only: bool = False,
) -> CloFormer | CloFormerFeatures:
    """The variant ``name``, with fresh weights or those of the checkpoint ``weights``, which names it too; with ``features_only`` its
    four maps (:class:`~cloformer.features.CloFormerFeatures`) instead of classes.

    ``weights`` is what :func:`read_checkpoint` takes. ``num_classes`` and ``in_chans`` default to the checkpoint's, or
    1000 and 3. A classifier's checkpoint gives ``features_only`` all but the norms of the first three maps, which stay as they
    start. Raises :class:`UnknownVariantError`, :class:`CheckpointError` if the checkpoint does not fit, or
    :class:`TypeError` if neither is given, and for ``num_classes`` of what has no classes.
    """
    if name is None and weights is None:
        raise TypeError("create_model takes a variant's name, or weights")
    if name in list_dense_models():
        raise TypeError(f"{name} gives more than classes: create_dense_model makes it")
    if features_only and num_classes is not None:
        raise TypeError("features_only gives maps, which have no classes: leave num_classes out")
    checkpoint = None if weights is None else read_checkpoint(weights)
    variant = named_variant(name, checkpoint, weights)
    if features_only:
        return _features(variant, checkpoint, in_chans, drop_path_rate)
    return build(variant, checkpoint, num_classes, in_chans, drop_path_rate)


def create_dense_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    drop_path_rate: float | None = None,
    weights: str | os.PathLike[str] | None = None,
) -> DenseNetwork:
    """The dense network ``name``, one of :func:`cloformer.list_dense_models`, with fresh weights or those of ``weights``: a checkpoint of
    its own, or a classifier's, of which the backbone takes what it has.

    ``num_classes`` defaults to the checkpoint's own, or what the head is published for. Raises as :func:`create_model`.
    """
    variant, head = variant_and_head(name)
    if head is None:
        raise TypeError(f"{name} is a classifier: create_model makes it")
    checkpoint = None if weights is None else read_checkpoint(weights)
    held = None if checkpoint is None else classes_of(head.name, checkpoint.tensors)
    classes = num_classes or held or head.num_classes
    if checkpoint is None or held is None:
        backbone = _features(variant, checkpoint, in_chans, drop_path_rate)
        model = DenseNetwork(backbone, head.name, classes)
        if checkpoint is not None:
            model.newly_initialized = tuple(_new_keys(model))
        return model
    if held != classes:
        raise CheckpointError(
            f"the checkpoint has {count(held, 'class')}, and {num_classes} were asked for",
            f"leave --num-classes out, or give {held}",
        )
    channels = in_chans or _channels(checkpoint, f"backbone.{STEM}")
    backbone = CloFormerFeatures(variant, in_chans=channels, drop_path_rate=drop_path_rate)
    model = DenseNetwork(backbone, head.name, classes)
    load_into(model, checkpoint.tensors)
    return model


def identify_dense(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the dense network whose keys and shapes these are, but for classes and the image's channels; None if there is none."""
    for name in list_dense_models():
        variant, head = variant_and_head(name)
        classes = None if head is None else classes_of(head.name, tensors)
        stem = tensors.get(f"backbone.{STEM}")
        if head is None or classes is None or stem is None or stem.ndim != _STEM_RANK:
            continue
        with torch.device("meta"):
            backbone = CloFormerFeatures(variant, in_chans=stem.shape[1])
            expected = DenseNetwork(backbone, head.name, classes).state_dict()
        if {key: value.shape for key, value in expected.items()} == {
            key: value.shape for key, value in tensors.items()
        }:
            return name
    return None


def _features(
    variant: Variant, checkpoint: Checkpoint | None, in_chans: int | None, drop_path_rate: float | None
) -> CloFormerFeatures:
    """The maps of a variant, with fresh weights, those of a checkpoint of their own, or a classifier's."""
    if checkpoint is None:
        return CloFormerFeatures(variant, in_chans=in_chans or 3, drop_path_rate=drop_path_rate)
    if _OWN_NORM in checkpoint.tensors:
        channels = in_chans or _channels(checkpoint, STEM)
        model = CloFormerFeatures(variant, in_chans=channels, drop_path_rate=drop_path_rate)
        load_into(model, checkpoint.tensors)
        return model
    classifier = build(variant, checkpoint, None, in_chans, drop_path_rate)
    model = CloFormerFeatures(
        variant, in_chans=classifier.in_chans, drop_path_rate=drop_path_rate, widths=classifier.widths
    )
    given = {
        key.replace(_CLASSIFIERS_NORM, _LAST_NORM, 1) if key.startswith(_CLASSIFIERS_NORM) else key: value
        for key, value in classifier.state_dict().items()
        if not key.startswith(_CLASSIFIER)
    }
    state = model.state_dict()
    model.load_state_dict(state | given)
    model.newly_initialized = tuple(key for key in state if key not in given)
    return model


def _channels(checkpoint: Checkpoint, stem: str) -> int:
    found = checkpoint.tensors.get(stem)
    return found.shape[1] if found is not None and found.ndim == _STEM_RANK else 3


def _new_keys(model: DenseNetwork) -> Iterator[str]:
    """What a classifier's checkpoint has not given: norms of the backbone, and the head."""
    yield from (f"backbone.{key}" for key in model.backbone.newly_initialized)
    yield from (key for key in model.state_dict() if key.startswith(_CLASSIFIER))
