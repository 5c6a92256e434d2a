"""What a runner is: a context manager that runs a model and says what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..source.signature import Signature

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
else:
    Array = Any  # the table of runners is read by `--help`, which has no time to import numpy

__all__ = ["Array", "Runner", "TimedRunner"]


class Runner(Protocol):
    """Loads on entry, frees on exit. Inputs and outputs are arrays by name.

    An image that the model normalizes itself is given as pixels, 0 to 255, NCHW, in the colour order that
    the artifact's preprocessing declares.
    """

    @property
    def signature(self) -> Signature:
        """Names, shapes and types of what goes in and out."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs for ``inputs``."""

    def values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value that the model computes on the way, outputs included, by its name in the file.

        Raises :class:`UnsupportedError` where the runtime does not give them.
        """

    def __enter__(self) -> Runner: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class TimedRunner(Runner, Protocol):
    """A device's runtime, whose steps can be timed apart. Entering it is :meth:`check`, then :meth:`load`."""

    def check(self) -> None:
        """Raise :class:`InputError` for a model that must not be given to the runtime."""

    def load(self) -> None:
        """What the runtime does before it can run, and nothing else."""

    def prepare(self, inputs: Mapping[str, Array]) -> Callable[[], Any]:
        """The runtime's own call on ``inputs``, ready to be made again and again; its result is as it comes."""
