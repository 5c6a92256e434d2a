"""Stopping an ML Program that would compute without end, or make a value that no memory holds, before it does."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from cloformer.errors import InputError

from ...work_limit import OF_AN_ELEMENT, WorkMeter

__all__ = ["LimitedWork"]

_MOST_ELEMENTS = 2**27  # of one value: 1 GiB in float64
_MOST_CALLS = 2**13  # whose costs are kept: several networks'
_MOST_OPERANDS = 64  # in a list, of a call whose cost is kept: so that no program fills the memory with them


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a call of torch's operator makes: the shape of its largest result, and the work."""

    largest: tuple[int, ...]
    work: int


# By operator, and its operands' shapes, types and numbers: a program calls the same again and again, and asking torch
# takes longer than most calls.
_COSTS: dict[Hashable, _Cost] = {}


class LimitedWork(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """While it is entered, every operator of torch's is first asked, without computing, for the shape of its result:
    the meter takes its multiply-adds and elements, or raises :class:`InputError`."""

    def __init__(self, meter: WorkMeter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._meter = meter

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        given = dict(kwargs or {})
        cost = _cost(func, args, given)
        if cost is not None:
            if math.prod(cost.largest) > _MOST_ELEMENTS:
                raise InputError(
                    f"a value of the program has the shape {list(cost.largest)}, more than "
                    f"{_MOST_ELEMENTS} elements"
                )
            self._meter.add(cost.work)
        return func(*args, **given)


def _cost(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Cost | None:
    key = (func, _key(args), *((name, _key(value)) for name, value in kwargs.items()))
    cost = _COSTS.get(key)
    if cost is None:
        shapes = _shapes_of_result(func, args, kwargs)
        if shapes is None:
            return None
        sizes = [math.prod(shape) for shape in shapes]
        cost = _Cost(
            max(shapes, key=math.prod, default=(0,)),
            OF_AN_ELEMENT * sum(sizes) + _multiply_adds(func, args, kwargs),
        )
        if len(_COSTS) >= _MOST_CALLS:
            _COSTS.clear()
        if not any(isinstance(value, list | tuple) and len(value) > _MOST_OPERANDS for value in args):
            _COSTS[key] = cost
    return cost


def _key(value: Any) -> Hashable:
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    if isinstance(value, list | tuple):
        return tuple(map(_key, value))
    return value  # type: ignore[no-any-return]  # a number, a word, a dtype, a layout or a device


def _shapes_of_result(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> list[tuple[int, ...]] | None:
    """None for an operator whose result's shape depends on values, which are no more than its operands'."""
    try:
        asked = {key: value for key, value in kwargs.items() if key != "device"}
        if not any(isinstance(item, Tensor) for item in pytree.tree_leaves((args, asked))):
            asked["device"] = "meta"
        result = func(*pytree.tree_map(_without_data, args), **pytree.tree_map(_without_data, asked))
    except (NotImplementedError, RuntimeError, TypeError):
        return None  # the operator itself says what is wrong, if anything is
    return [tuple(item.shape) for item in _tensors(result)]


def _multiply_adds(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    formula = flop_registry.get(func.overloadpacket)
    if formula is None:
        return 0
    meta_args, meta_kwargs = pytree.tree_map(_without_data, (args, dict(kwargs)))
    return int(formula(*meta_args, **meta_kwargs, out_val=func(*meta_args, **meta_kwargs))) // 2


def _without_data(value: Any) -> Any:
    return value.to("meta") if isinstance(value, Tensor) else value


def _tensors(value: Any) -> Iterator[Tensor]:
    return (item for item in pytree.tree_leaves(value) if isinstance(item, Tensor))
