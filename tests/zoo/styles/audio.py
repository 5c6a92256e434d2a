"""Sound: waves and spectrograms."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..table import numbers, rows


class CausalDilated(nn.Module):
    """WaveNet: convolutions that see the past alone, gates of tanh and sigmoid, and a sum of skips."""

    def __init__(self, ch=12, dilations=(1, 2, 4)):
        super().__init__()
        self.dilations, self.start = dilations, nn.Conv1d(1, ch, 1)
        self.filters = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv1d(ch, 2 * ch, 2, dilation=d)) for d in dilations
        )
        self.skips, self.residuals = (
            nn.ModuleList(nn.Conv1d(ch, ch, 1) for _ in dilations) for _ in range(2)
        )
        self.end = nn.Conv1d(ch, 8, 1)

    def forward(self, x):
        x, skip = self.start(x), 0
        for dilation, conv, to_skip, to_res in zip(self.dilations, self.filters, self.skips, self.residuals):
            y = conv(F.pad(x, (dilation, 0)))
            a, b = y.chunk(2, dim=1)
            y = torch.tanh(a) * torch.sigmoid(b)
            skip = skip + to_skip(y)
            x = x + to_res(y)
        return self.end(F.relu(skip))


class Keywords(nn.Module):
    """DS-CNN over a log-mel spectrogram, whose shape is added in forward, with an odd stride and pooling by a kernel."""

    def __init__(self, classes=12):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 16, (10, 4), (2, 2), (5, 1), bias=False), nn.BatchNorm2d(16)
        self.dw, self.pw = nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.Conv2d(16, 16, 1, bias=False)
        self.bn2, self.bn3 = nn.BatchNorm2d(16), nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, classes)

    def forward(self, mel):
        x = mel.unsqueeze(1)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn3(self.pw(F.relu(self.bn2(self.dw(x))))))
        x = F.avg_pool2d(x, kernel_size=x.shape[2:])
        return self.fc(x.squeeze(-1).squeeze(-1))


class Conformer(nn.Module):
    """Half a feed-forward, attention with relative positions by padding and shifting, a gated convolution, half again."""

    def __init__(self, d=16, heads=2):
        super().__init__()
        self.ff1, self.ff2 = (
            nn.Sequential(
                nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.SiLU(), nn.Dropout(0.1), nn.Linear(2 * d, d)
            )
            for _ in range(2)
        )
        self.norm, self.heads, self.pos_proj, self.out = (
            nn.LayerNorm(d),
            heads,
            nn.Linear(d, d, bias=False),
            nn.Linear(d, d),
        )
        self.q, self.k, self.v = (nn.Linear(d, d) for _ in range(3))
        self.u, self.w = (nn.Parameter(torch.randn(heads, d // heads) * 0.1) for _ in range(2))
        self.pre, self.pw1, self.dw = (
            nn.LayerNorm(d),
            nn.Conv1d(d, 2 * d, 1),
            nn.Conv1d(d, d, 7, padding=3, groups=d),
        )
        self.bn, self.pw2, self.final = nn.BatchNorm1d(d), nn.Conv1d(d, d, 1), nn.LayerNorm(d)

    def attend(self, x):
        b, t, d = x.shape
        pos = torch.arange(t - 1, -1, -1.0).unsqueeze(1)
        div = torch.exp(torch.arange(0, d, 2).float() * -(math.log(10000.0) / d))
        pe = torch.zeros(t, d)
        pe[:, 0::2] = torch.sin(pos * div)
        pe[:, 1::2] = torch.cos(pos * div)
        q = self.q(x).view(b, t, self.heads, -1)
        k, v = (layer(x).view(b, t, self.heads, -1).transpose(1, 2) for layer in (self.k, self.v))
        p = self.pos_proj(pe).view(1, t, self.heads, -1).transpose(1, 2)
        content = torch.matmul((q + self.u).transpose(1, 2), k.transpose(2, 3))
        bd = torch.matmul((q + self.w).transpose(1, 2), p.transpose(2, 3))
        zeros = bd.new_zeros(b, self.heads, t, 1)
        bd = torch.cat([zeros, bd], dim=-1).view(b, self.heads, t + 1, t)[:, :, 1:].view_as(bd)
        attn = torch.softmax((content + bd) / math.sqrt(d // self.heads), -1)
        return self.out(torch.matmul(attn, v).transpose(1, 2).contiguous().view(b, t, d))

    def forward(self, x):
        x = x + 0.5 * self.ff1(x)
        x = x + self.attend(self.norm(x))
        y = F.glu(self.pw1(self.pre(x).transpose(1, 2)), dim=1)
        x = x + self.pw2(F.silu(self.bn(self.dw(y)))).transpose(1, 2)
        return self.final(x + 0.5 * self.ff2(x))


class Separation(nn.Module):
    """Conv-TasNet: a learned basis, masks for two speakers with a global norm, and the basis back to waves."""

    def __init__(self, n=16, speakers=2):
        super().__init__()
        self.n, self.speakers = n, speakers
        self.encoder, self.decoder = (
            nn.Conv1d(1, n, 16, 8, bias=False),
            nn.ConvTranspose1d(n, 1, 16, stride=8, bias=False),
        )
        self.gamma, self.beta = nn.Parameter(torch.ones(1, n, 1)), nn.Parameter(torch.zeros(1, n, 1))
        self.net = nn.Sequential(
            nn.Conv1d(n, n, 3, padding=2, dilation=2, groups=n), nn.PReLU(), nn.Conv1d(n, speakers * n, 1)
        )

    def forward(self, mixture):
        w = F.relu(self.encoder(mixture.unsqueeze(1)))
        mean = w.mean(dim=(1, 2), keepdim=True)
        var = torch.pow(w - mean, 2).mean(dim=(1, 2), keepdim=True)
        y = self.gamma * (w - mean) / torch.pow(var + 1e-8, 0.5) + self.beta
        mask = F.relu(self.net(y)).view(1, self.speakers, self.n, -1)
        sources = w.unsqueeze(1) * mask
        return self.decoder(sources.view(self.speakers, self.n, -1)).view(1, self.speakers, -1)


class FilterBank(nn.Module):
    """A wave windowed by strided convolutions with sines and cosines, to mel bands and decibels."""

    def __init__(self, n_fft=32, hop=16, mels=8):
        super().__init__()
        n, k = torch.arange(n_fft), torch.arange(n_fft // 2 + 1)[:, None]
        window = torch.hann_window(n_fft)
        self.register_buffer("real", (torch.cos(2 * math.pi * k * n / n_fft) * window).unsqueeze(1))
        self.register_buffer("imag", (-torch.sin(2 * math.pi * k * n / n_fft) * window).unsqueeze(1))
        self.register_buffer("fb", torch.rand(n_fft // 2 + 1, mels))
        self.n_fft, self.hop, self.conv = n_fft, hop, nn.Conv1d(mels, 5, 3)

    def forward(self, wave):
        x = F.pad(wave.unsqueeze(1), (self.n_fft // 2, self.n_fft // 2), mode="reflect")
        power = F.conv1d(x, self.real, stride=self.hop) ** 2 + F.conv1d(x, self.imag, stride=self.hop) ** 2
        mel = torch.matmul(power.transpose(1, 2), self.fb).transpose(1, 2)
        db = 10.0 * torch.log10(torch.clamp(mel, min=1e-10))
        db = torch.maximum(db, db.amax(dim=(1, 2), keepdim=True) - 80.0)
        return self.conv((db + 40) / 40)


class Spectrum(nn.Module):
    """A spectrogram by torch.stft inside the model, and convolutions over its magnitudes."""

    def __init__(self, n_fft=32):
        super().__init__()
        self.n_fft, self.conv, self.fc = n_fft, nn.Conv2d(1, 8, 3, 2, 1), nn.Linear(8, 4)
        self.register_buffer("window", torch.hann_window(n_fft))

    def forward(self, wave):
        spec = torch.stft(wave, self.n_fft, hop_length=8, window=self.window, return_complex=True)
        x = torch.log1p(spec.abs()).unsqueeze(1)
        return self.fc(F.relu(self.conv(x)).mean((2, 3)))


class Speaker(nn.Module):
    """An x-vector: convolutions in time, mean and deviation over it, and Snake activations x + sin(ax)^2 / a."""

    def __init__(self, feats=10, c=16):
        super().__init__()
        self.tdnn = nn.ModuleList([nn.Conv1d(feats, c, 5, dilation=1), nn.Conv1d(c, c, 3, dilation=2)])
        self.alpha, self.bn, self.fc = (
            nn.Parameter(torch.ones(1, c, 1)),
            nn.BatchNorm1d(2 * c),
            nn.Linear(2 * c, 12),
        )

    def forward(self, x):
        for conv in self.tdnn:
            x = conv(x)
            x = x + (self.alpha + 1e-9).reciprocal() * torch.sin(self.alpha * x).pow(2)
        mean, std = torch.mean(x, dim=2), torch.std(x, dim=2)
        x = self.fc(self.bn(torch.cat([mean, std], dim=1)))
        return x / x.norm(p=2, dim=-1, keepdim=True).clamp(min=1e-12)


NETWORKS = rows(
    "audio",
    {
        "causal_dilated": (CausalDilated, numbers("wave", 1, 1, 48)),
        "keywords": (Keywords, numbers("mel", 1, 32, 20)),
        "conformer": (Conformer, numbers("x", 1, 10, 16)),
        "separation": (Separation, numbers("mixture", 1, 128)),
        "filter_bank": (FilterBank, numbers("wave", 1, 128)),
        "spectrum": (Spectrum, numbers("wave", 1, 64)),
        "speaker": (Speaker, numbers("x", 1, 10, 24)),
    },
)
