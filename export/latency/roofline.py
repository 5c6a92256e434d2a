"""The two rates that bound an operator on this machine, measured: of products, and of memory.

Both are measured in this process through ONNX Runtime, with the thread count of what is compared with them. The
rate of products is the best of several matrix products by constant weights; the rate of memory that of arrays
which no cache holds. An operator whose values are still in a cache can go beyond the second, and a convolution
with a kernel of its own a little beyond the first.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .operator_work import Work

if TYPE_CHECKING:
    import onnx

__all__ = ["CONVENTION", "Rate", "Roofline", "measure_roofline"]

CONVENTION = "one multiply-add is 2 FLOP"
_PRODUCTS = ((196, 1024, 1024), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (3136, 128, 512))
_SECONDS = 0.25  # for each product and each way through memory
_WARM_UP, _FEWEST = 2, 5  # calls
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_SMALLEST_ARRAY, _LARGEST_ARRAY = 64 * 2**20, 256 * 2**20  # bytes


@dataclass(frozen=True)
class Rate:
    """What was run, so many times, and the rate of the median call: 10^9 FLOP or bytes a second."""

    name: str
    calls: int
    giga_per_second: float

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "calls": self.calls, "giga_per_second": self.giga_per_second}


@dataclass(frozen=True)
class Roofline:
    """All that was measured, float32; the best of each counts."""

    threads: int
    products: tuple[Rate, ...]
    transfers: tuple[Rate, ...]

    @property
    def product(self) -> Rate:
        return max(self.products, key=lambda rate: rate.giga_per_second)

    @property
    def transfer(self) -> Rate:
        return max(self.transfers, key=lambda rate: rate.giga_per_second)

    def compute_us(self, work: Work) -> float:
        """Microseconds that the multiply-adds take at the measured rate; 0 where they cannot be told."""
        return 2 * (work.multiply_adds or 0) / self.product.giga_per_second / 1e3

    def memory_us(self, work: Work) -> float:
        """Microseconds that the bytes take at the measured rate."""
        return work.bytes / self.transfer.giga_per_second / 1e3

    def bound_us(self, work: Work) -> float:
        """Microseconds that neither rate lets an operator stay below."""
        return max(self.compute_us(work), self.memory_us(work))

    def to_json(self) -> dict[str, Any]:
        return {
            "threads": self.threads,
            "convention": CONVENTION,
            "gflops": self.product.giga_per_second,
            "gigabytes_per_second": self.transfer.giga_per_second,
            "products": [rate.to_json() for rate in self.products],
            "transfers": [rate.to_json() for rate in self.transfers],
        }


def measure_roofline(threads: int, *, seconds: float = _SECONDS, array_bytes: int | None = None) -> Roofline:
    """Measure both rates with as many threads, for ``seconds`` each size; 0 threads: ONNX Runtime's own choice.

    ``array_bytes`` is the size of each array in memory; by default four times the last cache, within limits.
    """
    size = array_bytes or min(max(4 * _last_cache_bytes(), _SMALLEST_ARRAY), _LARGEST_ARRAY)
    return Roofline(
        threads,
        tuple(_product(sizes, threads, seconds) for sizes in _PRODUCTS),
        tuple(_transfer(operator, size, threads, seconds) for operator in ("Add", "Neg")),
    )


def _product(sizes: tuple[int, int, int], threads: int, seconds: float) -> Rate:
    import numpy as np
    import onnx

    rows, inner, columns = sizes
    generator = np.random.Generator(np.random.PCG64(0))
    weights = onnx.numpy_helper.from_array(generator.standard_normal((inner, columns), np.float32), "w")
    given = {"x": generator.standard_normal((rows, inner), np.float32)}
    call = _bound(_model("MatMul", ["x", "w"], given, (rows, columns), [weights]), given, threads)
    calls, took = _median_seconds(call, seconds)
    flop = 2 * rows * inner * columns
    return Rate(f"MatMul {rows} x {inner} x {columns}, float32", calls, flop / took / 1e9)


def _transfer(operator: str, array_bytes: int, threads: int, seconds: float) -> Rate:
    import numpy as np

    count = max(array_bytes // 4, 1)
    given = {name: np.ones(count, np.float32) for name in ("x", "y")[: 2 if operator == "Add" else 1]}
    call = _bound(_model(operator, list(given), given, (count,), []), given, threads)
    calls, took = _median_seconds(call, seconds)
    arrays = len(given) + 1
    return Rate(
        f"{operator}, {arrays} arrays of {count * 4 / 2**20:,.0f} MiB, float32",
        calls,
        4 * count * arrays / took / 1e9,
    )


def _model(
    operator: str,
    inputs: list[str],
    given: dict[str, Any],
    output: tuple[int, ...],
    weights: list[onnx.TensorProto],
) -> bytes:
    """A model of one operator."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["z"], name="operator")],
        "rate",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in given.items()
        ],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, output)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    written: bytes = model.SerializeToString()
    return written


def _bound(model: bytes, given: dict[str, Any], threads: int) -> Callable[[], Any]:
    """The session's call, with the output in memory that is there already: new pages cost more than the sum."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, value in given.items():
        binding.bind_cpu_input(name, value)
    shape = session.get_outputs()[0].shape
    output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, "float32")
    binding.bind_ortvalue_output("z", output)
    return lambda: session.run_with_iobinding(binding)


def _median_seconds(call: Callable[[], Any], seconds: float) -> tuple[int, float]:
    for _ in range(_WARM_UP):
        call()
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < _FEWEST or time.perf_counter() < until:
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return len(taken), max(statistics.median(taken), 1e-9)


def _last_cache_bytes() -> int:
    """Of the largest cache that the system tells of; 0 if it tells of none."""
    sizes = [0]
    for path in _CACHES.glob("index*/size"):
        with contextlib.suppress(OSError, ValueError):
            text = path.read_text("ascii").strip()
            sizes.append(int(text.removesuffix("K")) * 1024)
    return max(sizes)
