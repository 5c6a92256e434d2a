"""ExecuTorch on the CPU, with its delegate XNNPACK.

The runtime shows no value inside a delegate. So outputs are the runtime's, and the values inside are computed from what the file
itself says: the operators, attributes and constants that its delegate is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cloformer.errors import InputError

from ...source.signature import Signature
from ..runner import Array, ModelFile, checked_outputs, runtime_errors
from ..work_limit import MOST_WORK
from .file import Program, read_program
from .session import Threads, executed, opened, runtime
from .steps import steps
from .work_limit import refuse_endless

__all__ = ["ExecuTorchRunner"]


class ExecuTorchRunner:
    """Runs an ExecuTorch artifact; ``threads=0`` lets the runtime choose."""

    def __init__(self, model: ModelFile, *, threads: int = 0, max_work: int | None = MOST_WORK) -> None:
        self.signature: Signature = model.signature
        self._path, self._threads, self._most = model.path, threads, max_work
        self._loaded: Any = None
        self._read: Program | None = None

    def __enter__(self) -> ExecuTorchRunner:
        self.check()
        self.load()
        return self

    def check(self) -> None:
        """Refuse a file that is damaged, or could run without end."""
        refuse_endless(read_program(self._path), self._path, self._most)
        runtime()  # so that it is there when a model's own time begins

    def load(self) -> None:
        """Load the method, and let its delegate prepare its weights."""
        Threads.take(self._threads)
        try:
            self._loaded = opened(self._path)
        except InputError:
            Threads.give_back()
            raise

    def prepare(self, inputs: Mapping[str, Array]) -> Callable[[], object]:
        """The method's call; it gives a list of all outputs."""
        assert self._loaded is not None, "load first"
        method, given = self._loaded[0], self._given(inputs)
        return lambda: method.execute(given)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, of the shapes and types that the signature declares."""
        assert self._loaded is not None, "enter the runner first"
        return checked_outputs(
            self.signature, self._named(executed(self._loaded[0], self._given(inputs), self._path))
        )

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value that the file's steps compute, and that the operators in its delegates do, from what the file says of them;
        the outputs are the runtime's."""
        if self._read is None:
            self._read = read_program(self._path)
        with torch.no_grad(), runtime_errors(f"{self._path} cannot be run step by step"):
            found = {item.name: item.value.numpy().copy() for item in steps(self._read, self._given(inputs))}
        return found | self.run(inputs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the values were found."""
        return (_INSIDE,)

    def _given(self, inputs: Mapping[str, Array]) -> list[Tensor]:
        return [torch.from_numpy(np.ascontiguousarray(inputs[spec.name])) for spec in self.signature.inputs]

    def _named(self, made: list[Tensor]) -> dict[str, Array]:
        return {spec.name: value.numpy() for spec, value in zip(self.signature.outputs, made, strict=False)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loaded is not None:
            Threads.give_back()
        self._loaded = self._read = None


_INSIDE = (
    "ExecuTorch shows no value inside a delegate: outputs are what the runtime computes, and values on the way are computed from the "
    "operators and constants that the file gives to it"
)
