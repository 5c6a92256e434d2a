from __future__ import annotations

from torch import nn


def resolve_model_data_config(model: nn.Module) -> dict[str, object]:
    names = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")
    return {name: model.pretrained_cfg[name] for name in names}


def infer_imagenet_subset(model: nn.Module) -> str | None:
    return "imagenet-of-4" if model.num_classes == 4 else None


class ImageNetInfo:
    def __init__(self, subset: str) -> None:
        assert subset == "imagenet-of-4"

    def label_descriptions(self) -> list[str]:
        return ["tench", "crane", "crane", "maillot"]
