"""Reports of latency as measuring makes them, of every kind that a page or a chart has to show; the numbers are made up."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from pages import HOSTILE

from cloformer.export.latency.comparison import Comparison, Turn
from cloformer.export.latency.environment import Environment, Load
from cloformer.export.latency.protocol import Rounds, protocol
from cloformer.export.latency.report import LatencyReport, Measurement

__all__ = ["BENCHES", "COMPARISONS", "CPU", "HERE", "measured"]

CPU = "host CPU, single stream"
HERE = Environment(
    "A 3000", "x86_64", 8, 4, (0, 1), "Linux 6", "3.11.0", {"cloformer": "0.1.0", "onnxruntime": "1.23.0"}
)


def times(queries: int, each: float, drift: float = 0.0, seed: int = 0) -> tuple[int, ...]:
    """About ``each`` milliseconds, some far more; ``drift`` is the share that the last takes longer."""
    chance = random.Random(seed)
    return tuple(
        int(1e6 * each * (1 + drift * place / queries) * (1 + abs(chance.gauss(0, 0.01))) * (3 if chance.random() < 0.002 else 1))
        for place in range(queries)
    )  # fmt: skip


def measured(queries: int = 1024, each: float = 3.0, **changes: Any) -> Measurement:
    wall = times(queries, each)
    row = Measurement(
        artifact="nets-onnx-32-fp32", manifest_sha256="a" * 64, model="nets", format="onnx", precision="fp32",
        image_size="32 x 32", runner="onnxruntime", title="ONNX Runtime", runtime="onnxruntime 1.23.0", options={},
        measured_on=CPU, threads=1, pinned_to=None, load_ns=50_000_000, first_ns=6_000_000, warm_up_queries=300,
        wall_ns=wall, cpu_ns=wall, preprocessing_ns=(1_000_000,) * 20, end_to_end_ns=(5_000_000,) * 20,
        peak_bytes=90_000_000, before_bytes=40_000_000, load_before=Load(0.5, 1, 100), load_after=Load(0.7, 1, 200),
        complete=True,
    )  # fmt: skip
    return replace(row, **changes)


def bench(*rows: Measurement, planned: int | None = None, stopped: str | None = None) -> LatencyReport:
    return LatencyReport(protocol("normal"), HERE, rows, len(rows) if planned is None else planned, stopped)


DRIFTING = measured(
    wall_ns=times(1024, 3.0, drift=0.1), threads=2, disturbed=("the host took 3.0% of the processor time",)
)
FAILED = measured(0, failure="running: it crashed with SIGSEGV", complete=False, title="PyTorch eager, the untouched model", load_after=None, end_to_end_ns=(), preprocessing_ns=())  # fmt: skip
CUT = measured(70, complete=False, load_after=None, pinned_to=(3,))
EVIL = measured(
    300, artifact=HOSTILE, model=HOSTILE, format=HOSTILE, precision=HOSTILE, image_size=HOSTILE, title=HOSTILE,
    runtime=HOSTILE, options={HOSTILE: HOSTILE}, measured_on=HOSTILE, disturbed=(HOSTILE,), notes=(HOSTILE,),
)  # fmt: skip
BENCHES = {
    "one row": bench(measured()),
    "all kinds": bench(measured(), DRIFTING, FAILED, CUT, planned=6, stopped="interrupted"),
    "equal times": bench(measured(wall_ns=(1_000_000,) * 100, cpu_ns=(1_000_000,) * 100)),
    "one query": bench(measured(1)),
    "very many": bench(measured(50_000, 0.02)),
    "hostile": bench(EVIL, replace(EVIL, failure=HOSTILE, complete=False)),
    "nothing yet": bench(planned=2),
}


def compared(*shares: float, number: int = 3, turns: int = 12, **changes: Any) -> Comparison:
    """The first takes 3 ms and the others so many times as long, in turns of 5 queries and ``number`` rounds."""
    chance, each = random.Random(1), 5
    noise = [1 + abs(chance.gauss(0, 0.01)) for _ in range(number * turns * each)]
    rows = []
    for place, share in enumerate((1.0, *shares)):
        wall = tuple(int(3e6 * share * part * (1 + abs(chance.gauss(0, 0.003)))) for part in noise)
        rows.append(measured(artifact=f"nets-{place}", wall_ns=wall, cpu_ns=wall))
    planned = tuple(Turn(round_, each) for round_ in range(1, number + 1) for _ in range(turns))
    return replace(Comparison(protocol("rapid"), Rounds(), HERE, "cpu", tuple(rows), planned), **changes)


def changed(found: Comparison, place: int, **changes: Any) -> Comparison:
    """With another row in this place."""
    rows = list(found.rows)
    rows[place] = replace(rows[place], **changes)
    return replace(found, rows=tuple(rows))


CRASHED = {"failure": "running: it crashed with SIGSEGV", "complete": False}
ODD_TURN = tuple(3_000_000 * (1 + 9 * (60 <= place < 65)) for place in range(180))
EVIL_PAIR = dict.fromkeys(("artifact", "model", "title", "runtime", "measured_on"), HOSTILE) | {
    "notes": (HOSTILE,)
}
COMPARISONS = {
    "faster": compared(0.9),
    "all kinds": changed(compared(0.9, 1.0, 1.4, 1.1, number=6), 4, **CRASHED),
    "limit": compared(0.99, 1.01, rounds=Rounds(max_regression=0.05)),
    "far apart": compared(0.05, 8.0, rounds=Rounds(max_regression=0.5)),
    "one turn far off": changed(compared(1.0), 1, wall_ns=ODD_TURN, cpu_ns=ODD_TURN),
    "very many turns": compared(1.1, number=12, turns=60),
    "the first failed": changed(compared(0.9), 0, wall_ns=(), cpu_ns=(), **CRASHED),
    "stopped": changed(compared(0.9, stopped="terminated"), 1, complete=False),
    "hostile": changed(changed(compared(0.9), 0, **EVIL_PAIR), 1, **EVIL_PAIR, failure=HOSTILE),
    "nothing yet": changed(
        changed(compared(1.0, turns=0), 0, complete=False, wall_ns=(), cpu_ns=()), 1, complete=False, wall_ns=(), cpu_ns=()
    ),
}  # fmt: skip
