"""The training loop, on one processor or many (Hugging Face Accelerate spreads it).

Everything random is a law of the seed and of where the run stands, and of nothing that came before: a run that was
stopped, however, goes on to the weights that it would have reached.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cloformer.errors import GateError, InputError
from cloformer.export.accuracy.data import Dataset
from cloformer.export.accuracy.scores import Scores, counted, scores_of
from cloformer.model import CloFormer

from .accelerator import Accelerator
from .augment import Views, mixed, seed_of, smoothed
from .batches import Order, Part, training_parts, validation_parts
from .depthwise import as_products
from .logs import Epoch, Log, open_log
from .normalization import across_processes
from .optimization import averaged, make_optimizer
from .position import Position
from .recipe import Recipe
from .state import Slots, State
from .stopping import Stopped, Stopping
from .teacher import Teacher, teaching_loss
from .weights import as_stored, write_weights

__all__ = ["BEST", "LAST", "Callback", "Result", "Setting", "Training"]

BEST, LAST = "best.safetensors", "last.safetensors"
_DROPPED, _MIXED = 2, 3  # tell seeds of dropped paths from those of mixed images


class Callback(Protocol):
    """Who wants to know how far a run is."""

    def say(self, words: str) -> None: ...

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, row: Epoch, epochs: int) -> None: ...


@dataclass(frozen=True)
class Result:
    """Where the weights of the best and of the last epoch are. ``rows`` are all epochs; none in other processes than
    the first."""

    best: Path
    last: Path
    rows: tuple[Epoch, ...]

    @property
    def top1(self) -> float:
        return max(row.top1 for row in self.rows)


@dataclass(frozen=True)
class Setting:
    """What a run learns from, how, and where it leaves its weights. ``workers`` are processes that load images;
    ``about`` goes into the checkpoints' metadata."""

    data: Dataset
    recipe: Recipe
    folder: Path
    teacher: Teacher | None = None
    workers: int = 0
    about: Mapping[str, str] = field(default_factory=dict)


