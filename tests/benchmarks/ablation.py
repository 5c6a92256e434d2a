"""What is each pass good for? Each is left out in turn, and what is exported then is counted and timed.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.ablation [--format onnx] [--format coreml] [--write]

CloFormer-XXS with the tests' reference weights goes through the whole export, once without each pass that rewrites anything in
it and once without all of them. Files are compared with the full list's on one thread, in turns, two at a time; an ONNX file that
differs from the full list's in nothing but names and the values of weights is not: it takes the same time. Core ML programs are
not timed: that takes a Mac. ``--write`` puts the tables into ``docs/passes.md``. Ten minutes on two cores that have nothing else
to do. ExecuTorch's passes are weighed by :mod:`.timed_passes`, LiteRT's by counted instructions in :mod:`.counted_passes`.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import hashlib
import importlib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import onnx
import onnxruntime
from reference_weights import fill

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.errors import CloformerError
from cloformer.export.artifact.folder import Artifact
from cloformer.export.formats import FORMATS
from cloformer.export.latency.candidates import CANDIDATES, Candidate
from cloformer.export.latency.comparison import Comparison
from cloformer.export.latency.protocol import Rounds, protocol
from cloformer.export.latency.statistics import Interval
from cloformer.export.latency.turns import compare
from cloformer.export.passes import Pass, Setting
from cloformer.export.pipeline.check import Difference
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.signature import Signature

from .exports import X86
from .markdown import replace_between

MODEL = "cloformer_xxs"
OFFERED = ("onnx", "coreml")
OPTIONS = {"onnx": X86}
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "passes.md"
BEGIN, END = "<!-- ablation of {}: make ablation -->", "<!-- end of the ablation of {} -->"
RUNNER = "onnxruntime"
AT_ONCE = 2  # beside the full list: of more, the later ones came out faster on a busy machine, being the same
ROUNDS = Rounds(least=6, most=6)  # a fresh process can differ by a percent: of six, one moves little
SECONDS = 16.0  # of queries, for each
NOTHING, AGAIN, EVERYTHING = "nothing", "nothing, once more", "all of them"


@dataclass(frozen=True)
class Row:
    """An export without the pass ``off``, which rewrites ``sites`` in the full list.

    ``structure`` is the same for ONNX files that differ in names and the values of weights alone; ``optimized``
    counts the operators that ONNX Runtime makes of it. ``note`` says what else is different.
    """

    off: str
    sites: int | None
    artifact: Artifact | None = None
    difference: Difference | None = None
    structure: str = ""
    optimized: int | None = None
    note: str = ""

    @property
    def operators(self) -> int | None:
        return None if self.artifact is None else int(self.artifact.manifest.graph.operators)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--format", action="append", choices=OFFERED, dest="formats")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{PAGE.name}")
    given = parser.parse_args()
    for name in given.formats or OFFERED:
        with tempfile.TemporaryDirectory() as folder:
            rows = export_all(name, Path(folder))
            lines = coreml_lines(rows) if name == "coreml" else timed_lines(rows, *_times(rows))
        print("", *lines, "", sep="\n", flush=True)
        if given.write:
            replace_between(PAGE, BEGIN.format(name), END.format(name), lines)


def labels(format_name: str, options: Mapping[str, str] | None = None) -> list[str]:
    """The names of a list's passes without their options; one that comes twice says which it is."""
    setting = Setting(Signature((), ()), options=OPTIONS.get(format_name, {}) if options is None else options)
    names = [item.name.partition("[")[0] for item in FORMATS[format_name].passes(setting)]
    found = []
    for place, name in enumerate(names):
        which = ", first" if name in names[place + 1 :] else ", last" if name in names[:place] else ""
        found.append(name + which)
    return found


