"""One operator of a trace in float64, with the meaning that it has in the model's own types.

Every floating-point number is widened. What an operator takes from its type is taken from the type that the trace says
(``node.meta["val"]``), not from float64: the epsilon of a normalization that names none, the bounds of ``nan_to_num``.
A type that the model narrows to by itself (``.half()``, fake quantization) is kept: the result is rounded to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ..source.quotients import truncated
from .natures import decides, gives_numbers, operator_name

__all__ = ["Call", "narrowed", "widened"]

_aten = torch.ops.aten
_WIDE = {
    torch.float16: torch.float64, torch.bfloat16: torch.float64, torch.float32: torch.float64,
    torch.complex32: torch.complex128, torch.complex64: torch.complex128,
}  # fmt: skip
_NARROW = (torch.float16, torch.bfloat16)

# Numbers that are left out and then depend on the type of the first operand.
_DEFAULTS: dict[str, dict[str, Callable[[torch.finfo], float]]] = {
    "rms_norm": {"eps": lambda kind: kind.eps},
    "_fused_rms_norm": {"eps": lambda kind: kind.eps},
    "nan_to_num": {"posinf": lambda kind: kind.max, "neginf": lambda kind: kind.min},
}
_OF_NUMBERS = ("NumberType", "FloatType", "TensorType")  # of arguments, by the operator's schema
_BY_DIFFERENCES = 2  # of cdist's modes

# What depends on how a number is stored, or knows no float64.
_IN_OWN_TYPES = {
    "nextafter", "frexp", "quantize_per_tensor", "quantize_per_channel", "dequantize", "int_repr",
    "fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine", "view.dtype",
}  # fmt: skip


def widened(value: object) -> object:
    """The value with its numbers in float64; everything that is no number as it is."""
    if isinstance(value, Tensor):
        return value.to(_WIDE[value.dtype]) if value.dtype in _WIDE else value
    if isinstance(value, (list, tuple)):
        return [widened(item) for item in value]
    return value


@contextmanager
def _by_default(kind: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class Call:
    """A node that calls an operator, ready to be computed on values of others."""

    def __init__(self, node: fx.Node) -> None:
        self.node = node
        self._own, self._shape = pytree.tree_flatten(_with_defaults(node))
        self._wide = [_WIDE.get(item, item) if isinstance(item, torch.dtype) else item for item in self._own]
        self._operands = [(place, item) for place, item in enumerate(self._own) if isinstance(item, fx.Node)]
        self._numbers = [(place, item) for place, item in enumerate(self._own) if isinstance(item, float)]
        self._scalars = _scalars(node) if gives_numbers(node) or decides(node) else []
        self._target = _target(node)
        # Of integers, which are divided in the default type.
        self._makes_numbers = gives_numbers(node) and not any(map(gives_numbers, node.all_input_nodes))
        self._in_own_types = isinstance(node.target, torch._ops.HigherOrderOperator) or bool(
            _IN_OWN_TYPES & {operator_name(node.target), str(node.target).removeprefix("aten.")}
        )

    def own(self, values: Mapping[fx.Node, object]) -> object:
        """The value in the model's own types, on values in these."""
        return self._call(list(self._own), values)

    def wide(
        self, values: Mapping[fx.Node, object], number: Callable[[float], float] | None = None
    ) -> object:
        """The value in float64, on values in float64; raises what torch raises where it cannot be computed at all.

        ``number`` is what is done to the numbers that stand in the graph. What torch has no float64 form of is computed in
        the model's own types.
        """
        if self._in_own_types:
            return self._narrowly(values)
        leaves = list(self._wide)
        if number is not None:
            for place, value in self._numbers:
                leaves[place] = number(value)
        try:
            if self._makes_numbers:
                with _by_default(torch.float64):
                    found = self._call(leaves, values)
            else:
                found = self._call(leaves, values)
        except (RuntimeError, NotImplementedError, TypeError):
            return self._narrowly(values)
        return _kept_narrow(widened(found), self.node.meta.get("val"))

    def stored(self, kind: torch.dtype, *, begins: bool = False, ends: bool = False) -> Call | None:
        """The same with every number that stands in the graph as ``kind`` stores it, where that ``begins`` or ``ends``: below its
        smallest normal number by the nearest of its steps, the first at least, and beyond its largest as that; None where none
        is such. Zeros stay, and so do factors that are below half a step."""
        limits, is_factor = torch.finfo(kind), operator_name(self.node.target) == "mul"
        first = limits.smallest_normal * limits.eps
        other = {}
        for place in self._scalars:
            number = abs(self._wide[place])  # type: ignore[arg-type]
            if begins and 0 < number < limits.smallest_normal:
                steps = round(number / first)
                other[place] = first * max(steps, 1) if steps or not is_factor else number
            elif ends and limits.max < number < math.inf:
                other[place] = limits.max
        if not other or self._in_own_types:
            return None
        call = copy(self)
        call._wide, call._numbers = list(self._wide), []
        for place, number in other.items():
            call._wide[place] = math.copysign(number, self._wide[place])  # type: ignore[arg-type]
        return call

    def _narrowly(self, values: Mapping[fx.Node, object]) -> object:
        own = {source: narrowed(values[source], source.meta.get("val")) for _, source in self._operands}
        return widened(self.own(own))

    def _call(self, leaves: list[object], values: Mapping[fx.Node, object]) -> object:
        for place, source in self._operands:
            leaves[place] = values[source]
        args, kwargs = pytree.tree_unflatten(leaves, self._shape)
        return self._target(*args, **kwargs)


