"""Two things compared: tracking, retrieval, matching, change."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, numbers, rows, whole


def small(out=16):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, out, 3, bias=False),
        nn.BatchNorm2d(out),
    )


class Tracker(nn.Module):
    """SiamRPN: the template's features are the kernel of a depthwise convolution over the search region's."""

    def __init__(self, anchors=3):
        super().__init__()
        self.backbone = small()
        self.cls, self.loc = nn.Conv2d(16, 2 * anchors, 1), nn.Conv2d(16, 4 * anchors, 1)

    @staticmethod
    def xcorr_depthwise(x, kernel):
        batch, channel = kernel.size(0), kernel.size(1)
        x = x.view(1, batch * channel, x.size(2), x.size(3))
        kernel = kernel.view(batch * channel, 1, kernel.size(2), kernel.size(3))
        out = F.conv2d(x, kernel, groups=batch * channel)
        return out.view(batch, channel, out.size(2), out.size(3))

    def forward(self, template, search):
        z, x = self.backbone(template), self.backbone(search)
        z = z[:, :, 1:-1, 1:-1]
        out = self.xcorr_depthwise(x, z) * 0.05
        return {"cls": self.cls(out), "loc": self.loc(out)}


class Triplet(nn.Module):
    """Embeddings of unit length and two distances between them."""

    def __init__(self):
        super().__init__()
        self.net, self.fc = small(12), nn.Linear(12, 8)

    def embed(self, x):
        return F.normalize(self.fc(self.net(x).mean((-1, -2))), p=2, dim=1)

    def forward(self, anchor, positive, negative):
        a, p, n = self.embed(anchor), self.embed(positive), self.embed(negative)
        return F.pairwise_distance(a, p, 2), torch.norm(a - n, dim=1), F.cosine_similarity(a, p)


class Towers(nn.Module):
    """CLIP: an image and texts, each with a tower; the text's is read at its end, which is its largest token."""

    def __init__(self, dim=24, vocab=40, context=6):
        super().__init__()
        self.conv1, self.visual_proj = (
            nn.Conv2d(3, dim, 8, 8, bias=False),
            nn.Parameter(torch.randn(dim, 16) * dim**-0.5),
        )
        self.token_embedding, self.positional_embedding = (
            nn.Embedding(vocab, dim),
            nn.Parameter(torch.randn(context, dim) * 0.1),
        )
        self.attn, self.ln = nn.MultiheadAttention(dim, 4), nn.LayerNorm(dim)
        self.text_projection = nn.Parameter(torch.randn(dim, 16) * dim**-0.5)
        self.logit_scale = nn.Parameter(torch.ones([]) * 2.6593)
        self.register_buffer(
            "attn_mask", torch.empty(context, context).fill_(float("-inf")).triu_(1), persistent=False
        )

    def encode_text(self, text):
        x = self.token_embedding(text) + self.positional_embedding
        x = x.permute(1, 0, 2)
        y = self.ln(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=self.attn_mask)[0]
        x = x.permute(1, 0, 2)
        return x[torch.arange(x.shape[0]), text.argmax(dim=-1)] @ self.text_projection

    def forward(self, image, text):
        image_features = self.conv1(image).flatten(2).mean(-1) @ self.visual_proj
        text_features = self.encode_text(text)
        image_features = image_features / image_features.norm(dim=1, keepdim=True)
        text_features = text_features / text_features.norm(dim=1, keepdim=True)
        logits_per_image = self.logit_scale.exp() * image_features @ text_features.t()
        return logits_per_image, logits_per_image.t()


class Interest(nn.Module):
    """SuperPoint: cells of 8 x 8 with a dustbin, put back into place, and descriptors of unit length at full size."""

    def __init__(self):
        super().__init__()
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2, 2)
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(1, 8, 3, 1, 1),
            nn.Conv2d(8, 16, 3, 1, 1),
            nn.Conv2d(16, 16, 3, 1, 1),
        )
        self.convPb, self.convDb = nn.Conv2d(16, 65, 1), nn.Conv2d(16, 12, 1)

    def forward(self, x):
        for conv in (self.conv1, self.conv2, self.conv3):
            x = self.pool(self.relu(conv(x)))
        scores = F.softmax(self.convPb(x), 1)[:, :-1]
        b, _, h, w = scores.shape
        scores = scores.permute(0, 2, 3, 1).reshape(b, h, w, 8, 8)
        scores = scores.permute(0, 1, 3, 2, 4).reshape(b, h * 8, w * 8)
        zeros = torch.zeros_like(scores)
        max_mask = scores == F.max_pool2d(scores, kernel_size=9, stride=1, padding=4)
        scores = torch.where(max_mask, scores, zeros)
        desc = F.normalize(self.convDb(x), p=2, dim=1)
        desc = F.normalize(F.interpolate(desc, size=(h * 8, w * 8), mode="bilinear"), dim=1)
        return scores, desc


