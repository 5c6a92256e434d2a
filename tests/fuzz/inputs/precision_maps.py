"""Precision maps, as `cloformer parity` writes them and people edit them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..case import ANY, REFUSED, SOUND, InputClass, Place, Run, Trial
from ..documents import Document, encoded
from ..sound import MODEL, PRECISION_MAP, Sound
from ..values import NAMES

__all__ = ["PRECISION_MAPS"]

_EXPORT = ("export", "--model", MODEL, "--image-size", "32", "--dry-run", "--output", "out")


def _map(place: Place, data: bytes) -> Run:
    (place.folder / "map.json").write_bytes(data)
    arguments = (*_EXPORT, "--format", "coreml", "--precision-map", "map.json")
    return Run("", (*arguments, "--json") if place.number % 4 == 0 else arguments, ANY)


_MAP = Document(lambda sound: json.loads(sound.precision_map.read_bytes()), _map)


def _nodes(nodes: Sequence[Any], codes: frozenset[int], place: Place) -> Run:
    run = _map(place, encoded(json.dumps({**PRECISION_MAP, "float32": nodes})))
    return replace(run, codes=codes)


def _for_onnx(place: Place) -> Run:
    """Which has no precision that a map could change."""
    run = _map(place, place.sound.precision_map.read_bytes())
    return Run("", tuple("onnx" if word == "coreml" else word for word in run.arguments), REFUSED)


def _listed(sound: Sound) -> Sequence[Trial]:
    trials = [*_MAP.listed(sound), Trial("for ONNX", _for_onnx)]
    trials.append(Trial("100,000 nodes", partial(_nodes, [{"node": f"n{n}"} for n in range(100_000)], ANY)))
    return trials + [
        Trial(f"a node called: {value.name}", partial(_nodes, [{"node": value.value}], ANY))
        for value in NAMES
    ]


def _odd(sound: Sound) -> Sequence[Trial]:
    node = PRECISION_MAP["float32"][0]
    return [
        *_MAP.spelt(),
        *_MAP.named(("because",), ("昆虫 🐝",)),
        Trial("no nodes", partial(_nodes, [], SOUND)),
        Trial("a node twice", partial(_nodes, [node, node], SOUND)),
    ]


PRECISION_MAPS = InputClass("precision map", _listed, _MAP.drawn, 100, _odd, most=90)
