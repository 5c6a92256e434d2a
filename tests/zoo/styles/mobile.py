"""Classifiers for phones: the blocks that mobile networks are made of."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


def conv_bn(inp, oup, stride):
    return nn.Sequential(
        nn.Conv2d(inp, oup, 3, stride, 1, bias=False), nn.BatchNorm2d(oup), nn.ReLU(inplace=True)
    )


def conv_dw(inp, oup, stride):
    return nn.Sequential(
        nn.Conv2d(inp, inp, 3, stride, 1, groups=inp, bias=False),
        nn.BatchNorm2d(inp),
        nn.ReLU(inplace=True),
        nn.Conv2d(inp, oup, 1, 1, 0, bias=False),
        nn.BatchNorm2d(oup),
        nn.ReLU(inplace=True),
    )


class DepthwiseSeparable(nn.Module):
    """Depthwise separable blocks in one Sequential, as in the first MobileNet."""

    def __init__(self, n_class=10):
        super().__init__()
        self.model = nn.Sequential(
            conv_bn(3, 8, 2), conv_dw(8, 16, 1), conv_dw(16, 32, 2), conv_dw(32, 32, 1), nn.AvgPool2d(8)
        )
        self.fc = nn.Linear(32, n_class)

    def forward(self, x):
        x = self.model(x)
        x = x.view(-1, 32)
        return self.fc(x)


class LinearBottleneck(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers += [nn.Conv2d(inp, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True)]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, oup, 1, bias=False),
            nn.BatchNorm2d(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        if self.use_res_connect:
            return x + self.conv(x)
        return self.conv(x)


class InvertedResiduals(nn.Module):
    """Inverted residuals with linear bottlenecks and dropout before the classifier."""

    setting = ((1, 8, 1, 1), (6, 12, 2, 2), (6, 16, 2, 2))

    def __init__(self):
        super().__init__()
        channels = 8
        features = [nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())]
        for t, c, n, s in self.setting:
            for i in range(n):
                features.append(LinearBottleneck(channels, c, s if i == 0 else 1, t))
                channels = c
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(channels, 10))

    def forward(self, x):
        x = self.features(x)
        x = x.mean([2, 3])
        return self.classifier(x)


class HSigmoid(nn.Module):
    def forward(self, x):
        return F.relu6(x + 3.0, inplace=True) / 6.0


class HSwish(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = HSigmoid()

    def forward(self, x):
        return x * self.gate(x)


class SELayer(nn.Module):
    def __init__(self, channel, reduction=4):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(channel // reduction, channel),
            HSigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y


class HardSwishSqueeze(nn.Module):
    """Hard swish written out of ReLU6, and squeeze-and-excitation, after MobileNetV3."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), HSwish())
        self.block = nn.Sequential(
            nn.Conv2d(16, 32, 1, bias=False),
            nn.BatchNorm2d(32),
            HSwish(),
            nn.Conv2d(32, 32, 5, 1, 2, groups=32, bias=False),
            nn.BatchNorm2d(32),
            SELayer(32),
            HSwish(),
            nn.Conv2d(32, 16, 1, bias=False),
            nn.BatchNorm2d(16),
        )
        self.head = nn.Sequential(nn.Linear(16, 32), HSwish(), nn.Dropout(0.2), nn.Linear(32, 10))

    def forward(self, x):
        x = self.stem(x)
        x = x + self.block(x)
        x = F.adaptive_avg_pool2d(x, 1)
        return self.head(x.view(x.size(0), -1))


def channel_shuffle(x, groups):
    batchsize, num_channels, height, width = x.data.size()
    channels_per_group = num_channels // groups
    x = x.view(batchsize, groups, channels_per_group, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batchsize, -1, height, width)


class ShuffleUnit(nn.Module):
    def __init__(self, inp, stride):
        super().__init__()
        self.stride, half = stride, inp // 2 if stride == 1 else inp
        self.left = nn.Sequential()
        if stride == 2:
            self.left = nn.Sequential(
                nn.Conv2d(inp, inp, 3, 2, 1, groups=inp, bias=False),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, half, 1, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(),
            )
        self.right = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
        )

    def forward(self, x):
        if self.stride == 1:
            x1, x2 = x.chunk(2, dim=1)
            out = torch.cat((x1, self.right(x2)), dim=1)
        else:
            out = torch.cat((self.left(x), self.right(x)), dim=1)
        return channel_shuffle(out, 2)


