"""From artifacts and what reports say of them to figures that stand side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cloformer.errors import InputError, UnsupportedError, UsageError, choose
from cloformer.io.read import sha256_of

from ..artifact.folder import MANIFEST, Artifact
from .figures import COSTS, FIGURES, QUALITIES, Figure, Reading
from .front import Candidate, Front
from .read import Said

__all__ = ["gather"]

_SIZE = "size"


def gather(artifacts: Sequence[Artifact], said: Iterable[Said], asked: Sequence[str] = ()) -> Front:
    """The artifacts by the figures that are ``asked`` for, or by their size, what an inference takes, and how good they are,
    whatever of these is known, the smallest first.

    Raises :class:`UsageError` for an unknown figure and where nothing but the size is known, :class:`InputError` for a figure that an
    artifact lacks or has twice, and :class:`UnsupportedError` for figures that were measured in different ways.
    """
    readings = _readings(artifacts, said)
    names = [choose("figure", name, FIGURES, repeats=True) for name in asked] or _known(readings)
    figures = tuple(FIGURES[name] for name in dict.fromkeys(names))
    for figure in figures:
        _check(figure, artifacts, readings)
    candidates = [
        Candidate(
            str(artifact.folder),
            artifact.format,
            artifact.manifest.precision.name,
            _digest(artifact),
            {figure.name: found[figure.name] for figure in figures},
        )
        for artifact, found in zip(artifacts, readings, strict=True)
    ]
    size = {
        id(item): artifact.manifest.model_bytes for item, artifact in zip(candidates, artifacts, strict=True)
    }
    return Front(figures, tuple(sorted(candidates, key=lambda item: size[id(item)])))


def _readings(artifacts: Sequence[Artifact], said: Iterable[Said]) -> list[dict[str, Reading]]:
    """Of each artifact what is known, by the figure's name."""
    found = {
        _digest(artifact): {_SIZE: Reading(artifact.manifest.model_bytes / 1e6)} for artifact in artifacts
    }
    for item in said:
        known = found.get(item.manifest_sha256)
        if known is None:  # a report may be of more artifacts than are asked for
            continue
        before = known.setdefault(item.figure, item.reading)
        if before is not item.reading:
            places = " and ".join(dict.fromkeys((before.source, item.reading.source)))
            raise InputError(
                f"the {FIGURES[item.figure].title} of one artifact is twice in {places}",
                "give one report of it, of one runner",
            )
    return [found[_digest(artifact)] for artifact in artifacts]


def _known(readings: Sequence[Mapping[str, Reading]]) -> list[str]:
    """The size, and of costs and of qualities the first that all artifacts have; one that only some have if there is none, which
    is refused then."""
    names = [_SIZE]
    for group in (COSTS, QUALITIES):
        whole = [name for name in group if all(name in found for found in readings)]
        some = [name for name in group if any(name in found for found in readings)]
        names += (whole or some)[:1]
    if len(names) == 1:
        raise UsageError(
            "nothing but the size of these artifacts is known",
            "add the images to judge them on, --data FOLDER, or what was measured before: --report evaluation.json --report latency.json",
        )
    return names


def _check(figure: Figure, artifacts: Sequence[Artifact], readings: Sequence[Mapping[str, Reading]]) -> None:
    """All artifacts have it, and were measured alike."""
    for artifact, found in zip(artifacts, readings, strict=True):
        if figure.name not in found:
            raise InputError(
                f"no report says the {figure.title} of {artifact.folder}, as it is now",
                f"measure it, and give the file as --report: {figure.says}",
            )
    first = readings[0][figure.name]
    for artifact, found in zip(artifacts, readings, strict=True):
        field = _first_difference(first.conditions, found[figure.name].conditions)
        if field is not None:
            there, here = first.conditions.get(field), found[figure.name].conditions.get(field)
            raise UnsupportedError(
                f"the {figure.title} of {artifacts[0].folder} and of {artifact.folder} were measured in different ways: "
                f"{field} is {there!r} and {here!r}",
                f"choose another --figure, or measure them together: {figure.says}",
            )


def _first_difference(one: Mapping[str, object], other: Mapping[str, object]) -> str | None:
    """The first condition that differs. Versions of what took part in one measurement alone differ in nothing."""
    for field in (*one, *(name for name in other if name not in one)):
        is_alone = field.startswith("versions.") and (field not in one or field not in other)
        if not is_alone and one.get(field) != other.get(field):
            return field
    return None


def _digest(artifact: Artifact) -> str:
    return sha256_of(artifact.folder / MANIFEST)
