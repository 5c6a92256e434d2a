"""Writing an ONNX file: what protobuf says alike of two faults is told apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from google.protobuf.message import EncodeError

from cloformer.errors import UnsupportedError
from cloformer.export.formats.onnx.file import serialized

if TYPE_CHECKING:
    import onnx


class _Unwritten:
    """A model that protobuf does not write: too large by ``numbers``, or for want of memory."""

    def __init__(self, numbers: int) -> None:
        self.graph = SimpleNamespace(initializer=[SimpleNamespace(raw_data=range(numbers))] * 2)

    def SerializeToString(self, *, deterministic: bool) -> bytes:
        raise EncodeError("Failed to serialize proto")


def test_a_model_beyond_protobufs_limit_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"take 2\.2 GB, and an ONNX file in one piece holds 2\.1"):
        serialized(cast("onnx.ModelProto", _Unwritten(1_100_000_000)))


def test_a_model_for_which_there_is_no_memory_is_none_of_its_own_faults() -> None:
    with pytest.raises(MemoryError):
        serialized(cast("onnx.ModelProto", _Unwritten(1_000_000)))
