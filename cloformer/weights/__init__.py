"""The trained checkpoints that come with the package, each with its card and its log; and where a checkpoint is."""

from __future__ import annotations

from pathlib import Path

from cloformer.errors import CheckpointError
from cloformer.hub import CONFIG
from cloformer.io.missing import is_file, near_files
from cloformer.io.near import closest
from cloformer.variants import VARIANTS

__all__ = ["ENDINGS", "find_weights", "is_checkpoint", "shipped_weights"]

ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
_FOLDER = Path(__file__).parent


def shipped_weights() -> list[str]:
    """Their names."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def is_checkpoint(weights: str) -> bool:
    """Whether this is a checkpoint by its name: a file's ending, a folder of the Hub, or a shipped one."""
    path = Path(weights)
    return weights in shipped_weights() or path.suffix in ENDINGS or is_file(path / CONFIG)


def find_weights(weights: Path) -> Path:
    """``weights`` itself, a file or a folder of the Hub, or, if no checkpoint is there, the file of the shipped one of that
    name. :class:`CheckpointError` if there is nothing, with what may be meant."""
    name = str(weights)
    if name in shipped_weights() and not is_file(weights) and not is_file(weights / CONFIG):
        return _FOLDER / f"{name}.safetensors"
    if _may_be_read(weights):
        return weights
    if name in VARIANTS:
        raise CheckpointError(f"{name} is a built-in model, not a checkpoint", f"give it as --model {name}")
    near = [closest(name, shipped_weights()), *map(str, near_files(weights, ENDINGS))]
    meant = next((f". Did you mean {each}?" for each in near if each is not None), "")
    raise CheckpointError(
        f"checkpoint: there is no file {weights}{meant}",
        f"give a .safetensors or .pth file, a folder of the Hub, or {' or '.join(shipped_weights())}",
    )


def _may_be_read(path: Path) -> bool:
    """Whether something is there, or nobody can tell: reading it says what is wrong with it."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return True
