"""What coremltools converts wrong, and what a rewritten graph cannot say otherwise."""

from __future__ import annotations

import coremltools as ct
import numpy as np
from coremltools.converters.mil import Builder as mb  # noqa: N813 - its own idiom
from coremltools.converters.mil.frontend.torch import ops
from coremltools.converters.mil.frontend.torch.internal_graph import InternalTorchIRNode
from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op
from coremltools.converters.mil.mil import Block, Operation, Program, Var, types
from coremltools.converters.mil.mil.passes.defs.cleanup.fuse_reduce_mean import fuse_reduce_mean
from coremltools.converters.mil.mil.passes.defs.optimize_conv import fuse_conv_batchnorm, fuse_conv_scale
from coremltools.converters.mil.mil.passes.defs.quantization import add_int16_cast
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.helper import block_context_manager
from coremltools.converters.mil.mil.passes.pass_registry import register_pass
from coremltools.converters.mil.mil.types import nptype_from_builtin
from coremltools.converters.mil.mil.types.symbolic import is_symbolic

__all__ = ["pipeline"]


def pipeline(activations: str) -> ct.PassPipeline:
    """coremltools' passes for activations of that type, with ours first or in the place of one."""
    pipeline = ct.PassPipeline.DEFAULT
    replaced = {
        "common::fuse_reduce_mean": "cloformer::fuse_exact_means",
        "common::fuse_conv_batchnorm": "cloformer::fuse_right_batchnorms",
        "common::fuse_conv_scale": "cloformer::fuse_right_scales",
        "common::add_int16_cast": "cloformer::narrow_what_fits",
    }
    # A sum of two values in 8 bits, divided by the scale of one: the other's scale and the sum's then are quotients that are
    # rounded to float16, and no longer those that were chosen.
    left_out = {"common::distributive_quantized_binary_op_scale_normalization"}
    if activations != "float16":
        left_out.add("common::add_int16_cast")  # as coremltools does
    names = [replaced.get(name, name) for name in pipeline.passes if name not in left_out]
    pipeline.passes = ["cloformer::exact_operators", *names]
    return pipeline


_gelu_of_the_error_function = ops.gelu


@register_torch_op(override=True)  # type: ignore[untyped-decorator]
def gelu(context: ops.TranscriptionContext, node: InternalTorchIRNode) -> None:
    """GELU in the form that is asked for by keyword, which coremltools does not read."""
    (approximate,) = ops._get_kwinputs(context, node, "approximate", default=[None])
    if getattr(approximate, "val", approximate) != "tanh":
        _gelu_of_the_error_function(context, node)
        return
    (x,) = ops._get_inputs(context, node, expected=1)
    context.add(mb.gelu(x=x, mode="TANH_APPROXIMATION", name=node.name))


_SCATTERED = {"sum": "add", "prod": "mul", "amax": "max", "amin": "min"}


@register_torch_op(torch_alias=["scatter_reduce.two"])  # type: ignore[untyped-decorator]
def scatter_reduce(context: ops.TranscriptionContext, node: InternalTorchIRNode) -> None:
    """One number after the other, with what was there: what is without it, or a mean, is written so before."""
    data, axis, indices, updates, reduce, *_ = ops._get_inputs(context, node)
    mode = _SCATTERED[str(getattr(reduce, "val", reduce))]
    context.add(
        mb.scatter_along_axis(
            data=data, indices=indices, updates=updates, axis=axis.val, mode=mode, name=node.name
        )
    )


@register_torch_op(override=True)  # type: ignore[untyped-decorator]
def floor_divide(context: ops.TranscriptionContext, node: InternalTorchIRNode) -> None:
    """Of whole numbers a whole number, which coremltools casts to a float."""
    x, y = ops.promote_input_dtypes(ops._get_inputs(context, node, expected=2))
    context.add(mb.floor_div(x=x, y=y, name=node.name))


