"""The table of CloFormer variants: plain data, importable without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from cloformer.io.fields import Fields
from cloformer.io.near import closest

__all__ = [
    "HEADS",
    "KINDS",
    "PRUNED",
    "VARIANTS",
    "Head",
    "UnknownVariantError",
    "Variant",
    "Widths",
    "get_variant",
    "is_built_in",
    "list_built_in",
    "list_dense_models",
    "list_models",
    "variant_and_head",
]


class UnknownVariantError(ValueError):
    """A variant was asked for that the table does not hold."""


PRUNED = (
    "widths"  # the key of a checkpoint's metadata that says how wide a pruned network is; others have none
)

# What a network can be narrower in, by the fields of :class:`Widths` in their order.
KINDS = {"hidden": "hidden channels", "local_heads": "local heads", "global_heads": "global heads"}


@dataclass(frozen=True)
class Widths:
    """How wide a network is inside its blocks, with an entry for each block in their order: the hidden channels of its
    ConvFFN, and the heads of its two branches. A pruned network has fewer than its variant."""

    hidden: tuple[int, ...]
    local_heads: tuple[int, ...]
    global_heads: tuple[int, ...]

    def to_json(self) -> dict[str, list[int]]:
        return {name: list(values) for name, values in asdict(self).items()}

    def beside(self, full: Widths) -> str:
        """``4,120 of 5,888 hidden channels, 32 of 42 local heads``: what is left of each kind that has fewer than ``full``."""
        totals = ((word, sum(getattr(self, kind)), sum(getattr(full, kind))) for kind, word in KINDS.items())
        return ", ".join(f"{left:,} of {most:,} {word}" for word, left, most in totals if left != most)


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

    @property
    def widths(self) -> Widths:
        """Those of the network that is not pruned."""
        return Widths(
            *(
                tuple(width for width, depth in zip(widths, self.depths, strict=True) for _ in range(depth))
                for widths in (
                    [self.mlp_ratio * dim for dim in self.embed_dims],
                    self.local_heads,
                    self.global_heads,
                )
            )
        )

    def pruned_widths(self, document: object) -> Widths:
        """The widths of a pruned network of this variant, as :meth:`Widths.to_json` gives them.

        :class:`~cloformer.io.fields.FieldError` for another number of blocks, and for a width of 0, or above the variant's
        own; a branch that the variant does not have stays 0.
        """
        given = Fields(document, "widths")
        widths = Widths(
            *(_up_to(given, field.name, getattr(self.widths, field.name)) for field in fields(Widths))
        )
        given.done()
        return widths


_ROWS = (
    Variant("cloformer_xxs", (32, 64, 128, 256), (3, 2, 4, 4), (1, 2, 4, 12), 0.0),
    Variant("cloformer_xs", (48, 96, 160, 352), (2, 3, 5, 7), (1, 3, 5, 15), 0.06),
    Variant("cloformer_s", (64, 128, 224, 448), (3, 4, 7, 7), (1, 4, 7, 21), 0.06),
    # Ablations at XXS width: only the AttnConv branch, only the pooled attention.
    Variant("cloformer_no_global", (32, 64, 128, 256), (4, 4, 8, 16), (0, 0, 0, 0), 0.0),
    Variant("cloformer_global", (32, 64, 128, 256), (0, 0, 0, 0), (4, 4, 8, 16), 0.0),
)

VARIANTS: dict[str, Variant] = {row.name: row for row in _ROWS}


@dataclass(frozen=True)
class Head:
    """What is computed of the four stages' maps, with the classes and the image size that it is published for. The networks are
    in :mod:`cloformer.dense`."""

    name: str
    title: str
    num_classes: int
    image_size: int


# By the end of a dense network's name: ``cloformer_xxs_fpn``.
HEADS = {
    row.name: row
    for row in (
        Head("fpn", "Semantic FPN: a class for each pixel", num_classes=150, image_size=512),  # ADE20K
        Head("retinanet", "RetinaNet: boxes with classes", num_classes=80, image_size=512),  # COCO
    )
}
# The variants that the paper has such networks of.
_BACKBONES = ("cloformer_xxs", "cloformer_xs", "cloformer_s")


def list_models() -> list[str]:
    """The classifiers, in the table's order."""
    return list(VARIANTS)


def list_dense_models() -> list[str]:
    """The networks that a head makes of a variant."""
    return [f"{variant}_{head}" for head in HEADS for variant in _BACKBONES]


def list_built_in() -> list[str]:
    """Every name that :func:`cloformer.create_model` takes."""
    return [*list_models(), *list_dense_models()]


def is_built_in(name: str) -> bool:
    return name in VARIANTS or name in list_dense_models()


def variant_and_head(name: str) -> tuple[Variant, Head | None]:
    """The variant of a network, and its head; None of a classifier. :class:`UnknownVariantError` names the nearest one."""
    if name in VARIANTS:
        return VARIANTS[name], None
    if name in list_dense_models():
        variant, _, head = name.rpartition("_")
        return VARIANTS[variant], HEADS[head]
    raise _unknown(name, list_built_in())


def get_variant(name: str) -> Variant:
    """The row called ``name``; :class:`UnknownVariantError` names the nearest one."""
    if name in VARIANTS:
        return VARIANTS[name]
    raise _unknown(name, list_models())


def _unknown(name: str, known: list[str]) -> UnknownVariantError:
    near = closest(name, known)
    hint = "" if near is None else f" Did you mean {near}?"
    return UnknownVariantError(f"unknown model {name!r}.{hint}\nmodels: {', '.join(known)}")


def _up_to(given: Fields, name: str, full: tuple[int, ...]) -> tuple[int, ...]:
    """A whole number for each of ``full``: from 1 to it, or 0 where it is 0."""
    found = given.wholes(name, 0, max(full), most=len(full))
    if len(found) != len(full):
        raise given.error(name, f"has {len(found)} entries, not one for each of {len(full)} blocks")
    for block, (width, most) in enumerate(zip(found, full, strict=True)):
        if not min(most, 1) <= width <= most:
            raise given.error(f"{name}[{block}]", f"is {width}, not from {min(most, 1)} to {most}")
    return found
