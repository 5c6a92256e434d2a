"""Reading and writing weights, and building the network they belong to.

Accepted are ``.safetensors`` and what ``torch.save`` wrote of tensors: a bare ``state_dict``, or a
training checkpoint that holds one under ``model`` or ``state_dict``. Nothing is ever unpickled but
tensors (``weights_only=True``).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .hub import CONFIG, read_hub_folder
from .io.tensors import with_sorted_header
from .model import CloFormer
from .variants import VARIANTS, Variant, get_variant
from .weights import find_weights, shipped_weights

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "create_model",
    "identify",
    "load_checkpoint",
    "load_into",
    "read_checkpoint",
    "save_checkpoint",
]

_HEAD = "head.weight"
_STEM = "patch_embed.conv1.conv.0.weight"
_COUNTER = "num_batches_tracked"  # not used in evaluation, and left out by some writers
_FREE_AXIS = {_HEAD: 0, _STEM: 1}  # the sizes that a variant leaves open: classes, and the image's channels
_WEIGHTS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_TABLES = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)  # of users' models


class CheckpointError(ValueError):
    """A checkpoint that cannot be used. ``hint`` is the next step; the lists hold all keys that differ,
    ``misshaped`` as (key, expected shape, found shape)."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        missing: tuple[str, ...] = (),
        unexpected: tuple[str, ...] = (),
        misshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = (),
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.missing, self.unexpected, self.misshaped = missing, unexpected, misshaped


@dataclass(frozen=True)
class Checkpoint:
    """A state_dict, the SHA-256 of the file it came from, and the file's text metadata."""

    tensors: Mapping[str, Tensor]
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def create_model(
    name: str | None = None,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    drop_path_rate: float | None = None,
    weights: str | os.PathLike[str] | None = None,
) -> CloFormer:
    """The variant ``name``, with fresh weights or those of the checkpoint ``weights``, which names it too.

    ``weights`` is what :func:`read_checkpoint` takes. ``num_classes`` and ``in_chans`` default to the checkpoint's, or
    1000 and 3. Raises :class:`UnknownVariantError`, :class:`CheckpointError` if the checkpoint does not fit, or
    :class:`TypeError` if neither is given.
    """
    if name is None and weights is None:
        raise TypeError("create_model takes a variant's name, or weights")
    tensors = read_checkpoint(weights).tensors if weights is not None else None
    variant = _named(name, tensors or {}, weights)
    return _build(variant, tensors, num_classes, in_chans, drop_path_rate)


def load_checkpoint(
    path: str | os.PathLike[str], name: str | None = None, *, num_classes: int | None = None
) -> tuple[CloFormer, Checkpoint]:
    """The network a checkpoint belongs to, in evaluation mode; the variant is read off if ``name`` is None."""
    checkpoint = read_checkpoint(path)
    variant = _named(name, checkpoint.tensors, path)
    return _build(variant, checkpoint.tensors, num_classes, None, None).eval(), checkpoint


def _named(name: str | None, tensors: Mapping[str, Tensor], path: str | os.PathLike[str] | None) -> Variant:
    variant = get_variant(name) if name is not None else identify(tensors)
    if variant is None:
        raise CheckpointError(
            f"{path} is not a CloFormer checkpoint", "give a checkpoint of a built-in model"
        )
    return variant


def identify(tensors: Mapping[str, Tensor]) -> Variant | None:
    """The variant whose keys and shapes these are, head and input channels apart; None if there is none."""
    found = {key: tuple(tensor.shape) for key, tensor in tensors.items() if not key.endswith(_COUNTER)}
    for name, variant in VARIANTS.items():
        expected = _expected_shapes(name)
        if found.keys() == expected.keys() and all(
            _fits(found[key], shape, _FREE_AXIS.get(key))
            for key, shape in expected.items()
            if key != "head.bias"
        ):
            return variant
    return None


def _fits(found: tuple[int, ...], expected: tuple[int, ...], free: int | None) -> bool:
    """Whether the shapes are equal, but for the size of axis ``free``, which must not be zero."""
    return len(found) == len(expected) and all(
        size > 0 if axis == free else size == expected[axis] for axis, size in enumerate(found)
    )