@register_pass(namespace="cloformer")
class exact_operators(AbstractGraphPass):  # type: ignore[misc]  # noqa: N801 - its name is the class's
    """Logarithms of their argument alone, ``floor`` where ``floor_div`` divides by one, magnitudes without squares, and floats
    where a part of a joined vector is known.

    ``log`` adds 1e-45 to its argument where no epsilon is given, so that the logarithm of 0 is -103 in float32. The pass
    ``noop_elimination`` takes a division by one for the identity, the rounding one too (coremltools' issue 2761). Of complex numbers it writes
    the root of a sum of squares, which leave float16 from 256 on. What is cut from a vector that was joined of a constant
    and something else is known to it as Python objects, of which it makes integers.
    """

    def apply(self, prog: Program) -> None:
        for function in prog.functions.values():
            self._rewrite(function)

    @block_context_manager  # type: ignore[untyped-decorator]
    def _rewrite(self, block: Block) -> None:
        for operation in list(block.operations):
            for inner in operation.blocks:
                self._rewrite(inner)
            if _adds_nothing(operation):
                nothing = operation.epsilon.val * 0
                new = mb.log(x=operation.x, epsilon=nothing, before_op=operation, name=operation.name)
            elif _divides_by_one(operation):
                new = mb.floor(x=operation.x, before_op=operation, name=operation.name)
            elif operation.op_type == "complex_abs":
                new = _magnitude(operation)
            elif _is_of_another_type(operation):
                known = np.asarray(
                    operation.outputs[0].val, dtype=nptype_from_builtin(operation.outputs[0].dtype)
                )
                new = mb.const(val=known, before_op=operation, name=operation.name)
            else:
                continue
            old = operation.outputs[0]
            block.replace_uses_of_var_after_op(anchor_op=operation, old_var=old, new_var=new)
            block.remove_ops([operation])


@register_pass(namespace="cloformer")
class fuse_exact_means(fuse_reduce_mean):  # type: ignore[misc]  # noqa: N801
    """A sum is a mean where it is divided by how many numbers it is of: coremltools' pass takes any factor that is nearer
    than 1e-6 to that, which for a thousand numbers is one part in a thousand: a variance by n - 1."""

    @staticmethod
    def _try_to_transform(reduce_sum_op: Operation, block: Block) -> bool:
        users = list(reduce_sum_op.outputs[0].child_ops)
        if len(users) != 1 or reduce_sum_op.axes is None or reduce_sum_op.axes.val is None:
            return False
        count = np.prod([reduce_sum_op.x.shape[axis] for axis in reduce_sum_op.axes.val])
        wanted = 1 / count if users[0].op_type == "mul" else count
        others = [item for item in (users[0].inputs.get("x"), users[0].inputs.get("y")) if item is not None]
        values = [item.val for item in others if item.val is not None]
        if not any(np.all(value == np.asarray(value).dtype.type(wanted)) for value in values):
            return False
        return bool(fuse_reduce_mean._try_to_transform(reduce_sum_op, block))


@register_pass(namespace="cloformer")
class fuse_right_batchnorms(fuse_conv_batchnorm):  # type: ignore[misc]  # noqa: N801
    """A batch norm is folded into a convolution but for transposed ones in groups of several channels: coremltools' pass
    takes one group's weights for another's there."""

    @staticmethod
    def _try_to_transform(conv_op: Operation, bn_op: Operation) -> bool:
        return not _mixes_groups(conv_op) and bool(fuse_conv_batchnorm._try_to_transform(conv_op, bn_op))


@register_pass(namespace="cloformer")
class fuse_right_scales(fuse_conv_scale):  # type: ignore[misc]  # noqa: N801
    """The same of a product with a number for each channel."""

    @staticmethod
    def _try_to_transform(conv_op: Operation, scale_op: Operation) -> bool:
        return not _mixes_groups(conv_op) and bool(fuse_conv_scale._try_to_transform(conv_op, scale_op))


