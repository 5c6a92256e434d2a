"""Whether a file computes what a network does, by eager PyTorch in float32 alone: parity has no part in it.

What rounding may cost is found by running the network as it is, with the result of every operator that PyTorch dispatches
moved by a rounding of the file's format, up or down as drawn. A file whose outputs are no farther from the network's than
``MARGIN`` times that is right. Integers and truths must be those that the network gives, or gives when it is moved so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from cloformer.export.artifact.folder import Artifact
from cloformer.export.formats.runners import open_model
from cloformer.export.source.signature import TensorSpec

__all__ = ["MARGIN", "Finding", "hold", "largest_inside", "one_image"]

# Times what 8 draws cost at most. A file adds up in another order and takes some operators apart, and a runtime may lose more than a
# rounding in one: ONNX Runtime's instance norm loses 26 over 1,024 numbers.
MARGIN = 16.0
_LEAST = 8.0  # roundings of an output's largest value
_DRAWS = 8
_FAR = 4.0  # roundings, for decisions: every file decides some number otherwise, and not always the same
_UNITS = {"float32": 2.0**-24, "float16": 2.0**-11}
_SMALLEST = {"float32": 2.0**-126, "float16": 2.0**-24}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_GREY = 0.5  # mean and deviation of one channel
_TRUE = 0.75  # of truths: a mask that hides all leaves nothing
_SHOWN = ("the photograph", "noise", "black")
_BLACK = 2
_PHOTOGRAPH = Path(__file__).parents[2] / "export" / "data" / "chelsea.jpg"


@dataclass(frozen=True)
class Finding:
    """``share`` is the largest error over its bound (at most 1 if the file is right), and ``words`` say where; ``loss`` is what
    rounding costs the network on the photograph, over the largest value."""

    share: float
    loss: float
    words: str

    @property
    def is_right(self) -> bool:
        return self.share <= 1

    @property
    def tells(self) -> bool:
        """Whether rounding costs the network so little that another one would be seen."""
        return MARGIN * self.loss <= 0.5


def _terms(func: Any, args: Sequence[Any], found: object) -> float:
    """By how many roundings more than one a mean may be off: a runtime may add one number after the other, and of n each
    addition rounds. Where what is left of numbers that are all alike is divided by their deviation, that shows."""
    if func._schema.name not in _MEANS or not isinstance(found, Tensor) or not isinstance(args[0], Tensor):
        return 1.0
    return float(max(args[0].numel() / max(found.numel(), 1), 1.0)) ** 0.5


class _Moved(TorchDispatchMode):
    """Every result moved by so many roundings, and of means by more; ``largest`` is the largest finite magnitude of any."""

    def __init__(self, precision: str, size: float, seed: int) -> None:
        super().__init__()
        self.size = size
        self.unit, self.least = size * _UNITS[precision], size * _SMALLEST[precision]
        self.generator = torch.Generator().manual_seed(seed)
        self.largest = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        found = func(*args, **(kwargs or {}))
        returns = func._schema.returns
        if not any(item.alias_info is not None and not item.alias_info.is_write for item in returns):
            often = _terms(func, args, found)
            tree_map(lambda value: self.move(value, often), found)  # a view's numbers were moved before
            if func._schema.name in _NORMALIZING and found[1].numel():
                result, mean, inverse = found
                self.shift(result, mean, inverse, args)
            if func._schema.name == "aten::logit":
                self.move_near_one(found, *args)
        return found

    def move_near_one(self, found: Tensor, x: Tensor, epsilon: float | None = None) -> None:
        """A logit by what one less a number near one may be off, which is a rounding of one."""
        at = x.double() if epsilon is None else x.double().clamp(epsilon, 1 - epsilon)
        signs = torch.randint(0, 2, x.shape, generator=self.generator) * 2 - 1
        found.add_(torch.nan_to_num(signs * self.unit / (1 - at), 0.0, 0.0, 0.0).to(found.dtype))

    def shift(self, found: Tensor, mean: Tensor, inverse: Tensor, args: Sequence[Any]) -> None:
        """A normalization's result by what its mean may be off, which is the same for all that share it."""
        x, weight = args[0], next((value for value in args[1:3] if isinstance(value, Tensor)), None)
        often = float(x.numel() / max(mean.numel(), 1)) ** 0.5
        signs = torch.randint(0, 2, mean.shape, generator=self.generator) * 2 - 1
        shift = signs * often * self.unit * mean.abs() * inverse
        scale = 1 if weight is None else weight
        if not isinstance(args[1], (list, tuple)):  # by groups of channels
            channels = shift.reshape(len(x), -1).repeat_interleave(
                x.shape[1] * len(x) // shift.numel(), dim=1
            )
            shift = (channels * scale).reshape(len(x), -1, *[1] * (x.ndim - 2))
            scale = 1
        found.add_(shift * scale)

    def move(self, value: object, often: float = 1.0) -> None:
        if isinstance(value, Tensor) and value.dtype in (torch.float32, torch.float16) and value.numel():
            # What the network computes in half precision has its roundings, whatever the file's format is.
            is_half = value.dtype is torch.float16
            unit = max(self.unit, self.size * _UNITS["float16"]) if is_half else self.unit
            finite = value.isfinite()
            is_finite = bool(finite.all())
            sizes = value.abs() if is_finite else torch.where(finite, value.abs(), 0.0)
            self.largest = max(self.largest, float(sizes.max()))
            if self.unit:
                sizes.mul_(often * unit).add_(self.least)
                sizes.mul_(
                    torch.randint(0, 2, value.shape, generator=self.generator, dtype=torch.int8)
                    .mul_(2)
                    .sub_(1)
                )
                value.add_(sizes if is_finite else torch.where(finite, sizes, 0.0))


