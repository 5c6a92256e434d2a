"""What a newcomer types wrongly at `train`, `evaluate`, `hub`, `bench`, `compare` and `profile`, with the words that come
of it: what happened and where, and what to type next. Nothing is trained or measured for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from image_folders import write_folders
from outcome import Command

ADVICE = (
    "give a folder with one per class under train/ and val/ (photos/train/cat/1.jpg), MNIST's idx files, or an .npz "
    "(see docs/training.md)"
)
ANOTHER_RUN = "choose another folder, for example --output runs/new"
ANOTHER_BASELINE = "name another place, for example --save-baseline baselines/new"
TRAIN_ONE = (
    "cloformer train --data FOLDER --output runs/new --recipe finetune --weights fashion-mnist makes one"
)
AN_EXPORT = "give the folder that `cloformer export` printed"
A_CHECKPOINT = "give a .safetensors or .pth file, a folder of the Hub, or fashion-mnist"
TUNED = "--output runs/new --recipe finetune --weights fashion-mnist"
A_REPORT = "give what `cloformer evaluate --json`, `cloformer bench --output` or `cloformer parity --device arm64 --json` wrote"

# What is typed, the exit code, and every line that is said.
CALLS = [
    ("train", 2, "train needs --data and --output",
     "for example: cloformer train --data photos --output runs/photos --recipe finetune --weights fashion-mnist"),
    ("train --data photos --recipe quick", 2, "train needs --output",
     "for example: cloformer train --data photos --output runs/photos --recipe quick"),
    ("train --show-recipe --resume", 2, "--resume needs --output",
     "for example: cloformer train --data photos --output runs/photos --recipe finetune --weights fashion-mnist "
     "--resume --show-recipe"),
    (f"train --data nowhere {TUNED}", 3, "there is no data set nowhere", ADVICE),
    (f"train --data afile {TUNED}", 3, "afile is a file, and no .npz", ADVICE),
    (f"train --data nothing {TUNED}", 3, "nothing has 0 class folders, and at least 2 are needed", ADVICE),
    (f"train --data one {TUNED}", 3, "one/val has 1 class folder, and at least 2 are needed", ADVICE),
    (f"train --data empty {TUNED}", 3, "the class folder empty/val/bee is empty", "put images in, or remove the folder"),
    (f"train --data noval {TUNED}", 3, "noval has train/ but no val/", "put some images of every class under val/ as well"),
    (f"train --data photos/train {TUNED}", 3, "train has images to validate on, and none to train on", ADVICE),
    (f"train --data arrays.npz --labels names.txt {TUNED}", 3,
     "arrays.npz has class 11, and names.txt names only 1 (the first is class 0)", "give one name a line for every class"),
    (f"train --data photos --labels names.txt {TUNED}", 3,
     "--labels is for sets that have numbers alone: folders have names", "leave --labels out"),
    (f"train --data photos {TUNED}", 3, "there are 9 training images, and a step takes 64 (batch_size)",
     "add --set batch_size=9, or --set batch_size=auto, which comes to that"),
    (f"train --data photos {TUNED} --set epochs=3,batch_size=8", 2,
     "--set 'epochs=3,batch_size=8' gives 2 settings, and --set is given once for each",
     "--set epochs=3 --set batch_size=8"),
    (f"train --data photos {TUNED} --set epochs=ten", 2, "epochs takes a whole number, at least 1, not 'ten'",
     "for example --set epochs=10"),
    (f"train --data photos {TUNED} --set flip=50", 2, "flip must be at least 0 and at most 1, not 50.0",
     "for example --set flip=0.5"),
    ("train --data photos --output afile", 3, "afile is a file, and the run's folder is asked for", ANOTHER_RUN),
    ("train --data photos --output photos", 3, "photos is not empty", ANOTHER_RUN),
    ("train --data photos --output begun", 3, "begun is not empty", f"go on with --resume, or {ANOTHER_RUN}"),
    ("evaluate net --data nowhere", 3, "there is no data set nowhere", ADVICE),
    ("evaluate nowhere --data photos", 3, "checkpoint: there is no file nowhere", A_CHECKPOINT),
    ("evaluate fashion-mnist --data photos --min-top1 91", 2, "--min-top1 '91' is no share from 0 to 1",
     "--min-top1 takes 91%, or 0.91"),
    ("evaluate fashion-mnist --data photos", 3,
     "fashion-mnist does not know the data's class 'ant', but T-shirt/top, Trouser, Pullover, ...",
     f"give a model of these classes; {TRAIN_ONE}"),
    ("evaluate fashion-mnist --data arrays.npz", 3, "fashion-mnist has 10 classes, and arrays has 12",
     f"give a model of these classes; {TRAIN_ONE}"),
    ("evaluate fashion-mnist --data photos --max-accuracy-drop 3", 2, "--max-accuracy-drop '3' is no share from 0 to 1",
     "--max-accuracy-drop takes 3%, or 0.03"),
    ("evaluate net --data pictures --max-accuracy-drop 1%", 2,
     "--max-accuracy-drop needs labels, and nobody says what the images in pictures show",
     "put them into a folder per class, or their numbers into labels.json; --min-agreement and --min-snr need no labels"),
    ("evaluate net --data photos --min-agreement 97%", 2, "--min-agreement holds models to a reference, and none is given",
     "add the checkpoint that they were exported from, --weights best.safetensors, or --model nets.py:build"),
    ("evaluate net --data photos --spec model.toml", 2, "--spec says how the reference is fed, and none is given",
     "add it: --model nets.py:build"),
    ("evaluate net --data pictures --labels names.txt", 3,
     "--labels names the classes of data sets that have numbers alone, and pictures has images alone",
     "leave --labels out"),
    ("evaluate fashion-mnist --data numbered", 3,
     "numbered/0.png is labelled as class 10, and fashion-mnist has 10 classes (the first is class 0)",
     "mend the labels, or give a model of these classes"),
    ("pareto net", 2, "nothing but the size of these artifacts is known",
     "add the images to judge them on, --data FOLDER, or what was measured before: --report evaluation.json --report latency.json"),
    ("pareto net --report nowhere.json", 3, "there is no file nowhere.json", A_REPORT),
    ("pareto net --report begun/run.json", 3, "begun/run.json is no report that figures can be read of", A_REPORT),
    ("hub net --output hub", 3, "checkpoint: net is a folder, not a file",
     "give a .safetensors or .pth file, or fashion-mnist"),
    ("bench nowhere", 3, "nowhere does not exist, so it is not an artifact", AN_EXPORT),
    ("bench fashion-mnist", 3, "fashion-mnist does not exist, so it is not an artifact",
     "it is a checkpoint; make an artifact of it: cloformer export --weights fashion-mnist --format onnx"),
    ("bench builds", 3, "builds is not an artifact: it has no manifest.json",
     "give an artifact in it, for example builds/net"),
    ("bench net --threads 0", 2, "--threads '0' is no list of thread counts from 1 to 256", "--threads takes 1, or 1,2,4"),
    ("bench net --threads 1,x", 2, "--threads '1,x' is no list of thread counts from 1 to 256",
     "--threads takes 1, or 1,2,4"),
    ("bench net --preset fast", 2, "unknown preset 'fast'", "--preset takes: normal, quick, rapid; for example --preset normal"),
    ("bench net --runner coreml", 2, "--runner coreml (Core ML, all compute units) does not run onnx",
     "--runner takes: onnxruntime, onnxruntime-no-layout, pytorch-eager"),
    ("bench net --min-seconds -1", 2, "--min-seconds -1 cannot be waited for",
     "--min-seconds takes 0 or more, for example 10"),
    ("bench net --time-limit 1", 2, "a candidate cannot run for 60 s (--min-seconds) within 1 s (--time-limit)",
     "raise --time-limit, for example --time-limit 900, or lower --min-seconds"),
    ("bench net --save-baseline photos", 3, "photos is there already, and a baseline is kept as it is", ANOTHER_BASELINE),
    ("bench net --save-baseline afile/kept", 3, "afile/kept/latency.json cannot be written: afile is not a folder",
     ANOTHER_BASELINE),
    ("bench net --save-baseline kept --threads 1,2", 2,
     "a baseline is one artifact, one runner and one thread count, and here are 2 rows",
     "give one of each, or leave --save-baseline out"),
    ("bench net --save-baseline kept --count-only", 2, "a baseline has times, and --count-only times nothing",
     "give --count instead"),
    ("compare net", 2, "one candidate is nothing to compare",
     "give another artifact, --naive or --baseline DIR, or two runners: --runner onnxruntime --runner onnxruntime-no-layout"),
    ("compare net net --max-regression 5", 2, "--max-regression '5' is no share from 0 to 1",
     "--max-regression takes 5%, or 0.05"),
    ("compare net net --rounds 10 --max-rounds 5", 2, "--max-rounds 5 are fewer than --rounds 10",
     "raise it, for example --max-rounds 10, or lower --rounds"),
    ("compare net --baseline photos", 3, "photos is no baseline: it has no latency.json",
     "make it again with cloformer bench ARTIFACT --save-baseline DIR"),
    ("profile fashion-mnist", 3, "fashion-mnist does not exist, so it is not an artifact",
     "it is a checkpoint; make an artifact of it: cloformer export --weights fashion-mnist --format onnx"),
    ("profile net --html photos", 3, "photos cannot be written: it is a folder", "choose another --html"),
    ("profile net --html afile/page.html", 3, "afile/page.html cannot be written: afile is not a folder",
     "choose another --html"),
]  # fmt: skip


@pytest.fixture(scope="module")
def places(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the calls name."""
    root = tmp_path_factory.mktemp("places")
    for name in ("photos", "one", "empty", "noval"):
        write_folders(root / name)
    for each in ("train", "val"):
        shutil.rmtree(root / "one" / each / "bee")
        shutil.rmtree(root / "one" / each / "wasp")
    shutil.rmtree(root / "noval" / "val")
    for image in (root / "empty" / "val" / "bee").iterdir():
        image.unlink()
    for name in ("nothing", "begun"):
        (root / name).mkdir()
    for name, text in (("afile", ""), ("names.txt", "ant\n"), ("begun/run.json", "{}")):
        (root / name).write_text(text)
    pixels, labels = np.zeros((12, 8, 8), np.uint8), np.arange(12)
    np.savez(
        root / "arrays.npz", train_images=pixels, train_labels=labels, val_images=pixels, val_labels=labels
    )
    for name in ("pictures", "numbered"):
        shutil.copytree(root / "photos" / "val" / "ant", root / name)
    (root / "numbered" / "labels.json").write_text('{"0.png": 10, "1.png": 9, "2.png": {"index": 0}}')
    for name in ("net", "builds/net"):
        shutil.copytree(small, root / name)
    return root


@pytest.mark.parametrize(("typed", "code", "first", "then"), CALLS, ids=[row[0] for row in CALLS])
def test_wrong_calls(
    command: Command,
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
    first: str,
    then: str,
) -> None:
    monkeypatch.chdir(places)
    before = sorted(places.rglob("*"))
    done = command(*typed.split())
    assert (done.code, done.out) == (code, "")
    assert done.err.splitlines()[-2:] == [f"error: {first}", f"  {then}"]
    assert sorted(places.rglob("*")) == before
