"""Is `cloformer compare` to be believed? An artifact is compared with itself, and with a slower copy.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.self_test [--trials 100] [--folder DIR] [--write]

Each trial is one comparison at the rapid preset of CloFormer-XXS, the same once more, and a copy with extra
products that make it take 10 % longer: a verdict on the first pair is false, none on the second is a miss. Every
trial is a line of ``trials.jsonl`` in DIR: started again, the program goes on after the last. Exit code 1 if a
bound below is not kept; ``--write`` puts the table into docs/latency.md.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.latency.candidates import Candidate
from cloformer.export.latency.comparison import Comparison
from cloformer.export.latency.environment import environment, steal_share
from cloformer.export.latency.measure import package_versions
from cloformer.export.latency.protocol import Rounds, protocol
from cloformer.export.latency.turns import compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

from .kept import keep, kept
from .markdown import replace_between
from .slower import slow_down

FALSE_AT_MOST = 0.03
FOUND_AT_LEAST = 0.95
PLANTED = 0.10
DOCUMENT = Path(__file__).parents[2] / "docs" / "latency.md"
BEGIN, END = "<!-- self-test -->", "<!-- end of the self-test -->"
_PRODUCTS_AT_FIRST = 12  # products in the copy that the extra work is measured with


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("build/self-test"))
    parser.add_argument("--write", action="store_true", help="put the table into docs/latency.md")
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
        found = compare(candidates, replace(protocol("rapid"), seed=number), Rounds())
        done.append(_trial(number, found, here))
        keep(trials, done[-1])
        print(_line(done[-1]), flush=True)
    false, right = _counts(done)
    lines = _table(done, false, right)
    print("\n".join(lines))
    if given.write:
        replace_between(DOCUMENT, BEGIN, END, lines)
    problems = {
        f"{false} false verdicts": false <= FALSE_AT_MOST * len(done),
        f"{right} of {len(done)} slow-downs found": right >= FOUND_AT_LEAST * len(done),
    }
    failures = [words for words, kept in problems.items() if not kept]
    for words in failures:
        print(f"FAIL: {words}")
    sys.exit(1 if failures else 0)


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
    trials = kept(path)
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


def _counts(trials: list[dict[str, Any]]) -> tuple[int, int]:
    """Verdicts on the artifact and itself, and slow-downs that were found."""
    false = sum(trial["same"]["verdict"] != "no verdict" for trial in trials)
    return false, sum(trial["slower"]["verdict"] == "slower" for trial in trials)


def _table(trials: list[dict[str, Any]], false: int, found: int) -> list[str]:
    count, here = len(trials), trials[0]["environment"]
    loads = sorted(trial["load"] for trial in trials)
    rows = {
        "with itself": ("same", f"at most {FALSE_AT_MOST * count:g}", false),
        "with the slower copy": ("slower", f"at least {FOUND_AT_LEAST * count:g}", found),
    }
    lines = [
        "| CloFormer-XXS compared | trials | verdicts required | given | median ratio | least | most |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for words, (name, required, given) in rows.items():
        ratios = sorted(trial[name]["value"] for trial in trials)
        middle = statistics.median(ratios)
        lines.append(
            f"| {words} | {count} | {required} | {given} | {middle:.3f} | {ratios[0]:.3f} | {ratios[-1]:.3f} |"
        )
    versions = here["versions"]
    return [
        *lines,
        "",
        f"{here['processor']}, {here['system']}, ONNX Runtime {versions['onnxruntime']}, one thread, preset rapid; load",
        f"average {loads[0]:.1f} to {loads[-1]:.1f} on {here['processors']} processors.",
    ]


if __name__ == "__main__":
    main()
