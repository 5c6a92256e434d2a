"""What one operator may be off by: right results of PyTorch's own float32 kernels pass, and little more does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, traced
from torch import Tensor, nn

from cloformer.export.parity.judge import Judgement, Types, judge, most_allowed
from cloformer.export.parity.walk import Compared, Walk
from cloformer.export.source.trace import lower

FLOAT32, FLOAT16 = Types("float32", "float32"), Types("float16", "float16")
ROUNDING = 2.0**-24

Law = Callable[..., Tensor]


def _drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _compared(law: Law, x: Tensor, factor: float = 1.0, **parts: nn.Module | Tensor) -> Compared:
    """The last operator of a law, with what torch's float32 gives, times ``factor``."""
    module = Lambda(law, **parts).eval()
    program = lower(traced(module, tuple(x.shape)))
    with torch.no_grad():
        result = module(x).double() * factor
    last = program.graph.output_node().args[0][0]
    found = {item.node: item for item in Walk(program, {"x0": x.numpy()}, {last.name: result.numpy()})}
    return found[last.name]


def _judged(*args: object, **parts: nn.Module | Tensor) -> Judgement:
    return judge(_compared(*args, **parts), 1, FLOAT32)  # type: ignore[arg-type]


def _conv(channels: int, kernel: int, groups: int = 1) -> nn.Conv2d:
    torch.manual_seed(channels)
    return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups)