# These give mean and inverse deviation, but of a batch norm that has its own.
_NORMALIZING = ("aten::native_group_norm", "aten::native_layer_norm", "aten::native_batch_norm")
_MEANS = ("aten::mean", "aten::sum", "aten::var", "aten::std")


@torch.no_grad()
def _run(network: nn.Module, inputs: Sequence[Tensor], mode: _Moved | None = None) -> list[Tensor]:
    given = [value.clone() for value in inputs]
    if mode is None:
        return _tensors(network(*given))
    held = [*network.parameters(), *network.buffers()]
    before = [value.detach().clone() for value in held]
    for value in (*held, *given):
        mode.move(value.data)
    with mode:
        found = _tensors(network(*given))
    for value, kept in zip(held, before, strict=True):
        value.data.copy_(kept)
    return found


def _tensors(returned: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(returned) if isinstance(leaf, Tensor)]


def largest_inside(network: nn.Module, specs: Sequence[TensorSpec], seed: int = 0) -> float:
    """The largest magnitude of any value inside on the oracle's inputs."""
    found = 0.0
    for values in _inputs(specs, seed):
        mode = _Moved("float32", 0.0, 0)
        _run(network, _normalized(specs, values), mode)
        found = max(found, mode.largest)
    return found


def one_image(size: tuple[int, int]) -> tuple[TensorSpec, ...]:
    """What a network takes that takes a photograph."""
    return (TensorSpec("image", (1, 3, *size), "float32", "image"),)


def hold(artifact: Artifact, network: nn.Module, specs: Sequence[TensorSpec], seed: int = 0) -> Finding:
    """The outputs of a file against those of the network in evaluation mode, on a photograph, noise and black. ``specs`` are the
    network's inputs in order."""
    function, precision = artifact.function, artifact.manifest.precision.activations
    worst, loss, words = 0.0, 0.0, ""
    inside = {item.spec.name for item in function.inputs if item.preprocessing_inside}
    types = {item.name: item.dtype for item in function.signature.inputs}
    names = [item.name for item in function.signature.outputs]
    with open_model(artifact.model) as runner:
        for number, values in enumerate(_inputs(specs, seed)):
            given = _normalized(specs, values)
            fed = {
                spec.name: (values[spec.name] if spec.name in inside else own)
                .numpy()
                .astype(types[spec.name])
                for spec, own in zip(specs, given, strict=True)
                if spec.name in types
            }
            got = runner.run(fed)
            want = _run(network, given)
            moved = [_run(network, given, _Moved(precision, 1.0, draw)) for draw in range(_DRAWS)]
            jumped = [_run(network, given, _Moved(precision, _FAR, draw)) for draw in range(2 * _DRAWS)]
            if len(names) != len(want):
                return Finding(np.inf, 0.0, f"{len(names)} outputs, and the network has {len(want)}")
            for place, name in enumerate(names):
                share, lost = _compared(
                    got[name],
                    want[place],
                    [run[place] for run in moved],
                    [run[place] for run in jumped],
                    precision,
                )
                if share > worst:
                    worst, words = share, f"{name} on {_SHOWN[number]}"
                loss = loss if number else max(loss, lost)
    return Finding(worst, loss, words)


