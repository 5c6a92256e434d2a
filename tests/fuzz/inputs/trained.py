"""What a trained checkpoint's metadata say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from ..case import ANY, SOUND, Place, Run, Trial
from ..sound import Sound
from ..tensors import joined, parts
from ..values import ESSENTIAL, NAMES, changed, drawn_change, places, text_of, words

__all__ = ["drawn_trained", "listed_trained", "odd_trained", "trained_metadata"]


def trained_metadata(sound: Sound) -> dict[str, Any]:
    """Of the checkpoint in the box."""
    return dict(_trained(sound)[0]["__metadata__"])


@cache
def _trained(sound: Sound) -> tuple[dict[str, Any], bytes]:
    return parts((sound.hub / "model.safetensors").read_bytes())


_DOCUMENTS = ("labels", "preprocessing", "recipe", "scores")  # of the metadata: JSON in a word


def _of_metadata(change: Callable[[dict[str, Any]], object], place: Place) -> Run:
    header, values = _trained(place.sound)
    header = {**header, "__metadata__": dict(header["__metadata__"])}
    change(header["__metadata__"])
    (place.folder / "trained.safetensors").write_bytes(joined(header, values))
    sound, file = place.sound, "trained.safetensors"
    data = ("--data", str(sound.data["arrays.npz"]), "--labels", str(sound.trained_labels))
    choices = (
        ("hub", file, "--output", "out/hub"),
        ("hub", file, "--output", "out/hub", "--json"),
        ("evaluate", file, *data, "--limit", "1"),
        ("train", "--weights", file, *data, "--recipe", "finetune", "--output", "out/run", "--teacher", "no_such_module:teacher"),
        ("prune", "--weights", file, "--share", "0.3", "--output", "out/small.safetensors"),
    )  # fmt: skip
    arguments = choices[place.number % len(choices)]
    return Run("", arguments, ANY)


def _field(name: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda metadata: metadata.__setitem__(name, value)


def _in_a_document(name: str, steps: Any, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(metadata: dict[str, Any]) -> None:
        metadata[name] = text_of(changed(json.loads(metadata[name]), steps, value))

    return change


def _trials(sound: Sound) -> Iterator[Trial]:
    metadata = _trained(sound)[0]["__metadata__"]
    for name in [*metadata, "licence", "weights", "teacher"]:
        for value in NAMES:
            yield Trial(f"metadata.{name}: {value.name}", partial(_of_metadata, _field(name, value.value)))
        if name in metadata:
            yield Trial(f"metadata.{name} left out", partial(_of_metadata, lambda m, name=name: m.pop(name)))
        for text in (
            "",
            "null",
            "[]",
            "{}",
            "1",
            "[1]",
            "NaN",
            '"word"',
            "[" * 100_000,
            '["a", "a"]',
            '["\\ud800"]',
        ):
            yield Trial(f"metadata.{name}: {text[:12]}", partial(_of_metadata, _field(name, text)))
    for name in _DOCUMENTS:
        for steps in places(json.loads(metadata[name]), of_a_list=1):
            for value in ESSENTIAL:
                yield Trial(
                    f"metadata.{name}: {words(steps)}: {value.name}",
                    partial(_of_metadata, _in_a_document(name, steps, value.value)),
                )


def _odd_hub(change: Callable[[dict[str, Any]], object], place: Place) -> Run:
    run = _of_metadata(change, place)
    return Run(
        "",
        (
            "hub",
            run.arguments[1] if run.arguments[0] == "hub" else "trained.safetensors",
            "--output",
            "out/hub",
        ),
        SOUND,
    )


_ODD_METADATA: dict[str, Callable[[dict[str, Any]], object]] = {
    "classes in any script": _field(
        "labels",
        json.dumps(
            ["昆虫", "пчела", "نحلة", "🐝", "abeille d'été", 'a "b"', "c|d", "e`f", "g\\h", "<i>"],
            ensure_ascii=False,
        ),
    ),
    "a data set with spaces": _field("dataset", "my \"photos\" of 'insects'"),
    "a data set in another script": _field("dataset", "写真"),
    "a long licence": _field("licence", "Apache-2.0 WITH LLVM-exception"),
    "no licence": lambda metadata: metadata.pop("licence"),
}


def listed_trained(sound: Sound) -> Sequence[Trial]:
    """Every third of the fields' values: the commands take turns."""
    return list(_trials(sound))[::3]


def drawn_trained(place: Place) -> Run:
    """Fields of one of the documents."""
    name = place.pick(_DOCUMENTS)
    text, what = drawn_change(json.loads(trained_metadata(place.sound)[name]), place.random)
    return replace(_of_metadata(_field(name, text), place), what=f"metadata.{name}: {what}")


def odd_trained(sound: Sound) -> Sequence[Trial]:
    """Sound ones."""
    return [Trial(name, partial(_odd_hub, change)) for name, change in _ODD_METADATA.items()]
