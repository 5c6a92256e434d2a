"""Distillation (Hinton et al., arXiv 1503.02531): what another model says of each image is part of the target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cloformer.errors import InputError, MissingRuntimeError
from cloformer.io.read import opened
from cloformer.io.words import reason_of

__all__ = ["Teacher", "open_teacher", "teaching_loss"]

Teacher = Callable[[Tensor], Tensor]  # normalized images (B, 3, H, W) to logits (B, classes)


def open_teacher(reference: str, classes: int, size: int, device: torch.device) -> Teacher:
    """``package.module:factory``, or an ONNX file with one input of images and logits as its first output.

    It sees what the student sees. :class:`InputError` if it does not give ``classes`` logits an image.
    """
    teacher = _onnx(Path(reference)) if reference.endswith(".onnx") else _module(reference, device)
    x_1CHW = torch.zeros(1, 3, size, size, device=device)
    try:
        shape = tuple(teacher(x_1CHW).shape)
    except Exception as error:  # a user's module, or a runtime's binding, raises whatever it likes
        raise InputError(
            f"--teacher {reference} does not take images of {size} x {size}: {reason_of(error)}",
            "give a teacher for this --set image_size",
        ) from error
    if shape != (1, classes):
        raise InputError(
            f"--teacher {reference} gives {shape} for an image, and not (1, {classes})",
            "give a teacher of the same classes that returns logits",
        )
    return teacher


def teaching_loss(student_BK: Tensor, teacher_BK: Tensor, temperature: float) -> Tensor:
    """``T^2 KL(softmax(teacher / T), softmax(student / T))``, the mean over images."""
    wanted = F.log_softmax(teacher_BK.to(student_BK.dtype) / temperature, dim=-1)
    given = F.log_softmax(student_BK / temperature, dim=-1)
    return temperature**2 * F.kl_div(given, wanted, reduction="batchmean", log_target=True)


def _module(reference: str, device: torch.device) -> Teacher:
    from cloformer.export.source.user_module import user_module

    module: nn.Module = user_module(reference, "--teacher").to(device).eval().requires_grad_(False)

    def ask(x_BCHW: Tensor) -> Tensor:
        kind = next((each.dtype for each in module.parameters()), x_BCHW.dtype)
        with torch.no_grad():
            answer: Tensor = module(x_BCHW.to(kind))
        return answer

    return ask


def _onnx(path: Path) -> Teacher:
    try:
        from cloformer.export.formats.onnx.session import make_session, runtime_errors
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
