"""Transformers over tokens, with masks and positions of every kind."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, numbers, rows, truths, whole


class Bert(nn.Module):
    """An attention mask of zeros and ones becomes a large negative number; pooled by the first token through tanh."""

    def __init__(self, vocab=60, hidden=32, heads=4, max_len=16):
        super().__init__()
        self.word, self.position, self.kind = (
            nn.Embedding(vocab, hidden, padding_idx=0),
            nn.Embedding(max_len, hidden),
            nn.Embedding(2, hidden),
        )
        self.register_buffer("position_ids", torch.arange(max_len).expand((1, -1)))
        self.query, self.key, self.value, self.dense = (nn.Linear(hidden, hidden) for _ in range(4))
        self.norm1, self.norm2, self.heads = (
            nn.LayerNorm(hidden, eps=1e-12),
            nn.LayerNorm(hidden, eps=1e-12),
            heads,
        )
        self.intermediate, self.output = nn.Linear(hidden, 64), nn.Linear(64, hidden)
        self.pooler, self.classifier = nn.Linear(hidden, hidden), nn.Linear(hidden, 3)

    def transpose_for_scores(self, x):
        x = x.view(x.size()[:-1] + (self.heads, x.size(-1) // self.heads))
        return x.permute(0, 2, 1, 3)

    def forward(self, input_ids, attention_mask, token_type_ids):
        seq_length = input_ids.size(1)
        x = (
            self.word(input_ids)
            + self.kind(token_type_ids)
            + self.position(self.position_ids[:, :seq_length])
        )
        x = self.norm1(x)
        extended = attention_mask[:, None, None, :].to(dtype=x.dtype)
        extended = (1.0 - extended) * torch.finfo(x.dtype).min
        q, k, v = (self.transpose_for_scores(layer(x)) for layer in (self.query, self.key, self.value))
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(q.size(-1)) + extended
        context = torch.matmul(nn.functional.softmax(scores, dim=-1), v).permute(0, 2, 1, 3).contiguous()
        context = context.view(context.size()[:-2] + (-1,))
        x = self.norm2(self.dense(context) + x)
        x = x + self.output(F.gelu(self.intermediate(x)))
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


class Gpt(nn.Module):
    """Causal by a buffer that is cut to the length; the embedding is the last layer too."""

    def __init__(self, vocab=50, block=12, n_embd=24, n_head=3):
        super().__init__()
        self.wte, self.wpe, self.n_head = nn.Embedding(vocab, n_embd), nn.Embedding(block, n_embd), n_head
        self.ln_1, self.ln_2, self.ln_f = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)
        self.c_attn, self.c_proj = nn.Linear(n_embd, 3 * n_embd), nn.Linear(n_embd, n_embd)
        self.c_fc, self.mlp_proj = nn.Linear(n_embd, 4 * n_embd), nn.Linear(4 * n_embd, n_embd)
        self.lm_head = nn.Linear(n_embd, vocab, bias=False)
        self.lm_head.weight = self.wte.weight
        self.register_buffer("bias", torch.tril(torch.ones(block, block)).view(1, 1, block, block))

    def new_gelu(self, x):
        return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))

    def forward(self, idx):
        b, t = idx.size()
        x = self.wte(idx) + self.wpe(torch.arange(0, t, dtype=torch.long, device=idx.device))
        B, T, C = x.size()
        q, k, v = self.c_attn(self.ln_1(x)).split(C, dim=2)
        q, k, v = (y.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for y in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        y = (F.softmax(att, dim=-1) @ v).transpose(1, 2).contiguous().view(B, T, C)
        x = x + self.c_proj(y)
        x = x + self.mlp_proj(self.new_gelu(self.c_fc(self.ln_2(x))))
        return self.lm_head(self.ln_f(x)[:, [-1], :])


class RotaryNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return (x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + self.eps)).type_as(
            x
        ) * self.weight


class Llama(nn.Module):
    """Rotary positions by halves, fewer keys than queries, a gated feed-forward, and a norm by the root mean square."""

    def __init__(self, vocab=48, dim=32, heads=4, kv_heads=2):
        super().__init__()
        self.embed, self.heads, self.kv_heads, self.head_dim = (
            nn.Embedding(vocab, dim),
            heads,
            kv_heads,
            dim // heads,
        )
        self.q_proj, self.o_proj = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.k_proj, self.v_proj = (nn.Linear(dim, kv_heads * self.head_dim, bias=False) for _ in range(2))
        self.gate_proj, self.up_proj, self.down_proj = (
            nn.Linear(dim, 48, bias=False),
            nn.Linear(dim, 48, bias=False),
            nn.Linear(48, dim, bias=False),
        )
        self.norm1, self.norm2, self.lm_head = (
            RotaryNorm(dim),
            RotaryNorm(dim),
            nn.Linear(dim, vocab, bias=False),
        )
        inv_freq = 1.0 / (
            10000 ** (torch.arange(0, self.head_dim, 2, dtype=torch.int64).float() / self.head_dim)
        )
        self.register_buffer("inv_freq", inv_freq, persistent=False)

    @staticmethod
    def rotate_half(x):
        x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return torch.cat((-x2, x1), dim=-1)

    def forward(self, tokens):
        b, s = tokens.shape
        x = self.embed(tokens)
        h = self.norm1(x)
        q = self.q_proj(h).view(b, s, self.heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(h).view(b, s, self.kv_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(h).view(b, s, self.kv_heads, self.head_dim).transpose(1, 2)
        positions = torch.arange(s)[None, :].float()
        freqs = (self.inv_freq[None, :, None] @ positions[:, None, :]).transpose(1, 2)
        emb = torch.cat((freqs, freqs), dim=-1)
        cos, sin = emb.cos()[:, None], emb.sin()[:, None]
        q, k = q * cos + self.rotate_half(q) * sin, k * cos + self.rotate_half(k) * sin
        repeat = self.heads // self.kv_heads
        k = (
            k[:, :, None]
            .expand(b, self.kv_heads, repeat, s, self.head_dim)
            .reshape(b, self.heads, s, self.head_dim)
        )
        v = (
            v[:, :, None]
            .expand(b, self.kv_heads, repeat, s, self.head_dim)
            .reshape(b, self.heads, s, self.head_dim)
        )
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, s, -1)
        x = x + self.o_proj(out)
        h = self.norm2(x)
        return self.lm_head(x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h)))


class RelativeBuckets(nn.Module):
    """T5: a bias by distance, in buckets that grow by the logarithm, and no scale of scores."""

    def __init__(self, vocab=40, dim=24, heads=3, buckets=8, max_distance=16):
        super().__init__()
        self.shared, self.heads, self.buckets, self.max_distance = (
            nn.Embedding(vocab, dim),
            heads,
            buckets,
            max_distance,
        )
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim, bias=False) for _ in range(4))
        self.relative_attention_bias, self.norm = nn.Embedding(buckets, heads), RotaryNorm(dim)
        self.wi, self.wo = nn.Linear(dim, 32, bias=False), nn.Linear(32, dim, bias=False)

    def bucket(self, relative):
        n = self.buckets // 2
        ret = (relative > 0).to(torch.long) * n
        relative = torch.abs(relative)
        max_exact = n // 2
        is_small = relative < max_exact
        large = max_exact + (
            torch.log(relative.float() / max_exact)
            / math.log(self.max_distance / max_exact)
            * (n - max_exact)
        ).to(torch.long)
        large = torch.min(large, torch.full_like(large, n - 1))
        return ret + torch.where(is_small, relative, large)

    def forward(self, input_ids, mask):
        x = self.shared(input_ids)
        length = x.shape[1]
        context, memory = torch.arange(length)[:, None], torch.arange(length)[None, :]
        bias = self.relative_attention_bias(self.bucket(memory - context)).permute([2, 0, 1]).unsqueeze(0)
        bias = bias + (~mask[:, None, None, :]).float() * -1e4
        h = self.norm(x)
        q, k, v = (p(h).view(1, length, self.heads, -1).transpose(1, 2) for p in (self.q, self.k, self.v))
        weights = F.softmax((torch.matmul(q, k.transpose(3, 2)) + bias).float(), dim=-1).type_as(x)
        x = x + self.o(torch.matmul(weights, v).transpose(1, 2).contiguous().view(1, length, -1))
        return x + self.wo(F.relu(self.wi(x)))


class PaddedEncoder(nn.Module):
    """PyTorch's encoder with a mask of padding, positions that count what is no padding, and a mean over it."""

    def __init__(self, vocab=30, dim=24):
        super().__init__()
        self.embed, self.positions = (
            nn.Embedding(vocab, dim, padding_idx=1),
            nn.Embedding(20, dim, padding_idx=1),
        )
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(dim, 3, 48, batch_first=True), 2, enable_nested_tensor=False
        )
        self.out = nn.Linear(dim, 4)

    def forward(self, tokens):
        mask = tokens.ne(1).int()
        position_ids = (torch.cumsum(mask, dim=1).type_as(mask) * mask).long() + 1
        x = self.embed(tokens) * math.sqrt(24) + self.positions(position_ids)
        x = self.encoder(x, src_key_padding_mask=tokens.eq(1))
        kept = mask.unsqueeze(-1).float()
        return self.out((x * kept).sum(1) / kept.sum(1).clamp(min=1e-9))