@contextmanager
def without(format_name: str, place: int | None) -> Iterator[None]:
    """The format's list lacks the pass at ``place``; None: it lacks none."""
    module = importlib.import_module(f"cloformer.export.formats.{format_name}.passes")
    whole = module.passes

    def some(setting: Setting) -> list[Pass]:
        return [item for index, item in enumerate(whole(setting)) if index != place]

    with mock.patch.object(module, "passes", some):
        yield


def export_all(format_name: str, folder: Path) -> list[Row]:
    """The full list's export, one without each pass in order, and one without any. A pass that rewrites nothing in the full list
    changes nothing when it is left out: its row is the full list's."""
    weights = folder / "weights.safetensors"
    save_checkpoint(fill(cloformer.create_model(MODEL)), weights)
    names = labels(format_name)
    rows: list[Row] = []
    whole: Mapping[str, int] = {}
    for place, off in [(None, NOTHING), *enumerate(names), (None, EVERYTHING)]:
        if whole.get(off) == 0:
            rows.append(replace(rows[0], off=off, sites=0))
            continue
        request = ExportRequest(
            model=MODEL, weights=weights, formats=(format_name,), options=OPTIONS.get(format_name, {}),
            reparameterize=off != EVERYTHING,
            output=folder / str(len(rows)),
        )  # fmt: skip
        row = Row(off, whole.get(off))
        try:
            with without(format_name, place):
                done = export(request)[0]
        except CloformerError as error:
            row = replace(row, note=f"the export fails: {error.lines[0]}")
        else:
            left = [name for name in names if name != off and off != EVERYTHING]
            sites = dict(zip(left, (len(item.sites) for item in done.artifact.manifest.passes)))
            whole = whole or sites
            row = replace(row, artifact=done.artifact, difference=done.difference, note=changes(whole, sites))
            row = _with_structure(format_name, row, done.artifact)
        rows.append(row)
        print(f"{format_name} without {off}: {row.operators} operators; {row.note}", flush=True)
    return rows


def changes(whole: Mapping[str, int], sites: Mapping[str, int]) -> str:
    """What other passes rewrite more or less of than they do in the full list."""
    nothing = [name for name, count in sites.items() if not count and whole[name]]
    found = [
        f"`{name}` rewrites {count}, not {whole[name]}"
        for name, count in sites.items()
        if count != whole[name] and name not in nothing
    ]
    if len(nothing) > 2:
        found.append(f"{len(nothing)} other passes find nothing to rewrite")
    else:
        found += [f"`{name}` finds nothing to rewrite" for name in nothing]
    return "; ".join(found)


def _with_structure(format_name: str, row: Row, artifact: Artifact) -> Row:
    """With what says which other file takes the same time."""
    path = artifact.model_path
    if format_name == "onnx":
        return replace(row, structure=structure(onnx.load(path)), optimized=_count_optimized(path))
    return row


