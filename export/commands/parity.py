"""`cloformer parity`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.io.output import say, say_json
from cloformer.io.progress import part

from ..formats.runners import RUNNERS, RunnerOptions
from ..formats.work_limit import MOST_WORK
from .completion import checkpoints, models_and_files
from .device_options import Device, MaxInstructions, MaxMore, SaveWork, WorkBaseline, device_request
from .device_values import ValuesFiles, compare_files, refuse_with_values
from .next_step import bundle_step, next_step
from .options import Debug, Json, MaxWork, Quiet
from .progress import progress

if TYPE_CHECKING:
    from ..artifact.folder import Artifact

__all__ = ["parity"]


def parity(
    artifacts: Annotated[list[Path], typer.Argument(help="Folders of artifacts.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="What an artifact was exported from: nets.py:factory, timm:NAME, torchvision:NAME, hf:FOLDER.",
            autocompletion=models_and_files,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="The checkpoint of the export; its hash must be the manifest's.", autocompletion=checkpoints
        ),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(help="The TOML file of the export: the preprocessing and the labels must be these."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="The class names, one a line, that the artifact must have.")
    ] = None,
    require_all: Annotated[
        bool,
        typer.Option("--require-all", help="Fail too where nobody but the artifact says what is so."),
    ] = False,
    images: Annotated[
        list[Path] | None, typer.Option(help="Photographs, or a folder of them; may be given several times.")
    ] = None,
    runner: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(RUNNERS)}.",
            autocompletion=lambda: list(RUNNERS),
        ),
    ] = None,
    optimization: Annotated[
        str | None,
        typer.Option(
            help="ONNX Runtime's graph optimization: off, basic, extended, all.",
            autocompletion=lambda: ["off", "basic", "extended", "all"],
        ),
    ] = None,
    arithmetic: Annotated[
        str | None,
        typer.Option(
            help="Reference runtime's float16: wide sums; neural-engine, with its published cliffs; narrow sums, a bound that ordinary "
            "networks fail; exact rounds nothing.",
            autocompletion=lambda: ["wide", "neural-engine", "narrow", "exact"],
        ),
    ] = None,
    operators: Annotated[bool, typer.Option(help="Compare operator by operator, or outputs alone.")] = True,
    max_loss: Annotated[
        float,
        typer.Option(
            help="Of the largest value: what the number format may cost on photographs.",
            min=0.0,
            metavar="SHARE",
        ),
    ] = 0.1,
    min_snr: Annotated[
        float | None,
        typer.Option(
            help="Fail below so many decibels beside the model as it was trained.", metavar="DECIBELS"
        ),
    ] = None,
    min_agreement: Annotated[
        str | None,
        typer.Option(
            help="Fail if the first class is the model's on a smaller share, as 0.97.", metavar="SHARE"
        ),
    ] = None,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Say all about the first operator that is wrong.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the noise that is fed.")] = 0,
    headroom: Annotated[
        bool,
        typer.Option(
            "--headroom",
            help="Say how far every float16 operator is from overflow and from published cliffs of the Neural Engine.",
        ),
    ] = False,
    precision_map: Annotated[
        Path | None, typer.Option(help="Write the operators to keep in fp32 for --gain to this file.")
    ] = None,
    gain: Annotated[
        float, typer.Option(help="How many times larger inputs --precision-map allows for.")
    ] = 16.0,
    device: Device = None,
    device_values: ValuesFiles = None,
    max_instructions: MaxInstructions = None,
    baseline: WorkBaseline = None,
    max_regression: MaxMore = None,
    save_baseline: SaveWork = None,
    max_work: MaxWork = MOST_WORK,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this file.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Prove that artifacts compute what the PyTorch model does, output by output and operator by operator.

    Exit 1 if one does not, if something could not be compared, or if a limit on instructions is not kept.
    """
    from ..artifact.folder import read_artifact
    from ..parity.cost import Limits
    from ..parity.headroom import measure_all, write_precision_map
    from ..parity.verify import ParityRequest, compare
    from ..reference.references import References
    from ..reports.device import instructions as device_lines
    from ..reports.parity import github
    from ..reports.parity import text as table
    from ..reports.parity.files import write_reports
    from ..reports.parity.headroom import headroom_lines
    from ..reports.parity.pictures import Collector
    from ..source.images import collect_images
    from ..source.shares import parse_share
    from ..source.spec import read_spec

    others = {
        "--runner": runner,
        "--arithmetic": arithmetic,
        "--bisect": bisect,
        "--headroom": headroom,
        "--precision-map": precision_map,
    }
    files = device_values or []
    idle = {"--images": images, "--device": device, "--optimization": optimization, "--no-operators": not operators,
            "--min-snr": min_snr, "--min-agreement": min_agreement}  # fmt: skip
    refuse_with_values(files, artifacts, {**others, **idle, "--bisect": None})
    asked = device_request(
        device, optimization, max_instructions, baseline, max_regression, save_baseline, others
    )
    least = None if min_agreement is None else parse_share("--min-agreement", min_agreement, 0.97)
    limits = Limits(min_snr, least)
    photographs = collect_images(images or [])
    request = ParityRequest(
        model=model,
        weights=weights,
        spec=None if spec is None else read_spec(spec),
        labels=labels,
        require_all=require_all,
        images=photographs.images,
        left_out=tuple(map(str, photographs.left_out)),
        runner=runner,
        operators=operators,
        seed=seed,
        max_loss=max_loss,
        limits=limits,
        options=RunnerOptions(
            optimization=optimization,
            arithmetic=arithmetic,
            max_work=max_work or None,
        ),
    )
    with progress(quiet or as_json) as report_stage:
        found = [read_artifact(path) for path in artifacts]
        collectors = [Collector() for _ in files or found]
        pairs = [] if files else list(zip(found, collectors, strict=True))
        works, references = [], References()
        along = [
            part(report_stage, number / len(pairs), (number + 1) / len(pairs)) for number in range(len(pairs))
        ]
        if files:
            reports = compare_files(found[0], files, request, report_stage, collectors, references)
        elif asked is None:
            reports = [
                compare(artifact, request, stage, watch, references)
                for (artifact, watch), stage in zip(pairs, along, strict=True)
            ]
        else:
            from ..device.arm64_parity import compare_on_device

            asked.refuse_early(found)
            ran = [
                compare_on_device(item, request, asked.device, report_stage, watch, references)
                for item, watch in pairs
            ]
            reports, works = [report for report, _ in ran], [work for _, work in ran if work is not None]
        rooms = measure_all(found, request, report_stage) if headroom or precision_map else []
    if precision_map is not None:
        write_precision_map(rooms, gain, precision_map)
    write_reports(reports, junit=junit, html=html, pictures=[item.pictures() for item in collectors])
    if as_json:
        document = {"reports": [report.to_json() for report in reports]}
        document |= {"headroom": [room.to_json() for room in rooms]} if headroom else {}
        document |= (
            {} if asked is None else {"work": [device_lines.counts_json(work, asked.gate) for work in works]}
        )
        say_json(document)
    else:
        for report in reports:
            say(*table.render(report).split("\n"))
            if bisect:
                say(*table.render_bisect(report).split("\n"))
        for room in rooms if headroom else []:
            say(*headroom_lines(room, gain))
        if asked is None and not files and all(report.passed for report in reports):
            say(*filter(None, [_next(found, images or [], weights)]))
        for work in works:
            assert asked is not None  # or nothing was counted
            say(*device_lines.render(work, asked.gate).split("\n"))
    github.report_if_there(reports)
    kept = asked is None or not any(asked.gate.exceeded(work) for work in works)
    if not kept or not all(report.passed for report in reports):
        raise typer.Exit(1)
    if asked is not None:
        asked.keep(works)


def _next(artifacts: Sequence[Artifact], images: Sequence[Path], weights: Path | None) -> str | None:
    """What comes after: how often they are right, if the images are in a folder per class; else an app."""
    labelled = next(
        (path for path in images if (path / "val").is_dir() or _is_labelled(path, artifacts[0])), None
    )
    if labelled is not None and artifacts[0].function.classifier is not None:
        subjects = [item.folder for item in artifacts]
        return next_step("evaluate", *([weights] if weights else []), *subjects, "--data", labelled)
    return bundle_step(artifacts[0])


def _is_labelled(path: Path, artifact: Artifact) -> bool:
    """Whether there is a folder for each of two classes at least."""
    return sum((path / name).is_dir() for name in artifact.labels or ()) > 1
