"""What a library gives: a model, and what it says of the images and the classes that it was made for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cloformer.errors import CloformerError, InputError, UsageError
from cloformer.io.near import closest
from cloformer.io.quiet import quiet
from cloformer.io.words import reason_of

from ..labels import check_names
from ..trained import Training
from .asked import Asked

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FromLibrary", "called", "class_names", "load", "refuse_options", "refuse_unknown"]

T = TypeVar("T")

_REFUSED: dict[str, tuple[type[CloformerError], str]] = {
    "timm": (UsageError, "timm"), "torchvision": (UsageError, "torchvision"), "hf": (InputError, "its library"),
}  # fmt: skip


@dataclass(frozen=True)
class FromLibrary:
    """``weights_sha256`` is the hash of the file that the weights are from; None: they are random. ``notes`` are for people:
    what the library says and an artifact cannot. ``versions`` are of the packages that the network is from."""

    model: nn.Module
    training: Training
    weights_sha256: str | None
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()


def load(model: nn.Module, path: Path) -> str:
    """Load a checkpoint, all of it, into ``model``, and give the file's hash. :class:`CheckpointError` if it does not fit."""
    from cloformer.checkpoint import load_into, read_checkpoint

    checkpoint = read_checkpoint(path)
    load_into(model, checkpoint.tensors)
    return checkpoint.sha256


def called(asked: Asked, seed: int, make: Callable[[], T]) -> T:
    """What the library's own function makes; :class:`UsageError` if it refuses the name or its options, :class:`InputError` if
    it refuses a folder."""
    from ..user_module import seeded

    with seeded(seed), quiet(asked.library):
        try:
            return make()
        except CloformerError:
            raise
        except Exception as error:  # a library raises what it likes of options that it does not know
            kind, what = _REFUSED[asked.library]
            raise kind(
                f"{asked.option} {asked.said}: {what} refuses it: {type(error).__name__}: {reason_of(error)}",
                "give the options that its own function takes for this model",
            ) from error


def refuse_unknown(asked: Asked, known: Iterable[str], advice: str) -> None:
    """:class:`UsageError` unless the library has a model of that name."""
    names = list(known)
    name = asked.name.partition(".")[0] if asked.library == "timm" else asked.name
    if name in names:
        return
    near = closest(name, names)
    meant = "" if near is None else f". Did you mean {asked.library}:{near}?"
    raise UsageError(f"{asked.library} has no model {asked.name!r}{meant}", advice)


def refuse_options(asked: Asked, refused: Sequence[str]) -> None:
    """:class:`UsageError` for options that would fetch weights, or read them past the one door for files."""
    found = next((name for name in asked.texts if name in refused), None)
    if found is not None:
        raise UsageError(
            f"{asked.option} {asked.said}: {found} is not taken: weights come from this machine alone",
            "give a file of weights as --weights FILE, .safetensors or .pth",
        )


def class_names(names: Sequence[str]) -> tuple[str, ...] | None:
    """Names of classes, each once: ImageNet's "crane" is a bird and a machine, and Core ML tells classes apart by their
    names, so those that repeat get their number, from 0 on. None if they are no names that an app can show."""
    times = Counter(names)
    try:
        return check_names(
            [f"{name} ({number})" if times[name] > 1 else name for number, name in enumerate(names)]
        )
    except ValueError:
        return None
