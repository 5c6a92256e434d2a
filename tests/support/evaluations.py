"""What `evaluate` finds of artifacts; the numbers are made up."""

from __future__ import annotations

from typing import Any

from cloformer.training.beside import Against
from cloformer.training.data import ArrayImages
from cloformer.training.evaluate import Evaluation
from cloformer.training.judged import Judged
from cloformer.training.limits import Limits
from cloformer.training.paired import Drop
from cloformer.training.report import EvaluationReport
from cloformer.training.scores import Scores

__all__ = ["evaluation", "report_of"]


def evaluation(
    manifest: str | None, top1: float | None = 0.9, agreement: float = 0.98, snr: float = 30.0, **changes: Any
) -> Evaluation:
    """On 100 images, held to fashion-mnist."""
    scores = None if top1 is None else Scores(100, top1, 0.99, 0.3)
    drop = None if top1 is None else Drop(1, 0, 100)
    against = Against("fashion-mnist", round(100 * agreement), 100, snr, "logits", drop, ())
    given = {"bytes": 10**6, "format": "onnx", "precision": "fp32", "manifest_sha256": manifest} | changes
    return Evaluation("build/net", "ONNX Runtime", 100, scores, against, **given)


def report_of(*results: Evaluation, data: str = "photos") -> EvaluationReport:
    import numpy as np

    images = ArrayImages(data, np.zeros((1, 2, 2), np.uint8), ())
    return EvaluationReport(Judged(data, images, 100, None), Limits(), results)
