"""What is asked to be computed of a network's outputs before they leave the file."""

from __future__ import annotations

from dataclasses import dataclass

from cloformer.io.fields import Fields

from .roles import OutputRole
from .suppression_rule import Suppression

__all__ = ["Declared", "Decoding"]

_MOST_SIDE = 8192


@dataclass(frozen=True)
class Decoding:
    """``suppression`` of the boxes, ``class_map``, (height, width) of the map that scores of classes become, and ``pipeline``, the rule of
    Core ML's own stage of suppression, behind the network; None: not asked for."""

    suppression: Suppression | None = None
    class_map: tuple[int, int] | None = None
    pipeline: Suppression | None = None

    @property
    def is_asked(self) -> bool:
        return self.suppression is not None or self.class_map is not None or self.pipeline is not None

    def to_json(self) -> dict[str, object]:
        """What is asked, and nothing of what is not."""
        found: dict[str, object] = {}
        if self.suppression is not None:
            found["suppression"] = self.suppression.to_json()
        if self.class_map is not None:
            found["class_map"] = list(self.class_map)
        if self.pipeline is not None:
            found["pipeline"] = self.pipeline.to_json()
        return found

    @classmethod
    def from_fields(cls, fields: Fields) -> Decoding:
        """What :meth:`to_json` gave; :class:`FieldError` for anything else."""
        rule = fields.default("suppression", fields.child, None)
        stage = fields.default("pipeline", fields.child, None)
        size = fields.default("class_map", lambda name: fields.wholes(name, 1, _MOST_SIDE, most=2), None)
        if size is not None and len(size) != 2:
            raise fields.error("class_map", "is not height and width")
        fields.done()
        suppression, pipeline = (
            None if each is None else Suppression.from_fields(each) for each in (rule, stage)
        )
        return cls(suppression, None if size is None else (size[0], size[1]), pipeline)


@dataclass(frozen=True)
class Declared:
    """The outputs of the network itself, where more is computed of them: their names, what they mean, and what that is."""

    names: tuple[str, ...]
    roles: tuple[OutputRole, ...]
    decoding: Decoding
