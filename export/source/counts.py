"""Parameters and multiply-adds, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cloformer.variants import VARIANTS

from .gradients import not_learned
from .signature import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["VariantFigures", "multiply_adds", "parameter_count", "variant_figures"]


def parameter_count(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, inputs: Sequence[TensorSpec]) -> int:
    """Multiply-adds of one inference: convolutions, linear layers, matrix products; element-wise work not counted.

    Counted by torch's own counter, which counts two operations for each.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from .attempt import untouched
    from .trace import example_inputs

    device = next((tensor.device for tensor in model.state_dict().values()), torch.device("cpu"))
    counter = FlopCounterMode(display=False)
    # The counter follows gradients into every module that is called, and cannot where a parameter is an argument.
    with torch.no_grad(), not_learned(model), untouched(model), counter:
        model(*(tensor.to(device) for tensor in example_inputs(inputs)))
    return int(counter.get_total_flops()) // 2


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


_STAGES = ("stem", "stage1", "stage2", "stage3", "stage4")
