"""Does another measure the same? A plain loop around ONNX Runtime takes turns with `cloformer bench`.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.agreement [ARTIFACT]

In one interleaved run of CloFormer-XXS (or ARTIFACT), on one thread, a worker of `cloformer bench` takes turns
with a program that knows nothing of cloformer: a session, a loop, a clock. Exit code 1 if the medians differ by
more than 3 %.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.latency.candidates import Candidate
from cloformer.export.latency.parent import worker
from cloformer.export.latency.protocol import protocol
from cloformer.export.latency.statistics import Interval, ratio_interval
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

AT_MOST = 0.03
_TURNS, _QUERIES = 60, 8
_LIMIT = 300.0  # seconds

# What anyone would write; argv: the model.
_LOOP = """
import json, sys, time
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
images = [np.random.default_rng(seed).standard_normal((1, 3, 224, 224)).astype(np.float32) for seed in range(4)]
name = session.get_inputs()[0].name
for line in sys.stdin:
    taken = []
    for k in range(int(line)):
        started = time.perf_counter()
        session.run(None, {name: images[k % 4]})
        taken.append(time.perf_counter() - started)
    print(json.dumps(taken), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("artifact", nargs="?", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        artifact = (
            read_artifact(given.artifact)
            if given.artifact
            else export(ExportRequest(model="cloformer_xxs", output=Path(folder)))[0].artifact
        )
        found = _compare(artifact)
    print(
        f"median of cloformer bench over that of a plain loop: {found.value:.4f} "
        f"({found.low:.4f} to {found.high:.4f}), {_TURNS} turns of {_QUERIES} queries"
    )
    if abs(found.value - 1) > AT_MOST:
        print(f"FAIL: the medians differ by {found.value - 1:+.1%}")
        sys.exit(1)


def _compare(artifact: Artifact) -> Interval:
    ours: list[float] = []
    plain: list[float] = []
    with worker(1, time.monotonic() + _LIMIT) as running, _loop(artifact) as loop:
        running.load(Candidate(artifact, "onnxruntime", 1).task(protocol("rapid")))
        for _ in range(_TURNS):
            running.warm_up(1, 0.0)
            ours.append(statistics.median(running.run(_QUERIES).wall_ns) / 1e9)
            plain.append(statistics.median(_ask(loop)[1:]))
    return ratio_interval(ours, plain)


@contextmanager
def _loop(artifact: Artifact) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", _LOOP, str(artifact.model_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()
        running.wait(_LIMIT)


def _ask(running: subprocess.Popen[str]) -> list[float]:
    """A query that is thrown away by who asks, and as many as count."""
    assert running.stdin is not None and running.stdout is not None
    running.stdin.write(f"{_QUERIES + 1}\n")
    running.stdin.flush()
    taken: list[float] = json.loads(running.stdout.readline())
    return taken


if __name__ == "__main__":
    main()