class Alibi(nn.Module):
    """A slope for every head times the distance, made in forward, and a boolean mask of any pairs."""

    def __init__(self, dim=16, heads=4):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, allowed):
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        slopes = torch.pow(2.0, -torch.arange(1, self.heads + 1) * 8.0 / self.heads)
        distance = torch.arange(n).view(1, n) - torch.arange(n).view(n, 1)
        scores = torch.einsum("bhid,bhjd->bhij", q, k) * (c // self.heads) ** -0.5
        scores = scores - slopes.view(1, -1, 1, 1) * distance.abs()
        eye = torch.eye(n, dtype=torch.bool)
        scores = scores.masked_fill(torch.logical_not(allowed | eye).unsqueeze(1), -1e9)
        out = torch.einsum("bhij,bhjd->bihd", scores.softmax(dim=-1), v)
        return self.proj(out.flatten(2))


class Latents(nn.Module):
    """Perceiver: a few latent vectors attend to all pixels, whose positions are Fourier features."""

    def __init__(self, dim=24, latents=6, bands=3):
        super().__init__()
        self.bands, self.latents = bands, nn.Parameter(torch.randn(latents, dim) * 0.02)
        wide = 3 + 2 * (2 * bands + 1)
        self.norm_context, self.norm = nn.LayerNorm(wide), nn.LayerNorm(dim)
        self.to_q, self.to_kv, self.to_logits = (
            nn.Linear(dim, 32, bias=False),
            nn.Linear(wide, 64, bias=False),
            nn.Linear(32, 5),
        )

    def fourier_encode(self, x):
        x = x.unsqueeze(-1)
        orig = x
        scales = torch.linspace(1.0, 5.0, self.bands)[(*((None,) * (len(x.shape) - 1)), Ellipsis)]
        x = x * scales * math.pi
        return torch.cat((x.sin(), x.cos(), orig), dim=-1)

    def forward(self, data):
        data = data.permute(0, 2, 3, 1)
        b, *axis, _ = data.shape
        pos = torch.stack(
            torch.meshgrid(*(torch.linspace(-1.0, 1.0, steps=size) for size in axis), indexing="ij"), dim=-1
        )
        enc = self.fourier_encode(pos).flatten(-2).expand(b, -1, -1, -1)
        data = self.norm_context(torch.cat((data, enc), dim=-1).flatten(1, 2))
        x = self.latents.unsqueeze(0).repeat(b, 1, 1)
        k, v = self.to_kv(data).chunk(2, dim=-1)
        out = F.scaled_dot_product_attention(self.to_q(self.norm(x)), k, v)
        return self.to_logits(out.mean(dim=-2))


NETWORKS = rows(
    "transformers",
    {
        "bert": (
            Bert,
            whole("input_ids", 1, 9, below=60),
            whole("attention_mask", 1, 9, below=2),
            whole("token_type_ids", 1, 9, below=2),
        ),
        "gpt": (Gpt, whole("idx", 1, 10, below=50)),
        "llama": (Llama, whole("tokens", 1, 8, below=48)),
        "relative_buckets": (RelativeBuckets, whole("input_ids", 1, 12, below=40), truths("mask", 1, 12)),
        "padded_encoder": (PaddedEncoder, whole("tokens", 2, 8, below=30)),
        "alibi": (Alibi, numbers("x", 1, 9, 16), truths("allowed", 1, 9, 9)),
        "latents": (Latents, image(12)),
    },
)
