"""The command line: parse, call, render. Nothing here that a library user would miss.

Exit codes: 0 done; 1 a gate failed; 2 wrong usage; 3 bad input or output place; 4 cannot be done;
5 a runtime is missing; 70 a bug of ours; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

import cloformer
from cloformer.export.errors import CloformerError, UsageError
from cloformer.export.formats import FORMATS, OPSETS, TARGETS
from cloformer.export.precision import PRECISIONS
from cloformer.variants import list_models

app = typer.Typer(
    name="cloformer",
    help="Export CloFormer, or any PyTorch vision model, to ONNX and Core ML, and prove that the export is the model.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich takes longer to import than `--help` may take
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else there.")
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]
_Artifact = Annotated[Path, typer.Argument(help="An artifact's folder, as `cloformer export` printed it.")]

_NOT_TRAINED = "random weights: NOT TRAINED, so what it predicts means nothing"


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
    as_json: _Json = False,
    debug: _Debug = False,
) -> None:
    """List the built-in models: parameters, multiply-adds, feature shapes. All counted, not typed in."""
    from cloformer.export.figures import variant_figures
    from cloformer.model import check_image_size

    size = _parse_size(image_size)
    try:
        check_image_size(*size)
    except ValueError as error:
        raise UsageError(str(error), "choose another --image-size") from None
    rows = variant_figures(size, num_classes)
    if as_json:
        _print_json({"image_size": list(size), "num_classes": num_classes, "models": rows})
        return
    print(
        f"{'model':<22}{'parameters':>12}{'multiply-adds':>16}   feature shapes (C x H x W) at {size[0]} x {size[1]}"
    )
    for row in rows:
        shapes = "  ".join("x".join(map(str, shape)) for shape in row["feature_shapes"].values())
        print(f"{row['name']:<22}{row['parameters']:>12,}{row['multiply_adds'] / 1e9:>14.3f} G   {shapes}")


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
        typer.Option(help="A checkpoint, .safetensors or .pth. Without: random weights from --seed."),
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Trace, rewrite and check the operators; write nothing.")
    ] = False,
    as_json: _Json = False,
    debug: _Debug = False,
) -> None:
    """Write a model as ONNX and Core ML, load each file back, and compare it with PyTorch."""
    from cloformer.export.pipeline import export as run_export
    from cloformer.export.pipeline import preview
    from cloformer.export.request import ExportRequest
    from cloformer.export.spec import ModelSpec, parse_input, read_spec

    if spec is not None and inputs:
        raise UsageError("--spec and --input both declare inputs", "give one of them")
    request = ExportRequest(
        model=model,
        weights=weights,
        formats=tuple(formats or ("onnx",)),
        precision=precision,
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
        with _progress(as_json) as report:
            previews = preview(request, report)
        if as_json:
            _print_json({"dry_run": True, "artifacts": previews})
        for planned in [] if as_json else previews:
            sites = ", ".join(f"{entry['name']} {entry['sites']}" for entry in planned["passes"])
            print(f"would write {output / planned['folder']}\n  passes and sites: {sites or 'none'}")
        return
    with _progress(as_json) as report:
        exported = run_export(request, report)
    if as_json:
        _print_json(
            {
                "artifacts": [
                    {
                        "folder": str(item.artifact.folder),
                        "difference_from_pytorch": item.difference and item.difference.to_json(),
                        "manifest": item.artifact.manifest,
                    }
                    for item in exported
                ]
            }
        )
        return
    for item in exported:
        print(item.artifact.folder)
        _print_summary(item.artifact.manifest)
        if item.difference is None:
            print(
                "  checked     it loads back and its types hold; not run: this system has no runtime for it"
            )
        else:
            found = item.difference
            print(
                f"  PyTorch     largest difference {found.max_abs:.2g}, outputs up to {found.largest:.3g} "
                f"({', '.join(found.inputs)}; {found.reference} reference)"
            )


@app.command()
def inspect(artifact: _Artifact, as_json: _Json = False, debug: _Debug = False) -> None:
    """Say what an artifact is, and check by its hashes that it is whole."""
    from cloformer.export.artifact import read_artifact

    found = read_artifact(artifact)
    if as_json:
        _print_json({"whole": True, "manifest": found.manifest})
        return
    manifest = found.manifest
    print(
        f"{manifest['name']} as {FORMATS[found.format].title if found.format in FORMATS else found.format}: whole"
    )
    _print_summary(manifest)
    for function in manifest["functions"]:
        for kind in ("inputs", "outputs"):
            for tensor in function[kind]:
                inside = ", 8-bit pixels; normalized inside" if tensor.get("preprocessing_inside") else ""
                labels = f", labels in {tensor['labels']}" if tensor.get("labels") else ""
                print(
                    f"  {kind[:-1]:<12}{tensor['name']} {tensor['dtype']} {tensor['shape']} ({tensor['role']}{inside}{labels})"
                )
    print(
        f"  operators   {', '.join(f'{kind} {count}' for kind, count in manifest['graph']['by_type'].items())}"
    )
    print("  passes      (sites: law)")
    for entry in manifest["passes"]:
        print(f"    {entry['name']:<42}{len(entry['sites']):>4}: {entry['law']}")
    if not manifest["passes"]:
        print("    none: the plain trace")


@app.command()
def predict(
    artifact: _Artifact,
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Photographs, JPEG or PNG. None: the one that comes with cloformer."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5,
    threads: Annotated[int, typer.Option(min=0, help="Threads of the runtime; 0: its own choice.")] = 0,
    as_json: _Json = False,
    debug: _Debug = False,
) -> None:
    """Classify photographs with an artifact, preprocessed as its manifest says."""
    from cloformer.export.artifact import read_artifact
    from cloformer.export.check import PHOTOGRAPH
    from cloformer.export.predict import predict as run_predict

    found = read_artifact(artifact)
    untrained = found.manifest["weights"]["origin"] == "random"
    predictions = run_predict(found, images or [PHOTOGRAPH], top=top, threads=threads)
    if as_json:
        _print_json({"trained": not untrained, "predictions": [item.to_json() for item in predictions]})
        return
    for item in predictions:
        print(Path(item.image).name if not images else item.image)
        for guess in item.top:
            print(f"  {guess.probability:>7.2%}  {guess.label or f'class {guess.index}'}")
    if untrained:
        print(f"  ({_NOT_TRAINED})")


@app.command()
def doctor(as_json: _Json = False, debug: _Debug = False) -> None:
    """Say what is installed, what works here, and which combinations are known to be bad. Exit 5 if something needed is not there."""
    from cloformer.export.doctor import examine

    report = examine()
    if as_json:
        _print_json(report.to_json())
    else:
        for name, version in report.versions.items():
            print(f"{name:<16}{version or 'not installed'}")
        for finding in report.findings:
            print(f"{finding.level + ':':<9} {finding.text}")
    if not report.healthy:
        raise typer.Exit(5)


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
        _print_json({"error": {"message": first, "next": rest, "exit_code": code, **(details or {})}})
    sys.exit(code)


def _on_terminate(_signal: int, _frame: Any) -> None:
    raise _Terminated


def _parse_size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"image size {text!r} is not a size", "--image-size takes 224 or HEIGHTxWIDTH")
    return int(parts[0]), int(parts[-1])


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _print_summary(manifest: Any) -> None:
    total = sum(entry["bytes"] for entry in manifest["files"] if entry["role"] == "model")
    graph, weights = manifest["graph"], manifest["weights"]
    print(f"  model       {manifest['model']['path']}, {total / 1e6:.2f} MB, {manifest['precision']['name']}")
    print(
        f"  graph       {graph['operators']} operators (constants not counted), rank at most {graph['max_rank']}"
    )
    origin = {
        "random": f"{_NOT_TRAINED} (seed {weights['seed']})",
        "module": "as the module's factory made them",
        "checkpoint": f"checkpoint {str(weights['file_sha256'])[:16]}...",
    }[weights["origin"]]
    print(f"  weights     {origin}")


@contextmanager
def _progress(quiet: bool) -> Iterator[Any]:
    """A spinner with the stage on a terminal, a plain line per stage elsewhere; on standard error."""
    if quiet:
        yield lambda _: None
    elif not sys.stderr.isatty():
        yield lambda stage: print(stage, file=sys.stderr, flush=True)
    else:
        from rich.console import Console  # given the stream: what silences a framework swaps sys.stderr
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda stage: bar.update(task, description=stage)


if __name__ == "__main__":
    main()