def load_into(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load all of ``tensors`` into ``model``, or nothing: :class:`CheckpointError` says what does not fit."""
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    counters = {key for key in expected if key.endswith(_COUNTER)}
    missing = tuple(key for key in expected if key not in tensors and key not in counters)
    unexpected = tuple(key for key in tensors if key not in expected)
    misshaped = tuple(
        (key, shape, tuple(tensors[key].shape))
        for key, shape in expected.items()
        if key in tensors and tuple(tensors[key].shape) != shape
    )
    if missing or unexpected or misshaped:
        raise CheckpointError(
            "the checkpoint does not fit the model: " + _counts(missing, unexpected, misshaped),
            "give the checkpoint of this model (--json lists every key)",
            missing=missing,
            unexpected=unexpected,
            misshaped=misshaped,
        )
    state = model.state_dict()
    for key, value in tensors.items():
        if state[key].is_floating_point() and not value.is_floating_point():
            raise CheckpointError(
                f"the checkpoint holds {_type(value)} values in {key}, and the model {_type(state[key])}",
                "save float32 or float16 weights",
            )
    model.load_state_dict(
        {key: tensors[key].to(value.dtype) if key in tensors else value for key, value in state.items()}
    )


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The tensors in a file, checked to be finite floating-point numbers (counters apart).

    ``path`` may be a folder of :mod:`.hub`'s kind, whose configuration must be the weights' own, or a name of
    :func:`~cloformer.weights.shipped_weights`.
    """
    path = find_weights(Path(path))
    hint = f"give a .safetensors or .pth file, or {' or '.join(shipped_weights())}"
    try:
        if (path / CONFIG).is_file():
            return read_hub_folder(path)
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise CheckpointError(f"checkpoint {path} {what}", hint)
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}", hint) from None
    if path.suffix == ".safetensors":
        content, metadata = _read_safetensors(path, data)
    elif path.suffix in (".pth", ".pt", ".bin", ".ckpt"):
        content, metadata = _read_torch(path), {}
    else:
        raise CheckpointError(
            f"checkpoint {path} has an unknown ending {path.suffix!r}",
            "give a .safetensors, .pth or .pt file",
        )
    return Checkpoint(_checked(path, content), hashlib.sha256(data).hexdigest(), metadata)


