"""What a runner is: a context manager that runs a model and says what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

from cloformer.errors import CloformerError, InputError

from ..source.arrays import Array
from ..source.function import Function
from ..source.signature import Signature
from .work_limit import MOST_WORK

__all__ = [
    "Array",
    "ModelFile",
    "Noting",
    "Runner",
    "RunnerOptions",
    "TimedRunner",
    "checked_outputs",
    "runtime_errors",
]


@dataclass(frozen=True)
class ModelFile:
    """A written model as its runner takes it: its format, the file or the package's folder, the function that runs,
    and its class names in order, if it has some."""

    format: str
    path: Path
    function: Function
    labels: tuple[str, ...] | None = None

    @property
    def signature(self) -> Signature:
        return self.function.signature


@dataclass(frozen=True)
class RunnerOptions:
    """What may be asked of a runner; None is its own choice. Each runner's row says which of these it takes.

    ``threads`` are the runtime's (0: its own choice), ``optimization`` is a level of ONNX Runtime's optimizer,
    ``compute_units`` are those that Core ML may use, ``arithmetic`` is how the reference runtime computes in float16.
    ``max_work`` bounds what an inference may compute, where the runner can tell; None lifts it.
    """

    threads: int = 0
    optimization: str | None = None
    compute_units: str | None = None
    arithmetic: str | None = None
    max_work: int | None = MOST_WORK

    @property
    def given(self) -> dict[str, str]:
        """Those that were asked for, but for the threads, by name."""
        named = {name: getattr(self, name) for name in ("optimization", "compute_units", "arithmetic")}
        return {name: value for name, value in named.items() if value is not None}


def checked_outputs(signature: Signature, given: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs that the signature has, in its order; :class:`InputError` if one is not there, or has another shape
    or type: then the model is not the one that its manifest describes."""
    found = {}
    for spec in signature.outputs:
        value = given.get(spec.name)
        if value is None or tuple(value.shape) != spec.shape or str(value.dtype) != spec.dtype:
            what = "is not there" if value is None else f"comes out as {value.dtype} {list(value.shape)}"
            raise InputError(
                f"the output {spec.name!r} is {spec.dtype} {list(spec.shape)} in the manifest, and {what}",
                "the model is not the one that the manifest describes: export it again",
            )
        found[spec.name] = value
    return found


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
class Noting(Protocol):
    """A runner that may have to say something of how it runs a model here."""

    @property
    def notes(self) -> tuple[str, ...]: ...


@runtime_checkable
class TimedRunner(Runner, Protocol):
    """A device's runtime, whose steps can be timed apart. Entering it is :meth:`check`, then :meth:`load`."""

    def check(self) -> None:
        """Raise :class:`InputError` for a model that must not be given to the runtime."""

    def load(self) -> None:
        """What the runtime does before it can run, and nothing else."""

    def prepare(self, inputs: Mapping[str, Array]) -> Callable[[], object]:
        """The runtime's own call on ``inputs``, ready to be made again and again; its result is as it comes."""


@contextmanager
def runtime_errors(problem: str, advice: str = "export it again") -> Iterator[None]:
    """Make whatever a runtime raises in this block an :class:`InputError`: the problem with the first line of the
    runtime's reason, then the advice. What this package raises on purpose passes through."""
    try:
        yield
    except CloformerError:
        raise
    except Exception as error:  # bindings raise classes of their own, or torch's
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{problem}: {reason}", advice) from error
