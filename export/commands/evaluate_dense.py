"""`cloformer evaluate` of what gives maps of classes, or boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cloformer.errors import InputError, UsageError
from cloformer.io.output import say, say_json, tell
from cloformer.io.progress import Progress

from .progress import progress

if TYPE_CHECKING:
    from ..accuracy.annotated import Annotated
    from ..accuracy.masks import Masked
    from ..formats.runners import RunnerOptions
    from ..source.resolve import SourceRequest
    from ..source.spec import ModelSpec

__all__ = ["DenseRequest", "evaluate_dense"]


@dataclass(frozen=True)
class DenseRequest:
    """The options that are of maps and boxes: where masks or annotations are, and the least that is asked for."""

    masks: Path | None
    coco: Path | None
    ignored: int | None
    min_miou: float | None
    min_ap: float | None
    max_accuracy_drop: float | None

    def is_asked(self, of_classes: Mapping[str, object]) -> bool:
        """Whether there are masks, or boxes. :class:`UsageError` for options that do not go together; ``of_classes`` are those that
        are for scores of classes alone, by their names."""
        if self.masks is not None and self.coco is not None:
            raise UsageError(
                "--masks says where classes are, and --coco where boxes are", "evaluate one, then the other"
            )
        if self.masks is None and self.coco is None:
            for option, value, needs in (
                ("--min-miou", self.min_miou, "--masks"),
                ("--min-ap", self.min_ap, "--coco"),
            ):
                if value is not None:
                    raise UsageError(
                        f"{option} needs {needs}",
                        f"for example {needs} set/{needs[2:]}{'.json' if needs == '--coco' else ''}",
                    )
            if self.ignored is not None:
                raise UsageError("--ignore-class is a number in --masks", "leave it out, or give --masks")
            return False
        first = next((option for option, value in of_classes.items() if value is not None), None)
        if first is not None:
            given = "--masks" if self.coco is None else "--coco"
            raise UsageError(f"{first} is for scores of classes, and {given} is not", f"leave {first} out")
        return True

    def read(self, data: Path, say: Progress) -> Masked | Annotated:
        """Raises :class:`InputError` for what is missing, or contradicts itself."""
        from ..accuracy.annotated import read_annotated
        from ..accuracy.masks import IGNORED, read_masked

        if self.coco is not None:
            return read_annotated(data, self.coco)
        assert self.masks is not None  # or nothing would be asked for
        ignored = IGNORED if self.ignored is None else self.ignored
        return read_masked(data, self.masks, ignored=ignored, say=say)


def evaluate_dense(
    subjects: Sequence[Path],
    data: Path,
    asked: DenseRequest,
    reference: Path | SourceRequest | None,
    spec: ModelSpec | None,
    limit: int | None,
    options: RunnerOptions,
    *,
    is_quiet: bool,
    as_json: bool,
) -> None:
    """Judge, and say it; :class:`typer.Exit` as for classes."""
    from cloformer.training.dense_evaluate import evaluate_dense as run
    from cloformer.training.dense_report import DenseLimits, DenseReport

    from ..artifact.folder import is_artifact
    from ..reports.shared.words import unreadable_lines
    from ..reports.training import dense_evaluated

    limits = DenseLimits(asked.min_miou, asked.min_ap, asked.max_accuracy_drop)
    with progress(is_quiet or as_json) as report:
        found = asked.read(data, report)
        limits.refuse_early(found, has_reference=reference is not None or not all(map(is_artifact, subjects)))
        results = run(
            subjects, found, reference=reference, spec=spec, limit=limit, options=options, progress=report
        )
    done = DenseReport(found, limits, tuple(results))
    unreadable = results[0].unreadable
    if as_json:
        say_json(done.to_json())
    else:
        say(*dense_evaluated.table(results), *dense_evaluated.notes(results))
        say(*(f"FAIL  {subject}: {line}" for subject, lines in done.problems.items() for line in lines))
        tell(*map(str, getattr(found, "left_out", ())))
    tell(*unreadable_lines([item.reason for item in unreadable], results[0].images))
    if any(done.problems.values()):
        raise typer.Exit(1)
    if unreadable:
        raise typer.Exit(InputError.exit_code)
