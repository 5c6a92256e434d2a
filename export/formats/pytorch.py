"""PyTorch itself: the untouched module, and the re-parameterized graph as the exporter is given it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import fx, nn

from cloformer.errors import UnsupportedError

from ..source.attempt import untouched
from ..source.returned import as_tensors
from ..source.signature import Signature, TensorSpec
from .runner import Array

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["GraphRunner", "ModuleRunner"]


class ModuleRunner:
    """A module in evaluation mode, as it is."""

    def __init__(self, model: nn.Module, signature: Signature) -> None:
        self.signature = signature
        self._model = model

    def __enter__(self) -> ModuleRunner:
        self._model.eval()
        return self

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, of the module as it was made: what it keeps from one call for the next is forgotten."""
        tensors = [_tensor(inputs[spec.name], spec) for spec in self.signature.inputs]
        with untouched(self._model):
            given = [value.detach().numpy() for value in as_tensors(self._model(*tensors))]
        return {spec.name: value for spec, value in zip(self.signature.outputs, given, strict=True)}

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:  # noqa: ARG002
        """None: a module gives its outputs alone."""
        raise UnsupportedError("a PyTorch module gives its outputs alone; its graph gives the rest")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class GraphRunner:
    """The lowered program that an artifact was written from, computed by PyTorch in float32.

    What differs here comes from the passes, and not from the format or its runtime.
    """

    def __init__(self, signature: Signature, program: ExportedProgram) -> None:
        self.signature = signature
        self._program = program
        self._values: _Values | None = None

    def __enter__(self) -> GraphRunner:
        self._values = _Values(self._program.module())
        return self

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name."""
        assert self._values is not None, "enter the runner first"
        tensors = [_tensor(inputs[spec.name], spec) for spec in self.signature.inputs]
        with torch.no_grad():
            found = self._values.run(*tensors)
        return {spec.name: value.numpy() for spec, value in zip(self.signature.outputs, found, strict=True)}

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every tensor by the name of its node."""
        outputs = self.run(inputs)
        assert self._values is not None
        return self._values.seen | outputs

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._values = None


class _Values(fx.Interpreter):
    """Notes what every node gives."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.seen: dict[str, Array] = {}

    def run_node(self, node: fx.Node) -> object:
        value = super().run_node(node)
        if node.op == "call_function" and isinstance(value, torch.Tensor):
            self.seen[node.name] = value.numpy()
        return value


def _tensor(value: Array, spec: TensorSpec) -> torch.Tensor:
    return torch.from_numpy(np.array(value)).to(getattr(torch, spec.dtype))
