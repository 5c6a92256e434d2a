"""The trained checkpoints that come with the package, each with its card and its log."""

from __future__ import annotations

from pathlib import Path

from cloformer.hub import CONFIG

__all__ = ["find_weights", "shipped_weights"]

_FOLDER = Path(__file__).parent


def shipped_weights() -> list[str]:
    """Their names."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def find_weights(weights: Path) -> Path:
    """``weights`` itself, or, if no checkpoint is there, the file of the shipped one of that name."""
    if str(weights) not in shipped_weights() or weights.is_file() or (weights / CONFIG).is_file():
        return weights
    return _FOLDER / f"{weights}.safetensors"
