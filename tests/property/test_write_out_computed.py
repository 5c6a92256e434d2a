from __future__ import annotations

from collections.abc import Callable

import pytest
import torch.nn.functional as F
from proof import Lambda, prove
from torch import Tensor, nn

from cloformer.export.passes.write_out_computed import WriteOutComputed

SHAPE = (2, 3, 5, 6)


def _mean(x: Tensor) -> Tensor:
    return x.mean((0, 2, 3))


def _largest(x: Tensor) -> Tensor:
    return x.amax((0, 2, 3))


LAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "rows": lambda x: F.conv1d(x[:, :, 0], x[:, :, 1, :3], x[0, 0, 0, :2], padding=1),
    "images": lambda x: F.conv2d(x, x[0, :, None, :2, :3], x[0, :3, 0, 0], (2, 1), (1, 0), (1, 2), 3),
    "same": lambda x: F.conv2d(x, x[:, :, :3, :3], x[0, 0, 0, :2], padding="same"),
    "volumes": lambda x: F.conv3d(x[None, :, :2], x[:, :2, :2, :2, None], x[0, 0, 0, :2]),
    "transposed": lambda x: F.conv_transpose2d(x, x[0, :3, None, :3, :2], x[0, 0, 0, :3], (3, 2), (0, 1), (2, 1), 3),
    "batch norm": lambda x: F.batch_norm(x, _mean(x), _mean(x).square() + 0.1, _largest(x), _mean(x)),
    "batch norm of a row": lambda x: F.batch_norm(x[:, :, 0, 0], _mean(x), _mean(x).square() + 0.1),
    "layer norm": lambda x: F.layer_norm(x, (5, 6), x[0, 0], x[1, 0]),
    "layer norm without a bias": lambda x: F.layer_norm(x, (6,), x[0, 0, 0]),
    "group norm": lambda x: F.group_norm(x, 3, _largest(x), _mean(x)),
    "instance norm": lambda x: F.instance_norm(x[:, :, 0], weight=_largest(x), bias=_mean(x)),
    "slopes": lambda x: F.prelu(x, _mean(x)),
    "one slope": lambda x: F.prelu(x, x[0, 0, 0, :1]),
}  # fmt: skip


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_law(law: Callable[[Tensor], Tensor]) -> None:
    prove(Lambda(lambda _, x: law(x)), WriteOutComputed(), SHAPE, sites=1)


def test_what_is_known_stays() -> None:
    layers = (
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.PReLU(4),
        nn.GroupNorm(2, 4),
        nn.InstanceNorm2d(4, affine=True),
    )
    model = nn.Sequential(
        *layers, nn.ConvTranspose2d(4, 2, 3), nn.LayerNorm(6), nn.Conv2d(2, 2, 1, bias=False)
    )
    prove(model.eval(), WriteOutComputed(), (1, 3, 8, 6), sites=0)
