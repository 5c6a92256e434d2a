"""Semantic segmentation: a class for every pixel."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


class DoubleConv(nn.Module):
    def __init__(self, in_ch, out_ch):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_ch, out_ch, 3, padding=1),
            nn.BatchNorm2d(out_ch),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_ch, out_ch, 3, padding=1),
            nn.BatchNorm2d(out_ch),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class UNet(nn.Module):
    """The upper path is padded to the lower one's size, whatever that is."""

    def __init__(self, n_classes=3):
        super().__init__()
        self.inc, self.down1, self.down2 = DoubleConv(3, 8), DoubleConv(8, 16), DoubleConv(16, 32)
        self.up1, self.up2 = nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.conv1, self.conv2 = DoubleConv(32, 16), DoubleConv(16, 8)
        self.outc = nn.Conv2d(8, n_classes, 1)

    @staticmethod
    def join(x1, x2):
        dy = x2.size()[2] - x1.size()[2]
        dx = x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return torch.cat([x2, x1], dim=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        x = self.conv1(self.join(self.up1(x3), x2))
        x = self.conv2(self.join(self.up2(x), x1))
        return self.outc(x)


class ASPPPooling(nn.Sequential):
    def __init__(self, inp, out):
        super().__init__(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inp, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
        )

    def forward(self, x):
        size = x.shape[-2:]
        for mod in self:
            x = mod(x)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class AtrousPyramid(nn.Module):
    """DeepLabV3: dilated convolutions side by side, resized to the image, in a dictionary with an auxiliary head."""

    def __init__(self, classes=5):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 12, 3, 2, 1),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 16, 3, 2, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
        modules = [nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())]
        for rate in (2, 4):
            modules.append(
                nn.Sequential(
                    nn.Conv2d(16, 8, 3, padding=rate, dilation=rate, bias=False), nn.BatchNorm2d(8), nn.ReLU()
                )
            )
        modules.append(ASPPPooling(16, 8))
        self.convs = nn.ModuleList(modules)
        self.project = nn.Sequential(
            nn.Conv2d(32, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5)
        )
        self.classifier, self.aux = nn.Conv2d(8, classes, 1), nn.Conv2d(16, classes, 1)

    def forward(self, x):
        input_shape = x.shape[-2:]
        features = self.backbone(x)
        res = torch.cat([conv(features) for conv in self.convs], dim=1)
        out = F.interpolate(
            self.classifier(self.project(res)), size=input_shape, mode="bilinear", align_corners=False
        )
        aux = F.interpolate(self.aux(features), size=input_shape, mode="bilinear", align_corners=False)
        return {"out": out, "aux": aux}


class PyramidPooling(nn.Module):
    """PSPNet: pooled to 1, 2, 3 and 6 a side, and resized with corners aligned; gives the classes alone."""

    def __init__(self, in_dim=16, bins=(1, 2, 3, 6)):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, in_dim, 3, 2, 1, bias=False), nn.BatchNorm2d(in_dim), nn.PReLU(in_dim)
        )
        self.features = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(b), nn.Conv2d(in_dim, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
            )
            for b in bins
        )
        self.cls = nn.Conv2d(in_dim + 4 * len(bins), 6, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        out = [x]
        for f in self.features:
            out.append(F.interpolate(f(x), x.size()[2:], mode="bilinear", align_corners=True))
        logits = self.cls(torch.cat(out, 1))
        return logits.argmax(dim=1)


class AttentionRefinement(nn.Module):
    """BiSeNet: a fast path of pixels and a slow one of context, fused by attention over channels."""

    def __init__(self):
        super().__init__()
        conv = lambda i, o, s: nn.Sequential(
            nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.1)
        )  # noqa: E731
        self.spatial = nn.Sequential(conv(3, 8, 2), conv(8, 16, 2))
        self.context1, self.context2 = (
            nn.Sequential(conv(3, 8, 2), conv(8, 16, 2), conv(16, 16, 2)),
            conv(16, 16, 2),
        )
        self.atten = nn.Sequential(nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16), nn.Sigmoid())
        self.fuse = conv(32, 16, 1)
        self.out = nn.Conv2d(16, 4, 1)

    def forward(self, x):
        sp = self.spatial(x)
        c8 = self.context1(x)
        c16 = self.context2(c8)
        avg = F.avg_pool2d(c16, c16.size()[2:])
        c16 = c16 * self.atten(avg) + F.interpolate(avg, c16.size()[2:], mode="nearest")
        c8 = c8 + F.interpolate(c16, scale_factor=2.0)
        fused = self.fuse(torch.cat([sp, F.interpolate(c8, scale_factor=2.0)], 1))
        atten = fused.mean(dim=(2, 3), keepdim=True).sigmoid()
        return F.interpolate(
            self.out(fused + fused * atten), scale_factor=4, mode="bilinear", align_corners=True
        )


