"""What the user asked for, and what it comes to: one job for each format, with every default filled in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloformer.errors import UnsupportedError, UsageError, choose

from ..artifact.record import RequestRecord
from ..artifact.size import Limits
from ..calibration.goal import Goal
from ..calibration.images import Calibration
from ..formats import FORMATS
from ..formats.row import NORMALIZE, Format, Option
from ..source.decoding import Decoding
from ..source.images import collect_images
from ..source.precision import AUTO, AUTO_IS, PRECISIONS, Precision, read_precision_map, with_exceptions
from ..source.resolve import Source, SourceRequest
from ..source.spec import ModelSpec

__all__ = ["Choices", "ExportRequest", "Job", "choose_formats", "jobs_for"]


_NO_LIMITS = Limits()


@dataclass(frozen=True)
class ExportRequest(SourceRequest):
    """Every option of ``cloformer export``, as it was given: which model, and how it is to be written. ``options`` are
    the formats' own, by name ("opset", "target"); a model of more than ``max_bytes``, or of whose graph a delegate makes more
    pieces or leaves more operators, replaces none."""

    formats: tuple[str, ...] = ("onnx",)
    precision: str | None = None
    precision_map: Path | None = None
    calibration: Calibration | None = None
    goal: Goal | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    reparameterize: bool = True
    keep_failed: bool = False
    max_bytes: int | None = None
    max_partitions: int | None = None
    max_undelegated: int | None = None
    output: Path = Path("build")

    @property
    def limits(self) -> Limits:
        """What a model is held to before it takes its place."""
        return Limits(self.max_bytes, self.max_partitions, self.max_undelegated)


@dataclass(frozen=True)
class Choices:
    """A format and how it is written: known before there is a model."""

    format: Format
    precision: Precision
    options: Mapping[str, str]
    reparameterize: bool
    in_float: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One artifact to be written: the resolved request, the folder that it goes to, and whether one that is not the
    model is kept; and its limits. Of layers in 8 bits the images that ranges are taken from, and those that
    are ``in_float``, by name, or the ``goal`` by which they are chosen."""

    format: Format
    record: RequestRecord
    folder: Path
    keep_failed: bool
    limits: Limits = _NO_LIMITS
    calibration: Calibration | None = None
    goal: Goal | None = None
    in_float: tuple[str, ...] = ()


def choose_formats(request: ExportRequest) -> list[Choices]:
    """How each format is to be written.

    Raises :class:`UsageError` for names that do not exist or do not go together, :class:`UnsupportedError` for a
    precision that a format does not have, and :class:`MissingRuntimeError` where a format's packages are not installed.
    """
    names = list(dict.fromkeys(choose("format", name, FORMATS, repeats=True) for name in request.formats))
    if request.precision is not None:
        choose("precision", request.precision, (*PRECISIONS, AUTO))
    _refuse_goals(request)
    if request.batch < 1:
        raise UsageError(f"--batch {request.batch} is below 1", "give the number of images per inference")
    rows = [FORMATS[name] for name in names]
    _refuse_other_options(request.options, rows)
    _refuse_a_pipeline_elsewhere(request, rows)
    chosen = [_chosen(request, row, rows) for row in rows]
    _refuse_images_without_use(request, chosen)
    request.limits.refuse_without_delegates(names)
    for row in rows:
        row.refuse_missing()
    return chosen


def _refuse_a_pipeline_elsewhere(request: ExportRequest, rows: Sequence[Format]) -> None:
    other = next((row for row in rows if not row.has_own_suppression), None)
    if request.decoding.pipeline is not None and other is not None:
        raise UsageError(
            f"--nms pipeline is a stage of Core ML's own, and {other.title} has none",
            "give --format coreml alone, or --nms in-graph, which every format has",
        )


