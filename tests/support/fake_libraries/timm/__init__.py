"""As much of timm as cloformer asks of it, with a network of a few numbers."""

from __future__ import annotations

from torch import Tensor, nn

from . import data

__version__ = "1.0"
__all__ = ["create_model", "data", "list_models"]

_OWN = {
    "num_classes": 4,
    "input_size": (3, 32, 32),
    "crop_pct": 0.9,
    "crop_mode": "center",
    "interpolation": "bilinear",
    "mean": (0.5, 0.4, 0.3),
    "std": (0.2, 0.3, 0.4),
    "hf_hub_id": "timm/mobilenetv3_small_100",
}


class Tiny(nn.Module):
    def __init__(
        self, num_classes: int = 4, in_chans: int = 3, width: int = 4, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.conv = nn.Conv2d(in_chans, width, 3, 2, 1)
        self.drop = nn.Dropout(drop_rate)
        self.head = nn.Linear(width, num_classes)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.head(self.drop(x.mean((2, 3))))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.conv(x).relu())


def list_models() -> list[str]:
    return ["mobilenetv3_small_100", "vit_tiny_patch16_224"]


def create_model(
    name: str,
    pretrained: bool = False,
    pretrained_cfg: dict[str, object] | None = None,
    img_size: object = None,
    **options: int | float,
) -> nn.Module:
    assert not pretrained, "the network is never asked"
    own = _OWN | (pretrained_cfg or {})
    model = Tiny(**{"num_classes": own["num_classes"], **options})
    model.pretrained_cfg = own | ({"crop_mode": "squash"} if name.startswith("vit") else {})
    return model