SUMS: dict[str, tuple[Law, Tensor, dict[str, nn.Module | Tensor], float]] = {
    "conv of 9": (lambda m, x: m.conv(x), _drawn(1, 8, 9, 9), {"conv": _conv(8, 3, 8)}, 8),
    "conv of 144": (lambda m, x: m.conv(x), _drawn(1, 16, 9, 9), {"conv": _conv(16, 3)}, 24),
    "conv of 3,200": (lambda m, x: m.conv(x), _drawn(1, 128, 9, 9), {"conv": _conv(128, 5)}, 80),
    "conv of what is never negative": (lambda m, x: m.conv(x), _drawn(1, 16, 9, 9).abs(), {"conv": _conv(16, 3)}, 40),
    "product": (lambda m, x: x @ m.y, _drawn(1, 12, 64), {"y": _drawn(64, 24, seed=1)}, 16),
    "mean": (lambda _, x: x.mean((2, 3)), _drawn(1, 8, 20, 20).relu(), {}, 40),
    "windows": (lambda _, x: F.avg_pool2d(x, 3, 2, 1), _drawn(1, 8, 20, 20), {}, 8),
    "running sum": (lambda _, x: x.cumsum(-1), _drawn(1, 400), {}, 40),
    "twice as large": (
        lambda _, x: F.interpolate(x, scale_factor=2.0, mode="bilinear"), _drawn(1, 4, 64, 64), {}, 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_may_lose_a_root_of_its_length(name: str) -> None:
    """And not what a sum of thousands may."""
    law, x, parts, most = SUMS[name]
    right = _compared(law, x, **parts)
    assert not judge(right, 1, FLOAT32).is_wrong
    assert most_allowed(right, 1, FLOAT32) <= most * ROUNDING
    assert _judged(law, x, 1 + 1.5 * most * ROUNDING, **parts).is_wrong


def test_tokens_that_are_alike_are_added_up_to_one_side() -> None:
    """Attention to 2,000 tokens that are one and the same: every addition rounds as the last did."""

    def law(_: object, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x)

    alike = torch.cat([_drawn(1, 2, 1, 4).expand(1, 2, 1990, 4), _drawn(1, 2, 10, 4, seed=1)], 2)
    right, other = _compared(law, alike), _compared(law, _drawn(1, 2, 2000, 4))
    assert not judge(right, 1, FLOAT32).is_wrong
    more = most_allowed(right, 1, FLOAT32) - most_allowed(other, 1, FLOAT32)
    assert more > 400 * ROUNDING  # a quarter of a rounding each


def test_what_cancels_may_lose_what_its_terms_lose() -> None:
    """A thousand is added and taken away again: the result is as good as a thousand is."""
    x = torch.cat([_drawn(1, 8, 50), torch.full((1, 8, 50), 1000.0), torch.full((1, 8, 50), -1000.0)], 2)
    weight = torch.ones(150, 3)
    with torch.no_grad():
        exact = x[..., :50].double().sum(-1, keepdim=True)
    right = _compared(lambda m, x: x @ m.y, x, y=weight)
    assert float((right.drift.candidate - exact).abs().max()) > 40 * ROUNDING * float(exact.abs().max())
    assert not judge(right, 1, FLOAT32).is_wrong
    assert _judged(lambda m, x: x @ m.y, x, 1 + 1e-2, y=weight).is_wrong


@pytest.mark.parametrize("size", [70, 190, 300])
def test_a_resizing_is_as_exact_as_its_places(size: int) -> None:
    """Places on a side of 128 are off by a rounding of 128, and so are the weights that they give."""

    def law(_: object, x: Tensor) -> Tensor:
        return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=True)

    x = _drawn(1, 2, 128, 128)
    found = _judged(law, x)
    assert not found.is_wrong and found.own_error > 40 * ROUNDING
    smooth = F.interpolate(_drawn(1, 2, 4, 4), (128, 128), mode="bilinear")
    assert not _judged(law, smooth).is_wrong
    assert _judged(law, smooth, 1 + 64 * ROUNDING).is_wrong


@pytest.mark.parametrize(
    "law",
    [
        lambda _, x: x.logsumexp(-1),
        lambda _, x: torch.logaddexp(x[..., 0], x[..., 1]),
        lambda _, x: torch.logaddexp2(x[..., 0], x[..., 1]),
    ],
)
def test_a_sum_of_exponentials_next_to_one_may_lose_a_rounding_of_one(law: Law) -> None:
    """However small its logarithm is; and a term that is left out is seen."""
    x = torch.stack([torch.zeros(50), -6 - 3 * _drawn(50).abs()], -1)
    result = law(None, x)
    assert _judged(law, x, 1 + float(ROUNDING / result.max())).is_wrong is False
    assert _judged(law, x, 1 + float(16 * ROUNDING / result.max())).is_wrong
    assert _judged(law, x, 0.0).is_wrong


def test_a_number_that_decides_a_shape_is_not_moved() -> None:
    """Twice as large less a rounding is a column less, and its neighbours are others; what is wrong there is wrong."""

    def resized(_: object, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="nearest")

    def counted(_: object, x: Tensor) -> Tensor:
        return x * torch.arange(0.0, x.shape[-1], 1.0)

    x = _drawn(1, 2, 4, 4)
    for law in (resized, counted):
        assert not _judged(law, x).is_wrong
        assert most_allowed(_compared(law, x), 1, FLOAT32) < 4 * ROUNDING
        assert _judged(law, x, 1 + 4 * ROUNDING).is_wrong


def test_a_sum_with_a_factor_rounds_twice() -> None:
    """Three times a number is rounded before it is taken away."""

    def law(m: nn.Module, x: Tensor) -> Tensor:
        return torch.sub(m.three, x, alpha=3)

    x = 1 + _drawn(1, 4, 64).abs()
    right = _compared(law, x, three=(3 * x.double()).float() + 1e-4)
    assert most_allowed(right, 1, FLOAT32) > 1e3 * ROUNDING
    assert not judge(right, 1, FLOAT32).is_wrong


ONE_ROUNDING: dict[str, Law] = {
    "rectifier": lambda _, x: x.relu(),
    "largest of windows": lambda _, x: F.max_pool2d(x, 2),
    "sum of two": lambda _, x: x + x.flip(-1),
    "product of two": lambda _, x: x * x.flip(-1),
    "clamp": lambda _, x: x.clamp(-0.3, 5.0),
}


@pytest.mark.parametrize("name", ONE_ROUNDING)
def test_what_copies_numbers_or_rounds_once_has_no_more(name: str) -> None:
    x = _drawn(1, 4, 8, 8)
    assert not _judged(ONE_ROUNDING[name], x).is_wrong
    assert _judged(ONE_ROUNDING[name], x, 1 + 4 * ROUNDING).is_wrong


@pytest.mark.parametrize(
    "law", [lambda m, x: m.conv(x), lambda _, x: F.layer_norm(x, x.shape[1:])], ids=["sum", "normalization"]
)
def test_what_is_written_out_in_float16_rounds_what_is_between(law: Law) -> None:
    """And not the sum of its terms' magnitudes, which is nowhere rounded."""
    right = _compared(law, _drawn(1, 16, 9, 9), conv=_conv(16, 3))
    assert most_allowed(right, 8, FLOAT16) <= 16 * 2.0**-11


def test_a_large_mean_is_rounded_where_it_is_subtracted() -> None:
    def law(_: object, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[1:])

    large, small = (_compared(law, _drawn(1, 16, 9, 9) + mean) for mean in (100.0, 0.0))
    assert most_allowed(large, 8, FLOAT16) > 10 * most_allowed(small, 8, FLOAT16)


@pytest.mark.parametrize(
    "law",
    [lambda m, x: m.conv(x), lambda _, x: F.gelu(x), lambda _, x: F.layer_norm(x, x.shape[1:])],
    ids=["sum", "function", "normalization"],
)
def test_one_operator_in_float16_rounds_its_result(law: Law) -> None:
    """It is given numbers of float16 and adds up in float32."""
    module = Lambda(law, conv=_conv(16, 3).half().float()).eval()
    x = _drawn(1, 16, 9, 9).half().float()
    program = lower(traced(module, tuple(x.shape)))
    with torch.no_grad():
        result = module(x).half().double()
    last = program.graph.output_node().args[0][0].name
    for factor, is_wrong in ((1, False), (1 + 2.0**-9, True)):
        given = {last: np.asarray(result * factor)}
        item = next(
            item
            for item in Walk(program, {"x0": x.numpy()}, given, stored=torch.float16)
            if item.node == last
        )
        assert judge(item, 1, FLOAT16).is_wrong == is_wrong


def _in_half(law: Law, x: Tensor, got: list[float], **parts: Tensor) -> Judgement:
    program = lower(traced(Lambda(law, **parts), tuple(x.shape)))
    last = program.graph.output_node().args[0][0]
    candidate = {last.name: np.array(got, np.float16)}
    walk = Walk(program, {"x0": x.numpy()}, candidate, stored=torch.float16)
    return judge({item.node: item for item in walk}[last.name], 1, FLOAT16)


def test_a_number_beyond_the_format_is_its_largest_where_the_result_is_beyond_it_too() -> None:
    """The first three are; 1e-5 times -1e9 is in the format, and 0 is no mask."""
    x, end = torch.tensor([1.0, 0.5, 2.0, 0.0]), 65504.0
    is_right = _in_half(lambda _, x: x * -1e9, x, [-end, -end / 2, -np.inf, 0.0])
    assert not is_right.is_wrong and is_right.overflows
    for wrong in (
        [end, -end / 2, -np.inf, 0.0],
        [-100.0, -end / 2, -np.inf, 0.0],
        [-end, -end / 2, -np.inf, -end],
    ):
        assert _in_half(lambda _, x: x * -1e9, x, wrong).is_wrong
    assert _in_half(lambda _, x: x * -1e9, torch.tensor([1e-5, 1.0]), [-0.655, -end]).is_wrong
    assert not _in_half(lambda _, x: x * -1e9, torch.tensor([1e-5, 1.0]), [-1e4, -end]).is_wrong


def test_a_mask_hides_no_error_beside_it() -> None:
    x, end = torch.tensor([3.0, 2.0]), 65504.0
    hidden = {"hidden": torch.tensor([True, False])}
    assert not _in_half(lambda m, x: x.masked_fill(m.hidden, -1e9), x, [-end, 2.0], **hidden).is_wrong
    assert _in_half(lambda m, x: x.masked_fill(m.hidden, -1e9), x, [-end, 2.01], **hidden).is_wrong


def test_what_the_model_computes_in_half_has_its_roundings_and_no_more() -> None:
    """A cast to it rounds once, and every format does so alike."""
    x, weight = _drawn(4, 16), {"weight": _drawn(16, 4).half()}
    in_half: Law = lambda m, x: (x.half() @ m.weight).float()  # noqa: E731
    assert not _judged(in_half, x, 1 + 2**-12, **weight).is_wrong
    assert _judged(in_half, x, 1.01, **weight).is_wrong
    assert _judged(lambda _, x: x.half().float(), x, 1 + 2**-12).is_wrong


def _of_whole_numbers(law: Law, numbers: Tensor, got: Tensor, types: Types = FLOAT32) -> Judgement:
    """The last operator of a law of whole numbers, which are given."""
    program = lower(traced(Lambda(lambda m, x: law(x.long())), tuple(numbers.shape)))
    (whole,) = (node for node in program.graph.nodes if node.target is torch.ops.aten._to_copy.default)
    last = program.graph.output_node().args[0][0]
    candidate = {whole.name: numbers.numpy(), last.name: got.numpy()}
    walk = Walk(program, {"x0": numbers.float().numpy()}, candidate)
    return judge({item.node: item for item in walk}[last.name], 1, types)


def test_whole_numbers_beyond_a_format_are_its_last() -> None:
    """And in the format that has them none but themselves."""
    ends, narrow = torch.iinfo(torch.int32), Types("float32", "float32", whole="int32")
    numbers = torch.tensor([[0, 3, 7, 9]])

    def law(x: Tensor) -> Tensor:
        return x.masked_fill(x > 5, 2**40).masked_fill(x < 2, -(2**40))

    last = torch.tensor([[ends.min, 3, ends.max, ends.max]])
    found = _of_whole_numbers(law, numbers, last, narrow)
    assert found.overflows and not found.is_wrong
    assert _of_whole_numbers(law, numbers, last).is_wrong
    for wrong in (
        [ends.max, 3, ends.max, ends.max],
        [ends.min, 3, -1, -1],
        [ends.min, ends.max, ends.max, ends.max],
    ):
        assert _of_whole_numbers(law, numbers, torch.tensor([wrong]), narrow).is_wrong
    assert not _of_whole_numbers(law, numbers, law(numbers)).is_wrong


def test_equal_whole_numbers_are_in_any_order_unless_it_is_asked_for() -> None:
    """The first of the largest is what PyTorch gives of them, and no other."""
    numbers = torch.tensor([[5, 2, 5, 1]])
    other, wrong = torch.tensor([[3, 1, 2, 0]]), torch.tensor([[1, 3, 0, 2]])
    assert not _of_whole_numbers(lambda x: x.argsort(1), numbers, other).is_wrong
    assert _of_whole_numbers(lambda x: x.argsort(1), numbers, wrong).is_wrong
    assert _of_whole_numbers(lambda x: x.argsort(dim=1, stable=True), numbers, other).is_wrong
    assert not _of_whole_numbers(lambda x: x.topk(1, 1)[1], numbers, torch.tensor([[2]])).is_wrong
    assert _of_whole_numbers(lambda x: x.argmax(1), numbers, torch.tensor([2])).is_wrong


def _of_decided(law: Law, x: Tensor, got: list[int], **parts: Tensor) -> Judgement:
    """A law in one operator, from numbers to whole numbers."""
    program = lower(traced(Lambda(law, **parts), tuple(x.shape)))
    last = program.graph.output_node().args[0][0]
    walk = Walk(program, {"x0": x.numpy()}, {last.name: np.array(got)}, stored=torch.float16)
    return judge({item.node: item for item in walk}[last.name], 1, FLOAT16)


def test_an_amount_of_a_rounded_number_may_be_any_between() -> None:
    """A remainder or what is looked up is one of those that roundings give, and so is nothing farther away."""
    x = torch.tensor([2.5, 0.3])

    def quotient(_: nn.Module, x: Tensor) -> Tensor:
        return torch.div((x * 1e4).long(), 7, rounding_mode="trunc")

    want = [25000 // 7, 3000 // 7]
    for off in range(-4, 5):
        found = _of_decided(quotient, x, [want[0] + off, want[1]])
        assert not found.is_wrong and found.flips == (off != 0)
    assert _of_decided(quotient, x, [want[0] + 40, want[1]]).is_wrong
    assert _of_decided(quotient, x, [want[0], want[1] + 8]).is_wrong
    edge, table = torch.tensor([0.007, 0.003]), {"table": torch.arange(0, 100, 10)}
    for law, other in (
        (lambda _, x: (x * 1e3).long() % 7, 6),
        (lambda m, x: m.table.flip(0)[(x * 1e3).long()], 30),
        (lambda m, x: m.table.flip(0).float()[(x * 1e3).long()].long(), 30),
    ):
        (first, second) = law(Lambda(law, **table), edge.double() * 1.0001).tolist()
        assert not _of_decided(law, edge, [first, second], **table).is_wrong
        assert not _of_decided(law, edge, [other, second], **table).is_wrong
        assert _of_decided(law, edge, [other - 3, second], **table).is_wrong


def test_where_pytorch_ends_inside_an_operator_so_may_a_file() -> None:
    """Of a magnitude, squares are added up; a file that is infinite where PyTorch is not is wrong."""
    x = torch.tensor([[3e19, 4e19], [3.0, 4.0]])
    norm: Law = lambda _, x: x.norm(dim=1)  # noqa: E731
    for got, is_wrong in (([torch.inf, 5.0], False), ([5e19, 5.0], False), ([torch.inf, torch.inf], True)):
        program = lower(traced(Lambda(norm), tuple(x.shape)))
        last = program.graph.output_node().args[0][0]
        walk = Walk(program, {"x0": x.numpy()}, {last.name: np.array(got)})
        found = judge({item.node: item for item in walk}[last.name], 1, FLOAT32)
        assert (found.is_wrong, found.overflows) == (is_wrong, got[0] == torch.inf)


def test_what_is_computed_of_a_product_at_its_end() -> None:
    """Not of another product, and not where it is within the format."""
    x = torch.tensor([2.0, 1.0, 0.5, -0.1])

    def law(_: nn.Module, x: Tensor) -> Tensor:
        return (x * 1e5).log_softmax(0) * 0.25

    at_end = torch.tensor([65504.0, 65504.0, 5e4, -1e4]).log_softmax(0) * 0.25
    assert not _in_half(law, x, at_end.tolist()).is_wrong
    assert _in_half(law, x, (1.1 * at_end).tolist()).is_wrong
    within = x / 10
    right = law(nn.Module(), within)
    assert not _in_half(law, within, right.tolist()).is_wrong
    assert _in_half(law, within, (1.1 * right).tolist()).is_wrong
