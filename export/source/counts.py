"""Parameters and multiply-adds, counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING

from cloformer.io.quiet import quiet
from cloformer.variants import VARIANTS, list_dense_models, variant_and_head

from .gradients import not_learned
from .signature import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor, fx, nn
    from torch.utils.flop_counter import FlopCounterMode

__all__ = [
    "DenseFigures",
    "MultiplyAdds",
    "VariantFigures",
    "dense_figures",
    "multiply_adds",
    "parameter_count",
    "variant_figures",
]


def parameter_count(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, inputs: Sequence[TensorSpec]) -> int:
    """Multiply-adds of one inference: convolutions, linear layers, matrix products; element-wise work not counted."""
    import torch

    from .attempt import example_inputs, untouched

    device = next((tensor.device for tensor in model.state_dict().values()), torch.device("cpu"))
    # The counter follows gradients into every module that is called, and cannot where a parameter is an argument.
    with not_learned(model), untouched(model), _counting() as counter:
        model(*(tensor.to(device) for tensor in example_inputs(inputs)))
    return int(counter.get_total_flops()) // 2


class MultiplyAdds:
    """The same of traced graphs, operator by operator: each is counted once for all that it is called on in the same shapes.

    An operator is called on tensors without data, on which torch takes attention and recurrent layers apart. What cannot be
    called so, an operator that depends on values, counts as none.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, str], int] = {}

    def of(self, graph: fx.Graph) -> int:
        with quiet("torch"), _counting() as counter:  # which warns where an operator is deprecated
            return sum(self._of_node(node, counter) for node in graph.nodes if node.op == "call_function")

    def _of_node(self, node: fx.Node, counter: FlopCounterMode) -> int:
        import torch
        from torch import fx
        from torch.utils import _pytree as pytree

        if not isinstance(node.target, torch._ops.OpOverload):
            return 0
        given = pytree.tree_map_only(
            fx.Node, lambda item: _Given.of(item.meta.get("val")), (node.args, node.kwargs)
        )
        key = node.target, repr(given)
        if key not in self._known:
            before = counter.get_total_flops()
            try:
                args, kwargs = pytree.tree_map_only(_Given, _Given.on_meta, given)
                node.target(*args, **kwargs)
            except Exception:  # noqa: S110 - torch, of an operator that needs values: as much as was counted until then
                pass
            self._known[key] = (counter.get_total_flops() - before) // 2
        return self._known[key]


@dataclass(frozen=True)
class _Given:
    """What an operator is called on, but for its data: a tensor's shape and type; of anything else, the value."""

    shape: tuple[int, ...]
    value: object

    @classmethod
    def of(cls, value: object) -> _Given:
        import torch

        return cls(tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else cls((), value)

    def on_meta(self) -> object:
        import torch

        if not isinstance(self.value, torch.dtype):
            return self.value
        return torch.empty(self.shape, dtype=self.value, device="meta")


@contextmanager
def _counting() -> Iterator[FlopCounterMode]:
    """Torch's own counter, which counts two operations for each multiply-add, with the operators that it does not know."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    more = {getattr(torch.ops.aten, name): count for name, count in _MORE.items()}
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=more) as counter:
        yield counter


def _of_attention(
    q: Sequence[int], k: Sequence[int], v: Sequence[int], *_others: object, **_named: object
) -> int:
    *batch, rows, depth = q
    return 2 * prod(batch) * rows * k[-2] * (depth + v[-1])


# By the operators' shapes, two operations for each multiply-add, as torch counts.
_MORE: dict[str, object] = {
    "dot": lambda one, _other, **_: 2 * one[0],
    "mv": lambda matrix, _vector, **_: 2 * prod(matrix),
    "addmv": lambda _added, matrix, _vector, **_: 2 * prod(matrix),
    "addbmm": lambda _added, one, other, **_: 2 * prod(one) * other[-1],
    "_scaled_dot_product_flash_attention_for_cpu": _of_attention,
}


@dataclass(frozen=True)
class VariantFigures:
    """A variant's size: parameters, multiply-adds of an inference, and the shapes (C, H, W) of the stem and the
    stages."""

    name: str
    parameters: int
    multiply_adds: int
    feature_shapes: Mapping[str, tuple[int, ...]]
    drop_path_rate: float

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {
            "feature_shapes": {name: list(shape) for name, shape in self.feature_shapes.items()}
        }


def variant_figures(image_size: tuple[int, int], num_classes: int = 1000) -> list[VariantFigures]:
    """A row per variant: parameters, multiply-adds, shapes (C, H, W) of the stem and the stages.

    Nothing is computed: the networks are built and run on tensors without data.
    """
    import torch

    from cloformer.model import CloFormer

    rows = []
    for name, variant in VARIANTS.items():
        with torch.device("meta"):
            model = CloFormer(variant, num_classes=num_classes).eval()
        shapes: list[tuple[int, ...]] = []

        def note(
            _module: nn.Module, _inputs: object, output: Tensor, shapes: list[tuple[int, ...]] = shapes
        ) -> None:
            shapes.append(tuple(output.shape[1:]))

        for module in (model.patch_embed, *model.layers):
            module.register_forward_hook(note)
        spec = TensorSpec("image", (1, 3, *image_size), "float32", "image")
        count = multiply_adds(model, [spec])
        rows.append(
            VariantFigures(
                name,
                parameter_count(model),
                count,
                dict(zip(_STAGES, shapes, strict=True)),
                variant.drop_path_rate,
            )
        )
    return rows


@dataclass(frozen=True)
class DenseFigures:
    """A dense network for the classes and at the image size, (height, width), that it is published for."""

    name: str
    title: str
    image_size: tuple[int, int]
    num_classes: int
    parameters: int
    multiply_adds: int

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"image_size": list(self.image_size)}


def dense_figures() -> list[DenseFigures]:
    """A row per dense network, counted as :func:`variant_figures`."""
    import torch

    from cloformer.create import create_dense_model

    rows = []
    for name in list_dense_models():
        _, head = variant_and_head(name)
        assert head is not None  # or it would be a classifier
        with torch.device("meta"):
            model = create_dense_model(name).eval()
        spec = TensorSpec("image", (1, 3, head.image_size, head.image_size), "float32", "image")
        count = multiply_adds(model, [spec])
        size = head.image_size, head.image_size
        rows.append(DenseFigures(name, head.title, size, head.num_classes, parameter_count(model), count))
    return rows


_STAGES = ("stem", "stage1", "stage2", "stage3", "stage4")
