"""As much of transformers as cloformer asks of it."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor, nn

__version__ = "5.0.0"


class AutoConfig:
    def __init__(self, values: dict[str, object]) -> None:
        self.__dict__.update(values)

    @classmethod
    def from_pretrained(
        cls, folder: Path, *, local_files_only: bool = False, **options: object
    ) -> AutoConfig:
        assert local_files_only
        return cls(json.loads((Path(folder) / "config.json").read_text()) | options)


class TinyForImageClassification(nn.Module):
    def __init__(self, config: AutoConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, config.width, 3, 2, 1)
        self.classifier = nn.Linear(config.width, len(config.id2label))

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> dict[str, Tensor | None]:
        return {"loss": labels, "logits": self.classifier(self.conv(pixel_values).relu().mean((2, 3)))}

    @classmethod
    def from_pretrained(
        cls,
        folder: None,
        *,
        config: AutoConfig,
        state_dict: dict[str, Tensor],
        output_loading_info: bool,
    ) -> tuple[nn.Module, dict[str, set[str]]]:
        assert folder is None and output_loading_info
        model = cls(config)
        missing = model.load_state_dict(state_dict, strict=False).missing_keys
        return model, {"missing_keys": set(missing), "mismatched_keys": set()}
