"""Forms of a depthwise convolution that ONNX Runtime computes with fewer instructions on arm64, a file each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .phases import offer_phases
from .products import offer_products
from .site import Offer, Site
from .tiles import offer_tiles

__all__ = ["FORMS", "Offer", "Site"]

FORMS: Mapping[str, Callable[[Site], Iterator[Offer]]] = {
    "tiles": offer_tiles,
    "phases": offer_phases,
    "products": offer_products,
}
