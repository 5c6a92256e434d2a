"""LiteRT on the CPU, with its delegate XNNPACK."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from ...source.signature import Signature, TensorSpec
from ..runner import Array, ModelFile, checked_outputs, runtime_errors
from ..work_limit import MOST_WORK
from .file import name_of, operators, read_model
from .session import opened
from .work_limit import refuse_endless

__all__ = ["LiteRTRunner"]

_NHWC, _NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


class LiteRTRunner:
    """Runs a LiteRT artifact; ``threads=0`` is one, the runtime's own choice. Images are given as NCHW, and turned here where
    the model takes them as NHWC."""

    def __init__(self, model: ModelFile, *, threads: int = 0, max_work: int | None = MOST_WORK) -> None:
        self.signature: Signature = model.signature
        self._path, self._threads, self._most = model.path, threads, max_work
        self._interpreter: Any = None
        self._exposed: Any = None

    def __enter__(self) -> LiteRTRunner:
        self.check()
        self.load()
        return self

    def check(self) -> None:
        """Refuse a file that is damaged, or could run without end."""
        refuse_endless(read_model(self._path), self._path, self._most)

    def load(self) -> None:
        """Make the interpreter, which hands the graph to its delegate."""
        self._interpreter = opened(self._path, self._threads)

    def prepare(self, inputs: Mapping[str, Array]) -> Callable[[], object]:
        """The interpreter's call on inputs that it has been given; its outputs stay where it keeps them."""
        assert self._interpreter is not None, "load first"
        self._feed(self._interpreter, inputs)
        invoke: Callable[[], object] = self._interpreter.invoke
        return invoke

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, of the shapes and types that the signature declares."""
        assert self._interpreter is not None, "enter the runner first"
        self._invoke(self._interpreter, inputs)
        return checked_outputs(self.signature, self._outputs(self._interpreter))

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value of the graph, by its tensor's name. The delegate keeps them all where it is asked to, and fuses less than
        it does else, so what :meth:`run` computes can differ. What no output needs it does not compute, and that is not there."""
        if self._exposed is None:
            self._exposed = opened(self._path, self._threads, keep=True)
        self._invoke(self._exposed, inputs)
        model = read_model(self._path)
        tensors = model.subgraphs[0].tensors
        found: dict[str, Array] = {}
        for place in (place for item in operators(model) for place in item.outputs):
            with contextlib.suppress(ValueError):  # the runtime holds no such value
                found[name_of(tensors[place])] = np.array(self._exposed.get_tensor(place))
        return found | self._outputs(self._exposed)

    def _invoke(self, interpreter: Any, inputs: Mapping[str, Array]) -> None:
        self._feed(interpreter, inputs)
        with runtime_errors("LiteRT cannot run the model"):
            interpreter.invoke()

    def _feed(self, interpreter: Any, inputs: Mapping[str, Array]) -> None:
        places = _places(interpreter, "inputs")
        with runtime_errors("LiteRT does not take the inputs"):
            for spec in self.signature.inputs:
                interpreter.set_tensor(places[spec.name], _laid_out(inputs[spec.name], spec))

    def _outputs(self, interpreter: Any) -> dict[str, Array]:
        places = _places(interpreter, "outputs")
        with runtime_errors("LiteRT gives no outputs"):
            return {
                spec.name: np.array(interpreter.get_tensor(places[spec.name]))
                for spec in self.signature.outputs
                if spec.name in places
            }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interpreter = self._exposed = None


def _laid_out(value: Array, spec: TensorSpec) -> Array:
    return np.ascontiguousarray(value.transpose(_NHWC) if spec.channels_last else value)


def _places(interpreter: Any, half: str) -> dict[str, int]:
    """The tensors of the only function's inputs or outputs, by name."""
    with runtime_errors("LiteRT finds no function in the model"):
        (function,) = interpreter._get_full_signature_list().values()
        return {name: int(place) for name, place in function[half].items()}