class Shuffle(nn.Module):
    """Channels split, convolved and shuffled, after ShuffleNetV2."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stage = nn.Sequential(ShuffleUnit(12, 2), ShuffleUnit(24, 1), ShuffleUnit(24, 1))
        self.fc = nn.Linear(24, 10)

    def forward(self, x):
        return self.fc(self.stage(self.maxpool(self.conv1(x))).mean([2, 3]))


class Ghosts(nn.Module):
    """Half of the features are cheap ones of the others, and more are made than are kept, after GhostNet."""

    def __init__(self, oup=15):
        super().__init__()
        self.oup, init = oup, -(-oup // 2)
        self.stem = nn.Conv2d(3, 10, 3, 2, 1)
        self.primary_conv = nn.Sequential(nn.Conv2d(10, init, 1, bias=False), nn.BatchNorm2d(init), nn.ReLU())
        self.cheap_operation = nn.Sequential(
            nn.Conv2d(init, init, 3, 1, 1, groups=init, bias=False), nn.BatchNorm2d(init), nn.ReLU()
        )
        self.classifier = nn.Linear(oup, 10)

    def forward(self, x):
        x = self.stem(x)
        x1 = self.primary_conv(x)
        x2 = self.cheap_operation(x1)
        out = torch.cat([x1, x2], dim=1)[:, : self.oup, :, :]
        return self.classifier(out.flatten(2).mean(-1))


class PartialConv(nn.Module):
    """A quarter of the channels are convolved, in place in a copy, after FasterNet."""

    def __init__(self, dim=16, n_div=4):
        super().__init__()
        self.dim_conv = dim // n_div
        self.embed = nn.Conv2d(3, dim, 4, 4, bias=False)
        self.norm = nn.BatchNorm2d(dim)
        self.partial_conv3 = nn.Conv2d(self.dim_conv, self.dim_conv, 3, 1, 1, bias=False)
        self.mlp = nn.Sequential(
            nn.Conv2d(dim, 32, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.GELU(),
            nn.Conv2d(32, dim, 1, bias=False),
        )
        self.head = nn.Linear(dim, 10, bias=False)

    def forward(self, x):
        x = self.norm(self.embed(x))
        shortcut = x
        x = x.clone()
        x[:, : self.dim_conv, :, :] = self.partial_conv3(x[:, : self.dim_conv, :, :])
        x = shortcut + self.mlp(x)
        return self.head(torch.mean(x, dim=(-2, -1)))


class StarBlocks(nn.Module):
    """Two projections multiplied, after StarNet; the depth of drop path is zero in evaluation."""

    def __init__(self, dim=12, depth=2):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, dim, 3, 2, 1), nn.BatchNorm2d(dim), nn.ReLU6())
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            block = nn.ModuleDict(
                {
                    "dw": nn.Sequential(nn.Conv2d(dim, dim, 7, 1, 3, groups=dim), nn.BatchNorm2d(dim)),
                    "f1": nn.Conv2d(dim, 3 * dim, 1),
                    "f2": nn.Conv2d(dim, 3 * dim, 1),
                    "g": nn.Sequential(nn.Conv2d(3 * dim, dim, 1), nn.BatchNorm2d(dim)),
                }
            )
            self.blocks.append(block)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            y = block["dw"](x)
            y = F.relu6(block["f1"](y)) * block["f2"](y)
            x = x + block["g"](y)
        return x.flatten(1)


class MixedKernels(nn.Module):
    """Channels in groups with kernels of 3, 5 and 7, and swish, after MixNet."""

    def __init__(self, channels=16):
        super().__init__()
        self.splits = [6, 5, 5]
        self.stem = nn.Conv2d(3, channels, 3, 2, 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(c, c, k, 1, k // 2, groups=c, bias=False) for c, k in zip(self.splits, (3, 5, 7))
        )
        self.bn = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
        self.fc = nn.Conv2d(channels, 10, 1)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([conv(part) for conv, part in zip(self.convs, torch.split(x, self.splits, 1))], 1)
        x = self.bn(x)
        x = x * torch.sigmoid(x)
        return self.fc(nn.AdaptiveAvgPool2d((1, 1))(x)).squeeze()


NETWORKS = rows(
    "mobile",
    {
        "depthwise_separable": (DepthwiseSeparable, image(32)),
        "inverted_residuals": (InvertedResiduals, image(32)),
        "hard_swish_squeeze": (HardSwishSqueeze, image(32)),
        "shuffle": (Shuffle, image(32)),
        "ghosts": (Ghosts, image(24)),
        "partial_conv": (PartialConv, image(32)),
        "star_blocks": (StarBlocks, image(16)),
        "mixed_kernels": (MixedKernels, image(32, 24)),
    },
)
