"""Is the float64 reference the model? Shown each time, by the model itself as PyTorch runs it.

The trace in the model's own types must give what the module gives, bit for bit or within a few roundings; where the module
takes kernels that its trace does not (the fused ones of an attention or an encoder layer in evaluation mode), within what
rounding costs that output. And each of its operators, computed in float64 on the values in the model's own types, must give
what it gave in those, within what that operator may round. The first that does not is named: nothing can be judged by such a
reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, fx

from ..formats.runners import Array
from ..reference.cases import Case
from ..reference.natures import operator_name
from ..reference.references import Expected, Reference, References, in_roles
from ..reference.rounding import Format
from ..reference.twin import Step
from ..reference.wide import widened
from ..reference.written import Asked
from ..source.signature import TensorSpec
from ..source.trace import origin_of
from .group import Group
from .judge import Types, judge
from .outputs import output_result
from .tolerances import ROUNDOFF
from .walk import Compared, Drift, largest_finite

if TYPE_CHECKING:
    from ..source.resolve import Source

__all__ = ["Yardstick", "not_the_model", "why_not_rewritten", "why_not_the_model"]

# A kernel of torch's own may lose so many times what a file's operator may: an attention of scores beyond 30 lost 2 % more.
_KERNEL = 2.0
_GELU = 8.0  # times |x|, in roundings of one: torch's erf is a polynomial (5.7 were seen from -5 to -1)
_ROUNDINGS = 4.0  # between the module and its trace, where they call the same kernels


@dataclass(frozen=True)
class Yardstick:
    """What an artifact's outputs are held to, in float64: the ``model`` as it was trained, or, where its weights were compressed,
    the model ``as_written`` with them. ``given`` is always what the module itself gives for ``inputs``."""

    model: Reference
    as_written: Reference
    rewritten: Callable[[], Reference]

    @classmethod
    def of(cls, references: References, source: Source, asked: Asked) -> Yardstick:
        return cls(
            references.of(source),
            references.written(source, asked),
            lambda: references.rewritten(source, asked),
        )

    def doubts(self, inputs: Mapping[str, Array], given: Sequence[Array]) -> list[str]:
        """Why nothing can be judged by it; empty where nothing shows that it is another model."""
        doubt = why_not_the_model(self.model, inputs, given)
        if doubt is None and self.as_written is not self.model:
            doubt = why_not_rewritten(self.model, self.rewritten(), inputs)
        return [] if doubt is None else [not_the_model(doubt)]

    def expected(
        self, inputs: Mapping[str, Array], given: Sequence[Array], form: Format, specs: Sequence[TensorSpec]
    ) -> list[Expected]:
        """What is expected of each output; with the module's own values beside it, where it is the module that was written."""
        expected = self.as_written.expected(inputs, form, specs)
        if self.as_written is not self.model:
            return expected
        own = in_roles(given, [spec.role for spec in specs])
        return [replace(item, own=value) for item, value in zip(expected, own, strict=True)]


def not_the_model(doubt: str) -> str:
    return f"the float64 reference is not the model: {doubt}"


@torch.no_grad()
def why_not_the_model(
    reference: Reference, inputs: Mapping[str, Array], given: Sequence[Array]
) -> str | None:
    """What shows that the reference is another model than the one that gave ``given`` for these inputs; None if nothing
    does."""
    twin = reference.twin
    nodes = twin.replay.outputs
    values: dict[fx.Node, object] = dict(twin.replay.constants)
    for step in twin.steps(inputs):
        wrong = _why_not_the_operator(step) if step.operands else None
        if wrong is not None:
            return wrong
        if step.node in nodes:
            values[step.node] = step.own
    specs = twin.signature.outputs
    differing = [place for place, node in enumerate(nodes) if not _is_same(values[node], given[place])]
    if differing:
        form = Format.of("float32", narrow_sums=False)
        expected = reference.expected(inputs, form, specs)
        for place in differing:
            if not _is_within_rounding(expected[place], given[place]):
                return f"the trace gives another {specs[place].name} than the module does"
    return None


def why_not_rewritten(model: Reference, rewritten: Reference, inputs: Mapping[str, Array]) -> str | None:
    """What shows that the passes made another model of it, before its weights were compressed; None if nothing does: in float64,
    with the one rounding of folded weights, both give the same."""
    specs = model.twin.signature.outputs
    expected = model.expected(inputs, Format.of("float32", narrow_sums=False), specs)
    for item, given in zip(expected, rewritten.run(inputs), strict=True):
        if not _is_within_rounding(item, given):
            return f"the passes give another {item.spec.name} than the model does"
    return None


def _why_not_the_operator(step: Step) -> str | None:
    leaves = {source: widened(value) for source, value in step.operands.items()}
    group = Group(torch.float32, (step.node,), leaves)
    wide = group.result(group.computed())
    is_list = isinstance(step.own, (list, tuple))
    owns, wides = (value if isinstance(value, (list, tuple)) else [value] for value in (step.own, wide))
    for piece, (own, want) in enumerate(zip(owns, wides, strict=True)):
        if not (isinstance(own, Tensor) and isinstance(want, Tensor) and own.is_floating_point()):
            continue  # integers and truths are the model's own
        origin = origin_of(step.node)
        given = widened(own)
        assert isinstance(given, Tensor)
        drift = Drift(None, want, given)
        one = replace(group, piece=piece if is_list else None)
        found = judge(
            Compared(step.node.name, str(step.node.target), origin, one, (), (), drift), 0, _types(own)
        )
        kernel = _KERNEL * found.tolerance + _lost_by_kernel(step, leaves) / (found.scale or 1.0)
        if found.is_wrong and not found.own_error <= kernel:
            return (
                f"in float64, {step.node.target} at {origin} gives another result: off by {found.own_error:.3g} of the "
                f"largest, and {found.tolerance:.3g} is allowed"
            )
    return None


def _lost_by_kernel(step: Step, leaves: Mapping[fx.Node, object]) -> float:
    """What a kernel of torch's loses of one, where a file's loses less."""
    if operator_name(step.node.target) != "gelu":
        return 0.0
    operand = leaves[step.node.all_input_nodes[0]]
    assert isinstance(operand, Tensor)
    return _GELU * ROUNDOFF["float32"] * largest_finite(operand)


def _types(own: Tensor) -> Types:
    """What the model itself computes in."""
    kind = "float16" if own.dtype in (torch.float16, torch.bfloat16) else "float32"
    return Types(kind, "float32")


def _is_within_rounding(expected: Expected, given: Array) -> bool:
    found = output_result(Case("the module itself", "photograph", {}, is_usual=True), given, expected)
    return found.failure is None and found.tolerance.judges


def _is_same(own: object, array: Array) -> bool:
    found = np.asarray(own)
    if found.shape != array.shape:
        return False
    if found.dtype.kind != "f":
        return bool((found == array).all())
    finite = found[np.isfinite(found)]
    allowed = _ROUNDINGS * 2.0**-24 * float(np.abs(finite).max(initial=0))
    same = (found == array) | (np.isnan(found) & np.isnan(array))
    with np.errstate(invalid="ignore"):
        return bool((same | (np.abs(found.astype(np.float64) - array) <= allowed)).all())
