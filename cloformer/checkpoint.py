"""Building the network that weights belong to; :mod:`.checkpoint_file` reads and writes the weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from cloformer.io.read import parse_json
from cloformer.io.words import count

from .checkpoint_file import Checkpoint, read_checkpoint, save_checkpoint, shown_key, type_name
from .errors import CheckpointError
from .model import CloFormer
from .variants import PRUNED, VARIANTS, Variant, Widths, get_variant

__all__ = [
    "STEM",
    "Checkpoint",
    "CheckpointError",
    "build",
    "identify",
    "load_checkpoint",
    "load_into",
    "named_variant",
    "read_checkpoint",
    "save_checkpoint",
    "widths_of",
]

_HEAD = "head.weight"
STEM = "patch_embed.conv1.conv.0.weight"
_COUNTER = "num_batches_tracked"  # not used in evaluation, and left out by some writers
_FREE_AXIS = {_HEAD: 0, STEM: 1}  # the sizes that a variant leaves open: classes, and the image's channels


def load_checkpoint(
    path: str | os.PathLike[str], name: str | None = None, *, num_classes: int | None = None
) -> tuple[CloFormer, Checkpoint]:
    """The network a checkpoint belongs to, in evaluation mode; the variant is read off if ``name`` is None."""
    checkpoint = read_checkpoint(path)
    variant = named_variant(name, checkpoint, path)
    return build(variant, checkpoint, num_classes, None, None).eval(), checkpoint


def named_variant(
    name: str | None, checkpoint: Checkpoint | None, path: str | os.PathLike[str] | None
) -> Variant:
    if name is not None or checkpoint is None:
        return get_variant(str(name))
    variant = identify(checkpoint.tensors, checkpoint.metadata)
    if variant is None:
        raise CheckpointError(
            f"{path} is not a CloFormer checkpoint", "give a checkpoint of a built-in model"
        )
    return variant


def identify(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Variant | None:
    """The variant whose keys and shapes these are, head and input channels apart; None if there is none.

    ``metadata`` say if it is pruned, and how: then the shapes must be those, and :func:`widths_of` says what it raises.
    """
    said = metadata or {}
    widths = widths_of(said)
    found = {key: tuple(tensor.shape) for key, tensor in tensors.items() if not key.endswith(_COUNTER)}
    for name in VARIANTS if widths is None else [said["variant"]]:
        expected = _expected_shapes(name, widths)
        if found.keys() == expected.keys() and all(
            _fits(found[key], shape, _FREE_AXIS.get(key))
            for key, shape in expected.items()
            if key != "head.bias"
        ):
            return VARIANTS[name]
    return None


def widths_of(metadata: Mapping[str, str]) -> Widths | None:
    """The widths that a pruned checkpoint says it has; None for one that is not pruned, or from elsewhere.

    :class:`CheckpointError` for widths that its variant cannot have.
    """
    variant = VARIANTS.get(metadata.get("variant", ""))
    if variant is None or PRUNED not in metadata:
        return None
    try:
        return variant.pruned_widths(parse_json(metadata[PRUNED]))
    except ValueError as error:
        raise CheckpointError(
            f"the checkpoint says that it is {variant.name}, pruned to widths that cannot be: {error}",
            "copy or download it again",
        ) from None


def _fits(found: tuple[int, ...], expected: tuple[int, ...], free: int | None) -> bool:
    """Whether the shapes are equal, but for the size of axis ``free``, which must not be zero."""
    return len(found) == len(expected) and all(
        size > 0 if axis == free else size == expected[axis] for axis, size in enumerate(found)
    )


def load_into(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load all of ``tensors`` into ``model``, or nothing: :class:`CheckpointError` says what does not fit."""
    differing = _differing(model, tensors)
    if differing != _Differing():
        raise CheckpointError(
            f"the checkpoint does not fit the model: {differing}",
            "give the checkpoint of this model (--json lists every key)",
            missing=differing.missing,
            unexpected=differing.unexpected,
            misshaped=differing.misshaped,
        )
    state = model.state_dict()
    for key, value in tensors.items():
        if state[key].is_floating_point() and not value.is_floating_point():
            raise CheckpointError(
                f"the checkpoint holds {type_name(value)} values in {key}, and the model {type_name(state[key])}",
                "save float32 or float16 weights",
            )
    model.load_state_dict(
        {key: tensors[key].to(value.dtype) if key in tensors else value for key, value in state.items()}
    )


