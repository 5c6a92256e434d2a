"""Networks that make images."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, numbers, rows, whole


class Dcgan(nn.Module):
    """Noise through transposed convolutions to an image between -1 and 1."""

    def __init__(self, nz=16, ngf=8):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 4, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(z.view(z.size(0), -1, 1, 1))


class ModulatedConv(nn.Module):
    """StyleGAN2: the style scales the kernel, which is normalized, and is convolved as a group."""

    def __init__(self, inp, out, style_dim, demodulate=True, upsample=False):
        super().__init__()
        self.weight, self.demodulate, self.upsample = (
            nn.Parameter(torch.randn(1, out, inp, 3, 3)),
            demodulate,
            upsample,
        )
        self.modulation, self.scale = nn.Linear(style_dim, inp), 1 / math.sqrt(inp * 9)
        nn.init.ones_(self.modulation.bias)

    def forward(self, x, style):
        batch, inp, height, width = x.shape
        style = self.modulation(style).view(batch, 1, inp, 1, 1)
        weight = self.scale * self.weight * style
        if self.demodulate:
            demod = torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + 1e-8)
            weight = weight * demod.view(batch, -1, 1, 1, 1)
        if self.upsample:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            height, width = x.shape[2:]
        weight = weight.view(-1, inp, 3, 3)
        x = F.conv2d(x.reshape(1, batch * inp, height, width), weight, padding=1, groups=batch)
        return x.view(batch, -1, height, width)


class Styles(nn.Module):
    """A mapping of normalized noise, and two modulated convolutions over a learned constant with fixed noise."""

    def __init__(self, dim=12):
        super().__init__()
        self.mapping = nn.ModuleList(nn.Linear(dim, dim) for _ in range(2))
        self.constant, self.noise = nn.Parameter(torch.randn(1, 8, 4, 4)), nn.Parameter(torch.zeros(1) + 0.1)
        self.conv1, self.conv2, self.to_rgb = (
            ModulatedConv(8, 8, dim),
            ModulatedConv(8, 8, dim, upsample=True),
            ModulatedConv(8, 3, dim, False),
        )
        self.register_buffer("noise_map", torch.randn(1, 1, 8, 8))

    def forward(self, z):
        w = z * torch.rsqrt(torch.mean(z**2, dim=1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            w = F.leaky_relu(layer(w), 0.2) * math.sqrt(2)
        x = self.constant.repeat(z.shape[0], 1, 1, 1)
        x = F.leaky_relu(self.conv1(x, w), 0.2)
        x = F.leaky_relu(self.conv2(x, w) + self.noise * self.noise_map, 0.2)
        return self.to_rgb(x, w)


class ResBlock(nn.Module):
    def __init__(self, inp, out, emb):
        super().__init__()
        self.norm1, self.conv1, self.emb = (
            nn.GroupNorm(4, inp),
            nn.Conv2d(inp, out, 3, padding=1),
            nn.Linear(emb, 2 * out),
        )
        self.norm2, self.conv2 = nn.GroupNorm(4, out, eps=1e-6), nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(inp, out, 1) if inp != out else nn.Identity()

    def forward(self, x, t):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb(F.silu(t))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class Denoiser(nn.Module):
    """A diffusion U-Net: the step's sine and cosine embedding scales and shifts; attention at the bottom."""

    def __init__(self, ch=8):
        super().__init__()
        self.ch, self.time_embed = (
            ch,
            nn.Sequential(nn.Linear(ch, 4 * ch), nn.SiLU(), nn.Linear(4 * ch, 4 * ch)),
        )
        self.conv_in, self.down = (
            nn.Conv2d(3, ch, 3, padding=1),
            nn.Conv2d(ch, 2 * ch, 3, stride=2, padding=1),
        )
        self.mid, self.norm, self.qkv = (
            ResBlock(2 * ch, 2 * ch, 4 * ch),
            nn.GroupNorm(4, 2 * ch),
            nn.Conv1d(2 * ch, 6 * ch, 1),
        )
        self.up, self.conv_out = (
            ResBlock(3 * ch, ch, 4 * ch),
            nn.Sequential(nn.GroupNorm(4, ch), nn.SiLU(), nn.Conv2d(ch, 3, 3, padding=1)),
        )

    def timestep_embedding(self, timesteps, max_period=10000):
        half = self.ch // 2
        freqs = torch.exp(-math.log(max_period) * torch.arange(start=0, end=half, dtype=torch.float32) / half)
        args = timesteps[:, None].float() * freqs[None]
        return torch.cat([torch.cos(args), torch.sin(args)], dim=-1)

    def forward(self, x, timesteps):
        emb = self.time_embed(self.timestep_embedding(timesteps))
        skip = self.conv_in(x)
        h = self.mid(self.down(skip), emb)
        b, c, *spatial = h.shape
        flat = h.reshape(b, c, -1)
        q, k, v = self.qkv(self.norm(flat)).chunk(3, dim=1)
        scale = 1 / math.sqrt(math.sqrt(c))
        weight = torch.einsum("bct,bcs->bts", q * scale, k * scale).softmax(dim=-1)
        h = (flat + torch.einsum("bts,bcs->bct", weight, v)).reshape(b, c, *spatial)
        h = F.interpolate(h, scale_factor=2, mode="nearest")
        return self.conv_out(self.up(torch.cat([h, skip], dim=1), emb))


