"""What LiteRT's converter and runtime say, as they say it, in words that hold nothing of their insides."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from extras import needs_litert

from cloformer.errors import InputError
from cloformer.export.formats.litert.said import in_words

KEPT = Path(__file__).parent.parent / "data" / "artifacts" / "v2" / "litert" / "model.tflite"

_SAID = {
    """Failed to run converter passes: <unknown>:0: error: loc("node.mul_3;"("mul_1")): 'tfl.mul' op operands don't have """
    "broadcast-compatible shapes\n": "the converter's mul: operands don't have broadcast-compatible shapes",
    """<unknown>:0: error: loc("a"): failed to legalize operation 'tfl.arg_max' that was explicitly marked illegal: """
    """%117 = "tfl.arg_max"(%arg1, %22) : (tensor<3x6xi64>, tensor<1xi32>) -> tensor<3xi64>\n<unknown>:0: note: see""":
        "LiteRT has no arg max that gives 3 int64",
    "Didn't find op for builtin opcode 'STABLEHLO_SORT' version '1'. An older version": "the runtime has no sort",
    "fully_connected.cc:170 3136 != 8Node number 17 (FULLY_CONNECTED) failed to prepare.":
        "the runtime cannot compute fully connected of the shapes that it is given",
    "XNNPack delegate failed to reshape runtimeNode number 6 (TfLiteXNNPACKDelegate) failed to prepare.":
        "the runtime's delegate XNNPACK does not take it",
    "torch.complex64\n\nWhile executing %b_folded__0 : [num_users=2]": "LiteRT has no complex numbers",
    "%4 = loc(unknown)": "the converter stops at it",
    "Array boolean indices must be concrete\n\nWhile executing %put": "Array boolean indices must be concrete",
}  # fmt: skip


@pytest.mark.parametrize("text", _SAID)
def test_in_words(text: str) -> None:
    told = in_words(RuntimeError(text))
    assert told == _SAID[text]
    assert not any(part in told for part in ("loc(", "<unknown>", "%", "tensor<", ".cc:"))


@needs_litert
def test_at_which_operator_a_file_does_not_load(tmp_path: Path) -> None:
    """A layer whose weights are of another number of columns, which no reader of the file can see."""
    from cloformer.export.formats.litert.file import operators, packed, read_model
    from cloformer.export.formats.litert.session import first_refused, opened

    model = read_model(KEPT)
    number, layer = next(
        (number, item) for number, item in enumerate(operators(model)) if item.kind == "FULLY_CONNECTED"
    )
    weights = model.subgraphs[0].tensors[layer.inputs[1]]
    weights.shape = np.array([weights.shape[1], weights.shape[0]], np.int32)
    path = tmp_path / "model.tflite"
    path.write_bytes(packed(model))
    with pytest.raises(InputError, match="does not load"):
        opened(path)
    assert first_refused(read_model(path), "") == number > 0
    shutil.copyfile(KEPT, path)
    opened(path)
