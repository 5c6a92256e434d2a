"""Reading and writing weights: files, and the tensors in them.

Accepted are ``.safetensors`` and what ``torch.save`` wrote of tensors: a bare ``state_dict``, or a
training checkpoint that holds one under ``model`` or ``state_dict``. Nothing is ever unpickled but
tensors (``weights_only=True``).
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from cloformer.io.words import count

from .errors import CheckpointError, InputError
from .hub import CONFIG, WEIGHTS, check_config
from .io.missing import is_file
from .io.read import read_bytes
from .io.safetensors import check_head, with_sorted_header
from .io.words import bounded, reason_of
from .io.write import write_whole
from .weights import ENDINGS, find_weights, shipped_weights

__all__ = ["Checkpoint", "read_checkpoint", "save_checkpoint", "shown_key", "type_name"]

_MAX_BYTES = 2**32
_MAX_RANK = 64  # what NumPy and torch compute with
_WEIGHTS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WEIGHTS_ALONE = "in Python: torch.save(model.state_dict(), 'weights.pth'); then --model nets.py:build --weights weights.pth"
_TABLES = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)  # of users' models


@dataclass(frozen=True)
class Checkpoint:
    """A state_dict, the SHA-256 of the file it came from, and the file's text metadata."""

    tensors: Mapping[str, Tensor]
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The tensors in a file, checked to be finite floating-point numbers (counters apart).

    ``path`` may be a folder of :mod:`.hub`'s kind, whose configuration must be the weights' own, or a name of
    :func:`~cloformer.weights.shipped_weights`. Raises :class:`CheckpointError`.
    """
    path = find_weights(Path(path))
    if not is_file(path / CONFIG):
        return _read_file(path)
    found = _read_file(path / WEIGHTS)
    check_config(path, found.metadata)
    return found


def _read_file(path: Path) -> Checkpoint:
    hint = f"give a .safetensors or .pth file, or {' or '.join(shipped_weights())}"
    try:
        data = read_bytes(path, _MAX_BYTES, hint)
    except InputError as error:
        first, *rest = error.lines
        raise CheckpointError(f"checkpoint: {first}", *rest) from None
    if path.suffix == ".safetensors":
        content, metadata = _read_safetensors(path, data)
    elif path.suffix in ENDINGS:
        content, metadata = _read_torch(path, data), {}
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
    advice: str = "choose another place for the checkpoint",
) -> None:
    """Write the weights as ``.safetensors``, rounded to ``dtype`` if one is given; the file appears whole or not at
    all. :class:`InputError`, with ``advice``, if the place cannot be written."""
    from safetensors.torch import save

    tensors = {key: _stored(value, dtype) for key, value in model.state_dict().items()}
    write_whole(Path(path), with_sorted_header(save(tensors, dict(metadata or {}))), advice)


def _stored(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    value = value.detach().cpu()
    return (value if dtype is None or not value.is_floating_point() else value.to(dtype)).contiguous()


def _read_safetensors(path: Path, data: bytes) -> tuple[object, dict[str, str]]:
    from safetensors.torch import load

    try:
        metadata = check_head(data)
        return load(data), metadata
    except Exception as error:  # of the library, which raises its own class, and of torch, which raises any
        raise _damaged(path, error) from None


def _read_torch(path: Path, data: bytes) -> object:
    import pickle
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wonders about pickles that it then refuses
            _refuse_packed(data)
            _refuse_programs(path, data)
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "Unsupported" in reason or "global" in reason.lower():
            raise CheckpointError(
                f"checkpoint {path} holds more than tensors, and loading it could run code: refused",
                _WEIGHTS_ALONE,
            ) from None
        raise _damaged(path, error) from None
    except CheckpointError:
        raise
    except Exception as error:  # torch's unpickler and its reader of archives raise what they like
        raise _damaged(path, error) from None
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    return content


def _refuse_packed(data: bytes) -> None:
    """torch stores its archives' members as they are; packed or overlapping ones unpack to any size."""
    file = io.BytesIO(data)
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    if sum(member.file_size for member in members) > len(data):
        raise ValueError("its members unpack to more bytes than the file has")


def _refuse_programs(path: Path, data: bytes) -> None:
    """:class:`CheckpointError` for what torch.jit.save or torch.export.save wrote."""
    file = io.BytesIO(data)
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        parts = [name.split("/")[1:] for name in archive.namelist()]
    for folder, what in (("code", "a TorchScript model"), ("models", "a program of torch.export")):
        if any(part[:1] == [folder] for part in parts):
            raise CheckpointError(
                f"checkpoint {path} is {what}: it holds code beside its weights, which is not run",
                _WEIGHTS_ALONE,
            )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {path} is damaged or truncated: {reason_of(error)}", "copy or download it again"
    )


def _checked(path: Path, content: object) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"checkpoint {path} holds no state_dict", "save model.state_dict()")
    tensors = {}
    wrapped = all(isinstance(key, str) and key.startswith("module.") for key in content)
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"checkpoint {path} holds {type(value).__name__} under {shown_key(key)}, not a named tensor",
                "save model.state_dict(), or hold it under 'model' or 'state_dict'",
            )
        name = key.removeprefix("module.") if wrapped else key
        if value.dim() > _MAX_RANK:
            raise CheckpointError(
                f"checkpoint {path} has {count(value.dim(), 'axis')} in {shown_key(name)}",
                f"{_MAX_RANK} are the most",
            )
        if value.layout is not torch.strided or value.is_nested or value.is_meta or not _owns_its_data(value):
            raise CheckpointError(
                f"checkpoint {path} does not hold every number of {shown_key(name)}", "save dense tensors"
            )
        tensors[name] = value if value.dtype in _TABLES else _checked_weight(path, name, value)
    return tensors


def _checked_weight(path: Path, name: str, value: Tensor) -> Tensor:
    if value.dtype not in _WEIGHTS:
        raise CheckpointError(
            f"checkpoint {path} has {type_name(value)} values in {shown_key(name)}",
            "save float32 or float16 weights",
        )
    single = value.float()
    if not bool(torch.isfinite(single).all()):
        raise CheckpointError(
            f"checkpoint {path} has NaN, infinity or a number beyond float32 in {shown_key(name)}",
            "use an earlier checkpoint",
        )
    return value if value.dtype is torch.float64 else single


def _owns_its_data(value: Tensor) -> bool:
    """Not one stored number expanded to many: a small file must not become a large tensor."""
    return value.is_quantized or value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def shown_key(key: object) -> str:
    """A key in one line of at most 80 printable characters."""
    return bounded(key if isinstance(key, str) else repr(key), 80)


def type_name(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