class Codebook(nn.Module):
    """VQ-VAE: every place is the nearest entry of a codebook; gives the image, the codes and their distance."""

    def __init__(self, codes=24, dim=8):
        super().__init__()
        self.encoder, self.embedding = (
            nn.Sequential(nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, dim, 4, 2, 1)),
            nn.Embedding(codes, dim),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(dim, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1)
        )

    def forward(self, x):
        inputs = self.encoder(x).permute(0, 2, 3, 1).contiguous()
        flat = inputs.view(-1, inputs.shape[-1])
        distances = (
            torch.sum(flat**2, dim=1, keepdim=True)
            + torch.sum(self.embedding.weight**2, dim=1)
            - 2 * torch.matmul(flat, self.embedding.weight.t())
        )
        indices = torch.argmin(distances, dim=1).unsqueeze(1)
        encodings = torch.zeros(indices.shape[0], self.embedding.num_embeddings)
        encodings.scatter_(1, indices, 1)
        quantized = torch.matmul(encodings, self.embedding.weight).view(inputs.shape)
        loss = F.mse_loss(quantized, inputs)
        quantized = inputs + (quantized - inputs).detach()
        return self.decoder(quantized.permute(0, 3, 1, 2).contiguous()), indices.view(inputs.shape[:-1]), loss


class StyleTransfer(nn.Module):
    """CycleGAN's generator, and one image given the mean and deviation of another's features."""

    def __init__(self, c=8):
        super().__init__()
        self.enc = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, c, 7),
            nn.InstanceNorm2d(c),
            nn.ReLU(True),
            nn.Conv2d(c, 2 * c, 3, 2, 1),
            nn.InstanceNorm2d(2 * c),
            nn.ReLU(True),
        )
        self.res = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(2 * c, 2 * c, 3), nn.InstanceNorm2d(2 * c, affine=True)
        )
        self.dec = nn.Sequential(
            nn.ConvTranspose2d(2 * c, c, 3, 2, 1, output_padding=1),
            nn.ReLU(True),
            nn.ReplicationPad2d(3),
            nn.Conv2d(c, 3, 7),
            nn.Tanh(),
        )

    @staticmethod
    def mean_std(feat, eps=1e-5):
        n, c = feat.size()[:2]
        var = feat.view(n, c, -1).var(dim=2) + eps
        return feat.view(n, c, -1).mean(dim=2).view(n, c, 1, 1), var.sqrt().view(n, c, 1, 1)

    def forward(self, content, style):
        content, style = self.enc(content), self.enc(style)
        (mean_c, std_c), (mean_s, std_s) = self.mean_std(content), self.mean_std(style)
        t = (content - mean_c.expand_as(content)) / std_c.expand_as(content) * std_s + mean_s
        return self.dec(t + self.res(t))


class Coupling(nn.Module):
    """RealNVP: half of the channels scale and shift the others, squeezed and mixed by 1x1; gives the log determinant."""

    def __init__(self, c=12):
        super().__init__()
        q, _ = torch.linalg.qr(torch.randn(c, c))
        self.mix, self.logs, self.bias = (
            nn.Parameter(q),
            nn.Parameter(torch.zeros(1, c, 1, 1)),
            nn.Parameter(torch.zeros(1, c, 1, 1)),
        )
        self.net = nn.Sequential(
            nn.Conv2d(c // 2, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 1),
            nn.ReLU(),
            nn.Conv2d(16, c, 3, padding=1),
        )

    def forward(self, x):
        b, c, h, w = x.shape
        x = (
            x.view(b, c, h // 2, 2, w // 2, 2)
            .permute(0, 1, 3, 5, 2, 4)
            .contiguous()
            .view(b, c * 4, h // 2, w // 2)
        )
        x = (x + self.bias) * torch.exp(self.logs)
        logdet = torch.sum(self.logs) * h * w / 4
        x = F.conv2d(x, self.mix.unsqueeze(-1).unsqueeze(-1))
        a, z = x.chunk(2, 1)
        net = self.net(a)
        shift, scale = net[:, 0::2, ...], torch.sigmoid(net[:, 1::2, ...] + 2.0)
        z = (z + shift) * scale
        logdet = logdet + torch.log(scale).sum(dim=(1, 2, 3))
        return torch.cat([a, z], dim=1), logdet


NETWORKS = rows(
    "generative",
    {
        "dcgan": (Dcgan, numbers("z", 1, 16)),
        "styles": (Styles, numbers("z", 1, 12)),
        "denoiser": (Denoiser, numbers("x", 1, 3, 16, 16), whole("timesteps", 1, below=1000)),
        "codebook": (Codebook, image(16)),
        "style_transfer": (StyleTransfer, image(16, name="content"), image(16, name="style")),
        "coupling": (Coupling, image(12)),
    },
)
