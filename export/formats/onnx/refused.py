"""What onnx and ONNX Runtime do not take of a file that torch.onnx wrote, by the place in the model that it comes from."""

from __future__ import annotations

import re

import onnx

from cloformer.errors import UnsupportedError
from cloformer.io.words import reason_of

from ...source.origin import Origin
from ..exporter import Unsupported, unsupported_error

__all__ = ["ORIGIN_KEYS", "not_taken"]

ORIGIN_KEYS = ("cloformer.name", "cloformer.module", "cloformer.location")
_WORDS = re.compile(r"[\w.:/#]+")


def not_taken(who: str, error: BaseException, model: onnx.ModelProto) -> UnsupportedError:
    """The refusal, with the place of the first node that it names."""
    reason, said = reason_of(error), set(_WORDS.findall(str(error)))
    node = next((node for node in model.graph.node if node.name and node.name in said), None)
    if node is None:
        return UnsupportedError(
            f"{who} does not take what torch.onnx wrote: {reason}",
            "choose another --opset, or another --format",
        )
    told = {entry.key: entry.value for entry in node.metadata_props}
    origin = Origin(*(told.get(key, "") for key in ORIGIN_KEYS))
    return unsupported_error([Unsupported(node.op_type, origin, reason)], who)
