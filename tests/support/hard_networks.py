"""Small networks on which a comparison is easily wrong: constants made in ``forward``, numbers that depend on the type,
decisions, infinities, parts of different scales. Every factory takes no arguments; images have 32 pixels a side."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class After(nn.Module):
    """A 3x3 convolution, then ``function``."""

    def __init__(self, function: Callable[[Tensor], object], channels: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.function = nn.Conv2d(3, channels, 3, padding=1), function

    def forward(self, x: Tensor) -> object:
        return self.function(self.stem(x))


class Tokens(nn.Module):
    """Patches of 8 pixels as tokens of 32 numbers, then ``attend(q, k, v)``, by heads."""

    def __init__(self, attend: Callable[[Tensor, Tensor, Tensor], Tensor], heads: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.qkv, self.out = nn.Conv2d(3, 32, 8, 8), nn.Linear(32, 96), nn.Linear(32, 32)
        self.attend, self.heads = attend, heads

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        batch, count, channels = x.shape
        q, k, v = (
            part.reshape(batch, count, self.heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)
        )
        return self.out(self.attend(q, k, v).transpose(1, 2).reshape(batch, count, channels))


class RootMeanSquare(nn.Module):
    """A normalization whose epsilon is that of the type: ``scale`` makes it matter."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.norm, self.head = nn.Conv2d(3, 64, 8, 8), nn.RMSNorm(64), nn.Linear(64, 10)
        with torch.no_grad():
            self.norm.weight.uniform_(0.5, 1.5)
            self.patch.weight.mul_(scale)
            self.patch.bias.mul_(scale)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.patch(x).flatten(2).transpose(1, 2)).mean(1))


class Detector(nn.Module):
    """Boxes to 640 and scores to 1 in one tensor."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.box, self.score = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 4, 1), nn.Conv2d(16, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self.body(x))
        return torch.cat([self.box(y).sigmoid() * 640, self.score(y).sigmoid()], 1).flatten(2)


# Float16 ends before the square does.
def overflow() -> nn.Module:
    return After(lambda x: ((x * 300) ** 2).mean((2, 3)).sqrt())


def overflow_in_a_product() -> nn.Module:
    return After(lambda x: torch.tanh((x * 200) * (x * 300).abs() / 1e5))


def overflow_to_no_number() -> nn.Module:
    """Two infinities are subtracted, and what a runtime makes of the result is its own affair."""
    return After(lambda x: F.hardswish((x * 300) ** 2 - (x * 290) ** 2).amax((2, 3)))


def overflow_in_a_weight() -> nn.Module:
    network = After(lambda x: torch.tanh(x.abs().sqrt() * 2.0**-10))
    with torch.no_grad():
        network.stem.weight.mul_(2.0**20)
    return network


def cancellation() -> nn.Module:
    """At 3000 the numbers of float16 are two apart: what was added to x is taken from it again."""
    return After(lambda x: (x + 3000.0).relu() - 3000.0)


def activations_of_small_results() -> nn.Module:
    """A kernel that adds what is small to one, or a half, loses a rounding of that: of a detector's scores, all near zero, it is
    more than a few roundings of the largest."""

    def law(x: Tensor) -> list[Tensor]:
        share = torch.tanh(x).square()
        near, far = [-3.0 - 2.0 * share, -0.01 * share], -9.0 - 3.0 * share
        vanishing = [F.gelu, F.softplus, F.mish, F.logsigmoid, lambda y: F.gelu(y, approximate="tanh")]
        lasting = [
            torch.sigmoid,
            F.silu,
            F.elu,
            F.celu,
            F.selu,
            torch.expm1,
            lambda y: F.glu(torch.cat((y, y), 1), 1),
        ]
        given = [*((each, near) for each in vanishing), *((each, [*near, far]) for each in lasting)]
        return [activation(y) for activation, operands in given for y in operands]

    return After(law)


# The model's own infinities.
def infinite_where_zero() -> nn.Module:
    return After(lambda x: 1 / torch.relu(x))


def mask_of_infinities() -> nn.Module:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        count = q.shape[-2]
        mask = torch.zeros(count, count).masked_fill(torch.ones(count, count).bool().triu(1), float("-inf"))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    return Tokens(attend)


class Masked(nn.Module):
    """Attention of patches to the bright ones; to all alike where none is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch = nn.Conv2d(3, 16, 8, 8)
        self.register_buffer("causal", torch.full((16, 16), -1e9).triu(1))

    def forward(self, x: Tensor) -> list[Tensor]:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        is_seen = (F.avg_pool2d(x.mean(1, keepdim=True), 8) > 0.25).flatten(2)
        scores, hidden = tokens @ tokens.transpose(1, 2) / 4, 1.0 - is_seen.to(tokens.dtype)
        largest = torch.where(is_seen.transpose(1, 2), tokens, torch.full_like(tokens, -9e15))
        masked = [
            scores + hidden * torch.finfo(scores.dtype).min,
            scores + hidden * -1e9,
            scores.masked_fill(is_seen.logical_not(), -1e9),
            scores + self.causal,
        ]
        numbers = [
            largest.amax(1).clamp(min=-9),
            largest.sigmoid(),
            largest.clamp(-3.0, 1e6),
            tokens * 1e-4 * 1e6,
        ]
        return [*(item.softmax(-1) @ tokens for item in masked), *numbers]


