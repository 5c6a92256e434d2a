"""Compressed weights: every constant that coremltools can decompress, the runtime decompresses to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from coremltools.converters.mil import Builder as mb  # noqa: N813 - its own idiom
from coremltools.converters.mil.frontend.milproto.load import load
from coremltools.converters.mil.mil import types
from coremltools.optimize._utils import pack_elements_into_bits
from torch import nn

from cloformer.errors import InputError
from cloformer.export.formats.coreml.mil import Arithmetic, Interpreter, read_package
from cloformer.export.formats.coreml.mil._operator import OPERATORS
from cloformer.export.formats.coreml.mil.program import CONSTEXPR
from cloformer.export.formats.coreml.mil.types import TYPES, unpack

Compress = Callable[[Any], Any]
BITS = (1, 2, 3, 4, 6, 8)
SHAPE = (1, 8, 4, 4)


@pytest.fixture(scope="module")
def models() -> dict[tuple[str, str], Any]:
    """A small network as a model, by target and precision."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Linear(4, 24)).eval()
    return {
        (target, precision): ct.convert(
            torch.jit.trace(network, torch.zeros(SHAPE)),
            inputs=[ct.TensorType(shape=SHAPE)],
            minimum_deployment_target=ct.target[target],
            compute_precision=ct.precision[precision],
            skip_model_load=True,
        )
        for target in ("iOS16", "iOS18")
        for precision in ("FLOAT16", "FLOAT32")
    }


def quantized(**options: Any) -> Compress:
    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(weight_threshold=0, **options))
    return lambda model: cto.linear_quantize_weights(model, config)


def palettized(**options: Any) -> Compress:
    config = cto.OptimizationConfig(cto.OpPalettizerConfig(weight_threshold=0, **options))
    return lambda model: cto.palettize_weights(model, config)


def pruned(model: Any) -> Any:
    pruner = cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=0)
    return cto.prune_weights(model, cto.OptimizationConfig(pruner))


def with_scaled_palette(model: Any) -> Any:
    """A palette whose entries are themselves int8."""
    per_tensor = cto.OpLinearQuantizerConfig(
        mode="linear_symmetric", granularity="per_tensor", weight_threshold=0
    )
    return cto.linear_quantize_weights(
        palettized(mode="uniform", nbits=4)(model),
        cto.OptimizationConfig(per_tensor),
        joint_compression=True,
    )


def pruned_and_quantized(model: Any) -> Any:
    config = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
    return cto.linear_quantize_weights(pruned(model), cto.OptimizationConfig(config), joint_compression=True)


def pruned_and_palettized(model: Any) -> Any:
    config = cto.OpPalettizerConfig(mode="uniform", nbits=3, weight_threshold=0)
    return cto.palettize_weights(pruned(model), cto.OptimizationConfig(config), joint_compression=True)


def vector_palettized(model: Any) -> Any:
    """Pairs of channels as one index, for as many pairs as there are."""
    return palettized(mode="unique", cluster_dim=2, granularity="per_grouped_channel", group_size=4)(model)


GROUPS = {"granularity": "per_grouped_channel", "group_size": 4}
QUANTIZED: dict[str, Compress] = {
    f"{mode}-{dtype}-{granularity}": quantized(mode=mode, dtype=dtype, granularity=granularity, block_size=4)
    for mode in ("linear", "linear_symmetric")
    for dtype in ("int4", "uint4", "int8", "uint8")
    for granularity in ("per_tensor", "per_channel", "per_block")
}
ON_IOS18 = {
    **QUANTIZED,
    **{f"{bits}-bits": palettized(mode="uniform", nbits=bits) for bits in BITS},
    **{f"{bits}-bits-grouped": palettized(mode="uniform", nbits=bits, **GROUPS) for bits in BITS},
    "6-bits-scaled": palettized(mode="uniform", nbits=6, enable_per_channel_scale=True, **GROUPS),
    "vectors": vector_palettized,
    "pruned": pruned,
    "scaled-palette": with_scaled_palette,
    "pruned-and-quantized": pruned_and_quantized,
    "pruned-and-palettized": pruned_and_palettized,
}
ON_IOS16 = {
    **{name: make for name, make in QUANTIZED.items() if "int8-" in name and "block" not in name},
    **{f"{bits}-bits": palettized(mode="uniform", nbits=bits) for bits in BITS if bits != 3},
    "pruned": pruned,
}
CASES = [("iOS16", name, make) for name, make in ON_IOS16.items()]
CASES += [("iOS18", name, make) for name, make in ON_IOS18.items()]


