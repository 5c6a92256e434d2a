"""`cloformer bundle`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cloformer.errors import UsageError, choose
from cloformer.io.output import say, say_json

from ..bundle.runtimes import RUNTIMES, providers_of
from ..bundle.systems import SYSTEMS
from ..formats.probe import MODES
from .options import Debug, Json
from .progress import progress

__all__ = ["bundle"]

_OF_ANDROID, _OF_WEB = (", ".join(providers_of(SYSTEMS[name])) for name in ("android", "web"))


def bundle(
    system: Annotated[
        str, typer.Argument(help=f"{' or '.join(SYSTEMS)}.", autocompletion=lambda: list(SYSTEMS))
    ],
    artifact: Annotated[
        Path | None,
        typer.Argument(
            help="An artifact's folder: ONNX, LiteRT or ExecuTorch for Android, Core ML for iOS, ONNX for the web. Not with --verify."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the project: a new one, or an empty one.")
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help=f"What runs the model: {', '.join(RUNTIMES)}.", autocompletion=lambda: list(RUNTIMES)
        ),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            help=f"Where ONNX Runtime runs the model in an Android app ({_OF_ANDROID}), or in a page at first ({_OF_WEB}).",
            autocompletion=lambda: providers_of(),
        ),
    ] = None,
    package: Annotated[
        str | None,
        typer.Option(help="Application ID or bundle identifier."),
    ] = None,
    app_name: Annotated[str | None, typer.Option(help="What the app is called.")] = None,
    min_os: Annotated[
        str | None, typer.Option(help="Lowest API level or iOS version that the app runs on.")
    ] = None,
    reduced_operators: Annotated[
        bool,
        typer.Option(
            "--reduced-operators", help="Add the list of operators for a smaller build of ONNX Runtime."
        ),
    ] = False,
    probe: Annotated[
        str | None,
        typer.Option(
            help="Give its tests models with the values inside: at module borders, or of all operators.",
            autocompletion=lambda: list(MODES),
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace what an earlier bundle wrote there; what you added or edited stays."
        ),
    ] = False,
    verify: Annotated[
        Path | None, typer.Option(help="Check a project that was bundled, instead of writing one.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write an app project that carries a model, with tests that repeat the parity check on the phone."""
    from ..artifact.folder import read_artifact
    from ..bundle.project import bundle as write_bundle
    from ..bundle.project import verify_bundle
    from ..reports.bundle import text as bundled

    row = SYSTEMS[choose("system", system, SYSTEMS, "SYSTEM")]
    if runtime is not None:
        runtime = choose("runtime", runtime, RUNTIMES, "--runtime")
    if provider is not None:
        provider = choose("provider", provider, providers_of(row), "--provider")
    if probe is not None:
        probe = choose("probe", probe, MODES, "--probe")
    if verify is not None:
        if any(item is not None for item in (artifact, output, runtime, provider, probe)):
            raise UsageError(
                "--verify checks a project and writes none",
                "leave ARTIFACT, --output, --runtime, --provider and --probe out",
            )
        record, edited = verify_bundle(verify)
        if record["system"] != row.name:
            raise UsageError(
                f"{verify} is a project for {record['system']}",
                f"`cloformer bundle {record['system']} --verify`",
            )
        if as_json:
            say_json({"whole": True, "edited": edited, "record": record})
        else:
            say(*bundled.verified(verify, record, edited))
        return
    if artifact is None or output is None:
        raise UsageError(
            f"bundle needs {'--output FOLDER' if artifact is not None else 'an artifact'}",
            f"for example: cloformer bundle {row.name} {artifact or 'build/cloformer_xxs-onnx-224-fp32'} --output "
            f"{output or f'apps/{row.name}'}",
        )
    given = {"identifier": package, "app_name": app_name, "minimum_os": min_os}
    settings = replace(row.default, **{name: value for name, value in given.items() if value is not None})
    with progress(quiet=as_json) as report_stage:
        written = write_bundle(
            row,
            read_artifact(artifact),
            output,
            settings,
            runtime=runtime,
            force=force,
            reduced_operators=reduced_operators,
            provider=provider,
            probe=probe,
            progress=report_stage,
        )
    if as_json:
        say_json(written.to_json())
    else:
        say(*bundled.written(written))
