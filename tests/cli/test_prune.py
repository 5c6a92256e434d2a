"""`cloformer prune`: what it takes out, what it writes, and what becomes of that in training, exports and the Hub's folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from image_folders import CLASSES, write_folders
from outcome import Command
from reference_weights import fill
from small_variant import TINY, known

from cloformer.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.model import CloFormer

METADATA = {
    "variant": TINY.name, "cloformer": "0.1.0", "labels": json.dumps(CLASSES), "scores": "{}", "dataset": "noise",
    "preprocessing": json.dumps(Preprocessing.imagenet(32, 32).to_json()),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a checkpoint, whose first block has five dead channels, and one of a user's own network."""
    folder = tmp_path_factory.mktemp("prune")
    with known(TINY):
        model = fill(CloFormer(TINY, num_classes=len(CLASSES)))
        with torch.no_grad():
            model.get_parameter("layers.0.blocks.0.mlp.fc2.weight")[:, 10:20] = 0
        save_checkpoint(model, folder / "whole.safetensors", METADATA)
        save_checkpoint(torch.nn.Linear(2, 2), folder / "mine.safetensors")
        yield folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="module")
def small(place: Path) -> Path:
    """A pruned checkpoint, made by the command."""
    from cloformer.cli import main

    with pytest.raises(SystemExit) as done:
        main(["prune", "--weights", str(place / "whole.safetensors"), "--share", "30%", "--heads", "0.3",
              "--output", str(place / "small.safetensors")])  # fmt: skip
    assert not done.value.code
    return place / "small.safetensors"


def test_it_says_what_goes_and_writes_it(command: Command, here: Path, small: Path) -> None:
    asked = ("prune", "--weights", "whole.safetensors", "--share", "0.3", "--heads", "30%", "--output", "again.safetensors")  # fmt: skip
    done = command(*asked, "--json")
    assert done.code == 0, done.err
    assert small.read_bytes() == Path("again.safetensors").read_bytes()
    found, model = done.json, load_checkpoint(small)[0]
    assert found["widths"] == model.widths.to_json()
    assert found["parameters"]["after"] == sum(weight.numel() for weight in model.parameters())
    assert 0 < found["multiply_adds"]["after"] < found["multiply_adds"]["before"]
    assert found["image_size"] == [32, 32]
    for layer in found["layers"]:
        assert layer["kept"] + len(layer["removed"]) == layer["units"]
        assert layer["kind"] != "hidden" or layer["kept"] % 8 == 0
    first = next(layer for layer in found["layers"] if layer["kind"] == "hidden")
    assert set(range(10, 20)) & set(first["removed"]), "the dead ones go first"
    assert found["gone"]["hidden"] == pytest.approx(0.3, abs=0.03)
    Path("again.safetensors").unlink()
    assert set(read_checkpoint(small).metadata) == {*METADATA, "widths", "pruned_from"} - {"scores"}


def test_without_a_share_dead_channels_go_and_a_dry_run_writes_nothing(command: Command, here: Path) -> None:
    before = sorted(here.iterdir())
    shown = command("prune", "--weights", "whole.safetensors", "--multiple-of", "1", "--dry-run")
    assert (shown.code, sorted(here.iterdir())) == (0, before)
    assert "layers.0.blocks.0" in shown.out
    assert "64 -> 54" in shown.out
    assert "hidden channels: 960 -> 950, 1.0% go (0.0% asked; 10 are dead)" in shown.out
    eights = command("prune", "--weights", "whole.safetensors", "--output", "same.safetensors")
    assert "64 -> 56" in eights.out
    with torch.no_grad():
        images = torch.rand(2, 3, 36, 32)
        outputs = [load_checkpoint(path)[0](images) for path in ("whole.safetensors", "same.safetensors")]
    assert torch.allclose(*outputs, rtol=0, atol=1e-5)
    Path("same.safetensors").unlink()


def test_every_format_takes_it(command: Command, here: Path, small: Path) -> None:
    model = load_checkpoint(small)[0]
    done = command("export", small, "--format", "onnx", "--format", "coreml", "--precision", "fp32")
    assert done.code == 0, done.err
    left = f"{sum(model.widths.hidden)} of {sum(TINY.widths.hidden)} hidden channels"
    assert done.out.count(f"note        the checkpoint is pruned: {left}") == 2
    artifacts = list(Path("build").iterdir())
    held = command("parity", *artifacts, "--weights", small, "--quiet")
    assert held.code == 0, held.out + held.err
    other = command("parity", artifacts[0], "--weights", "whole.safetensors", "--quiet")
    assert (other.code, "not the weights" in other.err) == (3, True)