def by_coremltools(path: Path) -> dict[str, np.ndarray]:
    """The values of all compressed constants, as coremltools evaluates the saved package."""
    model = ct.models.MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    program = load(spec, spec.specificationVersion, model.weights_dir)
    found: dict[str, np.ndarray] = {}
    for operation in program.functions["main"].operations:
        if not operation.op_type.startswith(CONSTEXPR):
            continue
        if operation.op_type == "constexpr_lut_to_dense" and operation.lut.val is None:
            # It does not evaluate a palette that is compressed itself, but both steps for themselves.
            axis = operation.vector_axis and operation.vector_axis.val
            values = operation.decompress(operation.indices.val, found[operation.lut.name], axis)
        else:
            values = operation.materialized_val_inference()
        several = values if isinstance(values, tuple) else (values,)
        found.update({output.name: value for output, value in zip(operation.outputs, several, strict=True)})
    return found


def hold(path: Path, arithmetic: Arithmetic = Arithmetic.WIDE) -> set[str]:
    """Both programs' compressed constants are equal, bit for bit; which operators made them."""
    function = read_package(path).program.functions["main"]
    ours = Interpreter(function, arithmetic).constants
    theirs = by_coremltools(path)
    compressed = [item for item in function.operations if item.kind.startswith(CONSTEXPR)]
    assert theirs.keys() == {output.name for item in compressed for output in item.outputs} != set()
    for name, value in theirs.items():
        assert ours[name].numpy().dtype == value.dtype
        assert ours[name].shape == value.shape
        assert ours[name].numpy().tobytes() == value.tobytes(), name
    return {item.kind for item in compressed}


@pytest.mark.parametrize("precision", ["FLOAT16", "FLOAT32"])
@pytest.mark.parametrize(("target", "compress"), [pytest.param(t, m, id=f"{t}-{n}") for t, n, m in CASES])
def test_decompressed_bit_for_bit(
    models: dict[tuple[str, str], Any], target: str, compress: Compress, precision: str, tmp_path: Path
) -> None:
    compress(models[target, precision]).save(str(tmp_path / "model.mlpackage"))
    hold(tmp_path / "model.mlpackage")


