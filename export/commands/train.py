"""`cloformer train`."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.io.output import say, say_json, tell
from cloformer.io.words import count, harmless
from cloformer.variants import list_models

from .completion import checkpoints, models_and_files
from .completion import settings as settings_names
from .next_step import next_step
from .options import Debug, Json, Quiet
from .progress import bars

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from cloformer.training.logs import Epoch
    from cloformer.training.loop import Result
    from cloformer.training.recipe import Recipe

__all__ = ["train"]


def _recipes() -> list[str]:
    from cloformer.training.recipe import RECIPES

    return list(RECIPES)


def train(
    data: Annotated[
        Path | None,
        typer.Option(
            help="train/ and val/ with a folder per class, or MNIST's idx files, or an .npz of arrays."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The run's folder: new, empty, or one to --resume.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A built-in model.",
            autocompletion=list_models,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="paper: 300 epochs of ImageNet at 224 pixels; finetune: a few classes, from --weights; quick: small "
            "images on a CPU.",
            autocompletion=_recipes,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a number of the recipe: NAME=VALUE, once for each; batch_size=auto fits it to the images.",
            autocompletion=settings_names,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Start from this checkpoint, or fashion-mnist; the head is new if the classes differ.",
            autocompletion=checkpoints,
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Class names, one a line, for data that has numbers alone.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Distil from a trained model: best.safetensors, nets.py:build, 'timm:resnet18?pretrained=true', or an ONNX "
            "file that gives logits.",
            autocompletion=models_and_files,
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of the weights; written into the checkpoint.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare images; 0: this one.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the run in --output stopped.")
    ] = False,
    show_recipe: Annotated[
        bool,
        typer.Option(
            "--show-recipe",
            help="Print the recipe's numbers and what they mean, and train nothing; --data is not needed.",
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a built-in model, or go on training it; the checkpoints hold all that `export` needs.

    On several processors: torchrun --nproc-per-node N -m cloformer train ...
    """
    from cloformer.errors import UsageError, choose
    from cloformer.training.recipe import RECIPES

    if model is not None:
        others = "other networks are trained by code of their own, and exported: cloformer export --model nets.py:build"
        choose("model", model, list_models(), also=others)
    if recipe is not None:
        choose("recipe", recipe, RECIPES)
    if missing := _missing(data, output, settings or [], resume, show_recipe):
        what, *options = missing
        example = _example(data, output, recipe, weights, what if show_recipe else None)
        raise UsageError(f"{what} needs {' and '.join(options)}", example)

    from cloformer.training.run import TrainRequest, recipe_of  # torch comes with it
    from cloformer.training.run import train as run_train

    request = TrainRequest(
        # Where they may be missing, nobody looks at them.
        data or Path(), output or Path(), model, recipe, tuple(settings or ()), weights, labels, teacher, licence, workers,
        resume,
    )  # fmt: skip
    if show_recipe:
        _show_recipe(recipe_of(request), as_json)
        return
    with _watch(quiet or as_json) as callback:
        result = run_train(request, callback)
    if result.rows:  # the first process has the log
        _show(result, as_json)


def _missing(
    data: Path | None, output: Path | None, settings: Sequence[str], resume: bool, show_recipe: bool
) -> list[str]:
    """What needs options that are not there, and they: to train takes both, to show a recipe what it depends on."""
    from cloformer.training.batch_size import without_auto

    follows_data = without_auto(settings)[1] and not resume
    if not show_recipe:
        what, needed = "train", {"--data": data, "--output": output}
    elif resume:
        what, needed = "--resume", {"--output": output}
    else:
        what, needed = "--set batch_size=auto", {"--data": data} if follows_data else {}
    missing = [option for option, given in needed.items() if given is None]
    return [what, *missing] if missing else []


def _example(
    data: Path | None, output: Path | None, recipe: str | None, weights: Path | None, shown: str | None
) -> str:
    """A whole command, with what was given; the recipe alone is to be ``shown``, with that option."""
    data, recipe = data or Path("photos"), recipe or "finetune"
    words = ["cloformer", "train", "--data", str(data), "--output", str(output or Path("runs", data.stem))]
    words += ["--recipe", recipe]
    if weights is not None or recipe == "finetune":
        words += ["--weights", str(weights or "fashion-mnist")]
    if shown is not None:
        words += [*shlex.split(shown), "--show-recipe"]
    return f"for example: {shlex.join(words)}"


def _show_recipe(recipe: Recipe, as_json: bool) -> None:
    from ..reports.training.recipe import lines

    if as_json:
        say_json(recipe.to_json())
    else:
        say(*lines(recipe.described()))


def _show(result: Result, as_json: bool) -> None:
    if as_json:
        document = {
            "best": str(result.best), "last": str(result.last), "top1": result.top1,
            "epochs": [row.to_json() for row in result.rows],
        }  # fmt: skip
        say_json(document)
        return
    say(f"{result.best}: top-1 {result.top1:.2%} after {count(result.rows, 'epoch')}")
    say(next_step("export", "--weights", result.best, "--format", "onnx", "--format", "coreml"))


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
    """A bar per epoch on a terminal, with the time that the epoch still takes, and a line for each that is finished."""

    def __init__(self, bar: Bars, task: TaskID) -> None:
        self._bar, self._task = bar, task
        self._epoch = 0

    def say(self, words: str) -> None:
        self._print(words)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            self._bar.reset(self._task, total=steps)
        words = f"epoch {epoch}, loss {loss:.3f}"
        self._bar.update(self._task, description=words, completed=step, told=self._bar.get_time())

    def epoch(self, row: Epoch, epochs: int) -> None:
        self._print(_words(row, epochs))

    def _print(self, words: str) -> None:
        self._bar.console.print(harmless(words), highlight=False, markup=False, soft_wrap=True)


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
        with bars() as bar:
            yield _Bar(bar, bar.add_task("starting", total=None))
