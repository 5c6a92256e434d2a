"""Parity on networks that are drawn by seed.

::

    PYTHONPATH=tests:tests/support python -m random_networks [--count N] [--only N ...] [--format FORMAT] [--json FILE]

Every network is exported, in ONNX and Core ML unless another format that is installed is named; one of two has a fault planted in
it that counts, but in ExecuTorch, where all are sound. A verdict is true if a sound file passes, and if
a damaged one fails with the operator named; whether a file is sound, eager PyTorch in float32 says. Prints tables in Markdown.
Exit code 1 if a bound below is not kept.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from cloformer.export.formats import FORMATS

from .trial import RESULTS, Trial, is_sound, try_network

OF_ALL = ("onnx", "coreml")
COUNT = 300  # networks in each format

# Of the networks of one format. What is refused with a reason is no false verdict, but a network that nobody can export. Of
# faults, one in a hundred may be too small, as in the mutation score.
FALSE_AT_MOST = 0.0
MISSED_AT_MOST = 0.01
UNDECIDED_AT_MOST = 0.02
REFUSED_AT_MOST = 0.05
WITHOUT_A_FAULT_AT_MOST = 0.05


def failures(trials: Sequence[Trial]) -> list[str]:
    """The bounds that are not kept."""
    found = []
    for kind in dict.fromkeys(trial.format for trial in trials):
        results = [trial.result for trial in trials if trial.format == kind]
        missed = results.count("missed")
        shares = {
            "false verdicts": (sum(not RESULTS[result] for result in results) - missed, FALSE_AT_MOST),
            "faults missed": (missed, MISSED_AT_MOST / 2),  # half of the networks have one
            "undecided by the oracle": (results.count("undecided"), UNDECIDED_AT_MOST),
            "refused": (results.count("refused"), REFUSED_AT_MOST),
            "exported wrongly": (results.count("wrong, and named"), FALSE_AT_MOST),
            "without a fault to plant": (results.count("no fault to plant"), WITHOUT_A_FAULT_AT_MOST),
        }
        found += [
            f"{kind}: {count} of {len(results)} {words}"
            for words, (count, most) in shares.items()
            if count > most * len(results)
        ]
    return found


def table(trials: Sequence[Trial]) -> str:
    """The result in Markdown: counts by form, and a row for every network that is worth a look."""
    forms = dict.fromkeys(_form(trial) for trial in sorted(trials, key=_form))
    lines = ["| result | " + " | ".join(forms) + " |", "| --- |" + " --: |" * len(forms)]
    counts = Counter((_form(trial), trial.result) for trial in trials)
    for result, is_right in RESULTS.items():
        row = [counts[form, result] for form in forms]
        if any(row):
            lines.append(
                f"| {result}{'' if is_right else ' (a false verdict)'} | {' | '.join(map(str, row))} |"
            )
    looked_at = [
        trial for trial in trials if trial.result not in ("passed", "caught and named", "no fault to plant")
    ]
    if looked_at:
        lines += [
            "",
            "| network | form | result | what was found | drawn |",
            "| --: | --- | --- | --- | --- |",
        ]
    lines += [
        f"| {trial.number} | {_form(trial)} | {trial.result} | {_in_a_cell(trial.words)} | {trial.network} |"
        for trial in looked_at
    ]
    return "\n".join(lines)


def _form(trial: Trial) -> str:
    return f"{trial.format} {trial.precision}, {'sound' if is_sound(trial.number, trial.format) else 'with a fault'}"


def _in_a_cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")[:500]


def main() -> int:
    parser = argparse.ArgumentParser(description="Parity on networks that are drawn by seed.")
    parser.add_argument("--count", type=int, default=COUNT, help="networks in each format (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first (%(default)s)")
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="these networks alone")
    parser.add_argument(
        "--format",
        choices=[row.name for row in FORMATS.values() if not row.missing],
        help="this format alone",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every network and what was found")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Using padding='same'")
    start = time.monotonic()
    numbers = arguments.only or range(arguments.first, arguments.first + arguments.count)
    trials = []
    with tempfile.TemporaryDirectory(prefix="random-networks-") as folder:
        for number in numbers:
            for kind in [arguments.format] if arguments.format else OF_ALL:
                trials.append(try_network(number, kind, Path(folder)))
                found = trials[-1]
                is_plain = found.result in ("passed", "caught and named") and not arguments.only
                details = "" if is_plain else f": {found.words}\n  {found.network}"
                print(
                    f"{number} {kind} {found.precision}: {found.result} ({found.seconds} s){details}",
                    file=sys.stderr,
                    flush=True,
                )
                if arguments.json is not None:
                    text = json.dumps([asdict(trial) for trial in trials], indent=1)
                    arguments.json.write_text(f"{text}\n", "utf-8")
    print(f"\n{table(trials)}\n")
    largest = max((trial.share for trial in trials if trial.result == "passed"), default=0.0)
    print(f"the largest error of a file that passed: {largest:.2f} of the oracle's bound")
    print(f"{(time.monotonic() - start) / 60:.0f} minutes")
    wrong = failures(trials)
    for words in wrong:
        print(f"FAIL {words}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
