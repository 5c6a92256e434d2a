"""The rules, a row each. What a public report saw on one phone is an estimate for another: docs/lint.md says what stands behind each."""

from __future__ import annotations

from collections.abc import Mapping

from . import found_by_magnitude as magnitude
from . import found_by_shape as shape
from .rule import Rule, Severity

__all__ = ["RULES"]

_COREML, _ONNX, _LITERT, _EXECUTORCH = "coreml", "onnx", "litert", "executorch"
_HALF = "float16"
_FOR_ENGINE = {_COREML: "--for neural-engine"}
_FLOAT32 = "keep the operator in float32: --precision-map"

_ROWS = (
    Rule(
        "softplus-above-10", "a softplus that is fed more than 10.4, where the Neural Engine gives 0",
        "coremltools issues 2687 and 2359 (mish, which has one inside)", Severity.ERROR, (_COREML,),
        "relu(x) + softplus(-|x|), which is the same and is fed nothing above 0",
        magnitude.softplus_above_its_end, _FOR_ENGINE, results=_HALF, measures=True,
    ),
    Rule(
        "logsumexp-without-maximum",
        "a logarithm of a sum of exponentials that add up to float16's end, as 32 channels above 7.6 do, where the Neural Engine gives 0",
        "coremltools issue 2690", Severity.ERROR, (_COREML,),
        "subtract the maximum before the exponentials and add it to the logarithm",
        magnitude.logsumexp_beyond_half, _FOR_ENGINE, results=_HALF, measures=True,
    ),
    Rule(
        "product-of-2-axes", "a product of two axes before an activation, off by 0.2 on the Neural Engine and right with four",
        "coremltools issue 2625; coreai-torch issue 51", Severity.ERROR, (_COREML,),
        "a convolution of 1 x 1 taps, or a product of four axes, and the activation with four",
        shape.two_axes_before_an_activation, _FOR_ENGINE, results=_HALF,
    ),
    Rule(
        "width-slice-off-zero", "a slice that begins off zero on the last axis and takes values above 4,094, which some engines (M1, A14) change",
        "ane-guide, chapter 3", Severity.ERROR, (_COREML,),
        f"slice another axis, or scale the values down before; else {_FLOAT32}",
        magnitude.slices_off_zero, results=_HALF, measures=True,
    ),
    Rule(
        "attention-of-3-axes", "attention whose products have three axes: correlation 0.27 on a phone's GPU, right with four",
        "LiteRT issue 8619", Severity.WARNING, (_COREML, _LITERT),
        "products of four axes: a batch, heads, rows, columns",
        shape.rank_3_attention, _FOR_ENGINE,
    ),
    Rule(
        "sum-beyond-half", "a reduction whose terms add up to more than 65,504, float16's end, if the sum is kept in float16",
        "IEEE 754, binary16; ane-guide, chapter 3, says that the Neural Engine's sums are wider", Severity.WARNING,
        (_COREML, _ONNX), f"divide before the sum (a mean of means), or {_FLOAT32}; `cloformer parity --headroom` says how far it is",
        magnitude.sums_beyond_half, results=_HALF, measures=True,
    ),
    Rule(
        "more-than-4-axes", "values of more than four axes, which accelerators do not take: the operators run on the CPU",
        "Apple, Deploying Transformers on the Apple Neural Engine (2022), principle 1; LiteRT issue 2540; Android NDK, NeuralNetworks.h",
        Severity.WARNING, (_COREML, _ONNX, _LITERT), "reshape to four axes: merge those that stay beside each other",
        shape.ranks_above_4,
    ),
    Rule(
        "float32-island", "operators that compute in float32 in a float16 model: the Neural Engine has none, and each border is a cast",
        "coremltools issue 2213; Apple, Core ML Tools guide, Typed Execution", Severity.WARNING, (_COREML, _ONNX),
        "leave the operator out of --precision-map, or scale what is beyond float16",
        shape.islands,
        results="float32",
    ),
    Rule(
        "computed-sizes", "sizes that are computed when the model runs: such models leave the Neural Engine, and delegates do not take them",
        "coremltools issues 1764 and 2370; ONNX Runtime issue 26328; TensorFlow issue 47168", Severity.WARNING,
        (_COREML, _ONNX, _LITERT),
        "export for one size, --image-size; write sizes as Python numbers in forward",
        shape.shapes_that_are_computed,
    ),
    Rule(
        "average-in-ceil-mode", "average pooling in ceil mode whose last window reaches over the edge: runtimes divide by different numbers",
        "coremltools issues 2772 and 2844", Severity.WARNING, (_COREML, _ONNX),
        "pad the input, pool without the mode, and scale by how much of each window counts",
        shape.averages_over_the_edge, _FOR_ENGINE,
    ),
    Rule(
        "long-softmax", "a softmax over more than 16,384 places: Core ML takes no longer axis on all units, and a mean share is below float16's normal numbers",
        "coremltools issue 1003; ONNX Runtime issue 19543; IEEE 754, binary16", Severity.WARNING, (_COREML, _ONNX),
        "split the axis, or take the largest places first",
        shape.long_softmax,
    ),
    Rule(
        "index-at-the-end", "outputs that argmax, topk or gather give: silently wrong in float16 on an iPhone 17 Pro",
        "coreai-torch issues 115 and 116", Severity.WARNING, (_COREML,),
        "give out the scores and choose in the app",
        shape.indices_at_the_end,
        in_half=True,
    ),
    Rule(
        "subnormal-epsilon", "an epsilon below 6.1e-5, which float16 has no normal number for: where such numbers are taken for 0, a division by 0 is not prevented",
        "IEEE 754, binary16", Severity.NOTE, (_COREML, _ONNX),
        f"a larger epsilon, which the model must be trained with; or {_FLOAT32}",
        shape.small_epsilons, results=_HALF,
    ),
    Rule(
        "large-depthwise", "a depthwise convolution of more than 25 taps: XNNPACK's kernels go over the map several times",
        "XNNPACK, src/configs/dwconv-config.c", Severity.NOTE, (_ONNX, _LITERT, _EXECUTORCH),
        "a sum of convolutions of fewer taps",
        shape.large_depthwise, {_ONNX: "--for arm64-xnnpack"},
    ),
)  # fmt: skip

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _ROWS}
