"""Points, graphs, rays and tables: what is no grid of pixels."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import numbers, rows, whole


class PointNet(nn.Module):
    """A small network turns the points, shared layers see each, and the largest of every feature is kept."""

    def __init__(self, k=5):
        super().__init__()
        self.stn = nn.Sequential(nn.Conv1d(3, 16, 1), nn.BatchNorm1d(16), nn.ReLU())
        self.stn_fc, self.conv1, self.conv2 = nn.Linear(16, 9), nn.Conv1d(3, 16, 1), nn.Conv1d(16, 32, 1)
        self.bn1, self.bn2, self.fc = nn.BatchNorm1d(16), nn.BatchNorm1d(32), nn.Linear(32, k)

    def forward(self, x):
        batchsize = x.size()[0]
        t = torch.max(self.stn(x), 2, keepdim=True)[0].view(-1, 16)
        iden = torch.tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], dtype=torch.float32).view(1, 9).repeat(batchsize, 1)
        trans = (self.stn_fc(t) + iden).view(-1, 3, 3)
        x = torch.bmm(x.transpose(2, 1), trans).transpose(2, 1)
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x = torch.max(x, 2, keepdim=True)[0].view(-1, 32)
        return F.log_softmax(self.fc(x), dim=1), trans


class EdgeConv(nn.Module):
    """DGCNN: the nearest neighbours by feature, found anew, and the largest of what edges say."""

    def __init__(self, k=4):
        super().__init__()
        self.k, self.conv = (
            k,
            nn.Sequential(nn.Conv2d(6, 16, 1, bias=False), nn.BatchNorm2d(16), nn.LeakyReLU(0.2)),
        )
        self.fc = nn.Linear(32, 4)

    def graph_feature(self, x):
        b, d, n = x.size()
        inner = -2 * torch.matmul(x.transpose(2, 1), x)
        xx = torch.sum(x**2, dim=1, keepdim=True)
        idx = (-xx - inner - xx.transpose(2, 1)).topk(k=self.k, dim=-1)[1]
        idx = (idx + torch.arange(0, b).view(-1, 1, 1) * n).view(-1)
        x = x.transpose(2, 1).contiguous()
        feature = x.view(b * n, -1)[idx, :].view(b, n, self.k, d)
        x = x.view(b, n, 1, d).repeat(1, 1, self.k, 1)
        return torch.cat((feature - x, x), dim=3).permute(0, 3, 1, 2).contiguous()

    def forward(self, x):
        x = self.conv(self.graph_feature(x)).max(dim=-1, keepdim=False)[0]
        x = torch.cat((F.adaptive_max_pool1d(x, 1).view(1, -1), F.adaptive_avg_pool1d(x, 1).view(1, -1)), 1)
        return self.fc(x)


class GraphAttention(nn.Module):
    """GAT: nodes attend to those that a matrix of zeros and ones joins them to."""

    def __init__(self, inp=8, out=6, alpha=0.2):
        super().__init__()
        self.W, self.a = (
            nn.Parameter(torch.randn(inp, out) * 0.3),
            nn.Parameter(torch.randn(2 * out, 1) * 0.3),
        )
        self.leakyrelu, self.out = nn.LeakyReLU(alpha), out

    def forward(self, h, adj):
        Wh = torch.mm(h, self.W)
        e = self.leakyrelu(
            torch.matmul(Wh, self.a[: self.out, :]) + torch.matmul(Wh, self.a[self.out :, :]).T
        )
        zero_vec = -9e15 * torch.ones_like(e)
        attention = torch.where(adj > 0, e, zero_vec)
        return F.elu(torch.matmul(F.softmax(attention, dim=1), Wh))


class Messages(nn.Module):
    """Messages along a list of edges, added up where they arrive, divided by how many did."""

    def __init__(self, dim=8):
        super().__init__()
        self.message, self.update = nn.Linear(2 * dim, dim), nn.GRUCell(dim, dim)

    def forward(self, x, edge_index):
        src, dst = edge_index[0], edge_index[1]
        m = torch.relu(self.message(torch.cat([x[src], x[dst]], dim=-1)))
        total = torch.zeros_like(x).index_add_(0, dst, m)
        count = torch.zeros(x.size(0), 1).index_add(0, dst, torch.ones(dst.size(0), 1))
        return self.update(total / count.clamp(min=1), x)


class Skeleton(nn.Module):
    """ST-GCN: joints over time; einsum with a fixed graph in three parts, each weighted, then a convolution in time."""

    def __init__(self, joints=6, c=12):
        super().__init__()
        self.register_buffer("A", torch.rand(3, joints, joints).softmax(-1))
        self.edge_importance, self.data_bn = (
            nn.Parameter(torch.ones(3, joints, joints)),
            nn.BatchNorm1d(3 * joints),
        )
        self.gcn, self.tcn = (
            nn.Conv2d(3, 3 * c, 1),
            nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, c, (5, 1), (2, 1), (2, 0))),
        )
        self.fcn = nn.Conv2d(c, 4, 1)

    def forward(self, x):
        N, C, T, V, M = x.size()
        x = x.permute(0, 4, 3, 1, 2).contiguous().view(N * M, V * C, T)
        x = self.data_bn(x).view(N, M, V, C, T).permute(0, 1, 3, 4, 2).contiguous().view(N * M, C, T, V)
        x = self.gcn(x)
        n, kc, t, v = x.size()
        x = x.view(n, 3, kc // 3, t, v)
        x = torch.einsum("nkctv,kvw->nctw", (x, self.A * self.edge_importance)).contiguous()
        x = self.tcn(x)
        x = F.avg_pool2d(x, x.size()[2:]).view(N, M, -1, 1, 1).mean(dim=1)
        return self.fcn(x).view(N, -1)


class Radiance(nn.Module):
    """NeRF: positions as sines of powers of two, densities added up along rays by cumprod."""

    def __init__(self, L=4, W=16):
        super().__init__()
        self.L, self.layers = (
            L,
            nn.ModuleList([nn.Linear(3 + 6 * L, W), nn.Linear(W, W), nn.Linear(W + 3 + 6 * L, W)]),
        )
        self.sigma, self.rgb = nn.Linear(W, 1), nn.Linear(W, 3)

    def forward(self, points, dists):
        enc = torch.cat(
            [points] + [fn(points * 2.0**i) for i in range(self.L) for fn in (torch.sin, torch.cos)], -1
        )
        h = enc
        for i, layer in enumerate(self.layers):
            h = torch.cat([h, enc], -1) if i == 2 else h
            h = F.relu(layer(h))
        alpha = 1.0 - torch.exp(-F.softplus(self.sigma(h).squeeze(-1)) * dists.abs())
        trans = torch.cumprod(torch.cat([torch.ones((alpha.shape[0], 1)), 1.0 - alpha + 1e-10], -1), -1)[
            :, :-1
        ]
        weights = alpha * trans
        return torch.sum(weights[..., None] * torch.sigmoid(self.rgb(h)), -2), weights.sum(-1)


class Clicks(nn.Module):
    """DLRM: numbers and several columns of categories with tables of their own, all products of pairs above the diagonal."""

    sizes = (10, 7, 5)

    def __init__(self, dense=4, dim=8):
        super().__init__()
        self.bottom, self.tables = (
            nn.Sequential(nn.Linear(dense, dim), nn.ReLU()),
            nn.ModuleList(nn.Embedding(n, dim) for n in self.sizes),
        )
        self.top = nn.Sequential(nn.Linear(dim + 6, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, dense, sparse):
        x = self.bottom(dense)
        columns = [table(sparse[:, i] % n) for i, (table, n) in enumerate(zip(self.tables, self.sizes))]
        T = torch.stack([x, *columns], dim=1)
        Z = torch.bmm(T, torch.transpose(T, 1, 2))
        li = torch.tensor([i for i in range(4) for j in range(i)])
        lj = torch.tensor([j for i in range(4) for j in range(i)])
        return torch.sigmoid(self.top(torch.cat([x, Z[:, li, lj]], dim=1))).squeeze(-1)


NETWORKS = rows(
    "points and tables",
    {
        "point_net": (PointNet, numbers("x", 1, 3, 20)),
        "edge_conv": (EdgeConv, numbers("x", 1, 3, 12)),
        "graph_attention": (GraphAttention, numbers("h", 7, 8), whole("adj", 7, 7, below=2)),
        "messages": (Messages, numbers("x", 6, 8), whole("edge_index", 2, 10, below=6)),
        "skeleton": (Skeleton, numbers("x", 1, 3, 8, 6, 2)),
        "radiance": (Radiance, numbers("points", 5, 6, 3), numbers("dists", 5, 6)),
        "clicks": (Clicks, numbers("dense", 2, 4), whole("sparse", 2, 3, below=10)),
    },
)
