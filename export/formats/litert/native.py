"""LiteRT's own profiler, through the C interface of the shared library that its package brings: each operator that the delegate
computes, timed. The package's Python interface does not have it.

The interface is declared in LiteRT's headers ``litert_compiled_model.h``, ``litert_profiler.h`` and ``litert_profiler_event.h``;
handles are pointers, and options are texts.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ai_edge_litert
import numpy as np

from cloformer.errors import UnsupportedError
from cloformer.io.quiet import quiet_natively

from ..runner import Array
from .file import name_of

__all__ = ["Event", "not_understood", "timed_runs"]

_LIBRARY = "libLiteRt.so"
_PROCESSOR, _HOST_MEMORY = 1, 1
_PROFILING = (b"runtime_options_string", b"enable_profiling = true\n")
_THREADS = b"xnnpack"
_ALIGNMENT = 64  # of memory that LiteRT takes as it is
_MOST_AXES = 8
# As LiteRT numbers them.
_TYPES = {"float32": 1, "int32": 2, "int64": 4, "bool": 6, "float16": 10}
_OPERATOR, _INSIDE = (
    (1 << 1),
    (1 << 3),
)  # kinds of events: of the interpreter, and of an operator inside a delegate
_WHOLE, _INVOKE = 1, "Invoke"


class _Type(ctypes.Structure):
    _fields_ = (
        ("element", ctypes.c_int), ("rank", ctypes.c_uint), ("dimensions", ctypes.c_int32 * _MOST_AXES),
        ("strides", ctypes.c_uint32 * _MOST_AXES),
    )  # fmt: skip


class _Event(ctypes.Structure):
    _fields_ = (
        ("tag", ctypes.c_char_p), ("kind", ctypes.c_int), ("start", ctypes.c_uint64), ("took", ctypes.c_uint64),
        ("memory", ctypes.c_size_t * 6), ("place", ctypes.c_uint64), ("more", ctypes.c_uint64), ("source", ctypes.c_int),
    )  # fmt: skip


@dataclass(frozen=True)
class Event:
    """What the runtime timed: an operator inside a delegate, by the delegate's own name for it, or one that no delegate takes, by its
    ``place`` among the file's."""

    name: str
    us: int
    place: int | None


def timed_runs(
    path: Path, model: Any, inputs: Mapping[str, Array], *, threads: int, warm_up: int, runs: int
) -> list[tuple[int, tuple[Event, ...]]]:
    """Microseconds of each run, and its operators in the order they ran. ``inputs`` lie as the file takes them.

    Raises :class:`UnsupportedError` where the library is another one than is known here.
    """
    try:
        library = ctypes.CDLL(str(Path(ai_edge_litert.__file__).parent / _LIBRARY))
        with quiet_natively("ai_edge_litert"), _Compiled.of(library, path, model, threads) as compiled:
            compiled.feed(inputs)
            for _ in range(warm_up):
                compiled.run()
            return [compiled.timed() for _ in range(runs)]
    except (OSError, AttributeError) as error:  # no such library, or no such function
        raise not_understood(str(error)) from error


def not_understood(why: str) -> UnsupportedError:
    """The error of a profile that another version of LiteRT writes in another way."""
    return UnsupportedError(
        f"what LiteRT's profiler says is not understood: {why[:300]}",
        "install a version of ai-edge-litert that cloformer was tested with (`cloformer doctor`)",
    )


