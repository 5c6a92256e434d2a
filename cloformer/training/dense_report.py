"""What was found of maps and boxes on the same photographs, and what it was held to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

from cloformer.errors import UsageError
from cloformer.export.accuracy.annotated import Annotated
from cloformer.export.accuracy.box_scores import BoxScores
from cloformer.export.accuracy.map_scores import MapScores
from cloformer.export.accuracy.masks import Masked

from .dense_evaluate import DenseEvaluation

__all__ = ["DenseLimits", "DenseReport"]


@dataclass(frozen=True)
class DenseLimits:
    """``min_miou`` and ``min_ap`` are least figures, and ``max_accuracy_drop`` is by how much the main one may be below the
    reference's; None asks for nothing."""

    min_miou: float | None = None
    min_ap: float | None = None
    max_accuracy_drop: float | None = None

    def to_json(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def refuse_early(self, data: Masked | Annotated, *, has_reference: bool) -> None:
        """:class:`UsageError` for a limit that these images, or these subjects, cannot be held to."""
        wrong, needs = ("--min-ap", "--coco") if isinstance(data, Masked) else ("--min-miou", "--masks")
        if (self.min_ap if isinstance(data, Masked) else self.min_miou) is not None:
            raise UsageError(f"{wrong} needs {needs}, and {data.name} has none", f"leave {wrong} out")
        if self.max_accuracy_drop is not None and not has_reference:
            raise UsageError(
                "--max-accuracy-drop holds models to a reference, and none is given",
                "add the network that they were exported from, --model nets.py:build --spec model.toml",
            )

    def problems(self, found: DenseEvaluation) -> Iterator[str]:
        """What is not kept, a line each. The reference is not held to itself."""
        for kind, word, least in ((MapScores, "mIoU", self.min_miou), (BoxScores, "AP", self.min_ap)):
            if least is not None and isinstance(found.scores, kind) and not found.scores.main.value >= least:
                yield f"{word} {found.scores.main.value:.4f} is below {least:.4f}"
        most = self.max_accuracy_drop
        if most is not None and found.fall is not None and not found.fall.is_within(most):
            interval = found.fall.interval
            few = "; too few images to tell" if interval is None or interval[0] <= most else ""
            yield f"the drop is {found.fall}, and --max-accuracy-drop allows {most:.2%}{few}"


@dataclass(frozen=True)
class DenseReport:
    """``results`` are of the subjects in the order they were given."""

    data: Masked | Annotated
    limits: DenseLimits
    results: tuple[DenseEvaluation, ...]

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
            "kind": "cloformer-dense-evaluation",
            "data": self.data.name,
            "measures": "maps" if isinstance(self.data, Masked) else "boxes",
            **self.limits.to_json(),
            "passed": self.passed,
            "subjects": [
                result.to_json() | {"problems": self.problems[result.subject]} for result in self.results
            ],
        }
