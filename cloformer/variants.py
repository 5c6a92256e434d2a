"""The table of CloFormer variants: plain data, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from cloformer.io.near import closest

__all__ = ["VARIANTS", "UnknownVariantError", "Variant", "get_variant", "list_models"]


class UnknownVariantError(ValueError):
    """A variant was asked for that the table does not hold."""


@dataclass(frozen=True)
class Variant:
    """One row of the paper's Table 1, or one of its ablations (Section 4.5).

    All tuples have one entry per stage. ``local_heads`` are the heads of the
    AttnConv branch (0: the branch does not exist), ``global_heads`` those of the
    pooled attention; a head is ``embed_dims[i] / (local + global)`` channels wide.
    """

    name: str
    embed_dims: tuple[int, int, int, int]
    local_heads: tuple[int, int, int, int]
    global_heads: tuple[int, int, int, int]
    drop_path_rate: float
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    kernel_sizes: tuple[int, int, int, int] = (3, 5, 7, 9)
    window_sizes: tuple[int, int, int, int] = (8, 4, 2, 1)
    mlp_ratio: int = 4
    image_size: int = 224


_ROWS = (
    Variant("cloformer_xxs", (32, 64, 128, 256), (3, 2, 4, 4), (1, 2, 4, 12), 0.0),
    Variant("cloformer_xs", (48, 96, 160, 352), (2, 3, 5, 7), (1, 3, 5, 15), 0.06),
    Variant("cloformer_s", (64, 128, 224, 448), (3, 4, 7, 7), (1, 4, 7, 21), 0.06),
    # Ablations at XXS width: only the AttnConv branch, only the pooled attention.
    Variant("cloformer_no_global", (32, 64, 128, 256), (4, 4, 8, 16), (0, 0, 0, 0), 0.0),
    Variant("cloformer_global", (32, 64, 128, 256), (0, 0, 0, 0), (4, 4, 8, 16), 0.0),
)

VARIANTS: dict[str, Variant] = {row.name: row for row in _ROWS}


def list_models() -> list[str]:
    """Names that :func:`cloformer.create_model` takes, in the table's order."""
    return list(VARIANTS)


def get_variant(name: str) -> Variant:
    """The row called ``name``; :class:`UnknownVariantError` names the nearest one."""
    if name in VARIANTS:
        return VARIANTS[name]
    near = closest(name, VARIANTS)
    hint = "" if near is None else f" Did you mean {near}?"
    raise UnknownVariantError(f"unknown model {name!r}.{hint}\nmodels: {', '.join(VARIANTS)}")