def _refuse_images_without_use(request: ExportRequest, chosen: Sequence[Choices]) -> None:
    """:class:`UsageError` for layers in 8 bits without images to take their ranges from, and for such images alone."""
    needed = any(each.precision.are_layers_quantized for each in chosen)
    if needed and request.calibration is None:
        raise UsageError(
            f"--precision {request.precision} takes the range of every value from images, and has none",
            "add --calibration FOLDER, with 100 photographs or so like those of the app; or choose int8-weights, which needs none",
        )
    if request.calibration is not None and not needed:
        raise UsageError(
            "--calibration is for --precision int8, the one that computes in ranges",
            "add --precision int8, or leave --calibration out",
        )
    if request.calibration is not None:
        _refuse_images(request.calibration, request.goal)


def _refuse_images(calibration: Calibration, goal: Goal | None) -> None:
    """What is wrong with the images, before a model is made."""
    collect_images([calibration.folder])
    if goal is not None and goal.max_accuracy_drop is not None:
        from ..calibration.labelled import read_labelled, refuse_too_few

        _, numbers = read_labelled(calibration)
        refuse_too_few(len(numbers), goal.max_accuracy_drop)


def jobs_for(request: ExportRequest, choices: Sequence[Choices], source: Source) -> list[Job]:
    """The jobs for a model that was made. :class:`UsageError` for images to be normalized where it takes none."""
    _refuse_without_images(request, source)
    jobs = []
    for chosen in choices:
        record = RequestRecord(
            model=source.source,
            format=chosen.format.name,
            precision=chosen.precision,
            options=chosen.options,
            reparameterize=chosen.reparameterize,
            inputs=source.inputs,
            preprocessing=source.preprocessing,
            outputs=source.output_names if source.declared is None else source.declared.names,
            num_classes=request.num_classes,
            labels_sha256=_digest(source.labels) if source.labels is not None else None,
            weights_sha256=source.weights.file_sha256,
            seed=source.weights.seed,
            metadata=source.metadata,
            labels_of=source.labels_of,
            roles=source.roles if source.declared is None else source.declared.roles,
            decoding=Decoding() if source.declared is None else source.declared.decoding,
        )
        folder = request.output / _folder_name(request, chosen.format, record, source)
        jobs.append(
            Job(
                chosen.format,
                record,
                folder,
                request.keep_failed,
                request.limits,
                request.calibration if chosen.precision.are_layers_quantized else None,
                request.goal,
                chosen.in_float,
            )
        )
    return jobs


def _refuse_other_options(given: Mapping[str, str], rows: Sequence[Format]) -> None:
    """:class:`UsageError` for an option of a format that is not asked for, and for a choice that only such a format has."""
    for name, choice in given.items():
        owners = {
            row.name: option for row in FORMATS.values() for option in row.options if option.name == name
        }
        having = [owner for owner, option in owners.items() if choice in option.choices]
        asked = {row.name for row in rows if row.name in owners}
        if asked and (not having or asked.intersection(having)):
            continue
        first, what = (having or list(owners))[0], owners[next(iter(owners))].flag
        is_choice = bool(asked)
        raise UsageError(
            f"{what}{f' {choice}' if is_choice else ''} is for --format {' or '.join(having if is_choice else owners)}",
            f"add --format {first} or leave {what} out",
        )


def _refuse_without_images(request: ExportRequest, source: Source) -> None:
    """:class:`UsageError` for images to be normalized in a model that takes none."""
    if request.options.get(NORMALIZE.name) == "inside" and not source.preprocessing:
        first = source.inputs[0].name
        raise UsageError(
            f"{source.name} takes no image that could be normalized: {', '.join(spec.name for spec in source.inputs)}",
            f"leave {NORMALIZE.flag} out, or give {first} a preprocessing in --spec FILE: `cloformer spec` has its keys",
        )


