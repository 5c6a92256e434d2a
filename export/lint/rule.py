"""What a rule is, and what it found."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ..formats.view import OperatorView
from ..source.origin import Origin
from .graph import Graph

__all__ = ["Finding", "Rule", "Severity", "Sighting"]


class Severity(enum.Enum):
    """``ERROR``: public reports of wrong results; ``WARNING``: of what may be wrong, or leaves the accelerator; ``NOTE``: of what
    takes longer, or matters in rare numbers alone."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def weight(self) -> int:
        """Larger is worse."""
        return {"error": 2, "warning": 1, "note": 0}[self.value]


@dataclass(frozen=True)
class Sighting:
    """An operator that a rule is about; ``met`` says what was met there, in words."""

    operator: OperatorView
    met: str


@dataclass(frozen=True)
class Rule:
    """``sees`` says what it looks for, ``source`` names the public report or document, ``rewrite`` what to do; ``flags`` are what
    of `cloformer export` does that, by format, where anything does. It is for files of ``formats``; where it names a type of ``results``, for operators
    that give it in files of float16; where it is ``in_half``, for such files. ``measures``: it holds only where numbers are met that it names, so that the file must be run."""

    name: str
    sees: str
    source: str
    severity: Severity
    formats: tuple[str, ...]
    rewrite: str
    find: Callable[[Graph], Iterable[Sighting]]
    flags: Mapping[str, str] = field(default_factory=dict)
    results: str = ""
    in_half: bool = False
    measures: bool = False

    def is_for(self, format_name: str, *, is_half: bool) -> bool:
        """Whether it is for files of a format, which compute in float16 or not."""
        return format_name in self.formats and (is_half or not (self.results or self.in_half))


@dataclass(frozen=True)
class Finding:
    """What a rule found at an operator: its kind as the file has it, the value that it gives, and where in the model that comes from.
    ``flag`` is the rule's for the file's format."""

    rule: Rule
    operator: str
    value: str
    origin: Origin
    met: str
    flag: str | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "rule": self.rule.name,
            "severity": self.rule.severity.value,
            "operator": self.operator,
            "value": self.value,
            "node": self.origin.name,
            "module": self.origin.module,
            "location": self.origin.location,
            "met": self.met,
            "source": self.rule.source,
            "rewrite": self.rule.rewrite,
            "flag": self.flag,
        }
