"""Every network of the zoo by name: ``zoo.networks:u_net_of_odd_size``, and those of timm with ``timm_`` before theirs."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache, partial

import torch
from torch import nn

from . import styles as _styles
from .drawn import drawn
from .neighbours import there
from .table import Network, image
from .timm_rows import TimmRow, listed, made

__all__ = ["PUBLISHED_CODE", "TIMM", "drawn_row", "make", "networks", "reference_of"]

TIMM, PUBLISHED_CODE = "timm", "published code"
_SEED = 0
_IMAGES = 16  # of noise, which the statistics of timm's networks are of
_LARGE = 128  # pixels a side, from which fewer images do

# Beside the smallest of every file: MobileOne in the form that it is trained in, and a network whose statistics are so far
# off that its attention, which adds up products without a softmax, reaches numbers that float16 does not have.
_BESIDES = (
    TimmRow("mobileone_s0", size=64),
    TimmRow("efficientvit_b1", size=64),
)
_OVERFLOWING = "timm_efficientvit_b1"
_VARIANCES = {_OVERFLOWING: (0.5, 1.2)}


@cache
def networks() -> Mapping[str, Network]:
    """All rows in order: the small ones, then timm's from the smallest, and those whose published code is there."""
    found: dict[str, Network] = {}
    for module in pkgutil.iter_modules(_styles.__path__):
        found |= importlib.import_module(f"{_styles.__name__}.{module.name}").NETWORKS
    rows = [row for row in listed() if row.name]
    for row in (*sorted(rows, key=lambda row: row.parameters * row.size**2), *_BESIDES):
        name = f"timm_{row.name}"
        factory = partial(drawn_row, row, _VARIANCES.get(name, (0.8, 1.25)))
        found.setdefault(name, Network(name, TIMM, factory, (image(row.size),)))
    for name, published in there().items():
        found[name] = Network(name, PUBLISHED_CODE, published, (image(published.size),))
    return found


def make(name: str) -> nn.Module:
    """The network in evaluation mode, the same at every call."""
    network = networks()[name]
    torch.manual_seed(_SEED)
    model = network.factory()
    return model if network.style == TIMM else drawn(model, network.inputs, _SEED)


def drawn_row(row: TimmRow, variance: tuple[float, float] = (0.8, 1.25)) -> nn.Module:
    """A network of timm in evaluation mode, the same at every call."""
    torch.manual_seed(_SEED)
    model = made(row)
    images = _IMAGES if row.size <= _LARGE else _IMAGES // 4
    return drawn(model, (image(row.size),), _SEED, images=images, variance=variance)


def reference_of(name: str) -> str:
    """What ``--model`` takes."""
    return f"{__name__}:{name}"


def __getattr__(name: str) -> Callable[[], nn.Module]:
    if name.startswith("_") or name not in networks():
        raise AttributeError(f"{__name__} has no network {name}")
    return partial(make, name)
