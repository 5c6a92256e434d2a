"""Sequences read in order."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, numbers, rows, whole


class Sentiment(nn.Module):
    """Embeddings, an LSTM of two layers with dropout, and the last step."""

    def __init__(self, vocab=40):
        super().__init__()
        self.embedding, self.lstm = (
            nn.Embedding(vocab, 12),
            nn.LSTM(12, 16, num_layers=2, batch_first=True, dropout=0.3),
        )
        self.dropout, self.fc, self.sig = nn.Dropout(0.3), nn.Linear(16, 1), nn.Sigmoid()

    def forward(self, x):
        lstm_out, _hidden = self.lstm(self.embedding(x))
        out = self.fc(self.dropout(lstm_out[:, -1]))
        return self.sig(out)


class Streaming(nn.Module):
    """A step of a network that remembers: the state comes in and goes out."""

    def __init__(self):
        super().__init__()
        self.conv, self.gru, self.out = nn.Conv1d(8, 12, 3, padding=1), nn.GRU(12, 16), nn.Linear(16, 3)

    def forward(self, frame, state):
        x = torch.relu(self.conv(frame)).permute(2, 0, 1)
        x, state = self.gru(x, state)
        return self.out(x[-1]), state


class Cells(nn.Module):
    """LSTM cells called in a loop, their states started by what the image is."""

    def __init__(self, steps=4, vocab=12):
        super().__init__()
        self.encoder, self.steps = nn.Conv2d(3, 16, 8, 8), steps
        self.init_h, self.init_c = nn.Linear(16, 16), nn.Linear(16, 16)
        self.embed, self.cell, self.fc = nn.Embedding(vocab, 8), nn.LSTMCell(24, 16), nn.Linear(16, vocab)

    def forward(self, image):
        features = self.encoder(image).flatten(2).mean(2)
        h, c = torch.tanh(self.init_h(features)), torch.tanh(self.init_c(features))
        word = torch.zeros(image.shape[0], dtype=torch.long)
        words = []
        for _ in range(self.steps):
            h, c = self.cell(torch.cat([self.embed(word), features], 1), (h, c))
            word = self.fc(h).argmax(-1)
            words.append(word)
        return torch.stack(words, 1)


class SelectiveScan(nn.Module):
    """Mamba: a state updated from step to step by what the input chooses, in a loop."""

    def __init__(self, d_model=12, d_state=4):
        super().__init__()
        self.in_proj, self.conv1d = (
            nn.Linear(d_model, 2 * d_model, bias=False),
            nn.Conv1d(d_model, d_model, 4, groups=d_model, padding=3),
        )
        self.x_proj, self.dt_proj = nn.Linear(d_model, 2 + 2 * d_state, bias=False), nn.Linear(2, d_model)
        self.A_log, self.D = (
            nn.Parameter(torch.log(torch.arange(1, d_state + 1).float().repeat(d_model, 1))),
            nn.Parameter(torch.ones(d_model)),
        )
        self.out_proj, self.d_state = nn.Linear(d_model, d_model, bias=False), d_state

    def forward(self, x):
        b, length, d = x.shape
        x, res = self.in_proj(x).chunk(2, -1)
        x = F.silu(self.conv1d(x.transpose(1, 2))[:, :, :length].transpose(1, 2))
        delta, B, C = self.x_proj(x).split([2, self.d_state, self.d_state], dim=-1)
        delta, A = F.softplus(self.dt_proj(delta)), -torch.exp(self.A_log)
        deltaA = torch.exp(torch.einsum("bld,dn->bldn", delta, A))
        deltaBx = torch.einsum("bld,bln,bld->bldn", delta, B, x)
        h, ys = torch.zeros(b, d, self.d_state), []
        for i in range(length):
            h = deltaA[:, i] * h + deltaBx[:, i]
            ys.append(torch.einsum("bdn,bn->bd", h, C[:, i, :]))
        y = torch.stack(ys, dim=1) + x * self.D
        return self.out_proj(y * F.silu(res))


class TimeMixing(nn.Module):
    """RWKV: a weighted mean of the past with decays by channel, steadied by the running maximum; inputs shifted in time."""

    def __init__(self, n=12):
        super().__init__()
        self.decay, self.first = nn.Parameter(-torch.linspace(0.2, 3, n)), nn.Parameter(torch.ones(n) * 0.3)
        self.mix, self.shift = nn.Parameter(torch.rand(3, 1, 1, n)), nn.ZeroPad2d((0, 0, 1, -1))
        self.key, self.value, self.receptance, self.output = (nn.Linear(n, n, bias=False) for _ in range(4))

    def forward(self, x):
        xx = self.shift(x)
        k, v, r = (
            layer(x * m + xx * (1 - m)) for layer, m in zip((self.key, self.value, self.receptance), self.mix)
        )
        aa, bb, pp = torch.zeros_like(k[:, 0]), torch.zeros_like(k[:, 0]), torch.full_like(k[:, 0], -1e4)
        out = torch.empty_like(v)
        for t in range(x.shape[1]):
            ww = self.first + k[:, t]
            p = torch.maximum(pp, ww)
            e1, e2 = torch.exp(pp - p), torch.exp(ww - p)
            out[:, t] = (e1 * aa + e2 * v[:, t]) / (e1 * bb + e2)
            ww = pp + self.decay
            p = torch.maximum(ww, k[:, t])
            e1, e2 = torch.exp(ww - p), torch.exp(k[:, t] - p)
            aa, bb, pp = e1 * aa + e2 * v[:, t], e1 * bb + e2, p
        return self.output(torch.sigmoid(r) * out)


class RowsThenColumns(nn.Module):
    """ReNet: recurrent layers over the rows of an image, then over its columns, with a plain tanh RNN."""

    def __init__(self):
        super().__init__()
        self.rows, self.columns = (
            nn.RNN(12, 8, batch_first=True, bidirectional=True),
            nn.RNN(16, 8, nonlinearity="relu", batch_first=True),
        )
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = F.pixel_unshuffle(x, 2)
        n, c, h, w = x.shape
        x, _ = self.rows(x.permute(0, 2, 3, 1).reshape(n * h, w, c))
        x, last = self.columns(x.reshape(n, h, w, 16).transpose(1, 2).reshape(n * w, h, 16))
        return self.fc(last.squeeze(0).view(n, w, 8).mean(1))


NETWORKS = rows(
    "recurrent",
    {
        "sentiment": (Sentiment, whole("x", 1, 7, below=40)),
        "streaming": (Streaming, numbers("frame", 1, 8, 5), numbers("state", 1, 1, 16)),
        "cells": (Cells, image(16)),
        "selective_scan": (SelectiveScan, numbers("x", 1, 6, 12)),
        "time_mixing": (TimeMixing, numbers("x", 1, 5, 12)),
        "rows_then_columns": (RowsThenColumns, image(16)),
    },
)