def test_it_is_trained_on_and_gone_on_with(command: Command, here: Path, small: Path) -> None:
    write_folders(here / "photos")
    asked = ("train", "--data", "photos", "--output", "run", "--quiet")
    tuned = command(*asked, "--weights", small, "--recipe", "finetune", "--set", "epochs=1", "--set", "batch_size=9",
                    "--set", "warmup_epochs=0", "--set", "rand_augment=0", "--set", "color_jitter=0")  # fmt: skip
    assert tuned.code == 0, tuned.err
    model, checkpoint = load_checkpoint("run/last.safetensors")
    assert model.widths == load_checkpoint(small)[0].widths
    assert checkpoint.metadata["weights"] == read_checkpoint(small).sha256
    again = command(*asked, "--resume")
    assert again.code == 0, again.err
    folder = command("hub", "run/last.safetensors", "--output", "hub")
    assert folder.code == 0, folder.err
    assert json.loads(Path("hub/config.json").read_text())["widths"] == model.widths.to_json()
    assert (
        f"| pruned | {sum(model.widths.hidden)} of 960 hidden channels" in Path("hub/README.md").read_text()
    )
    assert load_checkpoint("hub")[0].widths == model.widths
    further = command(
        "prune", "--weights", "hub", "--share", "0.5", "--criterion", "magnitude", "--dry-run", "--json"
    )
    assert further.json["gone"]["hidden"] == pytest.approx(0.5, abs=0.05)


CALLS = {
    "prune": (2, ("cloformer prune needs --weights FILE", "for example: cloformer prune --weights fashion-mnist --share 30% --dry-run")),
    "prune --weights whole.safetensors --share 0.3": (
        2, ("prune needs --output, or --dry-run", "for example: cloformer prune --weights whole.safetensors --share 0.3 --output small.safetensors")),
    "prune --weights whole.safetensors --share 30 --dry-run": (2, ("--share '30' is no share from 0 to 1", "--share takes 30%, or 0.3")),
    "prune --weights whole.safetensors --share 100% --dry-run": (2, ("--share 100% would leave nothing", "--share takes less than 100%, as 30%, or 0.3")),
    "prune --weights whole.safetensors --heads -0.1 --dry-run": (2, ("--heads '-0.1' is no share from 0 to 1", "--heads takes 30%, or 0.3")),
    "prune --weights whole.safetensors --share 0.3 --criterion magnitud --dry-run": (
        2, ("unknown criterion 'magnitud'. Did you mean magnitude?", "--criterion takes: distortion, magnitude; for example --criterion magnitude")),
    "prune --weights whole.safetensors --share 0.3 --output small.pth": (
        2, ("--output small.pth does not end in .safetensors", "for example --output small.safetensors")),
    "prune --weights whole.safetensors --multiple-of 0 --dry-run": (2, ("--multiple-of takes a whole number from 1 on, and not '0'", "for example: --multiple-of 8")),
    "prune --weights whole.safetensors --heads 0.99 --criterion magnitude --dry-run": (
        4, ("layers.0.blocks.0.attn would be left with none of its 3 local heads", "give a smaller share")),
    "prune --weights mine.safetensors --share 0.3 --dry-run": (3, ("mine.safetensors is not a CloFormer checkpoint", "give a checkpoint of a built-in model")),
    "prune --weights nowhere.safetensors --dry-run": (3, ("checkpoint: there is no file nowhere.safetensors", "give a .safetensors or .pth file, a folder of the Hub, or fashion-mnist")),
    "prune --weights whole.safetensors --output mine.safetensors/small.safetensors": (
        3, ("mine.safetensors/small.safetensors cannot be written: Not a directory", "choose another place for the checkpoint")),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_what_is_typed_wrongly(command: Command, here: Path, call: str) -> None:
    code, lines = CALLS[call]
    refused = command(*call.split())
    assert (refused.code, refused.out) == (code, "")
    assert refused.err == "error: " + "\n  ".join(lines) + "\n"
