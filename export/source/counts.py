"""Parameters and multiply-adds, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloformer.variants import VARIANTS

from .signature import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["multiply_adds", "parameter_count", "variant_figures"]


def parameter_count(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, inputs: Sequence[TensorSpec]) -> int:
    """Multiply-adds of one inference: convolutions, linear layers, matrix products; element-wise work not counted.

    Counted by torch's own counter, which counts two operations for each.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from .trace import example_inputs

    device = next((tensor.device for tensor in model.state_dict().values()), torch.device("cpu"))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(*(tensor.to(device) for tensor in example_inputs(inputs)))
    return int(counter.get_total_flops()) // 2


def variant_figures(image_size: tuple[int, int], num_classes: int = 1000) -> list[dict[str, object]]:
    """A row per variant: parameters, multiply-adds, shapes (C, H, W) of the stem and the stages.

    Nothing is computed: the networks are built and run on tensors without data.
    """
    import torch

    from cloformer.model import CloFormer

    rows = []
    for name, variant in VARIANTS.items():
        with torch.device("meta"):
            model = CloFormer(variant, num_classes=num_classes).eval()
        shapes: list[list[int]] = []

        def note(
            _module: nn.Module, _inputs: object, output: Tensor, shapes: list[list[int]] = shapes
        ) -> None:
            shapes.append(list(output.shape[1:]))

        for module in (model.patch_embed, *model.layers):
            module.register_forward_hook(note)
        spec = TensorSpec("image", (1, 3, *image_size), "float32", "image")
        count = multiply_adds(model, [spec])
        rows.append(
            {
                "name": name,
                "parameters": parameter_count(model),
                "multiply_adds": count,
                "feature_shapes": dict(zip(_STAGES, shapes, strict=True)),
                "drop_path_rate": variant.drop_path_rate,
            }
        )
    return rows


_STAGES = ("stem", "stage1", "stage2", "stage3", "stage4")
