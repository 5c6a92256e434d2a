"""What rounding costs is not less than what PyTorch itself loses in float32."""

from __future__ import annotations

import math
from collections.abc import Callable

import hard_networks
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cloformer.export.parity.tolerances import MARGIN, MOST_LOSS
from cloformer.export.reference.conditioning import terms
from cloformer.export.reference.loss import RoundingLoss
from cloformer.export.reference.references import Expected, Reference
from cloformer.export.reference.rounding import Format
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import trace

FORM = Format.of("float32", narrow_sums=False)


def _flat(size: int = 64, channels: int = 3) -> np.ndarray:
    """Pixels that are all alike, but for one."""
    colour = torch.rand(1, channels, 1, 1, generator=torch.Generator().manual_seed(0)) + 0.3
    image = colour.expand(1, channels, size, size).clone()
    image[..., size // 2, size // 2] += 1
    return image.numpy()


def _attention_to_itself(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens)


def _product(x: Tensor) -> Tensor:
    tokens = x.flatten(2)
    return tokens @ tokens.transpose(1, 2)


@pytest.mark.parametrize(
    "function",
    [
        _attention_to_itself,
        _product,
        lambda x: x.mean((2, 3)),
        lambda x: x.sum((2, 3)),
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.avg_pool2d(x, 32),
        lambda x: torch.linalg.vector_norm(x, dim=(2, 3)),
        lambda x: torch.linalg.norm(x.flatten(2), dim=2),
        lambda x: x.var((2, 3)),
    ],
)
def test_one_number_again_and_again_is_rounded_to_one_side(function: Callable[[Tensor], Tensor]) -> None:
    """Attention over a flat image was off by 44 roundings, and 6 were said to be what it costs."""

    class Alone(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    given = {"image": _flat()}
    reference = Reference(trace(Alone(), [TensorSpec("image", (1, 3, 64, 64), "float32", "image")]))
    (expected,) = reference.expected(given, FORM, reference.twin.signature.outputs)
    numbers = torch.from_numpy(given["image"])
    own = function(numbers).numpy()
    assert np.abs(own - expected.want).max() <= MARGIN * expected.loss.whole
    assert expected.loss.whole < 1e-4 * np.abs(expected.want).max()


def test_so_it_is_where_numbers_are_added_one_after_the_other() -> None:
    """As some of ONNX Runtime's reductions do: its norm of a flat image was off by 104 roundings."""

    class Norm(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.norm(dim=(2, 3))

    given = {"image": _flat(28)}
    reference = Reference(trace(Norm(), [TensorSpec("image", (1, 3, 28, 28), "float32", "image")]))
    (expected,) = reference.expected(given, FORM, reference.twin.signature.outputs)
    squares = np.square(given["image"][0]).reshape(3, -1)
    sums = np.zeros(3, np.float32)
    for place in range(squares.shape[1]):
        sums = sums + squares[:, place]
    error = np.abs(np.sqrt(sums) - expected.want[0]).max()
    assert 16 * 2.0**-24 * expected.want.max() < error <= MARGIN * expected.loss.whole


@pytest.mark.parametrize("size", [16, 60])
def test_a_spectrum_is_sums_and_its_parts_are_off_by_its_magnitude(size: int) -> None:
    """ONNX Runtime's transforms of two axes were off by 8.1 roundings. Another sine in one place is seen beside it."""

    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            spectrum = torch.fft.fft2(x)
            return spectrum.real, (spectrum * spectrum).imag

    shape = (1, 1, size, size)
    reference = Reference(trace(Spectrum(), [TensorSpec("x", shape)]))
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = reference.expected({"x": x.numpy().astype(np.float64)}, FORM, reference.twin.signature.outputs)
    place = torch.arange(size, dtype=torch.float64)
    turns = torch.exp(-2j * math.pi * place[:, None] * place / size).to(torch.complex64)
    wrong = turns.clone()
    wrong[1, 1] = wrong[1, 2]
    for sines, is_right in ((turns, True), (wrong, False)):
        spectrum = sines @ (x.to(torch.complex64) @ sines)
        for item, got in zip(found, (spectrum.real, (spectrum * spectrum).imag), strict=True):
            error = np.abs(got.numpy() - item.want).max()
            assert bool(error <= MARGIN * item.loss.whole) == is_right
            assert not is_right or error > 2.0**-24 * np.abs(item.want).max()


def test_cubic_weights_are_one_together_but_for_their_roundings() -> None:
    """A white image that ONNX Runtime resized by 1.7 and 0.6 was off by 15 roundings. Weights of another cubic are seen beside
    it, on any other image."""

    class Resized(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.interpolate(x, scale_factor=(1.7, 0.6), mode="bicubic")

    reference = Reference(trace(Resized(), [TensorSpec("x", (1, 3, 7, 9))]))
    outputs = reference.twin.signature.outputs
    (white,) = reference.expected({"x": np.full((1, 3, 7, 9), 48.0)}, FORM, outputs)
    share = MARGIN * white.loss.whole / 48.0 / 2.0**-24
    assert 15 < share < 64
    noise = torch.randn(1, 3, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (drawn,) = reference.expected({"x": noise.numpy()}, FORM, outputs)
    smoother = F.interpolate(noise, scale_factor=(1.7, 0.6), mode="bicubic", antialias=True).numpy()
    assert np.abs(smoother - drawn.want).max() > 100 * MARGIN * drawn.loss.whole


def test_numbers_that_differ_cost_no_more_than_before() -> None:
    """A root of their number, over the partial sums that a kernel keeps side by side."""
    model = hard_networks.After(lambda x: x.mean((2, 3))).eval()
    reference = Reference(trace(model, [TensorSpec("image", (1, 3, 32, 32), "float32", "image")]))
    noise = {"image": torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).numpy()}
    (expected,) = reference.expected(noise, FORM, reference.twin.signature.outputs)
    assert expected.loss.whole < 32 * 2.0**-24 * np.abs(expected.want).max()


def test_a_narrow_sum_of_thousands_stands_still() -> None:
    """Added up in float16, 12,288 squares come to a sixth of themselves: what a normalization makes of them is no figure that
    outputs could be held to."""

    class Normalized(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(x, x.shape[1:])

    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).numpy()
    reference = Reference(trace(Normalized(), [TensorSpec("image", (1, 3, 64, 64), "float32", "image")]))
    shares = []
    for narrow_sums in (False, True):
        form = Format.of("float16", narrow_sums=narrow_sums)
        (expected,) = reference.expected({"image": image}, form, reference.twin.signature.outputs)
        shares.append(expected.loss.whole / np.abs(expected.want).max())
    assert shares[0] < 2e-3 and shares[1] > MOST_LOSS


@pytest.mark.parametrize(
    "function",
    [
        lambda x, c: x * c,
        lambda x, c: (x - x + c).rsqrt(),
        lambda x, c: (x - x).clamp(min=c).rsqrt(),
        lambda x, c: torch.where(x > 9, x, c).rsqrt(),
    ],
)
def test_a_number_with_few_digits_is_rounded_as_the_format_has_it(
    function: Callable[[Tensor, float | Tensor], Tensor],
) -> None:
    """1.28e-6 is 2 % less in float16, which has no more digits there."""
    number = 1.28e-6

    class Alone(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x, number)

    numbers = torch.linspace(20, 40, 60).reshape(6, 10)
    reference = Reference(trace(Alone(), [TensorSpec("x", (6, 10))]))
    form = Format.of("float16", narrow_sums=False)
    (expected,) = reference.expected({"x": numbers.numpy()}, form, reference.twin.signature.outputs)
    own = function(numbers.half(), torch.tensor(number).half()).float().numpy()
    assert np.abs(own - expected.want).max() <= MARGIN * expected.loss.whole
    assert expected.loss.whole < 0.05 * np.abs(expected.want).max()


def test_a_masked_place_takes_no_digits_from_the_others() -> None:
    class Masked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mask = torch.full((8, 8), -torch.inf).triu(1)
            return torch.baddbmm(mask.expand(2, 8, 8), x, x.transpose(1, 2), alpha=1 / 16).softmax(-1)

    tokens = {"x": torch.randn(2, 8, 256, generator=torch.Generator().manual_seed(0)).numpy()}
    reference = Reference(trace(Masked(), [TensorSpec("x", (2, 8, 256))]))
    for in_order in (False, True):
        form = Format.of("float32", narrow_sums=False, adds_in_order=in_order)
        (expected,) = reference.expected(tokens, form, reference.twin.signature.outputs)
        assert 0 < expected.loss.whole < 1e-4


def test_what_jumps_may_jump_as_far_as_any_of_its_part() -> None:
    """A place that is chosen of many that are as good is another in every run, whichever the few runs gave."""
    want, jumps = np.zeros((1, 4), np.float32), np.array([[0, 1, 6, 0]], np.float32)
    loss = RoundingLoss(0.1, 1.0, (np.full(1, 0.1), np.full(4, 0.1)), jumps)
    limits = loss.with_jumps(np.full((1, 4), 0.5))
    assert limits.tolist() == [[0.5, 12.5, 12.5, 0.5]]
    places = np.array([[3, 9, 9, 0]])
    assert loss.undecided(places, np.zeros((1, 4), np.int64)).tolist() == [[False, True, True, False]]
    assert not loss.undecided(np.full((1, 4), 13), want.astype(np.int64)).any()


def test_a_zero_that_was_added_up_may_have_either_sign() -> None:
    """Beside a bright pixel the difference of the rows is zero, and the angle half a turn or minus half a turn."""

    class Direction(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            columns = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
            self.register_buffer("kernels", torch.stack([columns.T, columns])[:, None])

        def forward(self, x: Tensor) -> Tensor:
            return torch.atan2(*F.conv2d(x, self.kernels, padding=1).unbind(1))

    bright = np.zeros((1, 1, 16, 16), np.float32)
    bright[..., 8, 8] = 30
    reference = Reference(trace(Direction(), [TensorSpec("x", (1, 1, 16, 16))]))
    (expected,) = reference.expected({"x": bright}, FORM, reference.twin.signature.outputs)
    jumps = expected.loss.jumps
    assert abs(float(expected.want[0, 8, 9])) > 3.14 and jumps is not None and jumps[0, 8, 9] > 6


def _expected(function: Callable[[Tensor], Tensor], x: Tensor) -> Expected:
    class Alone(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    reference = Reference(trace(Alone(), [TensorSpec("x", tuple(x.shape))]))
    (expected,) = reference.expected({"x": x.numpy()}, FORM, reference.twin.signature.outputs)
    return expected


def test_a_sum_of_zeros_is_zero_and_of_one_sign_has_it() -> None:
    """How often a code is used: the logarithm of a share that rounding had made negative was no number."""
    used = F.one_hot(torch.tensor([3, 3, 5, 3, 3, 3, 3]), 8).float()
    for mean in (lambda x: x.mean(0), lambda x: F.avg_pool1d(x.T[None], 7)):
        expected = _expected(lambda x, mean=mean: (mean(x) * (mean(x) + 1e-10).log()).sum().exp(), used)
        assert expected.loss.whole < 1e-5
    cancelling = torch.tensor([[1.0, 1e4, -1e4, 3.3, -5e3, 5e3]])
    assert (
        _expected(lambda x: x.sum(1), cancelling).loss.whole > 1e-4
    )  # what is rounded on the way is still lost


def test_windows_over_one_another_are_sums_of_all_that_is_in_each() -> None:
    class Smoothed(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            return [F.avg_pool1d(x, 25, 1), F.avg_pool2d(x, (2, 5), 1), F.avg_pool2d(x, 3, 2)]

    graph = trace(Smoothed(), [TensorSpec("x", (1, 4, 32))]).graph_module.graph
    nodes = [node for node in graph.nodes if "avg_pool" in str(node.target)]
    counts = [terms(node, {node.all_input_nodes[0]: torch.ones(1, 4, 32)}) for node in nodes]
    assert counts == [25, 10, 9]


def test_what_a_gelu_loses_far_below_zero() -> None:
    """One plus an error function of nearly minus one."""
    x = torch.linspace(-5.4, -4.6, 64)
    with_the_sum = x * 0.5 * (1 + torch.erf(x * 0.5**0.5))
    expected = _expected(F.gelu, x)
    error = np.abs(with_the_sum.numpy() - expected.want).max()
    assert 100 * 2.0**-24 * np.abs(expected.want).max() < error <= MARGIN * expected.loss.whole
    assert _expected(F.gelu, x.abs()).loss.whole < 4 * 2.0**-24 * 5.4