class Training:
    """A run: :meth:`run` trains ``model`` by the setting and leaves its best and its last weights in the folder.

    With several processes, each makes one of these.
    """

    def __init__(self, model: CloFormer, setting: Setting, accelerator: Accelerator) -> None:
        data, recipe, folder = setting.data, setting.recipe, setting.folder
        self.images, self.data, self.recipe, self.folder = data.to_train, data, recipe, folder
        self.accelerator, self.teacher, self.workers = accelerator, setting.teacher, setting.workers
        self.about = dict(setting.about)
        self.views = Views(recipe, recipe.preprocessing())
        self.order = Order(recipe, len(self.images.labels), accelerator.num_processes)
        self.dtype = torch.float64 if recipe.precision == "fp64" else torch.float32
        self.model = model.to(accelerator.device, self.dtype)
        if accelerator.device.type == "cpu":
            as_products(model)
        if accelerator.num_processes > 1:
            across_processes(model)
        self.averaged = averaged(model, recipe.ema) if recipe.ema else None
        optimizer = make_optimizer(model, recipe.peak_learning_rate(), recipe.weight_decay)
        self.spread, self.optimizer = accelerator.prepare(model, optimizer)
        self.slots, self.stopping = Slots(folder), Stopping()
        self.epoch = self.step = 0  # finished ones
        self.loss_sum = 0.0  # of the epoch's steps so far
        self.finished: tuple[Epoch, Scores, bool] | None = None  # the last epoch, and whether it was the best

    def end(self) -> None:
        """Leave the other processes; nothing can be trained after it.

        The wrapper that adds up gradients goes first. It holds the process group, and if it were the last to do so, it
        would wait for the group's threads with Python's lock, which they may be waiting for.
        """
        del self.spread
        self.accelerator.free_memory()
        self.accelerator.end_training()

    def run(self, callback: Callback, *, resume: bool = False) -> Result:
        """Train until the recipe's last epoch.

        SIGTERM and Ctrl-C end it after the step at hand, with the state saved. Raises :class:`GateError` for a loss
        that is no number, :class:`InputError` for an image or a place that cannot be used any more.
        """
        is_first = self.accelerator.is_main_process
        if not (resume and self._resumed()) and is_first:
            self.slots.reserve(self._state())
        self.accelerator.wait_for_everyone()
        logging: AbstractContextManager[Log | None] = (
            open_log(self.folder, self.epoch) if is_first else nullcontext()
        )
        with logging as log, self.stopping.postponed():
            self._leave(log)  # what a killed run had finished and not yet left
            while self.epoch < self.recipe.epochs:
                row, scores = self._one_epoch(callback)
                best = -1.0 if log is None else max((one.top1 for one in log.rows), default=-1.0)
                self.epoch, self.loss_sum = self.epoch + 1, 0.0
                self.finished = row, scores, row.top1 > best
                self._save()  # the epoch counts from here on
                self._leave(log)
                callback.epoch(row, self.recipe.epochs)
        self.accelerator.wait_for_everyone()
        return Result(self.folder / BEST, self.folder / LAST, () if log is None else tuple(log.rows))

    def _one_epoch(self, callback: Callback) -> tuple[Epoch, Scores]:
        """From the step where the run stands to the validation."""
        began, steps, accelerator = time.monotonic(), self.order.steps, self.accelerator
        first = self.step - self.epoch * steps
        parts = training_parts(
            self.images, self.views, self.order, self.epoch, accelerator.process_index, first, self.workers
        )
        self.spread.train()
        for step in range(first, steps):
            rate = self._set_learning_rate()
            try:
                loss, must_stop = self._one_step([next(parts) for _ in range(self.recipe.accumulate)])
            except InputError:  # of an image that cannot be read any more
                if accelerator.num_processes == 1:  # the others wait in the middle of a step
                    self._save()
                raise
            self.step, self.loss_sum = self.step + 1, self.loss_sum + loss
            callback.step(self.epoch + 1, step + 1, steps, loss)
            if must_stop:
                self._save()
                callback.say(
                    f"epoch {self.epoch + 1} stopped after step {step + 1} of {steps}; go on with --resume"
                )
                raise Stopped
        pace = (steps - first) * self.recipe.batch_size / max(time.monotonic() - began, 1e-9)
        scores = self.validate()
        seconds = time.monotonic() - began
        row = Epoch(
            epoch=self.epoch + 1,
            step=self.step,
            seconds=seconds,
            learning_rate=rate,
            train_loss=self.loss_sum / steps,
            val_loss=scores.loss,
            top1=scores.top1,
            top5=scores.top5,
            images_per_second=pace,
        )
        return row, scores

    def _one_step(self, parts: list[Part]) -> tuple[float, bool]:
        """Forward and backward for every part, then the step. The loss of all processes, and whether to stop."""
        recipe, accelerator = self.recipe, self.accelerator
        total, must_stop = 0.0, False
        for turn, part in enumerate(parts):
            torch.manual_seed(seed_of(recipe.seed, self.step, turn, accelerator.process_index, _DROPPED))
            with accelerator.accumulate(self.spread):
                loss = self._loss(part)
                value, asked = self._agreed(loss, part)
                accelerator.backward(loss)
                if accelerator.sync_gradients and recipe.clip:
                    accelerator.clip_grad_norm_(self.spread.parameters(), recipe.clip)
                self.optimizer.step()  # Accelerate does this, and the next line, after the last part alone
                self.optimizer.zero_grad()
            total, must_stop = total + value / recipe.accumulate, must_stop or asked
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        return total, must_stop

    def _loss(self, part: Part) -> Tensor:
        recipe, accelerator = self.recipe, self.accelerator
        x_BCHW = part.images.to(accelerator.device, self.dtype)
        labels_B = part.labels.to(accelerator.device)
        target_BK = smoothed(labels_B, len(self.data.classes), recipe.label_smoothing, self.dtype)
        x_BCHW, target_BK = mixed(x_BCHW, target_BK, recipe, part.start, recipe.seed, self.epoch, _MIXED)
        with accelerator.autocast():
            logits_BK = self.spread(x_BCHW)
        logits_BK = logits_BK.to(self.dtype)
        loss = F.cross_entropy(logits_BK, target_BK)
        if self.teacher is None:
            return loss
        taught = teaching_loss(logits_BK, self.teacher(x_BCHW), recipe.temperature)
        return (1 - recipe.distill) * loss + recipe.distill * taught

    def _agreed(self, loss: Tensor, part: Part) -> tuple[float, bool]:
        """The mean loss of all processes, and whether one of them was told to stop.

        Raises :class:`GateError` in every process if the loss is no number in one.
        """
        own = torch.tensor([float(loss.detach()), float(self.stopping.asked > 0)], dtype=torch.float64)
        value, asked = self._added_up(own).tolist()
        if math.isfinite(value):
            return value / self.accelerator.num_processes, asked > 0
        shown = ", ".join(self.images.where(index) for index in part.indices[:2])
        step = self.step % self.order.steps + 1
        raise GateError(
            f"the loss is no number any more in epoch {self.epoch + 1}, step {step} (batch: {shown}, ...)",
            f"what was finished is whole; try --set learning_rate={self.recipe.learning_rate / 3:.2g}, more "
            "--set warmup_epochs, or --set precision=fp32",
        )

    def validate(self) -> Scores:
        """On all validation images, of the averaged weights if there are any, rounded as they are written."""
        subject, accelerator = as_stored(self._to_keep(), self.recipe), self.accelerator
        parts = validation_parts(
            self.data.val, self.views, self.order.part_size, accelerator.process_index, accelerator.num_processes,
            self.workers,
        )  # fmt: skip
        subject.eval()
        sums = torch.zeros(4, dtype=torch.float64)
        with torch.inference_mode():
            for part in parts:
                sums += counted(subject(part.images.to(accelerator.device, self.dtype)), part.labels)
        return scores_of(self._added_up(sums))

    def _added_up(self, values: Tensor) -> Tensor:
        """Over all processes. One alone keeps them where they are: not every device knows float64."""
        accelerator = self.accelerator
        if accelerator.num_processes == 1:
            return values
        total: Tensor = accelerator.reduce(values.to(accelerator.device), "sum")
        return total

    def _leave(self, log: Log | None) -> None:
        """What can be made of the state again: the last finished epoch's weights and its row."""
        if log is None or self.finished is None:
            return
        row, scores, is_best = self.finished
        if self.step == self.epoch * self.order.steps:  # later, these are not the epoch's weights any more
            for name in (LAST, *([BEST] if is_best else [])):
                path, variant = self.folder / name, self.model.variant.name
                write_weights(path, self._to_keep(), variant, self.data, self.recipe, scores, self.about)
        log.add(row)

    def _to_keep(self) -> nn.Module:
        return self.model if self.averaged is None else self.averaged.module

    def _set_learning_rate(self) -> float:
        rate = self.recipe.learning_rate_at(self.step, self.order.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            self.slots.save(self._state())
        self.accelerator.wait_for_everyone()

    def _state(self) -> State:
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.averaged is not None:
            tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for number, entries in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in entries.items()}
        scaler = self.accelerator.scaler
        position = Position(
            self.epoch,
            self.step,
            self.loss_sum,
            self.finished,
            None if scaler is None else scaler.state_dict(),
        ).to_json()
        return State({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, position)

    def _resumed(self) -> bool:
        """Take up what was saved; False if the run was stopped before it saved anything.

        :class:`InputError` if a state must have been there, or it is another run's.
        """
        state = self.slots.load()
        if state is None and (self.folder / LAST).exists():
            raise InputError(
                f"{self.folder} has no state to go on from", "train on from its weights: --weights " + LAST
            )
        if state is None:
            return False
        try:
            self._take(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"{self.folder} holds the state of another run: {' '.join(str(error).splitlines()[:1])}",
                "use its own options",
            ) from None
        return True

    def _take(self, state: State) -> None:
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "averaged": {}, "optimizer": {}}
        for name, value in state.tensors.items():
            kind, _, rest = name.partition(".")
            parts[kind][rest] = value
        entries: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            number, _, key = name.partition(".")
            entries.setdefault(int(number), {})[key] = value
        self.model.load_state_dict(parts["model"])
        if self.averaged is not None:
            self.averaged.load_state_dict(parts["averaged"])
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": entries})
        for weight, held in self.optimizer.state.items():
            if any(value.dim() and value.shape != weight.shape for value in held.values()):
                raise ValueError("the optimizer's numbers are of other weights")
        position = Position.from_json(state.position)
        if self.accelerator.scaler is not None and position.scaler:
            self.accelerator.scaler.load_state_dict(position.scaler)
        self.epoch, self.step, self.loss_sum = position.epoch, position.step, position.loss_sum
        self.finished = position.finished
