"""Clips of frames."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, numbers, rows


class Convolved3d(nn.Module):
    """C3D: convolutions and pooling in time and space."""

    def __init__(self):
        super().__init__()
        self.conv1, self.pool1 = (
            nn.Conv3d(3, 8, kernel_size=(3, 3, 3), padding=(1, 1, 1)),
            nn.MaxPool3d((1, 2, 2), (1, 2, 2)),
        )
        self.conv2, self.pool2 = nn.Conv3d(8, 16, kernel_size=3, padding=1), nn.MaxPool3d(2, 2)
        self.pool3, self.fc, self.relu = (
            nn.MaxPool3d(2, 2, padding=(0, 1, 1)),
            nn.Linear(16 * 9, 5),
            nn.ReLU(),
        )

    def forward(self, x):
        x = self.pool1(self.relu(self.conv1(x)))
        x = self.pool2(self.relu(self.conv2(x)))
        x = self.pool3(x)
        return self.fc(x.view(-1, 16 * 9))


class Factored(nn.Module):
    """R(2+1)D: space, then time; pooled by a mean over all three."""

    def __init__(self):
        super().__init__()
        self.spatial = nn.Conv3d(3, 12, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
        self.bn1, self.temporal = (
            nn.BatchNorm3d(12),
            nn.Conv3d(12, 16, (3, 1, 1), padding=(1, 0, 0), bias=False),
        )
        self.bn2, self.se = (
            nn.BatchNorm3d(16),
            nn.Sequential(
                nn.AdaptiveAvgPool3d(1), nn.Conv3d(16, 4, 1), nn.ReLU(), nn.Conv3d(4, 16, 1), nn.Sigmoid()
            ),
        )
        self.head = nn.Linear(16, 6)

    def forward(self, x):
        x = F.relu(self.bn1(self.spatial(x)))
        x = F.relu(self.bn2(self.temporal(x)))
        x = x * self.se(x)
        return self.head(x.mean([-3, -2, -1]))


class Shifted(nn.Module):
    """TSM: an eighth of the channels moved to the frame before, an eighth to the one behind, in images of a clip."""

    def __init__(self, segments=4, fold_div=4):
        super().__init__()
        self.segments, self.fold_div = segments, fold_div
        self.stem, self.conv, self.fc = (
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.Conv2d(16, 16, 3, 1, 1),
            nn.Linear(16, 5),
        )

    def shift(self, x):
        nt, c, h, w = x.size()
        x = x.view(nt // self.segments, self.segments, c, h, w)
        fold = c // self.fold_div
        out = torch.zeros_like(x)
        out[:, :-1, :fold] = x[:, 1:, :fold]
        out[:, 1:, fold : 2 * fold] = x[:, :-1, fold : 2 * fold]
        out[:, :, 2 * fold :] = x[:, :, 2 * fold :]
        return out.view(nt, c, h, w)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = x + F.relu(self.conv(self.shift(x)))
        x = self.fc(x.mean((2, 3)))
        return x.view((-1, self.segments) + x.size()[1:]).mean(dim=1)


class SlowFast(nn.Module):
    """Every fourth frame in one path, all in the other, joined by a convolution with a stride in time."""

    def __init__(self, alpha=4):
        super().__init__()
        self.alpha = alpha
        self.slow, self.fast = (
            nn.Conv3d(3, 16, (1, 5, 5), (1, 2, 2), (0, 2, 2)),
            nn.Conv3d(3, 4, (5, 5, 5), (1, 2, 2), (2, 2, 2)),
        )
        self.lateral = nn.Conv3d(4, 8, (5, 1, 1), (alpha, 1, 1), (2, 0, 0))
        self.res, self.proj = nn.Conv3d(24, 16, 1), nn.Linear(20, 7)

    def forward(self, frames):
        slow = F.relu(self.slow(frames[:, :, :: self.alpha]))
        fast = F.relu(self.fast(frames))
        slow = F.relu(self.res(torch.cat([slow, self.lateral(fast)], dim=1)))
        pooled = [F.adaptive_avg_pool3d(p, 1) for p in (slow, fast)]
        return self.proj(torch.cat(pooled, 1).flatten(1)).softmax(1)


class ConvLSTM(nn.Module):
    """A cell of convolutions unrolled over the frames; gives all hidden maps and the last cell."""

    def __init__(self, hidden=8):
        super().__init__()
        self.hidden, self.conv = hidden, nn.Conv2d(3 + hidden, 4 * hidden, 3, padding=1)

    def forward(self, input_tensor):
        b, seq_len, _, h, w = input_tensor.size()
        hid, cell = torch.zeros(b, self.hidden, h, w), torch.zeros(b, self.hidden, h, w)
        output_inner = []
        for t in range(seq_len):
            combined = self.conv(torch.cat([input_tensor[:, t, :, :, :], hid], dim=1))
            cc_i, cc_f, cc_o, cc_g = torch.split(combined, self.hidden, dim=1)
            cell = torch.sigmoid(cc_f) * cell + torch.sigmoid(cc_i) * torch.tanh(cc_g)
            hid = torch.sigmoid(cc_o) * torch.tanh(cell)
            output_inner.append(hid)
        return torch.stack(output_inner, dim=1), (hid, cell)


class DividedAttention(nn.Module):
    """TimeSformer: tokens attend over time, then over space; ranks change by reshape and einsum."""

    def __init__(self, dim=24, heads=3, frames=3):
        super().__init__()
        self.to_patch, self.heads, self.frames = nn.Linear(3 * 8 * 8, dim), heads, frames
        self.cls, self.pos = (
            nn.Parameter(torch.randn(1, dim)),
            nn.Parameter(torch.randn(1, frames * 4, dim) * 0.1),
        )
        self.qkv, self.out = (
            nn.ModuleList(nn.Linear(dim, 3 * dim, bias=False) for _ in range(2)),
            nn.Linear(dim, 5),
        )

    def attend(self, qkv, x):
        b, n, c = x.shape
        q, k, v = (t.reshape(b, n, self.heads, -1).transpose(1, 2) for t in qkv(x).chunk(3, dim=-1))
        sim = torch.einsum("bhid,bhjd->bhij", q * (c // self.heads) ** -0.5, k)
        return torch.einsum("bhij,bhjd->bhid", sim.softmax(-1), v).transpose(1, 2).reshape(b, n, c)

    def forward(self, video):
        b, f, c, h, w = video.shape
        x = (
            video.reshape(b, f, c, h // 8, 8, w // 8, 8)
            .permute(0, 1, 3, 5, 4, 6, 2)
            .reshape(b, -1, 8 * 8 * c)
        )
        x = self.to_patch(x) + self.pos
        n, d = x.shape[1] // f, x.shape[2]
        t = x.reshape(b, f, n, d).permute(0, 2, 1, 3).reshape(b * n, f, d)
        x = x + self.attend(self.qkv[0], t).reshape(b, n, f, d).permute(0, 2, 1, 3).reshape(b, f * n, d)
        x = x + self.attend(self.qkv[1], x.reshape(b * f, n, d)).reshape(b, f * n, d)
        return self.out(x.mean(1) + self.cls)


NETWORKS = rows(
    "video",
    {
        "convolved_3d": (Convolved3d, numbers("clip", 1, 3, 4, 16, 16)),
        "factored": (Factored, numbers("clip", 1, 3, 6, 16, 16)),
        "shifted": (Shifted, image(24, batch=4, name="frames")),
        "slow_fast": (SlowFast, numbers("frames", 1, 3, 8, 16, 16)),
        "conv_lstm": (ConvLSTM, numbers("frames", 1, 4, 3, 12, 12)),
        "divided_attention": (DividedAttention, numbers("video", 1, 3, 3, 16, 16)),
    },
)
