"""Attention over pixels, channels and windows."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


class Stem(nn.Module):
    """A convolution of stride 2, a layer, and a mean: what the layers below are seen in."""

    def __init__(self, layer, dim=16, classes=5):
        super().__init__()
        self.stem, self.layer = (
            nn.Sequential(nn.Conv2d(3, dim, 3, 2, 1), nn.BatchNorm2d(dim), nn.ReLU()),
            layer,
        )
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        return self.head(self.layer(self.stem(x)).mean((2, 3)))


class Cbam(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(dim, 4), nn.ReLU(), nn.Linear(4, dim))
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        avg = F.avg_pool2d(x, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3)))
        top = F.max_pool2d(x, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3)))
        scale = torch.sigmoid(self.mlp(avg) + self.mlp(top)).unsqueeze(2).unsqueeze(3).expand_as(x)
        x = x * scale
        pooled = torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)
        return x * torch.sigmoid(self.spatial(pooled))


class Coordinates(nn.Module):
    """Coordinate attention: rows and columns pooled, joined, convolved, split again."""

    def __init__(self, dim=16, mid=8):
        super().__init__()
        self.pool_h, self.pool_w = nn.AdaptiveAvgPool2d((None, 1)), nn.AdaptiveAvgPool2d((1, None))
        self.conv1, self.bn1, self.act = nn.Conv2d(dim, mid, 1), nn.BatchNorm2d(mid), nn.Hardswish()
        self.conv_h, self.conv_w = nn.Conv2d(mid, dim, 1), nn.Conv2d(mid, dim, 1)

    def forward(self, x):
        n, c, h, w = x.size()
        x_h, x_w = self.pool_h(x), self.pool_w(x).permute(0, 1, 3, 2)
        y = self.act(self.bn1(self.conv1(torch.cat([x_h, x_w], dim=2))))
        x_h, x_w = torch.split(y, [h, w], dim=2)
        return x * self.conv_w(x_w.permute(0, 1, 3, 2)).sigmoid() * self.conv_h(x_h).sigmoid()


class NonLocal(nn.Module):
    """Every pixel with every pixel, keys pooled; the last batch norm begins at zero."""

    def __init__(self, dim=16):
        super().__init__()
        self.inter = dim // 2
        self.g = nn.Sequential(nn.Conv2d(dim, self.inter, 1), nn.MaxPool2d(kernel_size=(2, 2)))
        self.phi = nn.Sequential(nn.Conv2d(dim, self.inter, 1), nn.MaxPool2d(kernel_size=(2, 2)))
        self.theta, self.W = (
            nn.Conv2d(dim, self.inter, 1),
            nn.Sequential(nn.Conv2d(self.inter, dim, 1), nn.BatchNorm2d(dim)),
        )
        nn.init.constant_(self.W[1].weight, 0)

    def forward(self, x):
        batch = x.size(0)
        g_x = self.g(x).view(batch, self.inter, -1).permute(0, 2, 1)
        theta_x = self.theta(x).view(batch, self.inter, -1).permute(0, 2, 1)
        phi_x = self.phi(x).view(batch, self.inter, -1)
        f = torch.matmul(theta_x, phi_x)
        y = torch.matmul(f / f.size(-1), g_x).permute(0, 2, 1).contiguous()
        return self.W(y.view(batch, self.inter, *x.size()[2:])) + x


class SimAm(nn.Module):
    """SimAM: a gate without parameters by each pixel's distance from its channel's mean."""

    def forward(self, x):
        b, c, h, w = x.size()
        n = w * h - 1
        d = (x - x.mean(dim=[2, 3], keepdim=True)).pow(2)
        y = d / (4 * (d.sum(dim=[2, 3], keepdim=True) / n + 1e-4)) + 0.5
        return x * torch.sigmoid(y)


class ShiftedWindows(nn.Module):
    """Swin: windows of 4, moved by 2, with a table of relative positions and a mask where the border comes together."""

    def __init__(self, dim=16, size=(16, 16), window=4, shift=2, heads=2):
        super().__init__()
        self.window, self.shift, self.heads, self.size = window, shift, heads, size
        self.norm, self.qkv, self.proj = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads) * 0.1)
        coords = torch.stack(
            torch.meshgrid([torch.arange(window), torch.arange(window)], indexing="ij")
        ).flatten(1)
        relative = (coords[:, :, None] - coords[:, None, :]).permute(1, 2, 0).contiguous()
        relative += window - 1
        relative[:, :, 0] *= 2 * window - 1
        self.register_buffer("index", relative.sum(-1))
        img_mask, cnt = torch.zeros((1, *size, 1)), 0
        slices = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
        for h in slices:
            for w in slices:
                img_mask[:, h, w, :] = cnt
                cnt += 1
        mask = self.partition(img_mask).view(-1, window * window)
        mask = mask.unsqueeze(1) - mask.unsqueeze(2)
        self.register_buffer("attn_mask", mask.masked_fill(mask != 0, -100.0).masked_fill(mask == 0, 0.0))

    def partition(self, x):
        B, H, W, C = x.shape
        x = x.view(B, H // self.window, self.window, W // self.window, self.window, C)
        return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, self.window * self.window, C)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        shortcut, (B, H, W, C) = x, x.shape
        x = torch.roll(self.norm(x), shifts=(-self.shift, -self.shift), dims=(1, 2))
        x = self.partition(x)
        B_, N, _ = x.shape
        q, k, v = self.qkv(x).reshape(B_, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attn = (q * (C // self.heads) ** -0.5) @ k.transpose(-2, -1)
        bias = self.table[self.index.view(-1)].view(N, N, -1).permute(2, 0, 1).contiguous()
        attn = attn + bias.unsqueeze(0)
        nW = self.attn_mask.shape[0]
        attn = attn.view(B_ // nW, nW, self.heads, N, N) + self.attn_mask.unsqueeze(1).unsqueeze(0)
        attn = attn.view(-1, self.heads, N, N).softmax(-1)
        x = self.proj((attn @ v).transpose(1, 2).reshape(B_, N, C))
        x = (
            x.view(B, H // self.window, W // self.window, self.window, self.window, C)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(B, H, W, C)
        )
        x = shortcut + torch.roll(x, shifts=(self.shift, self.shift), dims=(1, 2))
        return x.permute(0, 3, 1, 2)


class Separable(nn.Module):
    """MobileViT: patches of 2 x 2 unfolded by reshapes, and attention of linear cost with one query."""

    def __init__(self, dim=16):
        super().__init__()
        self.dim, self.norm = dim, nn.GroupNorm(1, dim)
        self.qkv_proj, self.out_proj = nn.Conv2d(dim, 1 + 2 * dim, 1), nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        B, C, H, W = x.shape
        y = x.reshape(B, C, H // 2, 2, W // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(B, C, 4, H * W // 4)
        query, key, value = torch.split(self.qkv_proj(self.norm(y)), [1, self.dim, self.dim], dim=1)
        context_scores = F.softmax(query, dim=-1)
        context = (key * context_scores).sum(dim=-1, keepdim=True)
        y = y + self.out_proj(F.relu(value) * context.expand_as(value))
        return y.reshape(B, C, 2, 2, H // 2, W // 2).permute(0, 1, 4, 2, 5, 3).reshape(B, C, H, W)


class Routed(nn.Module):
    """BiFormer: regions choose the two regions that they attend to, by top-k and gather."""

    def __init__(self, dim=16, n_win=4, topk=2):
        super().__init__()
        self.dim, self.n_win, self.topk = dim, n_win, topk
        self.qkv, self.wo, self.lepe = (
            nn.Linear(dim, 3 * dim),
            nn.Linear(dim, dim),
            nn.Conv2d(dim, dim, 5, 1, 2, groups=dim),
        )

    def forward(self, x):
        n, c, H, W = x.shape
        h, w = H // self.n_win, W // self.n_win
        t = (
            x.permute(0, 2, 3, 1)
            .reshape(n, self.n_win, h, self.n_win, w, c)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(n, self.n_win**2, h * w, c)
        )
        q, k, v = self.qkv(t).chunk(3, dim=-1)
        attn_logit = (q.mean(2) * self.dim**-0.5) @ k.mean(2).transpose(-2, -1)
        _, idx = torch.topk(attn_logit, k=self.topk, dim=-1)
        p2, w2 = self.n_win**2, h * w
        index = idx.view(n, p2, self.topk, 1, 1).expand(-1, -1, -1, w2, c)
        k_sel = torch.gather(k.view(n, 1, p2, w2, c).expand(-1, p2, -1, -1, -1), dim=2, index=index).reshape(
            n, p2, -1, c
        )
        v_sel = torch.gather(v.view(n, 1, p2, w2, c).expand(-1, p2, -1, -1, -1), dim=2, index=index).reshape(
            n, p2, -1, c
        )
        out = ((q * self.dim**-0.5) @ k_sel.transpose(-2, -1)).softmax(dim=-1) @ v_sel
        out = out.reshape(n, self.n_win, self.n_win, h, w, c).permute(0, 1, 3, 2, 4, 5).reshape(n, H, W, c)
        return self.wo(out).permute(0, 3, 1, 2) + self.lepe(x)


class Neighbours(nn.Module):
    """Each pixel attends to the nine around it, taken by unfold."""

    def __init__(self, dim=16):
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(dim, dim, 1) for _ in range(3))
        self.bias = nn.Parameter(torch.zeros(1, 1, 9, 1))

    def forward(self, x):
        b, c, h, w = x.shape
        q = self.q(x).view(b, c, 1, h * w)
        k = F.unfold(self.k(x), kernel_size=3, padding=1).view(b, c, 9, h * w)
        v = F.unfold(self.v(x), kernel_size=3, padding=1).view(b, c, 9, h * w)
        attn = ((q * k).sum(1, keepdim=True) * c**-0.5 + self.bias).softmax(2)
        return x + (attn * v).sum(2).view(b, c, h, w)


NETWORKS = rows(
    "attention",
    {
        "cbam": (lambda: Stem(Cbam()), image(24)),
        "coordinates": (lambda: Stem(Coordinates()), image(32, 24)),
        "non_local": (lambda: Stem(NonLocal()), image(16)),
        "sim_am": (lambda: Stem(SimAm()), image(32)),
        "shifted_windows": (lambda: Stem(ShiftedWindows()), image(32)),
        "separable": (lambda: Stem(Separable()), image(32)),
        "routed": (lambda: Stem(Routed()), image(32)),
        "neighbours": (lambda: Stem(Neighbours()), image(24)),
    },
)
