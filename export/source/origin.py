"""Where a value of a model comes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from cloformer.io.fields import Fields

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """Where a node came from: its name in the trace, the module's path, ``package.module:Class:line``."""

    name: str
    module: str
    location: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Fields) -> Origin:
        """The origin in a JSON object; :class:`FieldError` if it is none."""
        origin = cls(fields.text("name"), fields.text("module"), fields.text("location"))
        fields.done()
        return origin

    def __str__(self) -> str:
        return (
            f"{self.module or 'the model'} ({self.location})" if self.location else self.module or self.name
        )
