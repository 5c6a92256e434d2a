"""The module and line that an operator of a device's plan comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..artifact.folder import ORIGINS, Artifact
from ..artifact.origins import read_origins
from ..source.origin import Origin

__all__ = ["locator"]

_NOTHING: Mapping[str, Origin] = {}


def locator(artifact: Artifact, *, is_needed: bool = True) -> Callable[[str], Origin | None]:
    """A function from an operator's name, as its runtime has it, to its origin: None for what the runtime inserted, and of an
    artifact without origins. Nothing is read unless ``is_needed``.

    Raises :class:`InputError` for origins or a model that are damaged.
    """
    if not is_needed or artifact.listed(ORIGINS) is None:
        return _NOTHING.get
    places = read_origins(artifact).places
    if artifact.format != "onnx":
        return places.get  # Core ML names an operator by its output
    from ..formats.onnx.node_values import values_by_node

    find = values_by_node(artifact.model_path)

    def locate(name: str) -> Origin | None:
        value = find(name)
        return None if value is None else places.get(value)

    return locate
