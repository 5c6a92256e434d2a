"""What LiteRT's own tools read of a model beside its graph: how an image becomes its input, and what its classes are called.

The metadata is a flatbuffer inside the file, and files that go with it are a ZIP archive behind it. Source: LiteRT's
``metadata_schema.fbs``, whose tables are named in the order of their fields here.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cloformer.io.read import decoding, read_bytes

from ...source.preprocessing import Preprocessing
from ...source.signature import Signature, TensorSpec
from ..exporter import Lowered
from ..row import NORMALIZE
from .file import MAX_BYTES

__all__ = ["LABELS", "add_metadata", "read_labels", "with_labels"]

LABELS = "labels.txt"
_NAME, _IDENTIFIER, _PARSER = b"TFLITE_METADATA", b"M001", "1.0.0"
_IMAGE, _NORMALIZATION, _AXIS_LABELS = 2, 1, 2  # of their unions and enumerations
_COLORS = {"RGB": 1}
_GREY = 2
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that an archive can have: no clock is in the file
_MOST_LABELS = 2**24  # bytes


class _Writer(flatbuffers.Builder):  # type: ignore[misc]  # the package has no types
    """Tables by the numbers of their fields; what is 0 or empty is left out, as the schema's defaults are."""

    def table(self, **fields: Any) -> int:
        """Fields by their number and type: ``_3_ref`` is the offset of what field 3 refers to."""
        self.StartObject(1 + max((int(key.split("_")[1]) for key in fields), default=0))
        for key, value in fields.items():
            slot, kind = int(key.split("_")[1]), key.split("_")[2]
            if kind == "ref":
                self.PrependUOffsetTRelativeSlot(slot, value, 0)
            elif kind == "enum":
                self.PrependInt8Slot(slot, value, 0)
            else:
                self.PrependUint32Slot(slot, value, 0)
        return int(self.EndObject())

    def refs(self, offsets: Sequence[int]) -> int:
        self.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.PrependUOffsetTRelative(offset)
        return int(self.EndVector())

    def floats(self, values: Iterable[float]) -> int:
        return int(self.CreateNumpyVector(np.asarray(list(values), np.float32)))

    def text(self, words: str) -> int:
        return int(self.CreateString(words)) if words else 0


def add_metadata(model: Any, signature: Signature, lowered: Lowered) -> None:
    """Put the metadata of the function into the model."""
    writer, about = _Writer(1024), lowered.description
    rules = {name: _left(rule, lowered) for name, rule in lowered.preprocessing.items()}
    inputs = [_input(writer, spec, rules.get(spec.name)) for spec in signature.inputs]
    outputs = [_output(writer, spec, has_labels=lowered.labels is not None) for spec in signature.outputs]
    graph = writer.table(_2_ref=writer.refs(inputs), _3_ref=writer.refs(outputs))
    whole = writer.table(
        _0_ref=writer.text(about.name), _1_ref=writer.text(about.summary), _2_ref=writer.text(about.version),
        _3_ref=writer.refs([graph]), _4_ref=writer.text(about.author), _5_ref=writer.text(about.license),
        _7_ref=writer.text(_PARSER),
    )  # fmt: skip
    writer.Finish(whole, _IDENTIFIER)
    model.buffers.append(schema.BufferT(data=np.frombuffer(bytes(writer.Output()), np.uint8)))
    model.metadata = [*(model.metadata or []), schema.MetadataT(name=_NAME, buffer=len(model.buffers) - 1)]


def _left(rule: Preprocessing, lowered: Lowered) -> Preprocessing:
    """What is left to do outside the file."""
    return rule.without_normalization() if lowered.options[NORMALIZE.name] == "inside" else rule


def _input(writer: _Writer, spec: TensorSpec, rule: Preprocessing | None) -> int:
    if rule is None or not spec.channels_last:  # LiteRT's tools know no image with its channels first
        return writer.table(_0_ref=writer.text(spec.name))
    size = writer.table(_0_uint=rule.width, _1_uint=rule.height)
    color = _GREY if spec.shape[1] == 1 else _COLORS.get(rule.color_order, 0)
    image = writer.table(_0_enum=color, _1_ref=size)
    content = writer.table(_0_enum=_IMAGE, _1_ref=image)
    # Of pixels from 0 to 255: (x - mean) / std.
    mean, std = (writer.floats(n / rule.scale for n in numbers) for numbers in (rule.mean, rule.std))
    unit = writer.table(_0_enum=_NORMALIZATION, _1_ref=writer.table(_0_ref=mean, _1_ref=std))
    words = f"{rule.color_order} image, {rule.said}"
    return writer.table(
        _0_ref=writer.text(spec.name), _1_ref=writer.text(words), _3_ref=content, _4_ref=writer.refs([unit])
    )


def _output(writer: _Writer, spec: TensorSpec, *, has_labels: bool) -> int:
    if not has_labels or spec.role != "logits":
        return writer.table(_0_ref=writer.text(spec.name))
    file = writer.table(_0_ref=writer.text(LABELS), _2_enum=_AXIS_LABELS)
    return writer.table(_0_ref=writer.text(spec.name), _6_ref=writer.refs([file]))


def with_labels(data: bytes, labels: Sequence[str] | None) -> bytes:
    """A model's bytes with the file of its class names behind them."""
    if labels is None:
        return data
    whole = io.BytesIO(data)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(LABELS, _DATE), "\n".join(labels) + "\n")
    return whole.getvalue()


def read_labels(path: Path) -> tuple[str, ...] | None:
    """The class names that a model's file carries; None if it carries none. :class:`InputError` for damaged ones."""
    data = io.BytesIO(read_bytes(path, MAX_BYTES, "export it again", follow_links=False))
    if not zipfile.is_zipfile(data):
        return None
    with decoding(f"the labels in {path}", "export it again"), zipfile.ZipFile(data) as archive:
        if LABELS not in archive.namelist():
            return None
        with archive.open(LABELS) as file:
            words = file.read(_MOST_LABELS).decode("utf-8")
        return tuple(words.removesuffix("\n").split("\n"))
