"""A training run from beginning to end: what is to be trained on what, in a folder that a later run can go on in."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from cloformer.checkpoint import Checkpoint, identify, load_into, read_checkpoint, widths_of
from cloformer.errors import InputError, UsageError
from cloformer.export.accuracy.data import Dataset, check_images, read_dataset
from cloformer.export.source.trained import training_of
from cloformer.io.fields import Fields
from cloformer.io.read import read_json
from cloformer.io.words import count, json_text
from cloformer.io.write import remove_what_was_left, write_whole
from cloformer.model import CloFormer, check_image_size
from cloformer.variants import PRUNED, VARIANTS, Widths, get_variant

from .accelerator import make_accelerator
from .augment import Views
from .batch_size import fitted, refuse_what_does_not_fit, without_auto
from .loop import Callback, Result, Setting, Training
from .recipe import RECIPES, Recipe
from .teacher import open_teacher, said_of

__all__ = ["TrainRequest", "recipe_of", "train"]

_ABOUT = "run.json"
_SCHEMA_VERSION = 1
_MAX_ABOUT_BYTES = 2**24
_HEAD = "head."
_ANOTHER = "choose another folder, for example --output runs/new"


@dataclass(frozen=True)
class TrainRequest:
    """What `cloformer train` was asked for. ``model``, ``recipe`` and ``settings`` may be left out with ``resume``:
    the folder knows them."""

    data: Path
    output: Path
    model: str | None = None
    recipe: str | None = None
    settings: Sequence[str] = ()
    weights: Path | None = None
    labels: Path | None = None
    teacher: str | None = None
    licence: str | None = None
    workers: int = 0
    resume: bool = False


def recipe_of(request: TrainRequest) -> Recipe:
    """The one that :func:`train` would follow in one process, and the same errors.

    The data are looked at for a batch size that follows them, and the folder for a run that goes on.
    """
    earlier = _earlier(request) if request.resume else None
    recipe = _recipe(request, earlier, _read(request.weights))
    if not _finds_batch_size(request, earlier):
        return recipe
    return fitted(recipe, len(read_dataset(request.data, request.labels).to_train.labels))


def train(request: TrainRequest, callback: Callback) -> Result:
    """Train, or go on. Everything that can be wrong beforehand is looked at before the first step.

    Raises :class:`UsageError` for settings that make no sense or differ from those of the run that goes on,
    :class:`InputError` for bad data, weights or places, :class:`MissingRuntimeError` for a missing package, and what
    :meth:`Training.run` does.
    """
    earlier = _earlier(request)
    checkpoint = _read(request.weights)
    recipe = _recipe(request, earlier, checkpoint)
    Views(recipe, recipe.preprocessing()).check()
    data = read_dataset(request.data, request.labels)
    images = len(data.to_train.labels)
    accelerator = make_accelerator(recipe)
    callback = callback if accelerator.is_main_process else _Silent()
    if _finds_batch_size(request, earlier):
        recipe = fitted(recipe, images, accelerator.num_processes)
        callback.say(f"a step takes {recipe.batch_size} of {count(images, 'training image')}")
    refuse_what_does_not_fit(recipe, images, accelerator.num_processes)  # before every image is decoded
    model_name = _variant(request, checkpoint, earlier)
    about = _about(request, model_name, recipe, data, checkpoint)
    if earlier is not None:
        # The weights are in the state by now, and neither how they are pruned nor the licence need be said again.
        about |= {name: earlier.get(name) for name in ("weights", "widths", "licence") if about[name] is None}
        _refuse_another(about, earlier, request)
    model = _model(model_name, _widths_in(about, model_name), data, recipe, checkpoint, callback)
    teacher = None
    if request.teacher is not None:
        teacher = open_teacher(request.teacher, len(data.classes), recipe.preprocessing(), accelerator.device)
    if earlier is None:  # a run that goes on has looked at them
        for left_out in data.left_out:
            callback.say(str(left_out))
        for half in (data.to_train, data.val):
            check_images(half, callback.say, accelerator.process_index, accelerator.num_processes)
    setting = Setting(data, recipe, request.output, teacher, request.workers, _said(about))
    training = Training(model, setting, accelerator)
    if not accelerator.is_main_process:
        accelerator.wait_for_everyone()
        return _ended(training, callback, earlier)
    if earlier is None:
        write_whole(request.output / _ABOUT, json_text(about), _ANOTHER)
    with _held(request.output):
        accelerator.wait_for_everyone()
        return _ended(training, callback, earlier)


def _about(
    request: TrainRequest, model: str, recipe: Recipe, data: Dataset, checkpoint: Checkpoint | None
) -> dict[str, object]:
    """What the run's own file says it was asked for."""
    return {
        "schema_version": _SCHEMA_VERSION,
        "model": model,
        "recipe": recipe.to_json(),
        "data": {
            "name": data.name,
            "train": len(data.to_train.labels),
            "val": len(data.val.labels),
            "classes": list(data.classes),
        },
        "weights": None if checkpoint is None else checkpoint.sha256,
        "widths": _widths_of(checkpoint, model),
        "teacher": request.teacher,
        "licence": request.licence,
    }


