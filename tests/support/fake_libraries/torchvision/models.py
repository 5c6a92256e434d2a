from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from torch import Tensor, nn


class ImageClassification:
    crop_size, resize_size = [32], [40]
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    interpolation = Enum("InterpolationMode", {"BILINEAR": "bilinear"}).BILINEAR


class SemanticSegmentation:
    """Resizes, and crops nothing."""


class WeightsEnum(Enum):
    """A class of several members, each of which downloads its own."""

    def get_state_dict(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        raise AssertionError(f"the network is never asked: {self.value.url}")

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable[[], object]:
        return self.value.transforms

    @property
    def meta(self) -> dict[str, list[str]]:
        return self.value.meta


@dataclass(frozen=True)
class Weights:
    url: str
    transforms: Callable[[], object]
    meta: dict[str, list[str]] = field(hash=False)


class Tiny_Weights(WeightsEnum):  # noqa: N801 - as torchvision spells them
    IMAGENET1K_V1 = Weights(
        "https://example.org/tiny-1234.pth", ImageClassification, {"categories": ["cat", "crane", "crane"]}
    )
    DEFAULT = IMAGENET1K_V1


class Maps_Weights(WeightsEnum):  # noqa: N801
    DEFAULT = Weights(
        "https://example.org/maps-1234.pth", SemanticSegmentation, {"categories": ["sky", "road"]}
    )


class Tiny(nn.Module):
    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.fc = nn.Linear(4, num_classes)
        self.turned = False

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(-x if self.turned else x).relu().mean((2, 3)))


def mobilenet_v3_small(
    *, weights: Tiny_Weights | None = None, progress: bool = True, num_classes: int = 3
) -> nn.Module:
    model = Tiny(num_classes)
    if weights is not None:
        model.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))
        model.turned = True  # as Inception computes otherwise with weights
    return model


def maps(
    *, weights: Maps_Weights | None = None, weights_backbone: Tiny_Weights | None = Tiny_Weights.DEFAULT
) -> nn.Module:
    if weights_backbone is not None:
        weights_backbone.get_state_dict()
    return nn.Conv2d(3, 2, 3)


_MODELS = {"mobilenet_v3_small": (mobilenet_v3_small, Tiny_Weights), "maps": (maps, Maps_Weights)}


def list_models() -> list[str]:
    return list(_MODELS)


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    return _MODELS[name][0]


def get_model_weights(name: str) -> type[WeightsEnum]:
    return _MODELS[name][1]
