"""Where a run stands, in numbers: what its state keeps beside the tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cloformer.export.accuracy.scores import Scores
from cloformer.io.fields import Fields

from .logs import Epoch

__all__ = ["Position"]

_COUNTS = ("epoch", "step")


@dataclass(frozen=True)
class Position:
    """Finished epochs and steps, and the sum of the losses of the epoch's steps so far. ``finished`` is the last
    epoch's row with its scores, and whether it was the best; ``scaler`` is the state of the gradients' scaler."""

    epoch: int
    step: int
    loss_sum: float
    finished: tuple[Epoch, Scores, bool] | None
    scaler: Mapping[str, object] | None

    def to_json(self) -> dict[str, object]:
        row, scores, is_best = self.finished or (None, None, False)
        return {
            "epoch": self.epoch,
            "step": self.step,
            "loss_sum": self.loss_sum,
            "row": None if row is None else row.to_json(),
            "scores": None if scores is None else [scores.images, scores.top1, scores.top5, scores.loss],
            "is_best": is_best,
            "scaler": self.scaler,
        }

    @classmethod
    def from_json(cls, value: object) -> Position:
        """What :meth:`to_json` gave; :class:`ValueError` for anything else. A number that was none is NaN again."""
        fields = Fields(value)
        row = fields.optional("row", fields.child)
        scores = fields.optional(
            "scores", lambda name: [item for item, _ in fields.items(name, least=4, most=4)]
        )
        is_best = fields.truth("is_best")
        finished = None
        if row is not None and scores is not None:
            images, *rest = scores
            read = Fields(
                dict(zip(("images", "top1", "top5", "loss"), (images, *rest), strict=True)), "scores"
            )
            finished = (
                Epoch(
                    epoch=row.whole("epoch"),
                    step=row.whole("step"),
                    **{
                        name: _number(row, name) for name in Epoch.__dataclass_fields__ if name not in _COUNTS
                    },
                ),
                Scores(read.whole("images", 1), *(_number(read, name) for name in ("top1", "top5", "loss"))),
                is_best,
            )
        return cls(
            fields.whole("epoch"),
            fields.whole("step"),
            fields.number("loss_sum"),
            finished,
            fields.optional("scaler", lambda name: fields.child(name).rest()),
        )


def _number(fields: Fields, name: str) -> float:
    value = fields.optional(name, fields.number)
    return math.nan if value is None else float(value)
