"""Networks that CloFormer is compared with, run from their authors' published code, of which nothing is here.

The environment variable ``ZOO_CODE`` (``--code`` of the program) names a folder with their repositories, each under the name that
it has on GitHub, and the small package einops is needed. Nothing is loaded but code: weights are drawn as for all networks of the zoo.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from torch import nn

from .stand_in import put_in_place

__all__ = ["CODE", "PUBLISHED", "Published", "there"]

CODE = "ZOO_CODE"
_NEVER_CALLED = ("fvcore", "fairscale", "mmcv")  # by these networks' forward


@dataclass(frozen=True)
class Published:
    """``factory`` of ``module`` in ``folder`` of the repository makes it, for an image of ``size`` pixels a side. ``options`` are
    its arguments; those of a parsed command line are in one object where the factory ``takes_arguments``."""

    repository: str
    folder: str
    module: str
    factory: str
    size: int = 224
    options: Mapping[str, object] = field(default_factory=dict)
    takes_arguments: bool = False

    def __call__(self) -> nn.Module:
        put_in_place(*_NEVER_CALLED)
        _stand_in_for_versions()
        sys.path.insert(0, str(_folder() / self.folder))
        made = getattr(importlib.import_module(self.module), self.factory)
        arguments = (SimpleNamespace(drop=0.0, drop_path=0.0),) if self.takes_arguments else ()
        network: nn.Module = made(*arguments, **self.options)
        return network.eval()


PUBLISHED = {
    "cswin_tiny": Published(
        "microsoft/CSWin-Transformer", "CSWin-Transformer", "models.cswin", "CSWin_64_12211_tiny_224"
    ),
    "uniformer_small": Published(
        "Sense-X/UniFormer",
        "UniFormer/image_classification",
        "models.uniformer",
        "uniformer_small",
        options={"pretrained": False},
    ),
    "uniformer_xxs": Published(
        "Sense-X/UniFormer", "UniFormer/image_classification", "models.uniformer_light", "uniformer_xxs", 160
    ),
    "biformer_tiny": Published("rayleizhu/BiFormer", "BiFormer", "models.biformer", "biformer_tiny"),
    "transnext_micro": Published(
        "DaiShiResearch/TransNeXt", "TransNeXt/classification", "transnext", "transnext_micro"
    ),
    "t2t_vit_7": Published("yitu-opensource/T2T-ViT", "T2T-ViT", "models.t2t_vit", "t2t_vit_7"),
    "t2t_vit_t_14": Published("yitu-opensource/T2T-ViT", "T2T-ViT", "models.t2t_vit", "t2t_vit_t_14"),
    "ms_mlp_tiny": Published("JegZheng/MS-MLP", "MS-MLP", "models.ms_mlp", "MS_MLP"),
    "favit_b0": Published("q2479036243/FaViT", "FaViT/FaViT/classification", "favit", "favit_b0"),
    "stvit_small": Published("hhb072/STViT", "STViT", "models.stvit", "stvit_small", takes_arguments=True),
    "rmt_t3": Published("qhfan/RMT", "RMT/classfication_release", "RMT", "RMT_T3", takes_arguments=True),
}


def there() -> dict[str, Published]:
    """Those whose code is in the folder; none where no folder is named."""
    if CODE not in os.environ:
        return {}
    return {name: item for name, item in PUBLISHED.items() if (_folder() / item.folder).is_dir()}


def _folder() -> Path:
    return Path(os.environ[CODE]).resolve()


def _stand_in_for_versions() -> None:
    """TransNeXt asks an old package of setuptools whether its CUDA kernels are installed: they are not."""
    if "pkg_resources" not in sys.modules and importlib.util.find_spec("pkg_resources") is None:
        found = SimpleNamespace(DistributionNotFound=LookupError, get_distribution={}.__getitem__)
        sys.modules["pkg_resources"] = found  # type: ignore[assignment]
