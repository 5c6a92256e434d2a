"""The commands that read a data set."""

from __future__ import annotations

from ..case import SOUND, Place, Run

__all__ = ["evaluated", "reading"]


def reading(place: Place, data: str, *, named: bool = False) -> tuple[str, ...]:
    """One of the commands that read a set; what is harmless in it is not trained on for long, or at all."""
    sound = place.sound
    labels = () if named else ("--labels", str(sound.labels))
    choices = (
        ("evaluate", str(sound.onnx), "--data", data, *labels),
        ("evaluate", str(sound.onnx), "--data", data, *labels, "--json"),
        ("evaluate", str(sound.onnx), "--data", data),
        ("train", "--data", data, *labels, "--output", "out/run", "--teacher", "no_such_module:teacher"),
        ("train", "--data", data, "--output", "out/run", "--teacher", "no_such_module:teacher", "--json"),
    )
    return choices[place.number % len(choices)]


def evaluated(place: Place, data: str, *labels: str) -> Run:
    return Run("", ("evaluate", str(place.sound.onnx), "--data", data, *labels), SOUND)
