"""How fast ONNX Runtime multiplies matrices and moves memory on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from ..profiler import Rate, Rates, median_seconds
from ..runner import Array
from .session import make_session, session_options

__all__ = ["measure_rates"]

# Rows, inner size and columns: a constant matrix is multiplied, as a model's weights are.
_PRODUCTS = ((196, 1024, 1024), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (3136, 128, 512))
_TRANSFERS = {"Add": ("x", "y"), "Neg": ("x",)}  # operators and their inputs


def measure_rates(threads: int, *, seconds: float, array_bytes: int) -> Rates:
    """Matrix products of several sizes, and sums of arrays of ``array_bytes`` each, every one for ``seconds``.

    float32. 0 threads: ONNX Runtime's own choice.
    """
    return Rates(
        tuple(_product(sizes, threads, seconds) for sizes in _PRODUCTS),
        tuple(_transfer(operator, array_bytes, threads, seconds) for operator in _TRANSFERS),
    )


def _product(sizes: tuple[int, int, int], threads: int, seconds: float) -> Rate:
    rows, inner, columns = sizes
    generator = np.random.Generator(np.random.PCG64(0))
    weights = onnx.numpy_helper.from_array(generator.standard_normal((inner, columns), np.float32), "w")
    inputs = {"x": generator.standard_normal((rows, inner), np.float32)}
    model = _one_operator("MatMul", ["x", "w"], inputs, (rows, columns), [weights])
    calls, took = median_seconds(_bound_call(model, inputs, threads), seconds, threads)
    flop = 2 * rows * inner * columns
    return Rate(f"MatMul {rows} x {inner} x {columns}, float32", calls, flop / took / 1e9)


def _transfer(operator: str, array_bytes: int, threads: int, seconds: float) -> Rate:
    count = max(array_bytes // 4, 1)
    inputs = {name: np.ones(count, np.float32) for name in _TRANSFERS[operator]}
    model = _one_operator(operator, list(inputs), inputs, (count,), [])
    calls, took = median_seconds(_bound_call(model, inputs, threads), seconds, threads)
    arrays = len(inputs) + 1
    return Rate(
        f"{operator}, {arrays} arrays of {count * 4 / 2**20:,.0f} MiB, float32",
        calls,
        4 * count * arrays / took / 1e9,
    )


def _one_operator(
    operator: str,
    names: list[str],
    inputs: Mapping[str, Array],
    output: tuple[int, ...],
    weights: list[onnx.TensorProto],
) -> bytes:
    """A model of one operator that reads ``names`` and gives "z"."""
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["z"], name="operator")],
        "rate",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in inputs.items()
        ],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, output)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    written: bytes = model.SerializeToString()
    return written


def _bound_call(model: bytes, inputs: Mapping[str, Array], threads: int) -> Callable[[], object]:
    """The session's call, with the output in memory that is there already: new pages cost more than the sum."""
    session = make_session(model, session_options(threads))
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_cpu_input(name, value)
    shape = session.get_outputs()[0].shape
    binding.bind_ortvalue_output("z", onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, "float32"))
    return lambda: session.run_with_iobinding(binding)
