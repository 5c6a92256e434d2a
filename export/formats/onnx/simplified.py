"""What onnxsim makes of a model, and what became of its values."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Container, Mapping

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["absorbed_values", "simplified_by_onnxsim"]


def simplified_by_onnxsim(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, object]]:
    """onnxsim's result, unless it undoes something: more nodes, or an activation taken apart; or cannot take the model."""
    import onnxsim

    before = Counter(node.op_type for node in model.graph.node)
    # onnxsim reports to the terminal as it likes.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            simplified, same = onnxsim.simplify(model)
        except Exception:  # onnxsim, of orders that it made itself
            simplified, same = model, False
    after = Counter(node.op_type for node in simplified.graph.node)
    keep = same and after.total() <= before.total() and after["Gelu"] >= before["Gelu"]
    notes = {
        "nodes_before_onnxsim": before.total(),
        "nodes_after_onnxsim": after.total(),
        "onnxsim_kept": keep,
    }
    return (simplified if keep else model), notes


_LEAVE_NUMBERS = ("Identity", "Dropout", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Pad", "Slice", "Concat")  # fmt: skip


def absorbed_values(before: onnx.ModelProto, after: onnx.ModelProto) -> dict[str, set[str]]:
    """The values of ``before`` that each value of ``after`` stands for as well, or that its operator has taken in:
    onnxsim folds a product into the convolution before it, which keeps its name, or into the one after it. Seen by who reads
    what: where a node read one value and now reads another, that one has taken the place of the first and of those on the
    way to it; but if its own operator is as it was, and the reader's constants are not or numbers were changed on the way
    (a logarithm before the place of the largest), the reader has."""
    made = {output: node for node in before.graph.node for output in node.output}
    kept = {output: node for node in after.graph.node for output in node.output}
    held = [{item.name: item for item in model.graph.initializer} for model in (before, after)]
    found: dict[str, set[str]] = {}
    for node in after.graph.node:
        same = made.get(node.output[0])
        if same is None or len(same.input) != len(node.input):
            continue
        for old, new in zip(same.input, node.input, strict=True):
            if old != new and new in kept and old in made and old not in kept:
                maker, gone = made.get(new), _vanished(old, made, kept)
                is_forward = (
                    maker is not None
                    and not _has_other_constants(maker, kept[new], *held)
                    and (
                        _has_other_constants(same, node, *held)
                        or any(made[value].op_type not in _LEAVE_NUMBERS for value in gone)
                    )
                )
                found.setdefault(node.output[0] if is_forward else new, set()).update(gone)
    return found


def _has_other_constants(
    one: onnx.NodeProto,
    other: onnx.NodeProto,
    held_by_one: Mapping[str, onnx.TensorProto],
    held_by_other: Mapping[str, onnx.TensorProto],
) -> bool:
    """Whether a node and what onnxsim made of it read other weights; under another name they may be the same."""
    if len(one.input) != len(other.input):
        return True
    for old, new in zip(one.input, other.input, strict=True):
        if new not in held_by_other:
            continue
        first, second = held_by_one.get(old), held_by_other[new]
        if first is None or not np.array_equal(numpy_helper.to_array(first), numpy_helper.to_array(second)):
            return True
    return False


def _vanished(value: str, made: Mapping[str, onnx.NodeProto], kept: Container[str]) -> set[str]:
    """The value and those that it was made of, as far back as they are not kept."""
    seen: set[str] = set()
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if current in made and current not in kept and current not in seen:
            seen.add(current)
            waiting += made[current].input
    return seen
