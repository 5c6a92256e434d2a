"""What is judged on masks and boxes: networks in PyTorch, and artifacts in the runtime that they are for. All are seen alike: what an
output means is its role, and it is told in the photograph's own pixels, as `cloformer predict` tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cloformer.errors import InputError, UnsupportedError
from cloformer.export.artifact.folder import MANIFEST, Artifact, is_artifact, read_artifact
from cloformer.export.artifact.seen import Seen, seen_of
from cloformer.export.formats.runners import RUNNERS, Noting, RunnerOptions, default_runner, open_model
from cloformer.export.source.arrays import Array
from cloformer.export.source.attempt import untouched
from cloformer.export.source.function import Output
from cloformer.export.source.interface import interface_of, with_roles
from cloformer.export.source.placement import Placement
from cloformer.export.source.preprocessing import Preprocessing, as_planes
from cloformer.export.source.resolve import Source, SourceRequest, resolve
from cloformer.export.source.returned import as_tensors, output_names
from cloformer.export.source.roles import class_axis
from cloformer.export.source.signature import Signature, TensorSpec
from cloformer.io.read import sha256_of
from cloformer.io.words import count

from .subjects import Pixels, bytes_of, guessed_of, with_threads

__all__ = ["DenseSubject", "dense_subject"]

_CANDIDATES = 1000  # boxes of a network that suppresses none itself, the best, of which those that overlap better ones go
_UNTOLD = 256  # classes of a map that nobody says the number of: as many as a mask of 8 bits can tell apart
_ADVICE = "say what its outputs are by [[outputs]] in --spec (`cloformer spec`)"


@dataclass(frozen=True, eq=False)
class DenseSubject:
    """``run`` takes cropped pixels (height, width, channels) as ``rule`` gives them, and returns what ``outputs`` are called. The rest
    is as :class:`.subjects.Subject` has it."""

    name: str
    runs_in: str
    rule: Preprocessing
    outputs: Sequence[Output]
    labels: Sequence[str] | None
    run: Callable[[Pixels], Mapping[str, Array]]
    is_suppressed: bool = False
    bytes: int | None = None
    format: str | None = None
    precision: str | None = None
    manifest_sha256: str | None = None
    guessed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def see(self, pixels: Pixels, placed: Placement) -> Seen:
        """What it says of a photograph of which ``pixels`` are ``placed`` as that says; all boxes of any score."""
        size = self.rule.height, self.rule.width
        return seen_of(
            self.outputs, self.run(pixels), placed, size, self.labels,
            min_score=0.0, is_suppressed=self.is_suppressed, candidates=_CANDIDATES,
        )  # fmt: skip

    def needs(self, *roles: str) -> None:
        """:class:`UnsupportedError` unless an output has one of ``roles``."""
        if not any(output.spec.role in roles for output in self.outputs):
            found = ", ".join(f"{item.spec.name} ({item.spec.role})" for item in self.outputs)
            raise UnsupportedError(
                f"{self.name} gives {found}, and none is {' or '.join(roles)}",
                _ADVICE
                if self.format is None
                else "export it again, with a --spec that says what its outputs are",
            )

    def classes_of(self, *roles: str) -> int:
        """How many classes there are in what has one of ``roles``: of boxes without classes one, of a map as many as have names."""
        spec = next(item.spec for item in self.outputs if item.spec.role in roles)
        axis = class_axis(spec)
        if axis is not None:
            return spec.shape[axis]
        if self.labels is not None:
            return len(self.labels)
        return _UNTOLD if spec.role == "class_map" else 1


def dense_subject(
    asked: Path | SourceRequest, options: RunnerOptions
) -> AbstractContextManager[DenseSubject]:
    """What is asked for, ready to run. Raises :class:`InputError` for what cannot be read, and :class:`UnsupportedError` for what does
    not take one image alone."""
    if isinstance(asked, Path) and is_artifact(asked):
        return _artifact(read_artifact(asked), options)
    request = asked if isinstance(asked, SourceRequest) else SourceRequest(weights=asked, option="evaluate")
    return _network(request, options.threads)


@contextmanager
def _network(request: SourceRequest, threads: int) -> Iterator[DenseSubject]:
    source, name = resolve(request), str(request.model or request.weights)
    if source.weights.origin != "module" and source.weights.seed is not None:  # which some are drawn from
        raise InputError(
            f"{request.option} {name}: weights are random, and right by chance",
            "name a checkpoint of all of them: --model cloformer_xxs_fpn --weights trained.safetensors",
        )
    rules = list(source.preprocessing.values())
    if len(rules) != 1 or len(source.inputs) != 1:
        raise UnsupportedError(f"{name} does not take one image alone", "evaluate networks of one image")
    rule, image = rules[0], source.inputs[0]

    def run(pixels: Pixels) -> dict[str, Array]:
        x_BCHW = torch.from_numpy(rule.normalize(pixels)).expand(image.shape[0], -1, -1, -1)
        with untouched(source.model):
            found = as_tensors(source.model(x_BCHW))
        names = output_names(source.output_names, len(found))
        if len(names) != len(found):
            raise InputError(
                f"{request.option} {name}: {count(names, 'output')} named, and the model returns {len(found)}",
                "give --spec a name for each, in the order in which the model returns them",
            )
        return {word: value.detach().cpu().numpy() for word, value in zip(names, found, strict=True)}

    with with_threads(threads):
        outputs = _outputs(source, run(np.zeros((rule.height, rule.width, len(rule.mean)), np.uint8)))
        size = None if request.weights is None else bytes_of(request.weights)
        yield DenseSubject(
            name, "PyTorch", rule, outputs, source.labels, run,
            is_suppressed=request.decoding.suppression is not None, bytes=size, guessed=guessed_of(request, rule),
        )  # fmt: skip


def _outputs(source: Source, given: Mapping[str, Array]) -> Sequence[Output]:
    """What each means, by the source's own word."""
    traced = tuple(TensorSpec(name, value.shape, str(value.dtype)) for name, value in given.items())
    signature = with_roles(Signature(source.inputs, traced), source)
    found = interface_of(source, signature.inputs, signature.outputs, preprocessing_inside=False)
    return found.outputs


@contextmanager
def _artifact(artifact: Artifact, options: RunnerOptions) -> Iterator[DenseSubject]:
    first, *others = artifact.function.inputs
    rule = first.preprocessing
    if others or rule is None:
        raise UnsupportedError(
            f"{artifact.folder} does not take one image alone",
            "`cloformer inspect` says what goes in and comes out",
        )
    known = rule

    with open_model(artifact.model, options=options) as runner:

        def run(pixels: Pixels) -> Mapping[str, Array]:
            value = as_planes(pixels) if first.preprocessing_inside else known.normalize(pixels)
            full = np.broadcast_to(value, first.spec.shape).astype(first.spec.dtype)
            return runner.run({first.spec.name: full})

        yield DenseSubject(
            str(artifact.folder), RUNNERS[default_runner(artifact.format)].title, rule, artifact.function.outputs,
            artifact.labels, run, artifact.manifest.request.decoding.suppression is not None,
            artifact.manifest.model_bytes, artifact.format, artifact.manifest.precision.name,
            sha256_of(artifact.folder / MANIFEST), notes=runner.notes if isinstance(runner, Noting) else (),
        )  # fmt: skip
