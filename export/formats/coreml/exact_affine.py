"""A pass of coremltools' pipeline: x * g + b, which another of its passes joins into one batch_norm, without an epsilon.

``common::fuse_elementwise_to_batchnorm`` writes a batch_norm of mean 0 and variance 1 and leaves its epsilon at 1e-5. So
everything comes out smaller by 5e-6: nothing in float16, and 84 roundings in float32.
"""

from __future__ import annotations

from typing import Any

from coremltools.converters.mil.mil import Builder
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY, register_pass

__all__ = ["NAME", "with_exact_affine"]

_REPLACED = "common::fuse_elementwise_to_batchnorm"
NAME = "cloformer::exact_affine"


@register_pass(namespace="cloformer", name="exact_affine")
class _ExactAffine(AbstractGraphPass):  # type: ignore[misc]
    def apply(self, prog: Any) -> None:
        own = {operation for function in prog.functions.values() for operation in _batch_norms(function)}
        PASS_REGISTRY[_REPLACED](prog)
        for function in prog.functions.values():
            for operation in _batch_norms(function):
                if operation not in own:  # the model's own have theirs
                    _without_epsilon(operation)


def _batch_norms(function: Any) -> list[Any]:
    return list(function.find_ops(op_type="batch_norm"))


def _without_epsilon(operation: Any) -> None:
    block, old = operation.enclosing_block, operation.outputs[0]
    with block:
        new = Builder.batch_norm(
            x=operation.x,
            mean=operation.mean,
            variance=operation.variance,
            gamma=operation.gamma,
            beta=operation.beta,
            epsilon=operation.epsilon.val.dtype.type(0),
            name=operation.name,
            before_op=operation,
        )
    block.replace_uses_of_var_after_op(anchor_op=operation, old_var=old, new_var=new)
    block.remove_ops([operation])


def with_exact_affine(pipeline: Any) -> Any:
    """The pipeline with the pass in the place of the one that it makes exact: before batch_norms are folded into
    convolutions."""
    pipeline.passes = [NAME if name == _REPLACED else name for name in pipeline.passes]
    return pipeline
