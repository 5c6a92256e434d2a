"""The runners: a row each. A runtime is imported by its own file alone, when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from cloformer.errors import InputError, MissingRuntimeError, UsageError, choose

from ..source.arrays import Array
from . import FORMATS
from .row import RunnerRow
from .runner import ModelFile, Noting, Runner, RunnerOptions, TimedRunner
from .work_limit import EndlessWorkError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = [
    "GRAPH",
    "RUNNERS",
    "Array",
    "ModelFile",
    "Noting",
    "Runner",
    "RunnerOptions",
    "RunnerRow",
    "TimedRunner",
    "default_runner",
    "notes_of",
    "open_graph",
    "open_model",
    "refuse_endless",
]

GRAPH = "pytorch"  # the one that runs the graph before it is written

RUNNERS: dict[str, RunnerRow] = {
    name: row for format_row in FORMATS.values() for name, row in format_row.runners.items()
} | {
    GRAPH: RunnerRow(
        "PyTorch, the re-parameterized graph", None, "pytorch", "GraphRunner", "torch", options=()
    )
}


def default_runner(format_name: str) -> str:
    """The name of the first runner for a format that exists on this system."""
    return next(name for name, row in FORMATS[format_name].runners.items() if row.exists_here)


def open_model(model: ModelFile, name: str | None = None, options: RunnerOptions | None = None) -> Runner:
    """The runner for a written model, not yet entered: the one called ``name``, or the first that exists here.

    Raises :class:`UsageError` for a name that does not run this format, or for an option that the runner does not have,
    and :class:`MissingRuntimeError` if it cannot run here.
    """
    row = RUNNERS[choose("runner", name or default_runner(model.format), RUNNERS)]
    if row.format != model.format:
        able = [key for key, other in RUNNERS.items() if other.format in (None, model.format)]
        raise UsageError(f"{row.title} does not run {model.format}", f"--runner takes: {', '.join(able)}")
    if not row.exists_here:
        raise MissingRuntimeError(
            f"{row.title} exists on macOS only, and this is not one",
            "leave --runner out: the reference runtime runs ML Programs on any system",
        )
    try:
        module = importlib.import_module(f".{row.module}", __package__)
    except ImportError as error:
        raise MissingRuntimeError(
            f"{row.package} is not installed: {error}", f"pip install {row.package}"
        ) from error
    asked = options or RunnerOptions()
    refuse_other_options(row, asked)
    given = {key: value for key, value in asdict(asked).items() if key in row.options}
    given = {key: value for key, value in given.items() if value is not None or key == "max_work"}
    kind: Callable[..., Runner] = getattr(module, row.class_name)
    return kind(model, **given)


def notes_of(
    model: ModelFile, name: str | None = None, options: RunnerOptions | None = None
) -> tuple[str, ...]:
    """What a person should know of how the runner of :func:`open_model` runs the model on this machine."""
    runner = open_model(model, name, options)
    return runner.notes if isinstance(runner, Noting) else ()


def refuse_endless(model: ModelFile, max_work: int | None) -> None:
    """:class:`EndlessWorkError` for a model that computes more than so much for an inference, as far as that can be
    told without running it. What else is wrong with a model is for whoever runs it to say."""
    name = default_runner(model.format)
    if not RUNNERS[name].is_device_runtime:
        return
    runner = open_model(model, name, RunnerOptions(max_work=max_work))
    if isinstance(runner, TimedRunner):
        try:
            runner.check()
        except EndlessWorkError:
            raise
        except InputError:
            return


def refuse_other_options(row: RunnerRow, options: RunnerOptions) -> None:
    """:class:`UsageError` for an option that is asked for and that the runner does not have; threads are everybody's."""
    for key in options.given:
        if key not in row.options:
            raise UsageError(f"{row.title} has no --{key.replace('_', '-')}", "leave it out")


def open_graph(model: ModelFile, program: ExportedProgram, options: RunnerOptions | None = None) -> Runner:
    """The runner of the graph that ``model`` was written from."""
    from .pytorch import GraphRunner

    refuse_other_options(RUNNERS[GRAPH], options or RunnerOptions())
    return GraphRunner(model.signature, program)