def structure(model: onnx.ModelProto) -> str:
    """A digest of operators, attributes, connections, sizes and whole numbers, but of no name and no weight.

    Each value's is made of those that its operator reads, so that the order of the file does not matter.
    """
    graph = model.graph
    known = {"": "nothing"} | {item.name: _digest(item.type) for item in graph.input}
    for tensor in graph.initializer:
        is_weight = tensor.data_type == onnx.TensorProto.FLOAT
        values = () if is_weight else (onnx.numpy_helper.to_array(tensor).tolist(),)
        known[tensor.name] = _digest(tensor.data_type, list(tensor.dims), *values)
    for node in graph.node:
        attributes = sorted(item.SerializeToString(deterministic=True) for item in node.attribute)
        made = _digest(node.domain, node.op_type, attributes, [known[name] for name in node.input])
        known |= {name: _digest(made, place) for place, name in enumerate(node.output)}
    return _digest([known[item.name] for item in graph.output])


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _count_optimized(path: Path) -> int:
    """The operators of what ONNX Runtime makes of a file, layouts and all."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder, "optimized.onnx"))
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return len(onnx.load(options.optimized_model_filepath).graph.node)


def _times(rows: Sequence[Row]) -> tuple[dict[str, Interval], str]:
    """The time of each structure over that of the full list's, which is there a second time, and where it
    was measured."""
    first = rows[0].artifact
    assert first is not None
    unlike: dict[str, Artifact] = {AGAIN: first}
    for row in rows:
        if row.artifact is not None and row.structure != rows[0].structure:
            unlike.setdefault(row.structure, row.artifact)
    keys = list(unlike)
    times: dict[str, Interval] = {}
    runs = []
    for start in range(0, len(keys), AT_ONCE):
        now = keys[start : start + AT_ONCE]
        candidates = [Candidate(item, RUNNER, 1) for item in (first, *(unlike[key] for key in now))]
        found = compare(candidates, protocol("quick", min_seconds=SECONDS), ROUNDS, print)
        if found.failed:
            sys.exit(f"error: {found.failed[0].failure}")
        times |= {key: pair.judged for key, pair in zip(now, found.pairs, strict=True) if pair.judged}
        runs.append(found)
    return times, _where(runs)


def _where(runs: Sequence[Comparison]) -> str:
    runner = CANDIDATES[RUNNER]
    here = runs[0].environment
    loads = [
        load.average or 0.0
        for run in runs
        for row in run.rows
        for load in (row.load_before, row.load_after)
        if load
    ]
    turns = [len(run.turns) for run in runs]
    return (
        f"{here.processor}, {here.system.partition(' ')[0]}, {runner.title} {here.versions[runner.package]}, one thread; "
        f"{ROUNDS.least} rounds of fresh processes, {min(turns)} to {max(turns)} turns; load average "
        f"{min(loads):.1f} to {max(loads):.1f} on {here.processors} processors."
    )


def timed_lines(rows: Sequence[Row], times: Mapping[str, Interval], where: str) -> list[str]:
    """The table and where it comes from, in Markdown."""
    again = replace(rows[0], off=AGAIN, structure=AGAIN)
    lines = [
        "| off | sites | operators | in ONNX Runtime | time | error | what else changes |",
        "| --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for row in (rows[0], again, *rows[1:]):
        told = _told(row, times)
        lines.append(_line(row.off, row.sites, row.operators, row.optimized, told, _error(row), row.note))
    return [*lines, "", where, _largest(rows)]


def coreml_lines(rows: Sequence[Row]) -> list[str]:
    """The same without time."""
    lines = ["| off | sites | operators | error | what else changes |", "| --- | ---: | ---: | ---: | --- |"]
    lines += [_line(row.off, row.sites, row.operators, _error(row), row.note) for row in rows]
    where = "iOS 16, float16, run by the reference runtime of ML Programs."
    return [*lines, "", where, _largest(rows)]


def _told(row: Row, times: Mapping[str, Interval]) -> str:
    if row.off == NOTHING or row.artifact is None:
        return ""
    return percent(times[row.structure]) if row.structure in times else "the same graph"


def percent(time: Interval) -> str:
    """How much longer, with the ends of the interval."""
    low, value, high = (100 * (part - 1) for part in (time.low, time.value, time.high))
    return f"{value:+.1f} % ({low:+.1f} to {high:+.1f})"


def _error(row: Row) -> str:
    return "" if row.difference is None else f"{row.difference.max_abs:.1e}"


def _largest(rows: Sequence[Row]) -> str:
    difference = rows[0].difference
    assert difference is not None
    return f"The largest logit is {difference.largest:.1f} ({', '.join(difference.inputs)})."


def _line(off: str, *cells: object) -> str:
    name, comma, which = off.partition(",")
    shown = off if off in (NOTHING, AGAIN, EVERYTHING) else f"`{name}`{comma}{which}"
    return f"| {' | '.join([shown, *('' if cell is None else str(cell) for cell in cells)])} |"


if __name__ == "__main__":
    main()
