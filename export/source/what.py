"""What a word on the command line names: a model or a checkpoint."""

from __future__ import annotations

from pathlib import Path

from cloformer.errors import InputError, UsageError
from cloformer.io.missing import is_file, near_files
from cloformer.io.near import closest
from cloformer.variants import is_built_in, list_built_in
from cloformer.weights import ENDINGS, find_weights, is_checkpoint, shipped_weights

from .libraries.asked import LIBRARIES, names_a_library
from .named import names_a_module

__all__ = ["model_and_weights"]

# What a folder or file is that no model is made of.
_EXPORTED = {
    ".onnx": "an ONNX model", ".ort": "a model of ONNX Runtime", ".mlpackage": "a Core ML model",
    ".mlmodel": "a Core ML model", ".tflite": "a TensorFlow Lite model", ".pte": "an ExecuTorch program",
    ".pt2": "a program of torch.export",
}  # fmt: skip
_TAKEN = (
    "a built-in model, a checkpoint (.safetensors, .pth), a folder of the Hub, nets.py:build, package.module:build, or "
    f"{LIBRARIES['timm']}"
)


def model_and_weights(
    named: str | None, model: str | None, weights: Path | None
) -> tuple[str | None, Path | None]:
    """``--model`` and ``--weights`` with what ``named``, the argument without an option, adds to them.

    Raises :class:`UsageError` if it says again what one of them says, or names nothing, and :class:`InputError` for a
    checkpoint that is not there.
    """
    for word, option in (
        (named, ""),
        (model, "--model "),
        (None if weights is None else str(weights), "--weights "),
    ):
        if word is not None and not names_a_library(word):
            _refuse_exported(word, option)
    if named is None:
        return model, weights
    option, given = ("--weights", weights) if _is_weights(named) else ("--model", model)
    if given is not None:
        what = "checkpoint" if option == "--weights" else "model"
        raise UsageError(f"{named} and {option} {given} both name the {what}", "give one of them")
    if option == "--model":
        return named, weights
    find_weights(Path(named))
    return model, Path(named)


def _is_weights(named: str) -> bool:
    """Whether it is a checkpoint, and not a model."""
    path = Path(named)
    if is_built_in(named) or names_a_library(named):
        return False
    if is_checkpoint(named) or (is_file(path) and path.suffix != ".py"):
        return True  # of an ending that no checkpoint has, too: reading it says so
    is_place = "/" in named and ":" not in named and path.suffix != ".py"
    if names_a_module(named) and not (is_place and not is_file(path / "__init__.py")):
        return False
    near = [
        closest(named, [*list_built_in(), *shipped_weights()]),
        *map(str, near_files(path, (".py", *ENDINGS))),
    ]
    meant = next((f". Did you mean {each}?" for each in near if each is not None), "")
    raise UsageError(f"there is no model or checkpoint {named!r}{meant}", f"give {_TAKEN}")


def _refuse_exported(word: str, option: str) -> None:
    path = Path(word)
    what = "an artifact, exported already" if is_file(path / "manifest.json") else _EXPORTED.get(path.suffix)
    if what is not None:
        raise InputError(f"{option}{word} is {what}, and no PyTorch model", f"give {_TAKEN}")
