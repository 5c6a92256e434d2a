"""Every example of every `--help` runs as it is printed, in the order in which they stand, in one folder.

cloformer_xxs and fashion-mnist are a small network under their names, which takes images of 32 pixels, timm is a small
package under its name, and measurements are short.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from dense_specs import spec_file
from device_reports import device_report, with_plan
from image_folders import CLASSES, write_folders
from outcome import Command
from PIL import Image
from small_variant import TINY

import cloformer
from cloformer import checkpoint, variants, weights
from cloformer.checkpoint import read_checkpoint, save_checkpoint
from cloformer.export.bundle.served import PageServer
from cloformer.export.commands.examples import EXAMPLES
from cloformer.export.latency import protocol
from cloformer.export.reference.cases import PHOTOGRAPH

_WRITE_FIRST = ("", "export", "train")  # what the others read
_LINES = dict.fromkeys(
    line for name in sorted(EXAMPLES, key=lambda name: name not in _WRITE_FIRST) for _, line in EXAMPLES[name]
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, brief: None, web_library: Path) -> Iterator[Path]:
    """The reader's folder: a checkpoint, a network, a detector, photographs, labels, images in a folder per class."""
    folder = tmp_path_factory.mktemp("mine")
    metadata = read_checkpoint("fashion-mnist").metadata
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(variants.VARIANTS, "cloformer_xxs", replace(TINY, name="cloformer_xxs", image_size=32))
        patch.setattr(weights, "_FOLDER", folder / "box")
        for name, row in protocol.PRESETS.items():
            patch.setitem(protocol.PRESETS, name, replace(row, queries=5, seconds=0.05))
        patch.setattr(PageServer, "serve_forever", lambda self: None)  # as if it were ended at once
        patch.chdir(folder)
        patch.syspath_prepend(Path(__file__).parent.parent / "support" / "fake_libraries")
        checkpoint._expected_shapes.cache_clear()
        _write_all(folder, metadata)
        yield folder
        for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
            del sys.modules[name]
    checkpoint._expected_shapes.cache_clear()


def _write_all(folder: Path, metadata: Mapping[str, str]) -> None:
    model = cloformer.create_model("cloformer_xxs", num_classes=len(CLASSES))
    (folder / "box").mkdir()
    for path in (folder / "box" / "fashion-mnist.safetensors", folder / "best.safetensors"):
        save_checkpoint(model, path, {**metadata, "labels": json.dumps(CLASSES)})
    (folder / "nets.py").write_text(
        "from torch import nn\n\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    (folder / "detector.py").write_text("from dense_models import yolo as build\n")
    spec_file(folder, "yolo").rename(folder / "boxes.toml")
    (folder / "instances.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "cat.jpg", "width": 64, "height": 48}],
                "annotations": [{"image_id": 1, "category_id": 1, "bbox": [8, 8, 40, 32]}],
                "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES)],
            }
        )
    )
    (folder / "labels.txt").write_text("cat\ndog\nfish\n")
    (folder / "photos").mkdir()
    Image.open(PHOTOGRAPH).resize((64, 48)).save(folder / "photos" / "cat.jpg")
    write_folders(folder / "clothes")


@pytest.mark.parametrize("line", _LINES)
def test_an_example_runs(command: Command, place: Path, line: str) -> None:
    program, *words = shlex.split(line.replace("-224-", "-32-"))
    assert program == "cloformer"
    if words[0] == "import-device-report":
        report = device_report(place / words[-1])
        if "--min-on-accelerator" in words:
            report = with_plan(report, "xnnpack", [("node_conv2d", "xnnpack", 3.0)])
        for name in words[1 : next(at for at, word in enumerate(words) if word.startswith("--"))]:
            (place / name).write_text(json.dumps(report))
    words, written = (words[: words.index(">")], words[-1]) if ">" in words else (words, None)
    shown = command(
        *(
            found
            for word in words
            for found in (sorted(map(str, place.glob(word))) if "*" in word else [word])
        )
    )
    if written is not None:  # as a shell does it
        (place / written).write_text(shown.out)
    # Which weights that nobody trained may miss, and a run of milliseconds.
    is_gate = any(word.startswith(("--min-top1", "--max-regression")) for word in words)
    assert shown.code in ((0, 1) if is_gate else (0,)), shown.err
    assert shown.out
