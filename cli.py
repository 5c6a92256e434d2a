"""The command line: parse, call, render. Nothing here that a library user would miss.

Exit codes: 0 done; 1 a gate failed; 2 wrong usage; 3 bad input or output place; 4 cannot be done;
5 a runtime is missing; 70 a bug of ours; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import cloformer
from cloformer.errors import CloformerError, UsageError
from cloformer.export.commands import bench, bundle, compare, evaluate, hub, parity, profile, train
from cloformer.export.commands import import_device_report as device_report
from cloformer.export.commands.options import Debug, Json, print_json
from cloformer.export.commands.progress import progress
from cloformer.export.formats import FORMATS, OPSETS, TARGETS
from cloformer.export.source.precision import PRECISIONS
from cloformer.variants import list_models

app = typer.Typer(
    name="cloformer",
    help="Export CloFormer, or any PyTorch vision model, to ONNX and Core ML, and prove that the export is the model.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich takes longer to import than `--help` may take
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Artifact = Annotated[Path, typer.Argument(help="An artifact's folder, as `cloformer export` printed it.")]

_INTERRUPTED = 130


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"cloformer {cloformer.__version__}")
        raise typer.Exit()


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def models(
    image_size: Annotated[str, typer.Option(help="Pixels, 224 or HEIGHTxWIDTH.")] = "224",
    num_classes: Annotated[int, typer.Option(min=1, help="Classes of the head.")] = 1000,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the built-in models: parameters, multiply-adds, feature shapes. All counted, not typed in."""
    from cloformer.export.reports.artifact import text as summary
    from cloformer.export.source.counts import variant_figures
    from cloformer.model import check_image_size

    size = _parse_size(image_size)
    try:
        check_image_size(*size)
    except ValueError as error:
        raise UsageError(str(error), "choose another --image-size") from None
    rows = variant_figures(size, num_classes)
    if as_json:
        print_json({"image_size": list(size), "num_classes": num_classes, "models": rows})
        return
    _print_lines(summary.models(rows, size))


