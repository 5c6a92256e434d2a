"""What was found of all subjects on the same images, and what it was held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cloformer.export.accuracy.judged import Judged

from .evaluate import Evaluation
from .limits import Limits

__all__ = ["EvaluationReport"]


@dataclass(frozen=True)
class EvaluationReport:
    """``results`` are of the subjects in the order they were given."""

    data: Judged
    limits: Limits
    results: tuple[Evaluation, ...]

    @cached_property
    def problems(self) -> Mapping[str, list[str]]:
        """The limits that each subject does not keep, a line each."""
        return {result.subject: list(self.limits.problems(result)) for result in self.results}

    @property
    def passed(self) -> bool:
        """All limits are kept, and no image is missing."""
        return not any(self.problems.values()) and not any(result.unreadable for result in self.results)

    def to_json(self) -> dict[str, object]:
        return {
            "schema_version": 1,
            "kind": "cloformer-evaluation",
            "data": self.data.name,
            **self.limits.to_json(),
            "passed": self.passed,
            "left_out": [item.to_json() for item in self.data.left_out],
            "subjects": [
                result.to_json() | {"problems": self.problems[result.subject]} for result in self.results
            ],
        }
