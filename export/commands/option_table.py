"""What `--help` says of options beside their own words: the group that each stands in, what its value looks like, and what
holds where it is not given.

A row for each option, by its flag, and by ``COMMAND FLAG`` where a command means something else by it; `--help` reads them, and
a test holds that every option has one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..formats.probe import MODES

__all__ = ["GROUPS", "Row", "row_of"]

MODEL = "Model"
WRITE = "What to write"
COMPARE = "What to compare"
RUN = "How to run it"
MEASURE = "How to measure"
TRAIN = "How to train"
LIMITS = "Limits: exit 1 if one is not kept"
PLACES = "Where it goes"
OUTPUT = "Output"

GROUPS = (MODEL, WRITE, COMPARE, RUN, MEASURE, TRAIN, LIMITS, PLACES, OUTPUT)


@dataclass(frozen=True)
class Row:
    """``value`` is what a value looks like ("" for a flag); ``without`` is what holds without the option, where its own
    default does not say it. ``alone`` are the values that an option takes which may stand without one: the first is meant then."""

    group: str
    value: str = ""
    without: str = ""
    alone: tuple[str, ...] = ()


_ROWS = {
    "--artifact": Row(MODEL, "FOLDER"),
    "--batch": Row(MODEL, "N"),
    "--data": Row(MODEL, "FOLDER"),
    "--image-size": Row(MODEL, "SIZE", "the model's own"),
    "--input": Row(MODEL, "NAME=SHAPE", "one image"),
    "--labels": Row(MODEL, "FILE", "those of the checkpoint or --spec"),
    "--model": Row(MODEL, "NAME", "what the weights are, or cloformer_xxs"),
    "--num-classes": Row(MODEL, "N", "the checkpoint's, or 1000"),
    "--seed": Row(MODEL, "N"),
    "--spec": Row(MODEL, "FILE", "none"),
    "--weights": Row(MODEL, "FILE", "random, from --seed"),
    "--calibration": Row(WRITE, "FOLDER", "none"),
    "--dry-run": Row(WRITE),
    "--format": Row(WRITE, "NAME", "onnx"),
    "--keep-failed": Row(WRITE),
    "--precision": Row(WRITE, "NAME", "the first of the format"),
    "--precision-map": Row(WRITE, "FILE", "none"),
    "--range-method": Row(WRITE, "NAME", "mse"),
    "--sensitivity": Row(WRITE, "NAME", "measured"),
    "--samples": Row(WRITE, "N", "128"),
    "--reparameterize": Row(WRITE),
    "--opset": Row(WRITE, "N"),
    "--io-type": Row(WRITE, "NAME"),
    "--normalize": Row(WRITE, "WHERE"),
    "--draw": Row(WRITE, "FOLDER", "nothing is drawn"),
    "--min-score": Row(WRITE, "SHARE"),
    "--opacity": Row(WRITE, "SHARE"),
    "--nms": Row(WRITE, "NAME", "none"),
    "--max-detections": Row(WRITE, "N", "100"),
    "--score-threshold": Row(WRITE, "SHARE", "0.05"),
    "--iou-threshold": Row(WRITE, "SHARE", "0.5"),
    "--class-map": Row(WRITE, "SIZE", "none"),
    "--for": Row(WRITE, "PROCESSOR"),
    "--max-growth": Row(WRITE, "SHARE"),
    "--target": Row(WRITE, "NAME"),
    "--app-name": Row(WRITE, "TEXT"),
    "--min-os": Row(WRITE, "VERSION"),
    "--package": Row(WRITE, "ID"),
    "--port": Row(RUN, "N"),
    "--provider": Row(WRITE, "NAME", "the one that the model was made for; wasm in a page"),
    "--reduced-operators": Row(WRITE),
    "--probe": Row(WRITE, "[modules|all]", "none; modules where it stands alone", alone=MODES),
    "--device-values": Row(RUN, "FILE", "this machine"),
    "--values": Row(COMPARE, "FILE", "those beside the report"),
    "--verify": Row(WRITE, "FOLDER", "a project is written"),
    "--bisect": Row(COMPARE),
    "--headroom": Row(COMPARE),
    "--figure": Row(COMPARE, "NAME", "size, and what is known of work and quality"),
    "--gain": Row(COMPARE, "TIMES"),
    "--images": Row(COMPARE, "PATH", "the photograph that comes with cloformer"),
    "--limit": Row(COMPARE, "N", "all images"),
    "--naive": Row(COMPARE),
    "--operators": Row(COMPARE),
    "--lint": Row(COMPARE),
    "--report": Row(COMPARE, "FILE", "none"),
    "--arithmetic": Row(RUN, "NAME", "wide"),
    "--device": Row(RUN, "NAME", "this machine"),
    "--layout": Row(WRITE, "NAME"),
    "--max-work": Row(RUN, "N"),
    "--optimization": Row(RUN, "LEVEL", "all"),
    "--runner": Row(RUN, "NAME", "the first that runs the format here"),
    "--threads": Row(RUN, "N"),
    "--cold": Row(MEASURE),
    "--count": Row(MEASURE),
    "--count-only": Row(MEASURE),
    "--counter": Row(MEASURE, "NAME"),
    "--max-rounds": Row(MEASURE, "N", "12"),
    "--min-seconds": Row(MEASURE, "SECONDS", "the preset's"),
    "--pin": Row(MEASURE),
    "--preset": Row(MEASURE, "NAME"),
    "--rounds": Row(MEASURE, "N"),
    "--runs": Row(MEASURE, "N", "the preset's"),
    "--time-limit": Row(MEASURE, "SECONDS", "by the preset"),
    "--criterion": Row(WRITE, "NAME"),
    "--heads": Row(WRITE, "SHARE"),
    "--multiple-of": Row(WRITE, "N"),
    "--share": Row(WRITE, "SHARE"),
    "--licence": Row(TRAIN, "TEXT", "none is written"),
    "--recipe": Row(TRAIN, "NAME", "paper"),
    "--resume": Row(TRAIN),
    "--set": Row(TRAIN, "NAME=VALUE", "the recipe's numbers"),
    "--show-recipe": Row(TRAIN),
    "--teacher": Row(TRAIN, "NAME", "none"),
    "--workers": Row(TRAIN, "N"),
    "--baseline": Row(LIMITS, "FILE", "none"),
    "--fail-on": Row(LIMITS, "NAME", "findings are told, and fail nothing"),
    "--max-instructions": Row(LIMITS, "N", "no limit"),
    "--max-loss": Row(LIMITS, "SHARE"),
    "--max-multiply-adds": Row(LIMITS, "N", "no limit"),
    "--max-operators": Row(LIMITS, "N", "no limit"),
    "--max-partitions": Row(LIMITS, "N", "no limit"),
    "--max-undelegated": Row(LIMITS, "N", "no limit"),
    "--max-size": Row(LIMITS, "BYTES", "no limit"),
    "--max-regression": Row(LIMITS, "SHARE", "no limit"),
    "--max-accuracy-drop": Row(LIMITS, "SHARE", "no limit"),
    "--min-on-accelerator": Row(LIMITS, "SHARE", "no limit"),
    "--min-agreement": Row(LIMITS, "SHARE", "no limit"),
    "--min-ap": Row(LIMITS, "SHARE", "no limit"),
    "--min-miou": Row(LIMITS, "SHARE", "no limit"),
    "--min-snr": Row(LIMITS, "DECIBELS", "no limit"),
    "--min-top1": Row(LIMITS, "SHARE", "no limit"),
    "--require-all": Row(LIMITS),
    "--save-baseline": Row(PLACES, "FOLDER", "nothing is kept"),
    "--force": Row(PLACES),
    "--html": Row(PLACES, "FILE", "none is written"),
    "--init": Row(WRITE),
    "--junit": Row(PLACES, "FILE", "none is written"),
    "--output": Row(PLACES, "FOLDER"),
    "--parity": Row(WRITE, "FILE", "ARTIFACT-reports/parity.json, if it is there"),
    "--profile": Row(WRITE, "FILE", "ARTIFACT-reports/profile.json, if it is there"),
    "--plots": Row(PLACES, "FOLDER", "none are drawn"),
    "--save": Row(PLACES, "FOLDER", "nothing is written"),
    "--depth": Row(OUTPUT, "N"),
    "--top": Row(OUTPUT, "N"),
    "--json": Row(OUTPUT),
    "--quiet": Row(OUTPUT),
    "--debug": Row(OUTPUT),
    "--help": Row(OUTPUT),
    "--version": Row(OUTPUT),
    "--install-completion": Row(OUTPUT),
    "--show-completion": Row(OUTPUT),
    "parity --model": Row(MODEL, "NAME", "outputs are held to the artifact's own vectors"),
    "parity --weights": Row(MODEL, "FILE", "outputs are held to the artifact's own vectors"),
    "parity --spec": Row(MODEL, "FILE", "what only it says is not checked"),
    "parity --labels": Row(MODEL, "FILE", "those of the checkpoint or --spec"),
    "lint --seed": Row(COMPARE, "N"),
    "parity --seed": Row(COMPARE, "N"),
    "parity --precision-map": Row(PLACES, "FILE", "none is written"),
    "parity --max-regression": Row(LIMITS, "SHARE", "0.5%"),
    "parity --save-baseline": Row(PLACES, "FILE", "nothing is kept"),
    "bench --model": Row(MODEL, "NAME", "the artifact's own, if it is built in"),
    "bench --weights": Row(MODEL, "FILE", "random, as the artifact's"),
    "bench --runner": Row(RUN, "NAME", "the artifact's own runtime"),
    "bench --output": Row(PLACES, "FILE", "none is written"),
    "bench --package": Row(RUN, "ID", "com.example.cloformer"),
    "bench --seed": Row(MEASURE, "N"),
    "compare --model": Row(MODEL, "NAME", "the artifact's own, if it is built in"),
    "compare --weights": Row(MODEL, "FILE", "random, as the artifact's"),
    "compare --runner": Row(RUN, "NAME", "the artifact's own runtime"),
    "compare --output": Row(PLACES, "FILE", "none is written"),
    "compare --baseline": Row(COMPARE, "FOLDER", "the first artifact is first"),
    "compare --preset": Row(MEASURE, "NAME", "the baseline's, or normal"),
    "compare --threads": Row(RUN, "N", "1"),
    "compare --seed": Row(MEASURE, "N"),
    "profile --layout": Row(RUN),
    "profile --runs": Row(MEASURE, "N"),
    "train --data": Row(TRAIN, "FOLDER", "needed, but with --show-recipe"),
    "train --output": Row(PLACES, "FOLDER", "needed, but with --show-recipe"),
    "train --weights": Row(MODEL, "FILE", "fresh ones"),
    "train --labels": Row(MODEL, "FILE", "the data's own names"),
    "prune --output": Row(PLACES, "FILE", "needed, but with --dry-run"),
    "prune --weights": Row(MODEL, "FILE"),
    "evaluate --data": Row(COMPARE, "FOLDER"),
    "evaluate --coco": Row(COMPARE, "FILE", "none"),
    "evaluate --ignore-class": Row(COMPARE, "N", "255"),
    "evaluate --masks": Row(COMPARE, "FOLDER", "none"),
    "evaluate --labels": Row(COMPARE, "FILE", "the data's own names"),
    "evaluate --weights": Row(COMPARE, "FILE", "the first subject that is no artifact"),
    "evaluate --model": Row(COMPARE, "NAME", "what --weights are"),
    "evaluate --spec": Row(COMPARE, "FILE", "none"),
    "pareto --data": Row(COMPARE, "FOLDER", "what the reports say"),
    "pareto --labels": Row(COMPARE, "FILE", "the data's own names"),
    "pareto --model": Row(COMPARE, "NAME", "what --weights are"),
    "pareto --weights": Row(COMPARE, "FILE", "none"),
    "pareto --spec": Row(COMPARE, "FILE", "none"),
    "bundle --runtime": Row(WRITE, "NAME", "the one that runs the artifact's format"),
    "bundle --package": Row(WRITE, "ID", "com.example.cloformer"),
    "bundle --app-name": Row(WRITE, "TEXT", "CloFormer"),
    "bundle --min-os": Row(WRITE, "VERSION", "24 for Android, 16.0 for iOS"),
    "bundle --output": Row(PLACES, "FOLDER", "needed, but with --verify"),
}


def row_of(command: str, flag: str) -> Row | None:
    """The row of an option of a command; None if nobody wrote one."""
    return _ROWS.get(f"{command} {flag}", _ROWS.get(flag))