def build(
    variant: Variant,
    checkpoint: Checkpoint | None,
    num_classes: int | None,
    in_chans: int | None,
    drop_path_rate: float | None,
) -> CloFormer:
    """The classifier of ``variant`` with fresh weights, or those of ``checkpoint``; :class:`CheckpointError` if they do not fit."""
    if checkpoint is None:
        return CloFormer(
            variant,
            num_classes=1000 if num_classes is None else num_classes,
            in_chans=3 if in_chans is None else in_chans,
            drop_path_rate=drop_path_rate,
        )
    tensors = checkpoint.tensors
    held = identify(tensors, checkpoint.metadata)
    if held is not None and held != variant:
        differing = _differing_from(variant, tensors)
        raise CheckpointError(
            f"the checkpoint holds {held.name}, not {variant.name}: {differing}",
            f"use --model {held.name}, or another checkpoint",
            missing=differing.missing,
            unexpected=differing.unexpected,
            misshaped=differing.misshaped,
        )
    found = tensors[_HEAD].shape[0] if held is not None else 1000
    if num_classes is not None and held is not None and num_classes != found:
        raise CheckpointError(
            f"the checkpoint has {count(found, 'class')}, and {num_classes} were asked for",
            f"leave --num-classes out, or give {found}",
            misshaped=((_HEAD, (num_classes, variant.embed_dims[-1]), tuple(tensors[_HEAD].shape)),),
        )
    channels = tensors[STEM].shape[1] if held is not None else 3
    if in_chans is not None and held is not None and in_chans != channels:
        raise CheckpointError(
            f"the checkpoint's images have {count(channels, 'channel')}, and {in_chans} were asked for"
        )
    widths = widths_of(checkpoint.metadata) if checkpoint.metadata.get("variant") == variant.name else None
    model = CloFormer(
        variant, num_classes=found, in_chans=channels, drop_path_rate=drop_path_rate, widths=widths
    )
    load_into(model, tensors)
    return model


@dataclass(frozen=True)
class _Differing:
    """The keys that a checkpoint and a model do not share, and those with other shapes: (key, expected, found)."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()

    def __str__(self) -> str:
        parts = []
        for kind, keys in (("missing", self.missing), ("unexpected", self.unexpected)):
            parts.append(f"{len(keys)} {kind}" + (f" (first {shown_key(keys[0])})" if keys else ""))
        first = ""
        if self.misshaped:
            key, expected, found = self.misshaped[0]
            first = f" (first {shown_key(key)}: {list(expected)} expected, {list(found)} found)"
        return ", ".join([*parts, f"{len(self.misshaped)} wrongly shaped{first}"])


def _differing(model: nn.Module, tensors: Mapping[str, Tensor]) -> _Differing:
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    return _Differing(
        tuple(key for key in expected if key not in tensors and not key.endswith(_COUNTER)),
        tuple(key for key in tensors if key not in expected),
        tuple(
            (key, shape, tuple(tensors[key].shape))
            for key, shape in expected.items()
            if key in tensors and tuple(tensors[key].shape) != shape
        ),
    )


def _differing_from(variant: Variant, tensors: Mapping[str, Tensor]) -> _Differing:
    with torch.device("meta"):
        return _differing(CloFormer(variant), tensors)


@cache
def _expected_shapes(name: str, widths: Widths | None) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = CloFormer(VARIANTS[name], widths=widths).state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if not key.endswith(_COUNTER)}
