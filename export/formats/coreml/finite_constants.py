"""A pass of coremltools' pipeline, of float16 programs: a constant that float16 ends before is stored as its largest number
where that means the same.

Masks are made of -1e9 and of the least float32. coremltools computes what reads the first in float32 and casts the result,
which makes it infinite, and the second it stores as infinite: then 0 * -inf is no number, and no more is the softmax of a row
that is masked whole. Infinite constants stay infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from coremltools.converters.mil.mil import Block, Operation, Program, Var, types
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813 - its own idiom
from coremltools.converters.mil.mil.passes.defs.quantization import FP16ComputePrecision
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.helper import block_context_manager
from coremltools.converters.mil.mil.passes.pass_registry import register_pass

__all__ = ["NAME", "with_finite_constants"]

NAME = "cloformer::finite_constants"
_BEFORE = "common::add_fp16_cast"
InHalf = Callable[[Operation], bool]  # whether an operation is to be computed in float16
_LARGEST = float(np.finfo(np.float16).max)
# From here on coremltools takes a number for an infinite one.
_AS_GOOD_AS_INFINITE = 1e37

# What gives its operands' numbers as they are, or compares them: the largest number of a format is still the largest.
_CHOOSES = {
    "select": ("a", "b"), "maximum": ("x", "y"), "minimum": ("x", "y"), "clip": ("alpha", "beta"), "fill": ("value",),
    "fill_like": ("value",), "concat": ("values",), "stack": ("values",), "pad": ("constant_val",), "gather": ("x",),
    "gather_along_axis": ("x",), "gather_nd": ("x",), "scatter": ("data", "updates"),
    "scatter_along_axis": ("data", "updates"), "scatter_nd": ("data", "updates"), "tile": ("x",), "reshape": ("x",),
    "slice_by_index": ("x",), "equal": ("x", "y"), "not_equal": ("x", "y"), "greater_equal": ("x", "y"),
    "less_equal": ("x", "y"),
}  # fmt: skip
# What adds them: from twice the largest on, no number of the format brings the sum back to one.
_ADDS = {"add": ("x", "y"), "sub": ("x", "y"), "scaled_dot_product_attention": ("attn_mask",)}
_NAMES = {**_CHOOSES, **_ADDS, "mul": ("x", "y")}
# What gives whole numbers of whole numbers.
_KEEPS_WHOLE = (
    "add", "sub", "mul", "maximum", "minimum", "select", "abs", "sign", "floor", "ceil", "round", "reshape", "expand_dims",
    "squeeze", "transpose", "slice_by_index", "tile", "concat", "stack", "gather",
)  # fmt: skip


def with_finite_constants(pipeline: Any, in_half: InHalf) -> Any:
    """The pipeline with the pass before numbers are cast to float16, for the operations that ``in_half`` says are."""
    place = pipeline.passes.index(_BEFORE)
    pipeline.passes = [*pipeline.passes[:place], NAME, *pipeline.passes[place:]]
    pipeline.set_options(
        NAME, {"in_half": in_half}
    )  # each time, for coremltools keeps the pass and its options
    return pipeline


@register_pass(namespace="cloformer", name="finite_constants")
class _FiniteConstants(AbstractGraphPass):  # type: ignore[misc]
    """With c' the nearest number of float16 to a finite c: a choice of c is one of c', x + c is beyond float16 as x + c' nearly
    is where \\|c\\| is above twice its largest number, and n c is 0, or beyond, as n c' is for a whole number n. Other products
    with what coremltools takes for infinite are of a number that it does not."""

    in_half: InHalf = staticmethod(lambda _: True)

    def apply(self, prog: Program) -> None:
        for function in prog.functions.values():
            self._rewrite(function)

    @block_context_manager  # type: ignore[untyped-decorator]
    def _rewrite(self, block: Block) -> None:
        for operation in list(block.operations):
            for inner in operation.blocks:
                self._rewrite(inner)
            changed = _bounded(operation, self.in_half)
            if changed:
                _written_again(operation, changed)


def _bounded(operation: Operation, in_half: InHalf) -> dict[str, Any]:
    """The operands that are others, by name."""
    names = _NAMES.get(operation.op_type, ())
    if not any(_is_beyond(item) for name in names for item in _each(operation.inputs.get(name))):
        return {}
    is_half = in_half(operation) and _is_of_half(operation, in_half)
    if operation.op_type == "mul":
        others = [item for item in (operation.x, operation.y) if item.val is None]
        return _with(
            operation, names, _LARGEST if is_half and all(map(_is_whole, others)) else _AS_GOOD_AS_INFINITE
        )
    is_right = is_half and (operation.op_type not in _ADDS or _are_far(operation, names))
    return _with(operation, names, _LARGEST) if is_right else {}


def _with(operation: Operation, names: Sequence[str], largest: float) -> dict[str, Any]:
    found = {}
    for name in names:
        given = operation.inputs.get(name)
        if any(_is_beyond(item, largest) for item in _each(given)):
            new = [_kept(item, largest, operation) for item in _each(given)]
            found[name] = new if isinstance(given, (list, tuple)) else new[0]
    return found


def _kept(item: Var, largest: float, operation: Operation) -> Var:
    if not _is_beyond(item, largest):
        return item
    value = np.asarray(item.val)
    bounded = np.where(np.isfinite(value), np.clip(value, -largest, largest), value).astype(value.dtype)
    return mb.const(
        val=bounded if value.ndim else bounded[()], before_op=operation, name=f"{item.name}_finite"
    )


def _written_again(operation: Operation, changed: dict[str, Any]) -> None:
    block = operation.enclosing_block
    inputs = {name: item for name, item in operation.inputs.items() if item is not None} | changed
    new = getattr(mb, operation.op_type)(**inputs, before_op=operation, name=operation.name)
    (old,) = operation.outputs
    block.replace_uses_of_var_after_op(anchor_op=operation, old_var=old, new_var=new, force_replace=True)
    block.remove_ops([operation])


def _is_beyond(item: Any, largest: float = _LARGEST) -> bool:
    """Whether it is a constant with finite numbers that are larger."""
    value = getattr(item, "val", None)
    if value is None or not types.is_float(item.dtype):
        return False
    sizes = np.abs(np.asarray(value))
    return bool((np.isfinite(sizes) & (sizes > largest)).any())


def _are_far(operation: Operation, names: Sequence[str]) -> bool:
    """Whether all the constants' numbers that float16 ends before are beyond it by as much again."""
    given = [
        np.abs(np.asarray(operation.inputs[name].val))
        for name in names
        if _is_beyond(operation.inputs.get(name))
    ]
    return all(bool(((sizes <= _LARGEST) | (sizes >= 2 * _LARGEST)).all()) for sizes in given)


def _is_of_half(operation: Operation, in_half: InHalf) -> bool:
    """Whether what else it is given is in float16: coremltools computes in float32 what reads constants beyond that."""
    given = [item for value in operation.inputs.values() for item in _each(value)]
    before = [item.op for item in given if item.op is not None and item.val is None]
    return all(in_half(made) and not FP16ComputePrecision.fp16_overflow(made) for made in before)


def _is_whole(item: Var) -> bool:
    """Whether all numbers are whole, whatever the input is."""
    if item.val is not None:
        value = np.asarray(item.val)
        return bool((value == np.round(value)).all())
    if not types.is_float(item.dtype):
        return True
    made = item.op
    if made is None:
        return False
    if made.op_type == "cast":
        return _is_whole(made.x)
    if made.op_type not in _KEEPS_WHOLE:
        return False
    operands = (made.inputs.get(name) for name in ("x", "y", "a", "b", "values"))
    return all(_is_whole(part) for item in operands for part in _each(item))


def _each(given: Var | Sequence[Var] | None) -> list[Var]:
    """One operand, several, or none."""
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]
