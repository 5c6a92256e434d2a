"""The command line: parse, call, render. Nothing here that a library user would miss.

Exit codes: 0 done; 1 a gate failed; 2 wrong usage; 3 bad input or output place; 4 cannot be done;
5 a runtime is missing; 70 a bug of ours; 130 interrupted; 143 terminated; 141 nobody reads standard output.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer

import cloformer
from cloformer.errors import CloformerError, InputError, UnsupportedError
from cloformer.export.commands import (
    bench,
    bundle,
    compare,
    evaluate,
    export,
    hub,
    import_device_report,
    lint,
    pareto,
    parity,
    predict,
    profile,
    prune,
    serve,
    spec,
    train,
)
from cloformer.export.commands.help import Commands, OneCommand
from cloformer.export.commands.options import (
    Debug,
    Json,
    MaxPartitions,
    MaxSize,
    MaxUndelegated,
    parse_bytes,
    parse_size,
)
from cloformer.export.commands.wrong_usage import ParserError, usage_lines
from cloformer.io.causes import is_of_memory
from cloformer.io.memory import keep_freed_memory
from cloformer.io.output import OutputClosedError, guarded_output, say, say_json, tell
from cloformer.io.signals import Terminated, signals_raise_once
from cloformer.io.words import bounded

if TYPE_CHECKING:
    from typer._click import Command

app = typer.Typer(
    name="cloformer",
    cls=Commands,
    help="Export CloFormer, or any PyTorch vision model, to ONNX and Core ML, and prove that the export is the model.",
    rich_markup_mode=None,  # rich takes longer to import than `--help` may take
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Artifact = Annotated[Path, typer.Argument(help="An artifact's folder, as `cloformer export` printed it.")]

_INTERRUPTED, _TERMINATED, _CLOSED = 130, 143, 141

# New objects after which Python looks for cycles, 700 if nobody says: graphs are made of very many small objects that live
# until a command ends, and walking them took an eighth of an export's time.
_COLLECTED_EVERY = 100_000, 10, 10


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"cloformer {cloformer.__version__}")
        raise typer.Exit()


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=OneCommand)
def models(
    image_size: Annotated[str, typer.Option(help="Pixels, 224 or HEIGHTxWIDTH.")] = "224",
    num_classes: Annotated[int, typer.Option(min=1, help="Classes of the head.")] = 1000,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the built-in models: parameters, multiply-adds, feature shapes. All counted, not typed in. Dense networks are for the
    classes and at the size that they are published for.
    """
    from cloformer.export.reports.artifact import text as summary
    from cloformer.export.source.counts import dense_figures, variant_figures
    from cloformer.export.source.resolve import check_fits

    size = parse_size(image_size)
    check_fits(*size)
    rows, dense = variant_figures(size, num_classes), dense_figures()
    if as_json:
        say_json({
            "image_size": list(size), "num_classes": num_classes, "models": [row.to_json() for row in rows],
            "dense": [row.to_json() for row in dense],
        })  # fmt: skip
        return
    say(*summary.models(rows, size), *summary.dense_models(dense))


app.command(cls=OneCommand)(export.export)
app.command(cls=OneCommand)(spec.spec)


