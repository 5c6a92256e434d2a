"""ONNX Runtime on the CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import onnxruntime

from cloformer.errors import choose

from ...source.signature import Signature
from ..runner import Array, ModelFile, checked_outputs, runtime_errors
from ..work_limit import MOST_WORK
from .file import read_onnx, serialized
from .probe import WIDE, changes_values, exposing, quantizes
from .processor import stops_at_16_bits
from .session import make_session, session_options
from .work_limit import refuse_endless

if TYPE_CHECKING:
    import onnx

__all__ = ["OPTIMIZATIONS", "OnnxRuntimeRunner"]

_Level = onnxruntime.GraphOptimizationLevel
OPTIMIZATIONS = {
    "off": _Level.ORT_DISABLE_ALL,
    "basic": _Level.ORT_ENABLE_BASIC,
    "extended": _Level.ORT_ENABLE_EXTENDED,
    "all": _Level.ORT_ENABLE_ALL,
}


class OnnxRuntimeRunner:
    """Runs an ONNX artifact; ``threads=0`` lets the runtime choose, ``optimization`` is a level of
    ``OPTIMIZATIONS``."""

    def __init__(
        self,
        model: ModelFile,
        *,
        threads: int = 0,
        optimization: str = "all",
        max_work: int | None = MOST_WORK,
    ) -> None:
        choose("optimization level", optimization, OPTIMIZATIONS, "--optimization")
        self.signature: Signature = model.signature
        self._path, self._most = model.path, max_work
        self._threads, self._optimization = threads, optimization
        self._session: onnxruntime.InferenceSession | None = None
        self._exposed: onnxruntime.InferenceSession | None = None

    def __enter__(self) -> OnnxRuntimeRunner:
        self.check()
        self.load()
        return self

    def check(self) -> None:
        """Refuse a file that reads others, or could run without end."""
        refuse_endless(read_onnx(self._path), self._path, self._most)

    def load(self) -> None:
        """Make the session."""
        self._session = self._open(self._path)

    def prepare(self, inputs: Mapping[str, Array]) -> Callable[[], object]:
        """The session's call; it gives a list of all outputs."""
        assert self._session is not None, "load first"
        run, names, fed = self._session.run, [spec.name for spec in self.signature.outputs], dict(inputs)
        return lambda: run(names, fed)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, of the shapes and types that the signature declares."""
        assert self._session is not None, "enter the runner first"
        found = _run(self._session, [spec.name for spec in self.signature.outputs], inputs)
        return checked_outputs(self.signature, found)

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value of the graph. Giving them all out keeps the runtime from fusing across them, so what
        :meth:`run` computes can differ. It does fuse what is narrow and what is quantized, and then gives others under their
        names: there nothing is optimized."""
        if self._exposed is None:
            model = read_onnx(self._path)
            is_changed = changes_values(model)
            self._exposed = self._open(
                serialized(exposing(model)), optimization="off" if is_changed else None
            )
        found = _run(self._exposed, [output.name for output in self._exposed.get_outputs()], inputs)
        return {name.removesuffix(WIDE): value for name, value in found.items()}

    def graphs(self) -> tuple[onnx.ModelProto, onnx.ModelProto]:
        """The file's model, and what the runtime's optimizer makes of it on this processor."""
        model = read_onnx(self._path)
        with tempfile.TemporaryDirectory(prefix="cloformer-optimized-") as folder:
            optimized = Path(folder) / "optimized.onnx"
            self._open(self._path, optimized)
            return model, read_onnx(optimized)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the model runs here."""
        if not stops_at_16_bits() or not quantizes(read_onnx(self._path)):
            return ()
        return (_IN_FLOAT,)

    def _open(
        self, model: Path | bytes, optimized: Path | None = None, optimization: str | None = None
    ) -> onnxruntime.InferenceSession:
        """``optimized`` is where to write what the optimizer made."""
        options = session_options(self._threads)
        if self.notes:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        options.graph_optimization_level = OPTIMIZATIONS[optimization or self._optimization]
        if optimized is not None:
            options.optimized_model_filepath = str(optimized)
        with runtime_errors(f"ONNX Runtime does not load {self._path}", "export it again"):
            return make_session(model, options)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = self._exposed = None


def _run(
    session: onnxruntime.InferenceSession, names: list[str], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    with runtime_errors("ONNX Runtime cannot run the model", "export it again, or feed what it declares"):
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))


# Products of whole numbers are then those of the numbers that they stand for, added up in float32.
_IN_FLOAT = (
    "this processor adds up products of 8 bits in 16, where a phone's takes 32 (it has no VNNI): layers in 8 bits are computed "
    "in float32 here, on the same rounded numbers; `cloformer parity ARTIFACT --device arm64` runs them as a phone does"
)