def _compared(
    got: npt.NDArray[np.generic],
    want: Tensor,
    moved: Sequence[Tensor],
    jumped: Sequence[Tensor],
    precision: str,
) -> tuple[float, float]:
    """The largest error over its bound, and what moving costs over the largest value."""
    if tuple(got.shape) != tuple(want.shape):
        return np.inf, 0.0
    found = torch.from_numpy(np.array(got))
    if not want.is_floating_point():
        runs = torch.stack([want, *moved, *jumped]).long()
        undecided = (runs != want.long()).any(0)
        least, most = int(runs.min()), int(runs.max())
        # Where runs differ it may be another number, but none that is far from all.
        far = (found < 2 * least - most) | (found > 2 * most - least)
        wrong = (found.to(want.dtype) != want) & (~undecided | far)
        return (np.inf if bool(wrong.any()) else 0.0), 0.0
    found, exact = found.double(), want.double()
    # What a rounding makes infinite, or no number, may be anything: the root of an epsilon that float16 does not have.
    spread = torch.nan_to_num(
        torch.stack([_error(run.double(), exact) for run in moved]), nan=torch.inf
    ).amax(0)
    error = _error(found, exact)
    largest = torch.nan_to_num(exact.abs(), 0.0, 0.0, 0.0)
    if want.ndim > 2:  # each channel by its own scale
        axes = [axis for axis in range(want.ndim) if axis != 1]
        spread, largest = spread.amax(axes, keepdim=True), largest.amax(axes, keepdim=True)
    else:
        spread, largest = spread.max(), largest.max()
    bound = MARGIN * spread + _LEAST * _UNITS[precision] * largest + _SMALLEST[precision]
    share = torch.where(spread.isinf(), 0.0, torch.nan_to_num(error / bound, nan=torch.inf))
    return float(share.max()), float(spread.max() / largest.max().clamp(min=1e-30))


def _error(found: Tensor, exact: Tensor) -> Tensor:
    same = (found == exact) | (found.isnan() & exact.isnan())
    return torch.where(same, 0.0, (found - exact).abs())


def _inputs(specs: Sequence[TensorSpec], seed: int) -> Iterator[Mapping[str, Tensor]]:
    """Pixels from 0 to 255 of a photograph, of noise, and black ones; with the first two, numbers, whole numbers and truths are
    drawn, and with the last they are zero, the lowest, and true."""
    generator = torch.Generator().manual_seed(seed)
    for number in range(len(_SHOWN)):
        yield {spec.name: _value(spec, number, generator) for spec in specs}


def _value(spec: TensorSpec, number: int, generator: torch.Generator) -> Tensor:
    if number == _BLACK:
        lowest = True if spec.dtype == "bool" else (spec.values or (0, 0))[0]
        return torch.full(spec.shape, lowest, dtype=getattr(torch, spec.dtype))
    if spec.role == "image":
        if number == 0:
            return _photograph(*spec.shape[2:], channels=spec.shape[1]).expand(spec.shape).contiguous()
        return torch.randint(0, 256, spec.shape, generator=generator).float()
    if spec.dtype == "bool":
        return torch.rand(spec.shape, generator=generator) < _TRUE
    if spec.dtype.startswith("int"):
        low, high = spec.values or (0, 1)
        return torch.randint(low, high + 1, spec.shape, generator=generator, dtype=getattr(torch, spec.dtype))
    return torch.randn(spec.shape, generator=generator)


def _photograph(height: int, width: int, *, channels: int) -> Tensor:
    with Image.open(_PHOTOGRAPH) as image:
        resized = np.array(image.convert("RGB" if channels == 3 else "L").resize((width, height)), np.float32)
    return torch.from_numpy(resized.reshape(height, width, channels)).permute(2, 0, 1)[None].contiguous()


def _normalized(specs: Sequence[TensorSpec], values: Mapping[str, Tensor]) -> list[Tensor]:
    """What the network is given: images as cloformer normalizes what nothing is said of."""
    return [
        (values[spec.name] / 255 - _column(_MEAN, spec)) / _column(_STD, spec)
        if spec.role == "image"
        else values[spec.name]
        for spec in specs
    ]


def _column(values: tuple[float, ...], spec: TensorSpec) -> Tensor:
    return torch.tensor(values if spec.shape[1] == 3 else (_GREY,)).reshape(1, -1, 1, 1)