@app.command(cls=OneCommand)
def inspect(
    artifact: _Artifact,
    max_size: MaxSize = None,
    max_partitions: MaxPartitions = None,
    max_undelegated: MaxUndelegated = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what an artifact is, and check by its hashes that it is whole."""
    from cloformer.export.artifact.folder import read_artifact
    from cloformer.export.artifact.size import Limits
    from cloformer.export.reports.artifact import text as summary

    limits = Limits(parse_bytes(max_size), max_partitions, max_undelegated)
    found = read_artifact(artifact)
    limits.refuse_without_delegates([found.format])
    if as_json:
        fits = limits.problem(found.manifest) is None
        say_json({"whole": True, "fits": fits, "manifest": found.manifest.to_json()})
        raise typer.Exit(0 if fits else 1)
    say(*summary.inspected(found))
    limits.hold(found.manifest)


app.command(cls=OneCommand)(predict.predict)


@app.command(cls=OneCommand)
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Say what is installed, what works here, and which combinations are known to be bad. Exit 5 if something needed is not there."""
    from cloformer.export.formats.doctor import examine

    report = examine()
    if as_json:
        say_json(report.to_json())
    else:
        for name, version in report.versions.items():
            say(f"{name:<16}{version or 'not installed'}")
        for finding in report.findings:
            say(f"{finding.level + ':':<9} {finding.text}")
    if not report.healthy:
        raise typer.Exit(5)


app.command(cls=OneCommand)(parity.parity)
app.command(cls=OneCommand)(lint.lint)
app.command(cls=OneCommand)(bench.bench)
app.command(cls=OneCommand)(compare.compare)
app.command(cls=OneCommand)(profile.profile)
app.command(cls=OneCommand)(pareto.pareto)
app.command(cls=OneCommand)(bundle.bundle)
app.command(cls=OneCommand)(serve.serve)
app.command(cls=OneCommand)(import_device_report.import_device_report)
app.command(cls=OneCommand)(train.train)
app.command(cls=OneCommand)(prune.prune)
app.command(cls=OneCommand)(evaluate.evaluate)
app.command(cls=OneCommand)(hub.hub)

_MEMORY = [
    "there is not enough memory for this",
    "end what else runs, take a smaller model or --image-size, or a machine with more memory",
]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    gc.set_threshold(*_COLLECTED_EVERY)
    keep_freed_memory()
    try:
        with guarded_output(), signals_raise_once():
            code = _run(arguments)
    except (KeyboardInterrupt, Terminated) as error:  # while an error was told
        code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else _TERMINATED
    sys.exit(code)


def _run(arguments: Sequence[str]) -> int:
    try:
        code = app(arguments or ["--help"], standalone_mode=False, prog_name="cloformer")
        sys.stdout.flush()
        if code == _INTERRUPTED:
            raise KeyboardInterrupt  # typer has made a code of it
        return code if isinstance(code, int) else 0
    except CloformerError as error:
        return _fail(error.lines, error.exit_code, arguments, error.details, error)
    except KeyboardInterrupt:
        return _fail(["interrupted; nothing half-written is left"], _INTERRUPTED, arguments)
    except Terminated:
        return _fail(["terminated; nothing half-written is left"], _TERMINATED, arguments)
    except OutputClosedError:
        return _CLOSED
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except OSError as error:  # what a path cannot be asked, whoever asks
        if error.filename is None or isinstance(error, (FileNotFoundError, FileExistsError)):
            return _bug(error, arguments)
        lines = [f"{str(error.filename)!r} cannot be used: {error.strerror}", "give another place"]
        return _fail(list(map(bounded, lines)), InputError.exit_code, arguments, error=error)
    except Exception as error:  # typer's own are wrong usage; all others are bugs, which have a code too
        if hasattr(error, "format_message"):  # words that the parser does not take
            lines = list(usage_lines(cast(ParserError, error), arguments, _commands()))
            return _fail(list(map(bounded, lines)), 2, arguments, error=error)
        if is_of_memory(error):
            return _fail(_MEMORY, UnsupportedError.exit_code, arguments, error=error)
        return _bug(error, arguments)


def _commands() -> Mapping[str, Command]:
    group = typer.main.get_command(app)
    assert isinstance(group, Commands)
    return group.commands


def _bug(error: Exception, arguments: Sequence[str]) -> int:
    lines = [
        bounded(f"a bug of ours: {type(error).__name__}: {''.join(str(error).splitlines()[:1])}"),
        "run it again with --debug and report the traceback",
    ]
    return _fail(lines, 70, arguments, error=error)


def _fail(
    lines: Sequence[str],
    code: int,
    arguments: Sequence[str],
    details: Mapping[str, object] | None = None,
    error: BaseException | None = None,
) -> int:
    if "--debug" in arguments and error is not None:
        import traceback

        tell(*"".join(traceback.format_exception(error)).rstrip("\n").split("\n"))
    first, *rest = lines
    tell(f"error: {first}", *(f"  {line}" for line in rest))
    if "--json" in arguments:
        try:
            say_json({"error": {"message": first, "next": rest, "exit_code": code, **(details or {})}})
        except OutputClosedError:
            return _CLOSED
        except InputError:  # it is full, and perhaps that was the error
            pass
    return code


if __name__ == "__main__":
    main()
