"""Float16: what is rounded when, in wide, narrow and exact arithmetic."""

from __future__ import annotations

from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil import Builder as mb  # noqa: N813 - its own idiom

from cloformer.export.formats.coreml.mil import Arithmetic, Interpreter, read_package
from cloformer.export.formats.coreml.mil._operator import OPERATORS

COUNT = 5000
STUCK = 2048  # a float16 that is counted up by one stays there
ONES = torch.ones(1, COUNT)
IMAGE = torch.ones(1, 1, 100, COUNT // 100)

# Of ones, normalized: the mean is stuck, and so is the sum of the squares of what that leaves.
REST = 1 - float(np.float16(STUCK / COUNT))
SQUARES = np.add.accumulate(np.full(COUNT, REST**2, np.float16), dtype=np.float16)[-1]
NORMAL = REST / float(SQUARES / COUNT) ** 0.5


@pytest.mark.parametrize(
    ("kind", "arguments", "stuck"),
    [
        ("reduce_sum", {"x": ONES}, STUCK),
        ("reduce_l1_norm", {"x": -ONES}, STUCK),
        ("reduce_sum_square", {"x": -ONES}, STUCK),
        ("reduce_l2_norm", {"x": ONES}, STUCK**0.5),
        ("reduce_mean", {"x": ONES}, STUCK / COUNT),
        ("matmul", {"x": ONES, "y": ONES, "transpose_y": torch.tensor(True)}, STUCK),
        ("matmul", {"x": ONES[0], "y": ONES[0]}, STUCK),
        ("linear", {"x": ONES, "weight": ONES, "bias": torch.tensor([8.0])}, STUCK + 8),
        ("einsum", {"values": [ONES[None], ONES.T[:, None]], "equation": "chw,whu->chu"}, STUCK),
        ("conv", {"x": ONES[..., None], "weight": ONES[..., None]}, STUCK),
        ("conv", {"x": IMAGE, "weight": IMAGE}, STUCK),
        ("avg_pool", {"x": IMAGE, "kernel_sizes": torch.tensor(IMAGE.shape[2:])}, STUCK / COUNT),
        ("l2_pool", {"x": IMAGE, "kernel_sizes": torch.tensor(IMAGE.shape[2:])}, STUCK**0.5),
        ("l2_norm", {"x": IMAGE}, STUCK**-0.5),
        ("layer_norm", {"x": ONES}, NORMAL),
    ],
)
def test_narrow_sums_are_counted_in_float16(kind: str, arguments: dict[str, Any], stuck: float) -> None:
    """One addition after the other: five thousand ones are 2048, and no wider sum is hidden anywhere."""
    found = OPERATORS[kind].call(arguments, is_narrow=True)
    assert found.reshape(-1)[-1].item() == pytest.approx(stuck, rel=2e-3)
    wide = OPERATORS[kind].call(arguments)
    assert wide.reshape(-1)[-1].item() != pytest.approx(stuck, rel=0.1)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("pad_type", ["valid", "same", "same_lower"])
def test_a_narrow_convolution_adds_one_product_after_the_other(groups: int, pad_type: str) -> None:
    chance = np.random.default_rng(groups)
    x = chance.normal(size=(1, 4, 7, 5)).astype(np.float16)
    weight = chance.normal(size=(6, 4 // groups, 3, 2)).astype(np.float16)
    arguments: dict[str, Any] = {
        "x": torch.from_numpy(x).float(),
        "weight": torch.from_numpy(weight).float(),
        "strides": torch.tensor([2, 1]),
        "pad_type": pad_type,
        "groups": torch.tensor(groups),
    }
    found = OPERATORS["conv"].call(arguments, is_narrow=True).numpy()
    near = OPERATORS["conv"].call(arguments).numpy()
    assert np.abs(found - near).max() < 2e-2
    low, high = {"valid": (0, 0), "same": (0, 1), "same_lower": (1, 0)}[pad_type]
    rows = 0 if pad_type == "valid" else 1
    padded = np.pad(x, [(0, 0), (0, 0), (rows, rows), (low, high)])
    for place in np.ndindex(found.shape):
        _, channel, row, column = place
        first = channel // (6 // groups) * (4 // groups)
        window = padded[0, first : first + 4 // groups, 2 * row : 2 * row + 3, column : column + 2]
        total = np.float16(0)
        for product in (window * weight[channel]).reshape(-1):
            total = np.float16(total + product)
        assert found[place] == total


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The sum of 3 x / (3 + abs x) + x, in float16 and in float32."""

    def build(x: Any) -> Any:
        third = mb.real_div(x=x, y=mb.exp(x=mb.log(x=mb.add(x=mb.abs(x=x), y=3.0))))
        return mb.reduce_sum(x=mb.add(x=mb.mul(x=third, y=3.0), y=x), keep_dims=True)

    found = {}
    for precision in (ct.precision.FLOAT16, ct.precision.FLOAT32):
        path = tmp_path_factory.mktemp("arithmetic") / "model.mlpackage"
        program = mb.program(input_specs=[mb.TensorSpec(shape=(64,))], opset_version=ct.target.iOS17)(build)
        ct.convert(
            program,  # it is changed: each conversion needs its own
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=precision,
            skip_model_load=True,
        ).save(str(path))
        found[precision.value] = read_package(path).program.functions["main"]
    return found


X = {"x": np.random.default_rng(0).normal(size=64).astype(np.float32)}


def made(function: Any, arithmetic: Arithmetic) -> dict[str, torch.Tensor]:
    """All values of a run, by their names."""
    values: dict[str, torch.Tensor] = {}
    Interpreter(function, arithmetic).run(X, observe=lambda operation, made, _: values.update(made))
    return values


def test_each_operator_rounds_its_result_once(functions: dict[str, Any]) -> None:
    """In wide arithmetic, to the type that the program declares, from a float32."""
    values = [
        item for item in made(functions["float16"], Arithmetic.WIDE).values() if item.dtype == torch.half
    ]

    def rounded(value: torch.Tensor) -> torch.Tensor:
        return value.half().float()

    x = rounded(torch.from_numpy(X["x"]))
    steps = [x, x.abs()]
    steps += [rounded(steps[-1] + 3)]
    steps += [rounded(steps[-1].log())]
    steps += [rounded(steps[-1].exp())]
    steps += [rounded(x / steps[-1])]
    steps += [rounded(steps[-1] * 3)]
    steps += [rounded(steps[-1] + x)]
    steps += [rounded(steps[-1].sum(0, keepdim=True))]
    assert len(values) == len(steps)
    for found, expected in zip(values, steps, strict=True):
        assert torch.equal(found.float(), expected)


def test_exact_arithmetic_rounds_nothing(functions: dict[str, Any]) -> None:
    for function in functions.values():
        values = made(function, Arithmetic.EXACT)
        x = X["x"].astype(np.float64)
        expected = np.sum(x / (np.abs(x) + 3) * 3 + x)
        *_, last = values.values()
        assert last.dtype == torch.float64
        assert last.item() == pytest.approx(expected, rel=1e-12)


def test_narrow_is_wide_where_nothing_is_float16(functions: dict[str, Any]) -> None:
    wide, narrow = (made(functions["float32"], item) for item in (Arithmetic.WIDE, Arithmetic.NARROW))
    assert all(torch.equal(wide[name], narrow[name]) for name in wide)


def test_narrow_sums_fail_ordinary_means_and_no_convolutions() -> None:
    """Of one sign, what is added is swallowed once the sum is 2,048 times as large; of both signs the sum stays small."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.nn.functional.silu(torch.randn(1, 2, 112, 112, generator=generator)).half().float()
    mean = {"x": pixels, "axes": torch.tensor([2, 3]), "keep_dims": torch.tensor(False)}
    x = torch.randn(1, 512, 3, 3, generator=generator).half().float()
    weight = (torch.randn(8, 512, 3, 3, generator=generator) / 4608**0.5).half().float()
    conv = {"x": x, "weight": weight, "pad_type": "valid"}
    lost = {}
    for kind, arguments in (("reduce_mean", mean), ("conv", conv)):
        wide, narrow = (OPERATORS[kind].call(arguments, is_narrow=is_narrow) for is_narrow in (False, True))
        lost[kind] = float((narrow - wide).abs().max() / wide.abs().max())
    assert lost["reduce_mean"] > 0.05 and lost["conv"] < 0.03, lost
