"""Distillation (Hinton et al., arXiv 1503.02531): what another model says of each image is part of the target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.export.source.libraries.asked import asked_of, names_a_library
from cloformer.export.source.make import Made, identified, make_model
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.returned import as_tensors
from cloformer.export.source.what import model_and_weights
from cloformer.io.read import opened
from cloformer.io.words import reason_of

__all__ = ["Teacher", "open_teacher", "said_of", "teaching_loss"]

_TRAINED = "for example --teacher best.safetensors, --teacher 'timm:resnet18?pretrained=true' or --teacher nets.py:build"
Teacher = Callable[[Tensor], Tensor]  # normalized images (B, 3, H, W) to logits (B, classes)


def open_teacher(reference: str, classes: int, seen: Preprocessing, device: torch.device) -> Teacher:
    """A trained model, however the command line names one: a checkpoint of a built-in model, ``package.module:factory``,
    ``timm:NAME?pretrained=true``; or an ONNX file with one input of images and logits as its first output.

    It is given the student's images, which ``seen`` prepares: normalized for the teacher, if it is known how its own are, else as
    they are. :class:`InputError` if it has random weights, or does not give ``classes`` logits an image.
    """
    teacher = (
        _onnx(Path(reference)) if reference.endswith(".onnx") else _module(_made(reference), seen, device)
    )
    x_1CHW = torch.zeros(1, 3, seen.height, seen.width, device=device)
    try:
        shape = tuple(teacher(x_1CHW).shape)
    except Exception as error:  # a user's module, or a runtime's binding, raises whatever it likes
        raise InputError(
            f"--teacher {reference} does not take images of {seen.height} x {seen.width}: {reason_of(error)}",
            "give a teacher for this --set image_size",
        ) from error
    if shape != (1, classes):
        raise InputError(
            f"--teacher {reference} gives {shape} for an image, and not (1, {classes})",
            "give a teacher of the same classes that returns logits",
        )
    return teacher


def said_of(reference: str) -> str:
    """What a checkpoint says of its teacher: its name, without the folders of whoever ran the training."""
    return asked_of(reference).reference if names_a_library(reference) else Path(reference).name


def teaching_loss(student_BK: Tensor, teacher_BK: Tensor, temperature: float) -> Tensor:
    """``T^2 KL(softmax(teacher / T), softmax(student / T))``, the mean over images."""
    wanted = F.log_softmax(teacher_BK.to(student_BK.dtype) / temperature, dim=-1)
    given = F.log_softmax(student_BK / temperature, dim=-1)
    return temperature**2 * F.kl_div(given, wanted, reduction="batchmean", log_target=True)


def _made(reference: str) -> Made:
    model, weights = model_and_weights(reference, None, None)
    model = model or (identified(weights) if weights is not None else None)
    if model is None:
        raise InputError(
            f"--teacher {reference} holds no built-in model",
            "give a function that makes the network and loads it: --teacher nets.py:build",
        )
    made = make_model(model, weights, None, 0, "--teacher")
    if made.weights.origin == "random":
        raise InputError(f"--teacher {reference} has random weights, which teach nothing", _TRAINED)
    return made


def _module(made: Made, seen: Preprocessing, device: torch.device) -> Teacher:
    module: nn.Module = made.model.to(device).eval().requires_grad_(False)
    own = made.training.preprocessing or seen

    def ask(x_BCHW: Tensor) -> Tensor:
        kind = next((each.dtype for each in module.parameters()), x_BCHW.dtype)
        with torch.no_grad():
            return as_tensors(module(_normalized(x_BCHW, seen, own).to(kind)))[0]

    return ask


def _normalized(x_BCHW: Tensor, seen: Preprocessing, own: Preprocessing) -> Tensor:
    """Images that ``seen`` has normalized as ``own`` normalizes them."""
    if (seen.scale, seen.mean, seen.std, seen.color_order) == (own.scale, own.mean, own.std, own.color_order):
        return x_BCHW
    before, after = (
        [x_BCHW.new_tensor(numbers)[:, None, None] for numbers in (rule.mean, rule.std)]
        for rule in (seen, own)
    )
    pixels = (x_BCHW * before[1] + before[0]) / seen.scale
    pixels = pixels if seen.color_order == own.color_order else pixels.flip(1)
    return (pixels * own.scale - after[0]) / after[1]


def _onnx(path: Path) -> Teacher:
    try:
        from cloformer.export.formats.onnx.session import make_session
        from cloformer.export.formats.runner import runtime_errors
    except ImportError:
        raise MissingRuntimeError(
            "a teacher in an ONNX file needs onnxruntime", "pip install onnxruntime"
        ) from None
    advice = "give an ONNX file with one input"
    with opened(path, advice), runtime_errors(f"--teacher {path} cannot be used", advice):
        session = make_session(path)  # by its name, for its weights may be in a file beside it
        (given,) = session.get_inputs()
    fixed = given.shape[0] if isinstance(given.shape[0], int) else None

    def ask(x_BCHW: Tensor) -> Tensor:
        values = x_BCHW.detach().float().cpu().numpy()
        parts = [values] if fixed is None else np.split(values, range(fixed, len(values), fixed))
        logits = np.concatenate([session.run(None, {given.name: part})[0] for part in parts])
        return torch.from_numpy(logits).to(x_BCHW.device)

    return ask
