"""The options of `export` about what is computed of a network's outputs inside the file."""

from __future__ import annotations

from cloformer.errors import UsageError, choose
from cloformer.io.fields import FieldError

from ..source.decoding import Decoding
from ..source.shares import parse_share
from ..source.suppression_rule import Suppression
from .options import parse_size

__all__ = ["NMS", "decoding_of"]

NMS = ("none", "in-graph", "pipeline")
_CANDIDATES = 4  # for each detection: the best boxes, of which the others are suppressed


def decoding_of(
    nms: str | None,
    max_detections: int | None,
    score_threshold: str | None,
    iou_threshold: str | None,
    class_map: str | None,
) -> Decoding:
    """Raises :class:`UsageError` for values that cannot be meant, and for options of a suppression that is not asked for."""
    size = None if class_map is None else parse_size(class_map)
    kind = "none" if nms is None else choose("nms", nms, NMS)
    given = {
        "--max-detections": max_detections,
        "--score-threshold": score_threshold,
        "--iou-threshold": iou_threshold,
    }
    if kind == "none":
        flag = next((flag for flag, value in given.items() if value is not None), None)
        if flag is not None:
            raise UsageError(f"{flag} is for --nms in-graph", f"add --nms in-graph or leave {flag} out")
        return Decoding(None, size)
    usual = Suppression()
    most = max_detections or usual.max_detections
    try:
        rule = Suppression(
            most,
            usual.score_threshold
            if score_threshold is None
            else parse_share("--score-threshold", score_threshold, 0.3),
            usual.iou_threshold
            if iou_threshold is None
            else parse_share("--iou-threshold", iou_threshold, 0.5),
            _CANDIDATES * most,
        )
    except FieldError as error:
        raise UsageError(
            f"--{error.path.replace('_', '-')} {error.problem}", "for example --max-detections 100"
        ) from None
    return Decoding(None, size, rule) if kind == "pipeline" else Decoding(rule, size)