def masks_of_large_numbers() -> nn.Module:
    """Float16 ends before them; a factor that it ends before is not taken for one."""
    return Masked()


# Constants that ``forward`` makes.
def product_with_a_constant() -> nn.Module:
    return After(lambda x: x.mean((2, 3)) @ torch.eye(8))


def table_of_angles() -> nn.Module:
    return After(lambda x: x + torch.sin(torch.arange(32) * 97.0))


def grid_of_integers() -> nn.Module:
    """Integers divided, which is float32 in the model."""
    return After(lambda x: x * (torch.arange(32) / 3 + torch.linspace(0, 1, 32)[:, None]))


# Numbers that depend on the type.
def epsilon_of_the_type() -> nn.Module:
    return RootMeanSquare(1.0)


def epsilon_that_matters() -> nn.Module:
    return RootMeanSquare(0.01)


def smallest_of_the_type() -> nn.Module:
    return After(lambda x: x / x.abs().clamp(min=torch.finfo(x.dtype).tiny).mean((2, 3), keepdim=True))


def no_more_infinities() -> nn.Module:
    return After(lambda x: torch.nan_to_num(1 / torch.relu(x)).clamp(max=5))


def half_on_the_way() -> nn.Module:
    """A type that the model narrows to by itself."""
    return After(lambda x: x.half().float() * 2)


# Operators that a candidate's values cannot simply be given to.
def attention() -> nn.Module:
    return Tokens(F.scaled_dot_product_attention)


def rotated_heads() -> nn.Module:
    """Heads that are turned by their places: coremltools moves the transposes behind what is computed of each number."""

    def turned(x: Tensor) -> Tensor:
        first, second = x.chunk(2, -1)
        angles = torch.linspace(0, 3, x.shape[-2])[:, None]
        return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()

    return Tokens(lambda q, k, v: F.scaled_dot_product_attention(turned(q), turned(k), v))


def attention_written_out() -> nn.Module:
    return Tokens(lambda q, k, v: (q @ k.transpose(-2, -1) * 0.35).softmax(-1) @ v)


def encoder_layers() -> nn.Module:
    """Which the module itself computes by fused kernels, and its trace does not."""
    network = After(lambda x: x)
    layers = [nn.TransformerEncoderLayer(64, 4, 64, activation="gelu", batch_first=True) for _ in range(4)]
    network.function = nn.Sequential(nn.MaxPool2d(4), nn.Flatten(2), *layers, nn.Linear(64, 3, bias=False))
    return network


def choice_by_sign() -> nn.Module:
    return After(lambda x: torch.where(x > 0, x, 0.1 * x.exp()))


# Constants that are rounded where numbers are only moved.
def constant_bounds() -> nn.Module:
    return After(lambda x: F.pad(x.clamp(-0.3, 0.7), (1, 1, 1, 1), value=0.3))


def filled_where_negative() -> nn.Module:
    return After(lambda x: x.masked_fill(x < 0, 0.3))


def sums_of_other_kinds() -> nn.Module:
    """Over several axes, to a single number, of a mean whose rounding is the same for all pixels; a product of many, and a
    difference that cancels where what it is of is rounded to whole numbers."""

    def law(x: Tensor) -> list[Tensor]:
        means = x.mean((2, 3)).flatten()
        whole = x * 1e3 - (x * 1e3).round() / 2
        return [torch.einsum("bchw,bdhw->bcd", x, x) / 1024, x.mean(), torch.outer(means, means.exp()), whole]

    return After(law)


def place_of_the_largest_logarithm() -> nn.Module:
    """onnxsim leaves the logarithm out, as it changes no place: nobody has computed it."""
    return After(lambda x: x.log_softmax(1).argmax(1))


def products_of_softmaxes() -> nn.Module:
    """Columns of eight numbers, of which one in a thousand is drawn badly."""

    def law(x: Tensor) -> Tensor:
        tokens = x.flatten(2)
        return (tokens.softmax(-1) @ tokens.transpose(1, 2)) @ tokens.softmax(1)

    return After(law)


