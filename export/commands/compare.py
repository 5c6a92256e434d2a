"""`cloformer compare`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.io.output import say, say_json
from cloformer.io.progress import Progress

from ..formats.work_limit import MOST_WORK
from .latency_options import (
    PRESET_HELP,
    Files,
    Html,
    MinSeconds,
    Model,
    Output,
    Pin,
    Plots,
    Runners,
    Runs,
    Seed,
    TimeLimit,
    Weights,
    presets,
    stop,
)
from .options import Debug, Json, MaxWork, Quiet
from .progress import progress
from .timed import timed_artifact

if TYPE_CHECKING:
    from ..artifact.folder import Artifact
    from ..latency.candidates import Candidate
    from ..latency.comparison import Comparison

__all__ = ["compare"]


def compare(
    artifacts: Annotated[
        list[Path], typer.Argument(help="Folders of artifacts: the first, and what is compared with it.")
    ],
    naive: Annotated[
        bool,
        typer.Option("--naive", help="The first is the plain export of the same model, made on the fly."),
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(help="The first is the artifact that `bench --save-baseline` kept in this folder."),
    ] = None,
    max_regression: Annotated[
        str | None,
        typer.Option(help="Exit 1 unless each is shown to take less than this longer than the first, as 5%."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help=PRESET_HELP, autocompletion=presets),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the runtime.")] = None,
    runners: Runners = None,
    rounds: Annotated[int, typer.Option(min=3, help="Rounds of fresh processes.")] = 3,
    max_rounds: Annotated[
        int | None,
        typer.Option(min=3, help="Rounds at most, if --max-regression cannot be decided before."),
    ] = None,
    runs: Runs = None,
    min_seconds: MinSeconds = None,
    pin: Pin = False,
    model: Model = None,
    weights: Weights = None,
    seed: Seed = 0,
    time_limit: TimeLimit = None,
    output: Output = None,
    html: Html = None,
    plots: Plots = None,
    max_work: MaxWork = MOST_WORK,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say which artifact is faster, by how much, and how sure that is: they take turns in one run.

    Exit 1 if one could not be measured, or --max-regression is not shown to hold.
    """
    from cloformer.errors import UsageError

    from ..latency.baseline import read_baseline
    from ..latency.candidates import plan
    from ..latency.environment import environment
    from ..latency.measure import package_versions
    from ..latency.protocol import Rounds, protocol
    from ..latency.turns import compare as run
    from ..source.shares import parse_share

    if naive and baseline is not None:
        raise UsageError("--naive and --baseline both say what is first", "give one of them")
    if max_rounds is not None and max_rounds < rounds:
        raise UsageError(
            f"--max-rounds {max_rounds} are fewer than --rounds {rounds}",
            f"raise it, for example --max-rounds {rounds}, or lower --rounds",
        )
    limit = None if max_regression is None else parse_share("--max-regression", max_regression)
    kept_before = None if baseline is None else read_baseline(baseline)
    if kept_before is not None:
        asked = kept_before.conditions
        runners, threads, pin = runners or [asked.runner], threads or asked.threads, pin or asked.pin
        if preset is None and asked.preset == "custom":
            preset = "rapid"
            runs = runs or asked.min_queries
            min_seconds = asked.min_seconds if min_seconds is None else min_seconds
        preset = preset or asked.preset
    settings = protocol(
        preset or "normal",
        threads=(threads or 1,),
        runs=runs,
        min_seconds=min_seconds,
        time_limit=time_limit,
        pin=pin,
    )
    settings = replace(settings, seed=seed)
    found = [timed_artifact(path, max_work) for path in artifacts]
    if kept_before is not None:
        kept_before.refuse_another_list(found)
    files = Files(output, html, plots)
    files.prepare()
    last: list[Comparison] = []

    def keep(comparison: Comparison) -> None:
        """The last one; in the files, one that ends with a whole round."""
        if not last:
            files.begin(comparison)
        elif last[0].rounds_run < comparison.rounds_run:
            files.keep(comparison)
        last[:] = [comparison]

    try:
        with (
            progress(quiet or as_json) as report_stage,
            _plain(naive, found[0], model, weights, report_stage) as plain,
        ):
            first = [plain] if plain is not None else [] if kept_before is None else [kept_before.artifact]
            candidates = plan([*first, *found], runners or [], settings, model=model, weights=weights)
            if len(candidates) < 2:
                raise UsageError(
                    "one candidate is nothing to compare",
                    f"give another artifact, --naive or --baseline DIR, or two runners{_two_runners(candidates)}",
                )
            if kept_before is not None:
                here = environment(package_versions(candidates))
                kept_before.refuse_another_environment(here, settings, candidates[0].runner)
            comparison = run(
                candidates,
                settings,
                Rounds(rounds, max_rounds or max(rounds, Rounds.most), max_regression=limit),
                report_stage,
                keep,
            )
    except Exception:
        raise
    except BaseException as error:  # Ctrl-C, or what cli.py makes of SIGTERM
        if not last:
            raise
        stop(last[0], error, files, lambda report: _show(report, as_json))
    files.finish(comparison)
    _show(comparison, as_json)
    if comparison.failed or comparison.gate not in (None, "passed"):
        raise typer.Exit(1)


def _two_runners(candidates: Sequence[Candidate]) -> str:
    """An example of what runs the first artifact; nothing if that is one runner."""
    from ..latency.candidates import CANDIDATES

    able = [name for name, row in CANDIDATES.items() if row.format == candidates[0].artifact.format]
    return f": {' '.join(f'--runner {name}' for name in able[:2])}" if len(able) > 1 else ""


@contextmanager
def _plain(
    wanted: bool, artifact: Artifact, model: str | None, weights: Path | None, progress: Progress
) -> Iterator[Artifact | None]:
    """The plain export of the model of ``artifact``, in a folder that does not outlive the block."""
    if not wanted:
        yield None
        return
    import tempfile

    from cloformer.errors import UsageError

    from ..artifact.rebuild import rebuild
    from ..pipeline.export import export_plain

    source = rebuild(artifact, model=model, weights=weights)
    if source is None:
        raise UsageError(
            f"--naive exports the model of {artifact.folder.name} again, and it is not given",
            "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
        )
    with tempfile.TemporaryDirectory(prefix="cloformer-naive-") as folder:
        yield export_plain(artifact, source, Path(folder), progress)


def _show(comparison: Comparison, as_json: bool) -> None:
    from ..reports.latency.comparison_text import render

    if as_json:
        say_json(comparison.to_json())
    else:
        say(*render(comparison).split("\n"))
