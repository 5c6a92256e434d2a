"""From candidates to a :class:`LatencyReport`: a fresh process for each, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from cloformer.errors import MissingRuntimeError
from cloformer.io.progress import Progress, Stage, done_of, part
from cloformer.io.read import sha256_of
from cloformer.io.words import count

from ..artifact.folder import MANIFEST
from ..formats.runners import notes_of
from .candidates import Candidate
from .counting import count_inference
from .environment import environment, explain_load, processor_family, read_load, usable_processors
from .parent import Worker, WorkerError, worker
from .protocol import Protocol
from .report import LatencyReport, Measurement

__all__ = ["describe", "measure", "package_versions"]

_RUN = 0.95  # of the time that a candidate takes: all but its memory
OnChange = Callable[[LatencyReport], None]

_BLOCK_SECONDS = 1.0  # how long a worker is left alone: between two blocks the parent can be heard
_MAX_BLOCK = 10_000  # queries
_TELL_SECONDS = 10.0  # between two lines of progress


def measure(
    candidates: Sequence[Candidate],
    protocol: Protocol,
    progress: Progress = lambda _: None,
    on_change: OnChange = lambda _: None,
) -> LatencyReport:
    """Measure every candidate of :func:`.candidates.plan` by the protocol; one that crashes, hangs or is refused is a
    row that says so.

    ``on_change`` is given the report so far whenever there is more of it, and first of all an empty one: whoever
    is interrupted has the last. Raises :class:`MissingRuntimeError` for a package that is not installed.
    """
    here = environment(package_versions(candidates))
    rows: list[Measurement] = []

    def so_far(*more: Measurement) -> LatencyReport:
        return LatencyReport(protocol, here, (*rows, *more), len(candidates))

    on_change(so_far())
    for index, candidate in enumerate(candidates, 1):
        row = describe(candidate, here.versions)
        name = f"{index} of {len(candidates)}: {row.artifact}, {row.title}"
        along = part(progress, (index - 1) / len(candidates), index / len(candidates))
        run = _Run(candidate, protocol, row, partial(_tell, along, name), lambda row: on_change(so_far(row)))
        rows.append(run.measure())
    return so_far()


def _tell(progress: Progress, name: str, stage: str) -> None:
    progress(Stage(f"{name}: {stage}", done_of(stage)))


class _Run:
    """The measurement of one candidate. ``row`` is what is known of it so far."""

    def __init__(
        self,
        candidate: Candidate,
        protocol: Protocol,
        row: Measurement,
        progress: Progress,
        changed: Callable[[Measurement], None],
    ) -> None:
        self._candidate, self._protocol, self.row = candidate, protocol, row
        self._progress, self._changed = progress, changed
        self._deadline = time.monotonic() + protocol.time_limit

    def measure(self) -> Measurement:
        """The whole row."""
        before, after = read_load(), None
        counting = self._protocol.counting
        self._note(load_before=before, timed=counting is None or not counting.only)
        try:
            if self.row.timed:
                self._time()
                self._read_memory()
                self._start_cold()
            after = read_load()
            self._count()
            self._note(complete=True)
        except WorkerError as error:
            self._note(failure=str(error))
        after = after or read_load()
        disturbed = explain_load(before, after, len(usable_processors()))
        self._note(load_after=after, disturbed=disturbed)
        return self.row

    def _time(self) -> None:
        """Load, first inference, warm-up, the run, and the photograph: one process."""
        protocol = self._protocol
        with worker(self._candidate.threads, self._deadline) as running:
            self._progress(Stage("loading", 0.0))
            loaded = running.load(self._candidate.task(self._protocol, check=True))
            self._note(load_ns=loaded.load_ns if self._candidate.row.has_a_start else None)
            first_ns = running.first().wall_ns[0]
            self._note(first_ns=first_ns if self._candidate.row.has_a_start else None)
            self._progress("warming up")
            done = running.warm_up(protocol.warm_up_queries, protocol.warm_up_seconds)
            self._note(warm_up_queries=done)
            self._run_blocks(running)
            self._progress("from the photograph to the result")
            seen = running.photograph(protocol.photographs)
            self._note(preprocessing_ns=seen.preprocessing_ns, end_to_end_ns=seen.end_to_end_ns)

    def _run_blocks(self, running: Worker) -> None:
        """Queries until there are enough of them and they took long enough."""
        protocol = self._protocol
        wall_ns: list[int] = []
        cpu_ns: list[int] = []
        spent, shown_at, size = 0.0, 0.0, 1
        self._progress("running")
        while len(wall_ns) < protocol.min_queries or spent < protocol.min_seconds:
            if spent >= protocol.max_seconds:
                note = (
                    f"ended after {spent:.0f} s with {len(wall_ns)} of {count(protocol.min_queries, 'query')}"
                )
                self._note(notes=(*self.row.notes, note))
                break
            if spent >= shown_at + _TELL_SECONDS:
                shown_at = spent
                self._progress(
                    Stage(
                        f"{count(wall_ns, 'query')} in {spent:.0f} s", _behind(protocol, len(wall_ns), spent)
                    )
                )
            block = running.run(size)
            wall_ns += block.wall_ns
            cpu_ns += block.cpu_ns
            spent = sum(wall_ns) / 1e9
            self._note(wall_ns=tuple(wall_ns), cpu_ns=tuple(cpu_ns))
            size = _block_size(protocol, len(wall_ns), spent)

    def _read_memory(self) -> None:
        """In a process of its own, which holds no samples and no photograph, and has not looked at the file."""
        self._progress(Stage("reading its memory", _RUN))
        with worker(self._candidate.threads, self._deadline) as running:
            loaded = running.load(self._candidate.task(self._protocol))
            running.run(self._protocol.memory_queries)
            self._note(peak_bytes=running.memory(), before_bytes=loaded.before_bytes)

    def _start_cold(self) -> None:
        """Load and first inference, a process each, of a model that the system does not hold in memory."""
        if not self._protocol.cold or not self._candidate.row.has_a_start:
            return
        self._progress("cold starts")
        for _ in range(self._protocol.cold_starts):
            with worker(self._candidate.threads, self._deadline) as running:
                load_ns = running.load(self._candidate.task(self._protocol, forget=True)).load_ns
                first_ns = running.first().wall_ns[0]
            self._note(
                cold_load_ns=(*self.row.cold_load_ns, load_ns),
                cold_first_ns=(*self.row.cold_first_ns, first_ns),
            )

    def _count(self) -> None:
        """What an inference takes: in processes that nothing is timed in, after those."""
        if self._protocol.counting is not None:
            found = asdict(count_inference(self._candidate, self._protocol, self._progress))
            self._note(**found | {"notes": (*self.row.notes, *found["notes"])})

    def _note(self, **found: object) -> None:
        self.row = replace(self.row, **found)  # type: ignore[arg-type]
        self._changed(self.row)


def _behind(protocol: Protocol, queries: int, spent: float) -> float:
    """The share of a candidate's time that lies behind it: a run ends with enough queries and seconds, or too many of these."""
    enough = min(spent / max(protocol.min_seconds, 1e-9), queries / protocol.min_queries)
    return _RUN * max(enough, spent / protocol.max_seconds)