def _refuse_goals(request: ExportRequest) -> None:
    """:class:`UsageError` for a mixture without a goal, and for a goal without one."""
    goal = request.goal
    if request.precision == AUTO and (
        goal is None or not (goal.asks_for_quality or goal.max_bytes is not None)
    ):
        raise UsageError(
            "--precision auto leaves in float what a goal needs, and has none",
            "add --min-snr 30 (decibels), --min-agreement 98%, --max-accuracy-drop 1% or --max-size 5MB",
        )
    if request.precision == AUTO and request.precision_map is not None:
        raise UsageError(
            "--precision auto chooses what --precision-map says", "give --precision int8 with the map"
        )
    if request.precision != AUTO and goal is not None:
        raise UsageError(
            "--min-snr, --min-agreement, --max-accuracy-drop and --sensitivity are what --precision auto goes by",
            "add --precision auto; or hold what was written to them: cloformer parity ARTIFACT --min-snr 30",
        )


def _asked(request: ExportRequest, option: Option, rows: Sequence[Format]) -> str:
    """What is asked of a format's option; its default where what is asked is a choice of another format's alone, by the same flag."""
    asked = request.options.get(option.name, option.default)
    others = (other for row in rows for other in row.options if other.name == option.name)
    is_for_another = asked not in option.choices and any(asked in other.choices for other in others)
    return option.default if is_for_another else asked


def _chosen(request: ExportRequest, row: Format, rows: Sequence[Format]) -> Choices:
    name = AUTO_IS if request.precision == AUTO else request.precision or row.default_precision
    if name not in row.precisions:
        raise UnsupportedError(
            f"{row.title} cannot be written in {name}",
            f"--precision takes for it: {', '.join(row.precisions)}",
        )
    options = {option.name: option.read(_asked(request, option, rows)) for option in row.options}
    row.refuse_idle(request.options, options)
    row.refuse_choices(name, options)
    precision = row.precisions[name]
    in_float: tuple[str, ...] = ()
    if request.precision_map is not None and precision.are_layers_quantized:
        in_float = tuple(read_precision_map(request.precision_map))
    elif request.precision_map is not None:
        precision = with_exceptions(precision, read_precision_map(request.precision_map))
    return Choices(row, precision, options, request.reparameterize, in_float)


def _folder_name(request: ExportRequest, row: Format, record: RequestRecord, source: Source) -> str:
    """``NAME-FORMAT-SIZE-PRECISION``, and whatever else differs from the default.

    What a few letters can say is said; what only a file can say is there by the first digits of its hash. The hash of
    the weights stands for the labels and the rest that a checkpoint says of itself.
    """
    shape = source.inputs[0].shape
    size = "x".join(str(n) for n in (shape[2:] if source.inputs[0].role == "image" else shape))
    if source.inputs[0].role == "image" and shape[2] == shape[3]:
        size = str(shape[2])
    declared: list[object] | None = None
    if request.spec != ModelSpec():
        rules = {name: rule.to_json() for name, rule in source.preprocessing.items()}
        declared = [rules, [spec.to_json() for spec in source.inputs], list(source.output_names)]
        declared += [] if source.labels_of is None else [source.labels_of]
        declared += [[item.to_json() for item in source.roles]] if source.roles else []
    exceptions = dict(record.precision.exceptions)
    options = {
        option.suffix_of(record.options[option.name]): record.options[option.name] != option.default
        for option in row.options
    }
    parts = options | {
        "plain": not record.reparameterize,
        f"map-{_digest(exceptions)[:8]}": bool(exceptions),
        f"batch{shape[0] if shape else 1}": bool(shape) and shape[0] != 1,
        f"classes{request.num_classes}": request.num_classes is not None
        and (request.weights is None or record.seed is not None),
        f"seed{request.seed}": request.seed != 0 and record.seed is not None,
        f"weights-{(record.weights_sha256 or '')[:8]}": record.weights_sha256 is not None,
        f"labels-{_digest(source.labels)[:8]}": (request.labels or request.spec.labels) is not None,
        f"spec-{_digest(declared)[:8]}": declared is not None,
        f"decoded-{_digest(record.decoding.to_json())[:8]}": record.decoding.is_asked,
        f"about-{_digest(dict(source.metadata))[:8]}": bool(request.spec.metadata),
    }
    suffixes = [name for name, differs in parts.items() if differs]
    return "-".join([source.name, row.name, size, record.precision.name, *suffixes])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