def _said(about: Mapping[str, object]) -> dict[str, str]:
    """What the checkpoints' metadata say of the run, without the folders of whoever ran it."""
    found = {name: str(about[name]) for name in ("licence", "weights", "teacher") if about[name] is not None}
    if found.get("teacher"):
        found["teacher"] = said_of(found["teacher"])
    if about["widths"] is not None:
        found[PRUNED] = json.dumps(about["widths"])
    return found


def _widths_of(checkpoint: Checkpoint | None, model: str) -> dict[str, list[int]] | None:
    """Those of pruned weights that the run begins with."""
    if checkpoint is None or checkpoint.metadata.get("variant") != model:
        return None
    widths = widths_of(checkpoint.metadata)
    return None if widths is None else widths.to_json()


def _widths_in(about: Mapping[str, object], model: str) -> Widths | None:
    """Those that the run's own file says."""
    return None if about.get("widths") is None else VARIANTS[model].pruned_widths(about["widths"])


def _ended(training: Training, callback: Callback, earlier: Mapping[str, object] | None) -> Result:
    try:
        return training.run(callback, resume=earlier is not None)
    finally:
        training.end()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """:class:`InputError` if another run is at work in the folder."""
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError(f"another run is at work in {folder}", f"wait for it, or {_ANOTHER}") from None
    finally:
        os.close(place)


def _earlier(request: TrainRequest) -> dict[str, object] | None:
    """What the folder's run was asked for; None for a folder without one."""
    path = request.output / _ABOUT
    if request.resume:
        return _read_about(path)
    if request.output.exists() and not request.output.is_dir():
        raise InputError(f"{request.output} is a file, and the run's folder is asked for", _ANOTHER)
    try:
        remove_what_was_left(request.output)  # a run may have been killed before it had written anything
        if request.output.exists() and any(request.output.iterdir()):
            go_on = "go on with --resume, or " if path.is_file() else ""
            raise InputError(f"{request.output} is not empty", f"{go_on}{_ANOTHER}")
    except OSError as error:
        raise InputError(f"{request.output} cannot be used: {error.strerror}", _ANOTHER) from None
    return None


def _read_about(path: Path) -> dict[str, object]:
    advice = "start without --resume, in a new folder"
    try:
        found = read_json(path, _MAX_ABOUT_BYTES, advice)
        fields = Fields(found)
        fields.whole("schema_version", 1, _SCHEMA_VERSION)
        model = fields.choice("model", VARIANTS)
        if "widths" in fields:  # runs of earlier versions do not say
            fields.optional("widths", lambda name: VARIANTS[model].pruned_widths(fields.take(name)))
        fields.child("data")
        Recipe.from_json(fields.take("recipe"))
        for name in ("weights", "teacher", "licence"):
            fields.optional(name, fields.text)
    except InputError as error:
        raise InputError(f"{path.parent} has no run to go on with: {error.lines[0]}", advice) from None
    except ValueError as error:
        raise InputError(f"{path.parent} has no run to go on with: {path.name}: {error}", advice) from None
    assert isinstance(found, dict)  # or it had no fields
    return dict(found)