class FromATable(nn.Module):
    """Places in a table, half of which are the first: one row is added up again and again, and not one after the other."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = nn.Embedding(256, 16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        places = (x[:, 0] * 20).round().clamp(0, 255).long()
        return self.head(self.table(places)).mean((1, 2))


def taken_from_a_table() -> nn.Module:
    return FromATable()


def one_that_stands_out() -> nn.Module:
    """What is off most is one pixel, and a product with a vector."""
    return After(
        lambda x: [(6 * x.clamp(max=1.7)).exp(), (x.flatten(2) * 20).softmax(-1) @ torch.linspace(0, 1, 1024)]
    )


class Recurrent(nn.Module):
    """Rows as tokens of 96 numbers, one way and both ways."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gru = nn.GRU(96, 16, batch_first=True)
        self.lstm = nn.LSTM(96, 16, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        rows = x.permute(0, 2, 1, 3).flatten(2)
        return [self.gru(rows)[0], self.lstm(rows)[0]]


def recurrent() -> nn.Module:
    """What each step loses is carried to the next."""
    return Recurrent()


def at_other_places() -> nn.Module:
    """Pixels between others, along three axes, and on a grid that is turned."""

    def law(x: Tensor) -> list[Tensor]:
        turned = torch.tensor([[[0.8, 0.1, 0.05], [-0.1, 0.9, 0.02]]])
        grid = F.affine_grid(turned, [1, 8, 32, 32], align_corners=False)
        volume = F.interpolate(x.unsqueeze(1), size=(16, 20, 40), mode="trilinear")
        return [F.grid_sample(x, grid, align_corners=False), volume]

    return After(law)


def product_of_many() -> nn.Module:
    return After(lambda x: (x * 0.1 + 1).cumprod(3))


# Places that are computed: a weight between neighbours is as exact as the side is long.
def resized_to_corners() -> nn.Module:
    return After(lambda x: F.interpolate(x, size=(75, 75), mode="bilinear", align_corners=True))


def entropy_of_probabilities() -> nn.Module:
    """Which are from 0 to 1, and PyTorch takes no others."""
    return After(lambda x: F.binary_cross_entropy(x.sigmoid(), (50 * x).softmax(1)))


# Decisions.
def class_map() -> nn.Module:
    return After(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear").argmax(1), channels=21)


def largest_of_ties() -> nn.Module:
    return After(lambda x: torch.topk(x.flatten(2).round(), 5, dim=2))


def steps() -> nn.Module:
    return After(lambda x: (x * 4).ceil() / 4)


def counted() -> nn.Module:
    return After(lambda x: (x > 0.1).sum((2, 3)))


# Operators that an exporter joins with the next one.
def gain_before_a_convolution() -> nn.Module:
    """After a root, so that nothing before can take it in."""
    gain = torch.linspace(0.5, 2, 8).reshape(8, 1, 1)
    network = After(lambda x: x)
    convolution = nn.Conv2d(8, 4, 3, padding=1)
    network.convolution = convolution
    network.gain = nn.Parameter(gain)
    network.function = lambda x: convolution(
        (x - x.mean((2, 3), keepdim=True)) / (x.abs() + 1).sqrt() * network.gain
    )
    return network


def float32_on_the_way() -> nn.Module:
    """What ONNX, or ONNX Runtime, has in float32 alone, each read by what only moves numbers; and a bound that float16 would make
    zero, under a zero."""
    places = torch.arange(32).flip(0)[:, None].expand(1, 8, 32, 16) // 2

    def law(x: Tensor) -> Tensor:
        scattered = x.scatter_add(2, places, x[..., ::2])
        pooled = F.avg_pool2d(x, 3, 1, 1).abs()
        return torch.cat([F.celu(x).flip(3), pooled, scattered, F.normalize((x - 1e3).relu(), dim=1)], 1)

    return After(law)


# Parts of their own scale, and shapes.
def one_number() -> nn.Module:
    return After(lambda x: x.square().mean())


def detector() -> nn.Module:
    return Detector()


def tokens_as_rows() -> nn.Module:
    return After(lambda x: x.flatten(2).transpose(1, 2).flatten(0, 1))


# Outputs of every kind.
class ManyOutputs(nn.Module):
    """None, one tensor twice, an input, a weight, places, counts and truths."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.anchors = nn.Conv2d(3, 8, 3, padding=1), nn.Parameter(torch.randn(5, 4))

    def forward(self, x: Tensor) -> dict[str, object]:
        y = self.stem(x)
        found = {"map": y.argmax(1), "count": (y > 0).sum((2, 3)), "mask": (y > 0).any(1)}
        return {"loss": None, "y": y, "more": {"again": y, "x": x}, "anchors": self.anchors, **found}


def many_outputs() -> nn.Module:
    return ManyOutputs()


def half_weights() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).half()


def computed_in_half() -> nn.Module:
    """By the model itself: kernels for another type round, and add up, otherwise."""
    weight = torch.randn(4, 8, 3, 3, generator=torch.Generator().manual_seed(0)).half() / 8
    return After(lambda x: (F.conv2d(x.half(), weight) * 2 + 1).float())