def _scalars(node: fx.Node) -> list[int]:
    """The places, among the leaves of the arguments, of what is a number and not a size or an axis."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return []
    args, kwargs = _with_defaults(node)
    kinds = {argument.name: _kind(argument.type) for argument in schema.arguments}
    given = list(zip([argument.name for argument in schema.arguments], args)) + list(kwargs.items())
    places, place = [], 0
    for name, value in given:
        if type(value) in (int, float) and kinds.get(name) in _OF_NUMBERS:
            places.append(place)
        place += len(pytree.tree_leaves(value))
    return places


def _kind(given: torch.Type) -> str:
    """Of an argument that may be left out, what it is if it is not."""
    return str(given.getElementType().kind() if isinstance(given, torch.OptionalType) else given.kind())


def _target(node: fx.Node) -> Callable[..., object]:
    schema = getattr(node.target, "_schema", None)
    if schema is not None and not schema.returns and not node.users:
        return lambda *_args, **_kwargs: None  # it only asserts what the trace was made for, types included
    if node.target in (_aten.view.default, _aten._unsafe_view.default):
        # The numbers in their order, wherever a candidate or a kernel has left them in memory.
        return lambda value, size: value.reshape(size)
    if node.target in (_aten.div.Tensor_mode, _aten.div.Scalar_mode) and not gives_numbers(node):
        return _divided
    if node.target is _aten.cdist.default:
        # By differences: of many rows torch takes products, in which near ones cancel.
        return lambda x1, x2, p=2.0, *_mode: _aten.cdist.default(x1, x2, p, _BY_DIFFERENCES)
    if node.target is _aten.binary_cross_entropy.default:
        # A probability that was moved by a rounding is one still, which torch asks for.
        return lambda x, y, *rest: _aten.binary_cross_entropy.default(x.clamp(0, 1), y.clamp(0, 1), *rest)
    if node.target is _aten.as_strided.default:
        example = node.all_input_nodes[0].meta.get("val")
        return lambda value, *places: _aten.as_strided.default(_as_stored(value, example), *places)
    assert callable(node.target)
    return node.target


def _divided(x: Tensor, y: Tensor | int, *, rounding_mode: str) -> Tensor:
    return truncated(x, y) if rounding_mode == "trunc" else torch.floor_divide(x, y)


def _as_stored(value: Tensor, example: object) -> Tensor:
    """The numbers in memory as the trace has them."""
    if not isinstance(example, Tensor) or value.stride() == example.stride():
        return value
    laid_out = torch.empty_strided(tuple(value.shape), tuple(example.stride()), dtype=value.dtype)
    return laid_out.copy_(value)


def _with_defaults(node: fx.Node) -> tuple[list[object], dict[str, object]]:
    """The arguments, with what the operator would take from its type taken from the type that it has in the trace."""
    args, kwargs = list(node.args), dict(node.kwargs)
    wanted = _DEFAULTS.get(operator_name(node.target))
    if wanted:
        kind = torch.finfo(node.all_input_nodes[0].meta["val"].dtype)
        for place, argument in enumerate(node.target._schema.arguments):  # type: ignore[union-attr]
            if argument.name not in wanted:
                continue
            if place < len(args):
                args[place] = wanted[argument.name](kind) if args[place] is None else args[place]
            elif kwargs.get(argument.name) is None:
                kwargs[argument.name] = wanted[argument.name](kind)
    return args, kwargs  # type: ignore[return-value]


def narrowed(value: object, example: object) -> object:
    """The value in the types of ``example``, the node's value in the trace."""
    if isinstance(value, Tensor):
        return value.to(example.dtype) if isinstance(example, Tensor) else value
    if isinstance(value, (list, tuple)) and isinstance(example, (list, tuple)):
        return [narrowed(item, one) for item, one in zip(value, example, strict=True)]
    return value


def _kept_narrow(value: object, example: object) -> object:
    """Rounded to the type that the model itself narrows to, and in float64 again."""
    if isinstance(value, Tensor):
        if isinstance(example, Tensor) and example.dtype in _NARROW:
            return value.to(example.dtype).to(value.dtype)
        return value
    if isinstance(value, (list, tuple)) and isinstance(example, (list, tuple)):
        return [_kept_narrow(item, one) for item, one in zip(value, example, strict=True)]
    return value
