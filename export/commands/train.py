"""`cloformer train`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.io.output import say, say_json, tell
from cloformer.io.words import count, harmless
from cloformer.variants import list_models

from .options import Debug, Json

if TYPE_CHECKING:
    from cloformer.training.logs import Epoch

__all__ = ["train"]


def _recipes() -> list[str]:
    from cloformer.training.recipe import RECIPES

    return list(RECIPES)


def train(
    data: Annotated[
        Path,
        typer.Option(
            help="train/ and val/ with a folder per class, or MNIST's idx files, or an .npz of arrays."
        ),
    ],
    output: Annotated[Path, typer.Option(help="The run's folder: new, empty, or one to --resume.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="A built-in model. Without: what the weights are, or cloformer_xxs.",
            autocompletion=list_models,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="paper: 300 epochs of ImageNet at 224 pixels; finetune: a few classes, from --weights; quick: small "
            "images on a CPU. Default: paper.",
            autocompletion=_recipes,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a number of the recipe: NAME=VALUE. May be given several times."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Start from this checkpoint, or fashion-mnist; the head is new if the classes differ."
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Class names, one a line, for data that has numbers alone.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Distil from package.module:factory or an ONNX file that gives logits.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of the weights; written into the checkpoint.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare images; 0: this one.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the run in --output stopped.")
    ] = False,
    show_recipe: Annotated[
        bool, typer.Option("--show-recipe", help="Print the recipe's numbers, and train nothing.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a built-in model, or go on training it; the checkpoints hold all that `export` needs.

    On several processors: torchrun --nproc-per-node N -m cloformer train ...
    """
    from cloformer.errors import choose
    from cloformer.training.recipe import RECIPES
    from cloformer.training.run import TrainRequest, recipe_of
    from cloformer.training.run import train as run_train

    if model is not None:
        choose("model", model, list_models())
    if recipe is not None:
        choose("recipe", recipe, RECIPES)
    request = TrainRequest(
        data, output, model, recipe, tuple(settings or ()), weights, labels, teacher, licence, workers, resume
    )
    if show_recipe:
        say_json(recipe_of(request).to_json())
        return
    with _watch(as_json) as callback:
        result = run_train(request, callback)
    if not result.rows:
        return  # the first process has the log
    if as_json:
        document = {
            "best": str(result.best), "last": str(result.last), "top1": result.top1,
            "epochs": [row.to_json() for row in result.rows],
        }  # fmt: skip
        say_json(document)
        return
    say(f"{result.best}: top-1 {result.top1:.2%} after {count(result.rows, 'epoch')}")
    say(f"  next: cloformer export --weights {result.best} --format onnx --format coreml")


class _Lines:
    """A line per epoch on standard error, and one a minute in between."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def say(self, words: str) -> None:
        self._write(words)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        if time.monotonic() - self._last >= 60:
            self._write(f"epoch {epoch}: step {step} of {steps}, loss {loss:.3f}")

    def epoch(self, row: Epoch, epochs: int) -> None:
        self._write(_words(row, epochs))

    def _write(self, words: str) -> None:
        self._last = time.monotonic()
        tell(words)


class _Quiet(_Lines):
    def _write(self, words: str) -> None:
        pass


class _Bar:
    """A bar per epoch on a terminal, and a line for each that is finished."""

    def __init__(self, bar: object, task: object) -> None:
        self._bar, self._task = bar, task

    def say(self, words: str) -> None:
        self._bar.update(self._task, description=harmless(words), completed=0, total=None)  # type: ignore[attr-defined]

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self._bar.update(  # type: ignore[attr-defined]
            self._task, description=f"epoch {epoch}, loss {loss:.3f}", completed=step, total=steps
        )

    def epoch(self, row: Epoch, epochs: int) -> None:
        self._bar.console.print(harmless(_words(row, epochs)), highlight=False, markup=False)  # type: ignore[attr-defined]


def _words(row: Epoch, epochs: int) -> str:
    return (
        f"epoch {row.epoch} of {epochs}: loss {row.train_loss:.3f}, validation {row.val_loss:.3f}, "
        f"top-1 {row.top1:.2%}, top-5 {row.top5:.2%}, {row.images_per_second:.0f} images/s, {row.seconds:.0f} s"
    )


@contextmanager
def _watch(quiet: bool) -> Iterator[_Lines | _Bar]:
    if quiet:
        yield _Quiet()
    elif sys.stderr is None or not sys.stderr.isatty():
        yield _Lines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            yield _Bar(bar, bar.add_task("starting", total=None))
