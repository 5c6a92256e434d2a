"""Depth, stereo and optical flow."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


class Disparities(nn.Module):
    """Monodepth: reflection padding, ELU, skips, and disparities of three sizes as depth."""

    def __init__(self, min_depth=0.1, max_depth=100.0):
        super().__init__()
        self.min_disp, self.max_disp = 1 / max_depth, 1 / min_depth
        self.enc = nn.ModuleList(
            [nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)]
        )
        self.pad, self.nonlin = nn.ReflectionPad2d(1), nn.ELU(inplace=True)
        self.up = nn.ModuleDict(
            {"2": nn.Conv2d(32, 16, 3), "1": nn.Conv2d(32, 8, 3), "0": nn.Conv2d(16, 8, 3)}
        )
        self.disp = nn.ModuleDict(
            {"2": nn.Conv2d(16, 1, 3), "1": nn.Conv2d(8, 1, 3), "0": nn.Conv2d(8, 1, 3)}
        )

    def forward(self, input_image):
        x = (input_image - 0.45) / 0.225
        features = []
        for conv in self.enc:
            x = F.relu(conv(x))
            features.append(x)
        outputs = {}
        for i in (2, 1, 0):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.nonlin(self.up[str(i)](self.pad(x)))
            outputs[f"disp_{i}"] = self.min_disp + (self.max_disp - self.min_disp) * torch.sigmoid(
                self.disp[str(i)](self.pad(x))
            )
            if i > 0:
                x = torch.cat([x, features[i - 1]], 1)
        outputs["depth"] = 1.0 / outputs["disp_0"]
        return outputs


class FastDepth(nn.Module):
    """Depthwise encoder and decoder with additive skips, upsampled to the nearest."""

    @staticmethod
    def depthwise(i, o, s=1):
        return nn.Sequential(
            nn.Conv2d(i, i, 5, s, 2, groups=i, bias=False), nn.BatchNorm2d(i), nn.ReLU(True),
            nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True),
        )  # fmt: skip

    def __init__(self):
        super().__init__()
        self.conv0, self.conv1 = self.depthwise(3, 8, 2), self.depthwise(8, 16, 2)
        self.decode1, self.decode2 = self.depthwise(16, 8), self.depthwise(8, 4)
        self.decode3 = nn.Sequential(nn.Conv2d(4, 1, 1, bias=False), nn.BatchNorm2d(1), nn.ReLU(True))

    def forward(self, x):
        skip = self.conv0(x)
        x = F.interpolate(self.decode1(self.conv1(skip)), scale_factor=2, mode="nearest")
        x = F.interpolate(self.decode2(x + skip), scale_factor=2, mode="nearest")
        return self.decode3(x)


class Reassembled(nn.Module):
    """DPT: tokens with a class token that is projected back into them, made maps of two sizes and fused."""

    def __init__(self, dim=32, patch=8, features=16):
        super().__init__()
        self.patch_embed, self.cls_token = (
            nn.Conv2d(3, dim, patch, patch),
            nn.Parameter(torch.zeros(1, 1, dim)),
        )
        self.pos_embed = nn.Parameter(torch.randn(1, 17, dim) * 0.02)
        self.block = nn.TransformerEncoderLayer(
            dim, 4, 64, batch_first=True, norm_first=True, activation="gelu"
        )
        self.readout = nn.Sequential(nn.Linear(2 * dim, dim), nn.GELU())
        self.resize_up, self.resize_down = (
            nn.ConvTranspose2d(dim, features, 2, 2),
            nn.Conv2d(dim, features, 3, 2, 1),
        )
        self.fuse = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(features, features, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, 1, 1),
        )
        self.head = nn.Sequential(
            nn.Conv2d(features, 8, 3, 1, 1),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(8, 1, 1),
            nn.ReLU(),
        )

    def forward(self, x):
        b, _, h, w = x.shape
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(b, -1, -1), x), dim=1) + self.pos_embed
        x = self.block(x)
        readout = x[:, 0].unsqueeze(1).expand_as(x[:, 1:])
        x = self.readout(torch.cat((x[:, 1:], readout), -1)).transpose(1, 2).unflatten(2, (h // 8, w // 8))
        small = self.fuse(self.resize_down(x))
        large = self.resize_up(x)
        large = large + F.interpolate(small, size=large.shape[2:], mode="bilinear", align_corners=True)
        return self.head(large + self.fuse(large)).squeeze(dim=1)


class AdaptiveBins(nn.Module):
    """AdaBins: the image chooses where the bins of depth are; the depth is their mean under a softmax."""

    def __init__(self, n_bins=12, min_val=0.001, max_val=10):
        super().__init__()
        self.min_val, self.max_val = min_val, max_val
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.LeakyReLU(), nn.Conv2d(16, 16, 3, 2, 1)
        )
        self.regressor = nn.Sequential(nn.Linear(16, 32), nn.LeakyReLU(), nn.Linear(32, n_bins))
        self.conv_out = nn.Sequential(nn.Conv2d(16, n_bins, 1), nn.Softmax(dim=1))

    def forward(self, x):
        features = self.encoder(x)
        bins = torch.relu(self.regressor(features.mean((2, 3)))) + 0.1
        widths = bins / bins.sum(dim=1, keepdim=True)
        widths = (self.max_val - self.min_val) * widths
        widths = nn.functional.pad(widths, (1, 0), mode="constant", value=self.min_val)
        edges = torch.cumsum(widths, dim=1)
        centers = 0.5 * (edges[:, :-1] + edges[:, 1:])
        n, dout = centers.size()
        pred = torch.sum(self.conv_out(features) * centers.view(n, dout, 1, 1), dim=1, keepdim=True)
        return edges, pred


class CostVolume(nn.Module):
    """GwcNet: correlations by groups at every shift, a convolution in three dimensions, and the mean disparity."""

    def __init__(self, maxdisp=4, groups=4):
        super().__init__()
        self.maxdisp, self.groups = maxdisp, groups
        self.feature = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.dres = nn.Sequential(
            nn.Conv3d(groups, 8, 3, 1, 1, bias=False), nn.BatchNorm3d(8), nn.ReLU(), nn.Conv3d(8, 1, 3, 1, 1)
        )

    def correlation(self, a, b):
        B, C, H, W = a.shape
        return (a * b).view([B, self.groups, C // self.groups, H, W]).mean(dim=2)

    def forward(self, left, right):
        left, right = self.feature(left), self.feature(right)
        B, C, H, W = left.shape
        volume = left.new_zeros([B, self.groups, self.maxdisp, H, W])
        for i in range(self.maxdisp):
            if i > 0:
                volume[:, :, i, :, i:] = self.correlation(left[:, :, :, i:], right[:, :, :, :-i])
            else:
                volume[:, :, i, :, :] = self.correlation(left, right)
        volume = volume.contiguous()
        cost = F.interpolate(
            self.dres(volume), [2 * self.maxdisp, 2 * H, 2 * W], mode="trilinear", align_corners=False
        )
        prob = F.softmax(cost.squeeze(1), dim=1)
        disp = torch.arange(0, 2 * self.maxdisp, dtype=prob.dtype).view(1, -1, 1, 1)
        return torch.sum(prob * disp, 1, keepdim=False)


class Flow(nn.Module):
    """PWC-Net: correlation with neighbours, the second image warped by the coarse flow, and the flow refined."""

    def __init__(self, radius=1):
        super().__init__()
        self.radius, self.leaky = radius, nn.LeakyReLU(0.1)
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)
        self.flow2, self.flow1 = nn.Conv2d(9 + 16, 2, 3, 1, 1), nn.Conv2d(9 + 8 + 2, 2, 3, 1, 1)
        self.deconv = nn.ConvTranspose2d(2, 2, kernel_size=4, stride=2, padding=1)

    def warp(self, x, flo):
        B, C, H, W = x.size()
        xx = torch.arange(0, W).view(1, -1).repeat(H, 1).view(1, 1, H, W).repeat(B, 1, 1, 1)
        yy = torch.arange(0, H).view(-1, 1).repeat(1, W).view(1, 1, H, W).repeat(B, 1, 1, 1)
        vgrid = torch.cat((xx, yy), 1).float() + flo
        vgrid[:, 0, :, :] = 2.0 * vgrid[:, 0, :, :].clone() / max(W - 1, 1) - 1.0
        vgrid[:, 1, :, :] = 2.0 * vgrid[:, 1, :, :].clone() / max(H - 1, 1) - 1.0
        return F.grid_sample(x, vgrid.permute(0, 2, 3, 1), align_corners=True)

    def correlate(self, a, b):
        r, (h, w) = self.radius, a.shape[2:]
        b = F.pad(b, [r] * 4)
        costs = [
            (a * b[:, :, dy : dy + h, dx : dx + w]).mean(1, keepdim=True)
            for dy in range(2 * r + 1)
            for dx in range(2 * r + 1)
        ]
        return self.leaky(torch.cat(costs, 1))

    def forward(self, first, second):
        a1, b1 = self.leaky(self.conv1(first)), self.leaky(self.conv1(second))
        a2, b2 = self.leaky(self.conv2(a1)), self.leaky(self.conv2(b1))
        up = self.deconv(self.flow2(torch.cat((self.correlate(a2, b2), a2), 1)))
        return up + self.flow1(torch.cat((self.correlate(a1, self.warp(b1, up)), a1, up), 1))


NETWORKS = rows(
    "depth",
    {
        "disparities": (Disparities, image(32, 40)),
        "fast_depth": (FastDepth, image(32)),
        "reassembled": (Reassembled, image(32)),
        "adaptive_bins": (AdaptiveBins, image(32)),
        "cost_volume": (CostVolume, image(16, 24, name="left"), image(16, 24, name="right")),
        "flow": (Flow, image(32, name="first"), image(32, name="second")),
    },
)
