"""What `cloformer spec` prints for people, line by line: the table of keys, an example, and what a file says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...source.spec_keys import SECTIONS, Section, example

if TYPE_CHECKING:
    from ...source.spec import ModelSpec

__all__ = ["checked", "documented", "documented_json"]


def documented(only: str | None = None) -> Iterator[str]:
    """Every key with its type, its default and its meaning, then the example; or the keys that are called ``only``."""
    if only is not None:
        for section in SECTIONS:
            found = replace(section, keys=tuple(key for key in section.keys if key.name == only))
            yield from _section(found) if found.keys else ()
        return
    yield "The TOML file of --spec says what cloformer cannot see in a model: its inputs, their preprocessing, its classes."
    for section in SECTIONS:
        yield ""
        yield from _section(section)
    yield ""
    yield "An example, which `cloformer spec --init` writes as model.toml:"
    yield ""
    yield from example().rstrip("\n").split("\n")


def _section(section: Section) -> Iterator[str]:
    yield f"{section.header or 'At the top'}: {section.meaning}"
    for key in section.keys:
        yield f"  {key.name:<14}{key.kind}; {f'default: {key.default}' if key.default else 'needed'}"
        yield f"  {'':<14}{key.meaning}"


def documented_json() -> dict[str, object]:
    """The same for programs; a default of null is for what must be there."""
    sections = [
        {
            "header": section.header,
            "meaning": section.meaning,
            "keys": [
                {"name": key.name, "type": key.kind, "default": key.default or None, "meaning": key.meaning}
                for key in section.keys
            ],
        }
        for section in SECTIONS
    ]
    return {"sections": sections, "example": example()}


def checked(path: str, spec: ModelSpec) -> Iterator[str]:
    """That a file is one that --spec takes, and what it says."""
    yield f"{path} is a file that --spec takes"
    for item in spec.declared:
        yield f"  input       {item.name}, {item.dtype} {list(item.shape)}, {item.role}"
    if not spec.declared:
        yield "  input       one image of --image-size"
    yield f"  outputs     {', '.join(spec.outputs) or 'not named'}"
    if spec.labels is not None:
        of = f" of {spec.labels_of}" if spec.labels_of is not None else ""
        yield f"  labels      {len(spec.labels)}{of}: {', '.join(spec.labels[:3])}, ..."