def save_checkpoint(
    model: nn.Module,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write the weights as ``.safetensors``, rounded to ``dtype`` if one is given; the file appears whole or not at
    all."""
    from safetensors.torch import save

    path = Path(path)
    tensors = {key: _stored(value, dtype) for key, value in model.state_dict().items()}
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(with_sorted_header(save(tensors, dict(metadata or {}))))
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _stored(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    value = value.detach().cpu()
    return (value if dtype is None or not value.is_floating_point() else value.to(dtype)).contiguous()


def _build(
    variant: Variant,
    tensors: Mapping[str, Tensor] | None,
    num_classes: int | None,
    in_chans: int | None,
    drop_path_rate: float | None,
) -> CloFormer:
    if tensors is None:
        return CloFormer(
            variant,
            num_classes=1000 if num_classes is None else num_classes,
            in_chans=3 if in_chans is None else in_chans,
            drop_path_rate=drop_path_rate,
        )
    held = identify(tensors)
    if held is not None and held != variant:
        raise CheckpointError(
            f"the checkpoint holds {held.name}, not {variant.name}: " + _difference(variant, tensors),
            f"use --model {held.name}, or another checkpoint",
            **_lists(variant, tensors),
        )
    found = tensors[_HEAD].shape[0] if held is not None else 1000
    if num_classes is not None and held is not None and num_classes != found:
        raise CheckpointError(
            f"the checkpoint has {found} classes, and {num_classes} were asked for",
            f"leave --num-classes out, or give {found}",
            misshaped=((_HEAD, (num_classes, variant.embed_dims[-1]), tuple(tensors[_HEAD].shape)),),
        )
    channels = tensors[_STEM].shape[1] if held is not None else 3
    if in_chans is not None and held is not None and in_chans != channels:
        raise CheckpointError(
            f"the checkpoint's images have {channels} channels, and {in_chans} were asked for"
        )
    model = CloFormer(variant, num_classes=found, in_chans=channels, drop_path_rate=drop_path_rate)
    load_into(model, tensors)
    return model


def _lists(variant: Variant, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    with torch.device("meta"):
        try:
            load_into(CloFormer(variant), tensors)
        except CheckpointError as error:
            return {"missing": error.missing, "unexpected": error.unexpected, "misshaped": error.misshaped}
    return {}


def _difference(variant: Variant, tensors: Mapping[str, Tensor]) -> str:
    lists = _lists(variant, tensors)
    return _counts(lists["missing"], lists["unexpected"], lists["misshaped"])


def _counts(missing: tuple[str, ...], unexpected: tuple[str, ...], misshaped: tuple[Any, ...]) -> str:
    parts = []
    for kind, keys in (("missing", missing), ("unexpected", unexpected)):
        parts.append(f"{len(keys)} {kind}" + (f" (first {_shown(keys[0])})" if keys else ""))
    first = (
        f" (first {_shown(misshaped[0][0])}: {list(misshaped[0][1])} expected, {list(misshaped[0][2])} found)"
        if misshaped
        else ""
    )
    return ", ".join([*parts, f"{len(misshaped)} wrongly shaped{first}"])


@cache
def _expected_shapes(name: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = CloFormer(VARIANTS[name]).state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if not key.endswith(_COUNTER)}


def _read_safetensors(path: Path, data: bytes) -> tuple[Any, dict[str, str]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(path, error) from None
    return tensors, {str(key): str(value) for key, value in (header.get("__metadata__") or {}).items()}


def _read_torch(path: Path) -> Any:
    import pickle
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wonders about pickles that it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "Unsupported" in reason or "global" in reason.lower():
            raise CheckpointError(
                f"checkpoint {path} holds more than tensors, and loading it could run code: refused",
                "save its state_dict alone, best as .safetensors",
            ) from None
        raise _damaged(path, error) from None
    except Exception as error:
        raise _damaged(path, error) from None
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    return content


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return CheckpointError(
        f"checkpoint {path} is damaged or truncated: {reason[:160]}", "copy or download it again"
    )


def _checked(path: Path, content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"checkpoint {path} holds no state_dict", "save model.state_dict()")
    tensors = {}
    wrapped = all(isinstance(key, str) and key.startswith("module.") for key in content)
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"checkpoint {path} holds {type(value).__name__} under {_shown(key)}, not a named tensor",
                "save model.state_dict(), or hold it under 'model' or 'state_dict'",
            )
        name = key.removeprefix("module.") if wrapped else key
        if value.layout is not torch.strided or value.is_nested or value.is_meta or not _owns_its_data(value):
            raise CheckpointError(
                f"checkpoint {path} does not hold every number of {_shown(name)}", "save dense tensors"
            )
        tensors[name] = value if value.dtype in _TABLES else _checked_weight(path, name, value)
    return tensors


def _checked_weight(path: Path, name: str, value: Tensor) -> Tensor:
    if value.dtype not in _WEIGHTS:
        raise CheckpointError(
            f"checkpoint {path} has {_type(value)} values in {_shown(name)}",
            "save float32 or float16 weights",
        )
    single = value.float()
    if not bool(torch.isfinite(single).all()):
        raise CheckpointError(
            f"checkpoint {path} has NaN, infinity or a number beyond float32 in {_shown(name)}",
            "use an earlier checkpoint",
        )
    return value if value.dtype is torch.float64 else single


def _owns_its_data(value: Tensor) -> bool:
    """Not one stored number expanded to many: a small file must not become a large tensor."""
    return value.is_quantized or value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _shown(key: object) -> str:
    """A key in one line of at most 80 printable characters."""
    return (key if isinstance(key, str) and key.isprintable() else ascii(key))[:80]


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