def _recipe(
    request: TrainRequest, earlier: Mapping[str, object] | None, checkpoint: Checkpoint | None
) -> Recipe:
    if earlier is not None and request.recipe is None:
        recipe = Recipe.from_json(earlier["recipe"])
    else:
        recipe = RECIPES[request.recipe or "paper"]
        rule = None if checkpoint is None else training_of(checkpoint.metadata, request.weights).preprocessing
        if request.recipe == "finetune" and rule is not None:
            recipe = recipe.fed_by(rule)
    settings, is_auto = without_auto(request.settings)
    recipe = recipe.changed(settings)
    if earlier is not None and is_auto:
        recipe = replace(recipe, batch_size=Recipe.from_json(earlier["recipe"]).batch_size)
    try:
        check_image_size(recipe.image_size, recipe.image_size)
    except ValueError as error:
        raise UsageError(str(error), "choose another --set image_size") from None
    return recipe


def _finds_batch_size(request: TrainRequest, earlier: Mapping[str, object] | None) -> bool:
    """Whether it follows the number of images; a run that goes on has found it."""
    return earlier is None and without_auto(request.settings)[1]


def _variant(
    request: TrainRequest, checkpoint: Checkpoint | None, earlier: Mapping[str, object] | None
) -> str:
    if request.model is not None:
        return request.model
    held = None if checkpoint is None else identify(checkpoint.tensors, checkpoint.metadata)
    if held is not None:
        return held.name
    return next(iter(VARIANTS)) if earlier is None else str(earlier["model"])


def _refuse_another(
    about: Mapping[str, object], earlier: Mapping[str, object], request: TrainRequest
) -> None:
    """A run goes on as it began."""
    for name, was, now in _differences(earlier, about):
        raise UsageError(
            f"{request.output} began with {name} {was!s:.80}, and now it is {now!s:.80}",
            "leave that as it was, or begin anew in another --output",
        )


def _differences(was: object, now: object, name: str = "") -> list[tuple[str, object, object]]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys([*was, *now])
        return [
            each
            for key in keys
            for each in _differences(was.get(key), now.get(key), f"{name}.{key}".strip("."))
        ]
    return [] if was == now else [(name, was, now)]


def _read(weights: Path | None) -> Checkpoint | None:
    return None if weights is None else read_checkpoint(weights)


def _model(
    name: str,
    widths: Widths | None,
    data: Dataset,
    recipe: Recipe,
    checkpoint: Checkpoint | None,
    callback: Callback,
) -> CloFormer:
    """The variant with fresh weights, or the checkpoint's, but for a head of other classes."""
    torch.manual_seed(recipe.seed)
    model = CloFormer(
        get_variant(name), num_classes=len(data.classes), drop_path_rate=recipe.drop_path, widths=widths
    )
    if checkpoint is None:
        return model
    tensors = dict(checkpoint.tensors)
    fresh = {key: value for key, value in model.state_dict().items() if key.startswith(_HEAD)}
    if any(key in tensors and tensors[key].shape != value.shape for key, value in fresh.items()):
        callback.say(
            f"the head is new: the weights know {count(len(tensors[_HEAD + 'weight']), 'class')}, and the data have {len(data.classes)}"
        )
        tensors |= fresh
    load_into(model, tensors)
    return model


class _Silent:
    """What the other processes have to say is the first one's to say."""

    def say(self, words: str) -> None: ...

    def step(self, *_: object) -> None: ...

    def epoch(self, *_: object) -> None: ...