@app.command()
def export(
    model: Annotated[
        str | None,
        typer.Option(
            help="A built-in model, or package.module:factory. Without: what the weights are, or cloformer_xxs.",
            autocompletion=list_models,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint, .safetensors or .pth, or fashion-mnist, which is in the box. Without: random "
            "weights from --seed."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help=f"{', '.join(FORMATS)}; may be given several times.",
            autocompletion=lambda: list(FORMATS),
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="; ".join(f"{row.name}: {' or '.join(row.precisions)}" for row in FORMATS.values())
            + ". The first is the default.",
            autocompletion=lambda: list(PRECISIONS),
        ),
    ] = None,
    precision_map: Annotated[
        Path | None, typer.Option(help="Operators that fp16 keeps in fp32, as `parity` writes them.")
    ] = None,
    image_size: Annotated[str | None, typer.Option(help="Pixels, 224 or HEIGHTxWIDTH.")] = None,
    batch: Annotated[int, typer.Option(help="Images per inference.")] = 1,
    num_classes: Annotated[
        int | None, typer.Option(min=1, help="Classes of a built-in model; the checkpoint's if not given.")
    ] = None,
    opset: Annotated[
        str | None, typer.Option(help=f"ONNX opset, {min(OPSETS)} to {max(OPSETS)}; 20 if not given.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help=f"Core ML deployment target: {', '.join(TARGETS)}; ios16 if not given.",
            autocompletion=lambda: list(TARGETS),
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Class names, one a line: makes a classifier.")] = None,
    spec: Annotated[
        Path | None, typer.Option(help="TOML file with a module's inputs, preprocessing, outputs, labels.")
    ] = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="An input of a module: NAME=1x3x224x224[:DTYPE].")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder that the artifacts' folders go into.")] = Path("build"),
    seed: Annotated[int, typer.Option(help="Seed of random weights.")] = 0,
    reparameterize: Annotated[
        bool, typer.Option(help="Rewrite the graph by exact passes, or export the plain trace.")
    ] = True,
    keep_failed: Annotated[
        bool,
        typer.Option(
            "--keep-failed", help="Keep what is not the PyTorch model, as NAME-failed, to look into."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Trace, rewrite and check the operators; write nothing.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a model as ONNX and Core ML, load each file back, and compare it with PyTorch."""
    from cloformer.export.pipeline.export import export as run_export
    from cloformer.export.pipeline.export import preview
    from cloformer.export.pipeline.request import ExportRequest
    from cloformer.export.reports.artifact import text as summary
    from cloformer.export.source.spec import ModelSpec, parse_input, read_spec

    if spec is not None and inputs:
        raise UsageError("--spec and --input both declare inputs", "give one of them")
    request = ExportRequest(
        model=model,
        weights=weights,
        formats=tuple(formats or ("onnx",)),
        precision=precision,
        precision_map=precision_map,
        keep_failed=keep_failed,
        image_size=None if image_size is None else _parse_size(image_size),
        batch=batch,
        num_classes=num_classes,
        opset=opset,
        target=target,
        labels=labels,
        spec=read_spec(spec)
        if spec is not None
        else ModelSpec(tuple(parse_input(text) for text in inputs or ())),
        seed=seed,
        reparameterize=reparameterize,
        output=output,
    )
    if dry_run:
        with progress(as_json) as report:
            previews = preview(request, report)
        if as_json:
            print_json({"dry_run": True, "artifacts": previews})
        for planned in [] if as_json else previews:
            _print_lines(summary.previewed(planned, str(output / planned["folder"])))
        return
    with progress(as_json) as report:
        exported = run_export(request, report)
    if as_json:
        print_json(
            {
                "artifacts": [
                    {
                        "folder": str(item.artifact.folder),
                        "difference_from_pytorch": item.difference.to_json(),
                        "manifest": item.artifact.manifest,
                    }
                    for item in exported
                ]
            }
        )
        return
    for item in exported:
        _print_lines(summary.exported(item))


@app.command()
def inspect(artifact: _Artifact, as_json: Json = False, debug: Debug = False) -> None:
    """Say what an artifact is, and check by its hashes that it is whole."""
    from cloformer.export.artifact.folder import read_artifact
    from cloformer.export.reports.artifact import text as summary

    found = read_artifact(artifact)
    if as_json:
        print_json({"whole": True, "manifest": found.manifest})
        return
    _print_lines(summary.inspected(found))


@app.command()
def predict(
    artifact: _Artifact,
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Photographs, JPEG or PNG. None: the one that comes with cloformer."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5,
    threads: Annotated[int, typer.Option(min=0, help="Threads of the runtime; 0: its own choice.")] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Classify photographs with an artifact, preprocessed as its manifest says."""
    from cloformer.export.artifact.folder import read_artifact
    from cloformer.export.artifact.predict import predict as run_predict
    from cloformer.export.reference.cases import PHOTOGRAPH
    from cloformer.export.reports.artifact.text import NOT_TRAINED

    found = read_artifact(artifact)
    untrained = found.manifest["weights"]["origin"] == "random"
    predictions = run_predict(found, images or [PHOTOGRAPH], top=top, threads=threads)
    if as_json:
        print_json({"trained": not untrained, "predictions": [item.to_json() for item in predictions]})
        return
    for item in predictions:
        print(Path(item.image).name if not images else item.image)
        for guess in item.top:
            print(f"  {guess.probability:>7.2%}  {guess.label or f'class {guess.index}'}")
    if untrained:
        print(f"  ({NOT_TRAINED})")


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Say what is installed, what works here, and which combinations are known to be bad. Exit 5 if something needed is not there."""
    from cloformer.export.formats.doctor import examine

    report = examine()
    if as_json:
        print_json(report.to_json())
    else:
        for name, version in report.versions.items():
            print(f"{name:<16}{version or 'not installed'}")
        for finding in report.findings:
            print(f"{finding.level + ':':<9} {finding.text}")
    if not report.healthy:
        raise typer.Exit(5)


app.command()(parity.parity)
app.command()(bench.bench)
app.command()(compare.compare)
app.command()(profile.profile)
app.command()(bundle.bundle)
app.command()(device_report.import_device_report)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(hub.hub)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _on_terminate)
    try:
        code = app(arguments, standalone_mode=False, prog_name="cloformer")
        sys.stdout.flush()
        if code == _INTERRUPTED:
            raise KeyboardInterrupt  # typer has made a code of it
        sys.exit(code if isinstance(code, int) else 0)
    except CloformerError as error:
        _fail(error.lines, error.exit_code, arguments, error.details, error)
    except KeyboardInterrupt:
        _fail(["interrupted; nothing half-written is left"], _INTERRUPTED, arguments)
    except _Terminated:
        _fail(["terminated; nothing half-written is left"], 143, arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own: an option or a command that does not exist
            lines = [
                error.format_message(),
                "`cloformer --help` lists the commands, COMMAND --help its options",
            ]
            _fail(lines, 2, arguments, error=error)
        lines = [
            f"a bug of ours: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
        ]
        _fail([*lines, "run it again with --debug and report the traceback"], 70, arguments, error=error)


def _fail(
    lines: Sequence[str],
    code: int,
    arguments: Sequence[str],
    details: dict[str, Any] | None = None,
    error: BaseException | None = None,
) -> None:
    if "--debug" in arguments and error is not None:
        import traceback

        traceback.print_exception(error)
    first, *rest = " ".join(lines[:1]).splitlines() + list(lines[1:])
    print("\n".join([f"error: {first}", *(f"  {line}" for line in rest)][:3]), file=sys.stderr)
    if "--json" in arguments:
        print_json({"error": {"message": first, "next": rest, "exit_code": code, **(details or {})}})
    sys.exit(code)


def _on_terminate(_signal: int, _frame: Any) -> None:
    raise _Terminated


def _parse_size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"image size {text!r} is not a size", "--image-size takes 224 or HEIGHTxWIDTH")
    return int(parts[0]), int(parts[-1])


def _print_lines(lines: Iterator[str]) -> None:
    for line in lines:
        print(line)


if __name__ == "__main__":
    main()
