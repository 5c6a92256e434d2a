"""Images to images: super-resolution, denoising, enhancement."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, numbers, rows


class SubPixel(nn.Module):
    """ESPCN: tanh in the middle, and a pixel shuffle at the end, over one channel of brightness."""

    def __init__(self, upscale_factor=3):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 5, 1, 2), nn.Conv2d(16, 8, 3, 1, 1)
        self.conv3, self.pixel_shuffle = (
            nn.Conv2d(8, upscale_factor**2, 3, 1, 1),
            nn.PixelShuffle(upscale_factor),
        )

    def forward(self, x):
        x = torch.tanh(self.conv1(x))
        x = torch.tanh(self.conv2(x))
        return torch.sigmoid(self.pixel_shuffle(self.conv3(x)))


class MeanShift(nn.Conv2d):
    def __init__(self, sign):
        super().__init__(3, 3, kernel_size=1)
        self.weight.data = torch.eye(3).view(3, 3, 1, 1)
        self.bias.data = sign * torch.tensor([0.4488, 0.4371, 0.4040])
        for p in self.parameters():
            p.requires_grad = False


class ResidualScaled(nn.Module):
    """EDSR: the mean taken away and put back, residual blocks scaled by a tenth, a bicubic image beneath."""

    def __init__(self, n_feats=12):
        super().__init__()
        self.sub_mean, self.add_mean = MeanShift(-1), MeanShift(1)
        self.head = nn.Conv2d(3, n_feats, 3, padding=1)
        self.body = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(n_feats, n_feats, 3, padding=1),
                nn.ReLU(True),
                nn.Conv2d(n_feats, n_feats, 3, padding=1),
            )
            for _ in range(2)
        )
        self.tail = nn.Sequential(
            nn.Conv2d(n_feats, 4 * n_feats, 3, padding=1),
            nn.PixelShuffle(2),
            nn.Conv2d(n_feats, 3, 3, padding=1),
        )

    def forward(self, x):
        base = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
        x = self.head(self.sub_mean(x))
        res = x
        for block in self.body:
            res = block(res).mul(0.1) + res
        return self.add_mean(self.tail(res + x)) + base


class ChannelLayerNorm(nn.Module):
    def __init__(self, channels, eps=1e-6):
        super().__init__()
        self.weight, self.bias, self.eps = (
            nn.Parameter(torch.ones(channels)),
            nn.Parameter(torch.zeros(channels)),
            eps,
        )

    def forward(self, x):
        N, C, H, W = x.size()
        mu = x.mean(1, keepdim=True)
        var = (x - mu).pow(2).mean(1, keepdim=True)
        y = (x - mu) / (var + self.eps).sqrt()
        return self.weight.view(1, C, 1, 1) * y + self.bias.view(1, C, 1, 1)


class NoActivation(nn.Module):
    """NAFNet: halves multiplied instead of activations; padded to a multiple of 4 and cut again."""

    def __init__(self, c=12, padder_size=4):
        super().__init__()
        self.padder_size = padder_size
        self.intro, self.ending = nn.Conv2d(3, c, 3, padding=1), nn.Conv2d(c, 3, 3, padding=1)
        self.down, self.up = (
            nn.Conv2d(c, 2 * c, 2, 2),
            nn.Sequential(nn.Conv2d(2 * c, 4 * c, 1, bias=False), nn.PixelShuffle(2)),
        )
        self.norm, self.conv1 = ChannelLayerNorm(2 * c), nn.Conv2d(2 * c, 4 * c, 1)
        self.conv2, self.conv3 = (
            nn.Conv2d(4 * c, 4 * c, 3, padding=1, groups=4 * c),
            nn.Conv2d(2 * c, 2 * c, 1),
        )
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(2 * c, 2 * c, 1))
        self.beta = nn.Parameter(torch.zeros((1, 2 * c, 1, 1)) + 0.5)

    def block(self, inp):
        x = self.conv2(self.conv1(self.norm(inp)))
        x1, x2 = x.chunk(2, dim=1)
        x = x1 * x2
        x = x * self.sca(x)
        return inp + self.conv3(x) * self.beta

    def forward(self, inp):
        B, C, H, W = inp.shape
        pad_h = (self.padder_size - H % self.padder_size) % self.padder_size
        pad_w = (self.padder_size - W % self.padder_size) % self.padder_size
        padded = F.pad(inp, (0, pad_w, 0, pad_h), "reflect")
        x = self.intro(padded)
        x = x + self.up(self.block(self.down(x)))
        x = self.ending(x) + padded
        return x[:, :, :H, :W]


class TransposedAttention(nn.Module):
    """Restormer: attention between channels with a temperature, and a gated feed-forward of depthwise convolutions."""

    def __init__(self, dim=16, heads=2):
        super().__init__()
        self.heads, self.temperature = heads, nn.Parameter(torch.ones(heads, 1, 1))
        self.embed, self.output = (
            nn.Conv2d(3, dim, 3, 1, 1, bias=False),
            nn.Conv2d(dim, 3, 3, 1, 1, bias=False),
        )
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.project = nn.Conv2d(dim, 3 * dim, 1, bias=False), nn.Conv2d(dim, dim, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=False)
        self.project_in, self.dwconv = (
            nn.Conv2d(dim, 4 * dim, 1, bias=False),
            nn.Conv2d(4 * dim, 4 * dim, 3, 1, 1, groups=4 * dim, bias=False),
        )
        self.project_out = nn.Conv2d(2 * dim, dim, 1, bias=False)

    @staticmethod
    def normed(norm, x):
        b, c, h, w = x.shape
        return norm(x.permute(0, 2, 3, 1).reshape(b, h * w, c)).transpose(1, 2).reshape(b, c, h, w)

    def attend(self, x):
        b, c, h, w = x.shape
        q, k, v = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        q, k, v = (t.reshape(b, self.heads, c // self.heads, h * w) for t in (q, k, v))
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        attn = (q @ k.transpose(-2, -1)) * self.temperature
        return self.project((attn.softmax(dim=-1) @ v).reshape(b, c, h, w))

    def forward(self, inp):
        x = self.embed(inp)
        x = x + self.attend(self.normed(self.norm1, x))
        x1, x2 = self.dwconv(self.project_in(self.normed(self.norm2, x))).chunk(2, dim=1)
        x = x + self.project_out(F.gelu(x1) * x2)
        return self.output(x) + inp


class Curves(nn.Module):
    """Zero-DCE: a light curve for every pixel, applied eight times, to an image between 0 and 1."""

    def __init__(self, n=8):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.e_conv1, self.e_conv2 = nn.Conv2d(3, n, 3, 1, 1), nn.Conv2d(n, n, 3, 1, 1)
        self.e_conv3, self.e_conv4 = nn.Conv2d(2 * n, n, 3, 1, 1), nn.Conv2d(2 * n, 24, 3, 1, 1)

    def forward(self, x):
        x = (x * 0.25 + 0.5).clamp(0, 1)
        x1 = self.relu(self.e_conv1(x))
        x2 = self.relu(self.e_conv2(x1))
        x3 = self.relu(self.e_conv3(torch.cat([x1, x2], 1)))
        x_r = torch.tanh(self.e_conv4(torch.cat([x1, x3], 1)))
        for r in torch.split(x_r, 3, dim=1):
            x = x + r * (torch.pow(x, 2) - x)
        return x


class BilateralGrid(nn.Module):
    """HDRnet: a small grid of colour transforms, sliced by a guide at full size with grid_sample in three dimensions."""

    def __init__(self, bins=4):
        super().__init__()
        self.bins, self.low = (
            bins,
            nn.Sequential(nn.Conv2d(3, 16, 3, 4, 1), nn.ReLU(), nn.Conv2d(16, 12 * bins, 3, 1, 1)),
        )
        self.guide = nn.Sequential(
            nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 1), nn.Tanh()
        )

    def forward(self, full):
        low = F.interpolate(full, scale_factor=0.5, mode="bilinear", align_corners=False)
        grid = self.low(low)
        n, _, gh, gw = grid.shape
        grid = grid.view(n, 12, self.bins, gh, gw)
        guide = self.guide(full)
        h, w = guide.shape[2:]
        hg, wg = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        hg = hg.float().repeat(n, 1, 1).unsqueeze(3) / (h - 1) * 2 - 1
        wg = wg.float().repeat(n, 1, 1).unsqueeze(3) / (w - 1) * 2 - 1
        where = torch.cat([wg, hg, guide.permute(0, 2, 3, 1).contiguous()], dim=3).unsqueeze(1)
        coeff = F.grid_sample(grid, where, "bilinear", align_corners=True).squeeze(2)
        out = [
            torch.sum(full * coeff[:, 4 * i : 4 * i + 3], dim=1, keepdim=True)
            + coeff[:, 4 * i + 3 : 4 * i + 4]
            for i in range(3)
        ]
        return torch.cat(out, dim=1)


class EdgeOriented(nn.Module):
    """ECBSR: a 3x3 beside fixed Sobel and Laplace kernels behind 1x1 convolutions, whose biases pad them."""

    def __init__(self, c=8):
        super().__init__()
        self.head = nn.Conv2d(3, c, 3, padding=1)
        self.conv3x3 = nn.Conv2d(c, c, 3, padding=1)
        self.k0, self.scale = nn.Conv2d(c, c, 1), nn.Parameter(torch.randn(c, 1, 1, 1) * 1e-1)
        self.bias = nn.Parameter(torch.randn(c) * 1e-1)
        self.mask = nn.Parameter(torch.zeros(c, 1, 3, 3), requires_grad=False)
        for i in range(c):
            self.mask[i, 0] = (
                torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
                if i % 2
                else torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
            )
        self.act, self.tail = nn.PReLU(num_parameters=c), nn.Conv2d(c, 12, 3, padding=1)

    def forward(self, x):
        y = self.head(x)
        y0 = F.pad(self.k0(y), (1, 1, 1, 1), "constant", 0)
        b0 = self.k0.bias.view(1, -1, 1, 1)
        y0[:, :, 0:1, :] = b0
        y0[:, :, -1:, :] = b0
        y0[:, :, :, 0:1] = b0
        y0[:, :, :, -1:] = b0
        edge = F.conv2d(input=y0, weight=self.scale * self.mask, bias=self.bias, stride=1, groups=y.shape[1])
        y = self.act(self.conv3x3(y) + edge + y)
        return F.pixel_shuffle(self.tail(y) + x.repeat_interleave(4, dim=1), 2).clamp(0.0, 255.0)


NETWORKS = rows(
    "restoration",
    {
        "sub_pixel": (SubPixel, image(16, channels=1)),
        "residual_scaled": (ResidualScaled, image(16, 24)),
        "no_activation": (NoActivation, image(30, 33)),
        "transposed_attention": (TransposedAttention, image(16)),
        "curves": (Curves, image(24)),
        "bilateral_grid": (BilateralGrid, image(32)),
        "edge_oriented": (EdgeOriented, numbers("pixels", 1, 3, 16, 16)),
    },
)
