"""Networks trained with rounding inside: fake quantization and its relatives."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


class FakeQuantized(nn.Module):
    """Weights and activations through PyTorch's fake quantization, by tensor and by channel."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = (
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.Conv2d(8, 16, 3, 2, 1),
            nn.Linear(16, 10),
        )
        self.register_buffer("scale", torch.tensor(0.02))
        self.register_buffer("zero_point", torch.tensor(0, dtype=torch.int32))

    def quantized(self, weight):
        scales = weight.abs().amax((1, 2, 3)) / 127
        return torch.fake_quantize_per_channel_affine(
            weight, scales, torch.zeros(len(scales), dtype=torch.int32), 0, -128, 127
        )

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.quantized(self.conv1.weight), self.conv1.bias, 2, 1))
        x = torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, 0, 255)
        x = F.relu(F.conv2d(x, self.quantized(self.conv2.weight), self.conv2.bias, 2, 1))
        x = torch.fake_quantize_per_tensor_affine(x, 0.05, 0, 0, 255)
        return self.fc(x.mean((2, 3)))


class LearnedStep(nn.Module):
    """LSQ: round with a gradient that passes through, written with detach."""

    def __init__(self, bits=8):
        super().__init__()
        self.qn, self.qp = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        self.conv, self.fc = nn.Conv2d(3, 12, 3, 2, 1), nn.Linear(12, 6)
        self.weight_step, self.act_step = nn.Parameter(torch.tensor(0.01)), nn.Parameter(torch.tensor(0.05))

    @staticmethod
    def round_pass(x):
        return (x.round() - x).detach() + x

    @staticmethod
    def grad_scale(x, scale):
        return (x - x * scale).detach() + x * scale

    def quantize(self, x, step, low, high):
        s = self.grad_scale(step, 1.0 / ((high * x.numel()) ** 0.5))
        return self.round_pass(torch.clamp(x / s, low, high)) * s

    def forward(self, x):
        w = self.quantize(self.conv.weight, self.weight_step, self.qn, self.qp)
        x = F.relu(F.conv2d(x, w, self.conv.bias, stride=2, padding=1))
        x = self.quantize(x, self.act_step, 0, 2 * self.qp + 1)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Binary(nn.Module):
    """XNOR-Net: signs of activations and weights, scaled by the mean magnitude of each filter, with RPReLU."""

    def __init__(self, c=16):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, c, 3, 2, 1), nn.BatchNorm2d(c)
        self.weight, self.bn1 = nn.Parameter(torch.rand(c, c, 3, 3) * 0.2 - 0.1), nn.BatchNorm2d(c)
        self.shift, self.bias0, self.bias1 = (nn.Parameter(torch.zeros(1, c, 1, 1)) for _ in range(3))
        self.prelu, self.fc = nn.PReLU(c), nn.Linear(c, 4)

    def forward(self, x):
        x = self.bn(self.stem(x))
        scaling = torch.mean(
            torch.mean(torch.mean(abs(self.weight), dim=3, keepdim=True), dim=2, keepdim=True),
            dim=1,
            keepdim=True,
        )
        binary = (scaling * torch.sign(self.weight)).detach()
        y = torch.sign(x + self.shift)
        y = self.bn1(F.conv2d(y, binary, padding=1)) + x
        y = self.prelu(y + self.bias0) + self.bias1
        return self.fc(y.mean((2, 3)))


class Dorefa(nn.Module):
    """DoReFa: weights squeezed by tanh to a few levels, activations cut to 0..1 and rounded."""

    def __init__(self, bits=4):
        super().__init__()
        self.n = float(2**bits - 1)
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 8, 5, 2, 2), nn.Conv2d(8, 8, 3, 2, 1), nn.Linear(8, 5)

    def weights(self, w):
        w = torch.tanh(w)
        w = w / 2 / torch.max(torch.abs(w)) + 0.5
        return 2 * torch.round(w * self.n) / self.n - 1

    def forward(self, x):
        x = torch.clamp(self.conv1(x), 0, 1)
        x = torch.round(x * self.n) / self.n
        x = F.conv2d(x, self.weights(self.conv2.weight), self.conv2.bias, 2, 1)
        return self.fc(F.relu(x).flatten(2).mean(2))


class FloatingBlocks(nn.Module):
    """Numbers to the nearest power of two, and blocks that share an exponent, by log2, floor and exp2."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 8)

    @staticmethod
    def power_of_two(w):
        return torch.sign(w) * torch.exp2(torch.round(torch.log2(w.abs().clamp(min=2**-8))))

    def forward(self, x):
        x = self.conv(x).flatten(2).transpose(1, 2)
        shared = torch.floor(torch.log2(x.abs().amax(-1, keepdim=True) + 1e-8))
        scale = torch.pow(2.0, shared - 6)
        x = torch.clamp(torch.floor(x / scale + 0.5), -128, 127) * scale
        return F.linear(x, self.power_of_two(self.fc.weight), self.fc.bias)


NETWORKS = rows(
    "quantization",
    {
        "fake_quantized": (FakeQuantized, image(32)),
        "learned_step": (LearnedStep, image(24)),
        "binary": (Binary, image(32)),
        "dorefa": (Dorefa, image(32)),
        "floating_blocks": (FloatingBlocks, image(16)),
    },
)
