"""What `evaluate` finds of artifacts, and artifacts side by side; the numbers are made up."""

from __future__ import annotations

from typing import Any

from pages import HOSTILE

from cloformer.export.accuracy.data import ArrayImages
from cloformer.export.accuracy.judged import Judged
from cloformer.export.accuracy.paired import Drop
from cloformer.export.accuracy.scores import Scores
from cloformer.export.pareto.figures import FIGURES, Reading
from cloformer.export.pareto.front import Candidate, Front
from cloformer.training.beside import Against
from cloformer.training.evaluate import Evaluation
from cloformer.training.limits import Limits
from cloformer.training.report import EvaluationReport

__all__ = ["FRONTS", "evaluation", "report_of"]


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


FRONTS = {
    "three figures": Front(
        tuple(FIGURES[name] for name in ("size", "latency", "top1")),
        tuple(
            Candidate(name, "onnx", "fp16", "a" * 64, {
                "size": Reading(size), "latency": Reading(time, {"preset": "quick"}, None, "latency.json"),
                "top1": Reading(share, {"images": 125}, (share - 0.05, share), "evaluation.json"),
            })
            for name, size, time, share in (("a", 3.0, 9.0, 1.0), ("b", 4.0, 9.0, 0.9), (HOSTILE, 5.0, 2.0, 1.0))
        ),
    ),
    "equal, and exact": Front(
        (FIGURES["size"], FIGURES["snr"]),
        tuple(Candidate(name, "coreml", "fp32", "a" * 64, {"size": Reading(3.0), "snr": Reading(float("inf"))}) for name in "ab"),
    ),
    "one figure": Front((FIGURES["size"],), (Candidate("a", "onnx", "fp32", "a" * 64, {"size": Reading(3.0)}),)),
}  # fmt: skip
