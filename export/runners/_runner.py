"""What a runner is: a context manager that runs a model and says what goes in and out."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

import numpy.typing as npt

from ..signature import Signature

__all__ = ["Array", "Runner"]

Array = npt.NDArray[Any]


class Runner(Protocol):
    """Loads on entry, frees on exit. Inputs and outputs are arrays by name."""

    @property
    def signature(self) -> Signature:
        """Names, shapes and types of what goes in and out."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs for ``inputs``."""

    def __enter__(self) -> Runner: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