class OverlapPatchEmbed(nn.Module):
    def __init__(self, patch, stride, in_chans, dim):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch, stride, patch // 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        x = self.proj(x)
        _, _, H, W = x.shape
        return self.norm(x.flatten(2).transpose(1, 2)), H, W


class MixFFN(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, 1, 1, groups=hidden)

    def forward(self, x, H, W):
        x = self.fc1(x)
        B, N, C = x.shape
        y = self.dwconv(x.transpose(1, 2).view(B, C, H, W)).flatten(2).transpose(1, 2)
        return self.fc2(F.gelu(y))


class MixTransformer(nn.Module):
    """SegFormer: tokens with a depthwise convolution between linear layers, and a decoder of linear layers."""

    def __init__(self):
        super().__init__()
        self.embed1, self.embed2 = OverlapPatchEmbed(7, 4, 3, 16), OverlapPatchEmbed(3, 2, 16, 24)
        self.norms = nn.ModuleList([nn.LayerNorm(16, eps=1e-6), nn.LayerNorm(24, eps=1e-6)])
        self.ffns = nn.ModuleList([MixFFN(16, 32), MixFFN(24, 48)])
        self.linears = nn.ModuleList([nn.Linear(16, 16), nn.Linear(24, 16)])
        self.fuse = nn.Sequential(nn.Conv2d(32, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.pred = nn.Conv2d(16, 7, 1)

    def forward(self, x):
        n, outs = x.shape[0], []
        for embed, norm, ffn in zip((self.embed1, self.embed2), self.norms, self.ffns):
            x, H, W = embed(x)
            x = x + ffn(norm(x), H, W)
            x = x.reshape(n, H, W, -1).permute(0, 3, 1, 2).contiguous()
            outs.append(x)
        size = outs[0].shape[2:]
        maps = []
        for c, linear in zip(outs, self.linears):
            y = linear(c.flatten(2).transpose(1, 2)).permute(0, 2, 1).reshape(n, -1, c.shape[2], c.shape[3])
            maps.append(F.interpolate(y, size=size, mode="bilinear", align_corners=False))
        return self.pred(self.fuse(torch.cat(maps[::-1], dim=1)))


class Unpooling(nn.Module):
    """SegNet: the places of the largest are kept, and values put back there."""

    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(3, 8, 7, padding=3), nn.BatchNorm2d(8), nn.ReLU())
        self.pool, self.unpool = nn.MaxPool2d(2, 2, return_indices=True), nn.MaxUnpool2d(2, 2)
        self.dec = nn.Conv2d(8, 4, 7, padding=3)

    def forward(self, x):
        x, indices = self.pool(self.enc(x))
        return F.log_softmax(self.dec(self.unpool(x, indices)), dim=1)


class HighResolution(nn.Module):
    """HRNet: two resolutions side by side that exchange what they know, with legacy resizing by nn.Upsample."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8, momentum=0.1), nn.ReLU()
        )
        self.transition = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.fuse_up = nn.Sequential(
            nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8), nn.Upsample(scale_factor=2, mode="nearest")
        )
        self.fuse_down = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16))
        self.relu = nn.ReLU(True)
        self.last = nn.Conv2d(24, 5, 1)

    def forward(self, x):
        high = self.stem(x)
        low = self.transition(high)
        x_fuse = [self.relu(high + self.fuse_up(low)), self.relu(self.fuse_down(high) + low)]
        h, w = x_fuse[0].size(2), x_fuse[0].size(3)
        x1 = F.interpolate(x_fuse[1], size=(h, w), mode="bilinear", align_corners=True)
        return torch.sigmoid(self.last(torch.cat([x_fuse[0], x1], 1)))


NETWORKS = rows(
    "segmentation",
    {
        "u_net_of_odd_size": (UNet, image(35, 30)),
        "atrous_pyramid": (AtrousPyramid, image(32)),
        "pyramid_pooling": (PyramidPooling, image(40)),
        "attention_refinement": (AttentionRefinement, image(32, 64)),
        "mix_transformer": (MixTransformer, image(32)),
        "unpooling": (Unpooling, image(16)),
        "high_resolution": (HighResolution, image(32)),
    },
)
