"""Is `cloformer compare` to be believed? An artifact is compared with itself, and with a slower copy.

::

    PYTHONPATH=tests python -m benchmarks.self_test [--trials 100] [--folder DIR]

Each trial is one comparison at the rapid preset of CloFormer-XXS, the same once more, and a copy with extra
products that make it take 10 % longer: a verdict on the first pair is false, none on the second is a miss. Every
trial is a line of ``trials.jsonl`` in DIR: started again, the program goes on after the last. Exit code 1 if a
bound below is not kept.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloformer.export.artifact import Artifact, read_artifact
from cloformer.export.latency.bench import package_versions
from cloformer.export.latency.candidates import Candidate
from cloformer.export.latency.compare import compare
from cloformer.export.latency.comparison import Comparison
from cloformer.export.latency.environment import environment, steal_share
from cloformer.export.latency.protocol import Rounds, protocol
from cloformer.export.pipeline import export
from cloformer.export.request import ExportRequest

from .slower import slow_down

FALSE_AT_MOST = 0.03
FOUND_AT_LEAST = 0.95
PLANTED = 0.10
_PRODUCTS_AT_FIRST = 12  # products in the copy that the extra work is measured with


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("build/self-test"))
    given = parser.parse_args()
    folder: Path = given.folder
    same, slower = _artifacts(folder)
    candidates = [
        Candidate(same, "onnxruntime", 1),
        Candidate(same, "onnxruntime", 1),
        Candidate(slower, "onnxruntime", 1),
    ]
    here = environment(package_versions(candidates)).to_json()
    trials = folder / "trials.jsonl"
    done = _read(trials, here)
    for number in range(len(done) + 1, given.trials + 1):
        found = compare(candidates, protocol("rapid", seed=number), Rounds())
        done.append(_trial(number, found, here))
        with trials.open("a", encoding="utf-8") as file:
            file.write(json.dumps(done[-1]) + "\n")
        print(_line(done[-1]), flush=True)
    problems = _report(done)
    for problem in problems:
        print(f"FAIL: {problem}")
    sys.exit(1 if problems else 0)


def _artifacts(folder: Path) -> tuple[Artifact, Artifact]:
    """The artifact and its slower copy, made once."""
    kept = folder / "slower.json"
    if not kept.exists():
        artifact = export(ExportRequest(model="cloformer_xxs", output=folder))[0].artifact
        products = _products(folder, artifact)
        slower = slow_down(artifact.folder, folder / f"{artifact.folder.name}-slower", products)
        kept.write_text(
            json.dumps({"artifact": artifact.folder.name, "slower": slower.name, "products": products})
        )
    names = json.loads(kept.read_bytes())
    return read_artifact(folder / names["artifact"]), read_artifact(folder / names["slower"])


def _products(folder: Path, artifact: Artifact) -> int:
    """How many products take a tenth of the time."""
    more = read_artifact(slow_down(artifact.folder, folder / "more", _PRODUCTS_AT_FIRST))
    found = compare(
        [Candidate(artifact, "onnxruntime", 1), Candidate(more, "onnxruntime", 1)],
        protocol("quick"),
        Rounds(),
        print,
    )
    judged = found.pairs[0].judged
    assert judged is not None, found.failed
    return max(1, round(_PRODUCTS_AT_FIRST * PLANTED / (judged.value - 1)))


def _read(path: Path, here: dict[str, Any]) -> list[dict[str, Any]]:
    """The trials so far; they must be of this environment."""
    if not path.exists():
        return []
    trials = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for trial in trials:
        if trial["environment"] != here:
            sys.exit(f"error: trial {trial['trial']} is from another environment; name another --folder")
    return trials


def _trial(number: int, found: Comparison, here: dict[str, Any]) -> dict[str, Any]:
    if found.failed:
        sys.exit(f"error: {found.failed[0].failure}")
    before, after = found.rows[0].load_before, found.rows[0].load_after
    assert before is not None and after is not None
    pairs = [
        {"verdict": pair.verdict, **asdict(pair.judged)} for pair in found.pairs if pair.judged is not None
    ]
    return {
        "trial": number,
        "same": pairs[0],
        "slower": pairs[1],
        "turns": len(found.turns),
        "load": before.average,
        "stolen": steal_share(before, after),
        "environment": here,
    }


def _line(trial: dict[str, Any]) -> str:
    parts = [
        f"{name} {trial[name]['value']:.3f} ({trial[name]['low']:.3f} to {trial[name]['high']:.3f}) {trial[name]['verdict']}"
        for name in ("same", "slower")
    ]
    return f"{trial['trial']:>4}  " + "  ".join(parts) + f"  load {trial['load']:.1f}"


def _report(trials: list[dict[str, Any]]) -> list[str]:
    """Print what came of it; the bounds that are not kept."""
    false = [trial for trial in trials if trial["same"]["verdict"] != "no verdict"]
    found = [trial for trial in trials if trial["slower"]["verdict"] == "slower"]
    ratios = sorted(trial["slower"]["value"] for trial in trials)
    spread = sorted(trial["same"]["value"] for trial in trials)
    loads = sorted(trial["load"] for trial in trials)
    count = len(trials)
    print(f"{count} trials; load average {loads[0]:.1f} to {loads[-1]:.1f}")
    print(
        f"with itself: {len(false)} verdicts, at most {FALSE_AT_MOST * count:g} allowed; ratios {spread[0]:.3f} to {spread[-1]:.3f}"
    )
    print(
        f"with the slower copy (median ratio {ratios[count // 2]:.3f}, {ratios[0]:.3f} to {ratios[-1]:.3f}): "
        f"{len(found)} found, at least {FOUND_AT_LEAST * count:g} required"
    )
    bounds = {
        f"{len(false)} false verdicts": len(false) <= FALSE_AT_MOST * count,
        f"{len(found)} of {count} slow-downs found": len(found) >= FOUND_AT_LEAST * count,
    }
    return [words for words, kept in bounds.items() if not kept]


if __name__ == "__main__":
    main()
