"""How fast LiteRT's delegate multiplies matrices and moves memory on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ..profiler import Rate, Rates, median_seconds
from ..runner import Array
from .file import packed
from .session import ready

__all__ = ["measure_rates"]

# Rows, inner size and columns: a constant matrix is multiplied, as a model's weights are.
_PRODUCTS = ((196, 1024, 1024), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (3136, 128, 512))
_MOST_ROW = 2**20  # numbers of a row: the delegate counts them in 32 bits


def measure_rates(threads: int, *, seconds: float, array_bytes: int) -> Rates:
    """Matrix products of several sizes, and sums of arrays of ``array_bytes`` each, every one for ``seconds``.

    float32. 0 threads: one.
    """
    return Rates(
        tuple(_product(sizes, threads, seconds) for sizes in _PRODUCTS),
        (_sum(array_bytes, threads, seconds),),
    )


def _product(sizes: tuple[int, int, int], threads: int, seconds: float) -> Rate:
    rows, inner, columns = sizes
    generator = np.random.Generator(np.random.PCG64(0))
    weight = generator.standard_normal((columns, inner), np.float32)
    options = schema.FullyConnectedOptionsT()
    kind = schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOptions.FullyConnectedOptions, options
    value = generator.standard_normal((rows, inner), np.float32)
    calls, took = _timed(_one_operator(kind, [value], (rows, columns), weight), [value], threads, seconds)
    flop = 2 * rows * inner * columns
    return Rate(f"FULLY_CONNECTED {rows} x {inner} x {columns}, float32", calls, flop / took / 1e9)


def _sum(array_bytes: int, threads: int, seconds: float) -> Rate:
    rows = -(-array_bytes // (4 * _MOST_ROW))
    shape = rows, max(array_bytes // 4 // rows, 1)
    kind = schema.BuiltinOperator.ADD, schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    values = [np.ones(shape, np.float32) for _ in range(2)]
    calls, took = _timed(_one_operator(kind, values, shape), values, threads, seconds)
    size = values[0].nbytes
    return Rate(f"ADD, 3 arrays of {size / 2**20:,.0f} MiB, float32", calls, 3 * size / took / 1e9)


def _timed(model: bytes, values: Sequence[Array], threads: int, seconds: float) -> tuple[int, float]:
    interpreter = ready(model_content=model, num_threads=threads or 1)
    for item, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(item["index"], value)
    return median_seconds(interpreter.invoke, seconds, threads or 1)


def _one_operator(
    kind: tuple[int, int, Any], values: Sequence[Array], made: tuple[int, ...], weight: Array | None = None
) -> bytes:
    """A model of one operator that reads ``values``, and a ``weight`` behind them."""
    number, of_options, options = kind
    code, operator, graph, model = (
        schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT(),
    )  # fmt: skip
    code.builtinCode = code.deprecatedBuiltinCode = number
    code.version = 1
    graph.tensors = [_tensor(value.shape, 0) for value in values]
    model.buffers = [schema.BufferT()]
    if weight is not None:
        graph.tensors.append(_tensor(weight.shape, 1))
        model.buffers.append(schema.BufferT(data=np.frombuffer(weight.tobytes(), np.uint8)))
    operator.inputs, operator.outputs = [*range(len(graph.tensors))], [len(graph.tensors)]
    operator.builtinOptions, operator.builtinOptionsType = options, of_options
    graph.tensors.append(_tensor(made, 0))
    graph.inputs, graph.outputs, graph.operators = [*range(len(values))], operator.outputs, [operator]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    return packed(model)


def _tensor(shape: tuple[int, ...], buffer: int) -> Any:
    made = schema.TensorT()
    made.shape, made.hasRank, made.type, made.buffer = list(shape), True, schema.TensorType.FLOAT32, buffer
    return made
