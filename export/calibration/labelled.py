"""How often a graph is right on the images of a calibration, beside the same graph in float."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, fx

from cloformer.errors import GateError, InputError
from cloformer.io.words import count

from ..accuracy.classes import Classifier, places_of, refuse_other_classes
from ..accuracy.judged import Judged, read_judged
from ..accuracy.paired import Drop
from ..accuracy.scores import right_first
from .calibrate import Calibrated
from .images import Calibration

__all__ = ["Accuracy", "labels_of", "read_labelled", "refuse_too_few"]

OPTION = "--max-accuracy-drop"


def read_labelled(calibration: Calibration) -> tuple[Judged, dict[Path, int]]:
    """The folder as `cloformer evaluate` reads it, and the number of its class for each image that is drawn.

    Raises :class:`UsageError` where nobody says what the images show, and :class:`InputError` where somebody says it of some.
    """
    data = read_judged(calibration.folder)
    labels = data.labelled_for(OPTION)
    known = {data.images.where(place): number for place, number in enumerate(labels)}
    drawn = calibration.images.values()
    without = [path for path in drawn if str(path) not in known]
    if without:
        raise InputError(
            f"nobody says what {count(without, 'image')} of {len(drawn)} from {calibration.folder} "
            f"{'shows' if len(without) == 1 else 'show'}: {without[0]}",
            "give a folder with a folder per class and nothing beside them: of a data set, --calibration FOLDER/val",
        )
    return data, {path: known[str(path)] for path in drawn}


def labels_of(calibration: Calibration, model: Classifier) -> dict[Path, int]:
    """Which of the model's classes each image shows. :class:`InputError` for classes that it does not have."""
    data, numbers = read_labelled(calibration)
    refuse_other_classes(model, data)
    places = places_of(model, data)
    return {path: places[number] for path, number in numbers.items()}


def refuse_too_few(images: int, most: float) -> None:
    """:class:`GateError` where a drop of no more than ``most`` would not be shown though not one of so many images differed."""
    none_differs = Drop(0, 0, images)
    if none_differs.is_within(most):
        return
    needed = none_differs.images_needed(most)
    if needed is None:
        raise GateError(
            f"{OPTION} {most:.2%} is shown by no number of images", f"allow a little, for example {OPTION} 1%"
        )
    raise GateError(
        f"{count(images, 'image')} {'is' if images == 1 else 'are'} too few to show that top-1 drops by no more than {most:.2%}: "
        f"{needed:,} are needed, if none differs",
        f"more leave room for some that do: a --calibration folder with {2 * needed:,}, and --samples {2 * needed}",
    )


class Accuracy:
    """``labels`` are the classes of the calibrated images, in their order; the graph in float is what others are held to."""

    def __init__(self, found: Calibrated, labels: Sequence[int]) -> None:
        self._found, self._labels = found, torch.tensor(labels)
        self._were_right = self._are_right(found.traced.graph_module)

    def drop(self, graph_module: fx.GraphModule) -> Drop:
        are_right = self._are_right(graph_module)
        lost = int((self._were_right & ~are_right).sum())
        return Drop(lost, int((are_right & ~self._were_right).sum()), len(self._labels))

    def _are_right(self, graph_module: fx.GraphModule) -> Tensor:
        """(images,) truths."""
        graph_module.recompile()
        with torch.no_grad():
            given = [graph_module(*inputs)[self._found.scores] for inputs in self._found.batches()]
        scores_BK = torch.cat([each[:1] for each in given])  # all rows of a batch are the one image
        return right_first(scores_BK.double(), self._labels)
