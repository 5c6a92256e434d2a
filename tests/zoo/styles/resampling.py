"""Resizing, padding, and moving pixels about."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


class Reassembly(nn.Module):
    """CARAFE: every new pixel is a weighted mean of 25 old ones, with weights of its own."""

    def __init__(self, c=8, k=5, up=2):
        super().__init__()
        self.k, self.up, self.stem = k, up, nn.Conv2d(3, c, 3, 2, 1)
        self.comp, self.enc = nn.Conv2d(c, 8, 1), nn.Conv2d(8, (up * k) ** 2, 3, padding=1)
        self.pix_shf, self.unfold = (
            nn.PixelShuffle(up),
            nn.Unfold(kernel_size=k, dilation=up, padding=k // 2 * up),
        )
        self.upsmp = nn.Upsample(scale_factor=up, mode="nearest")

    def forward(self, x):
        x = self.stem(x)
        b, c, h, w = x.size()
        h_, w_ = h * self.up, w * self.up
        weights = torch.softmax(self.pix_shf(self.enc(self.comp(x))), dim=1)
        x = self.unfold(self.upsmp(x)).view(b, c, -1, h_, w_)
        return torch.einsum("bkhw,bckhw->bchw", [weights, x])


class Pyramid(nn.Module):
    """Blurred and halved by a fixed kernel over a reflected border, details kept, a Haar wavelet, put together again."""

    def __init__(self):
        super().__init__()
        k = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])
        self.register_buffer("kernel", (k[:, None] * k[None, :] / 256).repeat(3, 1, 1, 1))
        self.low, self.band = (
            nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"),
            nn.Conv2d(3, 3, 3, padding=1, padding_mode="replicate"),
        )

    def down(self, x):
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), self.kernel, groups=3)[:, :, ::2, ::2]

    def up(self, x, size):
        wide = torch.zeros(x.shape[0], x.shape[1], *size)
        wide[:, :, ::2, ::2] = x * 4
        return F.conv2d(F.pad(wide, (2, 2, 2, 2), mode="reflect"), self.kernel, groups=3)

    @staticmethod
    def haar(x):
        x01, x02 = x[:, :, 0::2, :] / 2, x[:, :, 1::2, :] / 2
        x1, x2, x3, x4 = x01[:, :, :, 0::2], x02[:, :, :, 0::2], x01[:, :, :, 1::2], x02[:, :, :, 1::2]
        return torch.cat((x1 + x2 + x3 + x4, -x1 - x2 + x3 + x4, -x1 + x2 - x3 + x4, x1 - x2 - x3 + x4), 1)

    def forward(self, x):
        small = self.down(x)
        detail = x - self.up(small, x.shape[2:])
        y = self.up(self.low(small), x.shape[2:]) + self.band(detail)
        return y, self.haar(y), F.interpolate(y, size=(9, 7), mode="area")


class Sampler(nn.Module):
    """A spatial transformer: an affine grid from the image itself, read with zeros and with the border outside."""

    def __init__(self):
        super().__init__()
        self.loc = nn.Sequential(
            nn.Conv2d(3, 8, 7),
            nn.MaxPool2d(2, stride=2),
            nn.ReLU(True),
            nn.Conv2d(8, 10, 5),
            nn.MaxPool2d(2, 2),
            nn.ReLU(True),
        )
        self.fc_loc = nn.Sequential(nn.Linear(10 * 4 * 4, 16), nn.ReLU(True), nn.Linear(16, 6))
        self.fc_loc[2].weight.data.mul_(0.1)
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))
        self.offset = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x):
        theta = self.fc_loc(self.loc(x).view(-1, 10 * 4 * 4)).view(-1, 2, 3)
        grid = F.affine_grid(theta, x.size(), align_corners=False)
        y = F.grid_sample(x, grid, align_corners=False)
        moved = grid + 0.05 * torch.tanh(self.offset(y)).permute(0, 2, 3, 1)
        z = F.grid_sample(y, moved, mode="bilinear", padding_mode="border", align_corners=True)
        return F.interpolate(
            z, scale_factor=1.5, mode="bicubic", align_corners=True, recompute_scale_factor=True
        )


NETWORKS = rows(
    "resampling",
    {
        "reassembly": (Reassembly, image(16)),
        "pyramid": (Pyramid, image(24)),
        "sampler": (Sampler, image(32)),
    },
)