@register_pass(namespace="cloformer")
class narrow_what_fits(add_int16_cast):  # type: ignore[misc]  # noqa: N801
    """Whole numbers in 16 bits where they are known to fit: constants, what 8 or 16 bits held before, and places on an axis
    that is short enough. coremltools' pass takes all that is gathered, sorted or squeezed, and with or without a sign as the
    one that it saw before it; 40000 wraps, and so does -2."""

    def should_cast_parameter(self, op: Operation, param_name: str) -> bool:
        value = op.inputs[param_name]
        if value.dtype == types.str:  # the type of the places that a sorting gives
            return _longest(op) <= _PLACES and bool(super().should_cast_parameter(op, param_name))
        self.target_dtype = "int16"
        fits = _is_narrow(value) or (param_name == "indices" and _longest(op) <= _PLACES)
        return fits and bool(super().should_cast_parameter(op, param_name))


_PLACES = np.iinfo(np.int16).max


def _longest(operation: Operation) -> float:
    """The longest axis of what is gathered or sorted."""
    sizes = [np.inf if is_symbolic(size) else size for size in operation.x.shape]
    return max(sizes, default=1)


def _is_narrow(value: Var) -> bool:
    """Whether it is a constant, whose numbers coremltools reads, or came of fewer bits."""
    if value.op is None:
        return False
    held = {types.bool, types.int8, types.uint8, types.int16, types.uint16}
    return value.op.op_type == "const" or (value.op.op_type == "cast" and value.op.x.dtype in held)


def _mixes_groups(operation: Operation) -> bool:
    """Whether coremltools' passes would: the weights are (in, out / groups, ...)."""
    is_transposed = operation.op_type == "conv_transpose"
    return is_transposed and bool(operation.groups.val > 1 and operation.weight.shape[1] > 1)


def _adds_nothing(operation: Operation) -> bool:
    """Whether it is a logarithm with the epsilon that nobody asked for."""
    return operation.op_type == "log" and bool(operation.epsilon.val == np.float32(1e-45))


def _magnitude(operation: Operation) -> Var:
    """m sqrt(1 + (n / m)^2) for the larger m and the smaller n of both parts' magnitudes; 0 where m is."""
    given = {"before_op": operation}
    parts = (mb.complex_real(data=operation.x, **given), mb.complex_imag(data=operation.x, **given))
    one, other = (mb.abs(x=part, **given) for part in parts)
    larger, smaller = mb.maximum(x=one, y=other, **given), mb.minimum(x=one, y=other, **given)
    is_zero = mb.equal(x=larger, y=np.float32(0), **given)
    divisor = mb.select(cond=is_zero, a=np.float32(1), b=larger, **given)
    share = mb.real_div(x=smaller, y=divisor, **given)
    root = mb.sqrt(x=mb.add(x=mb.mul(x=share, y=share, **given), y=np.float32(1), **given), **given)
    return mb.mul(x=larger, y=root, name=operation.name, **given)


def _is_of_another_type(operation: Operation) -> bool:
    """Whether its one result is of floats, and what coremltools knows of it is an array of something else."""
    if (
        operation.op_type == "const"
        or len(operation.outputs) != 1
        or not types.is_float(operation.outputs[0].dtype)
    ):
        return False
    known = operation.outputs[0].val
    return isinstance(known, np.ndarray) and known.dtype.kind != "f"


def _divides_by_one(operation: Operation) -> bool:
    """Whether it is a rounding division of floats, of the result's shape, by ones."""
    if operation.op_type != "floor_div" or not types.is_float(operation.x.dtype):
        return False
    value = operation.y.val
    if value is None and operation.y.op is not None and operation.y.op.op_type == "fill":
        value = operation.y.op.value.val
    is_one = value is not None and bool(np.all(value == 1))
    return is_one and operation.x.sym_type == operation.outputs[0].sym_type
