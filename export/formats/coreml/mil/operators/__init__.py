"""The operators, by family as coremltools' ``ops/defs`` groups them; importing a file enters its operators."""

from . import (
    activation,
    classify,
    compression,
    elementwise,
    gather,
    linear,
    normalization,
    pool,
    quantization,
    random,
    reduction,
    resample,
    resize,
    shape,
    tensor,
    transformers,
)

__all__ = [
    "activation",
    "classify",
    "compression",
    "elementwise",
    "gather",
    "linear",
    "normalization",
    "pool",
    "quantization",
    "random",
    "reduction",
    "resample",
    "resize",
    "shape",
    "tensor",
    "transformers",
]