class _Compiled:
    """A model that is ready to run, with its profiler."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.kept: list[object] = []  # what the runtime points to
        self.made: list[tuple[str, Any]] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    @classmethod
    @contextmanager
    def of(cls, library: ctypes.CDLL, path: Path, model: Any, threads: int) -> Iterator[_Compiled]:
        found = cls(library)
        try:
            found._load(path, threads)
            found._make_buffers(model)
            yield found
        finally:
            for name, handle in reversed(found.made):
                function = getattr(library, f"LiteRtDestroy{name}")
                function.restype = None
                function(handle)

    def call(self, name: str, *given: Any) -> None:
        status = getattr(self.library, f"LiteRt{name}")(*given)
        if status:
            raise not_understood(f"{name} gives status {status}")

    def make(self, name: str, *given: Any, owns: str | None = None) -> Any:
        handle = ctypes.c_void_p()
        self.call(name, *given, ctypes.byref(handle))
        if owns is not None:
            self.made.append((owns, handle))
        return handle

    def _load(self, path: Path, threads: int) -> None:
        self.environment = self.make("CreateEnvironment", 0, None, owns="Environment")
        self.model = self.make("CreateModelFromFile", self.environment, bytes(path), owns="Model")
        options = self.make("CreateOptions", owns="Options")
        self.call("SetOptionsHardwareAccelerators", options, _PROCESSOR)
        for name, text in (_PROFILING, (_THREADS, f"num_threads = {threads or 1}\n".encode())):
            self.call("AddOpaqueOptions", options, self._text(name, text))
        self.compiled = self.make(
            "CreateCompiledModel", self.environment, self.model, options, owns="CompiledModel"
        )
        self.profiler = self.make("CompiledModelGetProfiler", self.compiled)

    def _text(self, name: bytes, text: bytes) -> Any:
        kept, free = ctypes.create_string_buffer(text), ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_keep)
        self.kept += [kept, free]
        return self.make("CreateOpaqueOptions", name, kept, free)

    def _make_buffers(self, model: Any) -> None:
        """The function's outputs, and the names of its inputs, in its order."""
        graph, (function,) = model.subgraphs[0], model.signatureDefs
        self.names = [entry.name.decode() for entry in function.inputs]
        signature = self.make("GetModelSignature", self.model, ctypes.c_size_t(0))
        for place, entry in enumerate(function.outputs):
            tensor, kind = (
                self.make("GetSignatureOutputTensorByIndex", signature, ctypes.c_size_t(place)),
                _Type(),
            )
            self.call("GetRankedTensorType", tensor, ctypes.byref(kind))
            shape = graph.tensors[entry.tensorIndex].shape
            size = 8 * int(np.prod(shape, dtype=np.int64)) if shape is not None else 8
            made = (self.environment, _HOST_MEMORY, ctypes.byref(kind), ctypes.c_size_t(size))
            self.outputs.append(self.make("CreateManagedTensorBuffer", *made, owns="TensorBuffer"))
        if len(self.names) != len(graph.inputs):
            raise not_understood(f"a function of {len(self.names)} inputs, {name_of(graph.tensors[0])}")

    def feed(self, inputs: Mapping[str, Array]) -> None:
        for name in self.names:
            value = np.ascontiguousarray(inputs[name])
            raw = np.zeros(value.nbytes + _ALIGNMENT, np.uint8)
            start = -raw.ctypes.data % _ALIGNMENT
            raw[start : start + value.nbytes] = value.reshape(-1).view(np.uint8)
            kind = _Type(_TYPES[str(value.dtype)], value.ndim)
            kind.dimensions[: value.ndim] = value.shape
            place = ctypes.c_void_p(raw.ctypes.data + start)
            self.kept.append(raw)
            given = (ctypes.byref(kind), place, ctypes.c_size_t(value.nbytes), None)
            self.inputs.append(self.make("CreateTensorBufferFromHostMemory", *given, owns="TensorBuffer"))

    def run(self) -> None:
        inputs, outputs = ((ctypes.c_void_p * len(items))(*items) for items in (self.inputs, self.outputs))
        counts = ctypes.c_size_t(len(self.inputs)), ctypes.c_size_t(len(self.outputs))
        self.call(
            "RunCompiledModel", self.compiled, ctypes.c_size_t(0), counts[0], inputs, counts[1], outputs
        )

    def timed(self) -> tuple[int, tuple[Event, ...]]:
        """One run under the profiler."""
        self.call("ResetProfiler", self.profiler)
        self.call("StartProfiler", self.profiler)
        self.run()
        self.call("StopProfiler", self.profiler)
        count = ctypes.c_int()
        self.call("GetNumProfilerEvents", self.profiler, ctypes.byref(count))
        events = (_Event * max(count.value, 1))()
        self.call("GetProfilerEvents", self.profiler, count, events)
        return _read(events[: count.value])


def _keep(_place: int | None) -> None:
    """What Python owns is not the runtime's to free."""


def _read(events: Sequence[Any]) -> tuple[int, tuple[Event, ...]]:
    told = [((item.tag or b"").decode("utf-8", "replace"), item) for item in events]
    whole = [int(item.took) for name, item in told if item.kind == _WHOLE and name == _INVOKE]
    if len(whole) != 1:
        raise not_understood(f"one run is timed {len(whole)} times")
    found = [
        Event(name, int(item.took), int(item.place) if item.kind == _OPERATOR else None)
        for name, item in told
        if item.kind in (_OPERATOR, _INSIDE)
    ]
    return whole[0], tuple(found)