def _block_size(protocol: Protocol, queries: int, spent: float) -> int:
    """About a second of queries, and no more than are missing."""
    each = max(spent / queries, 1e-9)
    missing = max(protocol.min_queries - queries, int((protocol.min_seconds - spent) / each) + 1, 1)
    return max(1, min(int(_BLOCK_SECONDS / each), missing, _MAX_BLOCK))


def describe(candidate: Candidate, versions: Mapping[str, str]) -> Measurement:
    """What is known of a candidate before anything is measured."""
    artifact, manifest = candidate.artifact, candidate.artifact.manifest
    spec = artifact.signature.inputs[0]
    usable = len(usable_processors())
    notes = []
    if candidate.threads > usable:
        notes.append(f"{count(candidate.threads, 'thread')} on {count(usable, 'processor')}")
    made_for, here = manifest.request.processor, processor_family()
    if candidate.row.runner is not None and made_for not in (None, here):
        notes.append(
            f"it was made for {made_for}, and this processor is {here}: to time it here, export it with --for {here}"
        )
    if not candidate.row.obeys_threads:
        notes.append("the runtime chooses its threads by itself")
    if not candidate.row.has_a_start:
        notes.append("no start is timed: Python makes the model, and runs it before to see what it returns")
    if manifest.precision.are_layers_quantized and candidate.row.runner is not None:
        found = notes_of(artifact.model, candidate.row.runner)
        notes += [f"its time here says nothing of its time on a phone: {note}" for note in found]
    return Measurement(
        artifact=artifact.folder.name,
        manifest_sha256=sha256_of(artifact.folder / MANIFEST),
        model=manifest.name,
        format=artifact.format,
        precision=manifest.precision.name,
        image_size=" x ".join(str(size) for size in (spec.shape[2:] if spec.role == "image" else spec.shape)),
        runner=candidate.runner,
        title=candidate.row.title,
        runtime=f"{candidate.row.package} {versions[candidate.row.package]}",
        options=candidate.row.options,
        measured_on=candidate.row.measured_on,
        threads=candidate.threads,
        pinned_to=candidate.pinned_to,
        notes=tuple(notes),
    )


def package_versions(candidates: Sequence[Candidate]) -> dict[str, str]:
    """What takes part, numpy too, which makes the inputs. Raises :class:`MissingRuntimeError` for what is
    not installed."""
    return {
        package: _version(package)
        for package in sorted({"numpy", *(candidate.row.package for candidate in candidates)})
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise MissingRuntimeError(f"{package} is not installed", f"pip install {package}") from None
