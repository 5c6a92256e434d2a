"""The operators that the tests export, each of which is a network by itself or together with its neighbours."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from cloformer.export.source.signature import TensorSpec

__all__ = ["Group", "groups", "make", "reference_of"]

Law = Any  # of the inputs, or a layer: as its table writes it
_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Group:
    """Networks with the same inputs: ``laws`` by name, and how one network is made of some of them."""

    inputs: tuple[TensorSpec, ...]
    laws: Mapping[str, Law]
    network: Callable[[Sequence[Law]], nn.Module]

    @property
    def names(self) -> list[str]:
        return list(self.laws)


class Each(nn.Module):
    """What each of the laws gives of the inputs, or of these with a number added to their diagonals, so that every matrix has
    an inverse."""

    def __init__(
        self, laws: Sequence[Law], tensors: Mapping[str, Tensor] | None = None, diagonal: float = 0.0
    ) -> None:
        super().__init__()
        self.laws, self.takes_self, self.diagonal = laws, tensors is not None, diagonal
        for name, value in (tensors or {}).items():
            self.register_buffer(name, value)

    def forward(self, *given: Tensor) -> list[Tensor]:
        own = (self,) if self.takes_self else ()
        if self.diagonal:
            given = tuple(x + self.diagonal * torch.eye(*x.shape[-2:]) for x in given)
        found = [law(*own, *given) for law in self.laws]
        return [leaf for leaf in pytree.tree_leaves(found) if isinstance(leaf, Tensor)]


@functools.cache
def groups() -> dict[str, Group]:
    """By name; the tables are lists and dictionaries of functions in files of tests."""
    return dict(_groups())


def _groups() -> Iterator[tuple[str, Group]]:
    written = _module("support/conversions.py")
    for_onnx = _module("parity/test_onnx_conversions.py")
    semantics = _module("unit/test_coreml_semantics.py")
    definitions = _module("property/test_definitions.py")
    others = _module("property/test_write_out_for_onnx.py")
    attention = _module("property/test_write_out_attention.py")
    x = (TensorSpec("x", written.SHAPE),)
    for kind in ("NUMBERS", "MANY", "IMAGES"):
        yield kind.lower(), Group(x, _numbered(getattr(written, kind)), Each)
    layers = {f"{type(layer).__name__} {number}": layer for number, layer in enumerate(written._layers())}
    yield "layers", Group(x, layers, lambda chosen: written.Network([], list(chosen)))
    for network, inputs in (
        (written.Recurrent, x),
        (written.Rows, (TensorSpec("ids", (2, 5), "int64"),)),
        (written.Masked, (TensorSpec("x", (2, 5)), TensorSpec("mask", (2, 5), "bool"))),
    ):
        yield network.__name__.lower(), Group(inputs, {"all": network}, lambda chosen: chosen[0]())
    for kind in ("ATTENTION", "POOLING", "THE_REST"):
        image = (TensorSpec("x", (1, 3, 16, 16)),)
        yield f"onnx_{kind.lower()}", Group(image, _numbered(getattr(for_onnx, kind)), for_onnx.Each)
    for subject, laws in definitions.LAWS.items():
        given = (TensorSpec("x", definitions.SHAPE),)
        network = functools.partial(Each, diagonal=9.0 if subject == "matrices" else 0.0)
        yield f"definitions_{subject}", Group(given, _numbered(laws), network)
    yield "semantics", Group((TensorSpec("x", tuple(semantics.IMAGE.shape)),), semantics.ROWS, Each)
    yield "other_operators", Group((TensorSpec("x", (2, 4, 5)),), others.LAWS, Each)
    sizes = {"q": (2, 3, 4, 5), "k": (2, 3, 6, 5), "v": (2, 3, 6, 5)}
    attends = functools.partial(Each, tensors=attention.MASKS)
    yield (
        "attention",
        Group(tuple(TensorSpec(name, size) for name, size in sizes.items()), attention.FORMS, attends),
    )


def _module(file: str) -> Any:
    """A file of the tests, by itself: the folders of tests are no packages."""
    path = _TESTS / file
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _numbered(laws: Sequence[Law]) -> dict[str, Law]:
    return {str(number): law for number, law in enumerate(laws)}


def reference_of(group: str, first: int, last: int) -> str:
    """What ``--model`` takes for one network of the laws from ``first`` to before ``last``."""
    return f"{__name__}:{group}__{first}_{last}"


def make(group: str, first: int, last: int) -> nn.Module:
    torch.manual_seed(0)
    chosen = groups()[group]
    return chosen.network(list(chosen.laws.values())[first:last]).eval()


def __getattr__(name: str) -> Callable[[], nn.Module]:
    found = re.fullmatch(r"(\w+)__(\d+)_(\d+)", name)
    if found is None or found[1] not in groups():
        raise AttributeError(f"{__name__} has no network {name}")
    return functools.partial(make, found[1], int(found[2]), int(found[3]))
