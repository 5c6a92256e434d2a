"""Normalizations that networks write themselves, and weights that are normalized."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


class FilterResponse(nn.Module):
    """FRN with a threshold that is learned, and no mean."""

    def __init__(self, c):
        super().__init__()
        self.gamma, self.beta, self.tau = (
            nn.Parameter(torch.full((1, c, 1, 1), v)) for v in (1.0, 0.0, -0.5)
        )
        self.eps = nn.Parameter(torch.tensor([1e-6]), requires_grad=False)

    def forward(self, x):
        nu2 = torch.mean(x.pow(2), dim=[2, 3], keepdim=True)
        x = x * torch.rsqrt(nu2 + torch.abs(self.eps))
        return torch.max(self.gamma * x + self.beta, self.tau)


class Switchable(nn.Module):
    """Statistics of instances, layers and batches, weighed against one another by a softmax."""

    def __init__(self, c, eps=1e-5):
        super().__init__()
        self.eps, self.mean_weight, self.var_weight = (
            eps,
            nn.Parameter(torch.ones(3)),
            nn.Parameter(torch.ones(3)),
        )
        self.weight, self.bias = nn.Parameter(torch.ones(1, c, 1, 1)), nn.Parameter(torch.zeros(1, c, 1, 1))
        self.register_buffer("running_mean", torch.zeros(1, c, 1))
        self.register_buffer("running_var", torch.ones(1, c, 1))

    def forward(self, x):
        N, C, H, W = x.size()
        x = x.view(N, C, -1)
        mean_in, var_in = x.mean(-1, keepdim=True), x.var(-1, keepdim=True)
        temp = var_in + mean_in**2
        mean_ln = mean_in.mean(1, keepdim=True)
        var_ln = temp.mean(1, keepdim=True) - mean_ln**2
        m, v = F.softmax(self.mean_weight, 0), F.softmax(self.var_weight, 0)
        mean = m[0] * mean_in + m[1] * mean_ln + m[2] * self.running_mean
        var = v[0] * var_in + v[1] * var_ln + v[2] * self.running_var
        x = (x - mean) / (var + self.eps).sqrt()
        return x.view(N, C, H, W) * self.weight + self.bias


class OwnNorms(nn.Module):
    """Filter response, switchable, and a batch and an instance norm mixed by a gate."""

    def __init__(self, c=8):
        super().__init__()
        self.conv1, self.frn, self.conv2, self.sn = (
            nn.Conv2d(3, c, 3, 2, 1),
            FilterResponse(c),
            nn.Conv2d(c, c, 3, 1, 1),
            Switchable(c),
        )
        self.bn, self.inorm, self.gate = (
            nn.BatchNorm2d(c, affine=False),
            nn.InstanceNorm2d(c),
            nn.Parameter(torch.full((1, c, 1, 1), 0.7)),
        )
        self.head = nn.Conv2d(c, 3, 1)

    def forward(self, x):
        x = F.relu(self.sn(self.conv2(self.frn(self.conv1(x)))))
        gate = self.gate.clamp(0, 1)
        return self.head(gate * self.bn(x) + (1 - gate) * self.inorm(x))


class StandardizedConv2d(nn.Conv2d):
    """Each filter with mean 0 and variance 1, as BiT and NFNet compute it at every call."""

    def forward(self, x):
        w = self.weight
        v, m = torch.var_mean(w, dim=[1, 2, 3], keepdim=True, unbiased=False)
        w = (w - m) / torch.sqrt(v + 1e-10)
        return F.conv2d(x, w, self.bias, self.stride, self.padding, self.dilation, self.groups)


class NormalizedWeights(nn.Module):
    """Standardized, spectral and weight norm of convolutions, and a classifier by cosine."""

    def __init__(self):
        super().__init__()
        self.root, self.gn = StandardizedConv2d(3, 16, 7, 2, 3, bias=False), nn.GroupNorm(8, 16)
        self.sn = nn.utils.spectral_norm(nn.Conv2d(16, 16, 3, 1, 1))
        self.wn = nn.utils.weight_norm(nn.Conv2d(16, 12, 1))
        self.weight, self.s = nn.Parameter(torch.randn(5, 12)), 16.0

    def forward(self, x):
        x = F.relu(self.gn(self.root(x)))
        x = F.leaky_relu(self.sn(x), 0.2)
        x = self.wn(x).mean((2, 3))
        return self.s * F.linear(F.normalize(x), F.normalize(self.weight))


class LastChannel(nn.Module):
    """ConvNeXt V2 with channels last, a response norm over pixels, AlexNet's local norm, and power normalization."""

    def __init__(self, c=16):
        super().__init__()
        self.stem, self.lrn = (
            nn.Conv2d(3, c, 4, 4),
            nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=2.0),
        )
        self.dw, self.norm = nn.Conv2d(c, c, 7, padding=3, groups=c), nn.LayerNorm(c, eps=1e-6)
        self.pw1, self.pw2, self.gamma, self.beta = (
            nn.Linear(c, 32),
            nn.Linear(32, c),
            nn.Parameter(torch.zeros(1, 1, 1, 32)),
            nn.Parameter(torch.zeros(1, 1, 1, 32)),
        )

    def forward(self, x):
        x = self.lrn(F.relu(self.stem(x)))
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        y = F.gelu(self.pw1(y))
        Gx = torch.norm(y, p=2, dim=(1, 2), keepdim=True)
        Nx = Gx / (Gx.mean(dim=-1, keepdim=True) + 1e-6)
        y = self.gamma * (y * Nx) + self.beta + y
        x = x + self.pw2(y).permute(0, 3, 1, 2)
        pooled = x.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1.0 / 3)
        return torch.sign(pooled) * torch.sqrt(torch.abs(pooled) + 1e-8)


NETWORKS = rows(
    "normalizations",
    {
        "own_norms": (OwnNorms, image(16)),
        "normalized_weights": (NormalizedWeights, image(24)),
        "last_channel": (LastChannel, image(32)),
    },
)
