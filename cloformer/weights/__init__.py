"""The trained checkpoints that come with the package, each with its card and its log."""

from __future__ import annotations

from pathlib import Path

__all__ = ["find_weights", "shipped_weights"]

_FOLDER = Path(__file__).parent


def shipped_weights() -> list[str]:
    """Their names."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def find_weights(weights: Path) -> Path:
    """``weights`` itself, or the file of the shipped checkpoint of that name."""
    shipped = str(weights) in shipped_weights() and not weights.exists()
    return _FOLDER / f"{weights}.safetensors" if shipped else weights
