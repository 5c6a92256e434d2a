"""The delegate's operators beside the file's: what is left over on either side goes to its neighbour, and what fits nowhere is told."""

from __future__ import annotations

import pytest

from cloformer.export.formats.delegate_times import aligned


@pytest.mark.parametrize(
    ("kinds", "names", "found"),
    [
        # A clip behind a sum, and a change of shape before a layer.
        ("CONV_2D ADD FULLY_CONNECTED", ["Convolution (NHWC, F32) IGEMM", "Add (ND)", "Clamp (NC)", "Static Reshape (NC)", "Fully Connected (NC, F32) GEMM"],
         [[0], [1, 2], [3, 4]]),
        # A function between two roundings is a table, and the roundings are in it.
        ("DEQUANTIZE GELU QUANTIZE CONV_2D", ["Invalid Unary Op", "Fully Connected (NC, QS8, QC8W) GEMM"], [[], [0], [], [1]]),
        # What is computed by its own name is no clip of what is before.
        ("ADD RELU MUL", ["Add (ND)", "Clamp (NC)", "Multiply (ND)"], [[0], [1], [2]]),
        # A layer that rounds what it reads, at each inference.
        ("CONV_2D CONV_2D", ["Convert (NC, F32, QDU8)", "Convolution (NHWC, QDU8, F32, QC8W) IGEMM", "Fully Connected (NC, F32) GEMM"], [[0, 1], [2]]),
        ("TRANSPOSE BATCH_MATMUL", ["Batch Matrix Multiply (NC, F32) GEMM"], [[], [0]]),
        ("ADD MUL", ["Multiply (ND)", "Add (ND)"], None),
        ("ADD", ["Add (ND)", "Add (ND)"], None),
        ("ADD SOFTMAX", ["Add (ND)"], None),
    ],
)  # fmt: skip
def test_side_by_side(kinds: str, names: list[str], found: list[list[int]] | None) -> None:
    assert aligned(kinds.split(), names) == found