def save(path: Path, target: str, make: Callable[[], Any], shape: tuple[int, ...]) -> Path:
    """A program that adds a compressed constant to its input."""

    def program(x: Any) -> Any:
        return mb.add(x=x, y=make())

    specification = mb.TensorSpec(shape=shape)
    built = mb.program(input_specs=[specification], opset_version=ct.target[target])(program)
    model = ct.convert(
        built,
        minimum_deployment_target=ct.target[target],
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    model.save(str(path / "model.mlpackage"))
    return path / "model.mlpackage"


def numbers(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=3, size=shape).astype(dtype)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("blocks", [(1, 1, 1), (2, 1, 3), (4, 2, 6)])
def test_vectors_lie_along_their_axis(axis: int, blocks: tuple[int, ...], tmp_path: Path) -> None:
    indices = np.random.default_rng(0).integers(0, 8, (4, 2, 6)).astype(types.np_uint3_dtype)
    shape = [4, 2, 6]
    shape[axis] *= 5

    def make() -> Any:
        return mb.constexpr_lut_to_dense(
            indices=indices, lut=numbers((*blocks, 8, 5), np.float32), vector_axis=np.int32(axis)
        )

    assert hold(save(tmp_path, "iOS18", make, tuple(shape))) == {"constexpr_lut_to_dense"}


# Not float16 with a float32 offset: there coremltools gives float32 where the program declares float16.
@pytest.mark.parametrize(
    ("scale", "offset"), [(np.float16, np.float16), (np.float32, np.float16), (np.float32, np.float32)]
)
@pytest.mark.parametrize("arithmetic", Arithmetic)
def test_steps_are_rounded_as_coremltools_rounds_them(
    scale: type, offset: type, arithmetic: Arithmetic, tmp_path: Path
) -> None:
    """A broken offset makes every step round; and weights are the same in every arithmetic."""

    def make() -> Any:
        weight = mb.constexpr_blockwise_shift_scale(
            data=np.arange(-32, 32, dtype=np.int8).reshape(4, 16),
            scale=numbers((4, 2), scale),
            offset=numbers((4, 2), offset),
        )
        return mb.cast(x=weight, dtype="fp32")

    path = save(tmp_path, "iOS18", make, (4, 16))
    assert hold(path, arithmetic) == {"constexpr_blockwise_shift_scale"}


@pytest.mark.parametrize("target", ["iOS16", "iOS18"])
def test_constants_of_half_the_size(target: str, tmp_path: Path) -> None:
    def make() -> Any:
        return mb.constexpr_cast(source_val=numbers((3, 5), np.float16), output_dtype="fp32")

    assert hold(save(tmp_path, target, make, (3, 5))) == {"constexpr_cast"}


@pytest.mark.parametrize("dtype", [name for name, kind in TYPES.items() if kind.bits < 8])
@pytest.mark.parametrize("count", [1, 7, 8, 15, 64, 1001])
def test_numbers_smaller_than_a_byte(dtype: str, count: int) -> None:
    kind = TYPES[dtype]
    low = -(1 << kind.bits - 1) if kind.is_signed else 0
    numbers = np.random.default_rng(count).integers(low, low + (1 << kind.bits), count)
    packed = pack_elements_into_bits(numbers.astype(np.int8 if kind.is_signed else np.uint8), kind.bits)
    assert unpack(packed.tobytes(), dtype, (count,)).tolist() == numbers.tolist()


def tensor(*values: float, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("constexpr_lut_to_dense", {"indices": tensor(0, 0), "lut": tensor(1, 2), "shape": tensor(17)}),
        ("constexpr_lut_to_dense", {"indices": tensor(0), "lut": tensor(1, 2), "shape": tensor(1 << 40, dtype=torch.int64)}),
        ("constexpr_lut_to_dense", {"indices": tensor(0), "lut": tensor(1, 2, 3), "shape": tensor(2)}),
        ("constexpr_lut_to_dense", {"indices": tensor(0), "lut": tensor(1), "shape": tensor(2)}),
        ("constexpr_lut_to_dense", {"indices": tensor(0, 4), "lut": tensor(*range(4)).reshape(1, 4, 1)}),
        ("constexpr_lut_to_dense", {"indices": tensor(0, 1, 1), "lut": tensor(*range(4)).reshape(2, 2, 1)}),
        ("constexpr_lut_to_dense", {"indices": tensor(0, 1), "lut": tensor(*range(4)).reshape(1, 2, 2)}),
        ("constexpr_lut_to_dense", {"indices": tensor(0, 1), "lut": tensor(1, 2)}),
        ("constexpr_sparse_to_dense", {"nonzero_data": tensor(1), "mask": tensor(1, 1, 0)}),
        ("constexpr_sparse_to_dense", {"nonzero_data": tensor(1, 2, 3), "mask": tensor(1, 1, 0)}),
        ("constexpr_sparse_to_dense", {"nonzero_data": tensor(1), "mask": tensor(1), "shape": tensor(9)}),
        ("constexpr_blockwise_shift_scale", {"data": tensor(1, 2, 3), "scale": tensor(1, 2, dtype=torch.half)}),
        ("constexpr_blockwise_shift_scale", {"data": tensor(1, 2, 3), "scale": tensor(dtype=torch.half)}),
        ("constexpr_cast", {"source_val": tensor(1, dtype=torch.half), "output_dtype": "int8"}),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(kind: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        OPERATORS[kind].call(arguments)
