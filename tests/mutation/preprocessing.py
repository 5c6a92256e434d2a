"""Faults between a photograph and the first operator: what the manifest declares of the preprocessing, what the
program does of it, and what loads the photographs.

Parity's reference is made of the model's own preprocessing by code of its own, which these faults do not reach.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.random import Generator
from PIL import Image

from cloformer.export.artifact.folder import MANIFEST, Artifact, read_artifact
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.reference import cases
from cloformer.export.reference.cases import PHOTOGRAPH
from cloformer.export.source.preprocessing import INTERPOLATIONS, Preprocessing

from .mil_graph import MilGraph

__all__ = [
    "DECLARED",
    "LOADED",
    "PROGRAM",
    "PreprocessingTrial",
    "lying_photograph",
    "places",
    "try_preprocessing_fault",
]

Rule = dict[str, Any]
_OTHER_STATISTICS = (
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),  # CLIP's
    ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),  # CIFAR-10's
)
_ORIENTATION = 0x0112  # the EXIF tag


@dataclass(frozen=True)
class PreprocessingTrial:
    """``caught`` is parity's verdict; ``caught_by_outputs`` the part of it that the model's own outputs have."""

    subject: str
    seed: int
    fault: str
    what: str
    caught: bool
    caught_by_outputs: bool
    first: str | None


def lying_photograph(path: Path, orientation: int) -> Path:
    """The photograph with an EXIF tag that says how it is to be turned, 1 to 8."""
    with Image.open(PHOTOGRAPH) as image:
        exif = image.getexif()
        exif[_ORIENTATION] = orientation
        image.save(path, quality=95, exif=exif)
    return path


def _one_of(random: Generator, items: Any) -> Any:
    return items[int(random.integers(len(items)))]


# What the manifest declares: each changes the rule in place and says what it did.


def _color_order(rule: Rule, _random: Generator) -> str:
    rule["color_order"] = "BGR" if rule["color_order"] == "RGB" else "RGB"
    return f"declared as {rule['color_order']}"


def _other_filter(rule: Rule, random: Generator) -> str:
    rule["interpolation"] = _one_of(
        random, [name for name in INTERPOLATIONS if name != rule["interpolation"]]
    )
    return f"declared as {rule['interpolation']}"


def _resize_size(rule: Rule, random: Generator) -> str:
    sides = (rule["height"], rule["resize_size"] + 1, 2 * rule["resize_size"])
    rule["resize_size"] = _one_of(random, sides)
    return f"short side {rule['resize_size']} before the crop"


def _statistics(rule: Rule, random: Generator) -> str:
    mean, std = _one_of(random, _OTHER_STATISTICS)
    rule["mean"], rule["std"] = list(mean), list(std)
    return f"mean {rule['mean']}"


def _not_normalized(rule: Rule, _random: Generator) -> str:
    rule["mean"], rule["std"] = [0.0] * 3, [1.0] * 3
    return "mean 0, standard deviation 1"


def _scale(rule: Rule, random: Generator) -> str:
    rule["scale"] = _one_of(random, (1.0, 1 / 256, 1 / 127.5))
    return f"scale {rule['scale']:.4g}"


DECLARED: dict[str, Callable[[Rule, Generator], str]] = {
    "another colour order declared": _color_order,
    "another resize filter declared": _other_filter,
    "another size before the crop declared": _resize_size,
    "another data set's statistics declared": _statistics,
    "normalization missing in the manifest": _not_normalized,
    "another scale declared": _scale,
}


# What loads a photograph for the candidate: each replaces Preprocessing.crop_image. Apps do the same wrongly.

_crop_image = Preprocessing.crop_image


def _read_as_bgr(rule: Preprocessing, image: Image.Image) -> Any:
    return np.ascontiguousarray(_crop_image(rule, image)[..., ::-1])


def _filtered_otherwise(rule: Preprocessing, image: Image.Image) -> Any:
    return _crop_image(replace(rule, interpolation="bilinear"), image)


def _squashed(rule: Preprocessing, image: Image.Image) -> Any:
    return _crop_image(rule, image.resize((rule.resize_size, rule.resize_size), Image.Resampling.BICUBIC))


def _corner(rule: Preprocessing, image: Image.Image) -> Any:
    whole = _crop_image(replace(rule, height=rule.resize_size, width=rule.resize_size), image)
    return np.ascontiguousarray(whole[: rule.height, : rule.width])


CROPS = {
    "RGB read as BGR": _read_as_bgr,
    "resized with another filter": _filtered_otherwise,
    "resized without its proportions": _squashed,
    "cropped at a corner": _corner,
}
_NOT_TURNED = "EXIF orientation ignored"
LOADED = (*CROPS, _NOT_TURNED)


def _as_it_lies(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


@contextmanager
def _loading(fault: str) -> Iterator[None]:
    if fault == _NOT_TURNED:
        patch = mock.patch.object(cases, "load_image", _as_it_lies)
    else:
        patch = mock.patch.object(Preprocessing, "crop_image", CROPS[fault])
    with patch:
        yield


# What a Core ML program does of it.


def _package_order(graph: MilGraph) -> str:
    image = graph.description.input[0].type.imageType
    image.colorSpace = image.BGR if image.colorSpace == image.RGB else image.RGB
    return "the package takes the colours in the other order"


def _mean_not_subtracted(graph: MilGraph) -> str:
    graph.become(next(item for item in graph.operators if item.kind == "sub"), "identity")
    return "the mean is not subtracted"


def _mean_in_other_order(graph: MilGraph) -> str:
    operator = next(item for item in graph.operators if item.kind == "sub")
    graph.set(operator, "y", np.ascontiguousarray(operator.constants["y"][:, ::-1]))
    return "the mean's colours in the other order"


PROGRAM: dict[str, Callable[[MilGraph], str]] = {
    "another colour order in the package": _package_order,
    "normalization missing in the program": _mean_not_subtracted,
    "the program's mean in another colour order": _mean_in_other_order,
}


def places(artifact: Artifact) -> list[str]:
    """The faults that can be planted in it."""
    return [*DECLARED, *LOADED, *(PROGRAM if artifact.format == "coreml" else ())]


def try_preprocessing_fault(
    subject: str, artifact: Artifact, fault: str, request: ParityRequest, seed: int, work: Path
) -> PreprocessingTrial:
    """Plant it, and compare: inputs as they are fed, and outputs. The photograph lies on its side or head."""
    random = np.random.default_rng((seed, 2))
    work.mkdir(parents=True, exist_ok=True)
    tag = int(random.integers(2, 9))
    photograph = lying_photograph(work / f"orientation-{tag}.jpg", tag)
    request = replace(request, operators=False, images=(photograph,))
    if fault in DECLARED:
        mutant, what = _declaring(artifact, DECLARED[fault], random, work / "declared")
        report = compare(mutant, request)
    elif fault in PROGRAM:
        graph = MilGraph(artifact)
        what = PROGRAM[fault](graph)
        report = compare(graph.write(work / "program"), request)
    else:
        what = f"a photograph of orientation {tag}"
        with _loading(fault):
            report = compare(artifact, request)
    failures = [item for item in report.outputs if not item.passed]
    of_outputs = [item for item in failures if "(as fed)" not in item.name]
    first = failures[0] if failures else None
    return PreprocessingTrial(
        subject,
        seed,
        fault,
        what,
        not report.passed,
        bool(of_outputs),
        None if first is None else f"{first.name} on {first.case}: {first.failure}",
    )


def _declaring(
    artifact: Artifact, change: Callable[[Rule, Generator], str], random: Generator, folder: Path
) -> tuple[Artifact, str]:
    manifest = artifact.manifest.to_json()
    what = change(manifest["functions"][0]["inputs"][0]["preprocessing"], random)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(artifact.folder, folder)
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return read_artifact(folder), what
