"""Text in images: recognition and documents."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows, whole


class BidirectionalLSTM(nn.Module):
    def __init__(self, n_in, n_hidden, n_out):
        super().__init__()
        self.rnn, self.embedding = nn.LSTM(n_in, n_hidden, bidirectional=True), nn.Linear(n_hidden * 2, n_out)

    def forward(self, x):
        recurrent, _ = self.rnn(x)
        T, b, h = recurrent.size()
        output = self.embedding(recurrent.view(T * b, h))
        return output.view(T, b, -1)


class Crnn(nn.Module):
    """Columns of a convolutional map through two LSTMs in both directions, with a blank for CTC."""

    def __init__(self, n_class=12):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 8, 3, 1, 1), nn.ReLU(True), nn.MaxPool2d(2, 2),
            nn.Conv2d(8, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(True), nn.MaxPool2d((2, 2), (2, 1), (0, 1)),
            nn.Conv2d(16, 16, (4, 2), 1, 0), nn.ReLU(True),
        )  # fmt: skip
        self.rnn = nn.Sequential(BidirectionalLSTM(16, 8, 8), BidirectionalLSTM(8, 8, n_class))

    def forward(self, x):
        conv = self.cnn(x)
        b, c, h, w = conv.size()
        assert h == 1, "the height of conv must be 1"
        conv = conv.squeeze(2)
        conv = conv.permute(2, 0, 1)
        return F.log_softmax(self.rnn(conv), dim=2)


class GreedyCtc(nn.Module):
    """Convolutions alone; the best class of every column and a mask of those that a reader keeps."""

    def __init__(self, classes=9):
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(3, 16, 3, (2, 1), 1),
            nn.Hardswish(),
            nn.Conv2d(16, 16, (3, 5), (2, 2), (1, 2), groups=4),
            nn.Hardswish(),
        )
        self.pool, self.fc = nn.AdaptiveAvgPool2d((1, None)), nn.Conv1d(16, classes, 1)

    def forward(self, x):
        logits = self.fc(self.pool(self.convs(x)).squeeze(2)).transpose(1, 2)
        probs = logits.softmax(-1)
        conf, ids = probs.max(-1)
        prev = F.pad(ids, (1, 0), value=-1)[:, :-1]
        keep = (ids != 0) & (ids != prev)
        return ids, conf, keep


class AttentionDecoder(nn.Module):
    """A GRU cell that looks at columns and reads its own last letter, for a fixed number of steps."""

    def __init__(self, classes=10, hidden=16, steps=4):
        super().__init__()
        self.encoder, self.classes, self.hidden, self.steps = (
            nn.Conv2d(1, hidden, (16, 3), (16, 1), (0, 1)),
            classes,
            hidden,
            steps,
        )
        self.i2h, self.h2h, self.score = (
            nn.Linear(hidden, hidden, bias=False),
            nn.Linear(hidden, hidden),
            nn.Linear(hidden, 1, bias=False),
        )
        self.rnn, self.generator = nn.GRUCell(hidden + classes, hidden), nn.Linear(hidden, classes)

    def forward(self, x):
        batch_H = self.encoder(x).squeeze(2).permute(0, 2, 1)
        b = batch_H.size(0)
        hidden, char = torch.zeros(b, self.hidden), torch.zeros(b, dtype=torch.long)
        probs = []
        for _ in range(self.steps):
            onehot = F.one_hot(char, self.classes).float()
            e = self.score(torch.tanh(self.i2h(batch_H) + self.h2h(hidden).unsqueeze(1)))
            alpha = F.softmax(e, dim=1)
            context = torch.bmm(alpha.permute(0, 2, 1), batch_H).squeeze(1)
            hidden = self.rnn(torch.cat([context, onehot], 1), hidden)
            step = self.generator(hidden)
            probs.append(step)
            char = step.argmax(1)
        return torch.stack(probs, 1)


class PermutedQueries(nn.Module):
    """PARSeq read in one go: queries of places attend to patches through a decoder layer of PyTorch."""

    def __init__(self, dim=32, length=5, charset=14):
        super().__init__()
        self.patch, self.pos_embed = (
            nn.Conv2d(3, dim, (4, 8), (4, 8)),
            nn.Parameter(torch.randn(1, 16, dim) * 0.02),
        )
        self.pos_queries = nn.Parameter(torch.randn(1, length, dim) * 0.02)
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(dim, 4, 64, batch_first=True, norm_first=True),
            1,
            norm=nn.LayerNorm(dim),
        )
        self.bos, self.head = nn.Embedding(1, dim), nn.Linear(dim, charset)

    def forward(self, images):
        memory = self.patch(images).flatten(2).mT + self.pos_embed
        bs = images.shape[0]
        tgt = torch.full((bs, 1), 0, dtype=torch.long)
        queries = self.pos_queries.expand(bs, -1, -1) + self.bos(tgt)
        mask = torch.triu(torch.full((queries.shape[1], queries.shape[1]), float("-inf")), 1)
        return self.head(self.decoder(queries, memory, tgt_mask=mask))


class Layout(nn.Module):
    """LayoutLM: words and where they stand, both whole numbers, with sizes computed from the boxes."""

    def __init__(self, vocab=50, hidden=24, labels=7, grid=32):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab, hidden, padding_idx=0)
        self.x_position, self.y_position = nn.Embedding(grid, hidden), nn.Embedding(grid, hidden)
        self.h_position, self.w_position = nn.Embedding(grid, hidden), nn.Embedding(grid, hidden)
        self.LayerNorm, self.layer = (
            nn.LayerNorm(hidden, eps=1e-12),
            nn.TransformerEncoderLayer(hidden, 4, 48, batch_first=True),
        )
        self.classifier = nn.Linear(hidden, labels)

    def forward(self, input_ids, bbox):
        left, upper = self.x_position(bbox[:, :, 0]), self.y_position(bbox[:, :, 1])
        right, lower = self.x_position(bbox[:, :, 2]), self.y_position(bbox[:, :, 3])
        h, w = (bbox[:, :, 3] - bbox[:, :, 1]).abs(), (bbox[:, :, 2] - bbox[:, :, 0]).abs()
        emb = (
            self.word_embeddings(input_ids)
            + left
            + upper
            + right
            + lower
            + self.h_position(h)
            + self.w_position(w)
        )
        return self.classifier(self.layer(self.LayerNorm(emb)))


NETWORKS = rows(
    "text in images",
    {
        "crnn": (Crnn, image(16, 48, channels=1)),
        "greedy_ctc": (GreedyCtc, image(16, 64)),
        "attention_decoder": (AttentionDecoder, image(16, 32, channels=1)),
        "permuted_queries": (PermutedQueries, image(16, 32)),
        "layout": (Layout, whole("input_ids", 1, 10, below=50), whole("bbox", 1, 10, 4, below=32)),
    },
)