class Change(nn.Module):
    """Two dates of one place: differences of features of two sizes, and what changed."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (
            nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()),
        )
        self.up, self.out = (
            nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1),
            nn.ConvTranspose2d(16, 2, 4, 2, 1),
        )

    def forward(self, before, after):
        b1, a1 = self.first(before), self.first(after)
        b2, a2 = self.second(b1), self.second(a1)
        x = self.up(torch.abs(b2 - a2))
        return self.out(torch.cat((x, torch.abs(b1 - a1)), 1)).softmax(1)[:, 1]


class Matching(nn.Module):
    """SuperGlue: attention from one set of descriptors to the other, and Sinkhorn's iterations with a dustbin."""

    def __init__(self, dim=16, iterations=5):
        super().__init__()
        self.kenc = nn.Sequential(nn.Conv1d(2, 16, 1), nn.BatchNorm1d(16), nn.ReLU(), nn.Conv1d(16, dim, 1))
        self.proj, self.iterations = nn.ModuleList(nn.Conv1d(dim, dim, 1) for _ in range(3)), iterations
        self.bin_score = nn.Parameter(torch.tensor(1.0))

    def cross(self, x, source):
        q, k, v = (layer(y).view(1, 4, 4, -1) for layer, y in zip(self.proj, (x, source, source)))
        prob = F.softmax(torch.einsum("bdhn,bdhm->bhnm", q, k) / 2, dim=-1)
        return x + torch.einsum("bhnm,bdhm->bdhn", prob, v).contiguous().view(1, 16, -1)

    def forward(self, desc0, kpts0, desc1, kpts1):
        d0, d1 = desc0 + self.kenc(kpts0.transpose(1, 2)), desc1 + self.kenc(kpts1.transpose(1, 2))
        d0, d1 = self.cross(d0, d1), self.cross(d1, d0)
        scores = torch.einsum("bdn,bdm->bnm", d0, d1) / 4
        b, m, n = scores.shape
        bins0, bins1 = self.bin_score.expand(b, m, 1), self.bin_score.expand(b, 1, n)
        Z = torch.cat(
            [torch.cat([scores, bins0], -1), torch.cat([bins1, self.bin_score.expand(b, 1, 1)], -1)], 1
        )
        norm = -torch.tensor(float(m + n)).log()
        log_mu = torch.cat([norm.expand(m), torch.tensor(float(n)).log()[None] + norm])[None]
        log_nu = torch.cat([norm.expand(n), torch.tensor(float(m)).log()[None] + norm])[None]
        u, v = torch.zeros_like(log_mu), torch.zeros_like(log_nu)
        for _ in range(self.iterations):
            u = log_mu - torch.logsumexp(Z + v.unsqueeze(1), dim=2)
            v = log_nu - torch.logsumexp(Z + u.unsqueeze(2), dim=1)
        Z = Z + u.unsqueeze(2) + v.unsqueeze(1) - norm
        max0 = Z[:, :-1, :-1].max(2)
        return max0.indices, max0.values.exp()


NETWORKS = rows(
    "siamese",
    {
        "tracker": (Tracker, image(16, name="template"), image(32, name="search")),
        "triplet": (
            Triplet,
            image(16, name="anchor"),
            image(16, name="positive"),
            image(16, name="negative"),
        ),
        "towers": (Towers, image(32), whole("text", 3, 6, below=40)),
        "interest": (Interest, image(32, channels=1)),
        "change": (Change, image(24, name="before"), image(24, name="after")),
        "matching": (
            Matching,
            numbers("desc0", 1, 16, 7),
            numbers("kpts0", 1, 7, 2),
            numbers("desc1", 1, 16, 9),
            numbers("kpts1", 1, 9, 2),
        ),
    },
)
